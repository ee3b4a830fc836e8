// SPDX-License-Identifier: GPL-2.0
/* Isolation of interrupts is a matter of the IOMMU (up to 6.2). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(IOMMU_CAP_INTR_REMAP >= 0);
