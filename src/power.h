/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens when the machine stops, or is put away and brought back.
 */
#ifndef HVP_POWER_H
#define HVP_POWER_H

struct device;

int hvp_power_start(void);
void hvp_power_stop(void);
int hvp_power_link(struct device *dev);
void hvp_power_unlink(struct device *dev);

#endif
