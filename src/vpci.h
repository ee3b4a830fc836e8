/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From PCI functions to logical devices of the host.
 */
#ifndef HVP_VPCI_H
#define HVP_VPCI_H

#include <linux/types.h>

#include "device.h"

int hvp_vpci_check(struct pci_dev *pdev);
void hvp_vpci_forget(const struct pci_dev *pdev);
struct hvp_device *hvp_vpci_device_new(struct pci_dev *pdev);
void hvp_vpci_device_free(struct hvp_device *dev);

#endif
