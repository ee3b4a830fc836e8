/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files under /sys/kernel/debug/hv-pviommu, for root.
 */
#ifndef HVP_DEBUGFS_H
#define HVP_DEBUGFS_H

struct hvp_domain;

void hvp_debugfs_start(void);
void hvp_debugfs_stop(void);

void hvp_debugfs_add_domain(struct hvp_domain *domain);
void hvp_debugfs_remove_domain(struct hvp_domain *domain);

#endif
