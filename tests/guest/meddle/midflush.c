// SPDX-License-Identifier: GPL-2.0
/*
 * Unmaps 2 MiB of a device's domain in the middle of a whole-domain flush, as
 * another CPU could: after the host has flushed, and before hv_pviommu goes on.
 * The tracepoint hvp_hypercall is at that place.
 *
 * All is done when the module loads. No locks: nobody else flushes the domain
 * meanwhile, and nothing but this module uses the address range.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/tracepoint.h>
#include <linux/version.h>

#define IOVA			0x40000000UL

static char *dev = "";
module_param(dev, charp, 0444);
MODULE_PARM_DESC(dev, "PCI name of the device");

static struct tracepoint *point;
static struct iommu_domain *domain;
static bool armed;
static size_t unmapped;

static void after_call(void *data, u16 code, u64 id, unsigned int reps,
		       unsigned int done, u16 status, u64 ns)
{
	struct iommu_iotlb_gather gather;

	if (!armed)
		return;
	armed = false;
	/* What is queued is not flushed now, but with the next whole flush. */
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	unmapped = iommu_unmap_fast(domain, IOVA, SZ_2M, &gather);
}

static int find_point(struct notifier_block *nb, unsigned long action,
		      void *data)
{
	struct tp_module *tp_mod = data;
	struct tracepoint *tp;
	int i;

	if (action != MODULE_STATE_COMING ||
	    strcmp(tp_mod->mod->name, "hv_pviommu"))
		return NOTIFY_DONE;
	for (i = 0; i < tp_mod->mod->num_tracepoints; i++) {
		tp = tracepoint_ptr_deref(&tp_mod->mod->tracepoints_ptrs[i]);
		if (!strcmp(tp->name, "hvp_hypercall"))
			point = tp;
	}
	return NOTIFY_DONE;
}

static struct notifier_block finder = { .notifier_call = find_point };

static int map_2m(struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return iommu_map(domain, IOVA, page_to_phys(page), SZ_2M,
			 IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
#else
	return iommu_map(domain, IOVA, page_to_phys(page), SZ_2M,
			 IOMMU_READ | IOMMU_WRITE);
#endif
}

static int __init midflush_init(void)
{
	unsigned int segment, bus, slot, fn;
	struct pci_dev *pdev;
	struct page *page;
	int err;

	if (sscanf(dev, "%x:%x:%x.%x", &segment, &bus, &slot, &fn) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, fn));
	if (!pdev)
		return -ENODEV;
	domain = iommu_get_domain_for_dev(&pdev->dev);
	pci_dev_put(pdev);
	/* It is called at once for each module that is there already. */
	register_tracepoint_module_notifier(&finder);
	unregister_tracepoint_module_notifier(&finder);
	if (!domain || !point)
		return -ENOENT;

	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(SZ_2M));
	if (!page)
		return -ENOMEM;
	err = map_2m(page);
	if (!err)
		err = tracepoint_probe_register(point, after_call, NULL);
	if (err) {
		__free_pages(page, get_order(SZ_2M));
		return err;
	}

	armed = true;
	iommu_flush_iotlb_all(domain);
	tracepoint_probe_unregister(point, after_call, NULL);
	tracepoint_synchronize_unregister();
	/* The page stays allocated: its mapping is flushed by the next one. */
	pr_info("unmapped 0x%zx in the middle of a flush\n", unmapped);
	return 0;
}
module_init(midflush_init);

static void __exit midflush_exit(void)
{
}
module_exit(midflush_exit);

MODULE_DESCRIPTION("Unmaps in the middle of a flush");
MODULE_LICENSE("GPL");
