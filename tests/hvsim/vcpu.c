// SPDX-License-Identifier: GPL-2.0
/*
 * Virtual processors: one thread each, which runs the guest without the
 * machine's lock and handles every exit with it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "synic.h"
#include "vm.h"

/* Gets a thread out of KVM_RUN; its handler does nothing. */
#define KICK_SIGNAL SIGUSR1

#define SLEEP_ENABLE 0x20
#define SLEEP_TYPE(val) (((val) >> 2) & 7)
#define SLEEP_TYPE_S4 4
#define SLEEP_TYPE_S5 5

static void handle_kick(int sig)
{
	(void)sig;
}

void vcpu_create(struct vm *vm, unsigned id)
{
	struct vcpu *v = &vm->vcpus[id];
	struct sigaction sa = { .sa_handler = handle_kick };
	int khz;

	v->vm = vm;
	v->id = id;
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (v->fd < 0)
		die("KVM_CREATE_VCPU %u: %s", id, strerror(errno));
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->fd, 0);
	if (v->run == MAP_FAILED)
		die("cannot map the state of vCPU %u: %s", id,
		    strerror(errno));
	if (vm->sync_regs)
		v->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	sigaction(KICK_SIGNAL, &sa, NULL);
	cpuid_setup(v);
	khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		die("KVM_GET_TSC_KHZ: %s", strerror(errno));
	vm->tsc_khz = (u64)khz * vm->cfg.slow_clock;
}

struct kvm_regs *vcpu_regs(struct vcpu *v)
{
	if (v->vm->sync_regs)
		return &v->run->s.regs.regs;
	if (ioctl(v->fd, KVM_GET_REGS, &v->regs) < 0)
		die("KVM_GET_REGS of vCPU %u: %s", v->id, strerror(errno));
	return &v->regs;
}

void vcpu_regs_changed(struct vcpu *v)
{
	if (v->vm->sync_regs)
		v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	else if (ioctl(v->fd, KVM_SET_REGS, &v->regs) < 0)
		die("KVM_SET_REGS of vCPU %u: %s", v->id, strerror(errno));
}

void vcpu_log_state(struct vm *vm)
{
	struct kvm_regs regs;
	unsigned i;

	for (i = 0; i < vm->cfg.nr_vcpus; i++) {
		if (ioctl(vm->vcpus[i].fd, KVM_GET_REGS, &regs) < 0)
			continue;
		log_info("vCPU %u: rip %016llx rsp %016llx rflags %08llx", i,
			 regs.rip, regs.rsp, regs.rflags);
	}
}

/* ---- port I/O ---- */

static u32 read_port(struct vm *vm, u16 port)
{
	switch (port) {
	case PORT_COM1 ... PORT_COM1 + 7:
		return serial_in(vm->serial, port - PORT_COM1);
	case PORT_CTL_RESP:
		return ctl_response_byte(vm->ctl);
	case PORT_SLEEP_STS:
		return 0;
	/*
	 * Keyboard controller status and CMOS data: not there, but all-ones
	 * would read as "busy" and "update in progress" for ever.
	 */
	case 0x64:
	case 0x71:
		return 0;
	default:
		return ~0U;
	}
}

static void go_to_sleep(struct vm *vm, unsigned type)
{
	switch (type) {
	case SLEEP_TYPE_S4:
		log_debug("hibernated");
		vm_hibernate(vm);
		break;
	case SLEEP_TYPE_S5:
		log_debug("power off");
		vm_stop(vm, HVSIM_OK);
		break;
	default:
		log_info("sleep type %u is not offered", type);
		break;
	}
}

static void write_port(struct vcpu *v, u16 port, u32 val)
{
	struct vm *vm = v->vm;

	switch (port) {
	case PORT_HYPERCALL:
		hypercall_exit(v);
		break;
	case PORT_COM1 ... PORT_COM1 + 7:
		serial_out(vm->serial, port - PORT_COM1, (u8)val);
		break;
	case PORT_CTL_REQ:
		ctl_request(vm->ctl, (u64)val << 12);
		break;
	case PORT_SLEEP:
		if (val & SLEEP_ENABLE)
			go_to_sleep(vm, SLEEP_TYPE(val));
		break;
	case PORT_RESET:
		log_debug("reset");
		vm_reset(vm);
		break;
	}
}

static void handle_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 i, val;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			val = read_port(v->vm, run->io.port);
			memcpy(data, &val, run->io.size);
		} else {
			val = 0;
			memcpy(&val, data, run->io.size);
			write_port(v, run->io.port, val);
		}
	}
}

/* ---- exits ---- */

static void handle_unknown(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct kvm_regs *regs = vcpu_regs(v);

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		log_info("vCPU %u: triple fault at rip %016llx rsp %016llx",
			 v->id, regs->rip, regs->rsp);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		log_info("vCPU %u: KVM internal error %u at rip %016llx",
			 v->id, run->internal.suberror, regs->rip);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		log_info("vCPU %u: entry refused by the hardware, reason 0x%llx",
			 v->id, run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		log_info("vCPU %u: unexpected KVM exit %u at rip %016llx",
			 v->id, run->exit_reason, regs->rip);
		break;
	}
	vm_stop(v->vm, HVSIM_GUEST_DIED);
}

static void handle_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u64 val = 0;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(v);
		break;
	case KVM_EXIT_MMIO:
		vm_mmio(v->vm, run->mmio.phys_addr, run->mmio.data,
			run->mmio.len, run->mmio.is_write);
		break;
	case KVM_EXIT_X86_RDMSR:
		run->msr.error = !msr_read(v, run->msr.index, &val);
		run->msr.data = val;
		break;
	case KVM_EXIT_X86_WRMSR:
		run->msr.error = !msr_write(v, run->msr.index, run->msr.data);
		break;
	case KVM_EXIT_INTR:
		break;
	default:
		handle_unknown(v);
		break;
	}
}

static void *run_vcpu(void *arg)
{
	struct vcpu *v = arg;
	struct vm *vm = v->vm;
	int err;

	pthread_mutex_lock(&vm->lock);
	while (!vm->stopping) {
		pthread_mutex_unlock(&vm->lock);
		err = ioctl(v->fd, KVM_RUN, 0) < 0 ? errno : 0;
		pthread_mutex_lock(&vm->lock);
		if (vm->stopping || err == EINTR || err == EAGAIN)
			continue;
		if (err) {
			log_info("vCPU %u: KVM_RUN: %s", v->id, strerror(err));
			vm_stop(vm, HVSIM_GUEST_DIED);
			continue;
		}
		handle_exit(v);
	}
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

void vcpu_start(struct vcpu *v)
{
	if (pthread_create(&v->thread, NULL, run_vcpu, v))
		die("cannot start the thread of vCPU %u", v->id);
	v->started = true;
}

void vcpu_stop(struct vcpu *v)
{
	if (!v->started)
		return;
	/* The flag covers a signal that comes just before KVM_RUN. */
	v->run->immediate_exit = 1;
	pthread_kill(v->thread, KICK_SIGNAL);
	pthread_join(v->thread, NULL);
	v->started = false;
}
