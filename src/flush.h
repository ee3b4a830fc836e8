/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flush planner: which IOTLB entries to name for a gathered IOVA range.
 * domain.c carries the plan out.
 */
#ifndef HVP_FLUSH_H
#define HVP_FLUSH_H

#include "kshim.h"

/* Exact blocks up to this many; beyond, one covering block or all. */
#define HVP_FLUSH_MAX_EXACT 8

enum hvp_flush_kind {
	HVP_FLUSH_NONE,		/* empty gather: nothing to invalidate */
	HVP_FLUSH_LIST,		/* one rep call with @nr entries */
	HVP_FLUSH_DOMAIN,	/* the whole domain */
};

/**
 * struct hvp_flush_plan - what to invalidate
 * @kind: see enum hvp_flush_kind
 * @nr: entries in @entry (LIST only)
 * @entry: wire format, page number << 12 | shift; page aligned to 1 << shift
 * @pages_wanted: 4 KiB pages in the range asked for (0 if it is everything)
 * @pages_flushed: 4 KiB pages that @entry covers (0 for DOMAIN)
 */
struct hvp_flush_plan {
	enum hvp_flush_kind kind;
	unsigned int nr;
	u64 entry[HVP_FLUSH_MAX_EXACT];
	u64 pages_wanted;
	u64 pages_flushed;
};

void hvp_flush_plan(struct hvp_flush_plan *plan, u64 start, u64 end,
		    u64 last);
void hvp_flush_plan_single(struct hvp_flush_plan *plan, u64 start, u64 end,
			   u64 last);

#endif
