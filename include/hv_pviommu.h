/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What other modules of the kernel may call: logical device ids of PCI
 * functions on Hyper-V, the names by which hypercalls know them. GPL only. The
 * contracts are with the functions in src/vpci.c.
 *
 * Lifetime. A module that uses these symbols holds hv_pviommu in memory, and
 * cannot be loaded where hv_pviommu declines to (no Hyper-V, no pvIOMMU). One
 * that must load there as well takes them one by one with symbol_get(), which
 * gives NULL, and gives each back with symbol_put() when it is done: before
 * the next symbol_put() of the same name nothing goes. It has unregistered
 * its buses by then: what is left is dropped when hv_pviommu goes.
 *
 * Locking. Nothing to hold, but that a device is there: a reference to the
 * function for its id, and a bus that cannot go for its registration. All
 * three may be called at the same time for the same bus, also while it goes.
 */
#ifndef HV_PVIOMMU_H
#define HV_PVIOMMU_H

#include <linux/types.h>

struct pci_dev;
struct pci_host_bridge;

int hv_pviommu_device_id(struct pci_dev *pdev, u64 *id);

int hv_pviommu_register_bus(struct pci_host_bridge *bridge, u32 prefix);
int hv_pviommu_unregister_bus(const struct pci_host_bridge *bridge);

#endif
