/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stage-1 I/O page table in x86-64 CPU format; the rules are with the
 * functions in pagetable.c.
 */
#ifndef HVP_PAGETABLE_H
#define HVP_PAGETABLE_H

#include "kshim.h"

#define HVP_PT_PROT_WRITE 0x1u	/* readable always, as x86-64 has it */

/**
 * struct hvp_pt - one stage-1 table
 * @root: top table, 4 KiB, its physical address goes to CONFIGURE
 * @levels: 4 or 5
 * @pgsizes: leaf sizes in use: any of 4K, 2M, 1G, always with 4K
 * @last: highest mappable IOVA (inclusive)
 * @nid: NUMA node for table pages
 * @retired: tables unlinked by unmap that the host may still walk
 * @nr_tables: table pages allocated now, the root and retired ones included
 * @readers: who is in the table without owning a range of it, now
 */
struct hvp_pt {
	u64 *root;
	unsigned int levels;
	u64 pgsizes;
	u64 last;
	int nid;
	struct llist_head retired;
	atomic_long_t nr_tables;
	atomic_long_t readers;
};

/**
 * struct hvp_pt_run - addresses that follow each other here and in memory
 * @iova: first address
 * @paddr: guest physical address it translates to
 * @size: bytes, 0 for no run
 * @prot: HVP_PT_PROT_* of all of it
 */
struct hvp_pt_run {
	u64 iova;
	u64 paddr;
	u64 size;
	unsigned int prot;
};

int hvp_pt_init(struct hvp_pt *pt, unsigned int levels,
		unsigned int iova_bits, u64 pgsizes, int nid, gfp_t gfp);
void hvp_pt_destroy(struct hvp_pt *pt);

int hvp_pt_map(struct hvp_pt *pt, u64 iova, u64 paddr, size_t pgsize,
	       size_t count, unsigned int prot, gfp_t gfp, size_t *mapped);
size_t hvp_pt_unmap(struct hvp_pt *pt, u64 iova, size_t size, bool *retired);
u64 hvp_pt_lookup(const struct hvp_pt *pt, u64 iova, size_t *size,
		  unsigned int *prot);
bool hvp_pt_next_run(struct hvp_pt *pt, u64 from, struct hvp_pt_run *run);

/*
 * Two halves of freeing retired tables: take the list *before* the
 * whole-domain flush, then free it after the flush succeeded, or put it back.
 */
struct llist_node *hvp_pt_retired_take(struct hvp_pt *pt);
void hvp_pt_retired_free(struct hvp_pt *pt, struct llist_node *list);
void hvp_pt_retired_put_back(struct hvp_pt *pt, struct llist_node *list);

#endif
