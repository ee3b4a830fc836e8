// SPDX-License-Identifier: GPL-2.0
/*
 * Stage-1 page table: entries bit by bit, map, unmap, look-up and runs against
 * a model with one slot for each 4 KiB page, every allocation failing, the
 * retired list, and threads that share tables.
 */
/* LINK: ../../src/pagetable.c shim/user_kshim.c */
/* SANITIZE: thread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pagetable.h"
#include "seed.h"

#define K4	0x1000ULL
#define M2	0x200000ULL
#define G1	0x40000000ULL
#define ALL	(K4 | M2 | G1)
#define RW	HVP_PT_PROT_WRITE

static struct hvp_pt pt;

static void start(unsigned int levels, unsigned int bits, u64 pgsizes)
{
	assert_int_equal(hvp_pt_init(&pt, levels, bits, pgsizes,
				     NUMA_NO_NODE, GFP_KERNEL), 0);
}

static void finish(void)
{
	hvp_pt_destroy(&pt);
	assert_int_equal(atomic_long_read(&pt.nr_tables), 0);
	assert_int_equal(shim_pages(), 0);
}

static int map(u64 iova, u64 paddr, u64 pgsize, size_t count,
	       unsigned int prot, size_t *mapped)
{
	*mapped = 0x5a5a5a5a;
	return hvp_pt_map(&pt, iova, paddr, pgsize, count, prot, GFP_ATOMIC,
			  mapped);
}

static void must_map(u64 iova, u64 paddr, u64 pgsize, size_t count)
{
	size_t mapped;

	assert_int_equal(map(iova, paddr, pgsize, count, RW, &mapped), 0);
	assert_int_equal(mapped, pgsize * count);
}

static void expect_page(u64 iova, u64 paddr, size_t size, unsigned int prot)
{
	unsigned int is_prot = 0x5a;
	size_t is_size = 0x5a;

	assert_int_equal(hvp_pt_lookup(&pt, iova, &is_size, &is_prot), paddr);
	assert_int_equal(is_size, size);
	assert_int_equal(is_prot, prot);
}

static void expect_hole(u64 iova)
{
	expect_page(iova, 0, 0, 0);
}

/* The run that is found from @from on. */
static void expect_run(u64 from, u64 iova, u64 paddr, u64 size,
		       unsigned int prot)
{
	struct hvp_pt_run run;

	memset(&run, 0x5a, sizeof(run));
	assert_true(hvp_pt_next_run(&pt, from, &run));
	assert_int_equal(run.iova, iova);
	assert_int_equal(run.paddr, paddr);
	assert_int_equal(run.size, size);
	assert_int_equal(run.prot, prot);
	assert_int_equal(atomic_long_read(&pt.readers), 0);
}

static void expect_no_run(u64 from)
{
	struct hvp_pt_run run;

	assert_false(hvp_pt_next_run(&pt, from, &run));
	assert_int_equal(run.size, 0);
	assert_int_equal(atomic_long_read(&pt.readers), 0);
}

static unsigned int list_length(const struct llist_node *list)
{
	unsigned int nr = 0;

	for (; list; list = list->next)
		nr++;
	return nr;
}

/* Unmaps, and wants exactly so many bytes and tables retired by it. */
static void expect_unmap(u64 iova, size_t size, size_t want,
			 unsigned int want_retired)
{
	bool retired = !want_retired;
	struct llist_node *list;

	assert_null(hvp_pt_retired_take(&pt));
	assert_int_equal(hvp_pt_unmap(&pt, iova, size, &retired), want);
	list = hvp_pt_retired_take(&pt);
	assert_int_equal(list_length(list), want_retired);
	assert_int_equal(retired, want_retired != 0);
	hvp_pt_retired_free(&pt, list);
}

/* The entry for @iova in the table of @level (0 = last), read as a host. */
static u64 raw_entry(u64 iova, unsigned int level)
{
	unsigned int at = pt.levels - 1;
	const u64 *table = pt.root;

	for (;; at--) {
		u64 entry = table[iova >> (12 + 9 * at) & 511];

		if (at == level || !(entry & 1) || (at < 3 && entry & 0x80))
			return at == level ? entry : 0;
		table = (const u64 *)(uintptr_t)(entry & 0xffffffffff000ULL);
	}
}

static void test_init(void **state)
{
	static const struct {
		unsigned int levels, bits;
		u64 pgsizes;
		int ret;
	} tries[] = {
		{ 4, 13, K4, 0 }, { 4, 47, ALL, 0 }, { 5, 56, ALL, 0 },
		{ 5, 13, K4 | G1, 0 },
		{ 3, 39, ALL, -EINVAL }, { 6, 56, ALL, -EINVAL },
		{ 0, 0, ALL, -EINVAL },
		{ 4, 12, ALL, -EINVAL }, { 4, 48, ALL, -EINVAL },
		{ 5, 12, ALL, -EINVAL }, { 5, 57, ALL, -EINVAL },
		{ 4, 0, ALL, -EINVAL }, { 5, 255, ALL, -EINVAL },
		{ 4, 47, M2 | G1, -EINVAL }, { 4, 47, 0, -EINVAL },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		memset(&pt, 0x5a, sizeof(pt));
		assert_int_equal(hvp_pt_init(&pt, tries[i].levels,
					     tries[i].bits, tries[i].pgsizes,
					     NUMA_NO_NODE, GFP_KERNEL),
				 tries[i].ret);
		assert_int_equal(shim_pages(), tries[i].ret ? 0 : 1);
		if (!tries[i].ret) {
			assert_int_equal(pt.levels, tries[i].levels);
			assert_int_equal(pt.last,
					 (1ULL << tries[i].bits) - 1);
			assert_int_equal(atomic_long_read(&pt.nr_tables), 1);
			assert_int_equal((uintptr_t)pt.root & 0xfff, 0);
		}
		finish();
		finish();
	}

	/* sizes that are not x86-64's */
	start(4, 47, ~0ULL);
	assert_int_equal(pt.pgsizes, ALL);
	finish();
	shim_fail_after(0);
	assert_int_equal(hvp_pt_init(&pt, 4, 47, ALL, NUMA_NO_NODE,
				     GFP_KERNEL), -ENOMEM);
	shim_fail_after(-1);
	finish();
}

static void test_allocation(void **state)
{
	struct page *page;
	size_t mapped;

	(void)state;
	assert_int_equal(hvp_pt_init(&pt, 4, 47, ALL, 3, GFP_KERNEL), 0);
	page = virt_to_page(pt.root);
	assert_int_equal(page->nid, 3);
	assert_int_equal(page->gfp, GFP_KERNEL | __GFP_ZERO);
	assert_int_equal(hvp_pt_map(&pt, 0, K4, K4, 1, RW, GFP_ATOMIC,
				    &mapped), 0);
	page = virt_to_page((void *)(uintptr_t)
			    (raw_entry(0, 1) & 0xffffffffff000ULL));
	assert_int_equal(page->nid, 3);
	assert_int_equal(page->gfp, GFP_ATOMIC | __GFP_ZERO);
	finish();
}

static void test_entry_bits(void **state)
{
	u64 top = (1ULL << 56) - G1;
	unsigned int level;
	size_t mapped;

	(void)state;
	start(5, 56, ALL);
	assert_int_equal(map(top, 0xfffffc0000000ULL, G1, 1, RW, &mapped), 0);
	assert_int_equal(map(0x200000, 0x12345600000ULL, M2, 1, 0, &mapped),
			 0);
	assert_int_equal(map(0x5000, 0xffffffffff000ULL, K4, 1, RW, &mapped),
			 0);
	assert_int_equal(map(0x6000, 0x7000, K4, 1, 0, &mapped), 0);

	/* leaves: P US A, RW and D if writable, PS if large, address */
	assert_int_equal(raw_entry(top, 2), 0xfffffc00000e7ULL);
	assert_int_equal(raw_entry(0x200000, 1), 0x123456000a5ULL);
	assert_int_equal(raw_entry(0x5000, 0), 0xffffffffff067ULL);
	assert_int_equal(raw_entry(0x6000, 0), 0x7025);
	/* neighbours */
	assert_int_equal(raw_entry(0x4000, 0), 0);
	assert_int_equal(raw_entry(0x7000, 0), 0);
	assert_int_equal(raw_entry(0x400000, 1), 0);
	assert_int_equal(raw_entry(top - G1, 2), 0);
	/* tables: P RW US A */
	for (level = 1; level <= 4; level++)
		assert_int_equal(raw_entry(0x5000, level) &
				 ~0xffffffffff000ULL, 0x27);
	for (level = 3; level <= 4; level++)
		assert_int_equal(raw_entry(top, level) &
				 ~0xffffffffff000ULL, 0x27);
	/* root; 0 down to 4K: 4; 2M: shared; top: 2 */
	assert_int_equal(atomic_long_read(&pt.nr_tables), 7);
	assert_int_equal(shim_pages(), 7);
	finish();
}

static void test_lookup(void **state)
{
	(void)state;
	start(4, 47, ALL);
	must_map(3 * G1, 7 * G1, G1, 1);
	must_map(M2, 5 * M2, M2, 1);
	must_map(0x5000, 0, K4, 1);
	expect_page(3 * G1, 7 * G1, G1, RW);
	expect_page(3 * G1 + 0x3fffffff, 7 * G1 + 0x3fffffff, G1, RW);
	expect_page(M2 + 0x12345, 5 * M2 + 0x12345, M2, RW);
	expect_page(0x5abc, 0xabc, K4, RW);
	/* physical address 0 is told apart by the size only */
	expect_page(0x5000, 0, K4, RW);
	expect_hole(0x4fff);
	expect_hole(0x6000);
	expect_hole(2 * M2);
	expect_hole(2 * G1);
	expect_hole(4 * G1);
	expect_hole((1ULL << 47) - 1);
	/* beyond: must not alias the lower half */
	expect_hole((1ULL << 47) + 0x5000);
	expect_hole((1ULL << 48) + 0x5000);
	expect_hole(UINT64_MAX);
	assert_int_equal(hvp_pt_lookup(&pt, M2 + 1, NULL, NULL), 5 * M2 + 1);
	finish();
}

static void test_runs(void **state)
{
	u64 last;
	size_t mapped;

	(void)state;
	start(4, 47, ALL);
	expect_no_run(0);
	expect_no_run((1ULL << 47) - 1);
	expect_no_run(1ULL << 47);
	expect_no_run(UINT64_MAX);

	/* one page; from before, within and behind it */
	must_map(0x5000, 0, K4, 1);
	expect_run(0, 0x5000, 0, K4, RW);
	expect_run(0x5000, 0x5000, 0, K4, RW);
	expect_run(0x5fff, 0x5000, 0, K4, RW);
	expect_no_run(0x6000);

	/* what does not belong together: memory, rights, a hole */
	must_map(0x6000, 0x10000, K4, 1);
	assert_int_equal(map(0x7000, 0x11000, K4, 2, 0, &mapped), 0);
	must_map(0xa000, 0x14000, K4, 1);
	expect_run(0x5000, 0x5000, 0, K4, RW);
	expect_run(0x6000, 0x6000, 0x10000, K4, RW);
	expect_run(0x7000, 0x7000, 0x11000, 2 * K4, 0);
	expect_run(0x9000, 0xa000, 0x14000, K4, RW);
	expect_no_run(0xb000);
	finish();

	/* all sizes in one run, over the borders of tables of every level */
	start(5, 56, ALL);
	last = 1ULL << 48;
	must_map(last - 2 * G1, 3 * G1, G1, 1);
	must_map(last - G1, 4 * G1, M2, 511);
	must_map(last - M2, 5 * G1 - M2, K4, 512);
	must_map(last, 5 * G1, K4, 512);
	must_map(last + M2, 5 * G1 + M2, M2, 1);
	expect_run(0, last - 2 * G1, 3 * G1, 2 * G1 + 2 * M2, RW);
	/* from within a large leaf */
	expect_run(last - 2 * G1 + M2 + 1, last - 2 * G1 + M2, 3 * G1 + M2,
		   2 * G1 + M2, RW);
	expect_no_run(last + 2 * M2);

	/* empty tables in between are holes */
	expect_unmap(last - K4, K4, K4, 0);
	expect_run(0, last - 2 * G1, 3 * G1, 2 * G1 - K4, RW);
	expect_run(last - K4, last, 5 * G1, 2 * M2, RW);
	expect_unmap(last - 2 * K4, K4, K4, 0);
	expect_run(last - G1, last - G1, 4 * G1, G1 - 2 * K4, RW);

	/* the last page that there can be */
	must_map((1ULL << 56) - K4, 7 * K4, K4, 1);
	expect_run(last + 2 * M2, (1ULL << 56) - K4, 7 * K4, K4, RW);
	expect_run((1ULL << 56) - 1, (1ULL << 56) - K4, 7 * K4, K4, RW);
	expect_no_run(1ULL << 56);
	finish();
}

static void test_map_refuses(void **state)
{
	static const struct {
		u64 iova, paddr, pgsize, count;
		int ret;
	} tries[] = {
		/* alignment, sizes */
		{ 0x800, 0, K4, 1, -EINVAL },
		{ 0, 0x800, K4, 1, -EINVAL },
		{ K4, 0, M2, 1, -EINVAL },
		{ 0, K4, M2, 1, -EINVAL },
		{ 0, 0, G1, 1, -EINVAL },
		{ 0, 0, 2 * K4, 1, -EINVAL },
		{ 0, 0, K4 | M2, 1, -EINVAL },
		{ 0, 0, 0, 1, -EINVAL },
		{ 0, 0, 1ULL << 63, 1, -EINVAL },
		/* the end of the aperture (39 bits) */
		{ 1ULL << 39, 0, K4, 1, -ERANGE },
		{ (1ULL << 39) - K4, 0, K4, 2, -ERANGE },
		{ (1ULL << 39) - M2, 0, M2, 2, -ERANGE },
		{ 0, 0, K4, (1ULL << 27) + 1, -ERANGE },
		{ 0, 0, M2, (1ULL << 18) + 1, -ERANGE },
		{ UINT64_MAX & ~0xfffULL, 0, K4, 1, -ERANGE },
		/* sums and products that wrap */
		{ UINT64_MAX & ~0xfffULL, 0, K4, 2, -ERANGE },
		{ K4, 0, K4, 0xfffffffffffffULL, -ERANGE },
		{ 0, 0, K4, 1ULL << 52, -ERANGE },
		{ 0, 0, K4, (1ULL << 52) + 1, -ERANGE },
		{ 0, 0, M2, UINT64_MAX, -ERANGE },
		/* physical addresses beyond 52 bits */
		{ 0, 1ULL << 52, K4, 1, -ERANGE },
		{ 0, (1ULL << 52) - K4, K4, 2, -ERANGE },
		{ 0, UINT64_MAX & ~0xfffULL, K4, 2, -ERANGE },
		{ 0, (1ULL << 52) - M2, M2, 2, -ERANGE },
	};
	unsigned int i;
	size_t mapped;

	(void)state;
	start(4, 39, K4 | M2);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		int ret = map(tries[i].iova, tries[i].paddr, tries[i].pgsize,
			      tries[i].count, RW, &mapped);

		if (ret != tries[i].ret || mapped)
			fail_msg("try %u: %d with %zu mapped, not %d", i, ret,
				 mapped, tries[i].ret);
	}
	/* none of them left a table or a page */
	assert_int_equal(shim_pages(), 1);
	assert_int_equal(map(0, 0, K4, 0, RW, &mapped), 0);
	assert_int_equal(mapped, 0);
	assert_int_equal(shim_pages(), 1);

	/* the last that are allowed */
	must_map((1ULL << 39) - K4, (1ULL << 52) - K4, K4, 1);
	must_map((1ULL << 39) - 2 * M2, (1ULL << 52) - M2, M2, 1);
	expect_page((1ULL << 39) - 1, (1ULL << 52) - 1, K4, RW);
	finish();

	/* an aperture of two pages */
	start(5, 13, ALL);
	assert_int_equal(map(0, 0, K4, 3, RW, &mapped), -ERANGE);
	assert_int_equal(map(0, 0, M2, 1, RW, &mapped), -ERANGE);
	must_map(0, 0, K4, 2);
	expect_page(0x1fff, 0x1fff, K4, RW);
	expect_hole(0x2000);
	finish();
}

static void test_map_over(void **state)
{
	static const u64 sizes[] = { K4, M2, G1 };
	unsigned int old, new;
	size_t mapped;
	u64 before;

	(void)state;
	for (old = 0; old < 3; old++)
		for (new = 0; new < 3; new++) {
			start(4, 47, ALL);
			must_map(G1, 5 * G1, sizes[old], 1);
			before = raw_entry(G1, old);
			assert_int_equal(map(G1, 9 * G1, sizes[new], 1, 0,
					     &mapped), -EADDRINUSE);
			assert_int_equal(mapped, 0);
			assert_int_equal(raw_entry(G1, old), before);
			finish();
		}

	/* how far it came: 4K pages up to one in the way */
	start(4, 47, ALL);
	must_map(M2 + 7 * K4, 0, K4, 1);
	assert_int_equal(map(0, G1, K4, 2000, RW, &mapped), -EADDRINUSE);
	assert_int_equal(mapped, M2 + 7 * K4);
	expect_page(M2 + 6 * K4, G1 + M2 + 6 * K4, K4, RW);
	expect_page(M2 + 7 * K4, 0, K4, RW);
	expect_hole(M2 + 8 * K4);
	finish();

	/* a large leaf, half of which turns out to be taken */
	start(4, 47, ALL);
	must_map(3 * M2 + 9 * K4, 0, K4, 1);
	assert_int_equal(map(0, G1, G1, 1, RW, &mapped), -EADDRINUSE);
	assert_int_equal(mapped, 3 * M2 + 9 * K4);
	expect_page(2 * M2, G1 + 2 * M2, M2, RW);
	expect_page(3 * M2, G1 + 3 * M2, K4, RW);
	expect_hole(3 * M2 + 10 * K4);
	finish();
}

/* Empty tables in the place of large leaves. */
static void test_map_over_empty_tables(void **state)
{
	(void)state;
	start(4, 47, ALL);
	must_map(M2, 0, K4, 2);
	expect_unmap(M2, 2 * K4, 2 * K4, 0);
	must_map(0, G1, G1, 2);
	expect_page(0, G1, M2, RW);
	expect_page(M2, G1 + M2, K4, RW);
	expect_page(2 * M2 - K4, G1 + 2 * M2 - K4, K4, RW);
	expect_page(2 * M2, G1 + 2 * M2, M2, RW);
	expect_page(G1 - 1, 2 * G1 - 1, M2, RW);
	expect_page(G1, 2 * G1, G1, RW);
	/* both tables go, but the one that has the 1G leaves */
	expect_unmap(0, 2 * G1, 2 * G1, 2);
	must_map(0, G1, G1, 1);
	expect_page(0, G1, G1, RW);
	finish();

	/* without 2M the table below is filled with 4K leaves */
	start(4, 47, K4 | G1);
	must_map(M2, 0, K4, 1);
	expect_unmap(M2, K4, K4, 0);
	must_map(0, G1, G1, 1);
	expect_page(0, G1, K4, RW);
	expect_page(G1 - 1, 2 * G1 - 1, K4, RW);
	expect_unmap(0, G1, G1, 513);
	assert_int_equal(shim_pages(), 2);
	finish();
}

static void test_unmap(void **state)
{
	(void)state;
	start(4, 47, ALL);
	/* nothing, not aligned, beyond */
	expect_unmap(0, K4, 0, 0);
	must_map(0, G1, K4, 512 + 5);
	expect_unmap(0x800, K4, 0, 0);
	expect_unmap(0, 0x800, 0, 0);
	expect_unmap(0, K4 + 1, 0, 0);
	expect_unmap(0, 0, 0, 0);
	expect_unmap(1ULL << 47, K4, 0, 0);
	expect_unmap((1ULL << 48), K4, 0, 0);
	expect_unmap(UINT64_MAX & ~0xfffULL, K4, 0, 0);
	expect_page(0, G1, K4, RW);

	/* one page; then up to the hole that it left and no further */
	expect_unmap(3 * K4, K4, K4, 0);
	expect_hole(3 * K4);
	expect_page(2 * K4, G1 + 2 * K4, K4, RW);
	expect_page(4 * K4, G1 + 4 * K4, K4, RW);
	expect_unmap(0, M2, 3 * K4, 0);
	expect_page(4 * K4, G1 + 4 * K4, K4, RW);
	expect_unmap(3 * K4, M2, 0, 0);
	/* across tables, up to the end of what is mapped */
	expect_unmap(4 * K4, G1, M2 + K4, 0);
	expect_hole(M2);
	/* their tables stay: none was inside as a whole and full */
	assert_int_equal(shim_pages(), 5);
	finish();

	/* the top of the aperture; sizes that reach beyond, and wrap */
	start(5, 56, ALL);
	must_map((1ULL << 56) - 2 * K4, 0, K4, 2);
	expect_unmap((1ULL << 56) - 2 * K4, 16 * K4, 2 * K4, 0);
	must_map((1ULL << 56) - 2 * K4, 0, K4, 2);
	expect_unmap((1ULL << 56) - 2 * K4, UINT64_MAX & ~0xfffULL, 2 * K4, 0);
	expect_hole((1ULL << 56) - 1);
	finish();
}

/* What the IOMMU core does with a range: on from where the last call ended. */
static void test_unmap_like_core(void **state)
{
	size_t done = 0, n;
	bool retired;

	(void)state;
	start(4, 47, ALL);
	must_map(M2 - 4 * K4, 0, K4, 4);
	must_map(M2, G1, M2, 1);
	must_map(2 * M2, 2 * G1, K4, 3);
	/* a hole, and what is behind it */
	must_map(2 * M2 + 4 * K4, 3 * G1, K4, 1);
	do {
		n = hvp_pt_unmap(&pt, M2 - 4 * K4 + done, 4 * M2 - done,
				 &retired);
		done += n;
	} while (n);
	assert_int_equal(done, 4 * K4 + M2 + 3 * K4);
	expect_page(2 * M2 + 4 * K4, 3 * G1, K4, RW);
	finish();
}

static void test_unmap_part_of_leaf(void **state)
{
	bool retired;

	(void)state;
	/* the first part: counted to the end of the leaf */
	start(4, 47, ALL);
	must_map(M2, G1, M2, 2);
	expect_unmap(M2, K4, M2, 0);
	expect_hole(2 * M2 - K4);
	expect_page(2 * M2, G1 + M2, M2, RW);
	/* the middle: the caller has to know that more went in front */
	assert_int_equal(hvp_pt_unmap(&pt, 2 * M2 + 5 * K4, 2 * K4, &retired),
			 M2 - 5 * K4);
	assert_true(retired);
	assert_null(hvp_pt_retired_take(&pt));
	expect_hole(2 * M2);
	expect_hole(3 * M2 - K4);
	finish();

	/* from pages into a leaf, by which a table gets empty */
	start(4, 47, ALL);
	must_map(0, G1, K4, 512);
	must_map(M2, 2 * G1, M2, 2);
	expect_unmap(0, M2 + K4, 2 * M2, 1);
	expect_page(2 * M2, 2 * G1 + M2, M2, RW);
	/* 1G, from within */
	must_map(G1, G1, G1, 1);
	assert_int_equal(hvp_pt_unmap(&pt, G1 + M2, K4, &retired), G1 - M2);
	assert_true(retired);
	expect_hole(G1);
	assert_null(hvp_pt_retired_take(&pt));
	finish();
}

static void test_retire(void **state)
{
	(void)state;
	/* a table goes only in one piece */
	start(4, 47, ALL);
	must_map(0, G1, K4, 512);
	expect_unmap(0, 511 * K4, 511 * K4, 0);
	expect_unmap(511 * K4, K4, K4, 0);
	assert_int_equal(raw_entry(0, 0), 0);
	assert_int_not_equal(raw_entry(0, 1), 0);
	must_map(0, G1, K4, 512);
	expect_unmap(0, M2, M2, 1);
	assert_int_equal(raw_entry(0, 1), 0);
	assert_int_equal(shim_pages(), 3);
	/* and is there again when needed */
	must_map(K4, G1, K4, 1);
	expect_page(K4, G1, K4, RW);
	finish();

	/* one with a hole stays, full ones in front of it go */
	start(4, 47, ALL);
	must_map(0, G1, K4, 3 * 512);
	expect_unmap(2 * M2 + K4, K4, K4, 0);
	expect_unmap(0, 3 * M2, 2 * M2 + K4, 2);
	expect_page(2 * M2 + 2 * K4, G1 + 2 * M2 + 2 * K4, K4, RW);
	finish();

	/* tables of tables: 512 and the one above them */
	start(4, 47, ALL);
	must_map(G1, 0, K4, 512 * 512);
	assert_int_equal(shim_pages(), 2 + 1 + 512);
	expect_unmap(G1, G1, G1, 513);
	assert_int_equal(shim_pages(), 2);
	/* 512G of 1G leaves: one table; the root never goes */
	must_map(0, 0, G1, 512);
	expect_unmap(0, 512 * G1, 512 * G1, 1);
	assert_int_equal(shim_pages(), 1);
	finish();

	start(4, 47, ALL);
	must_map(0, 0, G1, 512 * 256);
	expect_unmap(0, 1ULL << 47, 1ULL << 47, 256);
	assert_int_equal(shim_pages(), 1);
	must_map(0, G1, K4, 1);
	expect_page(0, G1, K4, RW);
	finish();
}

static void test_retired_list(void **state)
{
	struct llist_node *list, *later;
	struct llist_node *node;
	unsigned int i;
	bool retired;

	(void)state;
	start(4, 47, ALL);
	assert_null(hvp_pt_retired_take(&pt));
	hvp_pt_retired_put_back(&pt, NULL);
	hvp_pt_retired_free(&pt, NULL);
	assert_null(hvp_pt_retired_take(&pt));

	must_map(0, G1, K4, 5 * 512);
	assert_int_equal(atomic_long_read(&pt.nr_tables), 8);
	assert_int_equal(hvp_pt_unmap(&pt, 0, 3 * M2, &retired), 3 * M2);
	assert_true(retired);
	/* still allocated, and nothing was written to them: the host looks */
	assert_int_equal(atomic_long_read(&pt.nr_tables), 8);
	assert_int_equal(shim_pages(), 8);
	list = hvp_pt_retired_take(&pt);
	assert_int_equal(list_length(list), 3);
	assert_null(hvp_pt_retired_take(&pt));
	for (node = list; node; node = node->next) {
		const u64 *table = page_address(hvp_node_page(node));

		for (i = 0; i < 512; i++)
			assert_int_equal(table[i], 0);
	}

	/* one more while the flush is under way, and the flush fails */
	assert_int_equal(hvp_pt_unmap(&pt, 3 * M2, M2, &retired), M2);
	assert_true(retired);
	hvp_pt_retired_put_back(&pt, list);
	list = hvp_pt_retired_take(&pt);
	assert_int_equal(list_length(list), 4);

	/* one more, and this flush works: not for the later one */
	assert_int_equal(hvp_pt_unmap(&pt, 4 * M2, M2, &retired), M2);
	later = hvp_pt_retired_take(&pt);

	/* somebody reads: they are kept for the next flush */
	atomic_long_inc_return(&pt.readers);
	hvp_pt_retired_free(&pt, list);
	assert_int_equal(atomic_long_read(&pt.nr_tables), 8);
	assert_int_equal(shim_pages(), 8);
	atomic_long_dec_return(&pt.readers);
	list = hvp_pt_retired_take(&pt);
	assert_int_equal(list_length(list), 4);
	hvp_pt_retired_put_back(&pt, later);

	hvp_pt_retired_free(&pt, list);
	assert_int_equal(atomic_long_read(&pt.nr_tables), 4);
	assert_int_equal(shim_pages(), 4);
	later = hvp_pt_retired_take(&pt);
	assert_int_equal(list_length(later), 1);
	hvp_pt_retired_put_back(&pt, later);
	/* the rest is the end's */
	finish();
}

/*
 * Every allocation of a mapping fails in turn. The mapping crosses the border
 * of all levels of tables.
 */
static void fail_each(unsigned int levels, u64 iova, u64 pgsize, size_t count)
{
	size_t size = pgsize * count, mapped, at;
	int ret = -ENOMEM;
	bool retired;
	long n;

	for (n = 0; ret; n++) {
		start(levels, levels == 4 ? 47 : 56, ALL);
		shim_fail_after(n);
		ret = map(iova, 8 * G1, pgsize, count, RW, &mapped);
		shim_fail_after(-1);
		assert_true(ret == -ENOMEM || (!ret && mapped == size));
		assert_true(ret == 0 || mapped < size);
		assert_int_equal(mapped % pgsize, 0);
		for (at = 0; at < size; at += pgsize)
			if (at < mapped)
				expect_page(iova + at, 8 * G1 + at, pgsize,
					    RW);
			else
				expect_hole(iova + at);
		/* what was begun is good for another try */
		if (ret) {
			must_map(iova + mapped, 8 * G1 + mapped, pgsize,
				 (size - mapped) / pgsize);
			assert_int_equal(hvp_pt_unmap(&pt, iova, size,
						      &retired), size);
		}
		finish();
	}
	/* two tables at each level that is crossed, at least */
	assert_true(n > 2 * (long)(levels - 2));
}

static void test_each_allocation_fails(void **state)
{
	(void)state;
	fail_each(4, (1ULL << 39) - 3 * K4, K4, 600);
	fail_each(5, (1ULL << 48) - 3 * K4, K4, 1200);
	fail_each(4, (1ULL << 39) - 2 * M2, M2, 600);
	fail_each(5, (1ULL << 48) - 2 * M2, M2, 5);
}

/* A mapping that another caller does while the first one allocates. */
struct rival {
	u64 iova, paddr;
	int ret;
};

static void map_rival(void *arg)
{
	struct rival *rival = arg;
	size_t mapped;

	rival->ret = hvp_pt_map(&pt, rival->iova, rival->paddr, K4, 1, 0,
				GFP_ATOMIC, &mapped);
}

static void test_lost_race(void **state)
{
	struct rival rival = { .iova = 0x7000, .paddr = 0x9000, .ret = -1 };
	long ever;

	(void)state;
	start(5, 56, ALL);
	ever = shim_pages_ever();
	shim_race(map_rival, &rival);
	must_map(0x5000, 0x6000, K4, 1);
	assert_int_equal(rival.ret, 0);
	expect_page(0x5000, 0x6000, K4, RW);
	expect_page(0x7000, 0x9000, K4, 0);
	/* four tables for both, and one that came too late */
	assert_int_equal(shim_pages_ever() - ever, 5);
	assert_int_equal(shim_pages(), 5);
	assert_int_equal(atomic_long_read(&pt.nr_tables), 5);
	finish();
}

/*
 * Random operations on a few windows around the borders of tables. The model
 * has for every page of a window the physical address, 1 for "mapped" and 2
 * for "writable", 0 for a hole.
 */
#define WINDOW_SIZE	(3 * G1)
#define WINDOW_PAGES	(WINDOW_SIZE / K4)

struct window {
	u64 base;
	u64 *page;
};

struct config {
	unsigned int levels, bits;
	u64 pgsizes;
	u64 base[3];
};

static void check_page(const struct window *w, u64 i)
{
	u64 want = w->page[i];
	unsigned int prot;
	size_t size;
	u64 paddr = hvp_pt_lookup(&pt, w->base + i * K4, &size, &prot);
	u64 is = size ? paddr | 1 | (prot == RW ? 2 : 0) : 0;

	if (is != want)
		fail_msg("iova %#llx: %#llx, not %#llx",
			 (unsigned long long)(w->base + i * K4),
			 (unsigned long long)is, (unsigned long long)want);
}

static void check_near(const struct window *w, u64 offset)
{
	u64 page = offset / K4;
	u64 i;

	for (i = page < 3 ? 0 : page - 3; i < page + 3 && i < WINDOW_PAGES;
	     i++)
		check_page(w, i);
}

static u64 pick_offset(u64 *random, u64 pgsize)
{
	static const u64 near[] = { K4, M2, G1 };
	u64 offset = random_below(random, WINDOW_SIZE);
	u64 align = near[random_below(random, 3)];

	/* half of them close to a border, others anywhere */
	if (next_random(random) & 1)
		offset = (offset & ~(align - 1)) +
			 random_below(random, 4) * pgsize;
	return offset % WINDOW_SIZE & ~(pgsize - 1);
}

static void random_map(const struct window *w, u64 *random, u64 pgsizes)
{
	static const u64 sizes[] = { K4, M2, G1 };
	static const unsigned int most[] = { 1500, 600, 2 };
	unsigned int s = random_below(random, 16);
	unsigned int prot = next_random(random) & 1 ? RW : 0;
	u64 pgsize, offset, paddr, count, free, i, fail;
	size_t mapped;
	int ret;

	s = s < 10 ? 0 : s < 15 ? 1 : 2;
	if (!(pgsizes & sizes[s]))
		s = 0;
	pgsize = sizes[s];
	offset = pick_offset(random, pgsize);
	count = 1 + random_below(random, most[s]);
	count = min_t(u64, count, (WINDOW_SIZE - offset) / pgsize);
	paddr = next_random(random) & 0x7ffffffffffffULL & ~(pgsize - 1);
	fail = random_below(random, 4) ? (u64)-1 : random_below(random, 4);

	for (free = 0; free < count * pgsize; free += K4)
		if (w->page[(offset + free) / K4])
			break;

	shim_fail_after(fail);
	ret = map(w->base + offset, paddr, pgsize, count, prot, &mapped);
	shim_fail_after(-1);

	if (ret == -ENOMEM) {
		assert_int_not_equal(fail, (u64)-1);
		assert_true(mapped < count * pgsize && mapped <= free);
		assert_int_equal(mapped % K4, 0);
	} else {
		assert_int_equal(mapped, free);
		assert_int_equal(ret, free < count * pgsize ? -EADDRINUSE : 0);
	}
	for (i = 0; i < mapped; i += K4)
		w->page[(offset + i) / K4] = (paddr + i) | 1 |
					     (prot ? 2 : 0);
	check_near(w, offset);
	check_near(w, offset + mapped);
}

static void random_unmap(const struct window *w, u64 *random)
{
	u64 offset = pick_offset(random, K4), size, at, first, last, i;
	struct llist_node *pending, *list;
	bool retired, in_front;
	size_t leaf, ret;

	size = K4 * (1 + random_below(random, 1100));
	if (!random_below(random, 4))
		size = (1 + random_below(random, 3)) * M2;
	if (!random_below(random, 8))
		size = G1;
	if (random_below(random, 4))
		offset &= ~(M2 - 1);
	size = min_t(u64, size, WINDOW_SIZE - offset);

	/* what goes: leaves as a whole, up to the first hole */
	hvp_pt_lookup(&pt, w->base + offset, &leaf, NULL);
	first = leaf ? offset & ~(leaf - 1) : offset;
	in_front = first < offset;
	for (at = offset; at < offset + size; at = last + 1) {
		if (!w->page[at / K4])
			break;
		hvp_pt_lookup(&pt, w->base + at, &leaf, NULL);
		assert_int_not_equal(leaf, 0);
		last = at | (leaf - 1);
	}

	pending = hvp_pt_retired_take(&pt);
	ret = hvp_pt_unmap(&pt, w->base + offset, size, &retired);
	assert_int_equal(ret, at - offset);
	for (i = first; ret && i < at; i += K4)
		w->page[i / K4] = 0;

	/* no table is left that was inside as a whole */
	for (i = (offset + M2 - 1) & ~(M2 - 1); i + M2 <= at; i += M2)
		assert_int_equal(raw_entry(w->base + i, 1), 0);
	for (i = (offset + G1 - 1) & ~(G1 - 1); i + G1 <= at; i += G1)
		assert_int_equal(raw_entry(w->base + i, 2), 0);

	list = hvp_pt_retired_take(&pt);
	assert_int_equal(retired, list || (ret && in_front));
	/* as if some flushes failed */
	hvp_pt_retired_put_back(&pt, list);
	if (next_random(random) & 1)
		hvp_pt_retired_free(&pt, pending);
	else
		hvp_pt_retired_put_back(&pt, pending);
	check_near(w, offset);
	check_near(w, first);
	check_near(w, at);
}

/* The runs of the model, one by one, and nothing else in the window. */
static void check_runs(const struct window *w)
{
	struct hvp_pt_run run;
	u64 page = 0, from, nr;

	for (;;) {
		while (page < WINDOW_PAGES && !w->page[page])
			page++;
		if (page == WINDOW_PAGES)
			break;
		/* leaves that begin in the window do not reach beyond */
		for (nr = 1; page + nr < WINDOW_PAGES; nr++)
			if (w->page[page + nr] != w->page[page] + nr * K4)
				break;
		from = page ? w->base + (page - !w->page[page - 1]) * K4 :
			      w->base;
		assert_true(hvp_pt_next_run(&pt, from, &run));
		assert_int_equal(run.iova, w->base + page * K4);
		assert_int_equal(run.paddr | 1 | (run.prot == RW ? 2 : 0),
				 w->page[page]);
		/* it may go on in a window that follows */
		if (page + nr < WINDOW_PAGES)
			assert_int_equal(run.size, nr * K4);
		else
			assert_true(run.size >= nr * K4);
		page += nr;
	}
	if (hvp_pt_next_run(&pt, w->base + (WINDOW_PAGES - 1) * K4, &run))
		assert_true(w->page[WINDOW_PAGES - 1] ||
			    run.iova >= w->base + WINDOW_SIZE);
}

static void run_config(const struct config *c, u64 *random, int steps)
{
	struct window window[3];
	unsigned int i;
	u64 page;
	int step;

	start(c->levels, c->bits, c->pgsizes);
	for (i = 0; i < 3; i++) {
		window[i].base = c->base[i];
		window[i].page = calloc(WINDOW_PAGES, sizeof(u64));
		assert_non_null(window[i].page);
	}
	for (step = 0; step < steps; step++) {
		const struct window *w = &window[random_below(random, 3)];

		/* fill up and drain in turns */
		if (random_below(random, 8) < (step / 200 % 2 ? 3 : 5))
			random_map(w, random, c->pgsizes);
		else
			random_unmap(w, random);
	}
	for (i = 0; i < 3; i++) {
		for (page = 0; page < WINDOW_PAGES; page++)
			check_page(&window[i], page);
		check_runs(&window[i]);
		free(window[i].page);
	}
	finish();
}

static void test_random(void **state)
{
	static const struct config configs[] = {
		{ 4, 47, ALL,
		  { 0, (1ULL << 39) - G1, (1ULL << 47) - WINDOW_SIZE } },
		{ 5, 56, ALL,
		  { (1ULL << 32) - G1, (1ULL << 48) - G1,
		    (1ULL << 56) - WINDOW_SIZE } },
		{ 4, 46, K4 | M2, { 0, 1ULL << 45, (1ULL << 46) - 4 * G1 } },
		{ 5, 52, K4 | G1, { G1, 1ULL << 51, (1ULL << 52) - 4 * G1 } },
		{ 4, 40, K4, { 0, 1ULL << 38, (1ULL << 39) - G1 } },
	};
	u64 random = test_seed();
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(configs); i++)
		run_config(&configs[i], &random, 3000);
}

/*
 * Threads. Each owns every fourth run of 16 pages in the same few tables, and
 * a 2M range of its own beside those of the others, which it fills and drains
 * as a whole so that tables come and go. One more thread frees retired tables
 * all the time, as if each flush succeeded at once, and another reads.
 */
enum { WORKERS = 4, RUN = 16, SHARED_RUNS = 256, ROUNDS = 300 };

struct worker {
	unsigned int nr;
	u64 random;
	unsigned long wrong;
	u64 page[SHARED_RUNS][RUN];
};

static atomic_bool workers_done;

static u64 run_iova(unsigned int nr, unsigned int run)
{
	return (1ULL << 39) - M2 + ((u64)run * WORKERS + nr) * RUN * K4;
}

static void work_shared(struct worker *w)
{
	unsigned int run = random_below(&w->random, SHARED_RUNS);
	unsigned int from = random_below(&w->random, RUN);
	unsigned int nr = 1 + random_below(&w->random, RUN - from), i;
	u64 iova = run_iova(w->nr, run);
	u64 paddr = (next_random(&w->random) & 0xffffffffff000ULL) / 2 &
		    ~0xfffULL;
	u64 *page = w->page[run];
	unsigned int stop = from;
	size_t mapped, size;
	bool retired;

	if (next_random(&w->random) & 1) {
		while (stop < from + nr && !page[stop])
			stop++;
		w->wrong += hvp_pt_map(&pt, iova + from * K4, paddr, K4, nr,
				       RW, GFP_ATOMIC, &mapped) !=
			    (stop < from + nr ? -EADDRINUSE : 0);
		w->wrong += mapped != (stop - from) * K4;
		for (i = from; i < stop; i++)
			page[i] = (paddr + (i - from) * K4) | 1;
	} else {
		while (stop < from + nr && page[stop])
			page[stop++] = 0;
		w->wrong += hvp_pt_unmap(&pt, iova + from * K4, nr * K4,
					 &retired) != (stop - from) * K4;
		w->wrong += retired;
	}
	for (i = 0; i < RUN; i++) {
		paddr = hvp_pt_lookup(&pt, iova + i * K4, &size, NULL);
		w->wrong += (size ? paddr | 1 : 0) != page[i];
	}
}

static void work_alone(struct worker *w)
{
	u64 iova = 8 * G1 + w->nr * M2;
	size_t mapped;
	bool retired;

	w->wrong += hvp_pt_map(&pt, iova, G1, K4, 512, RW, GFP_ATOMIC,
			       &mapped) || mapped != M2;
	w->wrong += hvp_pt_lookup(&pt, iova + 7, NULL, NULL) != G1 + 7;
	w->wrong += hvp_pt_unmap(&pt, iova, M2, &retired) != M2;
	w->wrong += !retired;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 40; i++)
			work_shared(w);
		work_alone(w);
	}
	return NULL;
}

static void *free_retired(void *arg)
{
	unsigned long *freed = arg;
	struct llist_node *list;

	while (!atomic_load(&workers_done)) {
		list = hvp_pt_retired_take(&pt);
		if (list && ++*freed % 3 == 0)
			hvp_pt_retired_put_back(&pt, list);
		else
			hvp_pt_retired_free(&pt, list);
	}
	return NULL;
}

/* What is written is never seen half: each leaf is one that was mapped. */
static void *read_runs(void *arg)
{
	unsigned long *wrong = arg, seen = 0;
	struct hvp_pt_run run;
	u64 from;

	while (!atomic_load(&workers_done) || !seen) {
		for (from = 0; hvp_pt_next_run(&pt, from, &run);
		     from = run.iova + run.size) {
			seen++;
			*wrong += run.iova < from || run.prot != RW;
			*wrong += (run.iova | run.paddr | run.size) & 0xfff;
			if (run.iova >= 8 * G1 && run.iova < 9 * G1)
				*wrong += run.paddr != G1 + run.iova % M2;
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	static struct worker worker[WORKERS];
	pthread_t thread[WORKERS], freer, reader;
	unsigned long misread = 0;
	u64 random = test_seed();
	unsigned long freed = 0;
	unsigned int i, run, p;

	(void)state;
	start(5, 56, ALL);
	must_map(1ULL << 55, 0, K4, 1);
	atomic_store(&workers_done, false);
	assert_int_equal(pthread_create(&freer, NULL, free_retired, &freed),
			 0);
	assert_int_equal(pthread_create(&reader, NULL, read_runs, &misread),
			 0);
	for (i = 0; i < WORKERS; i++) {
		worker[i].nr = i;
		worker[i].random = next_random(&random);
		assert_int_equal(pthread_create(&thread[i], NULL, work,
						&worker[i]), 0);
	}
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	atomic_store(&workers_done, true);
	assert_int_equal(pthread_join(freer, NULL), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(misread, 0);

	for (i = 0; i < WORKERS; i++) {
		assert_int_equal(worker[i].wrong, 0);
		for (run = 0; run < SHARED_RUNS; run++)
			for (p = 0; p < RUN; p++) {
				u64 want = worker[i].page[run][p];

				expect_page(run_iova(i, run) + p * K4,
					    want & ~1ULL, want ? K4 : 0,
					    want ? RW : 0);
			}
	}
	assert_true(freed > 0);
	finish();
}

/*
 * Many small tables, all threads at the same slots at once: who loses the
 * race for a table has to use the winner's.
 */
enum { FRESH_ROUNDS = 400 };

static pthread_barrier_t fresh_start;

static void *map_fresh(void *arg)
{
	struct worker *w = arg;
	size_t mapped;
	u64 round, iova;

	for (round = 0; round < FRESH_ROUNDS; round++) {
		iova = round * G1 + w->nr * K4;
		pthread_barrier_wait(&fresh_start);
		w->wrong += hvp_pt_map(&pt, iova, iova + 64 * K4, K4, 1, RW,
				       GFP_ATOMIC, &mapped) || mapped != K4;
		w->wrong += hvp_pt_lookup(&pt, iova, NULL, NULL) !=
			    iova + 64 * K4;
	}
	return NULL;
}

static void test_fresh_tables(void **state)
{
	static struct worker worker[WORKERS];
	pthread_t thread[WORKERS];
	unsigned int i;
	u64 round;

	(void)state;
	start(4, 47, ALL);
	assert_int_equal(pthread_barrier_init(&fresh_start, NULL, WORKERS), 0);
	for (i = 0; i < WORKERS; i++) {
		worker[i].nr = i;
		assert_int_equal(pthread_create(&thread[i], NULL, map_fresh,
						&worker[i]), 0);
	}
	for (i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(worker[i].wrong, 0);
	}
	pthread_barrier_destroy(&fresh_start);
	/* root, one below it, and two for each round */
	assert_int_equal(shim_pages(), 2 + 2 * FRESH_ROUNDS);
	assert_int_equal(atomic_long_read(&pt.nr_tables),
			 2 + 2 * FRESH_ROUNDS);
	for (round = 0; round < FRESH_ROUNDS; round++)
		for (i = 0; i < WORKERS; i++)
			expect_page(round * G1 + i * K4,
				    round * G1 + (64 + i) * K4, K4, RW);
	finish();
}

/* Frees what a failed test left, so that the next one begins with nothing. */
static int clean_up(void **state)
{
	(void)state;
	shim_fail_after(-1);
	hvp_pt_destroy(&pt);
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_init),
		TEST(test_allocation),
		TEST(test_entry_bits),
		TEST(test_lookup),
		TEST(test_runs),
		TEST(test_map_refuses),
		TEST(test_map_over),
		TEST(test_map_over_empty_tables),
		TEST(test_unmap),
		TEST(test_unmap_like_core),
		TEST(test_unmap_part_of_leaf),
		TEST(test_retire),
		TEST(test_retired_list),
		TEST(test_each_allocation_fails),
		TEST(test_lost_race),
		TEST(test_random),
		TEST(test_threads),
		TEST(test_fresh_tables),
	};

	return cmocka_run_group_tests_name("pagetable", tests, NULL, NULL);
}
