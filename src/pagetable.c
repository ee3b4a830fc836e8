// SPDX-License-Identifier: GPL-2.0
/*
 * Stage-1 I/O page table in x86-64 CPU format.
 *
 * Owns the table pages of one domain: those reachable from the root, and the
 * retired ones, which the host may still walk until a whole-domain flush.
 *
 * No locks. The IOMMU core never works on one IOVA range from two sides, so a
 * leaf and a table wholly inside a range belong to its caller alone: plain
 * stores are enough, and such a table can be unlinked. Only tables that
 * several ranges share are raced for; they are installed with cmpxchg and
 * stay. A look-up is bound by the same rule. Nothing here sleeps but the page
 * allocator, and that only if the gfp given allows it, and hvp_pt_next_run().
 *
 * hvp_pt_next_run() alone goes where others map and unmap. It finds what is
 * there at some moment or other. A table it is in must not be freed, though,
 * and that is what the count of readers is for: see hvp_pt_retired_free().
 *
 * Entries are what Intel and AMD walkers need with the fewest writes of their
 * own: accessed and dirty pre-set, so that no walker updates them with an
 * atomic; user set, because first-stage walks run as user; execute-disable
 * left clear, since it is a reserved bit where not enabled. Walks of the host
 * are assumed coherent with the guest's caches.
 */
#include "pagetable.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)
#define PTE_LARGE	BIT_ULL(7)	/* levels 1 and 2 only */
#define PTE_ADDR	GENMASK_ULL(51, 12)

#define PTE_LEAF	(PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define PTE_TABLE	(PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_WRITE)

#define LEAF_SHIFT	12
#define LEVEL_BITS	9
#define TABLE_ENTRIES	BIT(LEVEL_BITS)
#define PADDR_LAST	GENMASK_ULL(51, 0)
#define PGSIZES		(BIT_ULL(12) | BIT_ULL(21) | BIT_ULL(30))

/* What is still to be mapped, moved on leaf by leaf. */
struct map_job {
	u64 iova;
	u64 paddr;
	u64 flags;
	unsigned int max_shift;
	gfp_t gfp;
};

/* Levels count from 0, the table of the 4 KiB leaves. */
static unsigned int level_shift(unsigned int level)
{
	return LEAF_SHIFT + level * LEVEL_BITS;
}

static u64 level_mask(unsigned int level)
{
	return BIT_ULL(level_shift(level)) - 1;
}

static u64 *level_slot(u64 *table, unsigned int level, u64 iova)
{
	return &table[(iova >> level_shift(level)) & (TABLE_ENTRIES - 1)];
}

static bool pte_is_leaf(u64 pte, unsigned int level)
{
	return !level || (pte & PTE_LARGE);
}

static u64 *pte_table(u64 pte)
{
	return phys_to_virt(pte & PTE_ADDR);
}

static u64 *alloc_table(struct hvp_pt *pt, gfp_t gfp)
{
	struct page *page;

	page = alloc_pages_node(pt->nid, gfp | __GFP_ZERO, 0);
	if (!page)
		return NULL;
	atomic_long_inc(&pt->nr_tables);
	return page_address(page);
}

static void free_table(struct hvp_pt *pt, u64 *table)
{
	atomic_long_dec(&pt->nr_tables);
	__free_page(virt_to_page(table));
}

static void retire_table(struct hvp_pt *pt, u64 *table)
{
	llist_add(hvp_page_node(virt_to_page(table)), &pt->retired);
}

/*
 * Puts a table to an empty slot, or leaves there what another caller was
 * faster to put: the slot has to be read again either way.
 */
static int install_table(struct hvp_pt *pt, u64 *slot, gfp_t gfp)
{
	u64 *table = alloc_table(pt, gfp);

	if (!table)
		return -ENOMEM;
	/* release: the zeroes are visible before the table can be reached */
	if (cmpxchg_release(slot, 0, virt_to_phys(table) | PTE_TABLE))
		free_table(pt, table);
	return 0;
}

/* Maps from job->iova to @end, all of it below @table. */
static int map_range(struct hvp_pt *pt, u64 *table, unsigned int level,
		     struct map_job *job, u64 end)
{
	unsigned int shift = level_shift(level);
	u64 size = BIT_ULL(shift);
	bool leaf = shift <= job->max_shift && (pt->pgsizes & size);
	u64 flags = job->flags | (level ? PTE_LARGE : 0);
	u64 *slot = level_slot(table, level, job->iova);
	int ret;

	while (job->iova <= end) {
		u64 pte = READ_ONCE(*slot);

		if ((pte & PTE_PRESENT) && pte_is_leaf(pte, level))
			return -EADDRINUSE;

		if (leaf && !(pte & PTE_PRESENT)) {
			WRITE_ONCE(*slot, job->paddr | flags);
			job->iova += size;
			job->paddr += size;
			slot++;
			continue;
		}

		if (!(pte & PTE_PRESENT)) {
			ret = install_table(pt, slot, job->gfp);
			if (ret)
				return ret;
			continue;
		}

		ret = map_range(pt, pte_table(pte), level - 1, job,
				min(end, job->iova | level_mask(level)));
		if (ret)
			return ret;
		slot++;
	}
	return 0;
}

/*
 * Clears from @iova to @end, all of it below @table, up to the first hole.
 * Returns the address after the last one cleared. Leaves of a table that is
 * going to be retired are cleared, too: what the host has not cached yet
 * must not be reachable any more, even if the flush comes late.
 */
static u64 unmap_range(struct hvp_pt *pt, u64 *table, unsigned int level,
		       u64 iova, u64 end, bool *retired)
{
	u64 *slot = level_slot(table, level, iova);

	for (; iova <= end; slot++) {
		u64 first = iova & ~level_mask(level);
		u64 last = iova | level_mask(level);
		u64 pte = READ_ONCE(*slot);
		u64 stop = min(last, end);
		u64 next;

		if (!(pte & PTE_PRESENT))
			break;

		if (pte_is_leaf(pte, level)) {
			WRITE_ONCE(*slot, 0);
			if (first < iova)
				*retired = true;
			iova = last + 1;
			continue;
		}

		next = unmap_range(pt, pte_table(pte), level - 1, iova, stop,
				   retired);
		if (next > stop && first == iova && last == stop) {
			WRITE_ONCE(*slot, 0);
			retire_table(pt, pte_table(pte));
			*retired = true;
		}
		iova = next;
		if (iova <= stop)
			break;
	}
	return iova;
}

static void free_tables(struct hvp_pt *pt, u64 *table, unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < TABLE_ENTRIES; i++) {
		u64 pte = READ_ONCE(table[i]);

		if ((pte & PTE_PRESENT) && !pte_is_leaf(pte, level))
			free_tables(pt, pte_table(pte), level - 1);
	}
	free_table(pt, table);
}

/**
 * hvp_pt_init() - set up an empty table
 * @pt: to be filled in; what it held is lost
 * @levels: 4 or 5, as CONFIGURE will tell the host
 * @iova_bits: size of the aperture, 13..47 with 4 levels, 13..56 with 5. Not
 *	       48 and 57: only the lower canonical half is safe on hosts of
 *	       both vendors.
 * @pgsizes: leaf sizes the host offers; other bits than 4K/2M/1G are dropped
 * @nid: NUMA node for the tables, or NUMA_NO_NODE
 * @gfp: for the root; no zone modifiers
 *
 * Context: may sleep if @gfp allows it.
 * Return: 0; -EINVAL without 4K in @pgsizes, if @levels or @iova_bits are out
 * of range; -ENOMEM. After an error hvp_pt_destroy() is allowed, not needed.
 */
int hvp_pt_init(struct hvp_pt *pt, unsigned int levels,
		unsigned int iova_bits, u64 pgsizes, int nid, gfp_t gfp)
{
	pt->root = NULL;
	pt->levels = levels;
	pt->pgsizes = pgsizes & PGSIZES;
	pt->nid = nid;
	init_llist_head(&pt->retired);
	atomic_long_set(&pt->nr_tables, 0);
	atomic_long_set(&pt->readers, 0);

	if (levels != 4 && levels != 5)
		return -EINVAL;
	if (iova_bits < 13 || iova_bits > (levels == 4 ? 47 : 56))
		return -EINVAL;
	if (!(pgsizes & BIT_ULL(LEAF_SHIFT)))
		return -EINVAL;

	pt->last = BIT_ULL(iova_bits) - 1;
	pt->root = alloc_table(pt, gfp);
	return pt->root ? 0 : -ENOMEM;
}

/**
 * hvp_pt_destroy() - free all tables, retired ones included
 * @pt: the host can no longer walk it (its domain was deleted), and nobody
 *	else uses it
 *
 * Context: any; does not sleep.
 */
void hvp_pt_destroy(struct hvp_pt *pt)
{
	hvp_pt_retired_free(pt, hvp_pt_retired_take(pt));
	if (pt->root)
		free_tables(pt, pt->root, pt->levels - 1);
	pt->root = NULL;
}

/**
 * hvp_pt_map() - map @count leaves of @pgsize
 * @pt: table
 * @iova: first address, aligned to @pgsize
 * @paddr: guest physical address it translates to, aligned to @pgsize
 * @pgsize: one of the sizes in @pt->pgsizes
 * @count: number of leaves
 * @prot: HVP_PT_PROT_*
 * @gfp: for tables; no zone modifiers
 * @mapped: set to the bytes mapped, exact also on error
 *
 * Where a table stands in the place of a large leaf, the leaf is written as
 * smaller ones below it: to replace the table would take a flush. What was
 * mapped before an error stays; the core unmaps it. No flush is needed, as
 * hosts do not cache entries that are not present.
 *
 * Context: any, with interrupts off too; may sleep if @gfp allows it. The
 * range belongs to the caller.
 * Return: 0; -EINVAL (alignment, size not in use), -ERANGE (beyond the
 * aperture, or @paddr beyond 52 bits), both with nothing mapped; -EADDRINUSE
 * (something is mapped there, and is left as it is); -ENOMEM.
 */
int hvp_pt_map(struct hvp_pt *pt, u64 iova, u64 paddr, size_t pgsize,
	       size_t count, unsigned int prot, gfp_t gfp, size_t *mapped)
{
	struct map_job job = {
		.iova = iova,
		.paddr = paddr,
		.flags = PTE_LEAF,
		.gfp = gfp,
	};
	u64 size;
	int ret;

	*mapped = 0;
	if (!is_power_of_2(pgsize) || !(pt->pgsizes & pgsize))
		return -EINVAL;
	if ((iova | paddr) & (pgsize - 1))
		return -EINVAL;
	if (!count)
		return 0;
	if (check_mul_overflow((u64)pgsize, (u64)count, &size))
		return -ERANGE;
	if (iova > pt->last || size - 1 > pt->last - iova)
		return -ERANGE;
	if (paddr > PADDR_LAST || size - 1 > PADDR_LAST - paddr)
		return -ERANGE;

	if (prot & HVP_PT_PROT_WRITE)
		job.flags |= PTE_WRITE | PTE_DIRTY;
	job.max_shift = ilog2(pgsize);

	ret = map_range(pt, pt->root, pt->levels - 1, &job, iova + size - 1);
	*mapped = job.iova - iova;
	return ret;
}

/**
 * hvp_pt_unmap() - unmap a range up to its first hole
 * @pt: table
 * @iova: first address, aligned to 4 KiB
 * @size: bytes, a multiple of 4 KiB
 * @retired: set to whether the caller owes a whole-domain flush: tables were
 *	     retired, or a large leaf was removed that begins below @iova
 *
 * Nothing behind the hole is touched, so the bytes returned are also the
 * range to flush. The core stops at a return of 0, which is what it gets when
 * it goes on at the hole. A large leaf that is only partly inside goes as a
 * whole and counts to its end: the return may exceed @size, and is what to
 * flush.
 *
 * Tables wholly inside the range are unlinked once all below them is gone,
 * and kept for hvp_pt_retired_take(). Smaller unmaps leave empty tables, to
 * be used again.
 *
 * Context: any, with interrupts off too; does not sleep. The range belongs to
 * the caller.
 * Return: bytes from @iova on that are no longer mapped; 0 if there is
 * nothing at @iova, or it or @size is not aligned.
 */
size_t hvp_pt_unmap(struct hvp_pt *pt, u64 iova, size_t size, bool *retired)
{
	u64 end;

	*retired = false;
	if (!size || (iova | size) & level_mask(0) || iova > pt->last)
		return 0;
	end = size - 1 > pt->last - iova ? pt->last : iova + size - 1;
	return unmap_range(pt, pt->root, pt->levels - 1, iova, end, retired) -
	       iova;
}

/**
 * hvp_pt_lookup() - translate one address
 * @pt: table
 * @iova: any address
 * @size: set to the leaf size, 0 if nothing is mapped there; may be NULL
 * @prot: set to HVP_PT_PROT_* of the leaf, 0 without one; may be NULL
 *
 * Context: any; does not sleep. Nobody may unmap @iova meanwhile, as a table
 * on the way could be retired and freed.
 * Return: the physical address, or 0, which is also a valid one: @size tells.
 */
u64 hvp_pt_lookup(const struct hvp_pt *pt, u64 iova, size_t *size,
		  unsigned int *prot)
{
	unsigned int level = pt->levels;
	u64 *table = pt->root;
	u64 pte = 0;

	if (size)
		*size = 0;
	if (prot)
		*prot = 0;
	if (iova > pt->last)
		return 0;

	do {
		level--;
		pte = READ_ONCE(*level_slot(table, level, iova));
		if (!(pte & PTE_PRESENT))
			return 0;
		table = pte_table(pte);
	} while (!pte_is_leaf(pte, level));

	if (size)
		*size = BIT_ULL(level_shift(level));
	if (prot && (pte & PTE_WRITE))
		*prot = HVP_PT_PROT_WRITE;
	return (pte & PTE_ADDR & ~level_mask(level)) |
	       (iova & level_mask(level));
}

/* Adds @more to a run that it continues, or that is none yet. */
static bool extend_run(struct hvp_pt_run *run, const struct hvp_pt_run *more)
{
	if (!run->size) {
		*run = *more;
		return true;
	}
	if (more->iova != run->iova + run->size ||
	    more->paddr != run->paddr + run->size || more->prot != run->prot)
		return false;
	run->size += more->size;
	return true;
}

/*
 * The first run at or after @iova, as far as it and the holes before it are in
 * one table. Returns where to go on: behind the run if there is one, else
 * behind the table.
 */
static u64 find_run(const struct hvp_pt *pt, u64 iova, struct hvp_pt_run *run)
{
	unsigned int level = pt->levels - 1;
	u64 *table = pt->root;

	run->size = 0;
	for (;;) {
		u64 pte = READ_ONCE(*level_slot(table, level, iova));
		u64 offset = iova & level_mask(level);
		struct hvp_pt_run leaf = {
			.iova = iova,
			.paddr = (pte & PTE_ADDR & ~level_mask(level)) + offset,
			.size = level_mask(level) + 1 - offset,
			.prot = pte & PTE_WRITE ? HVP_PT_PROT_WRITE : 0,
		};

		if ((pte & PTE_PRESENT) && !pte_is_leaf(pte, level)) {
			if (run->size)
				break;
			table = pte_table(pte);
			level--;
			continue;
		}
		if (pte & PTE_PRESENT ? !extend_run(run, &leaf) : run->size)
			break;
		iova += leaf.size;
		if (!(iova & level_mask(level + 1)))
			break;
	}
	return iova;
}

/**
 * hvp_pt_next_run() - find what is mapped at or after an address
 * @pt: table; not to be destroyed meanwhile
 * @from: any address
 * @run: set to the longest run that begins there or is the next one; leaves
 *	 of any size are joined if they have the same rights and follow each
 *	 other in memory as well
 *
 * Others may map and unmap meanwhile: each leaf of the run was there at some
 * moment, not all of them at the same one.
 *
 * Context: process; may sleep, in between tables and not within one.
 * Return: false if there is none.
 */
bool hvp_pt_next_run(struct hvp_pt *pt, u64 from, struct hvp_pt_run *run)
{
	struct hvp_pt_run part;

	run->size = 0;
	from &= ~level_mask(0);
	while (from <= pt->last) {
		atomic_long_inc_return(&pt->readers);
		from = find_run(pt, from, &part);
		atomic_long_dec_return(&pt->readers);

		if (part.size ? !extend_run(run, &part) : run->size)
			break;
		cond_resched();
	}
	return run->size;
}

/**
 * hvp_pt_retired_take() - take all retired tables, before a flush
 * @pt: table
 *
 * What is retired after this stays for the next whole-domain flush; the list
 * taken holds only tables unlinked before it.
 *
 * Context: any; does not sleep.
 * Return: for hvp_pt_retired_free() or hvp_pt_retired_put_back(); NULL if
 * there are none.
 */
struct llist_node *hvp_pt_retired_take(struct hvp_pt *pt)
{
	return llist_del_all(&pt->retired);
}

/**
 * hvp_pt_retired_free() - free retired tables, after a flush
 * @pt: table they were taken from
 * @list: taken *before* a whole-domain flush that succeeded; may be NULL
 *
 * While somebody is in hvp_pt_next_run(), the list is put back, for a later
 * flush or hvp_pt_destroy().
 *
 * A reader that comes after we looked, and is not waited for, cannot find
 * these tables: they were unlinked before they got on the list, the list was
 * taken with an exchange, and readers count themselves with an increment that
 * returns a value. Both are full barriers. So either we see the reader's
 * increment, or its walk from the root sees the links gone. A reader that has
 * left is done with its loads, as its decrement is a full barrier as well and
 * the read here an acquire.
 *
 * Context: any; does not sleep.
 */
void hvp_pt_retired_free(struct hvp_pt *pt, struct llist_node *list)
{
	struct llist_node *next;

	if (atomic_long_read_acquire(&pt->readers)) {
		hvp_pt_retired_put_back(pt, list);
		return;
	}
	for (; list; list = next) {
		next = list->next;
		free_table(pt, page_address(hvp_node_page(list)));
	}
}

/**
 * hvp_pt_retired_put_back() - keep retired tables after a failed flush
 * @pt: table they were taken from
 * @list: from hvp_pt_retired_take(); may be NULL
 *
 * Context: any; does not sleep.
 */
void hvp_pt_retired_put_back(struct hvp_pt *pt, struct llist_node *list)
{
	struct llist_node *last = list;

	if (!list)
		return;
	while (last->next)
		last = last->next;
	llist_add_batch(list, last, &pt->retired);
}
