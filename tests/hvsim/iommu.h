/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The para-virtual IOMMU of the host: domains, attachments, stage-1 walks,
 * an IOTLB that never evicts by itself, faults, and the referee that checks
 * what the guest sends. Depends on guest memory only (no KVM), so that it can
 * be unit-tested as it is.
 */
#ifndef HVSIM_IOMMU_H
#define HVSIM_IOMMU_H

#include "hypercall.h"

struct iommu;

/* What the host offers. Text form: see iommu_parse_option(). */

/* What rep calls do besides what was asked. All but HONEST do no flush. */
enum rep_mode {
	REPS_HONEST,
	REPS_STUCK,		/* success, and nothing was done */
	REPS_OVER,		/* success, more done than was asked for */
	REPS_BACK,		/* one done; when continued, none were */
};

struct iommu_config {
	bool present;		/* false: every call returns status 2 */
	u64 caps;		/* iommu_cap bits 0..6 */
	u8 width;		/* max_iova_width */
	u64 pgsizes;		/* page size bitmap */
	u32 max_domains;	/* CREATE beyond: INSUFFICIENT_DEVICE_DOMAINS */
	bool allow_stale;	/* hit on an unmapped entry is no violation */
	bool detach_first;	/* ATTACH does not replace: status 0x58 */
	bool in_use_any;	/* status 0x66 means any domain, not this one */
	u64 evict;		/* not 0: caches lose entries, this is the seed */
	/* the canonical rule of the emulated vendor: lower half only */
	bool canonical;
	bool several;		/* false: ... with more than one entry, status 5 */
	bool detach;		/* false: DETACH returns status 2 */
	bool delete_idle;	/* false: DELETE is for paging domains only */
	bool ats_any;		/* ATS of devices with unaligned requests is fine */
	bool attach_drops_atc;	/* ATTACH that moves a device empties its ATC */
	bool flush_list;	/* false: FLUSH_LIST returns status 2 */
	bool list_walk;		/* FLUSH_LIST drops walk cache entries as well */
	u32 cap_size;		/* "size" field of the capability output */
	bool neg_cache;		/* not-present entries are cached as well */
	bool unload_drop;	/* VMBus UNLOAD drops domains and attachments */
	bool scribble;		/* poison output, overwrite input after use */
	bool scribble_early;	/* ... the input of a rep call to go on, too */
	bool garbage;		/* all that is reserved in outputs is set */
	bool write_failed;	/* a failed call writes its output as well */
	bool junk;		/* reserved bits of the result are set */
	enum rep_mode reps;
	u32 slow_ms;		/* what a flush takes */
};

void iommu_config_default(struct iommu_config *c);
/* "off" or "KEY=VALUE[,...]" into @c; on error fills @err, returns -1. */
int iommu_parse_option(struct iommu_config *c, const char *text, char *err,
		       size_t errlen);

struct iommu *iommu_new(const struct guest_mem *mem,
			const struct iommu_config *c);
void iommu_free(struct iommu *mmu);

/* True for the nine calls (and then iommu_hypercall() answers them). */
bool iommu_owns_call(u16 code);
/* Returns the status; fills h->reps_done, name, text. */
u16 iommu_hypercall(struct iommu *mmu, struct hcall *h);

/*
 * Logical devices come and go with their vPCI function. @name is for
 * messages ("nvme0", "dmaprobe0.3"). A device starts unattached = default
 * domain = untranslated (GPA) access.
 */
void iommu_device_add(struct iommu *mmu, u32 logical_id, const char *name,
		      bool behind_iommu);
void iommu_device_remove(struct iommu *mmu, u32 logical_id);
/*
 * The guest, or a reset, wrote the enable bit of the function's ATS
 * capability. A device that is not there is none of its business.
 */
void iommu_device_set_ats(struct iommu *mmu, u32 logical_id, bool on,
			  bool aligned);

enum iommu_op { IOMMU_READ, IOMMU_WRITE, IOMMU_CAS };

enum iommu_fault {
	IOMMU_OK = 0,
	IOMMU_FAULT_BLOCKED,	/* device in a blocked domain / detached */
	IOMMU_FAULT_NOT_PRESENT,
	IOMMU_FAULT_WRITE_RO,	/* write or atomic to a read-only mapping */
	IOMMU_FAULT_USER,	/* U/S clear somewhere on the path */
	IOMMU_FAULT_RESERVED,	/* reserved bit or bad page size in an entry */
	IOMMU_FAULT_RANGE,	/* beyond the width, or not canonical */
	IOMMU_FAULT_OUTPUT,	/* output address outside guest RAM */
	IOMMU_FAULT_MSI,	/* memory access inside the MSI window */
	IOMMU_FAULT_NO_DEVICE,	/* device unknown (removed) */
};
const char *iommu_fault_name(enum iommu_fault f);

/*
 * One DMA of @len bytes at @iova on behalf of a device. READ copies guest
 * memory to @buf, WRITE copies @buf to guest memory, CAS (len 8, aligned)
 * compares with ((u64 *)buf)[0], stores ((u64 *)buf)[1] and puts the old value
 * to ((u64 *)buf)[2]. Stops at the first page that faults; that fault is
 * counted, logged and returned, with its address in *fault_iova (optional).
 * Bytes of earlier pages have been transferred by then.
 */
enum iommu_fault iommu_dma(struct iommu *mmu, u32 logical_id, u64 iova,
			   void *buf, size_t len, enum iommu_op op,
			   u64 *fault_iova);

/* The guest has left the VMBus: `unload=drop` forgets all it had set up. */
void iommu_unload(void *opaque);

/*
 * Who carries out the control lines that "iommu on" has set: @fn, called in
 * the middle of a hypercall.
 */
void iommu_set_event(struct iommu *mmu,
		     void (*fn)(void *opaque, const char *line), void *opaque);

/* Control word "iommu ...": counts, faults, domains, caps, fail, ... */
int iommu_ctl(void *opaque, int argc, char **argv, FILE *out);

/* Per-call counts and efficiency, as the table printed at exit. */
void iommu_print_counts(struct iommu *mmu, FILE *out);
/* Domains and attachments left. A detached device holds nothing. */
unsigned iommu_leftovers(struct iommu *mmu, FILE *out);

#endif
