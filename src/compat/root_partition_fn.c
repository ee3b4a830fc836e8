// SPDX-License-Identifier: GPL-2.0
/*
 * hv_root_partition() can be called (6.15 on); before, it is a variable. The
 * type that a function returns does not matter, see parent_partition.c.
 */
#include <linux/types.h>
#include <asm/mshyperv.h>

bool hvp_probe(void);

bool hvp_probe(void)
{
	return hv_root_partition();
}
