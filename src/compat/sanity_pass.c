// SPDX-License-Identifier: GPL-2.0
/* Must compile: if it does not, no probe says anything about the kernel. */
#include <linux/build_bug.h>
#include <linux/iommu.h>
#include <linux/pci.h>

static_assert(sizeof(struct iommu_ops) > sizeof(void *));
