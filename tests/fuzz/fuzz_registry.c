// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of bus prefixes against a model: one record for each bus, and
 * the buses that have gone swept out at each change.
 */
/* LINK: ../../src/registry.c ../unit/shim/user_kshim.c */
#include "registry.h"
#include "fuzz.h"

enum { BUSES = 6, PREFIXES = 5 };

static struct device bus[BUSES];

static struct record {
	bool there, seen, registered;
	unsigned int users;
	u32 prefix;
} model[BUSES];

static void sweep(void)
{
	int i;

	for (i = 0; i < BUSES; i++)
		if (model[i].seen && !model[i].users && !bus[i].registered)
			model[i] = (struct record){ 0 };
}

/* What has to come of seeing or registering a bus, but for memory. */
static int model_note(int i, u32 prefix, bool explicit)
{
	int other;

	if (prefix & 7)
		return -EINVAL;
	sweep();
	if (model[i].there && explicit &&
	    (model[i].registered || model[i].prefix != prefix))
		return -EEXIST;
	for (other = 0; !model[i].there && other < BUSES; other++)
		if (model[other].there && model[other].prefix == prefix)
			return -EEXIST;
	if (!model[i].there)
		model[i] = (struct record){ .there = true, .prefix = prefix };
	if (explicit)
		model[i].registered = true;
	else
		model[i].seen = true;
	return 0;
}

static void do_note(struct input *in, int i, bool explicit)
{
	u32 prefix = take_below(in, PREFIXES) << 3;
	int (*note)(struct device *owner, u32 prefix) =
		explicit ? hvp_registry_register : hvp_registry_see;

	switch (take_below(in, 16)) {
	case 0:
		prefix = take(in, 4);
		break;
	case 1:
		expect(note(NULL, prefix) == -EINVAL);
		return;
	case 2:
		shim_fail_after(0);
		expect(note(&bus[i], prefix) == -ENOMEM);
		shim_fail_after(-1);
		return;
	}
	/* nobody sees a bus that is not there */
	if (!explicit && !bus[i].registered)
		return;
	expect(note(&bus[i], prefix) == model_note(i, prefix, explicit));
}

static void do_unregister(int i)
{
	int want = model[i].registered ? 0 : -ENOENT;

	model[i].registered = false;
	if (!model[i].seen)
		model[i] = (struct record){ 0 };
	sweep();
	expect(hvp_registry_unregister(&bus[i]) == want);
}

static void check_all(void)
{
	long objects = 0;
	int i;

	for (i = 0; i < BUSES; i++) {
		u32 prefix = 0x5a5a;

		expect(hvp_registry_lookup(&bus[i], &prefix) ==
		       (model[i].there ? 0 : -ENOENT));
		expect(prefix == (model[i].there ? model[i].prefix : 0x5a5a));
		expect(bus[i].refs == 1 + model[i].there);
		objects += model[i].there;
	}
	expect(shim_objects() == objects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	u32 prefix;
	int i;

	for (i = 0; i < BUSES; i++) {
		bus[i].refs = 1;
		bus[i].registered = true;
		model[i] = (struct record){ 0 };
	}
	while (in.left) {
		unsigned int op = take_below(&in, 8);

		i = take_below(&in, BUSES);
		prefix = 0x5a5a;
		switch (op) {
		case 0:
		case 1:
			do_note(&in, i, op);
			break;
		case 2:
			do_unregister(i);
			break;
		case 3:
			expect(hvp_registry_get(&bus[i], &prefix) ==
			       (model[i].there ? 0 : -ENOENT));
			expect(prefix == (model[i].there ? model[i].prefix :
					  0x5a5a));
			model[i].users += model[i].there;
			break;
		case 4:
			if (!model[i].users)
				break;
			hvp_registry_put(&bus[i]);
			model[i].users--;
			break;
		case 5:
			bus[i].registered = false;
			break;
		case 6:
			bus[i].registered = true;
			break;
		default:
			if (take_below(&in, 16))
				break;
			hvp_registry_stop();
			for (i = 0; i < BUSES; i++)
				model[i] = (struct record){ 0 };
			break;
		}
		check_all();
	}
	hvp_registry_stop();
	for (i = 0; i < BUSES; i++)
		expect(bus[i].refs == 1);
	expect(!shim_objects());
	return 0;
}
