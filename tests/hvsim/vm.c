// SPDX-License-Identifier: GPL-2.0
/*
 * The machine object: KVM VM, RAM, memory-mapped windows, deferred work, the
 * end of a run, and memory kept across a reset.
 *
 * vm->lock is the one lock of the simulator. It is held by everything that
 * handles an exit or deferred work and dropped around KVM_RUN; the condition
 * variables here are waited for with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define HUGE_PAGE (2ULL << 20)
/* Three pages Intel hosts need for real mode; outside RAM and windows. */
#define TSS_ADDR 0xfffbd000UL
#define IDENTITY_MAP_ADDR 0xfffbc000ULL

#define MSR_FILTER_BASE 0x40000000
#define MSR_FILTER_COUNT 0x200

/* Environment variable that hands kept memory to the next incarnation. */
#define KEEP_ENV "HVSIM_KEEP"

/* One piece of kept memory. The list lives as long as the program. */
struct kept {
	char name[32];
	int fd;
	u64 size;
	struct kept *next;
};
static struct kept *kept_list;

u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

u64 vm_uptime_ns(const struct vm *vm)
{
	return clock_ns() - vm->start_ns;
}

const struct guest_mem *vm_mem(struct vm *vm)
{
	return &vm->mem;
}

unsigned vm_nr_vcpus(struct vm *vm)
{
	return vm->cfg.nr_vcpus;
}

/* ---- creation ---- */

static void check_virtualization(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	bool found = false;
	size_t size = 0;

	if (!f)
		die("cannot read /proc/cpuinfo: %s", strerror(errno));
	while (!found && getline(&line, &size, f) > 0)
		found = !strncmp(line, "flags", 5) &&
			(strstr(line, " vmx") || strstr(line, " svm"));
	free(line);
	fclose(f);
	if (!found)
		die("/proc/cpuinfo shows neither vmx nor svm: stock kernels need hardware virtualization (a /dev/kvm without it cannot run them); tests/hvsim/launch starts a QEMU machine that has it");
}

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("cannot open /dev/kvm: %s", strerror(errno));
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		die("/dev/kvm speaks an unknown API version");
	return fd;
}

static void check_capabilities(int kvm_fd)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
		{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
		{ KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR" },
		{ KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			die("/dev/kvm lacks %s (Linux 5.10 or later has it)",
			    needed[i].name);
}

/*
 * All synthetic MSRs come here: KVM's own Hyper-V code, where it is built in,
 * would swallow them otherwise.
 */
static void divert_msrs(int fd)
{
	static u8 deny_all[MSR_FILTER_COUNT / 8];
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.base = MSR_FILTER_BASE,
			.nmsrs = MSR_FILTER_COUNT,
			.bitmap = deny_all,
		},
	};

	if (ioctl(fd, KVM_ENABLE_CAP, &cap) < 0)
		die("KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
	if (ioctl(fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		die("KVM_X86_SET_MSR_FILTER: %s", strerror(errno));
}

/* Huge pages spare nested page faults, which are dear in emulation. */
static void create_ram(struct vm *vm, u64 size)
{
	struct kvm_userspace_memory_region region = { .memory_size = size };
	u8 *p;

	p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die("cannot map %llu MiB for guest RAM: %s",
		    (unsigned long long)(size >> 20), strerror(errno));
	p = (u8 *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (madvise(p, size, MADV_HUGEPAGE))
		log_debug("no huge pages for guest RAM: %s", strerror(errno));

	region.userspace_addr = (uintptr_t)p;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		die("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
	vm->mem.ram = p;
	vm->mem.size = size;
}

struct vm *vm_new(const struct machine_config *cfg)
{
	u64 identity = IDENTITY_MAP_ADDR;
	pthread_condattr_t attr;
	struct vm *vm;
	unsigned i;
	int sync;

	check_virtualization();
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		die("out of memory");
	vm->cfg = *cfg;
	vm->work_tail = &vm->work_head;
	vm->start_ns = clock_ns();
	pthread_mutex_init(&vm->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vm->work_cond, &attr);
	pthread_cond_init(&vm->stop_cond, &attr);
	pthread_condattr_destroy(&attr);

	vm->kvm_fd = open_kvm();
	check_capabilities(vm->kvm_fd);
	sync = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	vm->sync_regs = sync > 0 && (sync & KVM_SYNC_X86_REGS);
	vm->run_size = (size_t)ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %s", strerror(errno));
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR) < 0)
		die("KVM_SET_TSS_ADDR: %s", strerror(errno));
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		die("KVM_SET_IDENTITY_MAP_ADDR: %s", strerror(errno));
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		die("KVM_CREATE_IRQCHIP: %s", strerror(errno));
	divert_msrs(vm->fd);
	create_ram(vm, cfg->mem_size);
	for (i = 0; i < cfg->nr_vcpus; i++)
		vcpu_create(vm, i);
	return vm;
}

/* ---- running ---- */

/* Runs the timers that are due; returns when the next one is, 0 for never. */
static u64 run_timers(struct vm *vm)
{
	u64 now = clock_ns(), next = 0;
	struct timer *t;

	for (t = vm->timers; t; t = t->next) {
		if (!t->period_ns)
			continue;
		if (t->due_ns <= now) {
			/* What was missed is not made up for. */
			t->due_ns = now + t->period_ns;
			t->fn(t->arg);
		}
		if (t->period_ns && (!next || t->due_ns < next))
			next = t->due_ns;
	}
	return next;
}

/* For work, for a change of the timers, or until @until_ns. */
static void wait_for_work(struct vm *vm, u64 until_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000),
	};

	if (until_ns)
		pthread_cond_timedwait(&vm->work_cond, &vm->lock, &until);
	else
		pthread_cond_wait(&vm->work_cond, &vm->lock);
}

static void *run_worker(void *arg)
{
	struct vm *vm = arg;

	pthread_mutex_lock(&vm->lock);
	while (!vm->stopping) {
		u64 next = run_timers(vm);
		struct work *w = vm->work_head;

		if (!w) {
			wait_for_work(vm, next);
			continue;
		}
		vm->work_head = w->next;
		if (!vm->work_head)
			vm->work_tail = &vm->work_head;
		w->next = NULL;
		w->queued = false;
		w->fn(w->arg);
		/* Work that requeues itself must not starve the vCPUs. */
		pthread_mutex_unlock(&vm->lock);
		sched_yield();
		pthread_mutex_lock(&vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

void vm_queue_work(struct vm *vm, struct work *w)
{
	if (w->queued)
		return;
	w->queued = true;
	w->next = NULL;
	*vm->work_tail = w;
	vm->work_tail = &w->next;
	pthread_cond_signal(&vm->work_cond);
}

void vm_set_timer(struct vm *vm, struct timer *t, u64 period_ns)
{
	t->period_ns = period_ns;
	t->due_ns = clock_ns() + period_ns;
	if (!t->listed) {
		t->listed = true;
		t->next = vm->timers;
		vm->timers = t;
	}
	pthread_cond_signal(&vm->work_cond);
}

void vm_start(struct vm *vm)
{
	unsigned i;

	if (pthread_create(&vm->worker, NULL, run_worker, vm))
		die("cannot start the worker thread");
	vm->worker_started = true;
	for (i = 0; i < vm->cfg.nr_vcpus; i++)
		vcpu_start(&vm->vcpus[i]);
}

void vm_stop(struct vm *vm, int code)
{
	if (vm->stopping)
		return;
	vm->stopping = true;
	vm->exit_code = code;
	pthread_cond_broadcast(&vm->stop_cond);
	pthread_cond_broadcast(&vm->work_cond);
}

void vm_reset(struct vm *vm)
{
	if (!vm->stopping)
		vm->reset_wanted = true;
	vm_stop(vm, HVSIM_RESET);
}

bool vm_wait(struct vm *vm, u64 deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000),
	};
	bool in_time = true;
	unsigned i;

	pthread_mutex_lock(&vm->lock);
	while (!vm->stopping && in_time) {
		if (deadline_ns)
			in_time = pthread_cond_timedwait(&vm->stop_cond,
							 &vm->lock,
							 &until) != ETIMEDOUT;
		else
			pthread_cond_wait(&vm->stop_cond, &vm->lock);
	}
	in_time = vm->stopping;
	vm_stop(vm, HVSIM_GUEST_DIED);
	pthread_mutex_unlock(&vm->lock);

	for (i = 0; i < vm->cfg.nr_vcpus; i++)
		vcpu_stop(&vm->vcpus[i]);
	if (vm->worker_started)
		pthread_join(vm->worker, NULL);
	vm->worker_started = false;
	return in_time;
}

void vm_inject(struct vm *vm, u32 apic_id, u8 vector)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | (apic_id << 12),
		.data = vector,
	};

	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0)
		log_debug("vector 0x%02x for processor %u not accepted: %s",
			  vector, apic_id, strerror(errno));
}

/* ---- memory-mapped windows ---- */

void vm_mmio_add(struct vm *vm, u64 base, u64 len, const struct mmio_ops *ops,
		 void *opaque)
{
	struct mmio_window *w = malloc(sizeof(*w));

	if (!w)
		die("out of memory");
	*w = (struct mmio_window){
		.base = base, .len = len, .ops = ops, .opaque = opaque,
		.next = vm->windows,
	};
	vm->windows = w;
}

void vm_mmio_del(struct vm *vm, u64 base, const struct mmio_ops *ops,
		 void *opaque)
{
	struct mmio_window **p;

	for (p = &vm->windows; *p; p = &(*p)->next) {
		struct mmio_window *w = *p;

		if (w->base != base || w->ops != ops || w->opaque != opaque)
			continue;
		*p = w->next;
		free(w);
		return;
	}
}

void vm_mmio(struct vm *vm, u64 gpa, void *data, unsigned len, bool is_write)
{
	struct mmio_window *w;
	u64 val = 0;

	for (w = vm->windows; w; w = w->next)
		if (gpa >= w->base && gpa - w->base < w->len &&
		    len <= w->len - (gpa - w->base))
			break;
	if (!w) {
		log_debug("%s of %u bytes at 0x%llx: nobody there",
			  is_write ? "write" : "read", len,
			  (unsigned long long)gpa);
		if (!is_write)
			memset(data, 0xff, len);
		return;
	}
	if (is_write) {
		memcpy(&val, data, len);
		w->ops->write(w->opaque, gpa - w->base, len, val);
	} else {
		val = w->ops->read(w->opaque, gpa - w->base, len);
		memcpy(data, &val, len);
	}
}

/* ---- memory that survives a reset ---- */

/* The list as "NAME:FD:SIZE,..." from the previous incarnation. */
static void read_handover(void)
{
	static bool done;
	char *text, *item, *save;

	if (done)
		return;
	done = true;
	text = getenv(KEEP_ENV);
	text = text ? strdup(text) : NULL;
	if (!text)
		return;
	for (item = strtok_r(text, ",", &save); item;
	     item = strtok_r(NULL, ",", &save)) {
		struct kept *k = calloc(1, sizeof(*k));
		unsigned long long size;

		if (!k)
			die("out of memory");
		if (sscanf(item, "%31[^:]:%d:%llu", k->name, &k->fd,
			   &size) != 3)
			die(KEEP_ENV " holds \"%s\", not NAME:FD:SIZE", item);
		k->size = size;
		k->next = kept_list;
		kept_list = k;
	}
	free(text);
}

static struct kept *find_kept(const char *name)
{
	struct kept *k;

	for (k = kept_list; k; k = k->next)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

void *vm_keep_mem(struct vm *vm, const char *name, u64 size)
{
	struct kept *k;
	void *p;

	(void)vm;
	read_handover();
	k = find_kept(name);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			die("out of memory");
		if (strlen(name) >= sizeof(k->name) || strpbrk(name, ":,"))
			die("\"%s\" cannot name kept memory", name);
		strcpy(k->name, name);
		k->size = size;
		/* Stays open over exec: that is the point. */
		k->fd = memfd_create(name, 0);
		if (k->fd < 0 || ftruncate(k->fd, (off_t)size))
			die("cannot create %llu bytes of memory for %s: %s",
			    (unsigned long long)size, name, strerror(errno));
		k->next = kept_list;
		kept_list = k;
	}
	if (k->size != size)
		die("kept memory %s has %llu bytes, not %llu", name,
		    (unsigned long long)k->size, (unsigned long long)size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
	if (p == MAP_FAILED)
		die("cannot map %llu bytes of memory for %s: %s",
		    (unsigned long long)size, name, strerror(errno));
	return p;
}

void vm_keep_handover(void)
{
	struct kept *k;
	size_t size;
	char *text;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		die("out of memory");
	for (k = kept_list; k; k = k->next)
		fprintf(f, "%s:%d:%llu,", k->name, k->fd,
			(unsigned long long)k->size);
	fclose(f);
	setenv(KEEP_ENV, text, 1);
	free(text);
}
