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
 * - Hibernation: the host knows nothing of it, and will not remember. Devices
 *   leave their domains late, but before pci-hyperv powers them off; domains
 *   go when nobody else runs, right before hypercalls go
 *   (arch/x86/hyperv/hv_init.c). On the way back in reverse order.
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

#include "compat.h"
#include "domain.h"
#include "power.h"

static struct platform_device *power_device;
static bool is_frozen;		/* one thread changes it: the one that sleeps */

static int freeze_late(struct device *dev)
{
	int err;

	/* One that stays in its domain would be lost on the way back. */
	err = hvp_domain_park_devices();
	if (err) {
		hvp_domain_unpark_devices();
		return err;
	}
	is_frozen = true;
	return 0;
}

static int thaw_early(struct device *dev)
{
	is_frozen = false;
	hvp_domain_unpark_devices();
	return 0;
}

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

/* Suspend to RAM also comes here, and has nothing taken away. */
static int suspend_last(HVP_SYSCORE_ARGS)
{
	if (is_frozen)
		hvp_domain_remove_all();
	return 0;
}

static void resume_first(HVP_SYSCORE_ARGS)
{
	if (is_frozen)
		hvp_domain_restore_all();
}

HVP_DEFINE_SYSCORE(power_syscore, suspend_last, resume_first);

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

	/* After Hyper-V's own, so it is called before it, and woken after. */
	hvp_compat_register_syscore(&power_syscore);
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
	hvp_compat_unregister_syscore(&power_syscore);
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
