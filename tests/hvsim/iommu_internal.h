/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the files of the pvIOMMU model: iommu.c (object, devices, DMA),
 * iommu_domain.c, iommu_tlb.c (caches), iommu_atc.c (those of devices),
 * iommu_walk.c (stage-1 tables), iommu_call.c (hypercalls) and iommu_ctl.c
 * (options, control words, counts).
 * Everything runs under the lock of the machine; nothing sleeps.
 */
#ifndef HVSIM_IOMMU_INTERNAL_H
#define HVSIM_IOMMU_INTERNAL_H

#include "iommu.h"

#define MSI_WINDOW_START 0xfee00000ULL
#define MSI_WINDOW_END 0xfeefffffULL

#define CAP_PRESENT BIT_ULL(0)
#define CAP_S2 BIT_ULL(1)
#define CAP_S1 BIT_ULL(2)
#define CAP_S1_5LVL BIT_ULL(3)
#define CAP_PASID BIT_ULL(4)
#define CAP_ATS BIT_ULL(5)
#define CAP_PRI BIT_ULL(6)

#define MAX_LEVELS 5
#define MAX_LEAF_LEVEL 3
#define TABLE_ENTRIES 512

enum call_index {
	CALL_CREATE,
	CALL_DELETE,
	CALL_CONFIGURE,
	CALL_ATTACH,
	CALL_DETACH,
	CALL_FLUSH,
	CALL_FLUSH_LIST,
	CALL_CAPS,
	CALL_PROPERTY,
	NR_CALLS
};

enum domain_kind {
	DOMAIN_CREATED,		/* exists, not configured */
	DOMAIN_PAGING,
	DOMAIN_IDENTITY,
	DOMAIN_BLOCKED,
};

struct flush_stats {
	u64 calls;		/* FLUSH and FLUSH_LIST */
	u64 entries;		/* list entries carried out */
	u64 pages;		/* 4 KiB pages those entries covered */
	u64 full;		/* whole-domain flushes of either form */
	u64 redundant;		/* flushes and entries that dropped nothing */
	u64 dropped;		/* cached entries dropped */
};

struct tlb_entry;

struct iommu_domain {
	struct iommu_domain *next;	/* in the bucket of its id */
	u32 id;
	u64 serial;			/* ids are used again, this is not */
	enum domain_kind kind;
	unsigned attached;		/* devices */
	/* Of a kernel that is gone: its tables may hold anything by now. */
	bool forgiven;

	/* Paging: as it was when CONFIGURE read it. */
	unsigned levels;
	u64 root;
	u64 pgsizes;
	unsigned bits;			/* what the host translates at all */
	unsigned limit_bits;		/* the same after the canonical rule */

	/* Everything cached of this domain. */
	struct tlb_entry *cached;
	u64 nr_cached;
	u64 nr_leaf[MAX_LEAF_LEVEL + 1];

	struct flush_stats flush;
};

#define NR_ATC_BUCKETS 64

struct atc_entry;

enum device_state { DEVICE_UNATTACHED, DEVICE_ATTACHED, DEVICE_DETACHED };

struct iommu_device {
	struct iommu_device *hash_next;
	struct iommu_device *next;	/* in order of first appearance */
	u32 id;
	char name[32];
	bool there;			/* false: removed, but once known */
	bool behind;
	enum device_state state;
	struct iommu_domain *dom;	/* DEVICE_ATTACHED only */
	u64 translated, untranslated, blocked;
	u64 forgiven;			/* translated by a forgiven domain */
	u64 watched;			/* reached the watched memory */

	/* ATS: enabled, and what the device has cached then. */
	bool ats;
	struct atc_entry *atc[NR_ATC_BUCKETS];
	u64 nr_atc, atc_hits;
};

struct fault_record {
	char name[32];
	u64 iova;
	enum iommu_fault reason;
	enum iommu_op op;
};

struct fail_rule {
	u16 status;		/* 0: no rule */
	u64 skip;		/* calls that still succeed */
	u64 left;		/* calls that then fail; UINT64_MAX: all */
	bool several;		/* only rep calls of more than one entry */
};

/* A control line to be carried out at a certain call. */
struct event {
	char line[64];		/* "": none */
	u8 call;		/* enum call_index */
	bool before;		/* else after it */
	u64 skip;		/* calls that still go by */
};

#define NR_EVENTS 4

/*
 * One cache for leaf entries (an IOTLB), non-leaf entries (a page-walk cache)
 * and, if asked for, not-present results. It never evicts by itself.
 */
enum tlb_kind { TLB_LEAF, TLB_TABLE, TLB_NEGATIVE };

struct tlb_entry {
	struct tlb_entry *next;			/* bucket, or free list */
	struct tlb_entry *dom_prev, *dom_next;
	struct iommu_domain *dom;
	u64 page;		/* IOVA >> level_shift(level) */
	u64 target;		/* output base, or table address */
	enum tlb_kind kind;
	unsigned level;
	bool write;		/* rights so far on the path */
};

struct tlb {
	struct tlb_entry **bucket;
	size_t nr_buckets;	/* power of two */
	size_t nr;
	struct tlb_entry *free;
};

#define NR_FAULT_RECORDS 64
#define NR_DOMAIN_BUCKETS 256
#define NR_DEVICE_BUCKETS 64

struct iommu {
	const struct guest_mem *mem;
	struct iommu_config cfg;
	struct tlb tlb;

	struct iommu_domain *domains[NR_DOMAIN_BUCKETS];
	u32 nr_domains;
	u64 nr_created;		/* serial number of the last */
	struct iommu_device *device_hash[NR_DEVICE_BUCKETS];
	struct iommu_device *devices, **devices_tail;

	struct {
		u64 count, failed;
		struct fail_rule fail;
	} call[NR_CALLS];
	u64 nr_injected;	/* calls failed by a rule */
	u64 partial;		/* reps done per call at most; 0: all */
	struct event event[NR_EVENTS];
	void (*event_fn)(void *opaque, const char *line);
	void *event_opaque;

	struct fault_record fault[NR_FAULT_RECORDS];
	u64 nr_faults;		/* the last is fault[(nr_faults - 1) % 64] */
	u64 nr_blocked;
	u64 watch_start, watch_end;	/* [start, end) of guest memory */
	u64 nr_stale;		/* accesses through an unmapped entry */
	u64 nr_ad_missing;	/* leaves used with A or D clear */
	u64 nr_hits, nr_misses;
	u64 nr_atc_hits;
	u64 random;		/* state of the generator, for evict=SEED */
	struct flush_stats flush;
};

/* Bits of an IOVA below the page that an entry of @level (1..5) covers. */
static inline unsigned level_shift(unsigned level)
{
	return 12 + 9 * (level - 1);
}

/* ---- iommu.c ---- */

/* The device with this id, also when it is removed by now; NULL if never. */
struct iommu_device *device_find(struct iommu *mmu, u32 id);
/* The device of this name that is there. */
struct iommu_device *device_by_name(struct iommu *mmu, const char *name);
/* Takes the device out of its domain, if it is in one. */
void device_leave_domain(struct iommu_device *dev, enum device_state state);
const char *iommu_op_name(enum iommu_op op);

/* ---- iommu_domain.c ---- */

struct iommu_domain *domain_find(struct iommu *mmu, u32 id);
/* A new domain, not configured. The caller checked id and limit. */
void domain_create(struct iommu *mmu, u32 id);
/* No device may be attached. Drops what is cached. */
void domain_delete(struct iommu *mmu, struct iommu_domain *dom);
/* Identity or blocked. */
void domain_configure_static(struct iommu *mmu, struct iommu_domain *dom,
			     enum domain_kind kind);
void domain_configure_paging(struct iommu *mmu, struct iommu_domain *dom,
			     unsigned levels, u64 root);
void domain_flush_all(struct iommu *mmu, struct iommu_domain *dom);
/* One list entry: 2^@shift pages from @page; not a call of its own. */
void domain_flush_pages(struct iommu *mmu, struct iommu_domain *dom, u64 page,
			unsigned shift);
const char *domain_kind_name(enum domain_kind kind);

/* ---- iommu_tlb.c ---- */

void tlb_init(struct tlb *tlb);
void tlb_destroy(struct tlb *tlb);
struct tlb_entry *tlb_find(struct tlb *tlb, const struct iommu_domain *dom,
			   enum tlb_kind kind, unsigned level, u64 iova);
/* The caller knows that there is no such entry yet. */
void tlb_insert(struct tlb *tlb, struct iommu_domain *dom, enum tlb_kind kind,
		unsigned level, u64 iova, u64 target, bool write);
/* Both return how many entries they dropped. */
u64 tlb_drop_domain(struct tlb *tlb, struct iommu_domain *dom);
/*
 * Drops what lies wholly inside the 2^@shift 4 KiB pages from @page; entries
 * of the walk cache only if @tables.
 */
u64 tlb_drop_pages(struct tlb *tlb, struct iommu_domain *dom, u64 page,
		   unsigned shift, bool tables);

/* ---- iommu_atc.c ---- */

/* True if the device has the address cached, and so asks nobody. */
bool atc_translate(struct iommu *mmu, struct iommu_device *dev, u64 iova,
		   enum iommu_op op, u64 *gpa);
/* The device was told; it keeps that if ATS is on. */
void atc_fill(struct iommu_device *dev, u64 iova, u64 gpa, bool write);
/* All return how many entries they dropped. */
u64 atc_drop_pages(struct iommu_device *dev, u64 page, unsigned shift);
u64 atc_drop_all(struct iommu_device *dev);

/* ---- iommu_walk.c ---- */

/*
 * Translates one address for @dev in the paging domain @dom. On success
 * *@writable says whether it may be written there as well.
 */
enum iommu_fault walk_translate(struct iommu *mmu, struct iommu_device *dev,
				struct iommu_domain *dom, u64 iova,
				enum iommu_op op, u64 *gpa, bool *writable);
/* Referee: @dev uses what it has cached of its paging domain. */
void walk_judge_atc(struct iommu *mmu, struct iommu_device *dev, u64 iova,
		    u64 target, bool write);
/* Referee: the entries on the path of @iova can be what the guest wrote. */
void walk_check_path(struct iommu *mmu, struct iommu_domain *dom, u64 iova);
/* The same for all entries of the top table. */
void walk_check_root(struct iommu *mmu, struct iommu_domain *dom);
/* The same for all tables below the root, up to a bound. */
void walk_check_tree(struct iommu *mmu, struct iommu_domain *dom);

/* ---- iommu_call.c ---- */

/* "create", "flush-list", ... */
const char *call_short_name(enum call_index i);

#endif
