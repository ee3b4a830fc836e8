// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices become ours, and when.
 *
 * A device that a driver runs already must be left alone: the core would
 * switch it to an empty domain under the driver's feet. What counts is
 * whether a driver can get there before the core is done, so devices are kept
 * locked meanwhile: the driver core needs the lock to bind. Devices that are
 * added later reach us before any driver does.
 *
 * A device that was left alone is picked up when its driver lets go of it.
 * The core probes devices without a group whenever an IOMMU registers, and no
 * other way is open to a module: so a second instance registers, and goes.
 *
 * Owns the list of locked devices and the registration of both instances.
 * pci_lock_rescan_remove() serializes all of that, and keeps PCI devices from
 * going in between. Devices are only ever trylocked under it: drivers call for
 * the rescan lock with their device locked. Everything here sleeps.
 *
 * The lock does not keep devices from coming: pci-hyperv scans a new bus
 * without it. The core hears of each of them from the driver core, before the
 * device's uevent is sent. A device is not ours to take before that, or it
 * would be probed from two sides at once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "adopt.h"
#include "compat.h"
#include "ops.h"
#include "vpci.h"

/*
 * The task that lets go of a device still has it locked when we hear of it,
 * and others may: try again, for about a second in all.
 */
#define RETRY_MS	20
#define RETRIES		50

struct held_device {
	struct list_head node;
	struct pci_dev *pdev;
};

static LIST_HEAD(held_devices);
/* Who registers an instance now: its probes are of devices that were there. */
static struct task_struct *registrar;
static struct iommu_device second;
static atomic_t retries;

static void adopt_unbound(struct work_struct *work);
static DECLARE_DELAYED_WORK(adopt_work, adopt_unbound);

static void schedule_adoption(void)
{
	atomic_set(&retries, RETRIES);
	schedule_delayed_work(&adopt_work, msecs_to_jiffies(RETRY_MS));
}

/* Whether the core has heard of a device, if it was there to listen. */
static bool is_announced(struct device *dev)
{
	return dev->kobj.state_add_uevent_sent;
}

static bool hold_device(struct pci_dev *pdev)
{
	struct held_device *held;

	held = kmalloc(sizeof(*held), GFP_KERNEL);
	if (!held)
		return false;
	held->pdev = pci_dev_get(pdev);
	list_add_tail(&held->node, &held_devices);
	return true;
}

/*
 * Locks all devices that could be ours and have no driver. Counts those that
 * are left: @bound have a driver, @busy are locked by somebody else, or are
 * just being added.
 */
static void hold_devices(unsigned int *bound, unsigned int *busy)
{
	struct pci_dev *pdev = NULL;

	*bound = 0;
	*busy = 0;
	for_each_pci_dev(pdev) {
		if (device_iommu_mapped(&pdev->dev) ||
		    !hvp_vpci_is_translatable(pdev))
			continue;
		if (!is_announced(&pdev->dev) || !device_trylock(&pdev->dev)) {
			++*busy;
			continue;
		}
		if (!pdev->dev.driver && hold_device(pdev))
			continue;
		device_unlock(&pdev->dev);
		++*bound;
	}
}

static void release_devices(void)
{
	struct held_device *held, *next;

	list_for_each_entry_safe(held, next, &held_devices, node) {
		device_unlock(&held->pdev->dev);
		pci_dev_put(held->pdev);
		list_del(&held->node);
		kfree(held);
	}
}

static int register_instance(struct iommu_device *iommu)
{
	int err;

	WRITE_ONCE(registrar, current);
	err = iommu_device_register(iommu, &hvp_iommu_ops, NULL);
	WRITE_ONCE(registrar, NULL);
	return err;
}

static void adopt_unbound(struct work_struct *work)
{
	unsigned int bound, busy;
	int err;

	pci_lock_rescan_remove();
	hold_devices(&bound, &busy);
	if (!list_empty(&held_devices)) {
		memset(&second, 0, sizeof(second));
		err = register_instance(&second);
		/* The devices belong to the first one: they stay. */
		if (!err)
			iommu_device_unregister(&second);
		else
			pr_err("devices without a driver cannot be taken over (%d)\n",
			       err);
		release_devices();
	}
	pci_unlock_rescan_remove();

	if (busy && atomic_dec_return(&retries) > 0)
		schedule_delayed_work(&adopt_work, msecs_to_jiffies(RETRY_MS));
}

static int notify_unbound(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	struct device *dev = data;

	/* A driver has let go of it, or did not get hold of it. */
	if (action != BUS_NOTIFY_UNBOUND_DRIVER &&
	    action != BUS_NOTIFY_DRIVER_NOT_BOUND)
		return NOTIFY_DONE;

	if (!device_iommu_mapped(dev))
		schedule_adoption();
	return NOTIFY_DONE;
}

static struct notifier_block unbound_notifier = {
	.notifier_call = notify_unbound,
};

/**
 * hvp_adopt_allows() - whether a device may be probed now
 * @dev: device the core is probing
 *
 * Context: probe_device() of the IOMMU operations.
 * Return: true if no driver has it, nor can get it before the core is done.
 */
bool hvp_adopt_allows(struct device *dev)
{
	struct held_device *held;

	if (READ_ONCE(dev->driver))
		return false;
	if (READ_ONCE(registrar) != current)
		return true;
	list_for_each_entry(held, &held_devices, node)
		if (&held->pdev->dev == dev)
			return true;
	return false;
}

/**
 * hvp_adopt_start() - register with the core, and take over idle devices
 *
 * Context: may sleep.
 * Return: 0 or an errno, logged; nothing of us is left in the core then.
 */
int hvp_adopt_start(void)
{
	unsigned int bound, busy;
	int err;

	pci_lock_rescan_remove();
	hold_devices(&bound, &busy);
	err = register_instance(&hvp_iommu);
	if (err)
		hvp_compat_forget_ops(&hvp_iommu_ops);
	release_devices();
	pci_unlock_rescan_remove();

	if (err) {
		pr_err("the kernel does not take the pvIOMMU (%d)%s\n", err,
		       err == -EBUSY ? ": it has another IOMMU" : "");
		return err;
	}

	/* Not earlier: there must be a first instance before a second one. */
	bus_register_notifier(&pci_bus_type, &unbound_notifier);

	bound += busy;
	if (bound) {
		pr_info("%u device%s in use already: not translated until unbound\n",
			bound, bound == 1 ? "" : "s");
		/* One may have been unbound before the notifier was there. */
		schedule_adoption();
	}
	return 0;
}

/**
 * hvp_adopt_stop() - leave the core
 *
 * Context: may sleep.
 */
void hvp_adopt_stop(void)
{
	bus_unregister_notifier(&pci_bus_type, &unbound_notifier);
	cancel_delayed_work_sync(&adopt_work);

	pci_lock_rescan_remove();
	iommu_device_unregister(&hvp_iommu);
	hvp_compat_forget_ops(&hvp_iommu_ops);
	pci_unlock_rescan_remove();
}

/* A function that could be ours, and is not. Its bus stays: see the lock. */
static bool is_left(struct pci_dev *pdev)
{
	return !device_iommu_mapped(&pdev->dev) &&
	       hvp_vpci_is_translatable(pdev);
}

/**
 * hvp_adopt_untranslated() - count functions that could be ours, and are not
 *
 * Context: may sleep; asks the host about every function that is not ours.
 * Return: the number.
 */
unsigned int hvp_adopt_untranslated(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int nr = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev)
		if (is_left(pdev))
			nr++;
	pci_unlock_rescan_remove();
	return nr;
}

/**
 * hvp_adopt_list_untranslated() - list functions that could be ours
 * @buf: page of a sysfs file; gets a line "DEVICE REASON" for each that is
 *	 not
 *
 * Context: as hvp_adopt_untranslated().
 * Return: bytes written.
 */
ssize_t hvp_adopt_list_untranslated(char *buf)
{
	struct pci_dev *pdev = NULL;
	ssize_t len = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev)
		if (is_left(pdev))
			len += sysfs_emit_at(buf, len, "%s %s\n",
					     pci_name(pdev),
					     READ_ONCE(pdev->dev.driver) ?
					     "in-use" : "pending");
	pci_unlock_rescan_remove();
	return len;
}
