/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nine hypercalls, one function each. All return 0 or a negative errno;
 * those that callers tell apart are named HVP_E_* in status.h. A failure has been
 * logged when they return, unless it is one that the caller expects.
 *
 * Context: any but NMI, between hvp_call_start() and _stop(); none sleeps.
 */
#ifndef HVP_HYPERCALL_H
#define HVP_HYPERCALL_H

#include <linux/types.h>

#include "hv_pviommu_abi.h"
#include "stats.h"
#include "status.h"

int hvp_call_start(void);
void hvp_call_stop(void);
const char *hvp_call_name(enum hvp_stats_call call);

int hvp_call_get_capabilities(struct hvp_capabilities *caps);
int hvp_call_get_device_property(u64 device_id, u32 code, u64 *value);
int hvp_call_create_domain(const struct hvp_device_domain *domain);
int hvp_call_delete_domain(const struct hvp_device_domain *domain,
			   const char *consequence);
int hvp_call_delete_foreign_domain(const struct hvp_device_domain *domain,
				   const char *consequence);
int hvp_call_configure_domain(const struct hvp_device_domain *domain,
			      u64 flags, u64 root);
int hvp_call_attach_domain(const struct hvp_device_domain *domain,
			   u64 device_id);
int hvp_call_detach_domain(u64 device_id);
int hvp_call_detach_leftover(u64 device_id);
int hvp_call_flush_domain(const struct hvp_device_domain *domain);
int hvp_call_flush_domain_list(const struct hvp_device_domain *domain,
			       const u64 *entry, unsigned int nr);
bool hvp_call_flushes_several(void);

#endif
