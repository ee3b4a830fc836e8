/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hvsim - a Hyper-V host for tests: types, logging and the machine object.
 *
 * Locking: one mutex, vm->lock. Every exit handler, every work callback and
 * every function below that takes a struct vm runs with it held, unless its
 * comment says otherwise. Device models never wait while holding it, but for
 * the files behind them.
 */
#ifndef HVSIM_H
#define HVSIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n) (1ULL << (n))
#define HV_PAGE_SIZE 4096ULL
#define MAX_VCPUS 8

/* Process exit codes. The README lists them. */
enum hvsim_exit {
	HVSIM_OK = 0,		/* guest powered off, no violation */
	HVSIM_USAGE = 1,	/* bad option, missing file, no usable /dev/kvm */
	HVSIM_GUEST_DIED = 2,	/* panic, triple fault, KVM error, timeout */
	HVSIM_VIOLATION = 3,	/* the guest broke a rule; one line says which */
	HVSIM_RESET = 4,	/* guest asked for a reset and --on-reset=exit */
	HVSIM_LEAK = 5,		/* powered off with state left (--strict-exit) */
};

/* ---- log.c: no lock needed ---- */

/* Ends the process with HVSIM_USAGE after "hvsim: file:line: message". */
#define die(...) log_die(__FILE__, __LINE__, __VA_ARGS__)
void log_die(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
/* Diagnostics on standard error, shown with --verbose. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Always shown on standard error, prefixed "hvsim: ". */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern bool log_verbose;

/*
 * The guest broke a rule of the interface. Prints one line
 *   hvsim: VIOLATION: <what the guest did wrong>
 * writes it to the results file as well, and ends the process with
 * HVSIM_VIOLATION - or, with --keep-going, counts it and goes on (the exit
 * code is HVSIM_VIOLATION at the end all the same).
 */
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
unsigned long violation_count(void);
/* Called once by main: where the line also goes (may be NULL) and policy. */
void violation_setup(FILE *results, bool keep_going);
/* What `violation` does to end the process; unit tests replace it. */
extern void (*violation_exit)(int code);

/* ---- guest memory: no lock needed ---- */

struct guest_mem {
	u8 *ram;		/* host address of guest physical 0 */
	u64 size;		/* bytes, contiguous from 0, up to 0xE0000000 */
};

/* Host pointer to [gpa, gpa+len), NULL unless wholly in guest RAM. */
static inline void *mem_ptr(const struct guest_mem *m, u64 gpa, u64 len)
{
	if (gpa >= m->size || len > m->size - gpa)
		return NULL;
	return m->ram + gpa;
}

/* ---- vm.c ---- */

struct vm;

/* Deferred device work: runs later on the worker thread, lock held. */
struct work {
	void (*fn)(void *arg);
	void *arg;
	struct work *next;
	bool queued;
};
/* Queues @w once; a second call before it ran does nothing. */
void vm_queue_work(struct vm *vm, struct work *w);

/* Runs every @period_ns on the worker thread, lock held. */
struct timer {
	void (*fn)(void *arg);
	void *arg;
	struct timer *next;
	u64 period_ns;		/* 0: stopped */
	u64 due_ns;
	bool listed;
};
/* Starts, changes or (0) stops a timer. It is never forgotten: do not free. */
void vm_set_timer(struct vm *vm, struct timer *t, u64 period_ns);

/* Fixed edge-triggered interrupt @vector to the vCPU with APIC id @apic_id. */
void vm_inject(struct vm *vm, u32 apic_id, u8 vector);

/* Memory-mapped windows. @addr passed on is the offset into the window. */
struct mmio_ops {
	u64 (*read)(void *opaque, u64 off, unsigned size);
	void (*write)(void *opaque, u64 off, unsigned size, u64 val);
};
/* Overlap with an existing window is legal; the newest one wins. */
void vm_mmio_add(struct vm *vm, u64 base, u64 len, const struct mmio_ops *ops,
		 void *opaque);
void vm_mmio_del(struct vm *vm, u64 base, const struct mmio_ops *ops,
		 void *opaque);

/*
 * @size zeroed bytes that survive a machine reset under @name (a reset starts
 * this program anew with the same arguments; the memory is handed over).
 */
void *vm_keep_mem(struct vm *vm, const char *name, u64 size);

const struct guest_mem *vm_mem(struct vm *vm);
unsigned vm_nr_vcpus(struct vm *vm);

/*
 * Control commands. The guest sends text lines "WORD ARG..." through the
 * control port; the first word picks the handler. It prints its answer to
 * @out and returns 0, or prints what was wrong and returns -1. Registered
 * once at start, never removed.
 */
typedef int (*ctl_fn)(void *opaque, int argc, char **argv, FILE *out);
void ctl_register(struct vm *vm, const char *word, const char *help, ctl_fn fn,
		  void *opaque);

#endif
