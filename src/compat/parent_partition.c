// SPDX-License-Identifier: GPL-2.0
/* hv_parent_partition() has taken the place of a variable (6.18). */
#include <linux/build_bug.h>
#include <linux/types.h>
#include <asm/mshyperv.h>

#define WANT bool(void)
#define HAVE typeof(hv_parent_partition)

static_assert(__builtin_types_compatible_p(HAVE, WANT));
