// SPDX-License-Identifier: GPL-2.0
/*
 * Domains, and which device is in which.
 *
 * Owns the domain ids, the identity and blocked domains as the host sees
 * them, every attachment, and the carrying out of flushes.
 *
 * attach_lock guards struct hvp_device.domain, .parked_in, .node and .ats, the
 * lists of devices and of domains, hvp_domain.stale, .absent and .undeleted_id,
 * blocked_in_use, and every hypercall that moves a device: what we believe
 * about a device is what the host was told last, even when a failed flush on
 * one CPU blocks a device that another CPU is moving. It is taken with
 * interrupts off, as flushes come from any context. Map, unmap and a flush that
 * works take no lock. Only hvp_domain_start(), _stop(), _alloc() and _free()
 * may sleep. foreign_lock guards the ids of domains of an earlier kernel.
 *
 * Before the machine stops (reboot, kexec) or is put away (hibernation) all
 * devices are parked: taken out of their domains, remembering which, and DMA
 * is blocked. Then the host is told to forget the domains. Hibernation brings
 * both back, into a host that may know these domains, or others under their
 * ids, or none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/crash_dump.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "domain.h"
#include "flush.h"
#include "hypercall.h"
#include "ratelimit.h"
#include "stats.h"
#include "trace.h"

/*
 * A module that is wrong on purpose, for the test that such a module is
 * noticed. It says so when it is loaded.
 */
#ifdef HVP_CANARY_NO_FLUSH
#define HVP_NO_FLUSH	1
#else
#define HVP_NO_FLUSH	0
#endif

/* Ids in use by somebody else that are skipped before giving up. */
#define MAX_FOREIGN_IDS	64

/* A crash kernel keeps clear of the ids of the kernel that crashed. */
#define FIRST_ID	(HVP_DOMAIN_ID_DEFAULT + 1)
#define FIRST_CRASH_ID	0x40000000

/* So many list flushes that fail in a row, and no more are tried. */
#define MAX_LIST_FAILURES	8

static DEFINE_SPINLOCK(attach_lock);
static LIST_HEAD(domains);		/* all of them */
static LIST_HEAD(parked_devices);
static bool parked;			/* devices are, and stay so */
static bool blocked_in_use;		/* by devices that were not detached */
static DEFINE_IDA(domain_ids);
static DEFINE_SPINLOCK(foreign_lock);	/* inside attach_lock */
static u32 foreign_ids[MAX_FOREIGN_IDS];	/* with devices, once */
static unsigned int nr_foreign_ids;
static struct hvp_caps host;		/* constant once started */
static bool no_flush_list;		/* the host does not do it */
static atomic_t list_failures;		/* since the last that worked */

static struct hvp_device_domain domain_name(u32 id)
{
	return (struct hvp_device_domain){
		.partition_id = HVP_PARTITION_ID_SELF,
		.type = HVP_DOMAIN_TYPE_S1,
		.id = id,
	};
}

static void list_domain(struct hvp_domain *domain)
{
	unsigned long flags;

	spin_lock_irqsave(&attach_lock, flags);
	list_add_tail(&domain->all, &domains);
	spin_unlock_irqrestore(&attach_lock, flags);
}

static void unlist_domain(struct hvp_domain *domain)
{
	unsigned long flags;

	spin_lock_irqsave(&attach_lock, flags);
	list_del(&domain->all);
	spin_unlock_irqrestore(&attach_lock, flags);
}

/* After a DELETE of the domain under the id that it has. */
static void note_deleted(struct hvp_domain *domain, int err)
{
	if (err && !domain->undeleted_id)
		domain->undeleted_id = domain->name.id;
	else if (!err && domain->undeleted_id == domain->name.id)
		domain->undeleted_id = 0;
}

/*
 * A domain that the host was told to forget, but did not, is one that it has.
 * Returns 0 if the host has no domain any more that knows the table.
 */
static int delete_domain(struct hvp_domain *domain, const char *consequence)
{
	int err = 0;

	if (!domain->absent || domain->undeleted_id == domain->name.id)
		err = hvp_call_delete_domain(&domain->name, consequence);

	/* What may still exist in the host keeps its id. */
	if (!err)
		ida_free(&domain_ids, domain->name.id);
	note_deleted(domain, err);
	return domain->undeleted_id ? -EBUSY : 0;
}

/*
 * An id that we did not give away and the host has in use is left from a
 * kernel before this one (kexec): that domain goes. With devices in it, it
 * cannot: it is noted, and goes when the machine stops, as our domains do.
 * Returns 0 if the id is free.
 */
static int delete_foreign(const struct hvp_device_domain *name)
{
	unsigned long flags;
	int err;

	err = hvp_call_delete_foreign_domain(name, "another id is used");
	hvp_info_ratelimited("domain %u is in the host already, from an earlier kernel: %s\n",
			    name->id, err ? "it stays" : "it goes");
	if (err != -HVP_E_EXISTS)
		return err;

	spin_lock_irqsave(&foreign_lock, flags);
	if (nr_foreign_ids < MAX_FOREIGN_IDS)
		foreign_ids[nr_foreign_ids++] = name->id;
	spin_unlock_irqrestore(&foreign_lock, flags);
	return err;
}

/* By now their devices should have moved to domains of ours. */
static void delete_noted(void)
{
	struct hvp_device_domain name;
	unsigned long flags;

	spin_lock_irqsave(&foreign_lock, flags);
	while (nr_foreign_ids) {
		name = domain_name(foreign_ids[--nr_foreign_ids]);
		hvp_call_delete_foreign_domain(&name, "it stays in the host");
	}
	spin_unlock_irqrestore(&foreign_lock, flags);
}

/*
 * Creates a domain under the id that it has, unless that is in use by a
 * foreign one that does not go. A crash kernel leaves to the crashed one
 * whatever it has.
 */
static int create_named(const struct hvp_domain *domain)
{
	int err;

	err = hvp_call_create_domain(&domain->name);
	if (err != -HVP_E_EXISTS || is_kdump_kernel())
		return err;
	if (delete_foreign(&domain->name))
		return -HVP_E_EXISTS;
	return hvp_call_create_domain(&domain->name);
}

/*
 * Creates a domain under a free id. The id of a foreign domain that does not
 * go is never used. After an error the domain has no id.
 */
static int create_domain(struct hvp_domain *domain, gfp_t gfp)
{
	unsigned int first = is_kdump_kernel() ? FIRST_CRASH_ID : FIRST_ID;
	unsigned int foreign;
	int id, err;

	for (foreign = 0; foreign < MAX_FOREIGN_IDS; foreign++) {
		id = ida_alloc_range(&domain_ids, first, INT_MAX, gfp);
		if (id < 0)
			return id;

		domain->name = domain_name(id);
		err = create_named(domain);
		if (!err)
			return 0;
		if (err != -HVP_E_EXISTS) {
			ida_free(&domain_ids, id);
			return err;
		}
	}
	hvp_err_ratelimited("no free domain id: the host has those from %d to %d in use\n",
			   id - MAX_FOREIGN_IDS + 1, id);
	return -ENOSPC;
}

static int configure_domain(const struct hvp_domain *domain)
{
	u64 root = 0, flags = 0;

	switch (domain->kind) {
	case HVP_DOMAIN_PAGING:
		flags = HVP_CONFIGURE_TRANSLATION;
		if (host.levels == 5)
			flags |= HVP_CONFIGURE_5LEVEL;
		root = virt_to_phys(domain->pt.root);
		break;
	case HVP_DOMAIN_IDENTITY:
		break;
	case HVP_DOMAIN_BLOCKED:
		/* Blocked without translation is what the host refuses. */
		flags = HVP_CONFIGURE_TRANSLATION | HVP_CONFIGURE_BLOCKED;
		break;
	}
	return hvp_call_configure_domain(&domain->name, flags, root);
}

static int create_configured(struct hvp_domain *domain)
{
	int err;

	err = create_domain(domain, GFP_KERNEL);
	if (err)
		return err;

	err = configure_domain(domain);
	if (err) {
		delete_domain(domain, "its id is not used again");
		return err;
	}
	list_domain(domain);
	return 0;
}

/*
 * Whether a crash kernel has to translate. If the host has dropped all that
 * the crashed kernel had, there is nothing to protect and nothing in the way:
 * the domain with the first id is gone then. If not, devices are still behind
 * the tables of the crashed kernel, and only domains of our own get them out.
 */
static int check_crash_kernel(void)
{
	const struct hvp_device_domain first = domain_name(FIRST_ID);
	int err;

	err = hvp_call_create_domain(&first);
	if (err == -HVP_E_EXISTS) {
		pr_info("crash kernel: the host still has the domains of the crashed one\n");
		return 0;
	}
	if (!err) {
		hvp_call_delete_domain(&first, "it stays in the host, unused");
		pr_info("not needed in this crash kernel: its devices are not translated\n");
	}
	return -ENODEV;
}

/**
 * hvp_domain_kind_name() - name of a kind of domains
 * @kind: which
 *
 * Context: any.
 * Return: the name, constant.
 */
const char *hvp_domain_kind_name(enum hvp_domain_kind kind)
{
	static const char *const names[] = {
		[HVP_DOMAIN_PAGING] = "paging",
		[HVP_DOMAIN_IDENTITY] = "identity",
		[HVP_DOMAIN_BLOCKED] = "blocked",
	};

	return names[kind];
}

/**
 * hvp_domain_start() - create the identity and the blocked domain
 * @caps: of the host
 *
 * Context: may sleep.
 * Return: 0 or an errno, logged.
 */
int hvp_domain_start(const struct hvp_caps *caps)
{
	int err;

	host = *caps;

	if (is_kdump_kernel()) {
		err = check_crash_kernel();
		if (err)
			return err;
	}

	err = create_configured(&hvp_identity);
	if (err)
		goto err_ids;
	err = create_configured(&hvp_blocked);
	if (err)
		goto err_identity;
	return 0;

err_identity:
	unlist_domain(&hvp_identity);
	delete_domain(&hvp_identity, "it stays in the host, unused");
err_ids:
	ida_destroy(&domain_ids);
	return err;
}

/**
 * hvp_domain_stop() - delete the identity and the blocked domain
 *
 * No device is in any domain, and no other domain is left.
 *
 * Context: may sleep.
 */
void hvp_domain_stop(void)
{
	unlist_domain(&hvp_blocked);
	if (!blocked_in_use)
		delete_domain(&hvp_blocked, "it stays in the host, unused");
	else if (hvp_call_delete_foreign_domain(&hvp_blocked.name,
						"it stays in the host"))
		pr_info("domain %u stays in the host: it blocks devices that the host did not detach\n",
			hvp_blocked.name.id);
	unlist_domain(&hvp_identity);
	delete_domain(&hvp_identity, "it stays in the host, unused");
	ida_destroy(&domain_ids);
}

/**
 * hvp_domain_alloc() - make a paging domain with an empty table
 * @nid: NUMA node for the table, or NUMA_NO_NODE
 *
 * The table is there first: a domain of the host never has none.
 *
 * Context: may sleep.
 * Return: the domain, or NULL; logged, unless memory ran out.
 */
struct hvp_domain *hvp_domain_alloc(int nid)
{
	struct hvp_domain *domain;

	domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	if (!domain)
		return NULL;
	domain->kind = HVP_DOMAIN_PAGING;
	INIT_LIST_HEAD(&domain->devices);

	if (hvp_pt_init(&domain->pt, host.levels, host.iova_bits,
			host.pgsizes, nid, GFP_KERNEL))
		goto err_domain;

	if (create_configured(domain))
		goto err_table;

	domain->domain.pgsize_bitmap = domain->pt.pgsizes;
	domain->domain.geometry.aperture_end = domain->pt.last;
	domain->domain.geometry.force_aperture = true;
	return domain;

err_table:
	/* The host may have the domain still, with the table. */
	if (!domain->undeleted_id)
		hvp_pt_destroy(&domain->pt);
err_domain:
	kfree(domain);
	return NULL;
}

/*
 * Under attach_lock. With ATS off a device uses nothing of what it has cached,
 * and when ATS goes on it begins anew.
 */
static void disable_ats(struct hvp_device *dev)
{
	lockdep_assert_held(&attach_lock);
	if (!dev->ats)
		return;
	pci_disable_ats(dev->pdev);
	dev->ats = false;
}

/**
 * hvp_domain_can_use_ats() - whether a device has, or could be given, ATS
 * @dev: device
 *
 * Context: any.
 * Return: true if the host serves its translation requests and it makes them.
 */
bool hvp_domain_can_use_ats(const struct hvp_device *dev)
{
	return host.ats && dev->ats_usable;
}

/*
 * Under attach_lock. ATS on, if the domain that the device is in wants it: one
 * with a table, as we flush no other, and some IOMMUs refuse translation
 * requests of a device that is passed through. Not one whose flush has failed.
 * ATS only makes things faster: failure is no error.
 */
static void enable_ats(struct hvp_device *dev)
{
	const struct hvp_domain *domain = dev->domain;

	lockdep_assert_held(&attach_lock);
	if (!hvp_domain_can_use_ats(dev) || !domain ||
	    domain->kind != HVP_DOMAIN_PAGING || domain->stale)
		return;
	dev->ats = !pci_enable_ats(dev->pdev, HVP_PAGE_SHIFT);
}

/* Under attach_lock. What the host was told, or NULL for a detached device. */
static void note_domain(struct hvp_device *dev, struct hvp_domain *domain)
{
	lockdep_assert_held(&attach_lock);
	list_del_init(&dev->node);
	if (domain)
		list_add(&dev->node, &domain->devices);
	dev->domain = domain;
}

/*
 * Under attach_lock. The host says that the device is in a domain already,
 * perhaps one of an earlier kernel: the device comes out of it, and goes in
 * again. When that fails it goes back to where we had it, or to the blocked
 * domain; if all fails it stays detached, which blocks as well.
 */
static int attach_again(struct hvp_domain *domain, struct hvp_device *dev)
{
	struct hvp_domain *old = dev->domain;
	int err;

	lockdep_assert_held(&attach_lock);
	err = hvp_call_detach_domain(dev->id);
	if (err && err != -HVP_E_GONE)
		hvp_err_ratelimited("%s: the host wants it detached first, and does not detach it\n",
				    pci_name(dev->pdev));
	if (err)
		return err;
	note_domain(dev, NULL);

	err = hvp_call_attach_domain(&domain->name, dev->id);
	if (!err) {
		note_domain(dev, domain);
		return 0;
	}

	if (old && !old->stale && !hvp_call_attach_domain(&old->name, dev->id))
		note_domain(dev, old);
	else if (!hvp_call_attach_domain(&hvp_blocked.name, dev->id))
		note_domain(dev, &hvp_blocked);
	if (err != -HVP_E_IN_DOMAIN && err != -HVP_E_STATE)
		return err;
	hvp_err_ratelimited("%s: the host takes it for attached after a detach\n",
			   pci_name(dev->pdev));
	return -EIO;
}

/*
 * Under attach_lock. ATS is off meanwhile, whatever comes after: what the
 * device has cached would get past a block, and nobody promises that the host
 * drops it when the device goes from one table to another.
 */
static int try_set_domain(struct hvp_domain *domain, struct hvp_device *dev)
{
	int err;

	lockdep_assert_held(&attach_lock);
	disable_ats(dev);
	err = hvp_call_attach_domain(&domain->name, dev->id);
	if (err == -HVP_E_IN_DOMAIN && dev->domain == domain)
		err = 0;
	else if (err == -HVP_E_IN_DOMAIN || err == -HVP_E_STATE)
		err = attach_again(domain, dev);
	else if (!err)
		note_domain(dev, domain);
	if (err != -HVP_E_GONE)
		enable_ats(dev);
	return err;
}

/* Under attach_lock. After an error the device is where it was, or blocked. */
static int set_domain(struct hvp_domain *domain, struct hvp_device *dev)
{
	u32 previous = dev->domain ? dev->domain->name.id : 0;
	int err;

	lockdep_assert_held(&attach_lock);
	err = try_set_domain(domain, dev);
	trace_hvp_attach(pci_name(dev->pdev), domain->name.id,
			 hvp_domain_kind_name(domain->kind), previous, err);
	return err;
}

/*
 * Under attach_lock. Makes a domain that the host has lost, or was told to
 * forget. If its id is in use, the one in the way goes (@replace), and if it
 * does not, the domain gets another id. Its old one is never used again then.
 */
static int revive_domain(struct hvp_domain *domain, bool replace)
{
	const struct hvp_device_domain name = domain->name;
	int err;

	lockdep_assert_held(&attach_lock);
	if (replace)
		err = create_named(domain);
	else
		err = hvp_call_create_domain(&domain->name);
	if (err == -HVP_E_EXISTS && replace) {
		err = create_domain(domain, GFP_ATOMIC);
		if (err)
			domain->name = name;
	}
	if (err)
		return err;

	/* Whatever had the id has gone, or it is another id. */
	note_deleted(domain, 0);

	err = configure_domain(domain);
	if (err) {
		note_deleted(domain,
			     hvp_call_delete_domain(&domain->name,
						    "it stays in the host, unused"));
		return err;
	}
	domain->stale = false;
	WRITE_ONCE(domain->absent, false);
	return 0;
}

/* Returns 0 once nothing unmapped before the call can be reached any more. */
static int flush_domain(struct hvp_domain *domain)
{
	bool absent = READ_ONCE(domain->absent);
	struct llist_node *retired;
	int err;

	/* First, as only what was unlinked before the flush is safe after. */
	retired = hvp_pt_retired_take(&domain->pt);
	if (HVP_NO_FLUSH || absent)
		err = 0;
	else
		err = hvp_call_flush_domain(&domain->name);
	/* Absent as it should be, but the host may have it: it has no device. */
	if (err || (absent && READ_ONCE(domain->undeleted_id)))
		hvp_pt_retired_put_back(&domain->pt, retired);
	else
		hvp_pt_retired_free(&domain->pt, retired);
	return err;
}

/* Whether a device is gone, from the bus's side. Its IDs may be a memory. */
static bool has_left(const struct hvp_device *dev)
{
	u16 command;

	return pci_read_config_word(dev->pdev, PCI_COMMAND, &command) ||
	       command == 0xffff;
}

/* Under attach_lock. As set_domain(), into whatever state the domain is in. */
static int enter_domain(struct hvp_domain *domain, struct hvp_device *dev)
{
	int err = 0;

	lockdep_assert_held(&attach_lock);
	if (domain->absent)
		err = revive_domain(domain, true);
	else if (domain->stale)
		err = flush_domain(domain);
	if (err)
		return err;

	domain->stale = false;
	err = set_domain(domain, dev);
	if (err != -HVP_E_GONE || !has_left(dev))
		return err;

	/*
	 * Taken away: it reaches nothing, and stays in the domain it is in, or
	 * counts as being in its first one, until it is released. The core may
	 * warn if that is an error.
	 */
	if (!dev->domain)
		note_domain(dev, domain);
	return 0;
}

/*
 * Under attach_lock. A detached device is blocked as well: the second best. The
 * last resort is not the host's, and holds until the driver does the opposite.
 */
static void cut_off(struct hvp_device *dev)
{
	int err;

	lockdep_assert_held(&attach_lock);
	if (!set_domain(&hvp_blocked, dev))
		return;

	disable_ats(dev);
	err = hvp_call_detach_domain(dev->id);
	if (!err) {
		note_domain(dev, NULL);
	} else if (err != -HVP_E_GONE || !has_left(dev)) {
		pci_clear_master(dev->pdev);
		hvp_err_ratelimited("%s: the host does not block it: its bus mastering is turned off\n",
				   pci_name(dev->pdev));
	}
}

/*
 * Nothing can be invalidated, but the kernel is going to use the memory and
 * the addresses again: there is no way to tell it not to. So no device may
 * get through to what is cached.
 */
static void block_devices(struct hvp_domain *domain)
{
	struct hvp_device *dev, *next;
	unsigned long flags;

	spin_lock_irqsave(&attach_lock, flags);
	if (!domain->stale)
		hvp_err_ratelimited("domain %u cannot be flushed: its devices are blocked\n",
				   domain->name.id);
	domain->stale = true;
	list_for_each_entry_safe(dev, next, &domain->devices, node)
		cut_off(dev);
	spin_unlock_irqrestore(&attach_lock, flags);
}

/**
 * hvp_domain_free() - delete a paging domain, and free its table
 * @domain: no longer in use by the kernel
 *
 * In this order: the host may walk the table for as long as it has the
 * domain. If it does not delete it, the table stays allocated for good.
 *
 * Devices are left in it only if the host refused to move them and the kernel
 * gave up, or if it has taken them away: one more attempt, and then they are
 * forgotten, or count as blocked.
 *
 * Context: may sleep.
 */
void hvp_domain_free(struct hvp_domain *domain)
{
	struct hvp_device *dev, *next;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&attach_lock, flags);
	list_del(&domain->all);
	list_for_each_entry_safe(dev, next, &domain->devices, node) {
		err = set_domain(&hvp_blocked, dev);
		if (!err)
			continue;
		disable_ats(dev);
		note_domain(dev, err == -HVP_E_GONE ? &hvp_blocked : NULL);
	}
	spin_unlock_irqrestore(&attach_lock, flags);

	if (!delete_domain(domain,
			   "its id and its page tables are never used again"))
		hvp_pt_destroy(&domain->pt);
	kfree(domain);
}

/**
 * hvp_domain_attach() - move a device to a domain
 * @domain: of any kind
 * @dev: device; the caller does not move it twice at the same time
 *
 * A domain whose flush has failed is flushed before it gets devices again.
 * Once devices are parked, one can only be blocked, and a new one is parked.
 *
 * Context: any; does not sleep.
 * Return: 0, or an errno, and then the device is where it was, or blocked;
 * -ESHUTDOWN if devices are parked; other errors are logged.
 */
int hvp_domain_attach(struct hvp_domain *domain, struct hvp_device *dev)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&attach_lock, flags);
	if (!parked) {
		err = enter_domain(domain, dev);
	} else if (!dev->domain && !dev->parked_in) {
		/* It was added meanwhile, and no driver can have it yet. */
		dev->parked_in = domain;
		list_add_tail(&dev->node, &parked_devices);
		err = 0;
	} else if (domain->kind == HVP_DOMAIN_BLOCKED) {
		if (dev->parked_in)
			dev->parked_in = domain;
		err = 0;
	} else if (dev->parked_in == domain) {
		/* Older cores attach a new device twice. */
		err = 0;
	} else {
		err = -ESHUTDOWN;
	}
	spin_unlock_irqrestore(&attach_lock, flags);
	return err;
}

/*
 * Under attach_lock. Detaches a device that is blocked, unless @err says that
 * it is not. A host that does not detach it leaves it blocked, which is as
 * good; only that domain cannot be deleted then.
 */
static int detach_device(struct hvp_device *dev, int err)
{
	int ret;

	lockdep_assert_held(&attach_lock);
	ret = hvp_call_detach_domain(dev->id);
	if (ret && ret != -HVP_E_GONE && !err)
		blocked_in_use = true;
	return ret;
}

/**
 * hvp_domain_leave() - take a device out of its domain, for good
 * @dev: device; the host may have lost it already
 *
 * Blocked first: that is what a device must be if the detach fails. The
 * detach then lets go of the blocked domain, so that it can be deleted. A
 * device that never was in a domain of ours is not touched.
 *
 * Context: any; does not sleep.
 */
void hvp_domain_leave(struct hvp_device *dev)
{
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&attach_lock, flags);
	if (dev->domain && dev->domain != &hvp_blocked)
		err = set_domain(&hvp_blocked, dev);
	disable_ats(dev);
	if (dev->domain && err != -HVP_E_GONE)
		detach_device(dev, err);
	note_domain(dev, NULL);
	dev->parked_in = NULL;
	spin_unlock_irqrestore(&attach_lock, flags);
}

/*
 * Under attach_lock. If the device can neither be blocked nor detached it
 * stays in its domain, and the domain is kept for it.
 */
static int park_device(struct hvp_device *dev)
{
	struct hvp_domain *domain = dev->domain;
	int err = 0;

	lockdep_assert_held(&attach_lock);
	if (domain != &hvp_blocked)
		err = set_domain(&hvp_blocked, dev);
	disable_ats(dev);
	if (err != -HVP_E_GONE && detach_device(dev, err) && err) {
		enable_ats(dev);
		return err;
	}

	note_domain(dev, NULL);
	dev->parked_in = domain;
	list_add_tail(&dev->node, &parked_devices);
	return 0;
}

/**
 * hvp_domain_park_devices() - take all devices out of their domains
 *
 * For when the machine is about to stop. DMA of a parked device is blocked,
 * and it keeps in mind where it belongs.
 *
 * Context: any; does not sleep.
 * Return: 0, or the errno, logged, of the last device that stayed.
 */
int hvp_domain_park_devices(void)
{
	struct hvp_device *dev, *next;
	struct hvp_domain *domain;
	unsigned long flags;
	int err, ret = 0;

	spin_lock_irqsave(&attach_lock, flags);
	parked = true;
	list_for_each_entry(domain, &domains, all)
		list_for_each_entry_safe(dev, next, &domain->devices, node) {
			err = park_device(dev);
			if (err)
				ret = err;
		}
	spin_unlock_irqrestore(&attach_lock, flags);
	return ret;
}

/**
 * hvp_domain_unpark_devices() - put all devices back into their domains
 *
 * After hvp_domain_restore_all(). A device whose domain cannot be had stays
 * blocked.
 *
 * Context: any; does not sleep.
 */
void hvp_domain_unpark_devices(void)
{
	struct hvp_device *dev, *next;
	struct hvp_domain *domain;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&attach_lock, flags);
	parked = false;
	list_for_each_entry_safe(dev, next, &parked_devices, node) {
		domain = dev->parked_in;
		dev->parked_in = NULL;
		list_del_init(&dev->node);
		err = enter_domain(domain, dev);
		if (!err || err == -HVP_E_GONE)
			continue;
		pr_err("%s: the host does not take it back into domain %u: it stays blocked\n",
		       pci_name(dev->pdev), domain->name.id);
		enter_domain(&hvp_blocked, dev);
	}
	spin_unlock_irqrestore(&attach_lock, flags);
}

/**
 * hvp_domain_remove_all() - make the host forget all domains without devices
 *
 * After hvp_domain_park_devices(), so that is all of them, but for those with
 * devices that the host did not let go. With them go those of an earlier
 * kernel. From here on there is nothing to flush, as nothing of an absent
 * domain is cached.
 *
 * Context: any; does not sleep.
 */
void hvp_domain_remove_all(void)
{
	struct hvp_domain *domain;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&attach_lock, flags);
	delete_noted();
	list_for_each_entry(domain, &domains, all) {
		if (domain->absent || !list_empty(&domain->devices))
			continue;
		/* Not after the call: a flush in between would fail. */
		WRITE_ONCE(domain->absent, true);
		if (domain == &hvp_blocked && blocked_in_use)
			err = hvp_call_delete_foreign_domain(&domain->name,
							     "it stays in the host");
		else
			err = hvp_call_delete_domain(&domain->name,
						     "it stays in the host");
		note_deleted(domain, err);
	}
	spin_unlock_irqrestore(&attach_lock, flags);
}

/* Under attach_lock. Returns how many domains the host does not have. */
static unsigned int revive_domains(bool replace)
{
	struct hvp_domain *domain;
	unsigned int missing = 0;

	lockdep_assert_held(&attach_lock);
	list_for_each_entry(domain, &domains, all)
		if (domain->absent && revive_domain(domain, replace))
			missing++;
	return missing;
}

/**
 * hvp_domain_restore_all() - bring back what hvp_domain_remove_all() removed
 *
 * The host may be another one, or one that has domains of the kernel that has
 * loaded this one from disk: under our ids, with our devices in them. Nobody
 * uses those any more. What cannot be brought back now is tried once more
 * when a device is to go into it.
 *
 * Context: any; does not sleep.
 */
void hvp_domain_restore_all(void)
{
	struct hvp_device *dev;
	unsigned long flags;
	unsigned int missing;

	spin_lock_irqsave(&attach_lock, flags);
	missing = revive_domains(false);
	if (missing) {
		list_for_each_entry(dev, &parked_devices, node)
			hvp_call_detach_leftover(dev->id);
		missing = revive_domains(true);
	}
	if (missing)
		pr_err("the host does not take back %u domains after hibernation\n",
		       missing);
	spin_unlock_irqrestore(&attach_lock, flags);
}

/**
 * hvp_domain_count() - count the domains there are
 * @counts: filled in
 *
 * Context: any; does not sleep.
 */
void hvp_domain_count(struct hvp_domain_counts *counts)
{
	struct hvp_domain *domain;
	unsigned long flags;

	*counts = (struct hvp_domain_counts){};
	spin_lock_irqsave(&attach_lock, flags);
	list_for_each_entry(domain, &domains, all) {
		if (domain->kind == HVP_DOMAIN_PAGING)
			counts->paging++;
		if (domain->stale)
			counts->stale++;
	}
	spin_unlock_irqrestore(&attach_lock, flags);
}

/**
 * hvp_domain_visit() - look at the next domain
 * @after: id of the one before; 0 for the first one
 * @fn: called for the domain with the next higher id, with attach_lock held:
 *	the domain, its devices and their list stay as they are until it
 *	returns. It must not sleep, nor call anything else in here.
 * @arg: for @fn
 *
 * To see all domains, one at a time: others come and go in between.
 *
 * Context: any; does not sleep.
 * Return: the id, or 0 if there is no further domain.
 */
u32 hvp_domain_visit(u32 after, void (*fn)(const struct hvp_domain *domain,
					   void *arg), void *arg)
{
	struct hvp_domain *domain, *found = NULL;
	unsigned long flags;
	u32 id = 0;

	spin_lock_irqsave(&attach_lock, flags);
	list_for_each_entry(domain, &domains, all)
		if (domain->name.id > after &&
		    (!found || domain->name.id < found->name.id))
			found = domain;
	if (found) {
		id = found->name.id;
		fn(found, arg);
	}
	spin_unlock_irqrestore(&attach_lock, flags);
	return id;
}

/**
 * hvp_domain_flush() - drop all that the host has cached of a domain
 * @domain: paging
 *
 * If the host fails to, all devices of the domain are blocked. Retired tables
 * are freed after a success only.
 *
 * Context: any; does not sleep.
 */
void hvp_domain_flush(struct hvp_domain *domain)
{
	if (flush_domain(domain))
		block_devices(domain);
}

/* One list call. Returns its errno. */
static int try_list(const struct hvp_domain *domain,
		    const struct hvp_flush_plan *plan, u64 start, u64 end)
{
	int err;

	trace_hvp_flush_plan(domain->name.id, start, end, "list", plan->nr,
			     plan->pages_wanted, plan->pages_flushed);
	err = hvp_call_flush_domain_list(&domain->name, plan->entry, plan->nr);
	if (!err)
		hvp_stats_count_flush(plan->pages_wanted, plan->pages_flushed);
	return err;
}

/*
 * Carries out a plan that names ranges. If the host does not want several of
 * them, the one that covers them is tried. Returns 0 if all was flushed.
 */
static int flush_list(const struct hvp_domain *domain,
		      struct hvp_flush_plan *plan, u64 start, u64 end)
{
	int err;

	if (plan->kind == HVP_FLUSH_LIST && plan->nr > 1 &&
	    !hvp_call_flushes_several())
		hvp_flush_plan_single(plan, start, end, domain->pt.last);
	if (plan->kind != HVP_FLUSH_LIST || READ_ONCE(no_flush_list))
		return -HVP_E_UNSUPPORTED;

	err = try_list(domain, plan, start, end);
	if (plan->nr > 1 &&
	    (err == -HVP_E_UNSUPPORTED || err == -EACCES || err == -EINVAL)) {
		hvp_flush_plan_single(plan, start, end, domain->pt.last);
		if (plan->kind != HVP_FLUSH_LIST)
			return err;
		err = try_list(domain, plan, start, end);
	}
	if (!err) {
		if (atomic_read(&list_failures))
			atomic_set(&list_failures, 0);
	} else if (err == -HVP_E_UNSUPPORTED) {
		WRITE_ONCE(no_flush_list, true);
		pr_info("the host flushes whole domains only\n");
	} else if (atomic_inc_return(&list_failures) == MAX_LIST_FAILURES) {
		WRITE_ONCE(no_flush_list, true);
		pr_err("list flushes fail: whole domains are flushed from now on\n");
	}
	return err;
}

/**
 * hvp_domain_flush_range() - drop what the host has cached of a range
 * @domain: paging
 * @start: first address
 * @end: last address, inclusive; below @start for nothing
 *
 * As one call that names the range, if the host has such a call and the range
 * is one to be named; otherwise as hvp_domain_flush().
 *
 * Context: any; does not sleep.
 */
void hvp_domain_flush_range(struct hvp_domain *domain, u64 start, u64 end)
{
	struct hvp_flush_plan plan;

	hvp_flush_plan(&plan, start, end, domain->pt.last);
	if (plan.kind == HVP_FLUSH_NONE || HVP_NO_FLUSH)
		return;

	if (!READ_ONCE(domain->absent) && !flush_list(domain, &plan, start, end))
		return;

	trace_hvp_flush_plan(domain->name.id, start, end, "domain", 0,
			     plan.pages_wanted, 0);
	hvp_domain_flush(domain);
}
