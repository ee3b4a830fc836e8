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

static inline bool hvp_compat_is_capable(enum iommu_cap cap)
{
#if HVP_HAVE_CAP_INTR_REMAP
	/* The host checks every interrupt of a device; VFIO wants to know. */
	if (cap == IOMMU_CAP_INTR_REMAP)
		return true;
#endif
#if HVP_HAVE_CAP_DEFERRED_FLUSH
	if (cap == IOMMU_CAP_DEFERRED_FLUSH)
		return true;
#endif
	return false;
}

/* Up to 6.6 it is the driver that makes the DMA API use the IOMMU. */
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
#else
static inline void hvp_compat_clear_dma_ops(struct device *dev)
{
}
#endif

/* Up to 6.6 the core keeps the operations after the last IOMMU has gone. */
static inline void hvp_compat_forget_ops(const struct iommu_ops *ops)
{
#if HVP_HAVE_BUS_IOMMU_OPS
	if (pci_bus_type.iommu_ops == ops)
		pci_bus_type.iommu_ops = NULL;
	if (platform_bus_type.iommu_ops == ops)
		platform_bus_type.iommu_ops = NULL;
#endif
}

/* Up to 6.6 there can be one IOMMU driver for all buses. */
static inline bool hvp_compat_has_other_iommu(void)
{
#if HVP_HAVE_BUS_IOMMU_OPS
	return pci_bus_type.iommu_ops || platform_bus_type.iommu_ops;
#else
	return false;
#endif
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
#else
	return hv_root_partition;
#endif
}

#endif
