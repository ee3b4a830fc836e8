/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Domains, and which device is in which.
 */
#ifndef HVP_DOMAIN_H
#define HVP_DOMAIN_H

#include <linux/iommu.h>
#include <linux/list.h>

#include "caps.h"
#include "device.h"
#include "hv_pviommu_abi.h"
#include "pagetable.h"

enum hvp_domain_kind {
	HVP_DOMAIN_PAGING,
	HVP_DOMAIN_IDENTITY,
	HVP_DOMAIN_BLOCKED,
};

/**
 * struct hvp_domain - one device domain of the host
 * @domain: the kernel's half
 * @kind: what it does
 * @name: how the host knows it
 * @pt: page table (paging only)
 * @all: in the list of all domains, under the lock of domain.c
 * @devices: attached ones, under the lock of domain.c
 * @stale: the host may have old translations cached that could not be
 *	   flushed; no device is in the domain as long as that is so. Under
 *	   the lock of domain.c.
 * @absent: the host does not have it now: nothing of it is cached, and no
 *	    device is in it. Written under the lock of domain.c.
 * @undeleted_id: not 0: the host did not delete the domain when it had this
 *		  id, and may have it, with the table: that is not freed as
 *		  long as it is so. Written under the lock of domain.c.
 * @debugfs: its directory, of debugfs.c
 */
struct hvp_domain {
	struct iommu_domain domain;
	enum hvp_domain_kind kind;
	struct hvp_device_domain name;
	struct hvp_pt pt;
	struct list_head all;
	struct list_head devices;
	bool stale;
	bool absent;
	u32 undeleted_id;
	struct dentry *debugfs;
};

/**
 * struct hvp_domain_counts - domains there are
 * @paging: paging domains
 * @stale: those of them whose flush has failed: their devices are blocked
 */
struct hvp_domain_counts {
	unsigned int paging;
	unsigned int stale;
};

/*
 * One of each for all devices: they keep no state of their own. Defined in
 * ops.c, together with the operations the kernel sees.
 */
extern struct hvp_domain hvp_identity;
extern struct hvp_domain hvp_blocked;

static inline struct hvp_domain *hvp_domain_of(struct iommu_domain *domain)
{
	return container_of(domain, struct hvp_domain, domain);
}

int hvp_domain_start(const struct hvp_caps *caps);
void hvp_domain_stop(void);

struct hvp_domain *hvp_domain_alloc(int nid);
void hvp_domain_free(struct hvp_domain *domain);

int hvp_domain_attach(struct hvp_domain *domain, struct hvp_device *dev);
void hvp_domain_leave(struct hvp_device *dev);
bool hvp_domain_can_use_ats(const struct hvp_device *dev);

int hvp_domain_park_devices(void);
void hvp_domain_unpark_devices(void);
void hvp_domain_remove_all(void);
void hvp_domain_restore_all(void);

void hvp_domain_count(struct hvp_domain_counts *counts);
u32 hvp_domain_visit(u32 after, void (*fn)(const struct hvp_domain *domain,
					   void *arg), void *arg);
const char *hvp_domain_kind_name(enum hvp_domain_kind kind);

void hvp_domain_flush(struct hvp_domain *domain);
void hvp_domain_flush_range(struct hvp_domain *domain, u64 start, u64 end);

#endif
