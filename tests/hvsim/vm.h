/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine as its own parts see it: KVM handles, virtual processors,
 * physical address layout, and what each platform file offers to the others.
 * Device models, vmbus.c, vpci.c and iommu.c use hvsim.h only.
 */
#ifndef HVSIM_VM_H
#define HVSIM_VM_H

#include <linux/kvm.h>

#include "hvsim.h"
#include "hypercall.h"

/* Guest physical layout. Everything below 1 MiB but RAM is reserved in e820. */
#define LOW_RAM_END	0x9fc00ULL
#define ROOT_PAGES_GPA	0xc0000ULL	/* --root: pages the host provides */
#define EFI_GPA		0xd0000ULL	/* --secure-boot */
#define EFI_SIZE	0x10000ULL
#define ACPI_GPA	0xe0000ULL
#define ACPI_SIZE	0x8000ULL
#define SMBIOS_GPA	0xf0000ULL	/* where kernels without EFI look */
#define SMBIOS_SIZE	0x1000ULL
#define RESET_STUB_GPA	0xffff0ULL
#define MMIO_LOW_BASE	0xe0000000ULL
#define MMIO_LOW_SIZE	0x10000000ULL
#define MMIO_HIGH_BASE	0x800000000ULL
#define MMIO_HIGH_SIZE	0x100000000ULL

/* I/O ports. */
#define PORT_HYPERCALL	0xe4
#define PORT_COM1	0x3f8
#define PORT_CTL_REQ	0x5e0
#define PORT_CTL_RESP	0x5e1
#define PORT_SLEEP	0x604
#define PORT_SLEEP_STS	0x605
#define PORT_RESET	0x606

#define COM1_GSI	4

/* What the command line says about the machine itself. */
struct machine_config {
	u64 mem_size;
	unsigned nr_vcpus;
	u64 slow_clock;		/* how much slower guest time is than ours */
	bool mask_cx16, mask_xsave;
	bool isolated;		/* looks like a confidential (VBS) VM */
	bool root;		/* looks like a root partition */
	bool l1vh;		/* looks like one that may create others */
	const char *sys_vendor;	/* in the SMBIOS tables */
	bool secure_boot;	/* started by EFI, under Secure Boot */
	const char *mok;	/* certificate file of its owner, or NULL */
	bool panic_exit;	/* end the run when the guest reports a crash */
	unsigned long boots;	/* resets so far */
};

struct vcpu {
	struct vm *vm;
	unsigned id;		/* also VP index and APIC id */
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	struct kvm_regs regs;	/* buffer for hosts without KVM_CAP_SYNC_REGS */
};

struct mmio_window {
	u64 base, len;
	const struct mmio_ops *ops;
	void *opaque;
	struct mmio_window *next;	/* newest first */
};

struct vm {
	pthread_mutex_t lock;
	struct machine_config cfg;
	struct guest_mem mem;
	int kvm_fd, fd;
	size_t run_size;
	bool sync_regs;
	u64 tsc_khz;		/* as the guest sees it */
	u64 start_ns;			/* CLOCK_MONOTONIC at creation */
	struct vcpu vcpus[MAX_VCPUS];

	struct mmio_window *windows;
	struct work *work_head, **work_tail;
	struct timer *timers;
	pthread_cond_t work_cond;
	pthread_t worker;
	bool worker_started;

	bool stopping;
	int exit_code;
	bool reset_wanted;
	bool hibernated;		/* power-off that somebody will end */
	pthread_cond_t stop_cond;

	struct msrs *msrs;
	struct serial *serial;
	struct ctl *ctl;
	struct hypercalls *calls;
	struct synic *synic;
	struct vmbus *vmbus;
	struct vpci *vpci;
	struct iommu *iommu;
};

/* ---- vm.c ---- */

/* Opens KVM, checks what it can do, makes the VM and its RAM. */
struct vm *vm_new(const struct machine_config *cfg);
/* Starts the vCPU threads and the worker. No lock. */
void vm_start(struct vm *vm);
/* Ends the run with @code; the first one counts. */
void vm_stop(struct vm *vm, int code);
/* The guest asked for a machine reset. */
void vm_reset(struct vm *vm);
/* The guest has put itself on disk and powered off (ACPI S4). */
void vm_hibernate(struct vm *vm);
/*
 * Waits for vm_stop() or until CLOCK_MONOTONIC is @deadline_ns (0: for ever),
 * then stops all threads. Returns false when it was the deadline. No lock.
 */
bool vm_wait(struct vm *vm, u64 deadline_ns);
u64 vm_uptime_ns(const struct vm *vm);
u64 clock_ns(void);
void vm_mmio(struct vm *vm, u64 gpa, void *data, unsigned len, bool is_write);
/* Passes the kept memory on to the next incarnation of the program. */
void vm_keep_handover(void);

/* ---- vcpu.c ---- */

void vcpu_create(struct vm *vm, unsigned id);
/* No lock. */
void vcpu_start(struct vcpu *v);
void vcpu_stop(struct vcpu *v);
/* Registers at this exit. Call vcpu_regs_changed() after changing any. */
struct kvm_regs *vcpu_regs(struct vcpu *v);
void vcpu_regs_changed(struct vcpu *v);
/* Logs where every processor is. All threads must have been stopped. */
void vcpu_log_state(struct vm *vm);

/* ---- boot.c ---- */

/*
 * Loads a bzImage and the optional @initrd, and sets the first processor to
 * the kernel's 64-bit entry point.
 */
void boot_load(struct vm *vm, const char *kernel, const char *initrd,
	       const char *cmdline);

/* ---- acpi.c ---- */

void acpi_build(struct vm *vm);

/* ---- smbios.c ---- */

void smbios_build(struct vm *vm);

/* ---- efi.c ---- */

#define EFI_MEMMAP_ENTRIES 5
#define EFI_DESCRIPTOR_SIZE 48

struct boot_params;

/* Also what @params says of EFI. @mok: a certificate file, or NULL. */
void efi_build(struct vm *vm, const char *mok, struct boot_params *params);

/* ---- cpuid.c ---- */

void cpuid_setup(struct vcpu *v);

/* ---- msr.c ---- */

struct msrs *msr_new(struct vm *vm);
/* Return false to inject #GP. */
bool msr_read(struct vcpu *v, u32 index, u64 *val);
bool msr_write(struct vcpu *v, u32 index, u64 val);
/* Hypercalls work only with a guest OS id and an enabled page. */
bool msr_hypercalls_enabled(const struct vm *vm);

/* ---- serial.c ---- */

/* Output to @out; with @interactive, input from standard input. */
struct serial *serial_new(struct vm *vm, FILE *out, bool interactive);
u8 serial_in(struct serial *s, unsigned reg);
void serial_out(struct serial *s, unsigned reg, u8 val);
/* Writes out what is buffered and gives the terminal back. No lock. */
void serial_finish(struct serial *s);

/* ---- hypercall.c ---- */

struct trace;

struct hypercalls *hypercall_new(struct vm *vm, struct trace *trace);
/* The processor ran the instruction in the hypercall page. */
void hypercall_exit(struct vcpu *v);
void hypercall_print_counts(struct hypercalls *c, FILE *out);

/* ---- ctl.c ---- */

/* @results may be NULL: `tap` is refused then. */
struct ctl *ctl_new(struct vm *vm, FILE *results);
/*
 * Carries out a control line of the host's own; the result goes to the log.
 * An exchange with the guest that is under way is not disturbed.
 */
void ctl_run(void *ctl, const char *line);
/* The guest has a line at @gpa, the start of a page; newline or NUL ends it. */
void ctl_request(struct ctl *c, u64 gpa);
u8 ctl_response_byte(struct ctl *c);

#endif
