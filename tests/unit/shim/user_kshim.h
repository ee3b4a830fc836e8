/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel names that src/ uses in its portable files, for user space.
 *
 * As strict as the kernel where that is cheap: gfp flags are checked, a page
 * handed out is zeroed only if asked for, and each page has a struct page of
 * its own next to it, so that a write into the page instead is noticed.
 * State (counters, failure injection) is in user_kshim.c.
 */
#ifndef USER_KSHIM_H
#define USER_KSHIM_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL >> (63 - (h))) & (~0ULL << (l)))

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/* Different types are an error, as in the kernel. */
#define min(x, y) ({				\
	__typeof__(x) min_x = (x);		\
	__typeof__(y) min_y = (y);		\
	(void)(&min_x == &min_y);		\
	min_x < min_y ? min_x : min_y; })
#define min_t(type, x, y)	min((type)(x), (type)(y))

#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

/* Not defined for 0 in the kernel: an error here. */
static inline int ilog2(u64 x)
{
	assert(x);
	return 63 - __builtin_clzll(x);
}

static inline unsigned long __ffs64(u64 x)
{
	assert(x);
	return __builtin_ctzll(x);
}

/*
 * The kernel relies on address dependencies for what is behind a pointer read
 * with READ_ONCE(). C knows no such thing; acquire is the nearest.
 */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)

/* Returns what was there, which is @old if the exchange took place. */
#define cmpxchg_release(ptr, old, new) ({				\
	__typeof__(*(ptr)) cx_old = (old);				\
	__atomic_compare_exchange_n(ptr, &cx_old, new, false,		\
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);\
	cx_old; })

typedef struct {
	atomic_long v;
} atomic_long_t;

static inline void atomic_long_set(atomic_long_t *a, long v)
{
	atomic_store(&a->v, v);
}

static inline long atomic_long_read(const atomic_long_t *a)
{
	return atomic_load(&a->v);
}

static inline void atomic_long_inc(atomic_long_t *a)
{
	atomic_fetch_add_explicit(&a->v, 1, memory_order_relaxed);
}

static inline void atomic_long_dec(atomic_long_t *a)
{
	atomic_fetch_sub_explicit(&a->v, 1, memory_order_relaxed);
}

static inline long atomic_long_inc_return(atomic_long_t *a)
{
	return atomic_fetch_add(&a->v, 1) + 1;
}

static inline long atomic_long_dec_return(atomic_long_t *a)
{
	return atomic_fetch_sub(&a->v, 1) - 1;
}

static inline long atomic_long_read_acquire(const atomic_long_t *a)
{
	return atomic_load(&a->v);
}

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

static inline void init_llist_head(struct llist_head *head)
{
	head->first = NULL;
}

static inline bool llist_add_batch(struct llist_node *first,
				   struct llist_node *last,
				   struct llist_head *head)
{
	struct llist_node *was = __atomic_load_n(&head->first,
						 __ATOMIC_RELAXED);

	do {
		last->next = was;
	} while (!__atomic_compare_exchange_n(&head->first, &was, first, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return !was;
}

static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	return llist_add_batch(node, node, head);
}

static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	return __atomic_exchange_n(&head->first, NULL, __ATOMIC_SEQ_CST);
}

typedef struct {
	pthread_mutex_t mutex;
} spinlock_t;

#define DEFINE_SPINLOCK(name) \
	spinlock_t name = { PTHREAD_MUTEX_INITIALIZER }

static inline void spin_lock(spinlock_t *lock)
{
	if (pthread_mutex_lock(&lock->mutex))
		abort();
}

static inline void spin_unlock(spinlock_t *lock)
{
	if (pthread_mutex_unlock(&lock->mutex))
		abort();
}

typedef unsigned int gfp_t;

#define __GFP_ZERO	0x1u
#define GFP_ATOMIC	0x2u
#define GFP_KERNEL	0x4u

#define PAGE_SIZE	4096UL
#define NUMA_NO_NODE	(-1)

struct page {
	struct llist_node node;
	int nid;
	gfp_t gfp;
};

static inline struct llist_node *hvp_page_node(struct page *page)
{
	return &page->node;
}

static inline struct page *hvp_node_page(struct llist_node *node)
{
	return container_of(node, struct page, node);
}

struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order);
void __free_page(struct page *page);

/* The struct page is behind its page, in one block. */
static inline void *page_address(struct page *page)
{
	return (char *)page - PAGE_SIZE;
}

static inline struct page *virt_to_page(void *addr)
{
	return (struct page *)((char *)addr + PAGE_SIZE);
}

static inline u64 virt_to_phys(void *addr)
{
	return (uintptr_t)addr;
}

static inline void *phys_to_virt(u64 paddr)
{
	return (void *)(uintptr_t)paddr;
}

static inline void cond_resched(void)
{
}

/* Tests make these, and look at the references. */
struct device {
	atomic_int refs;
};

static inline struct device *get_device(struct device *dev)
{
	if (atomic_fetch_add(&dev->refs, 1) < 1)
		abort();
	return dev;
}

static inline void put_device(struct device *dev)
{
	if (atomic_fetch_sub(&dev->refs, 1) < 2)
		abort();
}

void *kzalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

/*
 * For the tests. Allocations of either kind count down: after @n more that
 * succeed all fail, -1 for never.
 */
void shim_fail_after(long n);
long shim_pages(void);		/* pages allocated now */
long shim_pages_ever(void);	/* pages allocated since the start */
long shim_objects(void);	/* kzalloc() blocks allocated now */
/* Called once in the middle of the next page allocation. */
void shim_race(void (*fn)(void *), void *arg);

#endif
