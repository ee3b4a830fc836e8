/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the IOMMU core calls.
 */
#ifndef HVP_OPS_H
#define HVP_OPS_H

#include <linux/iommu.h>

extern const struct iommu_ops hvp_iommu_ops;

/* The one instance: there is one pvIOMMU for all devices. */
extern struct iommu_device hvp_iommu;

#endif
