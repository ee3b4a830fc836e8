// SPDX-License-Identifier: GPL-2.0
/*
 * What the IOMMU core calls: its objects to ours and back.
 *
 * Owns the tables of operations, the identity and blocked domains as the core
 * sees them, and the life of struct hvp_device between probe and release. The
 * core holds the mutex of the group over attach, and nobody uses one range of
 * addresses twice at the same time; release_mutex is for what the first does
 * not cover. Map, unmap, sync and flush come from any context and take no lock.
 */
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/numa.h>
#include <linux/pci.h>

#include "adopt.h"
#include "compat.h"
#include "debugfs.h"
#include "domain.h"
#include "ops.h"
#include "pagetable.h"
#include "power.h"
#include "vpci.h"

/* Writes there are interrupts on x86, translated or not. */
#define MSI_WINDOW	0xfee00000UL
#define MSI_WINDOW_SIZE	0x00100000UL

/*
 * Older cores have a device in its group still while they release it: whoever
 * moves the group meanwhile would come with a device that we have freed.
 */
static DEFINE_MUTEX(release_mutex);

static int attach_dev(HVP_ATTACH_ARGS)
{
	struct hvp_device *hdev;
	int err = 0;

	mutex_lock(&release_mutex);
	hdev = dev_iommu_priv_get(dev);
	/* Released: nothing to be moved. */
	if (hdev)
		err = hvp_domain_attach(hvp_domain_of(domain), hdev);
	mutex_unlock(&release_mutex);
	return err;
}

/* Only for groups that got no default domain: the host was out of domains. */
static __maybe_unused void detach_dev(struct iommu_domain *domain,
				      struct device *dev)
{
	struct hvp_device *hdev = dev_iommu_priv_get(dev);

	if (hdev)
		hvp_domain_leave(hdev);
}

/* The same, where it is not a matter of domains. */
static __maybe_unused void leave_domain(struct device *dev)
{
	detach_dev(NULL, dev);
}

static int map_pages(struct iommu_domain *domain, unsigned long iova,
		     phys_addr_t paddr, size_t pgsize, size_t count, int prot,
		     gfp_t gfp, size_t *mapped)
{
	/* The format has no write-only entries, and none without rights. */
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))
		return -EINVAL;

	return hvp_pt_map(&hvp_domain_of(domain)->pt, iova, paddr, pgsize,
			  count, prot & IOMMU_WRITE ? HVP_PT_PROT_WRITE : 0,
			  gfp, mapped);
}

static size_t unmap_pages(struct iommu_domain *domain, unsigned long iova,
			  size_t pgsize, size_t count,
			  struct iommu_iotlb_gather *gather)
{
	struct hvp_pt *pt = &hvp_domain_of(domain)->pt;
	bool retired;
	size_t size;

	size = hvp_pt_unmap(pt, iova, pgsize * count, &retired);
	if (iommu_iotlb_gather_queued(gather))
		return size;

	/*
	 * Tables were unlinked: to flush leaves is not enough, and only a
	 * whole-domain flush is known for sure to drop the rest.
	 */
	if (retired)
		iommu_iotlb_gather_add_range(gather, 0, pt->last + 1);
	else if (size)
		iommu_iotlb_gather_add_range(gather, iova, size);
	return size;
}

static void iotlb_sync(struct iommu_domain *domain,
		       struct iommu_iotlb_gather *gather)
{
	hvp_domain_flush_range(hvp_domain_of(domain), gather->start,
			       gather->end);
}

static void flush_iotlb_all(struct iommu_domain *domain)
{
	hvp_domain_flush(hvp_domain_of(domain));
}

static phys_addr_t iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	return hvp_pt_lookup(&hvp_domain_of(domain)->pt, iova, NULL, NULL);
}

static void free_domain(struct iommu_domain *domain)
{
	hvp_debugfs_remove_domain(hvp_domain_of(domain));
	hvp_domain_free(hvp_domain_of(domain));
}

static const struct iommu_domain_ops paging_ops = {
	.attach_dev		= attach_dev,
	HVP_OPS_DETACH(detach_dev)
	.map_pages		= map_pages,
	.unmap_pages		= unmap_pages,
	.iotlb_sync		= iotlb_sync,
	.flush_iotlb_all	= flush_iotlb_all,
	.iova_to_phys		= iova_to_phys,
	.free			= free_domain,
};

/* Some kernels "free" whatever domain they give up, without asking. */
static void keep_domain(struct iommu_domain *domain)
{
}

static const struct iommu_domain_ops static_ops = {
	.attach_dev		= attach_dev,
	HVP_OPS_DETACH(detach_dev)
	.free			= keep_domain,
};

struct hvp_domain hvp_identity = {
	.domain = {
		.type	= IOMMU_DOMAIN_IDENTITY,
		.ops	= &static_ops,
		HVP_DOMAIN_OWNER(&hvp_iommu_ops)
	},
	.kind	 = HVP_DOMAIN_IDENTITY,
	.devices = LIST_HEAD_INIT(hvp_identity.devices),
};

struct hvp_domain hvp_blocked = {
	.domain = {
		.type	= IOMMU_DOMAIN_BLOCKED,
		.ops	= &static_ops,
		HVP_DOMAIN_OWNER(&hvp_iommu_ops)
	},
	.kind	 = HVP_DOMAIN_BLOCKED,
	.devices = LIST_HEAD_INIT(hvp_blocked.devices),
};

/* @dev may be NULL: older kernels do not say what the domain is for. */
static struct iommu_domain *alloc_paging(struct device *dev)
{
	struct hvp_domain *domain;

	domain = hvp_domain_alloc(dev ? dev_to_node(dev) : NUMA_NO_NODE);
	if (!domain)
		return NULL;
	hvp_debugfs_add_domain(domain);
	return &domain->domain;
}

static __maybe_unused struct iommu_domain *alloc_by_type(unsigned int type)
{
	switch (type) {
	case IOMMU_DOMAIN_IDENTITY:
		return &hvp_identity.domain;
	case IOMMU_DOMAIN_BLOCKED:
		return &hvp_blocked.domain;
	case IOMMU_DOMAIN_UNMANAGED:
	case IOMMU_DOMAIN_DMA:
	case IOMMU_DOMAIN_DMA_FQ:
		return alloc_paging(NULL);
	default:
		return NULL;
	}
}

/*
 * Only ever fails with -ENODEV, "not mine": after another error the core
 * takes the IOMMU away from all devices.
 */
static struct iommu_device *probe_device(struct device *dev)
{
	struct hvp_device *hdev;
	int err;

	if (!dev_is_pci(dev) || !hvp_adopt_allows(dev))
		return ERR_PTR(-ENODEV);

	hdev = hvp_vpci_device_new(to_pci_dev(dev));
	err = PTR_ERR_OR_ZERO(hdev);
	if (!err) {
		err = hvp_power_link(dev);
		if (err)
			hvp_vpci_device_free(hdev);
	}
	if (err) {
		hvp_adopt_note(dev, err);
		return ERR_PTR(-ENODEV);
	}

	/* What a crashed kernel has left going must not meet our tables. */
	if (is_kdump_kernel())
		pci_clear_master(to_pci_dev(dev));

	hvp_compat_isolate_msi(dev);
	dev_iommu_priv_set(dev, hdev);
	hvp_adopt_note(dev, 0);
	return hvp_adopt_instance(dev);
}

static void release_device(struct device *dev)
{
	struct hvp_device *hdev = dev_iommu_priv_get(dev);

	/* In case that it does not go: the core could not attach it. */
	hvp_adopt_note(dev, -EIO);

	mutex_lock(&release_mutex);
	dev->iommu->priv = NULL;
	hvp_domain_leave(hdev);
	mutex_unlock(&release_mutex);
	hvp_power_unlink(dev);
	hvp_compat_clear_dma_ops(dev);
	hvp_vpci_device_free(hdev);
}

static int is_driven_without_domain(struct device *dev, void *newcomer)
{
	return dev != newcomer && READ_ONCE(dev->driver) &&
	       !iommu_get_domain_for_dev(dev);
}

/*
 * Up to 6.6 a group lives on if the host had no domain for it, and its devices
 * are not translated. A domain that the group gets because of another device
 * would be put under the drivers of those.
 */
static struct iommu_group *device_group(struct device *dev)
{
	struct iommu_group *group = pci_device_group(dev);

	if (IS_ERR_OR_NULL(group) ||
	    !iommu_group_for_each_dev(group, dev, is_driven_without_domain))
		return group;
	iommu_group_put(group);
	return ERR_PTR(-ENODEV);
}

static void get_resv_regions(struct device *dev, struct list_head *regions)
{
	struct iommu_resv_region *msi;

	msi = iommu_alloc_resv_region(MSI_WINDOW, MSI_WINDOW_SIZE,
				      IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
				      IOMMU_RESV_MSI, GFP_KERNEL);
	if (msi)
		list_add_tail(&msi->list, regions);
}

static bool is_capable(struct device *dev, enum iommu_cap cap)
{
	if (hvp_compat_is_ats_cap(cap)) {
		const struct hvp_device *hdev = dev_iommu_priv_get(dev);

		return hdev && hvp_domain_can_use_ats(hdev);
	}
	return cap == IOMMU_CAP_CACHE_COHERENCY || hvp_compat_is_capable(cap);
}

const struct iommu_ops hvp_iommu_ops = {
	.capable		= is_capable,
	HVP_OPS_DOMAINS(&hvp_identity.domain, &hvp_blocked.domain,
			alloc_paging, alloc_by_type)
	.probe_device		= probe_device,
	HVP_OPS_PROBE_FINALIZE
	.release_device		= release_device,
	.device_group		= device_group,
	.get_resv_regions	= get_resv_regions,
	HVP_OPS_PLATFORM_DMA(leave_domain)
	.default_domain_ops	= &paging_ops,
	.owner			= THIS_MODULE,
};

struct iommu_device hvp_iommu;
