// SPDX-License-Identifier: GPL-2.0
/*
 * The core asks the driver to take a device out of its domain when there is no
 * default domain that it could go to (6.3 to 6.6; before, see detach_dev.c).
 */
#include <linux/build_bug.h>
#include <linux/iommu.h>

#define WANT void (*)(struct device *dev)
#define HAVE typeof(((struct iommu_ops *)0)->set_platform_dma_ops)

static_assert(__builtin_types_compatible_p(HAVE, WANT));
