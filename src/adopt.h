/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which devices become ours, and when.
 */
#ifndef HVP_ADOPT_H
#define HVP_ADOPT_H

#include <linux/types.h>

struct device;
struct iommu_device;

bool hvp_adopt_has_other_iommu(void);
int hvp_adopt_start(void);
void hvp_adopt_stop(void);
bool hvp_adopt_allows(struct device *dev);
struct iommu_device *hvp_adopt_instance(const struct device *dev);
void hvp_adopt_note(struct device *dev, int err);
unsigned int hvp_adopt_translated(void);
unsigned int hvp_adopt_untranslated(void);
ssize_t hvp_adopt_list_untranslated(char *buf);

#endif
