// SPDX-License-Identifier: GPL-2.0
/* Lazy unmapping is for IOMMUs that say so (6.5 on). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(IOMMU_CAP_DEFERRED_FLUSH >= 0);
