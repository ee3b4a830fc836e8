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
 * Owns no state: what is known of a bus is in the registry, and each struct
 * hvp_device counts as a user there. No locks. May sleep.
 *
 * The bridge's parent is looked at only where it is sure to be there: a bridge
 * has no reference to it any more once it was removed, while a function that
 * somebody holds still has one to the bridge.
 *
 * What other modules may call is here, too: include/hv_pviommu.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/hyperv.h>
#include <linux/list.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "hv_pviommu.h"
#include "hypercall.h"
#include "registry.h"
#include "vpci.h"

static const struct hv_vmbus_device_id vpci_ids[] = {
	{ HV_PCIE_GUID },
	{ }
};

/* No driver of ours binds to them: it makes udev load the module in time. */
MODULE_DEVICE_TABLE(vmbus, vpci_ids);

/*
 * Whether a host bridge is that of a vPCI bus, and then the prefix that is
 * made of its GUID. Its parent is read: the bus is there, and cannot go.
 */
static bool is_vpci(const struct device *bridge, u32 *prefix)
{
	struct device *parent = bridge->parent;
	struct hv_device *bus;

	if (!parent || !parent->bus || strcmp(parent->bus->name, "vmbus"))
		return false;

	bus = device_to_hv_device(parent);
	if (!guid_equal(&bus->dev_type, &vpci_ids[0].guid))
		return false;
	*prefix = hvp_id_prefix(bus->dev_instance.b);
	return true;
}

/*
 * What stands for the bus of a function: its host bridge, which stays in
 * memory as long as the function does. NULL if the function is no logical
 * device: those are on the root bus, where the host puts them.
 */
static struct device *find_bridge(const struct pci_dev *pdev)
{
	if (!pci_is_root_bus(pdev->bus))
		return NULL;
	return &pci_find_host_bridge(pdev->bus)->dev;
}

/* The same, for the bus of a function that is there and cannot go. */
static struct device *find_vpci(const struct pci_dev *pdev, u32 *prefix)
{
	struct device *bridge = find_bridge(pdev);

	return bridge && is_vpci(bridge, prefix) ? bridge : NULL;
}

/*
 * The host is asked once for each function that is there. That it did not tell
 * is no answer: it is asked again.
 */
static int check_behind_iommu(const struct device *bus, u32 prefix,
			      unsigned int fn)
{
	int behind = hvp_registry_answer(bus, fn);
	u64 value;

	if (behind < 0) {
		if (hvp_call_get_device_property(hvp_id_make(prefix, fn),
						 HVP_PROPERTY_PVIOMMU, &value))
			return -EIO;
		behind = !!(value & HVP_DEVICE_IOMMU_ENABLED);
		hvp_registry_set_answer(bus, fn, behind);
	}
	return behind ? 0 : -EPERM;
}

/*
 * ATS that a kernel before this one left on (kexec, kdump) goes off: the device
 * would take what it has cached along into our domains. It may be used if all
 * that the device asks for is page aligned, as IOMMUs want it.
 */
static void init_ats(struct hvp_device *dev)
{
	struct pci_dev *pdev = dev->pdev;
	u16 cap, ctrl;
	int pos;

	pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ATS);
	if (!pos)
		return;
	pci_read_config_word(pdev, pos + PCI_ATS_CTRL, &ctrl);
	if (ctrl & PCI_ATS_CTRL_ENABLE)
		pci_write_config_word(pdev, pos + PCI_ATS_CTRL,
				      ctrl & ~PCI_ATS_CTRL_ENABLE);
	pci_read_config_word(pdev, pos + PCI_ATS_CAP, &cap);
	dev->ats_usable = pci_ats_supported(pdev) &&
			  cap & PCI_ATS_CAP_PAGE_ALIGNED;
}

/**
 * hvp_vpci_check() - whether a function is behind the pvIOMMU
 * @pdev: any PCI function that is there
 *
 * Its bus is known from now on, whatever the answer.
 *
 * Context: may sleep; asks the host, unless it has told already. The function
 * cannot go meanwhile.
 * Return: 0 if so; -ENODEV if it is on no vPCI bus; -EPERM if the host does
 * not offer it; -EIO, logged, if the host did not tell.
 */
int hvp_vpci_check(struct pci_dev *pdev)
{
	struct device *bus;
	u32 prefix;

	bus = find_vpci(pdev, &prefix);
	if (!bus)
		return -ENODEV;

	/* Why it may fail is the business of hvp_vpci_device_new(). */
	hvp_registry_see(bus, &prefix);
	return check_behind_iommu(bus, prefix, PCI_FUNC(pdev->devfn));
}

/**
 * hvp_vpci_forget() - a function has gone: forget its bus if it was the last
 * @pdev: any PCI function, of which the bus notifier says that it is removed
 *
 * Context: bus notifier, after release_device(); whoever removes functions has
 * pci_lock_rescan_remove().
 */
void hvp_vpci_forget(const struct pci_dev *pdev)
{
	const struct device *bus = find_bridge(pdev);

	if (!bus)
		return;
	/* The next one in its place is another one. */
	hvp_registry_set_answer(bus, PCI_FUNC(pdev->devfn), -ENOENT);
	/* It is on the list of its bus until the notifiers have run. */
	if (list_is_singular(&pdev->bus->devices))
		hvp_registry_forget(bus);
}

/**
 * hvp_vpci_device_new() - the logical device of a function
 * @pdev: any PCI function that is there
 *
 * Context: may sleep. The function cannot go meanwhile.
 * Return: the device, or an error pointer: what hvp_vpci_check() returns,
 * -EEXIST (logged) if it cannot be told from another one, or -ENOMEM.
 */
struct hvp_device *hvp_vpci_device_new(struct pci_dev *pdev)
{
	unsigned int fn = PCI_FUNC(pdev->devfn);
	struct hvp_device *dev;
	struct device *bus;
	u32 prefix;
	int err;

	bus = find_vpci(pdev, &prefix);
	if (!bus)
		return ERR_PTR(-ENODEV);

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->pdev = pdev;
	dev->bus = bus;
	INIT_LIST_HEAD(&dev->node);

	/* Before asking the host: it would answer for the other device */
	err = hvp_registry_get(bus, &prefix);
	if (err == -EEXIST)
		pci_err(pdev, "logical device id 0x%llx is not unique: left untranslated\n",
			hvp_id_make(prefix, fn));
	if (err)
		goto err_dev;
	dev->id = hvp_id_make(prefix, fn);
	err = check_behind_iommu(bus, prefix, fn);
	if (err)
		goto err_registry;
	init_ats(dev);
	return dev;

err_registry:
	hvp_registry_put(bus);
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
	hvp_registry_put(dev->bus);
	kfree(dev);
}

/**
 * hv_pviommu_device_id() - logical device id of a PCI function
 * @pdev: any PCI function; the caller has a reference to it
 * @id: set on success: what hypercalls take as a device id, type "logical",
 *	bits 63:32 zero
 *
 * For every function of a vPCI bus, translated or not. It is the host's name
 * for the function as long as that is there, and may be another one's later:
 * valid until remove() of the driver that is bound to @pdev returns, and for
 * others until the function is removed. Who may be late must be ready for the
 * host to answer that it has no such device.
 *
 * Context: process; does not sleep, takes no lock that a caller can have. In
 * probe() and remove() of a PCI driver, too.
 * Return: 0; -ENODEV if the function is on no vPCI bus, has been removed, or
 * cannot be told from another one because two buses have the same prefix.
 */
int hv_pviommu_device_id(struct pci_dev *pdev, u64 *id)
{
	const struct device *bus = find_bridge(pdev);
	u32 prefix;

	if (!bus || hvp_registry_lookup(bus, &prefix))
		return -ENODEV;
	if (!device_is_registered(&pdev->dev))
		return -ENODEV;
	*id = hvp_id_make(prefix, PCI_FUNC(pdev->devfn));
	return 0;
}
EXPORT_SYMBOL_GPL(hv_pviommu_device_id);

/**
 * hv_pviommu_register_bus() - say which prefix a vPCI bus has
 * @bridge: its host bridge, with the VMBus device as its parent
 * @prefix: of the logical device ids of its functions: bits 31:3
 *
 * Not needed for the buses of pci-hyperv, whose prefix is read from the GUID
 * of the VMBus device. A prefix registered before the bus is scanned takes
 * the place of that; afterwards, the two must be the same, and nothing but
 * the registration is added.
 *
 * hv_pviommu has a reference to the bridge until the registration ends: by
 * hv_pviommu_unregister_bus(), or by itself when the last function of the bus
 * is removed, with whatever else is known of the bus.
 *
 * Context: may sleep. The bus cannot go meanwhile: the caller is its driver,
 * or the driver of one of its functions, or has pci_lock_rescan_remove().
 * Return: 0; -EEXIST if the bus is registered already, even if by the same
 * caller with the same prefix, if functions of it were seen with another
 * prefix, or if the prefix is another bus's; -EINVAL if it has one of its low
 * three bits set, or @bridge is not that of a vPCI bus; -ENOMEM. After an
 * error nothing has changed.
 */
int hv_pviommu_register_bus(struct pci_host_bridge *bridge, u32 prefix)
{
	u32 unused;

	if (!is_vpci(&bridge->dev, &unused))
		return -EINVAL;
	return hvp_registry_register(&bridge->dev, prefix);
}
EXPORT_SYMBOL_GPL(hv_pviommu_register_bus);

/**
 * hv_pviommu_unregister_bus() - undo hv_pviommu_register_bus()
 * @bridge: as registered; the caller has a reference to it
 *
 * Functions that were seen since keep their ids: the prefix stays taken until
 * the last of them goes. Without any, it is free at once.
 *
 * Context: may sleep. The bus may go meanwhile, or have gone.
 * Return: 0; -ENOENT if it is not registered, or is no longer because it went.
 */
int hv_pviommu_unregister_bus(const struct pci_host_bridge *bridge)
{
	return hvp_registry_unregister(&bridge->dev);
}
EXPORT_SYMBOL_GPL(hv_pviommu_unregister_bus);
