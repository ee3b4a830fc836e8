// SPDX-License-Identifier: GPL-2.0
/*
 * Logical device ids and the registry of bus prefixes. Buses are devices with
 * one reference, the test's: whatever else is counted is the registry's.
 */
/* LINK: ../../src/registry.c shim/user_kshim.c */
/* SANITIZE: thread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry.h"

enum { BUSES = 8 };

static struct device bus[BUSES];

static const struct {
	u8 guid[16];
	u32 prefix;
} guids[] = {
	/* data2 13d7, data3 4a5f */
	{ { 0, 0, 0, 0, 0xd7, 0x13, 0x5f, 0x4a }, 0x13d74a58 },
	/* top bit of byte 5 set */
	{ { 0, 0, 0, 0, 0x01, 0x80, 0xff, 0xff }, 0x8001fff8 },
	/* all bytes different: which go where, which do not count */
	{ { 0xf0, 0xf1, 0xf2, 0xf3, 0x44, 0x55, 0x66, 0x77,
	    0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff }, 0x55447760 },
	{ { 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff }, 0xfffffff8 },
	{ { 0, 0, 0, 0, 0, 0, 0x07, 0 }, 0 },
	{ { 0, 0, 0, 0, 0, 0, 0x08, 0 }, 8 },
};

static void test_prefix(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(guids); i++)
		assert_int_equal(hvp_id_prefix(guids[i].guid),
				 guids[i].prefix);
}

/* What the host said of a function is kept until it, or its bus, goes. */
static void test_answers(void **state)
{
	u32 prefix = 0x100;

	(void)state;
	assert_int_equal(hvp_registry_answer(&bus[0], 0), -ENOENT);
	hvp_registry_set_answer(&bus[0], 0, 1);
	assert_int_equal(hvp_registry_answer(&bus[0], 0), -ENOENT);
	assert_int_equal(hvp_registry_see(&bus[0], &prefix), 0);
	assert_int_equal(hvp_registry_answer(&bus[0], 0), -ENOENT);
	hvp_registry_set_answer(&bus[0], 0, 1);
	hvp_registry_set_answer(&bus[0], 7, 0);
	assert_int_equal(hvp_registry_answer(&bus[0], 0), 1);
	assert_int_equal(hvp_registry_answer(&bus[0], 7), 0);
	assert_int_equal(hvp_registry_answer(&bus[0], 1), -ENOENT);
	hvp_registry_set_answer(&bus[0], 0, 0);
	assert_int_equal(hvp_registry_answer(&bus[0], 0), 0);
	hvp_registry_set_answer(&bus[0], 0, -ENOENT);
	assert_int_equal(hvp_registry_answer(&bus[0], 0), -ENOENT);
	assert_int_equal(hvp_registry_answer(&bus[0], 7), 0);
	hvp_registry_forget(&bus[0]);
	assert_int_equal(hvp_registry_see(&bus[0], &prefix), 0);
	assert_int_equal(hvp_registry_answer(&bus[0], 7), -ENOENT);
	hvp_registry_forget(&bus[0]);
}

static void test_id(void **state)
{
	unsigned int fn;

	(void)state;
	assert_int_equal(hvp_id_make(hvp_id_prefix(guids[0].guid), 0),
			 0x13d74a58);
	assert_int_equal(hvp_id_make(hvp_id_prefix(guids[0].guid), 3),
			 0x13d74a5b);
	assert_int_equal(hvp_id_make(hvp_id_prefix(guids[1].guid), 7),
			 0x000000008001ffffULL);
	for (fn = 0; fn < 8; fn++)
		assert_int_equal(hvp_id_make(0xfffffff8, fn),
				 0x00000000fffffff8ULL + fn);
}

static int add_buses(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < BUSES; i++) {
		atomic_store(&bus[i].refs, 1);
	}
	return 0;
}

/* Frees what a failed test left, and finds what one that worked has lost. */
static int drop_all(void **state)
{
	int i, wrong = 0;

	(void)state;
	shim_fail_after(-1);
	hvp_registry_stop();
	wrong += shim_objects() != 0;
	for (i = 0; i < BUSES; i++)
		wrong += atomic_load(&bus[i].refs) != 1;
	return wrong ? -1 : 0;
}

static bool is_held(const struct device *dev)
{
	return atomic_load(&dev->refs) == 2;
}

static void expect_prefix(const struct device *owner, u32 want)
{
	u32 prefix = 0xdead;

	assert_int_equal(hvp_registry_lookup(owner, &prefix), 0);
	assert_int_equal(prefix, want);
}

static void expect_none(const struct device *owner)
{
	u32 prefix = 0xdead;

	assert_int_equal(hvp_registry_lookup(owner, &prefix), -ENOENT);
	assert_int_equal(prefix, 0xdead);
}

struct seen {
	unsigned int nr;
	const struct device *owner[8];
	u32 prefix[8];
	unsigned int users[8];
	bool registered[8];
};

static void note(const struct device *owner, u32 prefix, unsigned int users,
		 bool registered, void *arg)
{
	struct seen *seen = arg;

	seen->owner[seen->nr] = owner;
	seen->prefix[seen->nr] = prefix;
	seen->users[seen->nr] = users;
	seen->registered[seen->nr++] = registered;
}

static int see(struct device *owner, u32 prefix)
{
	return hvp_registry_see(owner, &prefix);
}

static int get(struct device *owner, u32 prefix)
{
	return hvp_registry_get(owner, &prefix);
}

static void test_for_each(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	hvp_registry_for_each(note, &seen);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(get(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_register(&bus[1], 0), 0);
	assert_int_equal(get(&bus[0], 0x10), 0);
	hvp_registry_for_each(note, &seen);
	assert_int_equal(seen.nr, 2);
	assert_ptr_equal(seen.owner[0], &bus[1]);
	assert_int_equal(seen.prefix[0], 0);
	assert_int_equal(seen.users[0], 0);
	assert_true(seen.registered[0]);
	assert_ptr_equal(seen.owner[1], &bus[0]);
	assert_int_equal(seen.prefix[1], 0x10);
	assert_int_equal(seen.users[1], 2);
	assert_false(seen.registered[1]);
	hvp_registry_put(&bus[0]);
	hvp_registry_put(&bus[0]);
}

static void test_see(void **state)
{
	(void)state;
	expect_none(&bus[0]);
	assert_int_equal(see(&bus[0], 0x10), 0);
	assert_int_equal(see(&bus[1], 0x80000018), 0);
	/* 0 is a value like any other */
	assert_int_equal(see(&bus[2], 0), 0);
	/* seen again, and never registered */
	assert_int_equal(see(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_unregister(&bus[0]), -ENOENT);
	expect_prefix(&bus[0], 0x10);
	expect_prefix(&bus[1], 0x80000018);
	expect_prefix(&bus[2], 0);
	expect_none(&bus[3]);
	expect_none(NULL);
	assert_int_equal(shim_objects(), 3);
	assert_true(is_held(&bus[0]) && is_held(&bus[1]) && is_held(&bus[2]));

	/* the prefix of another bus */
	assert_int_equal(see(&bus[3], 0x10), -EEXIST);
	expect_none(&bus[3]);
	assert_false(is_held(&bus[3]));
	hvp_registry_stop();
	expect_none(&bus[1]);
	assert_int_equal(shim_objects(), 0);
}

/* From the front, the middle and the end of the list. */
static void test_forget(void **state)
{
	unsigned int set, i;

	(void)state;
	for (set = 0; set < 16; set++) {
		add_buses(NULL);
		for (i = 0; i < 4; i++)
			assert_int_equal(see(&bus[i], i << 3), 0);
		for (i = 0; i < 4; i++)
			if (set >> i & 1)
				hvp_registry_forget(&bus[i]);
		/* not known, not known any more */
		hvp_registry_forget(&bus[4]);
		if (set & 1)
			hvp_registry_forget(&bus[0]);
		for (i = 0; i < 4; i++) {
			if (set >> i & 1)
				expect_none(&bus[i]);
			else
				expect_prefix(&bus[i], i << 3);
			assert_int_equal(is_held(&bus[i]), !(set >> i & 1));
		}
		hvp_registry_stop();
		assert_int_equal(shim_objects(), 0);
	}
}

/* The device comes back as another bus with the same prefix. */
static void test_comes_back(void **state)
{
	(void)state;
	assert_int_equal(see(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), 0);
	hvp_registry_forget(&bus[0]);
	assert_false(is_held(&bus[0]));
	assert_int_equal(see(&bus[1], 0x10), 0);
	expect_prefix(&bus[1], 0x10);
	expect_none(&bus[0]);
	assert_int_equal(hvp_registry_unregister(&bus[0]), -ENOENT);
	expect_prefix(&bus[1], 0x10);

	/* a function that is not gone yet keeps it */
	assert_int_equal(get(&bus[1], 0x10), 0);
	assert_int_equal(get(&bus[1], 0x10), 0);
	assert_int_equal(see(&bus[2], 0x10), -EEXIST);
	hvp_registry_put(&bus[1]);
	hvp_registry_forget(&bus[1]);
	assert_int_equal(see(&bus[2], 0x10), -EEXIST);
	assert_int_equal(get(&bus[2], 0x10), -EEXIST);
	expect_prefix(&bus[1], 0x10);
	hvp_registry_put(&bus[1]);
	hvp_registry_forget(&bus[1]);
	assert_int_equal(hvp_registry_register(&bus[2], 0x10), 0);
	expect_none(&bus[1]);
}

/* One that is going to be translated gets what is of no use to another. */
static void test_twins(void **state)
{
	(void)state;
	assert_int_equal(see(&bus[0], 0x10), 0);
	assert_int_equal(see(&bus[1], 0x10), -EEXIST);
	assert_int_equal(hvp_registry_register(&bus[1], 0x10), -EEXIST);
	assert_int_equal(get(&bus[1], 0x10), 0);
	expect_none(&bus[0]);
	expect_prefix(&bus[1], 0x10);
	assert_false(is_held(&bus[0]));
	assert_int_equal(get(&bus[0], 0x10), -EEXIST);
	hvp_registry_put(&bus[1]);
	expect_prefix(&bus[1], 0x10);
	assert_int_equal(see(&bus[0], 0x10), -EEXIST);
	assert_int_equal(hvp_registry_register(&bus[1], 0x10), 0);
	assert_int_equal(get(&bus[0], 0x10), -EEXIST);
	assert_int_equal(hvp_registry_unregister(&bus[1]), 0);
	expect_prefix(&bus[1], 0x10);
	assert_int_equal(get(&bus[0], 0x10), 0);
	expect_none(&bus[1]);
	assert_int_equal(shim_objects(), 1);
	hvp_registry_put(&bus[0]);
}

static void test_register(void **state)
{
	u32 prefix = 0x28;

	(void)state;
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), 0);
	expect_prefix(&bus[0], 0x10);
	/* twice, with the same prefix and another; another bus */
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), -EEXIST);
	assert_int_equal(hvp_registry_register(&bus[0], 0x18), -EEXIST);
	assert_int_equal(hvp_registry_register(&bus[1], 0x10), -EEXIST);
	assert_int_equal(see(&bus[1], 0x10), -EEXIST);
	expect_none(&bus[1]);
	expect_prefix(&bus[0], 0x10);
	assert_int_equal(shim_objects(), 1);
	assert_false(is_held(&bus[1]));

	/* never seen: gone with the registration, and free for others */
	assert_int_equal(hvp_registry_unregister(&bus[1]), -ENOENT);
	assert_int_equal(hvp_registry_unregister(&bus[0]), 0);
	assert_int_equal(hvp_registry_unregister(&bus[0]), -ENOENT);
	assert_int_equal(hvp_registry_unregister(NULL), -ENOENT);
	expect_none(&bus[0]);
	assert_int_equal(shim_objects(), 0);
	assert_int_equal(hvp_registry_register(&bus[1], 0x10), 0);
	assert_int_equal(hvp_registry_unregister(&bus[1]), 0);

	/* seen before: the prefix must be the same, and stays */
	assert_int_equal(see(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_register(&bus[0], 0x18), -EEXIST);
	assert_int_equal(hvp_registry_unregister(&bus[0]), -ENOENT);
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_unregister(&bus[0]), 0);
	expect_prefix(&bus[0], 0x10);

	/* seen after: what was registered counts, and stays */
	assert_int_equal(hvp_registry_register(&bus[2], 0x20), 0);
	assert_int_equal(hvp_registry_see(&bus[2], &prefix), 0);
	assert_int_equal(prefix, 0x20);
	prefix = 0x28;
	assert_int_equal(hvp_registry_get(&bus[2], &prefix), 0);
	assert_int_equal(prefix, 0x20);
	assert_int_equal(hvp_registry_unregister(&bus[2]), 0);
	expect_prefix(&bus[2], 0x20);
	hvp_registry_put(&bus[2]);
	assert_int_equal(see(&bus[2], 0x28), 0);
	expect_prefix(&bus[2], 0x20);
	assert_int_equal(see(&bus[3], 0x28), 0);
}

/* A bus may be registered before it is added. */
static void test_register_early(void **state)
{
	(void)state;
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), 0);
	assert_int_equal(see(&bus[1], 0x10), -EEXIST);
	expect_prefix(&bus[0], 0x10);
	assert_int_equal(see(&bus[0], 0x18), 0);
	expect_prefix(&bus[0], 0x10);
	hvp_registry_forget(&bus[0]);
	assert_int_equal(hvp_registry_unregister(&bus[0]), -ENOENT);
	expect_none(&bus[0]);
	assert_int_equal(shim_objects(), 0);
	assert_false(is_held(&bus[0]));
}

static void test_errors(void **state)
{
	u32 bit;

	(void)state;
	for (bit = 1; bit < 8; bit <<= 1) {
		assert_int_equal(see(&bus[0], 0x10 | bit), -EINVAL);
		assert_int_equal(get(&bus[0], 0x10 | bit), -EINVAL);
		assert_int_equal(hvp_registry_register(&bus[0], 0x10 | bit),
				 -EINVAL);
	}
	assert_int_equal(see(NULL, 0x10), -EINVAL);
	assert_int_equal(hvp_registry_register(NULL, 0x10), -EINVAL);
	shim_fail_after(0);
	assert_int_equal(see(&bus[0], 0x10), -ENOMEM);
	assert_int_equal(hvp_registry_register(&bus[0], 0x10), -ENOMEM);
	shim_fail_after(-1);
	expect_none(&bus[0]);
	assert_int_equal(shim_objects(), 0);
	assert_false(is_held(&bus[0]));
}

/*
 * Threads, each with a bus of its own that comes and goes, and all of them
 * after the same prefix. cmocka must not be called from other threads: they
 * count what was wrong.
 */
static void *use_one_bus(void *arg)
{
	struct device *owner = arg;
	u32 mine = (owner - bus + 1) << 3;
	uintptr_t wrong = 0;
	u32 prefix;
	int i, ret;

	for (i = 0; i < 5000; i++) {
		ret = hvp_registry_register(owner, 0x1000);
		wrong += ret && ret != -EEXIST;
		wrong += hvp_registry_unregister(owner) != (ret ? -ENOENT : 0);
		wrong += see(owner, mine) != 0;
		wrong += get(owner, mine) != 0;
		wrong += hvp_registry_register(owner, 0x1000) != -EEXIST;
		wrong += hvp_registry_register(owner, mine) != 0;
		wrong += hvp_registry_lookup(owner, &prefix) || prefix != mine;
		hvp_registry_put(owner);
		if (i & 1)
			wrong += hvp_registry_unregister(owner) != 0;
		hvp_registry_forget(owner);
		wrong += hvp_registry_unregister(owner) != -ENOENT;
		wrong += hvp_registry_lookup(owner, &prefix) != -ENOENT;
	}
	return (void *)wrong;
}

static void test_threads(void **state)
{
	pthread_t thread[4];
	void *wrong;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_one_bus,
						&bus[i]), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_int_equal(shim_objects(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, add_buses, drop_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_id),
		TEST(test_answers),
		TEST(test_for_each),
		TEST(test_see),
		TEST(test_forget),
		TEST(test_comes_back),
		TEST(test_twins),
		TEST(test_register),
		TEST(test_register_early),
		TEST(test_errors),
		TEST(test_threads),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
