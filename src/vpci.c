// SPDX-License-Identifier: GPL-2.0
/*
 * From PCI functions to logical devices of the host.
 *
 * A vPCI bus is a VMBus device, and a logical device id is made of bytes of
 * that device's instance GUID and the PCI function. The way leads over public
 * structures: root bus, host bridge, the bridge's parent. The PCI domain
 * number is no substitute: it is made of the same bytes, but Linux changes it
 * when two buses ask for the same one.
 *
 * Owns no state but the references it has in the registry, one for each
 * struct hvp_device. No locks. May sleep.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/hyperv.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "hypercall.h"
#include "registry.h"
#include "vpci.h"

static const struct hv_vmbus_device_id vpci_ids[] = {
	{ HV_PCIE_GUID },
	{ }
};

/* No driver of ours binds to them: it makes udev load the module in time. */
MODULE_DEVICE_TABLE(vmbus, vpci_ids);

/* The VMBus device of the vPCI bus that a function is on, or NULL. */
static struct hv_device *find_bus(struct pci_dev *pdev)
{
	struct device *parent;
	struct hv_device *bus;

	/* Logical devices are on the root bus, where the host puts them. */
	if (!pci_is_root_bus(pdev->bus))
		return NULL;

	parent = pci_find_host_bridge(pdev->bus)->dev.parent;
	if (!parent || !parent->bus || strcmp(parent->bus->name, "vmbus"))
		return NULL;

	bus = device_to_hv_device(parent);
	return guid_equal(&bus->dev_type, &vpci_ids[0].guid) ? bus : NULL;
}

static u32 bus_prefix(const struct hv_device *bus)
{
	return hvp_id_prefix(bus->dev_instance.b);
}

static u64 device_id(const struct hv_device *bus, const struct pci_dev *pdev)
{
	return hvp_id_make(bus_prefix(bus), PCI_FUNC(pdev->devfn));
}

static int check_behind_iommu(u64 id)
{
	u64 value;

	if (hvp_call_get_device_property(id, HVP_PROPERTY_PVIOMMU, &value))
		return -EIO;
	return value & HVP_DEVICE_IOMMU_ENABLED ? 0 : -EPERM;
}

/**
 * hvp_vpci_check() - whether a function is behind the pvIOMMU
 * @pdev: any PCI function
 *
 * Context: process; asks the host if it is a vPCI function.
 * Return: 0 if so; -ENODEV if it is on no vPCI bus; -EPERM if the host does
 * not offer it; -EIO, logged, if the host did not tell.
 */
int hvp_vpci_check(struct pci_dev *pdev)
{
	const struct hv_device *bus = find_bus(pdev);

	return bus ? check_behind_iommu(device_id(bus, pdev)) : -ENODEV;
}

/**
 * hvp_vpci_device_new() - the logical device of a function
 * @pdev: any PCI function
 *
 * Registers the bus, or takes one more reference to it.
 *
 * Context: may sleep.
 * Return: the device, or an error pointer: what hvp_vpci_check() returns,
 * -EEXIST (logged) if it cannot be told from another one, or -ENOMEM.
 */
struct hvp_device *hvp_vpci_device_new(struct pci_dev *pdev)
{
	const struct hv_device *bus = find_bus(pdev);
	struct hvp_device *dev;
	int err;

	if (!bus)
		return ERR_PTR(-ENODEV);

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->pdev = pdev;
	dev->bus = bus;
	dev->id = device_id(bus, pdev);
	INIT_LIST_HEAD(&dev->node);

	/* Before asking the host: it would answer for the other device */
	err = hvp_registry_add(bus, bus_prefix(bus));
	if (err == -EEXIST)
		pci_err(pdev, "logical device id 0x%llx is not unique: left untranslated\n",
			dev->id);
	if (err)
		goto err_dev;
	err = check_behind_iommu(dev->id);
	if (err)
		goto err_registry;
	return dev;

err_registry:
	hvp_registry_del(bus);
err_dev:
	kfree(dev);
	return ERR_PTR(err);
}

/**
 * hvp_vpci_device_free() - undo hvp_vpci_device_new()
 * @dev: in no domain
 *
 * Context: process; does not sleep.
 */
void hvp_vpci_device_free(struct hvp_device *dev)
{
	hvp_registry_del(dev->bus);
	kfree(dev);
}
