// SPDX-License-Identifier: GPL-2.0
/*
 * Flush planner: which IOTLB entries to name for a gathered IOVA range.
 *
 * Owns nothing: arithmetic without state and locks, for any context.
 *
 * The host builds one descriptor for every entry and waits for them, so a few
 * exact blocks are cheap and many are not. A plan may flush too much, never
 * too little.
 */
#include "hv_pviommu_abi.h"
#include "flush.h"

/*
 * A covering block that is this many times the range throws away more than
 * it saves: a small range across a big boundary. All goes then, in a call
 * that costs the host one descriptor.
 */
#define MAX_OVERFLUSH	8

/* Pages first..last as aligned blocks, the largest possible from the left. */
static bool plan_exact(struct hvp_flush_plan *plan, u64 first, u64 last)
{
	unsigned int nr = 0;

	while (first <= last) {
		unsigned int shift = ilog2(last - first + 1);

		if (nr == HVP_FLUSH_MAX_EXACT)
			return false;
		if (first)
			shift = min_t(unsigned int, shift, __ffs64(first));
		plan->entry[nr++] = hvp_flush_entry(first, shift);
		first += BIT_ULL(shift);
	}
	plan->kind = HVP_FLUSH_LIST;
	plan->nr = nr;
	plan->pages_flushed = plan->pages_wanted;
	return true;
}

/* The smallest aligned block around first..last, which has several pages. */
static bool plan_covering(struct hvp_flush_plan *plan, u64 first, u64 last,
			  u64 last_page, u64 max_overflush)
{
	unsigned int shift = fls64(first ^ last);
	u64 pages = BIT_ULL(shift);

	first &= ~(pages - 1);
	if (!first && pages - 1 >= last_page)
		return false;
	if (pages / max_overflush > plan->pages_wanted)
		return false;
	plan->kind = HVP_FLUSH_LIST;
	plan->nr = 1;
	plan->entry[0] = hvp_flush_entry(first, shift);
	plan->pages_flushed = pages;
	return true;
}

/**
 * hvp_flush_plan() - plan the invalidation of a range
 * @plan: the outcome
 * @start: first address
 * @end: last address, inclusive as struct iommu_iotlb_gather has it; below
 *	 @start for the empty gather
 * @last: highest IOVA of the domain
 *
 * Exact blocks if HVP_FLUSH_MAX_EXACT are enough, else one covering block,
 * else the domain. A range that is the whole aperture, or reaches beyond
 * (ULONG_MAX of a full-width gather), is the domain.
 *
 * Context: any; does not sleep.
 */
void hvp_flush_plan(struct hvp_flush_plan *plan, u64 start, u64 end,
		    u64 last)
{
	u64 last_page = last >> HVP_PAGE_SHIFT;
	u64 first = start >> HVP_PAGE_SHIFT;
	u64 final = end >> HVP_PAGE_SHIFT;

	*plan = (struct hvp_flush_plan){ .kind = HVP_FLUSH_NONE };
	if (start > end)
		return;

	plan->kind = HVP_FLUSH_DOMAIN;
	if (!first && final >= last_page)
		return;
	plan->pages_wanted = final - first + 1;
	if (final > last_page)
		return;
	if (!plan_exact(plan, first, final))
		plan_covering(plan, first, final, last_page, MAX_OVERFLUSH);
}

/**
 * hvp_flush_plan_single() - change a plan for a host that takes one entry only
 * @plan: of hvp_flush_plan(), for the same range
 * @start: first address
 * @end: last address
 * @last: highest IOVA of the domain
 *
 * Several blocks become the one that covers them, however big, and the domain
 * where that is all of it.
 *
 * Context: any; does not sleep.
 */
void hvp_flush_plan_single(struct hvp_flush_plan *plan, u64 start, u64 end,
			   u64 last)
{
	if (plan->kind != HVP_FLUSH_LIST || plan->nr == 1)
		return;
	if (plan_covering(plan, start >> HVP_PAGE_SHIFT, end >> HVP_PAGE_SHIFT,
			  last >> HVP_PAGE_SHIFT, ~0ULL))
		return;
	plan->kind = HVP_FLUSH_DOMAIN;
	plan->nr = 0;
	plan->pages_flushed = 0;
}
