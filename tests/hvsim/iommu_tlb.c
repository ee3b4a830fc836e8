// SPDX-License-Identifier: GPL-2.0
/*
 * The caches of the modelled IOMMU: one hash table of entries keyed by
 * (domain, kind, level, page), and a list of them per domain.
 *
 * Adversarial on purpose: an entry lives until the guest invalidates it, so
 * that every missing invalidation is seen. Memory is bounded by what the
 * guest lets devices touch between flushes; freed entries are kept for reuse,
 * and only an insertion allocates.
 *
 * Lock: that of the machine. Nothing sleeps.
 */
#include <stdlib.h>

#include "iommu_internal.h"

#define FIRST_BUCKETS 1024

static size_t hash_key(const struct tlb *tlb, u32 domain, enum tlb_kind kind,
		       unsigned level, u64 page)
{
	u64 h = page * 0x9e3779b97f4a7c15ULL;

	h ^= ((u64)domain << 8 | kind << 4 | level) * 0xc2b2ae3d27d4eb4fULL;
	h ^= h >> 29;
	return h & (tlb->nr_buckets - 1);
}

static size_t hash_entry(const struct tlb *tlb, const struct tlb_entry *e)
{
	return hash_key(tlb, e->dom->id, e->kind, e->level, e->page);
}

void tlb_init(struct tlb *tlb)
{
	tlb->nr_buckets = FIRST_BUCKETS;
	tlb->nr = 0;
	tlb->free = NULL;
	tlb->bucket = calloc(tlb->nr_buckets, sizeof(*tlb->bucket));
	if (!tlb->bucket)
		die("no memory for the IOTLB");
}

/* The caller dropped all domains before, so every entry is on the free list. */
void tlb_destroy(struct tlb *tlb)
{
	struct tlb_entry *e;

	while ((e = tlb->free)) {
		tlb->free = e->next;
		free(e);
	}
	free(tlb->bucket);
}

static void grow_table(struct tlb *tlb)
{
	struct tlb_entry **old = tlb->bucket;
	size_t i, nr_old = tlb->nr_buckets;

	tlb->nr_buckets *= 2;
	tlb->bucket = calloc(tlb->nr_buckets, sizeof(*tlb->bucket));
	if (!tlb->bucket)
		die("no memory for %zu IOTLB buckets", tlb->nr_buckets);
	for (i = 0; i < nr_old; i++) {
		struct tlb_entry *e;

		while ((e = old[i])) {
			size_t b = hash_entry(tlb, e);

			old[i] = e->next;
			e->next = tlb->bucket[b];
			tlb->bucket[b] = e;
		}
	}
	free(old);
}

static struct tlb_entry *take_entry(struct tlb *tlb)
{
	struct tlb_entry *e = tlb->free;

	if (e) {
		tlb->free = e->next;
		return e;
	}
	e = malloc(sizeof(*e));
	if (!e)
		die("no memory for an IOTLB entry");
	return e;
}

struct tlb_entry *tlb_find(struct tlb *tlb, const struct iommu_domain *dom,
			   enum tlb_kind kind, unsigned level, u64 iova)
{
	u64 page = iova >> level_shift(level);
	struct tlb_entry *e;

	e = tlb->bucket[hash_key(tlb, dom->id, kind, level, page)];
	while (e && (e->dom != dom || e->page != page || e->kind != kind ||
		     e->level != level))
		e = e->next;
	return e;
}

void tlb_insert(struct tlb *tlb, struct iommu_domain *dom, enum tlb_kind kind,
		unsigned level, u64 iova, u64 target, bool write)
{
	struct tlb_entry *e;
	size_t b;

	if (tlb->nr >= tlb->nr_buckets)
		grow_table(tlb);
	e = take_entry(tlb);
	e->dom = dom;
	e->kind = kind;
	e->level = level;
	e->page = iova >> level_shift(level);
	e->target = target;
	e->write = write;

	b = hash_entry(tlb, e);
	e->next = tlb->bucket[b];
	tlb->bucket[b] = e;
	tlb->nr++;

	e->dom_prev = NULL;
	e->dom_next = dom->cached;
	if (dom->cached)
		dom->cached->dom_prev = e;
	dom->cached = e;
	dom->nr_cached++;
	if (kind == TLB_LEAF)
		dom->nr_leaf[level]++;
}

static void drop_entry(struct tlb *tlb, struct tlb_entry *e)
{
	struct tlb_entry **p = &tlb->bucket[hash_entry(tlb, e)];
	struct iommu_domain *dom = e->dom;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	tlb->nr--;

	if (e->dom_prev)
		e->dom_prev->dom_next = e->dom_next;
	else
		dom->cached = e->dom_next;
	if (e->dom_next)
		e->dom_next->dom_prev = e->dom_prev;
	dom->nr_cached--;
	if (e->kind == TLB_LEAF)
		dom->nr_leaf[e->level]--;

	e->next = tlb->free;
	tlb->free = e;
}

u64 tlb_drop_domain(struct tlb *tlb, struct iommu_domain *dom)
{
	u64 n = 0;

	while (dom->cached) {
		drop_entry(tlb, dom->cached);
		n++;
	}
	return n;
}

static bool is_covered(const struct tlb_entry *e, u64 page, u64 nr)
{
	unsigned shift = level_shift(e->level) - 12;
	u64 first = e->page << shift;

	return first >= page && first + BIT_ULL(shift) <= page + nr;
}

/* Everything at @level inside the block, by key. */
static u64 drop_level(struct tlb *tlb, struct iommu_domain *dom, u64 page,
		      unsigned shift, bool tables, unsigned level)
{
	static const enum tlb_kind kinds[] = {
		TLB_LEAF, TLB_TABLE, TLB_NEGATIVE
	};
	unsigned below = level_shift(level) - 12;
	u64 k, n = 0;
	size_t i;

	for (k = 0; k < BIT_ULL(shift - below); k++) {
		u64 iova = (page + (k << below)) << 12;

		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			struct tlb_entry *e;

			if (kinds[i] == TLB_TABLE && !tables)
				continue;
			e = tlb_find(tlb, dom, kinds[i], level, iova);
			if (e) {
				drop_entry(tlb, e);
				n++;
			}
		}
	}
	return n;
}

u64 tlb_drop_pages(struct tlb *tlb, struct iommu_domain *dom, u64 page,
		   unsigned shift, bool tables)
{
	struct tlb_entry *e, *next;
	unsigned level;
	u64 n = 0;

	/* A small block is looked up; for a large one the list is shorter. */
	if (BIT_ULL(shift) <= dom->nr_cached) {
		for (level = 1; level <= MAX_LEVELS; level++)
			if (level_shift(level) - 12 <= shift)
				n += drop_level(tlb, dom, page, shift, tables,
						level);
		return n;
	}

	for (e = dom->cached; e; e = next) {
		next = e->dom_next;
		if ((e->kind != TLB_TABLE || tables) &&
		    is_covered(e, page, BIT_ULL(shift))) {
			drop_entry(tlb, e);
			n++;
		}
	}
	return n;
}
