// SPDX-License-Identifier: GPL-2.0
/*
 * The core takes identity and blocked domains as they are (6.8 on; 6.7 has all
 * but the owner of a domain).
 */
#include <linux/build_bug.h>
#include <linux/iommu.h>

#define WANT struct iommu_domain *(*)(struct device *dev)
#define HAVE typeof(((struct iommu_ops *)0)->domain_alloc_paging)

static_assert(__builtin_types_compatible_p(HAVE, WANT));
static_assert(__builtin_offsetof(struct iommu_ops, identity_domain) >= 0);
static_assert(__builtin_offsetof(struct iommu_ops, blocked_domain) >= 0);
static_assert(__builtin_offsetof(struct iommu_domain, owner) >= 0);
