/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the portable files (pagetable, flush, registry, status) take from the
 * kernel.
 *
 * In user space the same names come from user_kshim.h, found by the include
 * path of whoever builds there (tests/unit/shim).
 */
#ifndef HVP_KSHIM_H
#define HVP_KSHIM_H

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/types.h>

/*
 * List node of an order-0 page that we own. struct page leaves the words of
 * ->lru to the owner of the page on every kernel; the first is all that an
 * llist needs, and being a pointer it keeps bit 0 (the mark of a tail page)
 * clear. The page itself is not written to.
 */
static_assert(sizeof(struct llist_node) <= sizeof_field(struct page, lru));

static inline struct llist_node *hvp_page_node(struct page *page)
{
	return (struct llist_node *)&page->lru;
}

static inline struct page *hvp_node_page(struct llist_node *node)
{
	return container_of((struct list_head *)node, struct page, lru);
}

#else
#include "user_kshim.h"
#endif

#endif
