// SPDX-License-Identifier: GPL-2.0
/* Must not compile: if it does, neither do probes tell what is missing. */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(__builtin_offsetof(struct iommu_ops, no_such_member) >= 0);
