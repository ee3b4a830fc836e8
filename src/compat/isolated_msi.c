// SPDX-License-Identifier: GPL-2.0
/* Isolation of interrupts is a matter of interrupt domains (6.3 on). */
#include <linux/build_bug.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>

#define WANT bool(struct device *dev)
#define HAVE typeof(msi_device_has_isolated_msi)

static_assert(IRQ_DOMAIN_FLAG_ISOLATED_MSI >= 0);
static_assert(__builtin_types_compatible_p(HAVE, WANT));
