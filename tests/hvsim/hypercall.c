// SPDX-License-Identifier: GPL-2.0
/*
 * Hypercall front end: splits the control word, hands the call to whoever
 * implements its code, sets the result, and keeps trace and counts. Runs at
 * the exit of the calling vCPU with the machine's lock held.
 *
 * Source: TLFS, "Hypercall Interface".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iommu.h"
#include "trace.h"
#include "vm.h"
#include "vmbus.h"
#include "vpci.h"

/* Control word. */
#define CTL_CODE(c)		((u16)(c))
#define CTL_FAST		BIT_ULL(16)
#define CTL_VAR_HDR(c)		((u16)((c) >> 17 & 0x3ff))
#define CTL_REP_COUNT(c)	((u16)((c) >> 32 & 0xfff))
#define CTL_REP_START(c)	((u16)((c) >> 48 & 0xfff))
/* 30:27, the nested bit 31 (no guest of ours is nested), 47:44, 63:60 */
#define CTL_RESERVED		(0xf0000000f8000000ULL | 0xfULL << 44)

#define RFLAGS_IF		BIT_ULL(9)

#define PARTITION_ID		1ULL	/* of a root partition */

/* How this file's own calls are told apart and counted. */
enum {
	CALL_POST_MESSAGE,
	CALL_SIGNAL_EVENT,
	CALL_RETARGET,
	CALL_PARTITION_ID,
	CALL_VISIBILITY,
	NR_CALLS,
};

static const struct {
	u16 code;
	const char *name;
} calls[NR_CALLS] = {
	[CALL_POST_MESSAGE] = { 0x5c, "post-message" },
	[CALL_SIGNAL_EVENT] = { 0x5d, "signal-event" },
	[CALL_RETARGET] = { 0x7e, "retarget-interrupt" },
	[CALL_PARTITION_ID] = { 0x46, "get-partition-id" },
	[CALL_VISIBILITY] = { 0xdb, "modify-host-visibility" },
};

struct hypercalls {
	struct vm *vm;
	struct trace *trace;
	u64 count[NR_CALLS], failed[NR_CALLS];
	u64 unknown;
};

struct hypercalls *hypercall_new(struct vm *vm, struct trace *trace)
{
	struct hypercalls *c = calloc(1, sizeof(*c));

	if (!c)
		die("out of memory");
	c->vm = vm;
	c->trace = trace;
	return c;
}

/*
 * Only user code with access to the port can get here above privilege level
 * 0, and it cannot execute anything in the upper half: look closer only then.
 */
static bool from_kernel(struct vcpu *v, const struct kvm_regs *regs)
{
	struct kvm_sregs sregs;

	if (regs->rip >> 63)
		return true;
	if (ioctl(v->fd, KVM_GET_SREGS, &sregs) < 0)
		die("KVM_GET_SREGS of vCPU %u: %s", v->id, strerror(errno));
	return (sregs.cs.selector & 3) == 0;
}

static u16 get_partition_id(struct vm *vm, struct hcall *h)
{
	u64 *out;

	if (!vm->cfg.root)
		return HVS_ACCESS_DENIED;
	out = h->out % sizeof(*out) ? NULL :
		mem_ptr(&vm->mem, h->out, sizeof(*out));
	if (!out)
		return HVS_INVALID_PARAMETER;
	*out = PARTITION_ID;
	return HVS_SUCCESS;
}

/* All of an isolated guest's memory is visible here anyway. */
static u16 modify_visibility(struct vm *vm, struct hcall *h)
{
	if (!vm->cfg.isolated)
		return HVS_INVALID_HYPERCALL_CODE;
	h->reps_done = h->rep_count;
	return HVS_SUCCESS;
}

static u16 dispatch_own(struct vm *vm, struct hcall *h, unsigned call)
{
	h->name = calls[call].name;
	switch (call) {
	case CALL_POST_MESSAGE:
		return vmbus_post_message(vm->vmbus, h);
	case CALL_SIGNAL_EVENT:
		return vmbus_signal_event(vm->vmbus, h);
	case CALL_RETARGET:
		return vpci_retarget(vm->vpci, h);
	}
	/* Those above look at the whole control word themselves. */
	if (h->reserved_bits) {
		violation("%s: control word 0x%llx: reserved bits set", h->name,
			  (unsigned long long)h->control);
		return HVS_INVALID_HYPERCALL_INPUT;
	}
	switch (call) {
	case CALL_PARTITION_ID:
		return get_partition_id(vm, h);
	default:
		return modify_visibility(vm, h);
	}
}

static u16 dispatch(struct hypercalls *c, struct hcall *h)
{
	unsigned i;
	u16 status;

	if (iommu_owns_call(h->code))
		return iommu_hypercall(c->vm->iommu, h);
	for (i = 0; i < NR_CALLS; i++) {
		if (calls[i].code != h->code)
			continue;
		status = dispatch_own(c->vm, h, i);
		c->count[i]++;
		c->failed[i] += status != HVS_SUCCESS;
		return status;
	}
	c->unknown++;
	log_debug("unknown hypercall 0x%x", h->code);
	return HVS_INVALID_HYPERCALL_CODE;
}

void hypercall_exit(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct hypercalls *c = vm->calls;
	struct kvm_regs *regs = vcpu_regs(v);
	struct hcall h = {
		.vp = v->id,
		.control = regs->rcx,
		.in = regs->rdx,
		.out = regs->r8,
		.irqs_on = regs->rflags & RFLAGS_IF,
		.code = CTL_CODE(regs->rcx),
		.fast = regs->rcx & CTL_FAST,
		.var_hdr = CTL_VAR_HDR(regs->rcx),
		.rep_count = CTL_REP_COUNT(regs->rcx),
		.rep_start = CTL_REP_START(regs->rcx),
		.reserved_bits = regs->rcx & CTL_RESERVED,
		.name = "unknown",
	};
	u16 status;

	if (!from_kernel(v, regs)) {
		log_info("hypercall 0x%x from user space refused", h.code);
		status = HVS_ACCESS_DENIED;
	} else if (!msr_hypercalls_enabled(vm)) {
		violation("hypercall 0x%x while the hypercall page is disabled",
			  h.code);
		status = HVS_INVALID_HYPERCALL_CODE;
	} else {
		status = dispatch(c, &h);
	}
	trace_hypercall(c->trace, vm_uptime_ns(vm), &h, status);

	/* RIP stays as it is: KVM steps over the OUT when it resumes. */
	regs->rax = status;
	if (h.rep_count)
		regs->rax |= (u64)h.reps_done << 32;
	regs->rax |= h.junk;
	vcpu_regs_changed(v);
}

void hypercall_print_counts(struct hypercalls *c, FILE *out)
{
	unsigned i;

	fprintf(out, "%-34s %10s %10s\n", "call", "count", "failed");
	for (i = 0; i < NR_CALLS; i++)
		if (c->count[i])
			fprintf(out, "%-34s %10llu %10llu\n", calls[i].name,
				(unsigned long long)c->count[i],
				(unsigned long long)c->failed[i]);
	if (c->unknown)
		fprintf(out, "%-34s %10llu %10llu\n", "unknown",
			(unsigned long long)c->unknown,
			(unsigned long long)c->unknown);
	iommu_print_counts(c->vm->iommu, out);
}
