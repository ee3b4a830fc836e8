// SPDX-License-Identifier: GPL-2.0
/*
 * Another module that uses include/hv_pviommu.h, on behalf of the case
 * export-api. A line written to /proc/apitest is a command, what is read next
 * is its result: a number, negative for an errno.
 *
 *   hold FUNCTION		keep a reference to it; it is named so from then on
 *   drop FUNCTION		give the reference back
 *   id FUNCTION		its logical device id
 *   ats FUNCTION	1 if the IOMMU says that it can use ATS, else 0;
 *			-EOPNOTSUPP on kernels that do not ask
 *   register FUNCTION PREFIX	register the bus that it is on
 *   unregister FUNCTION
 *   early PREFIX		register the bus of the next test device that
 *				is added, before hv_pviommu sees it
 *   fake on|off		a PCI bus that is none of Hyper-V's, with the
 *				function 7ff0:00:00.0
 *   storm on|off		look up, register and unregister all the time;
 *				"off" gives the number of wrong results
 *   storm lookups, storm registrations
 *				how often that was done
 *
 * Functions are named as in sysfs. What is registered when the module goes
 * stays registered, to see what becomes of it.
 *
 * Owns the functions held, the fake bus and the threads, all under command_lock
 * but early_prefix, which is read by the bus notifier.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hyperv.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "hv_pviommu.h"

#define MAX_HELD	16
#define MAX_BUSES	16
#define LOOKERS		2
#define FAKE_DOMAIN	0x7ff0
#define TEST_VENDOR	0x1234
#define TEST_DEVICE	0xd3a0

static DEFINE_MUTEX(command_lock);
static char result[32] = "0\n";
static struct pci_dev *held[MAX_HELD];
static u32 early_prefix;

/* ---- A bus that is not Hyper-V's: one function, without BARs ---- */

static struct pci_bus *fake_bus;
static struct pci_sysdata fake_sysdata = {
	.domain = FAKE_DOMAIN,
	.node = NUMA_NO_NODE,
};

static struct resource fake_numbers = {
	.name = "fake bus",
	.start = 0,
	.end = 0,
	.flags = IORESOURCE_BUS,
};

static int fake_read(struct pci_bus *bus, unsigned int devfn, int where,
		     int size, u32 *val)
{
	static const u32 header[] = {
		TEST_VENDOR | 0xfa4e << 16, 0, 0xff000000,
	};
	u32 word = ~0;

	if (!devfn) {
		word = where / 4 < ARRAY_SIZE(header) ? header[where / 4] : 0;
		word >>= where % 4 * 8;
	}
	*val = size == 4 ? word : word & (BIT(size * 8) - 1);
	return PCIBIOS_SUCCESSFUL;
}

static int fake_write(struct pci_bus *bus, unsigned int devfn, int where,
		      int size, u32 val)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
};

static void remove_fake_bus(void)
{
	if (!fake_bus)
		return;
	pci_lock_rescan_remove();
	pci_stop_root_bus(fake_bus);
	pci_remove_root_bus(fake_bus);
	pci_unlock_rescan_remove();
	fake_bus = NULL;
}

static int add_fake_bus(void)
{
	LIST_HEAD(resources);

	if (fake_bus)
		return -EEXIST;
	pci_add_resource(&resources, &fake_numbers);
	pci_lock_rescan_remove();
	fake_bus = pci_create_root_bus(NULL, 0, &fake_ops, &fake_sysdata,
				       &resources);
	if (fake_bus) {
		pci_scan_child_bus(fake_bus);
		pci_bus_add_devices(fake_bus);
	}
	pci_unlock_rescan_remove();
	if (fake_bus)
		return 0;
	pci_free_resource_list(&resources);
	return -ENOMEM;
}

/* ---- What ids must be ---- */

/*
 * By bus, and seen while that is there: later, what the bus points to may be
 * gone. The bus itself is in memory, and so its address nobody else's, as long
 * as somebody has a reference to one of its functions.
 */
static DEFINE_SPINLOCK(prefix_lock);
static struct {
	const struct pci_bus *bus;
	u32 prefix;
} prefixes[MAX_BUSES];			/* under prefix_lock */
static unsigned int next_prefix;

/* A function that is there. */
static void note_prefix(const struct pci_dev *pdev)
{
	const struct device *parent = pci_find_host_bridge(pdev->bus)->dev.parent;
	const u8 *guid;
	unsigned int i;

	if (!parent || !parent->bus || strcmp(parent->bus->name, "vmbus"))
		return;
	guid = container_of(parent, struct hv_device, device)->dev_instance.b;
	spin_lock(&prefix_lock);
	for (i = 0; i < MAX_BUSES && prefixes[i].bus != pdev->bus; i++)
		;
	if (i == MAX_BUSES)
		i = next_prefix++ % MAX_BUSES;
	prefixes[i].bus = pdev->bus;
	prefixes[i].prefix = (u32)guid[5] << 24 | guid[4] << 16 |
			     guid[7] << 8 | (guid[6] & 0xf8);
	spin_unlock(&prefix_lock);
}

static bool is_id_of(u64 id, const struct pci_dev *pdev)
{
	bool found = false;
	unsigned int i;

	spin_lock(&prefix_lock);
	for (i = 0; i < MAX_BUSES && !found; i++)
		found = prefixes[i].bus == pdev->bus &&
			id == (prefixes[i].prefix | PCI_FUNC(pdev->devfn));
	spin_unlock(&prefix_lock);
	return found;
}

/* ---- Registration as a driver would do it ---- */

static int register_bus(struct pci_dev *pdev, u32 prefix)
{
	int err = -ENXIO;

	/* Keeps the bus, if it is still there. */
	pci_lock_rescan_remove();
	if (device_is_registered(&pdev->dev))
		err = hv_pviommu_register_bus(pci_find_host_bridge(pdev->bus),
					      prefix);
	pci_unlock_rescan_remove();
	return err;
}

/* The function keeps the bridge in memory. */
static int unregister_bus(struct pci_dev *pdev)
{
	return hv_pviommu_unregister_bus(pci_find_host_bridge(pdev->bus));
}

/* A removal that has begun, and may have ended the registration, is over. */
static bool is_there(struct pci_dev *pdev)
{
	bool there;

	pci_lock_rescan_remove();
	there = device_is_registered(&pdev->dev);
	pci_unlock_rescan_remove();
	return there;
}

static int notify_added(struct notifier_block *nb, unsigned long action,
			void *data)
{
	struct pci_dev *pdev = to_pci_dev((struct device *)data);
	u32 prefix;
	int err;

	if (action != BUS_NOTIFY_ADD_DEVICE)
		return NOTIFY_DONE;
	note_prefix(pdev);
	if (pdev->vendor != TEST_VENDOR || pdev->device != TEST_DEVICE)
		return NOTIFY_DONE;
	prefix = xchg(&early_prefix, 0);
	if (!prefix)
		return NOTIFY_DONE;
	err = hv_pviommu_register_bus(pci_find_host_bridge(pdev->bus), prefix);
	pci_info(pdev, "registered early with prefix 0x%x: %d\n", prefix, err);
	return NOTIFY_DONE;
}

/* Before the IOMMU core hears of the device, which has priority 0. */
static struct notifier_block added_notifier = {
	.notifier_call = notify_added,
	.priority = INT_MAX,
};

/* ---- Storm ---- */

static struct task_struct *lookers[LOOKERS], *registrar;
static atomic_t storm_lookups, storm_registrations, storm_wrong;

static void look_up(struct pci_dev *pdev)
{
	u64 id = ~0ULL;
	int err = hv_pviommu_device_id(pdev, &id);
	bool ok = err ? err == -ENODEV && id == ~0ULL : is_id_of(id, pdev);

	atomic_inc(&storm_lookups);
	if (ok)
		return;
	atomic_inc(&storm_wrong);
	pci_err(pdev, "apitest: id 0x%llx, error %d\n", id, err);
}

static int look_up_all(void *unused)
{
	struct pci_dev *pdev;
	unsigned int i;

	while (!kthread_should_stop()) {
		/* also those that have gone */
		for (i = 0; i < MAX_HELD; i++)
			if (held[i])
				look_up(held[i]);
		pdev = NULL;
		for_each_pci_dev(pdev)
			look_up(pdev);
		cond_resched();
	}
	return 0;
}

static int register_all(void *unused)
{
	struct pci_dev *pdev;
	u64 id;
	int err;

	while (!kthread_should_stop()) {
		pdev = NULL;
		for_each_pci_dev(pdev) {
			if (hv_pviommu_device_id(pdev, &id))
				continue;
			err = register_bus(pdev, id & ~7ULL);
			/* functions of one bus in turn: nobody has it */
			if (err == -ENXIO)
				continue;
			atomic_inc(&storm_registrations);
			if (err) {
				atomic_inc(&storm_wrong);
				pci_err(pdev, "apitest: register: %d\n", err);
				continue;
			}
			usleep_range(100, 200);
			err = unregister_bus(pdev);
			if (err && (err != -ENOENT || is_there(pdev))) {
				atomic_inc(&storm_wrong);
				pci_err(pdev, "apitest: unregister: %d\n", err);
			}
		}
		usleep_range(100, 200);
	}
	return 0;
}

static int stop_storm(void)
{
	unsigned int i;

	for (i = 0; i < LOOKERS; i++)
		if (!IS_ERR_OR_NULL(lookers[i]))
			kthread_stop(lookers[i]);
	if (!IS_ERR_OR_NULL(registrar))
		kthread_stop(registrar);
	memset(lookers, 0, sizeof(lookers));
	registrar = NULL;
	return atomic_read(&storm_wrong);
}

static int start_storm(void)
{
	unsigned int i;

	if (registrar)
		return -EEXIST;
	atomic_set(&storm_lookups, 0);
	atomic_set(&storm_registrations, 0);
	atomic_set(&storm_wrong, 0);
	registrar = kthread_run(register_all, NULL, "apitest/reg");
	for (i = 0; i < LOOKERS; i++)
		lookers[i] = kthread_run(look_up_all, NULL, "apitest/%u", i);
	for (i = 0; i < LOOKERS; i++)
		if (IS_ERR(lookers[i]) || IS_ERR(registrar)) {
			stop_storm();
			return -ENOMEM;
		}
	return 0;
}

/* ---- Commands ---- */

static struct pci_dev *find_function(const char *name)
{
	struct pci_dev *pdev = NULL;
	unsigned int i;

	for (i = 0; i < MAX_HELD; i++)
		if (held[i] && !strcmp(pci_name(held[i]), name))
			return pci_dev_get(held[i]);
	for_each_pci_dev(pdev)
		if (!strcmp(pci_name(pdev), name))
			return pdev;
	return NULL;
}

static int hold(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < MAX_HELD; i++)
		if (!held[i]) {
			held[i] = pci_dev_get(pdev);
			return 0;
		}
	return -ENOSPC;
}

static int drop(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < MAX_HELD; i++)
		if (held[i] == pdev) {
			held[i] = NULL;
			pci_dev_put(pdev);
			return 0;
		}
	return -ENOENT;
}

/* As iommufd does it for user space, which not every kernel has. */
static int can_use_ats(struct pci_dev *pdev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
	return device_iommu_capable(&pdev->dev, IOMMU_CAP_PCI_ATS_SUPPORTED);
#else
	return -EOPNOTSUPP;
#endif
}

static long long run_on_function(const char *what, const char *name,
				 const char *arg)
{
	struct pci_dev *pdev = find_function(name);
	long long ret = -EINVAL;
	u32 prefix;
	u64 id;

	if (!pdev)
		return -ESRCH;
	if (!strcmp(what, "hold")) {
		ret = hold(pdev);
	} else if (!strcmp(what, "drop")) {
		ret = drop(pdev);
	} else if (!strcmp(what, "id")) {
		ret = hv_pviommu_device_id(pdev, &id);
		if (!ret)
			ret = id;
	} else if (!strcmp(what, "ats")) {
		ret = can_use_ats(pdev);
	} else if (!strcmp(what, "register")) {
		if (!kstrtou32(arg, 0, &prefix))
			ret = register_bus(pdev, prefix);
	} else if (!strcmp(what, "unregister")) {
		ret = unregister_bus(pdev);
	}
	pci_dev_put(pdev);
	return ret;
}

static long long run(const char *what, const char *name, const char *arg)
{
	bool on = !strcmp(name, "on");
	u32 prefix;

	if (!strcmp(what, "early")) {
		if (kstrtou32(name, 0, &prefix))
			return -EINVAL;
		xchg(&early_prefix, prefix);
		return 0;
	}
	if (!strcmp(what, "fake")) {
		if (on)
			return add_fake_bus();
		remove_fake_bus();
		return 0;
	}
	if (!strcmp(what, "storm")) {
		if (!strcmp(name, "lookups"))
			return atomic_read(&storm_lookups);
		if (!strcmp(name, "registrations"))
			return atomic_read(&storm_registrations);
		return on ? start_storm() : stop_storm();
	}
	return run_on_function(what, name, arg);
}

static ssize_t write_command(struct file *file, const char __user *buf,
			     size_t len, loff_t *pos)
{
	char what[16] = "", name[32] = "", arg[16] = "", line[80];
	long long ret;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	if (sscanf(line, "%15s %31s %15s", what, name, arg) < 2)
		return -EINVAL;

	mutex_lock(&command_lock);
	ret = run(what, name, arg);
	scnprintf(result, sizeof(result), ret < 0 || !strcmp(what, "storm") ?
		  "%lld\n" : !ret ? "0\n" : "0x%llx\n", ret);
	mutex_unlock(&command_lock);
	return len;
}

static ssize_t read_result(struct file *file, char __user *buf, size_t len,
			   loff_t *pos)
{
	ssize_t ret;

	mutex_lock(&command_lock);
	ret = simple_read_from_buffer(buf, len, pos, result, strlen(result));
	mutex_unlock(&command_lock);
	return ret;
}

static const struct proc_ops apitest_ops = {
	.proc_write = write_command,
	.proc_read = read_result,
};

static int __init apitest_init(void)
{
	struct pci_dev *pdev = NULL;
	int err;

	err = bus_register_notifier(&pci_bus_type, &added_notifier);
	if (err)
		return err;
	if (!proc_create("apitest", 0600, NULL, &apitest_ops)) {
		bus_unregister_notifier(&pci_bus_type, &added_notifier);
		return -ENOMEM;
	}
	/* Those that were there before */
	pci_lock_rescan_remove();
	for_each_pci_dev(pdev)
		if (device_is_registered(&pdev->dev))
			note_prefix(pdev);
	pci_unlock_rescan_remove();
	return 0;
}

static void __exit apitest_exit(void)
{
	unsigned int i;

	remove_proc_entry("apitest", NULL);
	bus_unregister_notifier(&pci_bus_type, &added_notifier);
	stop_storm();
	remove_fake_bus();
	for (i = 0; i < MAX_HELD; i++)
		pci_dev_put(held[i]);
}

module_init(apitest_init);
module_exit(apitest_exit);

MODULE_DESCRIPTION("User of hv_pviommu's exported functions, for tests");
MODULE_AUTHOR("hv-pviommu developers");
MODULE_LICENSE("GPL");
