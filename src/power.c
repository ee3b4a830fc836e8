// SPDX-License-Identifier: GPL-2.0
/*
 * What happens when the machine stops (reboot, kexec), or is put away and
 * brought back (hibernation).
 *
 * Owns a platform device. All PCI functions of ours depend on it, so that the
 * driver core shuts it down and freezes it after them, and wakes it up before
 * them: in between their drivers have made them do no DMA.
 *
 * - Shutdown: nothing of ours stays in the host. It would outlive this kernel
 *   if another one is started by kexec.
 * - Hibernation: the host knows nothing of it, and may not remember. So it is
 *   left as at shutdown, late, but before pci-hyperv powers the devices off and
 *   VMBus says goodbye. All comes back when both have returned.
 *
 * The kernel that reads an image from disk does the same before it hands over
 * to the kernel in the image, which then finds a host without domains.
 *
 * No locks; the state is kept in domain.c. Only start, stop and link sleep.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/platform_device.h>
#include <linux/pm.h>

#include "domain.h"
#include "power.h"

static struct platform_device *power_device;

static int freeze_late(struct device *dev)
{
	int err;

	/* One that stays in its domain would be lost on the way back. */
	err = hvp_domain_park_devices();
	if (err) {
		hvp_domain_unpark_devices();
		return err;
	}
	hvp_domain_remove_all();
	return 0;
}

static int thaw_early(struct device *dev)
{
	hvp_domain_restore_all();
	hvp_domain_unpark_devices();
	return 0;
}

/* Suspend to RAM takes nothing away. */
static const struct dev_pm_ops power_ops = {
	.freeze_late	= freeze_late,
	.thaw_early	= thaw_early,
	.poweroff_late	= freeze_late,
	.restore_early	= thaw_early,
};

static void shutdown(struct platform_device *pdev)
{
	hvp_domain_park_devices();
	hvp_domain_remove_all();
}

static struct platform_driver power_driver = {
	.shutdown = shutdown,
	.driver = {
		.name			= "hv-pviommu",
		.pm			= &power_ops,
		.suppress_bind_attrs	= true,
	},
};

/**
 * hvp_power_start() - get ready for the end
 *
 * Context: may sleep.
 * Return: 0 or an errno.
 */
int hvp_power_start(void)
{
	int err;

	err = platform_driver_register(&power_driver);
	if (err)
		return err;

	power_device = platform_device_register_simple("hv-pviommu",
						       PLATFORM_DEVID_NONE,
						       NULL, 0);
	if (IS_ERR(power_device)) {
		platform_driver_unregister(&power_driver);
		return PTR_ERR(power_device);
	}
	return 0;
}

/**
 * hvp_power_stop() - undo hvp_power_start()
 *
 * No device is linked any more.
 *
 * Context: may sleep.
 */
void hvp_power_stop(void)
{
	platform_device_unregister(power_device);
	platform_driver_unregister(&power_driver);
}

/**
 * hvp_power_link() - have a device shut down and frozen before us
 * @dev: PCI function
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int hvp_power_link(struct device *dev)
{
	/* Stateless: drivers come and go as they like. */
	return device_link_add(dev, &power_device->dev, DL_FLAG_STATELESS) ?
	       0 : -ENOMEM;
}

/**
 * hvp_power_unlink() - undo hvp_power_link(); a removed device has no link
 * @dev: PCI function
 *
 * Context: may sleep.
 */
void hvp_power_unlink(struct device *dev)
{
	device_link_remove(dev, &power_device->dev);
}
