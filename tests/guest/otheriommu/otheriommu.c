// SPDX-License-Identifier: GPL-2.0
/*
 * An IOMMU that was there before hv_pviommu: it registers with the core, and
 * has no device behind it. No locks.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>

static struct iommu_device *probe_device(struct device *dev)
{
	return ERR_PTR(-ENODEV);
}

static const struct iommu_domain_ops domain_ops;

static const struct iommu_ops ops = {
	.probe_device		= probe_device,
	.device_group		= generic_device_group,
	.default_domain_ops	= &domain_ops,
	.owner			= THIS_MODULE,
};

static struct iommu_device iommu;

static int __init otheriommu_init(void)
{
	int err;

	err = iommu_device_sysfs_add(&iommu, NULL, NULL, "otheriommu");
	if (err)
		return err;
	err = iommu_device_register(&iommu, &ops, NULL);
	if (err)
		iommu_device_sysfs_remove(&iommu);
	return err;
}
module_init(otheriommu_init);

/* None to unload it by: up to 6.6 the core keeps pointing to the operations. */

MODULE_DESCRIPTION("An IOMMU without devices");
MODULE_LICENSE("GPL");
