// SPDX-License-Identifier: GPL-2.0
/*
 * Holds up the first task that calls a function with a certain device, until
 * "go" is written: so that something else can be done in the middle of it.
 *
 * Parameters at loading: "function", "device" (its name; without one, whoever
 * calls the function is held up), "platform" (registers a platform device of
 * the name "stall-platform"), and "unbind" (a PCI device whose driver is
 * unbound when the system prepares for hibernation, after everybody else has
 * heard of it). In sysfs: "reached" says that a task is held up, a 1 in "go"
 * lets it go on, a 1 in "unplug" removes the platform device.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

static char *function = "";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "where to hold up a task");

static char *device = "";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the device that is its first argument");

static char *unbind = "";
module_param(unbind, charp, 0444);
MODULE_PARM_DESC(unbind, "PCI device to unbind before hibernation");

static bool platform;
module_param(platform, bool, 0444);
MODULE_PARM_DESC(platform, "register a platform device");

static bool reached;
module_param(reached, bool, 0444);
MODULE_PARM_DESC(reached, "a task is held up, or was");

static bool go;
module_param(go, bool, 0644);
MODULE_PARM_DESC(go, "the task may go on");

static struct platform_device *plugged;

static void pull(struct work_struct *work)
{
	platform_device_unregister(xchg(&plugged, NULL));
}

static DECLARE_WORK(puller, pull);

/* Not at once: whoever writes a parameter keeps others from writing one. */
static int set_unplug(const char *val, const struct kernel_param *kp)
{
	schedule_work(&puller);
	return 0;
}

static const struct kernel_param_ops unplug_ops = {
	.set = set_unplug,
};
module_param_cb(unplug, &unplug_ops, NULL, 0200);
MODULE_PARM_DESC(unplug, "remove the platform device");

static struct kprobe probe;

/* Runs in place of the function, as called by whoever called that. */
static long hold_up(long a, long b, long c)
{
	long (*original)(long a, long b, long c) = (void *)probe.addr;

	while (!READ_ONCE(go))
		msleep(20);
	return original(a, b, c);
}

static int on_entry(struct kprobe *p, struct pt_regs *regs)
{
	const struct device *dev = (void *)regs->di;

	if (READ_ONCE(reached) || (*device && strcmp(dev_name(dev), device)))
		return 0;
	WRITE_ONCE(reached, true);
	regs->ip = (unsigned long)hold_up;
	return 1;
}

/* With this, the probe is not made a jump, which could not go elsewhere. */
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.pre_handler	= on_entry,
	.post_handler	= after,
};

static int notify_sleep(struct notifier_block *nb, unsigned long action,
			void *data)
{
	struct device *dev;

	if (!*unbind || (action != PM_HIBERNATION_PREPARE &&
			 action != PM_POST_HIBERNATION))
		return NOTIFY_DONE;
	dev = bus_find_device_by_name(&pci_bus_type, NULL, unbind);
	if (!dev)
		return NOTIFY_DONE;
	if (action == PM_HIBERNATION_PREPARE) {
		device_release_driver(dev);
		pr_info("stall: %s is unbound before hibernation, %s\n",
			unbind, device_iommu_mapped(dev) ? "taken over" :
			"not taken over");
	}
	put_device(dev);
	return NOTIFY_DONE;
}

static struct notifier_block sleep_notifier = {
	.notifier_call	= notify_sleep,
	.priority	= -100,
};

static int __init stall_init(void)
{
	int err;

	if (platform) {
		plugged = platform_device_register_simple("stall-platform",
				PLATFORM_DEVID_NONE, NULL, 0);
		if (IS_ERR(plugged))
			return PTR_ERR(plugged);
	}
	if (*function) {
		probe.symbol_name = function;
		err = register_kprobe(&probe);
		if (err) {
			platform_device_unregister(plugged);
			return err;
		}
	}
	return register_pm_notifier(&sleep_notifier);
}
module_init(stall_init);

static void __exit stall_exit(void)
{
	unregister_pm_notifier(&sleep_notifier);
	cancel_work_sync(&puller);
	if (*function)
		unregister_kprobe(&probe);
	platform_device_unregister(plugged);
}
module_exit(stall_exit);

MODULE_DESCRIPTION("a task that is held up in the middle of something");
MODULE_LICENSE("GPL");
