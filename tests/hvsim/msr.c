// SPDX-License-Identifier: GPL-2.0
/*
 * Synthetic MSRs but those of the SynIC: guest identity, hypercall page,
 * clocks, VP assist page, crash report. Runs at MSR exits, lock held.
 *
 * Source: TLFS, "Hypervisor Synthetic MSRs".
 */
#include <stdlib.h>
#include <string.h>

#include "synic.h"
#include "vm.h"

#define MSR_GUEST_OS_ID		0x40000000
#define MSR_HYPERCALL		0x40000001
#define MSR_VP_INDEX		0x40000002
#define MSR_RESET		0x40000003
#define MSR_VP_RUNTIME		0x40000010
#define MSR_TIME_REF_COUNT	0x40000020
#define MSR_REFERENCE_TSC	0x40000021
#define MSR_TSC_FREQUENCY	0x40000022
#define MSR_APIC_FREQUENCY	0x40000023
#define MSR_VP_ASSIST_PAGE	0x40000073
#define MSR_SYNIC_FIRST		0x40000080
#define MSR_SYNIC_LAST		0x4000009f
#define MSR_CRASH_P0		0x40000100
#define MSR_CRASH_P4		0x40000104
#define MSR_CRASH_CTL		0x40000105
#define MSR_TSC_INVARIANT	0x40000118

#define MSR_RANGE_BASE		0x40000000
#define MSR_RANGE_COUNT		0x200

#define PAGE_ENABLE		1ULL
#define PAGE_GPA(msr)		((msr) & ~(HV_PAGE_SIZE - 1))

#define CRASH_NOTIFY		BIT_ULL(63)
#define CRASH_NOTIFY_MSG	BIT_ULL(62)
#define CRASH_MSG_MAX		4096

/* KVM's local APIC timer counts nanoseconds. */
#define APIC_HZ			1000000000ULL

struct msrs {
	struct vm *vm;
	u64 guest_os_id;
	u64 hypercall;
	u64 reference_tsc;
	u64 tsc_invariant;
	u64 crash[5];
	u64 vp_assist[MAX_VCPUS];
	bool told[MSR_RANGE_COUNT];	/* unknown ones: once each */
};

struct msrs *msr_new(struct vm *vm)
{
	struct msrs *m = calloc(1, sizeof(*m));
	unsigned i;

	if (!m)
		die("out of memory");
	m->vm = vm;
	if (vm->cfg.root) {
		/*
		 * A root partition does not choose these pages, it finds them
		 * at addresses outside its own memory.
		 */
		m->hypercall = ROOT_PAGES_GPA;
		for (i = 0; i < vm->cfg.nr_vcpus; i++)
			m->vp_assist[i] = ROOT_PAGES_GPA +
					  (i + 1) * HV_PAGE_SIZE;
	}
	return m;
}

bool msr_hypercalls_enabled(const struct vm *vm)
{
	return vm->msrs->guest_os_id && (vm->msrs->hypercall & PAGE_ENABLE);
}

/* Reference time: units of 100 ns since the machine was created. */
static u64 read_time(const struct vm *vm)
{
	return vm_uptime_ns(vm) / 100 / vm->cfg.slow_clock;
}

/*
 * The code Linux calls. OUT rather than IN: KVM completes an IN by setting
 * RAX from 32 bits of data, which would lose the repetition count in bits
 * 43:32. ENDBR64 keeps indirect branch tracking usable in the guest.
 */
static bool write_hypercall_page(struct msrs *m, u64 val)
{
	static const u8 code[] = {
		0xf3, 0x0f, 0x1e, 0xfa,		/* endbr64 */
		0xe7, PORT_HYPERCALL,		/* out PORT, eax */
		0xc3,				/* ret */
	};
	u8 *page;

	/* Without an identity the page cannot be enabled. */
	if (!m->guest_os_id)
		val &= ~PAGE_ENABLE;
	if (val & PAGE_ENABLE) {
		page = mem_ptr(&m->vm->mem, PAGE_GPA(val), HV_PAGE_SIZE);
		if (!page) {
			log_info("hypercall page at 0x%llx is outside memory",
				 (unsigned long long)PAGE_GPA(val));
			return false;
		}
		memcpy(page, code, sizeof(code));
		log_debug("hypercall page at 0x%llx",
			  (unsigned long long)PAGE_GPA(val));
	}
	m->hypercall = val;
	return true;
}

/* Sequence, scale and offset of the reference TSC page. */
static bool write_reference_tsc(struct msrs *m, u64 val)
{
	struct vm *vm = m->vm;
	u64 scale;
	u8 *page;

	if (val & PAGE_ENABLE) {
		page = mem_ptr(&vm->mem, PAGE_GPA(val), HV_PAGE_SIZE);
		if (!page)
			return false;
		scale = (u64)(((unsigned __int128)10000 << 64) / vm->tsc_khz);
		memcpy(page + 8, &scale, sizeof(scale));
		memset(page + 16, 0, 8);
		__atomic_store_n((u32 *)page, 1, __ATOMIC_RELEASE);
	}
	m->reference_tsc = val;
	return true;
}

static void print_crash_text(const char *text, u64 len)
{
	const char *end = text + len, *nl;

	while (text < end) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (!nl)
			nl = end;
		log_info("| %.*s", (int)(nl - text), text);
		text = nl + 1;
	}
}

static void report_crash(struct msrs *m, u64 ctl)
{
	const char *text;

	log_info("guest reports a crash: 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx",
		 (unsigned long long)m->crash[0],
		 (unsigned long long)m->crash[1],
		 (unsigned long long)m->crash[2],
		 (unsigned long long)m->crash[3],
		 (unsigned long long)m->crash[4]);
	if (ctl & CRASH_NOTIFY_MSG) {
		text = m->crash[4] <= CRASH_MSG_MAX ?
			mem_ptr(&m->vm->mem, m->crash[3], m->crash[4]) : NULL;
		if (text)
			print_crash_text(text, m->crash[4]);
		else
			log_info("its message is outside memory or too long");
	}
	if (m->vm->cfg.panic_exit)
		vm_stop(m->vm, HVSIM_GUEST_DIED);
}

static void tell_unknown(struct msrs *m, u32 index, const char *what)
{
	bool *told = &m->told[index - MSR_RANGE_BASE];

	if (!*told)
		log_debug("%s of unknown MSR 0x%x", what, index);
	*told = true;
}

bool msr_read(struct vcpu *v, u32 index, u64 *val)
{
	struct vm *vm = v->vm;
	struct msrs *m = vm->msrs;

	*val = 0;
	switch (index) {
	case MSR_GUEST_OS_ID:
		*val = m->guest_os_id;
		break;
	case MSR_HYPERCALL:
		*val = m->hypercall;
		break;
	case MSR_VP_INDEX:
		*val = v->id;
		break;
	case MSR_VP_RUNTIME:
	case MSR_TIME_REF_COUNT:
		*val = read_time(vm);
		break;
	case MSR_REFERENCE_TSC:
		*val = m->reference_tsc;
		break;
	case MSR_TSC_FREQUENCY:
		*val = vm->tsc_khz * 1000;
		break;
	case MSR_APIC_FREQUENCY:
		*val = APIC_HZ * vm->cfg.slow_clock;
		break;
	case MSR_VP_ASSIST_PAGE:
		*val = m->vp_assist[v->id];
		break;
	case MSR_SYNIC_FIRST ... MSR_SYNIC_LAST:
		return synic_rdmsr(vm->synic, v->id, index, val);
	case MSR_CRASH_P0 ... MSR_CRASH_P4:
		*val = m->crash[index - MSR_CRASH_P0];
		break;
	case MSR_CRASH_CTL:
		*val = CRASH_NOTIFY | CRASH_NOTIFY_MSG;
		break;
	case MSR_TSC_INVARIANT:
		*val = m->tsc_invariant;
		break;
	case MSR_RESET:
		break;
	default:
		tell_unknown(m, index, "read");
		break;
	}
	return true;
}

bool msr_write(struct vcpu *v, u32 index, u64 val)
{
	struct vm *vm = v->vm;
	struct msrs *m = vm->msrs;

	switch (index) {
	case MSR_GUEST_OS_ID:
		log_debug("guest OS id 0x%016llx", (unsigned long long)val);
		m->guest_os_id = val;
		if (!val)
			m->hypercall &= ~PAGE_ENABLE;
		break;
	case MSR_HYPERCALL:
		return write_hypercall_page(m, val);
	case MSR_RESET:
		if (val & 1)
			vm_reset(vm);
		break;
	case MSR_VP_INDEX:
	case MSR_VP_RUNTIME:
	case MSR_TIME_REF_COUNT:
	case MSR_TSC_FREQUENCY:
	case MSR_APIC_FREQUENCY:
		return false;
	case MSR_REFERENCE_TSC:
		return write_reference_tsc(m, val);
	case MSR_VP_ASSIST_PAGE:
		m->vp_assist[v->id] = val;
		break;
	case MSR_SYNIC_FIRST ... MSR_SYNIC_LAST:
		return synic_wrmsr(vm->synic, v->id, index, val);
	case MSR_CRASH_P0 ... MSR_CRASH_P4:
		m->crash[index - MSR_CRASH_P0] = val;
		break;
	case MSR_CRASH_CTL:
		report_crash(m, val);
		break;
	case MSR_TSC_INVARIANT:
		m->tsc_invariant = val;
		break;
	default:
		tell_unknown(m, index, "write");
		break;
	}
	return true;
}
