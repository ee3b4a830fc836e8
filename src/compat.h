/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels, 6.1 to 7.3. compat/config.h says what the
 * kernel that this is built for has; it is made by the probes in compat/,
 * since version numbers say little about the kernels of distributions.
 */
#ifndef HVP_COMPAT_H
#define HVP_COMPAT_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <asm/mshyperv.h>

#include "compat/config.h"

#if !IS_ENABLED(CONFIG_IOMMU_DMA)
#error "this kernel has no CONFIG_IOMMU_DMA: its drivers could not use an IOMMU"
#endif

/* The domain a device comes from is an argument of attach on newer kernels. */
#if HVP_HAVE_ATTACH_OLD
#define HVP_ATTACH_ARGS struct iommu_domain *domain, struct device *dev, \
			struct iommu_domain *old
#else
#define HVP_ATTACH_ARGS struct iommu_domain *domain, struct device *dev
#endif

/* Members of the tables of operations: with what each kernel has of them. */
#if HVP_HAVE_DETACH_DEV
#define HVP_OPS_DETACH(_detach) .detach_dev = _detach,
#else
#define HVP_OPS_DETACH(_detach)
#endif

#if HVP_HAVE_PLATFORM_DMA_OPS
#define HVP_OPS_PLATFORM_DMA(_leave) .set_platform_dma_ops = _leave,
#else
#define HVP_OPS_PLATFORM_DMA(_leave)
#endif

#if HVP_HAVE_STATIC_DOMAINS
#define HVP_DOMAIN_OWNER(_ops) .owner = _ops,
#define HVP_OPS_DOMAINS(_identity, _blocked, _alloc_paging, _alloc)	\
	.identity_domain = _identity,					\
	.blocked_domain = _blocked,					\
	.domain_alloc_paging = _alloc_paging,
#else
#define HVP_DOMAIN_OWNER(_ops)
#define HVP_OPS_DOMAINS(_identity, _blocked, _alloc_paging, _alloc)	\
	.domain_alloc = _alloc,
#endif

/*
 * The host checks every interrupt of a device, and VFIO wants to know: up to
 * 6.2 it asks the IOMMU, then the interrupt domain, which is pci-hyperv's here.
 */
static inline void hvp_compat_isolate_msi(struct device *dev)
{
#if HVP_HAVE_ISOLATED_MSI
	struct irq_domain *domain = dev_get_msi_domain(dev);

	if (domain)
		domain->flags |= IRQ_DOMAIN_FLAG_ISOLATED_MSI;
#endif
}

static inline bool hvp_compat_is_capable(enum iommu_cap cap)
{
#if HVP_HAVE_CAP_INTR_REMAP
	if (cap == IOMMU_CAP_INTR_REMAP)
		return true;
#endif
#if HVP_HAVE_CAP_DEFERRED_FLUSH
	if (cap == IOMMU_CAP_DEFERRED_FLUSH)
		return true;
#endif
	return false;
}

/* What depends on the device: user space asks for it, through iommufd. */
static inline bool hvp_compat_is_ats_cap(enum iommu_cap cap)
{
#if HVP_HAVE_CAP_ATS
	return cap == IOMMU_CAP_PCI_ATS_SUPPORTED;
#else
	return false;
#endif
}

/*
 * Up to 6.9 it is the driver that makes the DMA API use the IOMMU. The core
 * asks for it by probe_finalize(), but not for a device that joins a group
 * which has a domain already when an IOMMU registers, and not for one that
 * joined while user space had the group. So it is done again whenever a driver
 * of the kernel is about to get the device: then the group is in its default
 * domain, and stays there.
 */
#if HVP_HAVE_DRIVER_DMA_OPS
static inline void hvp_compat_clear_dma_ops(struct device *dev)
{
	set_dma_ops(dev, NULL);
}

static inline void hvp_compat_set_dma_ops(struct device *dev)
{
	/* The device may come from a DMA domain to the identity domain. */
	hvp_compat_clear_dma_ops(dev);
	iommu_setup_dma_ops(dev, 0, U64_MAX);
}

static inline void hvp_compat_use_dma_ops(struct device *dev)
{
	if (!to_pci_driver(dev->driver)->driver_managed_dma)
		hvp_compat_set_dma_ops(dev);
}

#define HVP_OPS_PROBE_FINALIZE .probe_finalize = hvp_compat_set_dma_ops,
#else
#define HVP_OPS_PROBE_FINALIZE

static inline void hvp_compat_clear_dma_ops(struct device *dev)
{
}

static inline void hvp_compat_use_dma_ops(struct device *dev)
{
}
#endif

/* Up to 6.7 the core keeps the operations after the last IOMMU has gone. */
static inline void hvp_compat_forget_ops(const struct iommu_ops *ops)
{
#if HVP_HAVE_BUS_IOMMU_OPS
	if (pci_bus_type.iommu_ops == ops)
		pci_bus_type.iommu_ops = NULL;
	if (platform_bus_type.iommu_ops == ops)
		platform_bus_type.iommu_ops = NULL;
#endif
}

/* Whether the kernel comes with a driver for the pvIOMMU. */
static inline bool hvp_compat_has_own_driver(void)
{
	return IS_ENABLED(CONFIG_HYPERV_PVIOMMU);
}

/*
 * The root partition, or one that owns devices like it (L1VH), which older
 * kernels take for a guest.
 */
static inline bool hvp_compat_is_parent_partition(void)
{
	if (ms_hyperv.priv_high & HV_CREATE_PARTITIONS)
		return true;
#if HVP_HAVE_PARENT_PARTITION
	return hv_parent_partition();
#elif HVP_HAVE_ROOT_PARTITION_FN
	return hv_root_partition();
#else
	return hv_root_partition;
#endif
}

bool hvp_compat_has_other_iommu(void);
void hvp_compat_note_untried(void);

#endif
