// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps PCI devices that are added between their addition to the bus and the
 * moment at which the IOMMU core hears of them, until "go" is written.
 *
 * Parameters in sysfs: "waiting" says how many devices are kept now, and a 1 in
 * "go" lets them, and all later ones, go on.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>

static bool go;
module_param(go, bool, 0644);
MODULE_PARM_DESC(go, "devices that are added may go on");

static int waiting;
module_param(waiting, int, 0444);
MODULE_PARM_DESC(waiting, "devices that are kept");

static int keep(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action != BUS_NOTIFY_ADD_DEVICE)
		return NOTIFY_DONE;
	WRITE_ONCE(waiting, waiting + 1);
	while (!READ_ONCE(go))
		msleep(20);
	WRITE_ONCE(waiting, waiting - 1);
	return NOTIFY_DONE;
}

/* Before the IOMMU core's, which has priority 0. */
static struct notifier_block notifier = {
	.notifier_call = keep,
	.priority = 100,
};

static int __init slowadd_init(void)
{
	return bus_register_notifier(&pci_bus_type, &notifier);
}
module_init(slowadd_init);

static void __exit slowadd_exit(void)
{
	go = true;
	bus_unregister_notifier(&pci_bus_type, &notifier);
}
module_exit(slowadd_exit);

MODULE_DESCRIPTION("PCI devices that are long in being added");
MODULE_LICENSE("GPL");
