/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What other modules of the kernel may call: logical device ids of PCI
 * functions on Hyper-V, the names by which hypercalls know them. GPL only. The
 * contracts are with the functions in src/vpci.c.
 *
 * Lifetime. A module that uses these symbols holds hv_pviommu in memory, and
 * does not load where that declines to (no Hyper-V, no pvIOMMU). One that must
 * load there as well gets each function with symbol_get(), which returns NULL
 * if it is not there, and gives it back with symbol_put(): not between two
 * calls that belong together, such as to register and to unregister. What a
 * module has not unregistered is dropped when hv_pviommu is unloaded.
 *
 * Locking. No locks, but what is named must not go during a call: hold a
 * reference to the function or to the host bridge. To register takes more: a
 * bus that cannot go, see there. All calls may come at the same time, for the
 * same bus, and also while it goes.
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
