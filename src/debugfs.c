// SPDX-License-Identifier: GPL-2.0
/*
 * Files under /sys/kernel/debug/hv-pviommu, for root: what the module knows,
 * as it is while it is read.
 *
 *   domains			one line each: id, kind, flags, number of
 *				devices, table pages, devices
 *   registry			prefix, bus, functions translated
 *   latency			hypercalls: calls, errors, how many took so long
 *   domain/ID/pagetable	what a paging domain maps
 *
 * Owns the directories. No locks: what is read is guarded where it lives, and
 * debugfs_remove() waits for whoever reads a file and lets nobody in any more,
 * so a file may use whatever is freed after its removal. Files can be read
 * only, and by root, which is what a kernel in lockdown demands. Everything
 * here sleeps. Errors are no news: without debugfs there are no files.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "domain.h"
#include "hypercall.h"
#include "pagetable.h"
#include "registry.h"
#include "stats.h"
#include "vpci.h"

#define MODE	0400

static struct dentry *top;
static struct dentry *domain_top;

/* Under attach_lock. */
static void show_domain(const struct hvp_domain *domain, void *arg)
{
	const struct hvp_device *dev;
	struct seq_file *m = arg;
	const char *flags = "-";
	unsigned int nr = 0;

	if (domain->stale)
		flags = domain->absent ? "stale,absent" : "stale";
	else if (domain->absent)
		flags = "absent";

	list_for_each_entry(dev, &domain->devices, node)
		nr++;
	seq_printf(m, "%u %s %s %u %ld", domain->name.id,
		   hvp_domain_kind_name(domain->kind), flags, nr,
		   atomic_long_read(&domain->pt.nr_tables));
	list_for_each_entry(dev, &domain->devices, node)
		seq_printf(m, " %s", pci_name(dev->pdev));
	seq_putc(m, '\n');
}

static int domains_show(struct seq_file *m, void *v)
{
	u32 id = 0;

	do {
		id = hvp_domain_visit(id, show_domain, m);
	} while (id && !seq_has_overflowed(m));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

/* Under the lock of the registry. */
static void show_bus(const struct device *owner, u32 prefix,
		     unsigned int users, bool registered, void *arg)
{
	seq_printf(arg, "0x%08x %s %u%s\n", prefix, dev_name(owner), users,
		   registered ? " registered" : "");
}

static int registry_show(struct seq_file *m, void *v)
{
	hvp_registry_for_each(show_bus, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(registry);

static int latency_show(struct seq_file *m, void *v)
{
	struct hvp_stats_call_sum sum;
	unsigned int call, i;

	for (call = 0; call < HVP_STATS_NR_CALLS; call++) {
		hvp_stats_sum_call(call, &sum);
		seq_printf(m, "%s calls=%llu errors=%llu", hvp_call_name(call),
			   sum.calls, sum.errors);
		/* Nanoseconds at least, and their number. */
		for (i = 0; i < HVP_STATS_BUCKETS; i++)
			if (sum.times[i])
				seq_printf(m, " %lu=%llu", i ? BIT(i - 1) : 0,
					   sum.times[i]);
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency);

/*
 * The position in the file is the address to look on from. What was read
 * before it stays read, whatever happens to the table: this is no snapshot.
 */
struct dump {
	struct hvp_pt *pt;
	struct hvp_pt_run run;
};

static void *pagetable_start(struct seq_file *m, loff_t *pos)
{
	struct dump *dump = m->private;

	return hvp_pt_next_run(dump->pt, *pos, &dump->run) ? dump : NULL;
}

static void *pagetable_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct dump *dump = m->private;

	*pos = dump->run.iova + dump->run.size;
	return pagetable_start(m, pos);
}

static void pagetable_stop(struct seq_file *m, void *v)
{
}

static int pagetable_show(struct seq_file *m, void *v)
{
	const struct hvp_pt_run *run = &((struct dump *)v)->run;

	seq_printf(m, "0x%llx-0x%llx -> 0x%llx 0x%llx %s\n", run->iova,
		   run->iova + run->size - 1, run->paddr, run->size,
		   run->prot & HVP_PT_PROT_WRITE ? "rw" : "ro");
	return 0;
}

static const struct seq_operations pagetable_sops = {
	.start	= pagetable_start,
	.next	= pagetable_next,
	.stop	= pagetable_stop,
	.show	= pagetable_show,
};

static int pagetable_open(struct inode *inode, struct file *file)
{
	struct hvp_domain *domain = inode->i_private;
	struct dump *dump;

	dump = __seq_open_private(file, &pagetable_sops, sizeof(*dump));
	if (!dump)
		return -ENOMEM;
	dump->pt = &domain->pt;
	return 0;
}

static const struct file_operations pagetable_fops = {
	.owner	 = THIS_MODULE,
	.open	 = pagetable_open,
	.read	 = seq_read,
	.llseek	 = seq_lseek,
	.release = seq_release_private,
};

/**
 * hvp_debugfs_start() - make the files
 *
 * Context: may sleep.
 */
void hvp_debugfs_start(void)
{
	top = debugfs_create_dir("hv-pviommu", NULL);
	debugfs_create_file("domains", MODE, top, NULL, &domains_fops);
	debugfs_create_file("registry", MODE, top, NULL, &registry_fops);
	debugfs_create_file("latency", MODE, top, NULL, &latency_fops);
	domain_top = debugfs_create_dir("domain", top);
}

/**
 * hvp_debugfs_stop() - remove the files
 *
 * All domains have gone. Nobody reads a file when it returns.
 *
 * Context: may sleep.
 */
void hvp_debugfs_stop(void)
{
	debugfs_remove(top);
}

/**
 * hvp_debugfs_add_domain() - make the files of a paging domain
 * @domain: with its id
 *
 * Context: may sleep.
 */
void hvp_debugfs_add_domain(struct hvp_domain *domain)
{
	char name[12];

	snprintf(name, sizeof(name), "%u", domain->name.id);
	domain->debugfs = debugfs_create_dir(name, domain_top);
	debugfs_create_file("pagetable", MODE, domain->debugfs, domain,
			    &pagetable_fops);
}

/**
 * hvp_debugfs_remove_domain() - remove the files of a paging domain
 * @domain: not to be freed earlier
 *
 * Nobody reads them when it returns.
 *
 * Context: may sleep.
 */
void hvp_debugfs_remove_domain(struct hvp_domain *domain)
{
	debugfs_remove(domain->debugfs);
}
