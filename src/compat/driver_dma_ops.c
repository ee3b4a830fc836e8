// SPDX-License-Identifier: GPL-2.0
/*
 * IOMMU drivers switch the DMA API themselves (up to 6.9). Kbuild looks for
 * the export, too.
 */
#include <linux/build_bug.h>
#include <linux/iommu.h>

#define WANT void(struct device *dev, u64 base, u64 limit)
#define HAVE typeof(iommu_setup_dma_ops)

static_assert(__builtin_types_compatible_p(HAVE, WANT));
