// SPDX-License-Identifier: GPL-2.0
/*
 * The nine pvIOMMU hypercalls: strict decoding of every input byte, faults on
 * demand, and what each call does.
 *
 * Every call goes through the same steps: control word, placement of input
 * and output, format of the input (check), a fault the test asked for, then
 * the call itself (apply). Format errors are what a guest must never send:
 * they are reported as violations besides the status. What apply refuses is
 * a legitimate answer of a host (no resources, a device that has just gone),
 * so it is only a status - except for a device id that never existed.
 *
 * The layout is decoded by byte offsets written down here on purpose, not by
 * the guest module's header: two independent readings catch a wrong one.
 *
 * Lock: that of the machine. Nothing sleeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "iommu_internal.h"

#define PARTITION_SELF 0xffffffffffffffffULL
#define DOMAIN_TYPE_S1 1
#define DOMAIN_ID_DEFAULT 0
#define DOMAIN_ID_NULL 0xffffffffu

/* Offsets of the header that most calls begin with. */
#define HDR_PARTITION 0x00
#define HDR_VTL 0x08
#define HDR_PADDING 0x09
#define HDR_TYPE 0x10
#define HDR_ID 0x14
#define HDR_SIZE 0x18

#define CREATE_FLAGS 0x18
#define CREATE_TAIL 0x1c
#define CREATE_FORWARD_PROGRESS BIT_ULL(0)

#define ATTACH_DEVICE 0x18
#define DETACH_DEVICE 0x08

#define CONFIG_FLAGS 0x18
#define CONFIG_ROOT 0x20
#define CONFIG_TRANSLATE BIT_ULL(0)
#define CONFIG_BLOCKED BIT_ULL(1)
#define CONFIG_5LVL BIT_ULL(2)

#define FLUSH_FLAGS 0x18
#define FLUSH_RESERVED 0x1c
#define LIST_IOMMU_FORMAT BIT_ULL(0)
#define LIST_ENTRIES 0x20
#define LIST_MAX 508
#define LIST_MAX_SHIFT 52

#define CAPS_RESERVED 0x08
#define CAPS_KNOWN 0x7fULL
#define PGSIZES_KNOWN (BIT_ULL(12) | BIT_ULL(21) | BIT_ULL(30))
#define PROPERTY_DEVICE 0x08
#define PROPERTY_CODE 0x10
#define PROPERTY_RESERVED 0x14
#define PROPERTY_PVIOMMU 10

/* What an output area holds until the call has succeeded, and an input area
 * afterwards. */
#define OUTPUT_POISON 0xdb
#define INPUT_SCRIBBLE 0x5c

/* Bits of a result that say nothing; the reps as well in a simple call. */
#define RESULT_RESERVED 0xfffff000ffff0000ULL
#define RESULT_REPS 0x00000fff00000000ULL
#define MAX_REPS_DONE 0xfff

struct request {
	struct iommu *mmu;
	struct hcall *h;
	const struct call *call;
	u8 in[HV_PAGE_SIZE];	/* a copy: the guest cannot change it */
	u8 out[64];
};

struct call {
	u16 code;
	const char *name;	/* for the trace and for messages */
	const char *short_name;	/* for control words */
	u16 in_size, out_size;
	bool rep;
	u16 (*check)(struct request *r);
	u16 (*apply)(struct request *r);
};

static u32 get32(const u8 *in, unsigned off)
{
	u32 v;

	memcpy(&v, in + off, sizeof(v));
	return v;
}

static u64 get64(const u8 *in, unsigned off)
{
	u64 v;

	memcpy(&v, in + off, sizeof(v));
	return v;
}

static void put64(u8 *out, unsigned off, u64 v)
{
	memcpy(out + off, &v, sizeof(v));
}

/* The guest sent what it must never send: reports it, returns @status. */
static u16 __attribute__((format(printf, 3, 4)))
report_misuse(const struct request *r, u16 status, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	violation("%s: %s", r->call->name, text);
	return status;
}

static u16 report_field(const struct request *r, u16 status, const char *field,
			unsigned off, u64 value, const char *rule)
{
	return report_misuse(r, status, "%s at offset 0x%x is 0x%" PRIx64 ": %s",
			     field, off, value, rule);
}

static void __attribute__((format(printf, 2, 3)))
describe(struct request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->h->text, sizeof(r->h->text), fmt, ap);
	va_end(ap);
}

/* ---- common fields ---- */

static u16 check_partition(const struct request *r)
{
	u64 id = get64(r->in, HDR_PARTITION);

	if (id != PARTITION_SELF)
		return report_field(r, HVS_ACCESS_DENIED, "partition id",
				    HDR_PARTITION, id, "must be SELF");
	return HVS_SUCCESS;
}

static u16 check_header(const struct request *r)
{
	const u8 *in = r->in;
	u32 type = get32(in, HDR_TYPE);
	u32 id = get32(in, HDR_ID);
	u16 status = check_partition(r);
	unsigned i;

	if (status)
		return status;
	if (in[HDR_VTL])
		return report_field(r, HVS_ACCESS_DENIED, "owner VTL", HDR_VTL,
				    in[HDR_VTL], "must be 0");
	for (i = HDR_PADDING; i < HDR_TYPE; i++)
		if (in[i])
			return report_field(r, HVS_INVALID_PARAMETER,
					    "padding", i, in[i], "must be 0");
	if (type >> 4)
		return report_field(r, HVS_INVALID_PARAMETER, "domain type",
				    HDR_TYPE, type, "reserved bits set");
	if (type != DOMAIN_TYPE_S1)
		return report_field(r, HVS_INVALID_PARAMETER, "domain type",
				    HDR_TYPE, type, "must be 1 (stage 1)");
	if (id == DOMAIN_ID_DEFAULT || id == DOMAIN_ID_NULL)
		return report_field(r, HVS_INVALID_PARAMETER, "domain id",
				    HDR_ID, id, "reserved id");
	return HVS_SUCCESS;
}

static u16 check_device_id(const struct request *r, unsigned off)
{
	u64 id = get64(r->in, off);

	if (id >> 32)
		return report_field(r, HVS_INVALID_PARAMETER, "device id", off,
				    id, "not a zero-extended logical id");
	return HVS_SUCCESS;
}

static struct iommu_domain *named_domain(const struct request *r)
{
	return domain_find(r->mmu, get32(r->in, HDR_ID));
}

/* The device named at @off, or NULL with *@status set. */
static struct iommu_device *named_device(const struct request *r, unsigned off,
					 u16 *status)
{
	u64 id = get64(r->in, off);
	struct iommu_device *dev = device_find(r->mmu, id);

	*status = HVS_INVALID_DEVICE_ID;
	if (!dev) {
		report_field(r, HVS_INVALID_DEVICE_ID, "device id", off, id,
			     "no device ever had it");
		return NULL;
	}
	/* Gone since: the guest may not know yet. */
	return dev->there ? dev : NULL;
}

/* ---- CREATE ---- */

static u16 check_create(struct request *r)
{
	u32 flags = get32(r->in, CREATE_FLAGS);
	u32 tail = get32(r->in, CREATE_TAIL);
	u16 status;

	describe(r, "id=%" PRIu32 " flags=0x%x", get32(r->in, HDR_ID), flags);
	status = check_header(r);
	if (status)
		return status;
	if (flags & ~CREATE_FORWARD_PROGRESS)
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    CREATE_FLAGS, flags,
				    "only bit 0 may be set");
	if (tail)
		return report_field(r, HVS_INVALID_PARAMETER, "tail bytes",
				    CREATE_TAIL, tail, "must be 0");
	return HVS_SUCCESS;
}

static u16 apply_create(struct request *r)
{
	if (named_domain(r))
		return HVS_KEY_ALREADY_EXISTS;
	if (r->mmu->nr_domains >= r->mmu->cfg.max_domains)
		return HVS_INSUFFICIENT_DEVICE_DOMAINS;
	domain_create(r->mmu, get32(r->in, HDR_ID));
	return HVS_SUCCESS;
}

/* ---- DELETE ---- */

static u16 check_delete(struct request *r)
{
	describe(r, "id=%" PRIu32, get32(r->in, HDR_ID));
	return check_header(r);
}

static u16 apply_delete(struct request *r)
{
	struct iommu_domain *dom = named_domain(r);

	if (!dom)
		return HVS_INVALID_PARAMETER;
	if (dom->attached)
		return HVS_OBJECT_IN_USE;
	if (dom->kind != DOMAIN_PAGING && !r->mmu->cfg.delete_idle)
		return HVS_ACCESS_DENIED;
	if (dom->kind == DOMAIN_PAGING)
		walk_check_tree(r->mmu, dom);
	domain_delete(r->mmu, dom);
	return HVS_SUCCESS;
}

/* ---- CONFIGURE ---- */

static u16 check_static_config(const struct request *r, u64 flags, u64 root)
{
	if (flags & CONFIG_5LVL)
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    CONFIG_FLAGS, flags,
				    "paging mode set for a domain without a table");
	if (root)
		return report_field(r, HVS_INVALID_PARAMETER, "root",
				    CONFIG_ROOT, root,
				    "must be 0 for a domain without a table");
	return HVS_SUCCESS;
}

static u16 check_paging_config(const struct request *r, u64 flags, u64 root)
{
	if ((flags & CONFIG_5LVL) && !(r->mmu->cfg.caps & CAP_S1_5LVL))
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    CONFIG_FLAGS, flags,
				    "5-level paging is not offered");
	if (!root)
		return report_field(r, HVS_INVALID_PARAMETER, "root",
				    CONFIG_ROOT, root, "missing");
	if (root % HV_PAGE_SIZE)
		return report_field(r, HVS_INVALID_PARAMETER, "root",
				    CONFIG_ROOT, root, "not page aligned");
	if (!mem_ptr(r->mmu->mem, root, HV_PAGE_SIZE))
		return report_field(r, HVS_INVALID_PARAMETER, "root",
				    CONFIG_ROOT, root, "outside guest memory");
	return HVS_SUCCESS;
}

static u16 check_configure(struct request *r)
{
	u64 flags = get64(r->in, CONFIG_FLAGS);
	u64 root = get64(r->in, CONFIG_ROOT);
	u16 status;

	describe(r, "id=%" PRIu32 " flags=0x%" PRIx64 " root=0x%" PRIx64,
		 get32(r->in, HDR_ID), flags, root);
	status = check_header(r);
	if (status)
		return status;
	if (flags & ~(CONFIG_TRANSLATE | CONFIG_BLOCKED | CONFIG_5LVL))
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    CONFIG_FLAGS, flags, "reserved bits set");
	if ((flags & CONFIG_BLOCKED) && !(flags & CONFIG_TRANSLATE))
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    CONFIG_FLAGS, flags,
				    "blocked without translation enabled");
	if ((flags & CONFIG_BLOCKED) || !(flags & CONFIG_TRANSLATE))
		return check_static_config(r, flags, root);
	return check_paging_config(r, flags, root);
}

static u16 apply_configure(struct request *r)
{
	struct iommu_domain *dom = named_domain(r);
	u64 flags = get64(r->in, CONFIG_FLAGS);

	if (!dom)
		return HVS_INVALID_PARAMETER;
	if (dom->attached)
		return HVS_OBJECT_IN_USE;
	if (flags & CONFIG_BLOCKED) {
		domain_configure_static(r->mmu, dom, DOMAIN_BLOCKED);
	} else if (!(flags & CONFIG_TRANSLATE)) {
		domain_configure_static(r->mmu, dom, DOMAIN_IDENTITY);
	} else {
		domain_configure_paging(r->mmu, dom,
					flags & CONFIG_5LVL ? 5 : 4,
					get64(r->in, CONFIG_ROOT));
		walk_check_root(r->mmu, dom);
	}
	return HVS_SUCCESS;
}

/* ---- ATTACH, DETACH ---- */

static u16 check_attach(struct request *r)
{
	u16 status;

	describe(r, "id=%" PRIu32 " device=0x%" PRIx64, get32(r->in, HDR_ID),
		 get64(r->in, ATTACH_DEVICE));
	status = check_header(r);
	return status ? status : check_device_id(r, ATTACH_DEVICE);
}

/* What the device has cached itself would get past a block. */
static void check_ats_off(const struct request *r,
			  const struct iommu_device *dev)
{
	if (dev->ats)
		report_misuse(r, HVS_SUCCESS, "ATS of %s is still enabled",
			      dev->name);
}

static u16 apply_attach(struct request *r)
{
	struct iommu_domain *dom = named_domain(r);
	struct iommu_device *dev;
	u16 status;

	dev = named_device(r, ATTACH_DEVICE, &status);
	if (!dev)
		return status;
	if (!dev->behind)
		return report_misuse(r, HVS_INVALID_DEVICE_STATE,
				     "device %s is not behind the pvIOMMU",
				     dev->name);
	if (!dom)
		return HVS_INVALID_PARAMETER;
	if (dom->kind == DOMAIN_CREATED)
		return HVS_OPERATION_DENIED;
	if (dom->kind == DOMAIN_BLOCKED)
		check_ats_off(r, dev);
	if (dev->dom == dom || (dev->dom && r->mmu->cfg.in_use_any))
		return HVS_DEVICE_ALREADY_IN_DOMAIN;
	if (dev->dom && r->mmu->cfg.detach_first)
		return HVS_INVALID_DEVICE_STATE;
	/* Replaces. What is cached is cached per domain, so it stays. */
	if (dev->dom && r->mmu->cfg.attach_drops_atc)
		atc_drop_all(dev);
	device_leave_domain(dev, DEVICE_ATTACHED);
	dev->dom = dom;
	dom->attached++;
	return HVS_SUCCESS;
}

static u16 check_detach(struct request *r)
{
	u16 status;

	describe(r, "device=0x%" PRIx64, get64(r->in, DETACH_DEVICE));
	status = check_partition(r);
	return status ? status : check_device_id(r, DETACH_DEVICE);
}

static u16 apply_detach(struct request *r)
{
	struct iommu_device *dev;
	u16 status;

	dev = named_device(r, DETACH_DEVICE, &status);
	if (!dev)
		return status;
	if (dev->state != DEVICE_ATTACHED)
		return HVS_INVALID_DEVICE_STATE;
	check_ats_off(r, dev);
	device_leave_domain(dev, DEVICE_DETACHED);
	return HVS_SUCCESS;
}

/* ---- FLUSH, FLUSH_LIST ---- */

static u16 check_flush_header(const struct request *r, u32 wanted,
			      const char *rule)
{
	u32 flags = get32(r->in, FLUSH_FLAGS);
	u32 reserved = get32(r->in, FLUSH_RESERVED);
	u16 status = check_header(r);

	if (status)
		return status;
	if (flags != wanted)
		return report_field(r, HVS_INVALID_PARAMETER, "flags",
				    FLUSH_FLAGS, flags, rule);
	if (reserved)
		return report_field(r, HVS_INVALID_PARAMETER, "reserved",
				    FLUSH_RESERVED, reserved, "must be 0");
	return HVS_SUCCESS;
}

/* The domain to flush in *@dom, NULL if there is nothing to do for it. */
static u16 flushed_domain(const struct request *r, struct iommu_domain **dom)
{
	*dom = named_domain(r);
	if (!*dom)
		return HVS_INVALID_PARAMETER;
	if ((*dom)->kind == DOMAIN_CREATED)
		return HVS_OPERATION_DENIED;
	(*dom)->flush.calls++;
	r->mmu->flush.calls++;
	if ((*dom)->kind != DOMAIN_PAGING) {
		log_info("iommu: %s of %s domain %" PRIu32 ": nothing to flush",
			 r->call->name, domain_kind_name((*dom)->kind),
			 (*dom)->id);
		*dom = NULL;
	}
	return HVS_SUCCESS;
}

static u16 check_flush(struct request *r)
{
	describe(r, "id=%" PRIu32, get32(r->in, HDR_ID));
	return check_flush_header(r, 0, "must be 0");
}

/* The processor, and whoever wants to exit meanwhile, waits. */
static void take_time(u32 ms)
{
	struct timespec rest = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};

	while (ms && nanosleep(&rest, &rest) && errno == EINTR)
		;
}

static u16 apply_flush(struct request *r)
{
	struct iommu_domain *dom;
	u16 status = flushed_domain(r, &dom);

	take_time(r->mmu->cfg.slow_ms);
	if (!status && dom) {
		walk_check_root(r->mmu, dom);
		domain_flush_all(r->mmu, dom);
	}
	return status;
}

static u64 list_entry(const struct request *r, unsigned i)
{
	return get64(r->in, LIST_ENTRIES + i * 8);
}

static u16 check_list_entry(const struct request *r, unsigned i)
{
	unsigned off = LIST_ENTRIES + i * 8;
	u64 entry = list_entry(r, i);
	u64 page = entry >> 12;
	unsigned shift = entry & 0x3f;

	if (entry & 0xfc0)
		return report_field(r, HVS_INVALID_PARAMETER, "entry", off,
				    entry, "reserved bits 11:6 set");
	if (shift > LIST_MAX_SHIFT)
		return report_field(r, HVS_INVALID_PARAMETER, "entry", off,
				    entry, "page mask shift above 52");
	if (page & (BIT_ULL(shift) - 1))
		return report_field(r, HVS_INVALID_PARAMETER, "entry", off,
				    entry,
				    "page number not aligned to its size");
	return HVS_SUCCESS;
}

static u16 check_flush_list(struct request *r)
{
	u16 status;
	unsigned i;

	describe(r, "id=%" PRIu32 " n=%u start=%u first=0x%" PRIx64,
		 get32(r->in, HDR_ID), r->h->rep_count, r->h->rep_start,
		 list_entry(r, r->h->rep_start));
	status = check_flush_header(r, LIST_IOMMU_FORMAT,
				    "must be 1 (IOMMU format)");
	for (i = r->h->rep_start; !status && i < r->h->rep_count; i++)
		status = check_list_entry(r, i);
	return status;
}

/* What a host says that has done nothing of a list. */
static u16 lie_about_reps(const struct request *r)
{
	switch (r->mmu->cfg.reps) {
	case REPS_OVER:
		return MAX_REPS_DONE;
	case REPS_BACK:
		return !r->h->rep_start;
	default:
		return r->h->rep_start;
	}
}

static u16 apply_flush_list(struct request *r)
{
	struct hcall *h = r->h;
	struct iommu_domain *dom;
	unsigned last = h->rep_count;
	u16 status;

	if (h->rep_count > 1 && !r->mmu->cfg.several)
		return HVS_INVALID_PARAMETER;
	status = flushed_domain(r, &dom);

	take_time(r->mmu->cfg.slow_ms);
	if (status)
		return status;
	if (r->mmu->cfg.reps != REPS_HONEST) {
		h->reps_done = lie_about_reps(r);
		return HVS_SUCCESS;
	}
	if (r->mmu->partial && last - h->rep_start > r->mmu->partial)
		last = h->rep_start + r->mmu->partial;
	for (; h->reps_done < last; h->reps_done++) {
		u64 entry = list_entry(r, h->reps_done);
		u64 page = entry >> 12;

		if (!dom)
			continue;
		if (page << 12 >> dom->bits)
			return report_field(r, HVS_INVALID_PARAMETER, "entry",
					    LIST_ENTRIES + h->reps_done * 8,
					    entry,
					    "page beyond what the domain can map");
		walk_check_path(r->mmu, dom, page << 12);
		domain_flush_pages(r->mmu, dom, page, entry & 0x3f);
	}
	return HVS_SUCCESS;
}

/* ---- queries ---- */

static u16 check_caps(struct request *r)
{
	u64 reserved = get64(r->in, CAPS_RESERVED);
	u16 status = check_partition(r);

	if (status)
		return status;
	if (reserved)
		return report_field(r, HVS_INVALID_PARAMETER, "reserved",
				    CAPS_RESERVED, reserved, "must be 0");
	return HVS_SUCCESS;
}

static u16 apply_caps(struct request *r)
{
	const struct iommu_config *c = &r->mmu->cfg;

	/* size, reserved, max IOVA width, max PASID width */
	put64(r->out, 0x00, c->cap_size | (u64)c->width << 48 |
	      (c->garbage ? 0xff00ffffULL << 32 : 0));
	put64(r->out, 0x08, c->caps | (c->garbage ? ~CAPS_KNOWN : 0));
	put64(r->out, 0x10, c->pgsizes | (c->garbage ? ~PGSIZES_KNOWN : 0));
	return HVS_SUCCESS;
}

static u16 check_property(struct request *r)
{
	u32 code = get32(r->in, PROPERTY_CODE);
	u32 reserved = get32(r->in, PROPERTY_RESERVED);
	u16 status;

	describe(r, "device=0x%" PRIx64 " code=%" PRIu32,
		 get64(r->in, PROPERTY_DEVICE), code);
	status = check_partition(r);
	if (!status)
		status = check_device_id(r, PROPERTY_DEVICE);
	if (status)
		return status;
	if (reserved)
		return report_field(r, HVS_INVALID_PARAMETER, "reserved",
				    PROPERTY_RESERVED, reserved, "must be 0");
	if (code != PROPERTY_PVIOMMU)
		return report_field(r, HVS_UNKNOWN_PROPERTY, "property code",
				    PROPERTY_CODE, code, "must be 10");
	return HVS_SUCCESS;
}

static u16 apply_property(struct request *r)
{
	struct iommu_device *dev;
	u16 status;

	dev = named_device(r, PROPERTY_DEVICE, &status);
	if (!dev)
		return status;
	put64(r->out, 0x00, dev->behind | (r->mmu->cfg.garbage ? ~1ULL : 0));
	put64(r->out, 0x08, r->mmu->cfg.garbage ? ~0ULL : 0);
	return HVS_SUCCESS;
}

/* ---- front end ---- */

static const struct call calls[NR_CALLS] = {
	[CALL_CREATE] = {
		.code = 0x00b1, .name = "CREATE_DEVICE_DOMAIN",
		.short_name = "create", .in_size = 32,
		.check = check_create, .apply = apply_create,
	},
	[CALL_DELETE] = {
		.code = 0x00c5, .name = "DELETE_DEVICE_DOMAIN",
		.short_name = "delete", .in_size = 24,
		.check = check_delete, .apply = apply_delete,
	},
	[CALL_CONFIGURE] = {
		.code = 0x00ce, .name = "CONFIGURE_DEVICE_DOMAIN",
		.short_name = "configure", .in_size = 40,
		.check = check_configure, .apply = apply_configure,
	},
	[CALL_ATTACH] = {
		.code = 0x00b2, .name = "ATTACH_DEVICE_DOMAIN",
		.short_name = "attach", .in_size = 32,
		.check = check_attach, .apply = apply_attach,
	},
	[CALL_DETACH] = {
		.code = 0x00c4, .name = "DETACH_DEVICE_DOMAIN",
		.short_name = "detach", .in_size = 16,
		.check = check_detach, .apply = apply_detach,
	},
	[CALL_FLUSH] = {
		.code = 0x00d0, .name = "FLUSH_DEVICE_DOMAIN",
		.short_name = "flush", .in_size = 32,
		.check = check_flush, .apply = apply_flush,
	},
	[CALL_FLUSH_LIST] = {
		.code = 0x00d1, .name = "FLUSH_DEVICE_DOMAIN_LIST",
		.short_name = "flush-list", .in_size = LIST_ENTRIES,
		.rep = true,
		.check = check_flush_list, .apply = apply_flush_list,
	},
	[CALL_CAPS] = {
		.code = 0x0125, .name = "GET_IOMMU_CAPABILITIES",
		.short_name = "caps", .in_size = 16, .out_size = 24,
		.check = check_caps, .apply = apply_caps,
	},
	[CALL_PROPERTY] = {
		.code = 0x0127, .name = "GET_LOGICAL_DEVICE_PROPERTY",
		.short_name = "property", .in_size = 24, .out_size = 16,
		.check = check_property, .apply = apply_property,
	},
};

const char *call_short_name(enum call_index i)
{
	return calls[i].short_name;
}

static const struct call *find_call(u16 code)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].code == code)
			return &calls[i];
	return NULL;
}

bool iommu_owns_call(u16 code)
{
	return find_call(code);
}

static u16 check_control(const struct request *r)
{
	const struct hcall *h = r->h;
	const u16 bad = HVS_INVALID_HYPERCALL_INPUT;

	if (h->reserved_bits)
		return report_misuse(r, bad, "control word 0x%" PRIx64
				     ": reserved bits set", h->control);
	if (h->fast)
		return report_misuse(r, bad, "control word 0x%" PRIx64
				     ": fast form is not available",
				     h->control);
	if (h->var_hdr)
		return report_misuse(r, bad, "control word 0x%" PRIx64
				     ": variable header size %u, must be 0",
				     h->control, h->var_hdr);
	if (!r->call->rep) {
		if (h->rep_count || h->rep_start)
			return report_misuse(r, bad, "control word 0x%" PRIx64
					     ": rep fields in a simple call",
					     h->control);
		return HVS_SUCCESS;
	}
	if (!h->rep_count || h->rep_count > LIST_MAX)
		return report_misuse(r, bad, "rep count %u, must be 1 to %u",
				     h->rep_count, LIST_MAX);
	if (h->rep_start >= h->rep_count)
		return report_misuse(r, bad,
				     "rep start %u is not below rep count %u",
				     h->rep_start, h->rep_count);
	return HVS_SUCCESS;
}

static u16 check_area(const struct request *r, const char *what, u64 gpa,
		      u64 size)
{
	if (gpa % 8)
		return report_misuse(r, HVS_INVALID_ALIGNMENT,
				     "%s address 0x%" PRIx64
				     " is not 8-byte aligned", what, gpa);
	if (gpa % HV_PAGE_SIZE + size > HV_PAGE_SIZE)
		return report_misuse(r, HVS_INVALID_ALIGNMENT,
				     "%s of %" PRIu64 " bytes at 0x%" PRIx64
				     " crosses a page", what, size, gpa);
	if (!mem_ptr(r->mmu->mem, gpa, size))
		return report_misuse(r, HVS_INVALID_PARAMETER,
				     "%s address 0x%" PRIx64
				     " is outside guest memory", what, gpa);
	return HVS_SUCCESS;
}

static u16 check_placement(const struct request *r, u64 in_size)
{
	const struct hcall *h = r->h;
	u64 out_size = r->call->out_size;
	u16 status = check_area(r, "input", h->in, in_size);

	if (status || !out_size)
		return status;
	status = check_area(r, "output", h->out, out_size);
	if (status)
		return status;
	if (h->in < h->out + out_size && h->out < h->in + in_size)
		return report_misuse(r, HVS_INVALID_PARAMETER,
				     "output at 0x%" PRIx64
				     " overlaps input at 0x%" PRIx64, h->out,
				     h->in);
	return HVS_SUCCESS;
}

/* The status a test asked this call to fail with, or success. */
static u16 injected_status(struct iommu *mmu, enum call_index i,
			   unsigned int reps)
{
	struct fail_rule *rule = &mmu->call[i].fail;
	u16 status = rule->status;

	if (!status || (rule->several && reps < 2))
		return HVS_SUCCESS;
	if (rule->skip) {
		rule->skip--;
		return HVS_SUCCESS;
	}
	if (rule->left != UINT64_MAX && !--rule->left)
		rule->status = HVS_SUCCESS;
	mmu->nr_injected++;
	return status;
}

/* Each counts the calls for itself; one that has come true is over. */
static void run_events(struct iommu *mmu, enum call_index i, bool before)
{
	char line[sizeof(mmu->event[0].line)];
	struct event *e;

	for (e = mmu->event; e < mmu->event + NR_EVENTS; e++) {
		if (!*e->line || e->call != i || e->before != before ||
		    (e->skip && e->skip--))
			continue;
		/* What it does may set another one. */
		strcpy(line, e->line);
		*e->line = '\0';
		mmu->event_fn(mmu->event_opaque, line);
	}
}

static u16 carry_out(struct request *r)
{
	const struct guest_mem *mem = r->mmu->mem;
	struct hcall *h = r->h;
	u64 in_size = r->call->in_size;
	u8 *in, *out = NULL;
	u16 status = check_control(r);

	if (status)
		return status;
	if (r->call->rep)
		in_size += 8 * (u64)h->rep_count;
	status = check_placement(r, in_size);
	if (status)
		return status;

	in = mem_ptr(mem, h->in, in_size);
	memcpy(r->in, in, in_size);
	if (r->call->out_size) {
		out = mem_ptr(mem, h->out, r->call->out_size);
		if (r->mmu->cfg.scribble)
			memset(out, OUTPUT_POISON, r->call->out_size);
	}

	h->reps_done = h->rep_start;
	status = r->call->check(r);
	if (!status)
		status = injected_status(r->mmu, r->call - calls,
					 h->rep_count);
	if (!status)
		status = r->call->apply(r);
	else if (out && r->mmu->cfg.write_failed)
		r->call->apply(r);	/* calls with an output only ask */
	if (out && (!status || r->mmu->cfg.write_failed))
		memcpy(out, r->out, r->call->out_size);
	/* A rep call that stopped early is continued with the same input. */
	if (r->mmu->cfg.scribble && (status || h->reps_done == h->rep_count ||
				     r->mmu->cfg.scribble_early))
		memset(in, INPUT_SCRIBBLE, in_size);
	return status;
}

u16 iommu_hypercall(struct iommu *mmu, struct hcall *h)
{
	struct request r = {
		.mmu = mmu, .h = h, .call = find_call(h->code),
	};
	enum call_index i;
	u16 status;

	if (!r.call)
		die("hypercall 0x%x is not one of the pvIOMMU", h->code);
	i = r.call - calls;
	h->name = r.call->name;
	h->text[0] = '\0';
	h->reps_done = 0;
	mmu->call[i].count++;

	if (!mmu->cfg.present ||
	    (i == CALL_DETACH && !mmu->cfg.detach) ||
	    (i == CALL_FLUSH_LIST && !mmu->cfg.flush_list)) {
		status = HVS_INVALID_HYPERCALL_CODE;
	} else {
		/* An interrupt handler would use the same input page. */
		if (h->irqs_on)
			report_misuse(&r, HVS_SUCCESS,
				      "called on vCPU %u with interrupts enabled",
				      h->vp);
		run_events(mmu, i, true);
		status = carry_out(&r);
		run_events(mmu, i, false);
	}
	if (status)
		mmu->call[i].failed++;
	if (mmu->cfg.junk)
		h->junk = RESULT_RESERVED | (r.call->rep ? 0 : RESULT_REPS);
	return status;
}
