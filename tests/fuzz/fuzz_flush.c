// SPDX-License-Identifier: GPL-2.0
/*
 * Flush planning: what the plan names, taken apart entry by entry as the host
 * does, has every page of the range, nothing that the host refuses, and no
 * more than the planner promises.
 */
/* LINK: ../../src/flush.c */
#include <string.h>

#include "hv_pviommu_abi.h"
#include "flush.h"
#include "flush_model.h"
#include "fuzz.h"

static u64 take_address(struct input *in, u64 last)
{
	u64 value = take(in, 8);

	switch (take_below(in, 8)) {
	case 0:			/* as it is: beyond the aperture, too */
		return value;
	case 1:			/* few bits */
		return value >> (value & 63);
	case 2:			/* near a power of two */
		return (1ULL << (value & 63)) + (int16_t)(value >> 8) * 0x1000;
	case 3:			/* near the end */
		return last - (value >> 48) * 0x1000;
	case 4:			/* the last byte of a block */
		return (value & last) | ((1ULL << (value & 63)) - 1);
	case 5:			/* the first one */
		return value & last & ~((1ULL << (value & 63)) - 1);
	default:
		return value & last;
	}
}

static void check_plan(u64 start, u64 end, u64 last)
{
	u64 a = start >> 12, b = end >> 12, top = last >> 12;
	struct hvp_flush_plan plan;
	unsigned int i, blocks, shift;
	u64 next, sum = 0;

	memset(&plan, 0xa5, sizeof(plan));
	hvp_flush_plan(&plan, start, end, last);
	expect(plan.nr <= HVP_FLUSH_MAX_EXACT);

	if (start > end) {
		expect(plan.kind == HVP_FLUSH_NONE);
		expect(!plan.nr && !plan.pages_wanted && !plan.pages_flushed);
		return;
	}
	expect(plan.pages_wanted == (!a && b >= top ? 0 : b - a + 1));
	blocks = count_blocks(a, b, 0, 52);
	shift = covering_shift(a, b);
	if (plan.kind == HVP_FLUSH_DOMAIN) {
		expect(!plan.nr && !plan.pages_flushed);
		/* and not because it was too lazy */
		expect(b > top || (!a && b == top) ||
		       (blocks > HVP_FLUSH_MAX_EXACT &&
			((1ULL << shift) - 1 >= top ||
			 1ULL << shift > 8 * (b - a + 1))));
		return;
	}
	expect(plan.kind == HVP_FLUSH_LIST);
	expect(plan.nr);

	for (next = plan.entry[0] >> 12, i = 0; i < plan.nr; i++) {
		u64 number = plan.entry[i] >> 12;
		unsigned int entry_shift = plan.entry[i] & 0x3f;
		u64 pages = 1ULL << entry_shift;

		expect(entry_shift <= 52);
		expect(!(plan.entry[i] & 0xfc0));
		expect(!(number & (pages - 1)));
		expect(number + pages - 1 <= top);
		/* one behind the other, so that none is named twice */
		expect(number == next);
		next += pages;
		sum += pages;
	}
	expect(plan.entry[0] >> 12 <= a && next > b);
	expect(plan.pages_flushed == sum);
	if (blocks <= HVP_FLUSH_MAX_EXACT)
		expect(plan.nr == blocks && sum == b - a + 1);
	else
		expect(plan.nr == 1 && sum == 1ULL << shift &&
		       sum <= 8 * (b - a + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	while (in.left) {
		u64 last = ~0ULL >> take_below(&in, 52);
		u64 start = take_address(&in, last), end;

		if (take(&in, 1) & 1)
			end = start + (take(&in, 2) << 12) + take(&in, 1);
		else
			end = take_address(&in, last);
		check_plan(start, end, last);
		/* what the gather is when nothing was unmapped, or all */
		check_plan(~0ULL, 0, last);
		check_plan(0, last, last);
		check_plan(0, ~0ULL, last);
		check_plan(start, ~0ULL, last);
	}
	return 0;
}
