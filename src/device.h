/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI function behind the pvIOMMU.
 */
#ifndef HVP_DEVICE_H
#define HVP_DEVICE_H

#include <linux/list.h>
#include <linux/types.h>

struct device;
struct hvp_domain;
struct pci_dev;

/**
 * struct hvp_device - what the module knows of a function it translates
 * @pdev: the function; it outlives this
 * @bus: what its vPCI bus is called in the registry
 * @id: logical device id, for life
 * @domain: the domain last set in the host; NULL before the first, and after
 *	    a detach
 * @parked_in: the domain that a parked device goes back to, else NULL
 * @node: in @domain->devices, or in the list of parked devices
 * @ats_usable: it can have ATS enabled; constant
 * @ats: ATS was enabled by us
 *
 * What is not for life changes under the lock of domain.c only.
 */
struct hvp_device {
	struct pci_dev *pdev;
	struct device *bus;
	u64 id;
	struct hvp_domain *domain;
	struct hvp_domain *parked_in;
	struct list_head node;
	bool ats_usable;
	bool ats;
};

#endif
