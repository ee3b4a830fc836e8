// SPDX-License-Identifier: GPL-2.0
/*
 * Address translation caches of devices (PCIe ATS): what a device with ATS
 * enabled has been told by the IOMMU it uses again without asking. So nothing
 * on the way can stop such an access, not even a block: the guest has to turn
 * ATS off first, and the referee judges every hit.
 *
 * Adversarial like the IOTLB: an entry lives until a flush of the domain that
 * the device is in covers it, or the device forgets it: when ATS goes off, or
 * with a reset. An attach to another domain drops nothing. Entries are of
 * 4 KiB, whatever the size of the leaf; rights that an entry lacks make the
 * device ask again.
 *
 * Lock: that of the machine. Nothing sleeps.
 */
#include <stdlib.h>

#include "iommu_internal.h"

struct atc_entry {
	struct atc_entry *next;		/* in the bucket of its page */
	u64 page;			/* IOVA >> 12 */
	u64 target;
	u64 serial;			/* of the domain it was asked in */
	u32 domain;			/* its id, for messages */
	bool write;
};

/* Serial number of what translates for the device; 0: nothing does. */
static u64 current_serial(const struct iommu_device *dev)
{
	return dev->dom ? dev->dom->serial : 0;
}

static struct atc_entry **find_place(struct iommu_device *dev, u64 page)
{
	struct atc_entry **p = &dev->atc[page % NR_ATC_BUCKETS];

	while (*p && (*p)->page != page)
		p = &(*p)->next;
	return p;
}

static void drop_at(struct iommu_device *dev, struct atc_entry **p)
{
	struct atc_entry *e = *p;

	*p = e->next;
	free(e);
	dev->nr_atc--;
}

static void judge_hit(struct iommu *mmu, struct iommu_device *dev, u64 iova,
		      const struct atc_entry *e)
{
	if (e->serial != current_serial(dev))
		violation("stale ATC entry used: device %s IOVA 0x%lx: cached in domain %u, used in domain %u (%s)",
			  dev->name, iova, e->domain,
			  dev->dom ? dev->dom->id : 0,
			  dev->dom ? domain_kind_name(dev->dom->kind) : "none");
	else if (dev->dom && dev->dom->kind == DOMAIN_PAGING)
		walk_judge_atc(mmu, dev, iova, e->target, e->write);
}

bool atc_translate(struct iommu *mmu, struct iommu_device *dev, u64 iova,
		   enum iommu_op op, u64 *gpa)
{
	struct atc_entry *e;

	if (!dev->ats)
		return false;
	e = *find_place(dev, iova >> 12);
	if (!e || (op != IOMMU_READ && !e->write))
		return false;
	judge_hit(mmu, dev, iova, e);
	mmu->nr_atc_hits++;
	dev->atc_hits++;
	*gpa = e->target | (iova & (HV_PAGE_SIZE - 1));
	return true;
}

void atc_fill(struct iommu_device *dev, u64 iova, u64 gpa, bool write)
{
	struct atc_entry **p, *e;

	if (!dev->ats)
		return;
	p = find_place(dev, iova >> 12);
	if (!*p) {
		*p = calloc(1, sizeof(**p));
		if (!*p)
			die("no memory for an ATC entry");
		dev->nr_atc++;
	}
	e = *p;
	e->page = iova >> 12;
	e->target = gpa & ~(u64)(HV_PAGE_SIZE - 1);
	e->serial = current_serial(dev);
	e->domain = dev->dom ? dev->dom->id : 0;
	e->write = write;
}

u64 atc_drop_pages(struct iommu_device *dev, u64 page, unsigned shift)
{
	u64 before = dev->nr_atc;
	unsigned i;

	for (i = 0; i < NR_ATC_BUCKETS; i++) {
		struct atc_entry **p = &dev->atc[i];

		while (*p) {
			if ((*p)->page >> shift == page >> shift)
				drop_at(dev, p);
			else
				p = &(*p)->next;
		}
	}
	return before - dev->nr_atc;
}

u64 atc_drop_all(struct iommu_device *dev)
{
	return atc_drop_pages(dev, 0, 63);
}

void iommu_device_set_ats(struct iommu *mmu, u32 logical_id, bool on,
			  bool aligned)
{
	struct iommu_device *dev = device_find(mmu, logical_id);

	if (!dev || !dev->there || dev->ats == on)
		return;
	log_debug("iommu: ATS of %s %s", dev->name, on ? "on" : "off");
	if (on && !(mmu->cfg.caps & CAP_ATS))
		violation("ATS of %s enabled, which the host does not offer",
			  dev->name);
	else if (on && (dev->state != DEVICE_ATTACHED ||
			dev->dom->kind == DOMAIN_BLOCKED))
		violation("ATS of %s enabled while nothing translates for it (%s)",
			  dev->name,
			  dev->state == DEVICE_ATTACHED ? "blocked" :
			  dev->state == DEVICE_DETACHED ? "detached" :
			  "unattached");
	if (on && !aligned && !mmu->cfg.ats_any)
		violation("ATS of %s enabled, although its requests are not page aligned",
			  dev->name);
	dev->ats = on;
	atc_drop_all(dev);
}
