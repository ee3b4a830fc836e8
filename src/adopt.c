// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices become ours, and when.
 *
 * A device that a driver runs already must be left alone: the core would
 * switch it to an empty domain under the driver's feet. It is taken over when
 * its driver lets go of it, before the unbinding returns to whoever asked for
 * it. Devices that are added later reach us before any driver does.
 *
 * The core probes devices without a group whenever an IOMMU registers, and no
 * other way is open to a module. So for each device that was there before us,
 * or had a driver, a second instance registers, and leaves again. The device
 * belongs to the second instance at first, and to the first one as soon as it
 * is in a domain. If it did not get into one, it goes with the second
 * instance: newer cores would let no driver have it otherwise.
 *
 * The core's probing is not safe against devices that come or go meanwhile:
 * it may probe one from two sides at once, or look at a device that has
 * nothing but an empty dev->iommu for the moment. Other IOMMU drivers register
 * once at boot; we register for each device. So probe_lock excludes these from
 * one another:
 *  - registering and leaving of our instances,
 *  - the core's work on a device that is added to, or removed from, a bus that
 *    it walks (PCI, platform): one notifier of ours comes before the core's and
 *    takes the lock, another one comes after the core's and releases it. No
 *    notifier in between may end the chain; none in the kernel does.
 * It also guards everything here but the list of functions. A device may be
 * probed only by the task that holds the lock, and only if it is the one that
 * the lock is held for. So when another driver registers an IOMMU, and the
 * core offers it our devices, we decline.
 *
 * Locks, from the outside: pci_lock_rescan_remove(), a device's lock, the
 * notifier chain of a bus, probe_lock, the core's, functions_lock. Nobody waits
 * for a device while it holds probe_lock: devices are trylocked under it.
 * Everything here sleeps.
 *
 * Whether a driver can have a device is decided under the device's lock. The
 * task that unbinds a driver holds it when we hear of that, and we take the
 * device over at once. Where the driver core is not done with the device yet
 * (a driver did not get hold of it), or somebody else has it locked, a work
 * item waits for the lock.
 *
 * While the system sleeps nothing is taken over, as no device is where it
 * belongs then; that is done when the system wakes up. From the moment that it
 * reboots, devices that are added are declined as well.
 *
 * Also owns the list of all functions on vPCI buses, with what came of each of
 * them. It is changed under probe_lock and functions_lock, and read under
 * either: the latter is the innermost one, so that sysfs needs to wait for
 * nobody. A function that is in the list has not been removed as long as
 * probe_lock is held, nor has its bus.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "adopt.h"
#include "compat.h"
#include "device.h"
#include "domain.h"
#include "ops.h"
#include "vpci.h"

/*
 * How long, and how often, to wait for a device whose addition the core may
 * not have heard of: see core_was_notified().
 */
#define RETRY_MS	20
#define RETRIES		50

/* A function on a vPCI bus. */
struct function {
	struct list_head node;
	struct device *dev;	/* with a reference */
	int err;		/* why it is not ours; 0 if it is */
};

static LIST_HEAD(functions);		/* under functions_lock */
static DEFINE_MUTEX(functions_lock);

static DEFINE_MUTEX(probe_lock);
static struct task_struct *prober;	/* who holds it */
static unsigned int nested;		/* additions and removals inside it */
static struct device *subject;		/* what may be probed now, or NULL */
static struct device *adoptee;		/* it, if it was there before */
static struct iommu_device second;	/* registered for it */
static bool started;			/* functions are noted */
static bool registered;			/* the first instance */
static bool asleep;			/* the system is, or is about to be */
static bool stopping;			/* it reboots, or is switched off */

static struct workqueue_struct *adopt_wq;

/* A device that is to be taken over as soon as its lock can be had. */
struct request {
	struct work_struct work;
	struct device *dev;	/* with a reference */
};

static void lock_probing(void)
{
	mutex_lock(&probe_lock);
	WRITE_ONCE(prober, current);
}

static void unlock_probing(void)
{
	WRITE_ONCE(prober, NULL);
	mutex_unlock(&probe_lock);
}

static bool is_prober(void)
{
	return READ_ONCE(prober) == current;
}

static struct function *find_function(const struct device *dev)
{
	struct function *function;

	lockdep_assert_held(&functions_lock);
	list_for_each_entry(function, &functions, node)
		if (function->dev == dev)
			return function;
	return NULL;
}

static void drop_function(struct function *function)
{
	lockdep_assert_held(&functions_lock);
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
 * Context: may sleep; under probe_lock.
 */
void hvp_adopt_note(struct device *dev, int err)
{
	struct function *function;

	lockdep_assert_held(&probe_lock);
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

/* What was noted of a device: 0 if it is ours; -ENODEV if nothing was. */
static int noted(const struct device *dev)
{
	struct function *function;
	int err = -ENODEV;

	mutex_lock(&functions_lock);
	function = find_function(dev);
	if (function)
		err = function->err;
	mutex_unlock(&functions_lock);
	return err;
}

static void forget_function(const struct device *dev)
{
	struct function *function;

	mutex_lock(&functions_lock);
	function = find_function(dev);
	if (function)
		drop_function(function);
	mutex_unlock(&functions_lock);
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

/* Whether the device could be ours, from what was noted of it. */
static bool is_candidate(int err)
{
	return err && err != -ENODEV && err != -EPERM;
}

/*
 * Whether the core has heard of a device: if not, it is going to, and would
 * then probe it once more. A device that was added while our notifiers were
 * registered may not show it for a moment.
 */
static bool core_was_notified(const struct device *dev)
{
	return dev->kobj.state_add_uevent_sent;
}

/* Has the core probe one device, which is locked and has no driver. */
static void adopt_device(struct device *dev)
{
	struct hvp_device *hdev;
	int err;

	lockdep_assert_held(&probe_lock);
	memset(&second, 0, sizeof(second));
	/* It has the files of the first one: links to devices are made there. */
	second.dev = hvp_iommu.dev;
	subject = dev;
	adoptee = dev;
	err = iommu_device_register(&second, &hvp_iommu_ops, NULL);
	adoptee = NULL;
	subject = NULL;
	if (err) {
		if (err != -ENODEV)
			pr_err("%s: the kernel could not move it to a domain of the pvIOMMU (%pe): it stays untranslated\n",
			       dev_name(dev), ERR_PTR(err));
		return;
	}

	hdev = device_iommu_mapped(dev) ? dev_iommu_priv_get(dev) : NULL;
	if (hdev && READ_ONCE(hdev->domain))
		dev->iommu->iommu_dev = &hvp_iommu;
	iommu_device_unregister(&second);
}

/*
 * Takes a device over if it is one for us, and is free. @dev is locked. Returns
 * -EAGAIN if it must be tried again after a while, else 0.
 */
static int try_adopt(struct device *dev)
{
	device_lock_assert(dev);
	lockdep_assert_held(&probe_lock);

	if (!registered || asleep || stopping || dev->driver ||
	    device_iommu_mapped(dev))
		return 0;
	if (!is_candidate(noted(dev)))
		return 0;
	if (!core_was_notified(dev))
		return -EAGAIN;
	/* The core would fail, too, while the module goes. */
	if (!try_module_get(THIS_MODULE))
		return 0;
	adopt_device(dev);
	module_put(THIS_MODULE);
	return 0;
}

static void adopt_later(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, work);
	unsigned int tries = RETRIES;
	int err;

	for (;;) {
		device_lock(request->dev);
		lock_probing();
		err = try_adopt(request->dev);
		unlock_probing();
		device_unlock(request->dev);
		if (err == -EAGAIN && !--tries)
			pr_info("%s: it may still be being added: it stays untranslated until a driver is bound and unbound\n",
				dev_name(request->dev));
		if (err != -EAGAIN || !tries)
			break;
		msleep(RETRY_MS);
	}
	put_device(request->dev);
	kfree(request);
}

static void request_adoption(struct device *dev)
{
	struct request *request;

	request = kmalloc(sizeof(*request), GFP_KERNEL);
	if (!request) {
		pr_err("%s: no memory to take it over: it stays untranslated until a driver is bound and unbound\n",
		       dev_name(dev));
		return;
	}
	INIT_WORK(&request->work, adopt_later);
	request->dev = get_device(dev);
	queue_work(adopt_wq, &request->work);
}

/* All functions that are not ours for the reason @err, or for any (0). */
static void request_adoptions(int err)
{
	struct function *function;

	lockdep_assert_held(&probe_lock);
	list_for_each_entry(function, &functions, node)
		if (is_candidate(function->err) && (!err || function->err == err))
			request_adoption(function->dev);
}

/*
 * Older cores keep a device that they got no domain for. Nothing moves it while
 * a driver gets hold of it.
 */
static bool is_in_domain(struct device *dev)
{
	const struct hvp_device *hdev;

	if (noted(dev))
		return false;
	hdev = dev_iommu_priv_get(dev);
	return hdev && READ_ONCE(hdev->domain);
}

/* The core is done with a new device. */
static void note_added(struct device *dev)
{
	int err;

	if (!started || device_iommu_mapped(dev) || noted(dev) != -ENODEV)
		return;
	/* The core did not ask us, or had no memory for it. */
	err = hvp_vpci_check(to_pci_dev(dev));
	hvp_adopt_note(dev, err ? err : registered && !stopping ? -EIO : -EBUSY);
}

static void note_removed(struct device *dev)
{
	hvp_vpci_forget(to_pci_dev(dev));
	forget_function(dev);
	/* Somebody else may have been waiting for its id. */
	request_adoptions(-EEXIST);
}

static void note_unbound(struct device *dev)
{
	int err;

	if (!is_candidate(noted(dev)))
		return;
	if (is_prober()) {
		request_adoption(dev);
		return;
	}
	lock_probing();
	err = try_adopt(dev);
	unlock_probing();
	if (err == -EAGAIN)
		request_adoption(dev);
}

static int notify_before_core(struct notifier_block *nb, unsigned long action,
			      void *data)
{
	if (action != BUS_NOTIFY_ADD_DEVICE &&
	    action != BUS_NOTIFY_REMOVED_DEVICE)
		return NOTIFY_DONE;

	/* Another notifier, or the core, adds or removes one on the way. */
	if (is_prober()) {
		nested++;
		return NOTIFY_DONE;
	}
	lock_probing();
	if (action == BUS_NOTIFY_ADD_DEVICE)
		subject = data;
	return NOTIFY_DONE;
}

/* Also for devices that the notifier before the core has not seen. */
static int notify_after_core(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	struct device *dev = data;
	bool is_pci = dev_is_pci(dev);

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
	case BUS_NOTIFY_REMOVED_DEVICE:
		if (!is_prober())
			break;
		if (is_pci && action == BUS_NOTIFY_ADD_DEVICE)
			note_added(dev);
		else if (is_pci)
			note_removed(dev);
		if (nested) {
			nested--;
			/* It was not allowed then. */
			if (is_pci && action == BUS_NOTIFY_ADD_DEVICE &&
			    is_candidate(noted(dev)))
				request_adoption(dev);
			break;
		}
		subject = NULL;
		unlock_probing();
		break;
	case BUS_NOTIFY_BIND_DRIVER:
		if (is_pci && is_in_domain(dev))
			hvp_compat_use_dma_ops(dev);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		if (is_pci)
			note_unbound(dev);
		break;
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		/* It counts as bound until the driver core is done. */
		if (is_pci && is_candidate(noted(dev)))
			request_adoption(dev);
		break;
	}
	return NOTIFY_DONE;
}

/* The core's has priority 0. */
static struct notifier_block pci_before = {
	.notifier_call = notify_before_core,
	.priority = 1,
};

static struct notifier_block pci_after = {
	.notifier_call = notify_after_core,
	.priority = -1,
};

static struct notifier_block platform_before = {
	.notifier_call = notify_before_core,
	.priority = 1,
};

static struct notifier_block platform_after = {
	.notifier_call = notify_after_core,
	.priority = -1,
};

static void set_asleep(bool value)
{
	lock_probing();
	asleep = value;
	if (!value)
		request_adoptions(0);
	unlock_probing();
}

static int notify_sleep(struct notifier_block *nb, unsigned long action,
			void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		set_asleep(true);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		set_asleep(false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block sleep_notifier = {
	.notifier_call = notify_sleep,
};

static int notify_reboot(struct notifier_block *nb, unsigned long action,
			 void *data)
{
	lock_probing();
	stopping = true;
	unlock_probing();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = notify_reboot,
};

/*
 * Notifiers that release the lock are there before and after those that take
 * it: a chain that runs meanwhile may see one of the two.
 */
static void start_listening(void)
{
	bus_register_notifier(&pci_bus_type, &pci_after);
	bus_register_notifier(&pci_bus_type, &pci_before);
	bus_register_notifier(&platform_bus_type, &platform_after);
	bus_register_notifier(&platform_bus_type, &platform_before);
	register_pm_notifier(&sleep_notifier);
	register_reboot_notifier(&reboot_notifier);
}

static void stop_listening(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	unregister_pm_notifier(&sleep_notifier);
	bus_unregister_notifier(&platform_bus_type, &platform_before);
	bus_unregister_notifier(&platform_bus_type, &platform_after);
	bus_unregister_notifier(&pci_bus_type, &pci_before);
	bus_unregister_notifier(&pci_bus_type, &pci_after);
}

/**
 * hvp_adopt_allows() - whether a device may be probed now
 * @dev: device the core is probing
 *
 * Context: probe_device() of the IOMMU operations.
 * Return: true if no driver has it, nor can get it before the core is done,
 * and nobody else probes it.
 */
bool hvp_adopt_allows(struct device *dev)
{
	return is_prober() && subject == dev && !stopping &&
	       !READ_ONCE(dev->driver);
}

/**
 * hvp_adopt_instance() - the IOMMU that a device belongs to
 * @dev: device the core is probing, which hvp_adopt_allows()
 *
 * Context: probe_device() of the IOMMU operations.
 * Return: what probe_device() returns if it takes the device.
 */
struct iommu_device *hvp_adopt_instance(const struct device *dev)
{
	return dev == adoptee ? &second : &hvp_iommu;
}

/*
 * Functions that are there. None of those that are on the bus now can be
 * removed as long as probe_lock is held.
 */
static void find_functions(void)
{
	struct pci_dev *pdev = NULL;
	int err;

	lockdep_assert_held(&probe_lock);
	for_each_pci_dev(pdev) {
		if (noted(&pdev->dev) != -ENODEV)
			continue;
		err = hvp_vpci_check(pdev);
		hvp_adopt_note(&pdev->dev, err ? err : -EBUSY);
	}
}

/* Takes over all that are free. Returns the number of those that are not. */
static unsigned int adopt_idle(void)
{
	struct function *function;
	unsigned int in_use = 0;

	lockdep_assert_held(&probe_lock);
	list_for_each_entry(function, &functions, node) {
		if (!is_candidate(function->err))
			continue;
		if (!device_trylock(function->dev)) {
			in_use++;
			request_adoption(function->dev);
			continue;
		}
		if (function->dev->driver)
			in_use++;
		else if (try_adopt(function->dev) == -EAGAIN)
			request_adoption(function->dev);
		device_unlock(function->dev);
	}
	return in_use;
}

/**
 * hvp_adopt_has_other_iommu() - whether the core would never ask us
 *
 * To find out may take a registration, which must not meet devices that come
 * and go, as any other.
 *
 * Context: may sleep; before hvp_adopt_start().
 * Return: true if it has another IOMMU driver in our place.
 */
bool hvp_adopt_has_other_iommu(void)
{
	bool other;

	start_listening();
	lock_probing();
	other = hvp_compat_has_other_iommu();
	unlock_probing();
	stop_listening();
	return other;
}

/**
 * hvp_adopt_start() - register with the core, and take over idle devices
 *
 * Context: may sleep.
 * Return: 0 or an errno, logged; nothing of us is left in the core then.
 */
int hvp_adopt_start(void)
{
	unsigned int in_use = 0;
	int err;

	adopt_wq = alloc_workqueue("hv_pviommu", WQ_UNBOUND, 0);
	if (!adopt_wq)
		return -ENOMEM;
	started = true;
	start_listening();

	lock_probing();
	/* It gets no device yet. So no device can make it fail. */
	err = iommu_device_register(&hvp_iommu, &hvp_iommu_ops, NULL);
	if (err) {
		hvp_compat_forget_ops(&hvp_iommu_ops);
	} else {
		registered = true;
		find_functions();
		in_use = adopt_idle();
	}
	unlock_probing();

	if (err) {
		stop_listening();
		destroy_workqueue(adopt_wq);
		forget_all();
		pr_err("the kernel does not take the pvIOMMU (%pe)\n",
		       ERR_PTR(err));
		return err;
	}
	if (in_use)
		pr_info("%u device%s in use already: not translated until unbound\n",
			in_use, in_use == 1 ? "" : "s");
	return 0;
}

/**
 * hvp_adopt_stop() - leave the core
 *
 * No device is ours.
 *
 * Context: may sleep.
 */
void hvp_adopt_stop(void)
{
	/* The core is in the middle of nothing that knows our operations. */
	lock_probing();
	registered = false;
	iommu_device_unregister(&hvp_iommu);
	hvp_compat_forget_ops(&hvp_iommu_ops);
	unlock_probing();

	stop_listening();
	destroy_workqueue(adopt_wq);
	forget_all();
}
