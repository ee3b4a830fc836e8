/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files under /sys/class/iommu/hv-pviommu, for everybody.
 */
#ifndef HVP_SYSFS_H
#define HVP_SYSFS_H

#include "caps.h"

int hvp_sysfs_start(const struct hvp_caps *caps);
void hvp_sysfs_stop(void);

#endif
