// SPDX-License-Identifier: GPL-2.0
/*
 * For the first contact with a host: makes each call that needs no device, and
 * says what came of it.
 *
 * No device is attached to anything, and the kernel is told of no IOMMU: DMA
 * goes on as it did. Runs before anything else of the module is there, and
 * leaves nothing. Owns no state. The only lock is pci_lock_rescan_remove(),
 * so that no function goes while the host is asked about it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/numa.h>
#include <linux/pci.h>
#include <linux/printk.h>

#include "caps.h"
#include "domain.h"
#include "hv_pviommu.h"
#include "hypercall.h"
#include "probe.h"
#include "registry.h"
#include "stats.h"
#include "vpci.h"

/* What the host says, before anybody judges it. */
static void __init say_capabilities(void)
{
	struct hvp_capabilities caps;

	if (hvp_call_get_capabilities(&caps))
		return;
	pr_info("probe: the host says: capabilities 0x%llx, %u-bit IOVA, page sizes 0x%llx, %u-bit PASID, size %u\n",
		caps.iommu_cap, caps.max_iova_width, caps.pgsize_bitmap,
		caps.max_pasid_width, caps.size);
}

/* Returns whether it is on a vPCI bus. It cannot go meanwhile. */
static bool __init probe_function(struct pci_dev *pdev)
{
	u64 id, value;
	int err;

	err = hvp_vpci_check(pdev);
	if (err == -ENODEV)
		return false;

	if (hv_pviommu_device_id(pdev, &id))
		pr_info("probe: %s [%04x:%04x]: has no logical device id of its own\n",
			pci_name(pdev), pdev->vendor, pdev->device);
	else if (err == -EIO ||
		 hvp_call_get_device_property(id, HVP_PROPERTY_PVIOMMU, &value))
		pr_info("probe: %s [%04x:%04x]: device 0x%llx, the host does not say whether it is behind the pvIOMMU\n",
			pci_name(pdev), pdev->vendor, pdev->device, id);
	else
		pr_info("probe: %s [%04x:%04x]: device 0x%llx, property 0x%llx: %sbehind the pvIOMMU\n",
			pci_name(pdev), pdev->vendor, pdev->device, id, value,
			value & HVP_DEVICE_IOMMU_ENABLED ? "" : "not ");
	return true;
}

static void __init probe_functions(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int found = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev)
		found += probe_function(pdev);
	pci_unlock_rescan_remove();
	pr_info("probe: %u functions on vPCI buses\n", found);
}

static void __init say_flush(const char *what, int err)
{
	if (err)
		pr_info("probe: flush of %s: failed (%d), of a domain without devices\n",
			what, err);
	else
		pr_info("probe: flush of %s: done\n", what);
}

/* An empty table: nothing is cached, whatever becomes of the flushes. */
static void __init probe_paging(void)
{
	const u64 pages[] = { hvp_flush_entry(0, 0), hvp_flush_entry(1, 0) };
	struct hvp_domain *domain;

	domain = hvp_domain_alloc(NUMA_NO_NODE);
	if (!domain) {
		pr_info("probe: no paging domain: no flush is tried\n");
		return;
	}
	pr_info("probe: paging domain %u is there\n", domain->name.id);

	say_flush("a whole domain", hvp_call_flush_domain(&domain->name));
	say_flush("a list of one entry",
		  hvp_call_flush_domain_list(&domain->name, pages, 1));
	say_flush("a list of several entries",
		  hvp_call_flush_domain_list(&domain->name, pages,
					     ARRAY_SIZE(pages)));
	hvp_domain_free(domain);
}

static void __init probe_domains(const struct hvp_caps *caps)
{
	int err;

	/* What paging domains need to know is known after a failure, too. */
	err = hvp_domain_start(caps);
	if (err)
		pr_info("probe: identity and blocked domain: not to be had (%d)\n",
			err);
	else
		pr_info("probe: identity domain %u and blocked domain %u are there\n",
			hvp_identity.name.id, hvp_blocked.name.id);

	probe_paging();

	if (!err)
		hvp_domain_stop();
}

static void __init say_calls(void)
{
	struct hvp_stats_call_sum sum;
	enum hvp_stats_call call;

	for (call = 0; call < HVP_STATS_NR_CALLS; call++) {
		hvp_stats_sum_call(call, &sum);
		if (sum.calls)
			pr_info("probe: %s: %llu calls, %llu failed\n",
				hvp_call_name(call), sum.calls, sum.failures);
		else
			pr_info("probe: %s: not asked\n", hvp_call_name(call));
	}
}

/**
 * hvp_probe_run() - ask the host for all that needs no device, and say it
 *
 * What fails is said, and the rest is tried nevertheless. Domains are deleted
 * again, and nothing is known of any bus afterwards.
 *
 * Context: may sleep. Between hvp_call_start() and _stop(), with the counts of
 * stats.c, and with no other part of the module started.
 */
void __init hvp_probe_run(void)
{
	struct hvp_caps caps;

	say_capabilities();
	if (!hvp_caps_query(&caps)) {
		hvp_caps_log(&caps);
		probe_functions();
		probe_domains(&caps);
		hvp_registry_stop();
	}
	say_calls();
	pr_info("probe: ATTACH_DOMAIN and DETACH_DOMAIN need a device, so they are not tried\n");
	pr_info("probe: done, nothing was attached; the module does not stay\n");
}
