// SPDX-License-Identifier: GPL-2.0
/* Logical device ids and the registry of bus prefixes. */
/* LINK: ../../src/registry.c shim/user_kshim.c */
/* SANITIZE: thread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "registry.h"
#include "seed.h"

/* Addresses that stand for buses; never read. */
static char bus[8];

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

static void expect_prefix(const void *owner, u32 want)
{
	u32 prefix = 0xdead;

	assert_int_equal(hvp_registry_lookup(owner, &prefix), 0);
	assert_int_equal(prefix, want);
}

static void expect_none(const void *owner)
{
	u32 prefix = 0xdead;

	assert_int_equal(hvp_registry_lookup(owner, &prefix), -ENOENT);
	assert_int_equal(prefix, 0xdead);
}

struct seen {
	unsigned int nr;
	const void *owner[8];
	u32 prefix[8];
	unsigned int refs[8];
};

static void see(const void *owner, u32 prefix, unsigned int refs, void *arg)
{
	struct seen *seen = arg;

	seen->owner[seen->nr] = owner;
	seen->prefix[seen->nr] = prefix;
	seen->refs[seen->nr++] = refs;
}

static void test_for_each(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	hvp_registry_for_each(see, &seen);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_add(&bus[1], 0), 0);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	hvp_registry_for_each(see, &seen);
	assert_int_equal(seen.nr, 2);
	assert_ptr_equal(seen.owner[0], &bus[0]);
	assert_int_equal(seen.prefix[0], 0x10);
	assert_int_equal(seen.refs[0], 2);
	assert_ptr_equal(seen.owner[1], &bus[1]);
	assert_int_equal(seen.prefix[1], 0);
	assert_int_equal(seen.refs[1], 1);
	hvp_registry_del(&bus[0]);
	hvp_registry_del(&bus[0]);
	hvp_registry_del(&bus[1]);
	assert_int_equal(shim_objects(), 0);
}

static void test_add_del(void **state)
{
	(void)state;
	assert_int_equal(hvp_registry_count(), 0);
	expect_none(&bus[0]);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_add(&bus[1], 0x80000018), 0);
	/* 0 is a value like any other */
	assert_int_equal(hvp_registry_add(&bus[2], 0), 0);
	assert_int_equal(hvp_registry_count(), 3);
	expect_prefix(&bus[0], 0x10);
	expect_prefix(&bus[1], 0x80000018);
	expect_prefix(&bus[2], 0);
	expect_none(&bus[3]);
	expect_none(NULL);

	/* from the middle, the front, the end; a second time */
	hvp_registry_del(&bus[1]);
	expect_none(&bus[1]);
	expect_prefix(&bus[2], 0);
	hvp_registry_del(&bus[1]);
	hvp_registry_del(NULL);
	assert_int_equal(hvp_registry_count(), 2);
	hvp_registry_del(&bus[0]);
	expect_prefix(&bus[2], 0);
	hvp_registry_del(&bus[2]);
	assert_int_equal(hvp_registry_count(), 0);
	assert_int_equal(shim_objects(), 0);
}

static void test_duplicates(void **state)
{
	(void)state;
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	/* prefix of another owner; owner with another prefix */
	assert_int_equal(hvp_registry_add(&bus[1], 0x10), -EEXIST);
	assert_int_equal(hvp_registry_add(&bus[0], 0x18), -EEXIST);
	expect_none(&bus[1]);
	expect_prefix(&bus[0], 0x10);
	assert_int_equal(hvp_registry_count(), 1);
	/* a refused one must not have counted */
	hvp_registry_del(&bus[0]);
	assert_int_equal(hvp_registry_count(), 0);
	/* free again for others */
	assert_int_equal(hvp_registry_add(&bus[1], 0x10), 0);
	hvp_registry_del(&bus[1]);
	assert_int_equal(shim_objects(), 0);
}

static void test_references(void **state)
{
	(void)state;
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), 0);
	assert_int_equal(hvp_registry_count(), 1);
	assert_int_equal(shim_objects(), 1);
	hvp_registry_del(&bus[0]);
	hvp_registry_del(&bus[0]);
	expect_prefix(&bus[0], 0x10);
	hvp_registry_del(&bus[0]);
	expect_none(&bus[0]);
	assert_int_equal(shim_objects(), 0);
}

static void test_errors(void **state)
{
	u32 bit;

	(void)state;
	for (bit = 1; bit < 8; bit <<= 1)
		assert_int_equal(hvp_registry_add(&bus[0], 0x10 | bit),
				 -EINVAL);
	assert_int_equal(hvp_registry_add(NULL, 0x10), -EINVAL);
	shim_fail_after(0);
	assert_int_equal(hvp_registry_add(&bus[0], 0x10), -ENOMEM);
	shim_fail_after(-1);
	expect_none(&bus[0]);
	assert_int_equal(hvp_registry_count(), 0);
	assert_int_equal(shim_objects(), 0);
}

static void test_random(void **state)
{
	enum { OWNERS = 8, PREFIXES = 6, STEPS = 20000 };
	u64 random = test_seed();
	unsigned int refs[OWNERS] = { 0 };
	u32 prefix[OWNERS] = { 0 };
	unsigned int i, o, nr, step;

	(void)state;
	for (step = 0; step < STEPS; step++) {
		o = random_below(&random, OWNERS);
		if (next_random(&random) & 1) {
			u32 p = random_below(&random, PREFIXES) << 3;
			int want = 0;

			for (i = 0; i < OWNERS; i++)
				if (refs[i] && (i == o) != (prefix[i] == p))
					want = -EEXIST;
			assert_int_equal(hvp_registry_add(&bus[o], p), want);
			if (!want) {
				prefix[o] = p;
				refs[o]++;
			}
		} else {
			hvp_registry_del(&bus[o]);
			if (refs[o])
				refs[o]--;
		}

		for (i = 0, nr = 0; i < OWNERS; i++) {
			if (refs[i]) {
				expect_prefix(&bus[i], prefix[i]);
				nr++;
			} else {
				expect_none(&bus[i]);
			}
		}
		assert_int_equal(hvp_registry_count(), nr);
		assert_int_equal(shim_objects(), nr);
	}
	for (i = 0; i < OWNERS; i++)
		while (refs[i]) {
			hvp_registry_del(&bus[i]);
			refs[i]--;
		}
	assert_int_equal(shim_objects(), 0);
}

/* cmocka must not be called from other threads: they count what was wrong. */
static void *use_one_bus(void *arg)
{
	char *owner = arg;
	u32 mine = (owner - bus + 1) << 3;
	uintptr_t wrong = 0;
	u32 prefix;
	int i;

	for (i = 0; i < 5000; i++) {
		wrong += hvp_registry_add(owner, mine) != 0;
		wrong += hvp_registry_add(owner, mine) != 0;
		wrong += hvp_registry_add(owner, 0x1000) != -EEXIST;
		hvp_registry_del(owner);
		wrong += hvp_registry_lookup(owner, &prefix) || prefix != mine;
		hvp_registry_del(owner);
		wrong += hvp_registry_lookup(owner, &prefix) != -ENOENT;
		wrong += hvp_registry_count() > sizeof(bus);
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
	assert_int_equal(hvp_registry_count(), 0);
	assert_int_equal(shim_objects(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_for_each),
		cmocka_unit_test(test_add_del),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
