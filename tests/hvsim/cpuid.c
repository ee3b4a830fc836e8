// SPDX-License-Identifier: GPL-2.0
/*
 * What CPUID tells the guest: the host's processor, one package of single
 * threaded cores, and the Hyper-V leaves. Runs once per vCPU at creation.
 *
 * Source of the Hyper-V leaves: TLFS, "Feature and Interface Discovery".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vm.h"

#define MAX_ENTRIES 256

#define HV_MAX_LEAF		0x4000000c
/* Leaf 0x40000003. */
#define FEAT_SYNIC		(1U << 2)
#define FEAT_HYPERCALL		(1U << 5)
#define FEAT_VP_INDEX		(1U << 6)
#define FEAT_FREQUENCY		(1U << 11)
#define FEAT_TSC_INVARIANT	(1U << 15)
#define PRIV_CREATE_PARTITIONS	(1U << 0)
#define PRIV_PARTITION_ID	(1U << 1)
#define PRIV_POST_MESSAGES	(1U << 4)
#define PRIV_SIGNAL_EVENTS	(1U << 5)
#define PRIV_CPU_MANAGEMENT	(1U << 12)
#define PRIV_ISOLATION		(1U << 22)
#define MISC_FREQUENCY_MSRS	(1U << 8)
#define MISC_CRASH_MSRS		(1U << 10)
/* Leaf 0x40000004. */
#define HINT_RELAXED_TIMING	(1U << 5)
#define HINT_NO_AUTO_EOI	(1U << 9)
#define NEVER_NOTIFY_SPIN	0xffffffff
/* Leaf 0x4000000c. */
#define ISOLATION_TYPE_VBS	1

#define CPUID1_ECX_VMX		(1U << 5)
#define CPUID1_ECX_CX16		(1U << 13)
#define CPUID1_ECX_HYPERVISOR	(1U << 31)
#define CPUID1_EDX_HTT		(1U << 28)
/* FMA, XSAVE, OSXSAVE, AVX, F16C */
#define CPUID1_ECX_XSAVE_ALL	(1U << 12 | 0xfU << 26)
/* AVX2 and all AVX-512 */
#define CPUID7_EBX_XSAVE_ALL \
	(1U << 5 | 3U << 16 | 1U << 21 | 0xfU << 26 | 3U << 30)
/* AVX512_VBMI, PKU, VBMI2, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ */
#define CPUID7_ECX_XSAVE_ALL \
	(1U << 1 | 3U << 3 | 1U << 6 | 7U << 9 | 1U << 12 | 1U << 14)
/* AVX512_4VNNIW, 4FMAPS, AMX and AVX512_FP16 */
#define CPUID7_EDX_XSAVE_ALL	(3U << 2 | 1U << 8 | 0xfU << 22)
#define CPUID81_ECX_SVM		(1U << 2)
/* XOP, FMA4 */
#define CPUID81_ECX_XSAVE_ALL	(1U << 11 | 1U << 16)
#define CPUID87_EDX_INVARIANT_TSC (1U << 8)

struct leaf {
	u32 function, eax, ebx, ecx, edx;
};

static void add_leaf(struct kvm_cpuid2 *c, const struct leaf *l)
{
	struct kvm_cpuid_entry2 *e;

	if (c->nent == MAX_ENTRIES)
		die("more than %u CPUID leaves", MAX_ENTRIES);
	e = &c->entries[c->nent++];
	memset(e, 0, sizeof(*e));
	e->function = l->function;
	e->eax = l->eax;
	e->ebx = l->ebx;
	e->ecx = l->ecx;
	e->edx = l->edx;
}

static void add_hyperv_leaves(struct kvm_cpuid2 *c,
			      const struct machine_config *cfg)
{
	struct leaf vendor = {		/* "Microsoft Hv" */
		.function = 0x40000000, .eax = HV_MAX_LEAF,
		.ebx = 0x7263694d, .ecx = 0x666f736f, .edx = 0x76482074,
	};
	struct leaf interface = {	/* "Hv#1" */
		.function = 0x40000001, .eax = 0x31237648,
	};
	struct leaf version = {		/* build, 10.0 */
		.function = 0x40000002, .eax = 17763, .ebx = 10 << 16,
	};
	struct leaf features = {
		.function = 0x40000003,
		.eax = FEAT_SYNIC | FEAT_HYPERCALL | FEAT_VP_INDEX |
		       FEAT_FREQUENCY | FEAT_TSC_INVARIANT,
		.ebx = PRIV_POST_MESSAGES | PRIV_SIGNAL_EVENTS,
		.edx = MISC_FREQUENCY_MSRS | MISC_CRASH_MSRS,
	};
	struct leaf hints = {
		.function = 0x40000004,
		.eax = HINT_RELAXED_TIMING | HINT_NO_AUTO_EOI,
		.ebx = NEVER_NOTIFY_SPIN,
	};
	struct leaf limits = {
		.function = 0x40000005, .eax = 64, .ebx = 64,
	};
	struct leaf isolation = { .function = 0x4000000c };
	/* These stand in the way of KVM's out-of-range answers. */
	static const u32 zero[] = {
		0x40000006, 0x40000007, 0x40000008, 0x40000009, 0x4000000a,
		0x4000000b, 0x40000080, 0x40000081, 0x40000082,
	};
	size_t i;

	if (cfg->root)
		features.ebx |= PRIV_CREATE_PARTITIONS | PRIV_PARTITION_ID |
				PRIV_CPU_MANAGEMENT;
	if (cfg->l1vh)
		features.ebx |= PRIV_CREATE_PARTITIONS;
	if (cfg->isolated) {
		features.ebx |= PRIV_ISOLATION;
		isolation.ebx = ISOLATION_TYPE_VBS;
	}
	add_leaf(c, &vendor);
	add_leaf(c, &interface);
	add_leaf(c, &version);
	add_leaf(c, &features);
	add_leaf(c, &hints);
	add_leaf(c, &limits);
	add_leaf(c, &isolation);
	for (i = 0; i < ARRAY_SIZE(zero); i++) {
		struct leaf l = { .function = zero[i] };

		add_leaf(c, &l);
	}
}

static unsigned id_bits(unsigned n)
{
	unsigned bits = 0;

	while ((1U << bits) < n)
		bits++;
	return bits;
}

static void set_topology(struct kvm_cpuid_entry2 *e, unsigned id, unsigned n)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | (n << 16) | (id << 24);
		if (n > 1)
			e->edx |= CPUID1_EDX_HTT;
		break;
	case 4:
		/* Caches are private, but for the last level. */
		if (!(e->eax & 0x1f))
			break;
		e->eax &= 0x3fff;
		e->eax |= ((1U << id_bits(n)) - 1) << 26;
		if ((e->eax >> 5 & 7) >= 3)
			e->eax |= (n - 1) << 14;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffU) | (id_bits(n) << 12) | (n - 1);
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = id;
		e->ecx = 0;
		break;
	}
}

/* Leaf 0xb: thread level, core level, end. */
static void add_topology_leaf(struct kvm_cpuid2 *c, unsigned id, unsigned n)
{
	static const u8 types[] = { 1, 2, 0 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		struct kvm_cpuid_entry2 *e;
		struct leaf l = {
			.function = 0xb,
			.ecx = i | types[i] << 8,
			.edx = id,
		};

		if (types[i] == 1)
			l.ebx = 1;
		if (types[i] == 2) {
			l.eax = id_bits(n);
			l.ebx = n;
		}
		add_leaf(c, &l);
		e = &c->entries[c->nent - 1];
		e->index = i;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
}

static void set_features(struct kvm_cpuid_entry2 *e,
			 const struct machine_config *cfg)
{
	switch (e->function) {
	case 1:
		e->ecx |= CPUID1_ECX_HYPERVISOR;
		e->ecx &= ~CPUID1_ECX_VMX;
		if (cfg->mask_cx16)
			e->ecx &= ~CPUID1_ECX_CX16;
		if (cfg->mask_xsave)
			e->ecx &= ~CPUID1_ECX_XSAVE_ALL;
		break;
	case 7:
		if (!cfg->mask_xsave)
			break;
		if (e->index == 0) {
			e->ebx &= ~CPUID7_EBX_XSAVE_ALL;
			e->ecx &= ~CPUID7_ECX_XSAVE_ALL;
			e->edx &= ~CPUID7_EDX_XSAVE_ALL;
		} else {
			e->eax = 0;	/* AVX_VNNI and the like */
			e->edx = 0;
		}
		break;
	case 0xd:
		if (cfg->mask_xsave)
			e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x80000001:
		e->ecx &= ~CPUID81_ECX_SVM;
		if (cfg->mask_xsave)
			e->ecx &= ~CPUID81_ECX_XSAVE_ALL;
		break;
	case 0x80000007:
		e->edx |= CPUID87_EDX_INVARIANT_TSC;
		break;
	}
}

/* Leaves replaced here, or of another hypervisor. */
static bool is_dropped(u32 function)
{
	return (function & 0xffff0000) == 0x40000000 ||
		function == 0xb || function == 0x1f;
}

void cpuid_setup(struct vcpu *v)
{
	const struct machine_config *cfg = &v->vm->cfg;
	struct kvm_cpuid2 *c;
	u32 i, kept = 0;

	c = calloc(1, sizeof(*c) + MAX_ENTRIES * sizeof(c->entries[0]));
	if (!c)
		die("out of memory");
	c->nent = MAX_ENTRIES;
	if (ioctl(v->vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0)
		die("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (is_dropped(e->function))
			continue;
		set_features(e, cfg);
		set_topology(e, v->id, cfg->nr_vcpus);
		c->entries[kept++] = *e;
	}
	c->nent = kept;
	add_topology_leaf(c, v->id, cfg->nr_vcpus);
	add_hyperv_leaves(c, cfg);
	if (ioctl(v->fd, KVM_SET_CPUID2, c) < 0)
		die("KVM_SET_CPUID2 of vCPU %u: %s", v->id, strerror(errno));
	free(c);
}
