// SPDX-License-Identifier: GPL-2.0
/*
 * What differs between kernels, and takes more than a few lines: see compat.h.
 *
 * Owns nothing but a trial registration with the core, which is over when the
 * function that makes it returns. Sleeps.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/version.h>

#include "compat.h"
#include "kernels.h"

#if !HVP_HAVE_BUS_IOMMU_OPS
static bool asked;

static struct iommu_device *probe_none(struct device *dev)
{
	WRITE_ONCE(asked, true);
	return ERR_PTR(-ENODEV);
}

static const struct iommu_ops trial_ops = {
	.probe_device	= probe_none,
	.owner		= THIS_MODULE,
};
#endif

/**
 * hvp_compat_has_other_iommu() - whether the core would never ask us
 *
 * Up to 6.7 there can be one IOMMU driver. Later kernels take several, but the
 * first one that has no firmware node gets to see all devices that have none,
 * as we do, and the others get none: some platform device is always there to
 * show which of the two we would be.
 *
 * Context: may sleep.
 * Return: true if it has another IOMMU driver in our place.
 */
bool hvp_compat_has_other_iommu(void)
{
#if HVP_HAVE_BUS_IOMMU_OPS
	return pci_bus_type.iommu_ops || platform_bus_type.iommu_ops;
#else
	static struct iommu_device trial;
	int err;

	err = iommu_device_register(&trial, &trial_ops, NULL);
	if (!err)
		iommu_device_unregister(&trial);
	return !err && !READ_ONCE(asked);
#endif
}

/**
 * hvp_compat_note_untried() - say so if nobody has tried a kernel like this one
 *
 * It is only said: what the kernel has was found out by the probes, and most
 * new kernels are like the one before.
 *
 * Context: any.
 */
void hvp_compat_note_untried(void)
{
#if LINUX_VERSION_CODE >= \
	KERNEL_VERSION(HVP_TRIED_VERSION, HVP_TRIED_PATCHLEVEL + 1, 0)
	pr_info("not tried on kernels newer than " HVP_NEWEST_KERNEL_TRIED ", and this one is\n");
#endif
}
