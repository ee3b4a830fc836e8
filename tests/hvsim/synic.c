// SPDX-License-Identifier: GPL-2.0
/*
 * Synthetic interrupt controller. Owns the message queues and the SynIC
 * registers of every vCPU; runs with the machine's lock held. The message and
 * event pages lie in guest memory and are shared with running vCPUs, so every
 * access to a slot's type and to an event flag is atomic.
 *
 * Source: TLFS, "Virtual Interrupt Controller", SynIC.
 */
#include <stdlib.h>
#include <string.h>

#include "synic.h"

#define MSR_SCONTROL	0x40000080
#define MSR_SVERSION	0x40000081
#define MSR_SIEFP	0x40000082
#define MSR_SIMP	0x40000083
#define MSR_EOM		0x40000084
#define MSR_SINT0	0x40000090

#define ENABLE		1ULL
#define SINT_MASKED	BIT_ULL(16)
#define SINT_AUTO_EOI	BIT_ULL(17)
#define SINT_VECTOR(s)	((u8)(s))
#define FIRST_VECTOR	16

#define SLOT_SIZE	256
#define PAYLOAD_MAX	240
#define FLAGS_PER_SINT	2048
#define MSG_TYPE_VMBUS	1
#define MSG_PENDING	1	/* flag: another one is queued */

/* A message slot as it lies in guest memory. */
struct message {
	u32 type;
	u8 payload_size;
	u8 flags;
	u16 reserved;
	u64 sender;
	u8 payload[PAYLOAD_MAX];
};
_Static_assert(sizeof(struct message) == SLOT_SIZE, "message slot");

struct queued {
	struct message msg;
	struct queued *next;
};

struct vp_synic {
	u64 scontrol, siefp, simp;
	u64 sint[SYNIC_NR_SINTS];
	struct queued *head, **tail;
};

struct synic {
	struct vm *vm;
	struct vp_synic vp[MAX_VCPUS];
};

struct synic *synic_new(struct vm *vm)
{
	struct synic *s = calloc(1, sizeof(*s));
	unsigned vp, i;

	if (!s)
		die("out of memory");
	s->vm = vm;
	for (vp = 0; vp < MAX_VCPUS; vp++) {
		s->vp[vp].tail = &s->vp[vp].head;
		for (i = 0; i < SYNIC_NR_SINTS; i++)
			s->vp[vp].sint[i] = SINT_MASKED;
	}
	return s;
}

/* The part of a message or event page that belongs to SINT2. */
static void *sint2_area(struct synic *s, u64 page_msr)
{
	if (!(page_msr & ENABLE))
		return NULL;
	return mem_ptr(vm_mem(s->vm), (page_msr & ~(HV_PAGE_SIZE - 1)) +
		       VMBUS_SINT * SLOT_SIZE, SLOT_SIZE);
}

static void raise_sint(struct synic *s, unsigned vp)
{
	u64 sint = s->vp[vp].sint[VMBUS_SINT];

	if (!(sint & SINT_MASKED))
		vm_inject(s->vm, vp, SINT_VECTOR(sint));
}

/*
 * Moves the oldest message into the slot if that is free. Else the occupant
 * is marked, so that the guest writes EOM when it is done; as the guest may
 * have emptied the slot before it could see the mark, look once more.
 */
static void deliver(struct synic *s, unsigned vp)
{
	struct vp_synic *p = &s->vp[vp];
	struct queued *q = p->head;
	struct message *slot;

	if (!q || !(p->scontrol & ENABLE))
		return;
	slot = sint2_area(s, p->simp);
	if (!slot)
		return;
	if (__atomic_load_n(&slot->type, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_or(&slot->flags, MSG_PENDING, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->type, __ATOMIC_SEQ_CST))
			return;
	}

	p->head = q->next;
	if (!p->head)
		p->tail = &p->head;
	q->msg.flags = p->head ? MSG_PENDING : 0;
	memcpy((u8 *)slot + sizeof(slot->type),
	       (u8 *)&q->msg + sizeof(slot->type),
	       sizeof(*slot) - sizeof(slot->type));
	__atomic_store_n(&slot->type, q->msg.type, __ATOMIC_SEQ_CST);
	free(q);
	raise_sint(s, vp);
}

void synic_post(struct synic *s, unsigned vp, const void *payload, u8 len)
{
	struct vp_synic *p = &s->vp[vp];
	struct queued *q;

	if (vp >= vm_nr_vcpus(s->vm)) {
		log_debug("message for processor %u, which does not exist",
			  vp);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (!q || len > PAYLOAD_MAX)
		die("cannot queue a message of %u bytes", len);
	q->msg.type = MSG_TYPE_VMBUS;
	q->msg.payload_size = len;
	memcpy(q->msg.payload, payload, len);
	*p->tail = q;
	p->tail = &q->next;
	deliver(s, vp);
}

void synic_signal(struct synic *s, unsigned vp, unsigned flag)
{
	u64 *flags;

	if (vp >= vm_nr_vcpus(s->vm) || flag >= FLAGS_PER_SINT)
		return;
	flags = sint2_area(s, s->vp[vp].siefp);
	if (!flags)
		return;
	__atomic_fetch_or(&flags[flag / 64], BIT_ULL(flag % 64),
			  __ATOMIC_SEQ_CST);
	if (s->vp[vp].scontrol & ENABLE)
		raise_sint(s, vp);
}

bool synic_rdmsr(struct synic *s, unsigned vp, u32 msr, u64 *val)
{
	const struct vp_synic *p = &s->vp[vp];

	switch (msr) {
	case MSR_SCONTROL:
		*val = p->scontrol;
		return true;
	case MSR_SVERSION:
		*val = 1;
		return true;
	case MSR_SIEFP:
		*val = p->siefp;
		return true;
	case MSR_SIMP:
		*val = p->simp;
		return true;
	case MSR_EOM:
		*val = 0;
		return true;
	case MSR_SINT0 ... MSR_SINT0 + SYNIC_NR_SINTS - 1:
		*val = p->sint[msr - MSR_SINT0];
		return true;
	default:
		return false;
	}
}

/* An enabled page must be in memory, else #GP. */
static bool set_page(struct synic *s, u64 *page_msr, u64 val)
{
	if ((val & ENABLE) && !sint2_area(s, val))
		return false;
	*page_msr = val;
	return true;
}

static bool set_sint(struct vp_synic *p, unsigned n, u64 val)
{
	if (!(val & SINT_MASKED) && SINT_VECTOR(val) < FIRST_VECTOR)
		return false;
	/* Not offered (CPUID says "deprecated"): needs an EOI from here. */
	if (!(val & SINT_MASKED) && (val & SINT_AUTO_EOI))
		log_info("SINT%u wants automatic EOI, which is not emulated",
			 n);
	p->sint[n] = val;
	return true;
}

bool synic_wrmsr(struct synic *s, unsigned vp, u32 msr, u64 val)
{
	struct vp_synic *p = &s->vp[vp];
	bool ok = true;

	switch (msr) {
	case MSR_SCONTROL:
		p->scontrol = val;
		break;
	case MSR_SIEFP:
		ok = set_page(s, &p->siefp, val);
		break;
	case MSR_SIMP:
		ok = set_page(s, &p->simp, val);
		break;
	case MSR_EOM:
		break;
	case MSR_SINT0 ... MSR_SINT0 + SYNIC_NR_SINTS - 1:
		ok = set_sint(p, msr - MSR_SINT0, val);
		break;
	default:
		return false;
	}
	/* Each of them may have made room or opened the way. */
	deliver(s, vp);
	return ok;
}
