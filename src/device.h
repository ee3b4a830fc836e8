/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI function behind the pvIOMMU.
 */
#ifndef HVP_DEVICE_H
#define HVP_DEVICE_H

#include <linux/list.h>
#include <linux/types.h>

struct hv_device;
struct hvp_domain;
struct pci_dev;

/**
 * struct hvp_device - what the module knows of a function it translates
 * @pdev: the function; it outlives this
 * @bus: its vPCI bus
 * @id: logical device id, for life
 * @domain: the domain last set in the host; NULL before the first, and after
 *	    a detach
 * @node: in @domain->devices
 * @ats_usable: it can have ATS enabled; constant
 * @ats: ATS was enabled by us
 *
 * @domain, @node and @ats change under the lock of domain.c only.
 */
struct hvp_device {
	struct pci_dev *pdev;
	const struct hv_device *bus;
	u64 id;
	struct hvp_domain *domain;
	struct list_head node;
	bool ats_usable;
	bool ats;
};

#endif
