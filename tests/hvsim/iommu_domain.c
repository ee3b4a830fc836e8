// SPDX-License-Identifier: GPL-2.0
/*
 * Device domains of the modelled host: a hash table by id, their life cycle
 * and their flushes.
 *
 * Lock: that of the machine. Nothing sleeps.
 */
#include <stdlib.h>

#include "iommu_internal.h"

const char *domain_kind_name(enum domain_kind kind)
{
	static const char * const name[] = {
		[DOMAIN_CREATED] = "created",
		[DOMAIN_PAGING] = "paging",
		[DOMAIN_IDENTITY] = "identity",
		[DOMAIN_BLOCKED] = "blocked",
	};

	return name[kind];
}

struct iommu_domain *domain_find(struct iommu *mmu, u32 id)
{
	struct iommu_domain *dom = mmu->domains[id % NR_DOMAIN_BUCKETS];

	while (dom && dom->id != id)
		dom = dom->next;
	return dom;
}

void domain_create(struct iommu *mmu, u32 id)
{
	struct iommu_domain **bucket = &mmu->domains[id % NR_DOMAIN_BUCKETS];
	struct iommu_domain *dom = calloc(1, sizeof(*dom));

	if (!dom)
		die("no memory for domain %u", id);
	dom->id = id;
	dom->serial = ++mmu->nr_created;
	dom->kind = DOMAIN_CREATED;
	dom->next = *bucket;
	*bucket = dom;
	mmu->nr_domains++;
}

void domain_delete(struct iommu *mmu, struct iommu_domain *dom)
{
	struct iommu_domain **p = &mmu->domains[dom->id % NR_DOMAIN_BUCKETS];

	tlb_drop_domain(&mmu->tlb, dom);
	while (*p != dom)
		p = &(*p)->next;
	*p = dom->next;
	mmu->nr_domains--;
	free(dom);
}

void domain_configure_static(struct iommu *mmu, struct iommu_domain *dom,
			     enum domain_kind kind)
{
	tlb_drop_domain(&mmu->tlb, dom);
	dom->forgiven = false;
	dom->kind = kind;
	dom->levels = 0;
	dom->root = 0;
}

static unsigned min_bits(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

void domain_configure_paging(struct iommu *mmu, struct iommu_domain *dom,
			     unsigned levels, u64 root)
{
	unsigned decoded = level_shift(levels) + 9;

	tlb_drop_domain(&mmu->tlb, dom);
	dom->forgiven = false;
	dom->kind = DOMAIN_PAGING;
	dom->levels = levels;
	dom->root = root;
	dom->pgsizes = mmu->cfg.pgsizes;
	dom->bits = min_bits(mmu->cfg.width, decoded);
	dom->limit_bits = dom->bits;
	/* The upper half would need sign extension: VT-d first stage. */
	if (mmu->cfg.canonical)
		dom->limit_bits = min_bits(dom->bits, decoded - 1);
}

static void count_dropped(struct flush_stats *s, u64 dropped)
{
	s->dropped += dropped;
	if (!dropped)
		s->redundant++;
}

/*
 * Of the devices in the domain now: the host sends them the invalidation, by
 * address, and they drop whatever they have there.
 */
static u64 flush_devices(struct iommu *mmu, struct iommu_domain *dom, u64 page,
			 unsigned shift)
{
	struct iommu_device *dev;
	u64 dropped = 0;

	for (dev = mmu->devices; dev; dev = dev->next)
		if (dev->dom == dom)
			dropped += atc_drop_pages(dev, page, shift);
	return dropped;
}

void domain_flush_all(struct iommu *mmu, struct iommu_domain *dom)
{
	u64 dropped = tlb_drop_domain(&mmu->tlb, dom);

	dropped += flush_devices(mmu, dom, 0, 63);

	dom->flush.full++;
	mmu->flush.full++;
	count_dropped(&dom->flush, dropped);
	count_dropped(&mmu->flush, dropped);
}

static void count_block(struct flush_stats *s, unsigned shift, bool full)
{
	s->entries++;
	s->pages += BIT_ULL(shift);
	s->full += full;
}

void domain_flush_pages(struct iommu *mmu, struct iommu_domain *dom, u64 page,
			unsigned shift)
{
	u64 dropped = tlb_drop_pages(&mmu->tlb, dom, page, shift,
				     mmu->cfg.list_walk);
	/* Alignment leaves block 0 as the only one that can be everything. */
	bool full = !page && shift + 12 >= dom->limit_bits;

	dropped += flush_devices(mmu, dom, page, shift);
	count_block(&dom->flush, shift, full);
	count_block(&mmu->flush, shift, full);
	count_dropped(&dom->flush, dropped);
	count_dropped(&mmu->flush, dropped);
}
