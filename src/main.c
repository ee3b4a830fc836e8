// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading.
 *
 * Owns the module parameters and the order in which the parts start and stop.
 * No locks; everything here sleeps.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/mshyperv.h>

#include "adopt.h"
#include "caps.h"
#include "compat.h"
#include "debugfs.h"
#include "domain.h"
#include "hypercall.h"
#include "kernels.h"
#include "power.h"
#include "probe.h"
#include "registry.h"
#include "stats.h"
#include "sysfs.h"
#include "version.h"

static bool disable;
module_param(disable, bool, 0444);
MODULE_PARM_DESC(disable, "do not use the pvIOMMU of the host (default: false)");

static bool probe_only;
module_param(probe_only, bool, 0444);
MODULE_PARM_DESC(probe_only, "ask the host what it has, attach nothing, and do not stay (default: false)");

/* Whether the value of a parameter "iommu" has the word "off" in it. */
static bool has_off(const char *value)
{
	while (strncmp(value, "off", 3)) {
		value += strcspn(value, ", \n");
		if (*value++ != ',')
			return false;
	}
	return true;
}

/*
 * "iommu=off": no IOMMU of any kind, says the kernel of x86. What it makes of
 * it (no_iommu) and its command line are for no module to see, on any kernel
 * from 6.1 to 7.3, so it is read as users read it. Without /proc, or without
 * memory, it counts as not there: "hv_pviommu.disable=1" needs neither.
 */
static bool is_iommu_off(void)
{
	bool off = false;
	struct file *file;
	loff_t pos = 0;
	char *line, *p;
	ssize_t len;

	file = filp_open("/proc/cmdline", O_RDONLY, 0);
	if (IS_ERR(file))
		return false;
	line = kzalloc(PAGE_SIZE, GFP_KERNEL);
	len = line ? kernel_read(file, line, PAGE_SIZE - 1, &pos) : 0;
	if (len > 0) {
		for (p = line; !off && (p = strstr(p, "iommu=")); p += 6)
			off = (p == line || p[-1] == ' ') && has_off(p + 6);
	}
	kfree(line);
	filp_close(file, NULL);
	return off;
}

/* Not an error: the module may be installed on any VM. */
static bool is_vm_suitable(void)
{
	if (!hv_is_hyperv_initialized())
		return false;
	if (hvp_compat_has_own_driver()) {
		pr_info("this kernel has a pvIOMMU driver of its own\n");
		return false;
	}
	if (hvp_compat_is_parent_partition()) {
		pr_info("not for a partition that owns the hardware\n");
		return false;
	}
	if (hv_is_isolation_supported()) {
		/* The host could not walk tables in encrypted memory. */
		pr_info("not for an isolated VM\n");
		return false;
	}
	if (disable) {
		pr_info("disabled by parameter\n");
		return false;
	}
	if (is_iommu_off()) {
		pr_info("iommu=off on the kernel command line\n");
		return false;
	}
	if (hvp_adopt_has_other_iommu()) {
		pr_info("this kernel uses another IOMMU\n");
		return false;
	}
	return true;
}

static int __init hv_pviommu_init(void)
{
	struct hvp_caps caps;
	int err;

	if (!is_vm_suitable())
		return -ENODEV;

	err = hvp_stats_start();
	if (err)
		return err;

	err = hvp_call_start();
	if (err)
		goto err_stats;

	if (probe_only) {
		hvp_compat_note_untried();
		hvp_probe_run();
		err = -ENODEV;
		goto err_call;
	}

	err = hvp_caps_query(&caps);
	if (err)
		goto err_call;

	hvp_caps_log(&caps);
	hvp_compat_note_untried();
#ifdef HVP_CANARY_NO_FLUSH
	pr_crit("TEST MODULE, built without IOTLB flushes: NOT SAFE TO USE\n");
#endif

	err = hvp_domain_start(&caps);
	if (err)
		goto err_call;

	err = hvp_power_start();
	if (err)
		goto err_domain;

	err = hvp_sysfs_start(&caps);
	if (err)
		goto err_power;

	hvp_debugfs_start();

	err = hvp_adopt_start();
	if (err)
		goto err_debugfs;
	return 0;

err_debugfs:
	hvp_registry_stop();
	hvp_debugfs_stop();
	hvp_sysfs_stop();
err_power:
	hvp_power_stop();
err_domain:
	hvp_domain_stop();
err_call:
	hvp_call_stop();
err_stats:
	hvp_stats_stop();
	/* A status may mean that. modprobe takes it for "loaded already". */
	return err == -EEXIST ? -ENODEV : err;
}

/* Every device of ours holds a reference to the module: there are none. */
static void __exit hv_pviommu_exit(void)
{
	hvp_adopt_stop();
	hvp_debugfs_stop();
	hvp_sysfs_stop();
	hvp_registry_stop();
	hvp_power_stop();
	hvp_domain_stop();
	hvp_call_stop();
	hvp_stats_stop();
}

module_init(hv_pviommu_init);
module_exit(hv_pviommu_exit);

#ifdef HVP_FORCED_PROBES
MODULE_INFO(forced_probes, HVP_FORCED_PROBES);
#endif
#ifdef HVP_CANARY_NO_FLUSH
MODULE_INFO(canary, "built without IOTLB flushes: not safe to use");
#endif
/*
 * Udev loads it on Hyper-V machines, whether a bus of its devices is there yet
 * or not. No device of the machine itself would do: vPCI buses come and go.
 */
MODULE_ALIAS("dmi:*:svnMicrosoftCorporation:pnVirtualMachine:*");
MODULE_DESCRIPTION("Hyper-V para-virtual IOMMU for guests");
MODULE_AUTHOR("hv-pviommu developers");
MODULE_VERSION(HVP_VERSION);
MODULE_INFO(commit, HVP_COMMIT);
MODULE_INFO(newest_kernel_tried, HVP_NEWEST_KERNEL_TRIED);
MODULE_LICENSE("GPL");
