// SPDX-License-Identifier: GPL-2.0
/* attach_dev() is also told the domain that the device comes from (6.19 on). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

#define WANT int (*)(struct iommu_domain *domain, struct device *dev, \
		     struct iommu_domain *old)
#define HAVE typeof(((struct iommu_domain_ops *)0)->attach_dev)

static_assert(__builtin_types_compatible_p(HAVE, WANT));
