/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a flush plan is measured against: by halving, not as the planner does
 * it.
 */
#ifndef FLUSH_MODEL_H
#define FLUSH_MODEL_H

#include "kshim.h"

/* Fewest aligned blocks for pages a..b inside the block (base, shift). */
static inline unsigned int count_blocks(u64 a, u64 b, u64 base,
					unsigned int shift)
{
	u64 top = base + ((1ULL << shift) - 1);
	u64 half;

	if (b < base || a > top)
		return 0;
	if (a <= base && b >= top)
		return 1;
	half = 1ULL << (shift - 1);
	return count_blocks(a, b, base, shift - 1) +
	       count_blocks(a, b, base + half, shift - 1);
}

/* Of the smallest aligned block around pages a..b. */
static inline unsigned int covering_shift(u64 a, u64 b)
{
	unsigned int shift = 0;

	while (a >> shift != b >> shift)
		shift++;
	return shift;
}

#endif
