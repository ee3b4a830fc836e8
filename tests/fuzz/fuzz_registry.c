// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of bus prefixes against a model: one record for each bus.
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

enum how { SEE, GET, REGISTER };

static int note(struct device *owner, u32 *prefix, enum how how)
{
	switch (how) {
	case SEE:
		return hvp_registry_see(owner, prefix);
	case GET:
		return hvp_registry_get(owner, prefix);
	default:
		return hvp_registry_register(owner, *prefix);
	}
}

/* What has to come of it, but for memory. */
static int model_note(int i, u32 *prefix, enum how how)
{
	int other;

	if (*prefix & 7)
		return -EINVAL;
	for (other = 0; !model[i].there && other < BUSES; other++) {
		struct record *r = &model[other];

		if (!r->there || r->prefix != *prefix)
			continue;
		if (how != GET || r->users || r->registered)
			return -EEXIST;
		*r = (struct record){ 0 };
	}
	if (!model[i].there)
		model[i] = (struct record){ .there = true, .prefix = *prefix };
	if (how == REGISTER) {
		if (model[i].registered || model[i].prefix != *prefix)
			return -EEXIST;
		model[i].registered = true;
		return 0;
	}
	model[i].seen = true;
	model[i].users += how == GET;
	*prefix = model[i].prefix;
	return 0;
}

static void do_note(struct input *in, int i, enum how how)
{
	u32 prefix = take_below(in, PREFIXES) << 3, want;

	switch (take_below(in, 16)) {
	case 0:
		prefix = take(in, 4);
		break;
	case 1:
		expect(note(NULL, &prefix, how) == -EINVAL);
		return;
	case 2:
		shim_fail_after(0);
		expect(note(&bus[i], &prefix, how) == -ENOMEM);
		shim_fail_after(-1);
		return;
	}
	want = prefix;
	expect(note(&bus[i], &prefix, how) == model_note(i, &want, how));
	expect(prefix == want);
}

static void do_unregister(int i)
{
	int want = model[i].registered ? 0 : -ENOENT;

	model[i].registered = false;
	if (!model[i].seen)
		model[i] = (struct record){ 0 };
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
	int i;

	for (i = 0; i < BUSES; i++) {
		bus[i].refs = 1;
		model[i] = (struct record){ 0 };
	}
	while (in.left) {
		unsigned int op = take_below(&in, 7);

		i = take_below(&in, BUSES);
		switch (op) {
		case SEE:
		case GET:
		case REGISTER:
			do_note(&in, i, op);
			break;
		case 3:
			do_unregister(i);
			break;
		case 4:
			if (!model[i].users)
				break;
			hvp_registry_put(&bus[i]);
			model[i].users--;
			break;
		case 5:
			hvp_registry_forget(&bus[i]);
			if (!model[i].users)
				model[i] = (struct record){ 0 };
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
