// SPDX-License-Identifier: GPL-2.0
/*
 * Files under /sys/class/iommu/hv-pviommu, for everybody: what the pvIOMMU can
 * do, and numbers about its use. One value each; README.md says what they
 * mean, and they keep doing so: programs read them.
 *
 * Owns a copy of the capabilities. No locks: what is read is guarded where it
 * lives. To remove the files waits for those who read them. Start and stop
 * sleep.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/sysfs.h>

#include "adopt.h"
#include "domain.h"
#include "hv_pviommu_abi.h"
#include "ops.h"
#include "stats.h"
#include "sysfs.h"
#include "vpci.h"

static struct hvp_caps caps;		/* constant once there are files */

/* A file NAME that has the value of an expression. */
#define HVP_FILE(_name, _format, _value)				\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, _format "\n", _value);			\
}									\
static DEVICE_ATTR_RO(_name)

static struct hvp_domain_counts domain_counts(void)
{
	struct hvp_domain_counts counts;

	hvp_domain_count(&counts);
	return counts;
}

static struct hvp_stats_call_sum call_sum(enum hvp_stats_call call)
{
	struct hvp_stats_call_sum sum;

	hvp_stats_sum_call(call, &sum);
	return sum;
}

static struct hvp_stats_flush_sum flush_sum(void)
{
	struct hvp_stats_flush_sum sum;

	hvp_stats_sum_flush(&sum);
	return sum;
}

HVP_FILE(domains, "%u", domain_counts().paging);
HVP_FILE(blocked_domains, "%u", domain_counts().stale);
HVP_FILE(translated, "%u", hvp_adopt_translated());

HVP_FILE(untranslated, "%u", hvp_adopt_untranslated());

static ssize_t untranslated_devices_show(struct device *dev,
					 struct device_attribute *attr,
					 char *buf)
{
	return hvp_adopt_list_untranslated(buf);
}
static DEVICE_ATTR_RO(untranslated_devices);

static struct attribute *count_attrs[] = {
	&dev_attr_domains.attr,
	&dev_attr_blocked_domains.attr,
	&dev_attr_translated.attr,
	&dev_attr_untranslated.attr,
	&dev_attr_untranslated_devices.attr,
	NULL
};

static const struct attribute_group count_group = {
	.attrs = count_attrs,
};

HVP_FILE(iova_bits, "%u", caps.iova_bits);
HVP_FILE(levels, "%u", caps.levels);
HVP_FILE(ats, "%d", caps.ats);
HVP_FILE(host_flags, "0x%llx", caps.host_flags);
HVP_FILE(host_iova_width, "%u", caps.host_iova_width);

static ssize_t page_sizes_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "4K%s%s\n",
			  caps.pgsizes & HVP_PGSIZE_2M ? " 2M" : "",
			  caps.pgsizes & HVP_PGSIZE_1G ? " 1G" : "");
}
static DEVICE_ATTR_RO(page_sizes);

static struct attribute *caps_attrs[] = {
	&dev_attr_iova_bits.attr,
	&dev_attr_levels.attr,
	&dev_attr_page_sizes.attr,
	&dev_attr_ats.attr,
	&dev_attr_host_flags.attr,
	&dev_attr_host_iova_width.attr,
	NULL
};

static const struct attribute_group caps_group = {
	.name = "capabilities",
	.attrs = caps_attrs,
};

HVP_FILE(list_calls, "%llu", call_sum(HVP_STATS_FLUSH_DOMAIN_LIST).calls);
HVP_FILE(list_entries, "%llu", call_sum(HVP_STATS_FLUSH_DOMAIN_LIST).reps);
HVP_FILE(domain_calls, "%llu", call_sum(HVP_STATS_FLUSH_DOMAIN).calls);
HVP_FILE(pages_requested, "%llu", flush_sum().pages_requested);
HVP_FILE(pages_flushed, "%llu", flush_sum().pages_flushed);
HVP_FILE(failures, "%llu", call_sum(HVP_STATS_FLUSH_DOMAIN).failures +
	 call_sum(HVP_STATS_FLUSH_DOMAIN_LIST).failures);

static struct attribute *flush_attrs[] = {
	&dev_attr_list_calls.attr,
	&dev_attr_list_entries.attr,
	&dev_attr_domain_calls.attr,
	&dev_attr_pages_requested.attr,
	&dev_attr_pages_flushed.attr,
	&dev_attr_failures.attr,
	NULL
};

static const struct attribute_group flush_group = {
	.name = "flush",
	.attrs = flush_attrs,
};

static struct hvp_stats_call_sum all_calls(void)
{
	struct hvp_stats_call_sum all = {}, one;
	unsigned int call;

	for (call = 0; call < HVP_STATS_NR_CALLS; call++) {
		hvp_stats_sum_call(call, &one);
		all.calls += one.calls;
		all.errors += one.errors;
	}
	return all;
}

HVP_FILE(calls, "%llu", all_calls().calls);
HVP_FILE(errors, "%llu", all_calls().errors);

static struct attribute *hypercall_attrs[] = {
	&dev_attr_calls.attr,
	&dev_attr_errors.attr,
	NULL
};

static const struct attribute_group hypercall_group = {
	.name = "hypercalls",
	.attrs = hypercall_attrs,
};

static const struct attribute_group *groups[] = {
	&count_group,
	&caps_group,
	&flush_group,
	&hypercall_group,
	NULL
};

/**
 * hvp_sysfs_start() - make the files, with the device they belong to
 * @host_caps: of the host
 *
 * Context: may sleep.
 * Return: 0 or an errno.
 */
int hvp_sysfs_start(const struct hvp_caps *host_caps)
{
	caps = *host_caps;
	return iommu_device_sysfs_add(&hvp_iommu, NULL, groups, "hv-pviommu");
}

/**
 * hvp_sysfs_stop() - remove the files
 *
 * Nobody reads one when it returns.
 *
 * Context: may sleep.
 */
void hvp_sysfs_stop(void)
{
	iommu_device_sysfs_remove(&hvp_iommu);
}
