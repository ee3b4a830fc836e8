// SPDX-License-Identifier: GPL-2.0
/* Isolation of interrupts is a matter of the IOMMU (6.1). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(IOMMU_CAP_INTR_REMAP >= 0);
