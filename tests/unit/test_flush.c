// SPDX-License-Identifier: GPL-2.0
/*
 * Flush planner: every small range, random large ones and the borders,
 * against a model that counts pages and splits ranges by halving.
 */
/* LINK: ../../src/flush.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "hv_pviommu_abi.h"
#include "flush.h"
#include "flush_model.h"
#include "seed.h"

#define APERTURE(bits) ((1ULL << (bits)) - 1)

/* True if some entry names @page. */
static bool plan_has(const struct hvp_flush_plan *plan, u64 page)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (page >> (plan->entry[i] & 0x3f) ==
		    plan->entry[i] >> 12 >> (plan->entry[i] & 0x3f))
			return true;
	return false;
}

/*
 * All that must hold for any plan. Pages are checked one by one if the range
 * is small, else the blocks must follow on each other.
 */
static void check_plan(u64 start, u64 end, u64 last)
{
	u64 a = start >> 12, b = end >> 12, top = last >> 12;
	struct hvp_flush_plan plan;
	unsigned int i, blocks, shift;
	u64 next, page, sum = 0;

	memset(&plan, 0x5a, sizeof(plan));
	hvp_flush_plan(&plan, start, end, last);

	if (start > end) {
		assert_int_equal(plan.kind, HVP_FLUSH_NONE);
		assert_int_equal(plan.nr, 0);
		assert_int_equal(plan.pages_wanted, 0);
		assert_int_equal(plan.pages_flushed, 0);
		return;
	}
	if (a == 0 && b >= top) {
		assert_int_equal(plan.kind, HVP_FLUSH_DOMAIN);
		assert_int_equal(plan.pages_wanted, 0);
		assert_int_equal(plan.pages_flushed, 0);
		return;
	}
	assert_int_equal(plan.pages_wanted, b - a + 1);

	/* which of the three it has to be */
	blocks = count_blocks(a, b, 0, 52);
	shift = covering_shift(a, b);
	if (b > top || (blocks > HVP_FLUSH_MAX_EXACT &&
			(1ULL << shift > top ||
			 1ULL << shift > 8 * (b - a + 1)))) {
		assert_int_equal(plan.kind, HVP_FLUSH_DOMAIN);
		assert_int_equal(plan.pages_flushed, 0);
		return;
	}
	assert_int_equal(plan.kind, HVP_FLUSH_LIST);
	if (blocks <= HVP_FLUSH_MAX_EXACT) {
		assert_int_equal(plan.nr, blocks);
		assert_int_equal(plan.pages_flushed, plan.pages_wanted);
	} else {
		assert_int_equal(plan.nr, 1);
		assert_int_equal(plan.pages_flushed, 1ULL << shift);
	}

	/* what the host will check */
	for (i = 0; i < plan.nr; i++) {
		u64 number = plan.entry[i] >> 12;
		u64 pages = 1ULL << (plan.entry[i] & 0x3f);

		assert_true((plan.entry[i] & 0x3f) <= 52);
		assert_int_equal(plan.entry[i] & 0xfc0, 0);
		assert_int_equal(number & (pages - 1), 0);
		assert_true(number + pages - 1 <= top);
		sum += pages;
	}
	assert_int_equal(sum, plan.pages_flushed);

	/* every page that was asked for */
	if (b - a < 128)
		for (page = a; page <= b; page++)
			assert_true(plan_has(&plan, page));
	next = plan.entry[0] >> 12;
	assert_true(next <= a);
	for (i = 0; i < plan.nr; i++) {
		assert_int_equal(plan.entry[i] >> 12, next);
		next += 1ULL << (plan.entry[i] & 0x3f);
	}
	assert_true(next > b);
}

/* The same pages with addresses at the ends of them and inside. */
static void check_pages(u64 a, u64 b, u64 last)
{
	check_plan(a << 12, (b << 12) + 0xfff, last);
	check_plan((a << 12) + 0xfff, b << 12, last);
	check_plan((a << 12) + 0x123, (b << 12) + 0x456, last);
}

static void test_every_range(void **state)
{
	unsigned int bits;
	u64 a, b;

	(void)state;
	for (bits = 13; bits <= 18; bits++)
		for (a = 0; a < 1ULL << (bits - 12); a++)
			for (b = a; b <= 1ULL << (bits - 12); b++)
				check_pages(a, b, APERTURE(bits));
	/* sparse: small against the aperture, so that blocks overflush */
	for (a = 0; a < 4096; a++)
		for (b = a; b < a + 70; b++)
			check_plan(a << 12, (b << 12) + 0xfff, APERTURE(26));
}

static void test_random(void **state)
{
	static const unsigned int widths[] = { 20, 32, 39, 47, 56, 64 };
	u64 random = test_seed();
	int i;

	(void)state;
	for (i = 0; i < 300000; i++) {
		u64 last = ~0ULL >> (64 - widths[random_below(&random, 6)]);
		u64 start = next_random(&random) & last;
		u64 len = next_random(&random) >> random_below(&random, 64);
		u64 end = start + (len & last);

		/* ends on round numbers, too */
		if (random_below(&random, 3) == 0)
			start &= ~0ULL << random_below(&random, 48);
		if (random_below(&random, 3) == 0)
			end |= APERTURE(random_below(&random, 48));
		check_plan(start, end, last);
	}
}

static void test_borders(void **state)
{
	static const unsigned int borders[] = { 21, 30, 31, 32, 39, 46, 47,
						48, 55, 56, 63 };
	static const unsigned int widths[] = { 32, 47, 48, 56, 57, 64 };
	unsigned int i, w, below, above;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(borders); i++)
		for (w = 0; w < ARRAY_SIZE(widths); w++)
			for (below = 0; below < 40; below++)
				for (above = 0; above < 40; above++) {
					u64 at = 1ULL << borders[i] >> 12;

					if (!below && !above)
						continue;
					check_pages(at - below, at + above - 1,
						    ~0ULL >> (64 - widths[w]));
				}
}

struct vector {
	u64 start, end, last;
	enum hvp_flush_kind kind;
	unsigned int nr;
	u64 entry[HVP_FLUSH_MAX_EXACT];
};

/* Worked out by hand. */
static const struct vector vectors[] = {
	/* the empty gather */
	{ UINT64_MAX, 0, APERTURE(47), HVP_FLUSH_NONE, 0, { 0 } },
	{ 0x2000, 0x1fff, APERTURE(47), HVP_FLUSH_NONE, 0, { 0 } },
	/* within one page, one byte, one page */
	{ 0x1234, 0x1240, APERTURE(47), HVP_FLUSH_LIST, 1, { 0x1000 } },
	{ 0, 0, APERTURE(47), HVP_FLUSH_LIST, 1, { 0 } },
	{ 0x1000, 0x1fff, APERTURE(47), HVP_FLUSH_LIST, 1, { 0x1000 } },
	/* two pages that are no block */
	{ 0x1000, 0x2fff, APERTURE(47), HVP_FLUSH_LIST, 2,
	  { 0x1000, 0x2000 } },
	{ 0, 0x1fffff, APERTURE(47), HVP_FLUSH_LIST, 1, { 9 } },
	{ 0x40000000, 0x7fffffff, APERTURE(47), HVP_FLUSH_LIST, 1,
	  { 0x40000012 } },
	/* across 4 GiB: exact, since two blocks are enough */
	{ 0xfffff000, 0x100000fff, APERTURE(47), HVP_FLUSH_LIST, 2,
	  { 0xfffff000, 0x100000000 } },
	/* eight blocks exactly: 1 2 4 8 | 8 4 2 1 */
	{ 0x1000, 0x1efff, APERTURE(47), HVP_FLUSH_LIST, 8,
	  { 0x1000, 0x2001, 0x4002, 0x8003, 0x10003, 0x18002, 0x1c001,
	    0x1e000 } },
	/* nine: one block of 64 pages for 46 */
	{ 0x1000, 0x2efff, APERTURE(47), HVP_FLUSH_LIST, 1, { 6 } },
	/* ten, across 4 GiB: the covering block would be absurd */
	{ 0xfffe1000, 0x10001efff, APERTURE(47), HVP_FLUSH_DOMAIN, 0, { 0 } },
	/* ten around the middle of a 20-bit aperture: all of it */
	{ 0x61000, 0x9efff, APERTURE(20), HVP_FLUSH_DOMAIN, 0, { 0 } },
	/* everything, and beyond */
	{ 0, UINT64_MAX, APERTURE(47), HVP_FLUSH_DOMAIN, 0, { 0 } },
	{ 0, UINT64_MAX, UINT64_MAX, HVP_FLUSH_DOMAIN, 0, { 0 } },
	{ 0, APERTURE(47), APERTURE(47), HVP_FLUSH_DOMAIN, 0, { 0 } },
	{ 0x1000, UINT64_MAX, APERTURE(47), HVP_FLUSH_DOMAIN, 0, { 0 } },
	{ 1ULL << 47, 1ULL << 47, APERTURE(47), HVP_FLUSH_DOMAIN, 0, { 0 } },
	/* the last page of the aperture, of all */
	{ 0x7ffffffff000, 0x7fffffffffff, APERTURE(47), HVP_FLUSH_LIST, 1,
	  { 0x7ffffffff000 } },
	{ UINT64_MAX, UINT64_MAX, UINT64_MAX, HVP_FLUSH_LIST, 1,
	  { 0xfffffffffffff000 } },
	/* half of all */
	{ 1ULL << 63, UINT64_MAX, UINT64_MAX, HVP_FLUSH_LIST, 1,
	  { 1ULL << 63 | 51 } },
};

static void test_vectors(void **state)
{
	struct hvp_flush_plan plan;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];

		hvp_flush_plan(&plan, v->start, v->end, v->last);
		if (plan.kind != v->kind || plan.nr != v->nr)
			fail_msg("vector %u: kind %d with %u entries, not %d with %u",
				 i, plan.kind, plan.nr, v->kind, v->nr);
		for (j = 0; j < v->nr; j++)
			assert_int_equal(plan.entry[j], v->entry[j]);
		check_plan(v->start, v->end, v->last);
	}
}

/* One entry around everything asked for, or the domain. */
static void check_single(u64 start, u64 end, u64 last)
{
	struct hvp_flush_plan before, plan;
	u64 first, pages;

	hvp_flush_plan(&before, start, end, last);
	plan = before;
	hvp_flush_plan_single(&plan, start, end, last);
	assert_int_equal(plan.pages_wanted, before.pages_wanted);
	if (before.kind != HVP_FLUSH_LIST || before.nr == 1) {
		assert_memory_equal(&plan, &before, sizeof(plan));
		return;
	}
	if (plan.kind == HVP_FLUSH_DOMAIN) {
		/* No block but all of the aperture covers it. */
		assert_true(fls64(start >> 12 ^ end >> 12) >=
			    fls64(last >> 12));
		assert_int_equal(plan.nr, 0);
		return;
	}
	assert_int_equal(plan.kind, HVP_FLUSH_LIST);
	assert_int_equal(plan.nr, 1);
	first = plan.entry[0] >> 12;
	pages = 1ULL << (plan.entry[0] & 0x3f);
	assert_int_equal(first % pages, 0);
	assert_true(first <= start >> 12);
	assert_true(first + pages - 1 >= end >> 12);
	assert_true(first + pages - 1 <= last >> 12);
	assert_int_equal(plan.pages_flushed, pages);
	/* No smaller one would do. */
	assert_true(start >> 12 < first + pages / 2);
	assert_true(end >> 12 >= first + pages / 2);
}

static void test_single(void **state)
{
	struct hvp_flush_plan plan;
	u64 a, b;

	(void)state;
	for (a = 0; a < 300; a++)
		for (b = a; b < 300; b++) {
			check_single(a << 12, (b << 12) + 0xfff, APERTURE(47));
			if (b < 256)
				check_single(a << 12, (b << 12) + 0xfff,
					     APERTURE(20));
		}
	/* Two pages across 2 GiB: 4 GiB, as no other block has both. */
	hvp_flush_plan(&plan, 0x7ffff000, 0x80000fff, APERTURE(47));
	assert_int_equal(plan.nr, 2);
	hvp_flush_plan_single(&plan, 0x7ffff000, 0x80000fff, APERTURE(47));
	assert_int_equal(plan.kind, HVP_FLUSH_LIST);
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.entry[0], 20);
	/* Across the middle of the aperture. */
	hvp_flush_plan(&plan, 0x7f000, 0x80fff, APERTURE(20));
	hvp_flush_plan_single(&plan, 0x7f000, 0x80fff, APERTURE(20));
	assert_int_equal(plan.kind, HVP_FLUSH_DOMAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_range),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_single),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
