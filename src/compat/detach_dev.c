// SPDX-License-Identifier: GPL-2.0
/* Domains have a detach_dev() that the core does not check for (up to 6.2). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(__builtin_offsetof(struct iommu_domain_ops, detach_dev) >= 0);
