// SPDX-License-Identifier: GPL-2.0
/* The core keeps pointers to IOMMU operations in buses (up to 6.7). */
#include <linux/build_bug.h>
#include <linux/device.h>
#include <linux/iommu.h>

#define HAVE typeof(((struct bus_type *)0)->iommu_ops)

static_assert(__builtin_types_compatible_p(HAVE, const struct iommu_ops *));
