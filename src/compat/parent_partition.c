// SPDX-License-Identifier: GPL-2.0
/*
 * hv_parent_partition() can be called (6.18 on). Whether it returns bool or
 * int differs between distributions and does not matter.
 */
#include <linux/types.h>
#include <asm/mshyperv.h>

bool hvp_probe(void);

bool hvp_probe(void)
{
	return hv_parent_partition();
}
