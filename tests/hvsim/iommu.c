// SPDX-License-Identifier: GPL-2.0
/*
 * The para-virtual IOMMU of the modelled host: the object itself, the logical
 * devices and their DMA.
 *
 * A device that was removed stays in the table as "once known", so that the
 * guest naming it (a rescind race) can be told from an id that never was.
 *
 * Lock: that of the machine. Nothing sleeps. The guest's processors access
 * the same memory during a DMA, as on hardware.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "iommu_internal.h"

struct iommu *iommu_new(const struct guest_mem *mem,
			const struct iommu_config *c)
{
	struct iommu *mmu = calloc(1, sizeof(*mmu));

	if (!mmu)
		die("no memory for the IOMMU");
	mmu->mem = mem;
	mmu->cfg = *c;
	mmu->devices_tail = &mmu->devices;
	tlb_init(&mmu->tlb);
	return mmu;
}

void iommu_free(struct iommu *mmu)
{
	struct iommu_device *dev;
	unsigned i;

	while ((dev = mmu->devices)) {
		mmu->devices = dev->next;
		atc_drop_all(dev);
		free(dev);
	}
	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		while (mmu->domains[i])
			domain_delete(mmu, mmu->domains[i]);
	tlb_destroy(&mmu->tlb);
	free(mmu);
}

void iommu_set_event(struct iommu *mmu,
		     void (*fn)(void *opaque, const char *line), void *opaque)
{
	mmu->event_fn = fn;
	mmu->event_opaque = opaque;
}

/* ---- devices ---- */

struct iommu_device *device_find(struct iommu *mmu, u32 id)
{
	struct iommu_device *dev = mmu->device_hash[id % NR_DEVICE_BUCKETS];

	while (dev && dev->id != id)
		dev = dev->hash_next;
	return dev;
}

struct iommu_device *device_by_name(struct iommu *mmu, const char *name)
{
	struct iommu_device *dev;

	for (dev = mmu->devices; dev; dev = dev->next)
		if (dev->there && !strcmp(dev->name, name))
			return dev;
	return NULL;
}

void iommu_device_add(struct iommu *mmu, u32 logical_id, const char *name,
		      bool behind_iommu)
{
	struct iommu_device *dev = device_find(mmu, logical_id);

	if (dev && dev->there)
		die("logical device id 0x%x of %s is in use by %s", logical_id,
		    name, dev->name);
	if (!dev) {
		struct iommu_device **bucket;

		dev = calloc(1, sizeof(*dev));
		if (!dev)
			die("no memory for device %s", name);
		dev->id = logical_id;
		bucket = &mmu->device_hash[logical_id % NR_DEVICE_BUCKETS];
		dev->hash_next = *bucket;
		*bucket = dev;
		*mmu->devices_tail = dev;
		mmu->devices_tail = &dev->next;
	}
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->there = true;
	dev->behind = behind_iommu;
	dev->state = DEVICE_UNATTACHED;
	dev->dom = NULL;
}

void device_leave_domain(struct iommu_device *dev, enum device_state state)
{
	if (dev->state == DEVICE_ATTACHED)
		dev->dom->attached--;
	dev->dom = NULL;
	dev->state = state;
}

void iommu_device_remove(struct iommu *mmu, u32 logical_id)
{
	struct iommu_device *dev = device_find(mmu, logical_id);

	if (!dev || !dev->there)
		die("removing logical device id 0x%x, which is not there",
		    logical_id);
	device_leave_domain(dev, DEVICE_UNATTACHED);
	dev->ats = false;
	atc_drop_all(dev);
	dev->there = false;
}

void iommu_unload(void *opaque)
{
	struct iommu *mmu = opaque;
	struct iommu_device *dev;
	unsigned i;

	if (!mmu->cfg.unload_drop)
		return;
	for (dev = mmu->devices; dev; dev = dev->next)
		device_leave_domain(dev, DEVICE_UNATTACHED);
	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		while (mmu->domains[i])
			domain_delete(mmu, mmu->domains[i]);
	log_info("iommu: all domains dropped after an unload");
}

unsigned iommu_leftovers(struct iommu *mmu, FILE *out)
{
	struct iommu_domain *dom;
	struct iommu_device *dev;
	unsigned i, n = 0;

	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		for (dom = mmu->domains[i]; dom; dom = dom->next) {
			fprintf(out, "domain %" PRIu32 " (%s) left\n", dom->id,
				domain_kind_name(dom->kind));
			n++;
		}
	for (dev = mmu->devices; dev; dev = dev->next) {
		if (dev->state != DEVICE_ATTACHED)
			continue;
		fprintf(out, "device %s left in domain %" PRIu32 "\n",
			dev->name, dev->dom->id);
		n++;
	}
	return n;
}

/* ---- DMA ---- */

const char *iommu_fault_name(enum iommu_fault f)
{
	static const char * const name[] = {
		[IOMMU_OK] = "ok",
		[IOMMU_FAULT_BLOCKED] = "blocked",
		[IOMMU_FAULT_NOT_PRESENT] = "not-present",
		[IOMMU_FAULT_WRITE_RO] = "write-ro",
		[IOMMU_FAULT_USER] = "user",
		[IOMMU_FAULT_RESERVED] = "reserved",
		[IOMMU_FAULT_RANGE] = "range",
		[IOMMU_FAULT_OUTPUT] = "output",
		[IOMMU_FAULT_MSI] = "msi",
		[IOMMU_FAULT_NO_DEVICE] = "no-device",
	};

	return (size_t)f < ARRAY_SIZE(name) ? name[f] : "unknown";
}

const char *iommu_op_name(enum iommu_op op)
{
	switch (op) {
	case IOMMU_READ:
		return "read";
	case IOMMU_WRITE:
		return "write";
	case IOMMU_CAS:
		return "cas";
	}
	return "unknown";
}

/* A blocked device is cut off without any report, so only counted. */
static void record_fault(struct iommu *mmu, struct iommu_device *dev,
			 u32 logical_id, u64 iova, enum iommu_fault reason,
			 enum iommu_op op)
{
	struct fault_record *r;

	if (reason == IOMMU_FAULT_BLOCKED) {
		mmu->nr_blocked++;
		dev->blocked++;
		return;
	}
	r = &mmu->fault[mmu->nr_faults++ % NR_FAULT_RECORDS];
	if (dev)
		snprintf(r->name, sizeof(r->name), "%s", dev->name);
	else
		snprintf(r->name, sizeof(r->name), "id-0x%x", logical_id);
	r->iova = iova;
	r->reason = reason;
	r->op = op;
	log_debug("iommu: fault: %s %s IOVA 0x%" PRIx64 ": %s", r->name,
		  iommu_op_name(op), iova, iommu_fault_name(reason));
}

static bool is_msi(u64 addr)
{
	return addr >= MSI_WINDOW_START && addr <= MSI_WINDOW_END;
}

/* One access inside one page. */
static enum iommu_fault translate(struct iommu *mmu, struct iommu_device *dev,
				  u64 iova, enum iommu_op op, u64 *gpa)
{
	enum iommu_fault f;
	struct iommu_domain *dom = dev->dom;
	bool writable = true;

	/* The device does not ask: nothing below can stop it. */
	if (atc_translate(mmu, dev, iova, op, gpa)) {
		dev->translated++;
		return IOMMU_OK;
	}
	if (dev->state == DEVICE_DETACHED ||
	    (dom && dom->kind == DOMAIN_BLOCKED))
		return IOMMU_FAULT_BLOCKED;
	if (is_msi(iova))
		return IOMMU_FAULT_MSI;
	if (!dom || dom->kind == DOMAIN_IDENTITY) {
		dev->untranslated++;
		*gpa = iova;
	} else {
		f = walk_translate(mmu, dev, dom, iova, op, gpa, &writable);
		if (f)
			return f;
		dev->translated++;
		dev->forgiven += dom->forgiven;
	}
	atc_fill(dev, iova, *gpa, writable);
	return IOMMU_OK;
}

/*
 * Small aligned writes (completion entries, status words) reach memory in
 * ascending order and 8 bytes at a time, as a guest may poll the last bytes.
 */
static void write_mem(u8 *dst, const u8 *src, size_t len)
{
	if (((uintptr_t)dst & 7) == 0 && len <= 64) {
		for (; len >= 8; dst += 8, src += 8, len -= 8) {
			u64 v;

			memcpy(&v, src, 8);
			__atomic_store_n((u64 *)dst, v, __ATOMIC_RELEASE);
		}
		if (len == 4) {
			u32 v;

			memcpy(&v, src, 4);
			__atomic_store_n((u32 *)dst, v, __ATOMIC_RELEASE);
			return;
		}
	}
	memcpy(dst, src, len);
}

static void transfer(u8 *mem, u8 *buf, size_t len, enum iommu_op op)
{
	u64 *cas;

	switch (op) {
	case IOMMU_READ:
		memcpy(buf, mem, len);
		break;
	case IOMMU_WRITE:
		write_mem(mem, buf, len);
		break;
	case IOMMU_CAS:
		cas = (u64 *)buf;
		cas[2] = cas[0];
		/* On failure this puts the value found there. */
		__atomic_compare_exchange_n((u64 *)mem, &cas[2], cas[1], false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		break;
	}
}

enum iommu_fault iommu_dma(struct iommu *mmu, u32 logical_id, u64 iova,
			   void *buf, size_t len, enum iommu_op op,
			   u64 *fault_iova)
{
	struct iommu_device *dev = device_find(mmu, logical_id);
	enum iommu_fault f;
	u8 *p = buf;

	if (op == IOMMU_CAS && (len != 8 || iova & 7))
		die("device model bug: atomic of %zu bytes at 0x%" PRIx64, len,
		    iova);

	while (len) {
		size_t n = HV_PAGE_SIZE - iova % HV_PAGE_SIZE;
		u8 *mem = NULL;
		u64 gpa;

		if (n > len)
			n = len;
		f = IOMMU_FAULT_NO_DEVICE;
		if (dev && dev->there)
			f = translate(mmu, dev, iova, op, &gpa);
		if (!f) {
			mem = mem_ptr(mmu->mem, gpa, n);
			if (!mem)
				f = IOMMU_FAULT_OUTPUT;
		}
		if (f) {
			record_fault(mmu, dev, logical_id, iova, f, op);
			if (fault_iova)
				*fault_iova = iova;
			return f;
		}
		if (gpa < mmu->watch_end && gpa + n > mmu->watch_start)
			dev->watched++;
		transfer(mem, p, n, op);
		p += n;
		iova += n;
		len -= n;
	}
	return IOMMU_OK;
}
