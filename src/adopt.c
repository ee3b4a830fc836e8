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
 * other way is open to a module: so a second instance registers, and goes. A
 * device belongs to it at first, and to the first one when it is in a domain.
 * If it did not get into one, it goes with the second instance: newer cores
 * would let no driver have it otherwise.
 *
 * Owns the list of locked devices and the registration of both instances.
 * pci_lock_rescan_remove() serializes all of that, and keeps PCI devices from
 * going in between. Devices are only ever trylocked under it: drivers call for
 * the rescan lock with their device locked. Everything here sleeps.
 *
 * Also owns the list of all functions on vPCI buses, with what came of each of
 * them. It has a mutex of its own, the innermost one, so that it can be read
 * while somebody holds the rescan lock for long: a device that is being ejected
 * waits for its user.
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
#include <linux/mutex.h>
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
#include "device.h"
#include "ops.h"
#include "vpci.h"

/*
 * The task that lets go of a device still has it locked when we hear of it,
 * and others may: try again, for about a second in all.
 */
#define RETRY_MS	20
#define RETRIES		50

/* Devices that may be taken away while we register, each a new attempt. */
#define MAX_GONE	8

struct held_device {
	struct list_head node;
	struct pci_dev *pdev;
};

/* A function on a vPCI bus. */
struct function {
	struct list_head node;
	struct device *dev;	/* with a reference */
	int err;		/* why it is not ours; 0 if it is */
};

static LIST_HEAD(functions);		/* under functions_lock */
static DEFINE_MUTEX(functions_lock);

static LIST_HEAD(held_devices);
/* Who registers an instance now: its probes are of devices that were there. */
static struct task_struct *registrar;
static struct iommu_device second;
static struct device *adoptee;		/* what it is registered for */
static bool registered;			/* the first one */
static atomic_t retries;

static void adopt_unbound(struct work_struct *work);
static DECLARE_DELAYED_WORK(adopt_work, adopt_unbound);

static void schedule_adoption(void)
{
	atomic_set(&retries, RETRIES);
	schedule_delayed_work(&adopt_work, msecs_to_jiffies(RETRY_MS));
}

/* Under functions_lock. */
static struct function *find_function(const struct device *dev)
{
	struct function *function;

	list_for_each_entry(function, &functions, node)
		if (function->dev == dev)
			return function;
	return NULL;
}

/* Under functions_lock. */
static void drop_function(struct function *function)
{
	list_del(&function->node);
	put_device(function->dev);
	kfree(function);
}

/**
 * hvp_adopt_note() - note what came of a device
 * @dev: PCI function
 * @err: 0 if it is ours, with its private data set; else from
 *	 hvp_vpci_device_new(); -EBUSY if it was left alone, which is no news of
 *	 a device that was refused before
 *
 * It is forgotten when it goes. One that there is no memory for is missing
 * from the list, no more.
 *
 * Context: may sleep.
 */
void hvp_adopt_note(struct device *dev, int err)
{
	struct function *function;

	if (err == -ENODEV)
		return;

	mutex_lock(&functions_lock);
	function = find_function(dev);
	if (!function) {
		function = kmalloc(sizeof(*function), GFP_KERNEL);
		if (!function)
			goto out_unlock;
		function->dev = get_device(dev);
		list_add_tail(&function->node, &functions);
		function->err = err;
	} else if (err != -EBUSY) {
		function->err = err;
	}
out_unlock:
	mutex_unlock(&functions_lock);
}

static bool is_ours(const struct device *dev)
{
	struct function *function;
	bool ours;

	mutex_lock(&functions_lock);
	function = find_function(dev);
	ours = function && !function->err;
	mutex_unlock(&functions_lock);
	return ours;
}

/* Returns whether somebody else may have been waiting for its id. */
static bool forget_device(const struct device *dev)
{
	struct function *function;
	bool duplicate = false;

	mutex_lock(&functions_lock);
	function = find_function(dev);
	if (function)
		drop_function(function);
	list_for_each_entry(function, &functions, node)
		duplicate |= function->err == -EEXIST;
	mutex_unlock(&functions_lock);
	return duplicate;
}

static void forget_all(void)
{
	struct function *function, *next;

	mutex_lock(&functions_lock);
	list_for_each_entry_safe(function, next, &functions, node)
		drop_function(function);
	mutex_unlock(&functions_lock);
}

/*
 * Under functions_lock, and so before release_device() if the device is ours.
 * NULL if it is translated.
 */
static const char *why_untranslated(const struct function *function)
{
	const struct hvp_device *hdev;

	switch (function->err) {
	case 0:
		/* Older cores keep a device that they got no domain for. */
		hdev = dev_iommu_priv_get(function->dev);
		return READ_ONCE(hdev->domain) ? NULL : "refused";
	case -EBUSY:
		return READ_ONCE(function->dev->driver) ? "in-use" : "pending";
	case -EPERM:
		return "not-offered";
	case -EEXIST:
		return "duplicate-id";
	default:
		return "refused";
	}
}

static unsigned int count_functions(bool translated)
{
	struct function *function;
	unsigned int nr = 0;

	mutex_lock(&functions_lock);
	list_for_each_entry(function, &functions, node)
		nr += translated == !why_untranslated(function);
	mutex_unlock(&functions_lock);
	return nr;
}

/**
 * hvp_adopt_translated() - count functions on vPCI buses that are ours
 *
 * Context: may sleep.
 * Return: the number.
 */
unsigned int hvp_adopt_translated(void)
{
	return count_functions(true);
}

/**
 * hvp_adopt_untranslated() - count functions on vPCI buses that are not ours
 *
 * Context: may sleep.
 * Return: the number.
 */
unsigned int hvp_adopt_untranslated(void)
{
	return count_functions(false);
}

/**
 * hvp_adopt_list_untranslated() - list functions on vPCI buses that are not ours
 * @buf: a page, of a sysfs file
 *
 * One line each, "1000:00:00.0 REASON".
 *
 * Context: may sleep.
 * Return: the length of the text.
 */
ssize_t hvp_adopt_list_untranslated(char *buf)
{
	struct function *function;
	const char *reason;
	int len = 0;

	mutex_lock(&functions_lock);
	list_for_each_entry(function, &functions, node) {
		reason = why_untranslated(function);
		if (reason)
			len += sysfs_emit_at(buf, len, "%s %s\n",
					     dev_name(function->dev), reason);
	}
	mutex_unlock(&functions_lock);
	return len;
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
	int err;

	*bound = 0;
	*busy = 0;
	for_each_pci_dev(pdev) {
		if (is_ours(&pdev->dev))
			continue;
		err = hvp_vpci_check(pdev);
		hvp_adopt_note(&pdev->dev, err ? err : -EBUSY);
		if (err)
			continue;
		if (!is_announced(&pdev->dev) || !device_trylock(&pdev->dev)) {
			++*busy;
			continue;
		}
		if (!pdev->dev.driver && hold_device(pdev))
			continue;
		if (pdev->dev.driver)
			++*bound;
		else
			++*busy;
		device_unlock(&pdev->dev);
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

/* A device that is held. In the end it is ours, or as it was. */
static void adopt_device(struct device *dev)
{
	struct hvp_device *hdev;
	int err;

	memset(&second, 0, sizeof(second));
	/* It has the files of the first one: links to devices are made there. */
	second.dev = hvp_iommu.dev;
	WRITE_ONCE(adoptee, dev);
	err = register_instance(&second);
	WRITE_ONCE(adoptee, NULL);
	if (err) {
		if (err != -ENODEV)
			pr_err("%s: cannot be taken over (%d)\n",
			       dev_name(dev), err);
		return;
	}

	hdev = device_iommu_mapped(dev) ? dev_iommu_priv_get(dev) : NULL;
	if (hdev && READ_ONCE(hdev->domain))
		dev->iommu->iommu_dev = &hvp_iommu;
	iommu_device_unregister(&second);
}

static void adopt_unbound(struct work_struct *work)
{
	unsigned int bound, busy = 0;
	struct held_device *held;

	pci_lock_rescan_remove();
	/* There must be a first instance before a second one. */
	if (registered)
		hold_devices(&bound, &busy);
	list_for_each_entry(held, &held_devices, node)
		adopt_device(&held->pdev->dev);
	release_devices();
	pci_unlock_rescan_remove();

	if (busy && atomic_dec_return(&retries) > 0)
		schedule_delayed_work(&adopt_work, msecs_to_jiffies(RETRY_MS));
}

static int notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;

	switch (action) {
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		/* A driver has let go of it, or did not get hold of it. */
		if (!device_iommu_mapped(dev))
			schedule_adoption();
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		hvp_vpci_forget(to_pci_dev(dev));
		if (forget_device(dev))
			schedule_adoption();
		break;
	}
	return NOTIFY_DONE;
}

/* After the core, which lets go of a device at the same moment. */
static struct notifier_block notifier = {
	.notifier_call = notify,
	.priority = -1,
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
	if (adoptee)
		return dev == adoptee;
	list_for_each_entry(held, &held_devices, node)
		if (&held->pdev->dev == dev)
			return true;
	return false;
}

/**
 * hvp_adopt_instance() - the IOMMU that a device belongs to
 * @dev: device the core is probing
 *
 * Context: probe_device() of the IOMMU operations.
 * Return: what probe_device() returns if it takes the device.
 */
struct iommu_device *hvp_adopt_instance(const struct device *dev)
{
	return dev == READ_ONCE(adoptee) ? &second : &hvp_iommu;
}

static void stop_listening(void)
{
	bus_unregister_notifier(&pci_bus_type, &notifier);
	cancel_delayed_work_sync(&adopt_work);
}

/**
 * hvp_adopt_start() - register with the core, and take over idle devices
 *
 * Context: may sleep.
 * Return: 0 or an errno, logged; nothing of us is left in the core then.
 */
int hvp_adopt_start(void)
{
	unsigned int bound, busy, tries = MAX_GONE;
	int err;

	bus_register_notifier(&pci_bus_type, &notifier);

	pci_lock_rescan_remove();
	do {
		hold_devices(&bound, &busy);
		err = register_instance(&hvp_iommu);
		release_devices();
		/* Older cores give up when one device is taken away meanwhile. */
	} while (err == -ENODEV && --tries);
	if (err)
		hvp_compat_forget_ops(&hvp_iommu_ops);
	registered = !err;
	pci_unlock_rescan_remove();

	if (err) {
		stop_listening();
		forget_all();
		pr_err("the kernel does not take the pvIOMMU (%d)\n", err);
		return err;
	}

	bound += busy;
	if (bound)
		pr_info("%u device%s in use already: not translated until unbound\n",
			bound, bound == 1 ? "" : "s");
	/* One that came after the first look was not to be taken by the core. */
	schedule_adoption();
	return 0;
}

/**
 * hvp_adopt_stop() - leave the core
 *
 * Context: may sleep.
 */
void hvp_adopt_stop(void)
{
	stop_listening();

	pci_lock_rescan_remove();
	iommu_device_unregister(&hvp_iommu);
	hvp_compat_forget_ops(&hvp_iommu_ops);
	pci_unlock_rescan_remove();
	forget_all();
}
