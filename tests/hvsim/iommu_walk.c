// SPDX-License-Identifier: GPL-2.0
/*
 * Stage-1 walks: x86-64 tables of 4 or 5 levels in guest memory, and the
 * referee of what the guest does with them.
 *
 * Two walks are made of every access: the one that hardware would make,
 * through the caches, and a fresh one from the root. Where they differ, the
 * guest left out an invalidation. Every entry that is read is also checked to
 * be one that the guest can have meant: the pages of a table that was freed
 * too early hold something else soon. Only the tables of a kernel that is gone
 * (kexec) may, if the test has said so: such a domain is forgiven.
 *
 * Lock: that of the machine. The guest's processors run all the same, so an
 * entry is read once, as 8 bytes.
 */
#include "iommu_internal.h"

#define PTE_P BIT_ULL(0)
#define PTE_W BIT_ULL(1)
#define PTE_U BIT_ULL(2)
#define PTE_A BIT_ULL(5)
#define PTE_D BIT_ULL(6)
#define PTE_PS BIT_ULL(7)
#define PTE_ADDR 0x000ffffffffff000ULL
#define PTE_XD BIT_ULL(63)
#define PTE_KNOWN (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_PS | PTE_ADDR)

/* Tables looked at when a domain is deleted: 32 GiB mapped by 4 KiB pages. */
#define MAX_TREE_TABLES 16384

struct walk {
	enum iommu_fault fault;
	unsigned level;			/* where it ended */
	u64 entry[MAX_LEVELS + 1];	/* of the levels read, [level..top] */
	bool write[MAX_LEVELS + 1];	/* rights up to and with that entry */
	u64 base;			/* fault == 0: output of the leaf */
};

static bool is_leaf(u64 entry, unsigned level)
{
	return level == 1 || (entry & PTE_PS);
}

static u64 output_of(u64 iova, u64 base, unsigned level)
{
	return base | (iova & (BIT_ULL(level_shift(level)) - 1));
}

/*
 * What hardware makes of an entry. *@why is set if no entry written by a
 * correct guest looks like this.
 */
static enum iommu_fault judge_entry(const struct iommu *mmu,
				    const struct iommu_domain *dom, u64 entry,
				    unsigned level, const char **why)
{
	u64 size = HV_PAGE_SIZE;

	*why = NULL;
	if (!(entry & PTE_P)) {
		if (entry)
			*why = "not present but not zero";
		return IOMMU_FAULT_NOT_PRESENT;
	}
	if (entry & PTE_XD) {
		*why = "bit 63 set";
		return IOMMU_FAULT_RESERVED;
	}
	if (level == 1) {
		/* Bit 7 is PAT here: it changes no translation. */
		if (entry & PTE_PS)
			*why = "bit 7 set in a 4 KiB leaf";
	} else if (entry & PTE_PS) {
		size = BIT_ULL(level_shift(level));
		if (level > MAX_LEAF_LEVEL) {
			*why = "page size bit above level 3";
			return IOMMU_FAULT_RESERVED;
		}
		if (!(dom->pgsizes & size)) {
			*why = "page size that the host does not offer";
			return IOMMU_FAULT_RESERVED;
		}
		if (entry & PTE_ADDR & (size - 1)) {
			*why = "large page not aligned";
			return IOMMU_FAULT_RESERVED;
		}
	}
	if (entry & ~PTE_KNOWN)
		*why = "bits set that no entry uses";
	if (!(entry & PTE_U)) {
		*why = "user bit clear";
		return IOMMU_FAULT_USER;
	}
	if (!mem_ptr(mmu->mem, entry & PTE_ADDR, size)) {
		*why = "address outside guest memory";
		return IOMMU_FAULT_OUTPUT;
	}
	return IOMMU_OK;
}

static void report_garbage(const struct iommu_domain *dom, u64 table,
			   unsigned level, unsigned index, u64 entry,
			   const char *why)
{
	if (dom->forgiven)
		return;
	violation("table page 0x%lx (level %u) holds garbage while the domain exists: domain %u, entry %u is 0x%lx: %s",
		  table, level, dom->id, index, entry, why);
}

/* @table is in guest memory. */
static u64 read_entry(const struct iommu *mmu, u64 table, unsigned index)
{
	u64 *p = mem_ptr(mmu->mem, table + index * 8, 8);

	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* From @table, whose entries are of @level, with the rights so far. */
static void walk_from(const struct iommu *mmu, const struct iommu_domain *dom,
		      u64 iova, u64 table, unsigned level, bool write,
		      struct walk *w)
{
	for (;; level--) {
		unsigned index = (iova >> level_shift(level)) &
				 (TABLE_ENTRIES - 1);
		u64 entry = read_entry(mmu, table, index);
		const char *why;

		write = write && (entry & PTE_W);
		w->level = level;
		w->entry[level] = entry;
		w->write[level] = write;
		w->fault = judge_entry(mmu, dom, entry, level, &why);
		if (why)
			report_garbage(dom, table, level, index, entry, why);
		if (w->fault)
			return;
		table = entry & PTE_ADDR;
		if (is_leaf(entry, level)) {
			w->base = table;
			return;
		}
	}
}

static void walk_root(const struct iommu *mmu, const struct iommu_domain *dom,
		      u64 iova, struct walk *w)
{
	walk_from(mmu, dom, iova, dom->root, dom->levels, true, w);
}

/* True if all entries are sane; reports the first that is not. */
static bool check_table(const struct iommu *mmu,
			const struct iommu_domain *dom, u64 table,
			unsigned level)
{
	const char *why;
	unsigned i;

	for (i = 0; i < TABLE_ENTRIES; i++) {
		u64 entry = read_entry(mmu, table, i);

		if (!entry)
			continue;
		judge_entry(mmu, dom, entry, level, &why);
		if (why) {
			report_garbage(dom, table, level, i, entry, why);
			return false;
		}
	}
	return true;
}

void walk_check_path(struct iommu *mmu, struct iommu_domain *dom, u64 iova)
{
	struct walk w;

	walk_root(mmu, dom, iova, &w);
}

void walk_check_root(struct iommu *mmu, struct iommu_domain *dom)
{
	check_table(mmu, dom, dom->root, dom->levels);
}

static bool is_msi_leaf(u64 iova, unsigned level)
{
	u64 last = iova + BIT_ULL(level_shift(level)) - 1;

	return iova <= MSI_WINDOW_END && last >= MSI_WINDOW_START;
}

/* Depth first; false ends it: something is wrong, or the bound is reached. */
static bool check_subtree(const struct iommu *mmu,
			  const struct iommu_domain *dom, u64 table,
			  unsigned level, u64 iova, unsigned *left)
{
	unsigned i;

	if (!(*left)--)
		return false;
	if (!check_table(mmu, dom, table, level))
		return false;
	for (i = 0; i < TABLE_ENTRIES; i++) {
		u64 entry = read_entry(mmu, table, i);
		u64 at = iova | (u64)i << level_shift(level);
		const char *why;

		/* A processor may have changed it since it was checked. */
		if (judge_entry(mmu, dom, entry, level, &why))
			continue;
		if (!is_leaf(entry, level)) {
			if (!check_subtree(mmu, dom, entry & PTE_ADDR,
					   level - 1, at, left))
				return false;
		} else if (is_msi_leaf(at, level)) {
			violation("domain %u maps IOVA 0x%lx inside the MSI window",
				  dom->id, at);
			return false;
		}
	}
	return true;
}

void walk_check_tree(struct iommu *mmu, struct iommu_domain *dom)
{
	unsigned left = MAX_TREE_TABLES;

	if (dom->forgiven)
		return;
	check_subtree(mmu, dom, dom->root, dom->levels, 0, &left);
}

/* The guest's unmap is not followed by an invalidation yet. */
static void note_stale(struct iommu *mmu, const struct iommu_device *dev,
		       const struct iommu_domain *dom, u64 iova,
		       const char *cache)
{
	mmu->nr_stale++;
	if (!mmu->cfg.allow_stale && !dom->forgiven)
		violation("stale window: device %s used IOVA 0x%lx of domain %u through the %s after it was unmapped",
			  dev->name, iova, dom->id, cache);
}

/* A translation that @cache (IOTLB, ATC) has is used. */
static void judge_hit(struct iommu *mmu, const struct iommu_device *dev,
		      const struct iommu_domain *dom, u64 iova,
		      const struct tlb_entry *e, const struct walk *fresh,
		      const char *cache)
{
	u64 cached = output_of(iova, e->target, e->level);

	if (dom->forgiven)
		return;
	if (fresh->fault == IOMMU_FAULT_NOT_PRESENT) {
		note_stale(mmu, dev, dom, iova, cache);
	} else if (fresh->fault) {
		violation("stale %s entry used: device %s domain %u IOVA 0x%lx: cached 0x%lx, a walk now faults (%s)",
			  cache, dev->name, dom->id, iova, cached,
			  iommu_fault_name(fresh->fault));
	} else {
		u64 now = output_of(iova, fresh->base, fresh->level);
		bool write = fresh->write[fresh->level];

		if (now != cached || write != e->write)
			violation("stale %s entry used: device %s domain %u IOVA 0x%lx: cached 0x%lx (%s), in memory 0x%lx (%s)",
				  cache, dev->name, dom->id, iova, cached,
				  e->write ? "rw" : "ro", now,
				  write ? "rw" : "ro");
	}
}

/*
 * A cached non-leaf entry against memory. Returns true if its table is no
 * longer linked there: then only the old table answers, as long as the guest
 * keeps it.
 */
static bool judge_table(struct iommu *mmu, const struct iommu_device *dev,
			const struct iommu_domain *dom, u64 iova,
			const struct tlb_entry *e, const struct walk *fresh)
{
	bool gone, same = false;
	u64 now = 0;

	if (fresh->level > e->level) {
		/* The fresh walk ended above: a hole, or a large page. */
		gone = fresh->fault != IOMMU_OK;
		now = fresh->entry[fresh->level];
	} else {
		now = fresh->entry[e->level];
		gone = !(now & PTE_P);
		same = !is_leaf(now, e->level) &&
		       (now & PTE_ADDR) == e->target &&
		       fresh->write[e->level] == e->write;
	}
	if (gone) {
		check_table(mmu, dom, e->target, e->level - 1);
		return true;
	}
	if (!same && !dom->forgiven)
		violation("stale page-walk cache entry used: device %s domain %u IOVA 0x%lx: level %u table 0x%lx cached, entry in memory 0x%lx",
			  dev->name, dom->id, iova, e->level, e->target, now);
	return false;
}

/*
 * Walks as hardware does after an IOTLB miss: from the deepest non-leaf entry
 * it has cached. It may have used any of them, so all are judged.
 */
static bool walk_cached(struct iommu *mmu, const struct iommu_device *dev,
			const struct iommu_domain *dom, u64 iova,
			const struct walk *fresh, struct walk *w)
{
	const struct tlb_entry *deepest = NULL;
	bool gone = false;
	unsigned level;

	for (level = 2; level <= dom->levels; level++) {
		const struct tlb_entry *e;
		bool unlinked;

		e = tlb_find(&mmu->tlb, dom, TLB_TABLE, level, iova);
		if (!e)
			continue;
		unlinked = judge_table(mmu, dev, dom, iova, e, fresh);
		if (!deepest) {
			deepest = e;
			gone = unlinked;
		}
	}
	if (deepest)
		walk_from(mmu, dom, iova, deepest->target, deepest->level - 1,
			  deepest->write, w);
	else
		*w = *fresh;
	return gone;
}

/* Keeps every non-leaf entry that @w read. @top: the first level it read. */
static void cache_tables(struct iommu *mmu, struct iommu_domain *dom, u64 iova,
			 const struct walk *w, unsigned top)
{
	unsigned last = w->fault ? w->level + 1 : w->level;
	unsigned level;

	if (last < 2)
		last = 2;
	for (level = top; level >= last; level--)
		if (!is_leaf(w->entry[level], level) &&
		    !tlb_find(&mmu->tlb, dom, TLB_TABLE, level, iova))
			tlb_insert(&mmu->tlb, dom, TLB_TABLE, level, iova,
				   w->entry[level] & PTE_ADDR,
				   w->write[level]);
}

static unsigned deepest_table(struct iommu *mmu,
			      const struct iommu_domain *dom, u64 iova)
{
	unsigned level;

	for (level = 2; level <= dom->levels; level++)
		if (tlb_find(&mmu->tlb, dom, TLB_TABLE, level, iova))
			return level;
	return dom->levels + 1;
}

static enum iommu_fault fill(struct iommu *mmu, struct iommu_device *dev,
			     struct iommu_domain *dom, u64 iova,
			     enum iommu_op op, const struct walk *fresh,
			     struct walk *w)
{
	unsigned top = deepest_table(mmu, dom, iova) - 1;
	u64 wanted = PTE_A | (op == IOMMU_READ ? 0 : PTE_D);

	if (walk_cached(mmu, dev, dom, iova, fresh, w) && !w->fault)
		note_stale(mmu, dev, dom, iova, "page-walk cache");
	cache_tables(mmu, dom, iova, w, top);
	if (w->fault) {
		if (w->fault == IOMMU_FAULT_NOT_PRESENT && mmu->cfg.neg_cache)
			tlb_insert(&mmu->tlb, dom, TLB_NEGATIVE, 1, iova, 0,
				   false);
		return w->fault;
	}
	if ((w->entry[w->level] & wanted) != wanted)
		mmu->nr_ad_missing++;
	tlb_insert(&mmu->tlb, dom, TLB_LEAF, w->level, iova, w->base,
		   w->write[w->level]);
	return IOMMU_OK;
}

/* Like hardware that is short of room: some of what the access would hit. */
static void evict_some(struct iommu *mmu, struct iommu_domain *dom, u64 iova)
{
	u64 r = mmu->random ? mmu->random : mmu->cfg.evict;
	unsigned shift;

	/* xorshift64 */
	r ^= r << 13;
	r ^= r >> 7;
	r ^= r << 17;
	mmu->random = r;
	if (r >> 60 & 1)
		return;
	/* 4K, 2M, 1G, 512G around it, with the tables or without. */
	shift = 9 * (r >> 56 & 3);
	tlb_drop_pages(&mmu->tlb, dom, iova >> 12 >> shift << shift, shift,
		       r >> 55 & 1);
}

void walk_judge_atc(struct iommu *mmu, struct iommu_device *dev, u64 iova,
		    u64 target, bool write)
{
	const struct tlb_entry e = {
		.target = target, .level = 1, .write = write,
	};
	struct walk fresh;

	walk_root(mmu, dev->dom, iova, &fresh);
	judge_hit(mmu, dev, dev->dom, iova, &e, &fresh, "ATC");
}

enum iommu_fault walk_translate(struct iommu *mmu, struct iommu_device *dev,
				struct iommu_domain *dom, u64 iova,
				enum iommu_op op, u64 *gpa, bool *writable)
{
	const struct tlb_entry *hit = NULL;
	struct walk fresh, w;
	enum iommu_fault f;
	unsigned level;
	bool write;

	if (iova >> dom->limit_bits)
		return IOMMU_FAULT_RANGE;
	if (mmu->cfg.evict)
		evict_some(mmu, dom, iova);
	walk_root(mmu, dom, iova, &fresh);

	/* Sizes can overlap after a change: hardware may hit any of them. */
	for (level = 1; level <= MAX_LEAF_LEVEL; level++) {
		const struct tlb_entry *e;

		if (!dom->nr_leaf[level])
			continue;
		e = tlb_find(&mmu->tlb, dom, TLB_LEAF, level, iova);
		if (!e)
			continue;
		judge_hit(mmu, dev, dom, iova, e, &fresh, "IOTLB");
		if (!hit)
			hit = e;
	}

	if (hit) {
		mmu->nr_hits++;
		*gpa = output_of(iova, hit->target, hit->level);
		write = hit->write;
	} else {
		if (mmu->cfg.neg_cache &&
		    tlb_find(&mmu->tlb, dom, TLB_NEGATIVE, 1, iova))
			return IOMMU_FAULT_NOT_PRESENT;
		mmu->nr_misses++;
		f = fill(mmu, dev, dom, iova, op, &fresh, &w);
		if (f)
			return f;
		*gpa = output_of(iova, w.base, w.level);
		write = w.write[w.level];
	}
	if (op != IOMMU_READ && !write)
		return IOMMU_FAULT_WRITE_RO;
	*writable = write;
	return IOMMU_OK;
}
