// SPDX-License-Identifier: GPL-2.0
/*
 * Page and object allocators of the user-space shim. Owns the counters and
 * the failure injection; all of it may be used from several threads, except
 * that shim_race() is for single-threaded tests.
 */
#include "user_kshim.h"

static atomic_long pages, pages_ever, objects;
static atomic_long budget = -1;
static void (*race_fn)(void *arg);
static void *race_arg;

void shim_fail_after(long n)
{
	atomic_store(&budget, n);
}

long shim_pages(void)
{
	return atomic_load(&pages);
}

long shim_pages_ever(void)
{
	return atomic_load(&pages_ever);
}

long shim_objects(void)
{
	return atomic_load(&objects);
}

void shim_race(void (*fn)(void *), void *arg)
{
	race_fn = fn;
	race_arg = arg;
}

static bool take_budget(void)
{
	long left = atomic_load(&budget);

	while (left > 0)
		if (atomic_compare_exchange_weak(&budget, &left, left - 1))
			return true;
	return left < 0;
}

static void check_gfp(gfp_t gfp)
{
	if (gfp & ~(__GFP_ZERO | GFP_ATOMIC | GFP_KERNEL))
		abort();
	if (!(gfp & (GFP_ATOMIC | GFP_KERNEL)))
		abort();
}

struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	void (*fn)(void *arg) = race_fn;
	struct page *page;
	void *block;

	check_gfp(gfp);
	if (order)
		abort();
	if (!take_budget())
		return NULL;

	/* one page more than needed keeps the size a multiple of it */
	block = aligned_alloc(PAGE_SIZE, 2 * PAGE_SIZE);
	if (!block)
		abort();
	memset(block, gfp & __GFP_ZERO ? 0 : 0xaa, PAGE_SIZE);
	page = virt_to_page(block);
	page->node.next = NULL;
	page->nid = nid;
	page->gfp = gfp;
	atomic_fetch_add(&pages, 1);
	atomic_fetch_add(&pages_ever, 1);

	if (fn) {
		race_fn = NULL;
		fn(race_arg);
	}
	return page;
}

void __free_page(struct page *page)
{
	atomic_fetch_sub(&pages, 1);
	free(page_address(page));
}

void *kzalloc(size_t size, gfp_t gfp)
{
	void *p;

	check_gfp(gfp);
	if (!take_budget())
		return NULL;
	p = calloc(1, size);
	if (!p)
		abort();
	atomic_fetch_add(&objects, 1);
	return p;
}

void kfree(const void *p)
{
	if (!p)
		return;
	atomic_fetch_sub(&objects, 1);
	free((void *)p);
}
