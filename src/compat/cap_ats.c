// SPDX-License-Identifier: GPL-2.0
/* The core asks whether a device can use ATS, for iommufd (7.1 on). */
#include <linux/build_bug.h>
#include <linux/iommu.h>

static_assert(IOMMU_CAP_PCI_ATS_SUPPORTED >= 0);
