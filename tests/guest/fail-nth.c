// SPDX-License-Identifier: GPL-2.0
/*
 * fail-nth: lets the host fail every hypercall of an operation once.
 *
 *   fail-nth PCINAME HOSTNAME MODULE.KO DMAPROBE.KO [OPERATION...]
 *
 * For each call and each status, the 1st, 2nd, 3rd... of these calls fails,
 * and one that is made no more: then the operation works. PCINAME is a
 * dmaprobe function alone on its bus, HOSTNAME is what hvsim calls it,
 * MODULE.KO is hv_pviommu, DMAPROBE.KO the function's driver, not loaded.
 *
 * What must hold each time is in check_run() and check_base(), and for each
 * operation in its own check. All results are TAP lines for hvsim. Exit code
 * 0: all held; 1: not; 2: usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "dmaprobe_ioctl.h"
#include "dmaprobe_regs.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PAGE		4096UL
/* A table of its own, so that to unmap it is a flush of the domain. */
#define BIG_PAGES	512
/* As many pages as a domain can have tables here, and some. */
#define REUSED		(64 * PAGE)
/* What the rest of the kernel may need more in the end. */
#define SLACK_KB	1024L
#define MAX_IDS		65536
#define MAX_MISSES	20

/*
 * The module says at most 10 lines in 5 seconds of one kind. It is loaded
 * anew before one can get lost; one failure makes three at most.
 */
#define ENOUGH_LINES	7

enum call_index { CAPS, PROPERTY, CREATE, CONFIGURE, ATTACH, DETACH, FLUSH,
		  FLUSH_LIST, DELETE, NR_CALLS };

/* As the host calls it, as the module does, what it says of a failure. */
static const struct {
	const char *word, *name, *consequence[4];
} calls[NR_CALLS] = {
	[CAPS] = { "caps", "GET_CAPABILITIES", { "the pvIOMMU is not used" } },
	[PROPERTY] = { "property", "GET_DEVICE_PROPERTY",
		       { "the device is left untranslated" } },
	[CREATE] = { "create", "CREATE_DOMAIN", { "no new domain" } },
	[CONFIGURE] = { "configure", "CONFIGURE_DOMAIN", { "no new domain" } },
	[ATTACH] = { "attach", "ATTACH_DOMAIN",
		     { "the device stays where it was" } },
	[DETACH] = { "detach", "DETACH_DOMAIN",
		     { "the device stays where it was" } },
	[FLUSH] = { "flush", "FLUSH_DOMAIN",
		    { "the devices of the domain are going to be blocked" } },
	[FLUSH_LIST] = { "flush-list", "FLUSH_DOMAIN_LIST",
			 { "the whole domain is flushed instead",
			   "more is flushed instead" } },
	[DELETE] = { "delete", "DELETE_DOMAIN",
		     { "its id and its page tables are never used again",
		       "its id is not used again",
		       "it stays in the host, unused",
		       "it stays in the host" } },
};

enum { UNSUPPORTED = 0x02, IN_USE = 0x19, GONE = 0x57, WRONG_STATE = 0x58,
       EXISTS = 0x65, IN_DOMAIN = 0x66, FAILED = 0x71 };

static const struct {
	unsigned int status;
	const char *name;
} statuses[] = {
	{ UNSUPPORTED, "INVALID_HYPERCALL_CODE" },
	{ 0x03, "INVALID_HYPERCALL_INPUT" },
	{ 0x04, "INVALID_ALIGNMENT" },
	{ 0x05, "INVALID_PARAMETER" },
	{ 0x06, "ACCESS_DENIED" },
	{ 0x07, "INVALID_PARTITION_STATE" },
	{ 0x08, "OPERATION_DENIED" },
	{ 0x09, "UNKNOWN_PROPERTY" },
	{ 0x0a, "PROPERTY_VALUE_OUT_OF_RANGE" },
	{ 0x0b, "INSUFFICIENT_MEMORY" },
	{ 0x0d, "INVALID_PARTITION_ID" },
	{ 0x10, "NOT_FOUND" },
	{ IN_USE, "OBJECT_IN_USE" },
	{ 0x1d, "NO_RESOURCES" },
	{ 0x38, "INSUFFICIENT_DEVICE_DOMAINS" },
	{ GONE, "INVALID_DEVICE_ID" },
	{ WRONG_STATE, "INVALID_DEVICE_STATE" },
	{ 0x59, "PENDING_PAGE_REQUESTS" },
	{ 0x60, "PAGE_REQUEST_INVALID" },
	{ EXISTS, "KEY_ALREADY_EXISTS" },
	{ IN_DOMAIN, "DEVICE_ALREADY_IN_DOMAIN" },
	{ FAILED, "OPERATION_FAILED" },
	{ 0x73, "INSUFFICIENT_ROOT_MEMORY" },
	{ 0x75, "INSUFFICIENT_CONTIGUOUS_MEMORY" },
	{ 0x78, "TIME_OUT" },
	{ 0x79, "CALL_PENDING" },
	{ 0x83, "INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY" },
	{ 0x01, "unknown" },
	{ 0x7777, "unknown" },
	{ 0xffff, "no hypercall page" },
};

/* A run of an operation that is under way, or just over. */
struct fault {
	const struct op *op;
	enum call_index call;
	unsigned int status;
	const char *name;
	unsigned int nth;
	bool consumed;
};

/*
 * Base state: the module is loaded, the function is there and translated, no
 * driver has it, or the one that prepare() has bound. Each run begins there
 * and end() goes back to it; only what is between is done with the fault.
 */
struct op {
	const char *name;
	void (*prepare)(void);
	void (*begin)(void);
	int (*run)(void);		/* 0 or an errno */
	void (*check)(int err);
	void (*end)(void);
	void (*finish)(void);
	/* The core warns of later attachments that fail; 0: it does not. */
	unsigned int last_attach;
	/* From 6.12 on it warns of the first one. */
	bool first_attach;
};

static const char *pci, *host_name;
static struct image {
	void *text;
	size_t size;
} pviommu, dmaprobe;			/* modules */
static struct fault fault;		/* what is being tried */
static unsigned int nr_misses;
static unsigned int nr_lines;		/* of the module since it was loaded */
static bool announced[MAX_IDS];		/* domains that it said are left */
static unsigned int nr_left;		/* so many */
static unsigned int nr_leaked;		/* in all */
static int kmsg;

/* ---- results ---- */

static char *ask(const char *fmt, ...);

__attribute__((format(printf, 1, 2)))
static void note(const char *fmt, ...)
{
	char text[700];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ask("tap # %s", text);
}

__attribute__((format(printf, 1, 2)))
static void miss(const char *fmt, ...)
{
	char text[500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (nr_misses++ >= MAX_MISSES)
		return;
	if (fault.op)
		ask("tap not ok - %s, %s number %u, status 0x%x: %s",
		    fault.op->name, calls[fault.call].word, fault.nth,
		    fault.status, text);
	else
		ask("tap not ok - fail-nth: %s", text);
}

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	char text[400];
	int error = errno;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	nr_misses = 0;
	miss("%s (errno %d): no way to go on", text, error);
	exit(1);
}

__attribute__((format(printf, 1, 2)))
static char *ask(const char *fmt, ...)
{
	static char *answer;
	char line[1000];
	va_list args;
	int len;

	free(answer);
	answer = NULL;
	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len] = '\n';
	if (ctl_ask(line, len + 1, &answer)) {
		fprintf(stderr, "fail-nth: %.*s: %s\n", len, line,
			answer ? answer : "");
		exit(1);
	}
	return answer;
}

static unsigned long ask_number(const char *word)
{
	return strtoul(ask("%s", word), NULL, 10);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/* ---- files ---- */

__attribute__((format(printf, 2, 3)))
static int write_text(const char *text, const char *fmt, ...)
{
	char path[256];
	va_list args;
	int fd, err = 0;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

__attribute__((format(printf, 1, 2)))
static bool exists(const char *fmt, ...)
{
	char path[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return !access(path, F_OK);
}

/* ---- the log of the kernel ---- */

static const char *const bad_words[] = {
	"WARNING:", "BUG", "Oops", "Call Trace", "unchecked MSR",
	"general protection", "refcount_t", "soft lockup", "detected stall",
};

static bool newer_core;			/* 6.12 or later */
static bool seen;			/* what is_expected() looks for */

/*
 * The device is in a domain. That is all right if it is the right one, and
 * else the module takes it out of it first: it does not fail.
 */
static bool means_attached(enum call_index call, unsigned int status)
{
	return call == ATTACH && (status == IN_DOMAIN || status == WRONG_STATE);
}

/* What the fault must make the module say. */
static bool is_expected(const char *line)
{
	const char *name = calls[fault.call].name;
	unsigned int status = fault.status;
	size_t len = strlen(name);
	const char *consequence;
	char want[200];
	unsigned int i;

	switch (fault.call) {
	case CAPS:
		if (status == UNSUPPORTED)
			return strstr(line, "this Hyper-V host has no pvIOMMU");
		break;
	case CREATE:
		if (status == IN_USE || status == EXISTS)
			return strstr(line, "is in the host already");
		break;
	case FLUSH_LIST:
		if (status == UNSUPPORTED)
			if (strstr(line, "the host flushes whole domains only"))
				return true;
		break;
	default:
		break;
	}
	if (strncmp(line, name, len) || strncmp(line + len, " 0x", 3))
		return false;
	if (status == GONE && (fault.call == PROPERTY ||
			       fault.call == ATTACH || fault.call == DETACH))
		return strstr(line, ": the host has no such device (any more)");
	line = strstr(line, " failed");
	for (i = 0; line && i < 4; i++) {
		consequence = calls[fault.call].consequence[i];
		if (!consequence)
			break;
		snprintf(want, sizeof(want), " failed with status 0x%x (%s): %s",
			 status, fault.name, consequence);
		if (!strcmp(line, want))
			return true;
	}
	return false;
}

/* What the module says of domains that are left, or left no more. */
static void note_domains(const char *line)
{
	unsigned int id;

	if (sscanf(line, "DELETE_DOMAIN 0x%x failed", &id) == 1 &&
	    id < MAX_IDS)
		announced[id] = true;
	else if (strstr(line, " stays in the host") &&
		 sscanf(line, "domain %u stays", &id) == 1 && id < MAX_IDS)
		announced[id] = true;
	else if (sscanf(line, "domain %u is in the host already", &id) == 1 &&
		 id < MAX_IDS)
		announced[id] = false;
}

/*
 * From 6.12 on, the core wants a device to get into the first domain that it
 * has for it, and says so with all that a warning has. That is no fault of the
 * module's, when the host refuses it.
 */
static bool is_core_warning(const char *line)
{
	static bool inside;

	if (newer_core && fault.op && fault.op->first_attach &&
	    fault.call == ATTACH && fault.nth == 1 &&
	    strstr(line, "WARNING:") &&
	    strstr(line, "iommu_setup_default_domain"))
		inside = true;
	if (!inside)
		return false;
	inside = !strstr(line, "end trace");
	return true;
}

static void look_at_line(char *line)
{
	static const char own[] = "hv_pviommu: ";
	size_t i;

	if (is_core_warning(line))
		return;
	for (i = 0; i < ARRAY_SIZE(bad_words); i++)
		if (strstr(line, bad_words[i]))
			miss("in the log: %s", line);
	if (strncmp(line, own, strlen(own)))
		return;
	line += strlen(own);
	nr_lines++;
	if (strstr(line, "callbacks suppressed"))
		miss("lines were lost: %s", line);
	note_domains(line);
	/* It tries none any more: the next ones that are to fail would not. */
	if (strstr(line, "whole domains"))
		nr_lines += ENOUGH_LINES;
	if (fault.op && is_expected(line))
		seen = true;
}

static void read_log(void)
{
	char record[2048];
	ssize_t len;
	char *text;

	for (;;) {
		len = read(kmsg, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			die("lines of the log were lost");
		if (len <= 0)
			return;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text)
			continue;
		text[1 + strcspn(text + 1, "\n")] = 0;
		look_at_line(text + 1);
	}
}

/* ---- the host ---- */

struct host_state {
	unsigned int identity, blocked, paging, other;
	bool in_paging;			/* the function is in the paging one */
	char device[32];		/* what it is in */
};

/*
 * Domains but for those that the module said are left. What it said of a
 * domain that is not there is forgotten: the fault was that it exists.
 */
static void look_at_host(struct host_state *s)
{
	static bool there[MAX_IDS];
	char kind[16], devices[64], *line, *rest;
	unsigned int id, in, i;

	memset(s, 0, sizeof(*s));
	if (sscanf(ask("iommu device %s", host_name), "%u %31s", &in,
		   s->device) != 2)
		die("the host tells nothing of %s", host_name);
	memset(there, 0, sizeof(there));
	rest = ask("iommu domains");
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%u %15s %*u %63s", &id, kind, devices) != 3)
			continue;
		if (id >= MAX_IDS)
			die("domain %u", id);
		there[id] = true;
		if (announced[id])
			continue;
		if (!strcmp(kind, "identity"))
			s->identity++;
		else if (!strcmp(kind, "blocked"))
			s->blocked++;
		else if (!strcmp(kind, "paging"))
			s->paging++;
		else
			s->other++;
		if (!strcmp(kind, "paging") && id == in)
			s->in_paging = true;
	}
	nr_left = 0;
	for (i = 0; i < MAX_IDS; i++) {
		announced[i] = announced[i] && there[i];
		nr_left += announced[i];
	}
}

/* What must be left in the host, besides what the module said is. */
static void expect_in(const struct host_state *s, unsigned int statics,
		      unsigned int paging)
{
	if (s->identity != statics || s->blocked != statics ||
	    s->paging != paging || s->other)
		miss("%u identity, %u blocked, %u paging, %u other domains in the host, not %u, %u, %u, 0",
		     s->identity, s->blocked, s->paging, s->other, statics,
		     statics, paging);
}

static void expect_domains(unsigned int statics, unsigned int paging)
{
	struct host_state s;

	look_at_host(&s);
	expect_in(&s, statics, paging);
}

/* ---- steps ---- */

static bool is_loaded(void) { return exists("/sys/module/hv_pviommu"); }
static bool is_there(void) { return exists("/sys/bus/pci/devices/%s", pci); }

static bool is_translated(void)
{
	struct host_state s;

	look_at_host(&s);
	return s.in_paging;
}

static int insmod(const struct image *ko)
{
	return syscall(SYS_init_module, ko->text, ko->size, "") ? errno : 0;
}

static int rmmod(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

static int load_module(void)
{
	nr_lines = 0;
	return insmod(&pviommu);
}

static int unload_module(void)
{
	return rmmod("hv_pviommu");
}

static int remove_function(void)
{
	return write_text("1", "/sys/bus/pci/devices/%s/remove", pci);
}

static int rescan_bus(void)
{
	return write_text("1", "/sys/class/pci_bus/%.7s/rescan", pci);
}

static void must(int err, const char *what)
{
	errno = err;
	if (err)
		die("%s", what);
}

static void drop_function(void)
{
	must(remove_function(), "removing the function");
	if (is_there())
		die("the function does not go");
}

static void find_function(void)
{
	must(rescan_bus(), "rescanning its bus");
	if (!is_there())
		die("the function does not come back");
}

static void unload(void) { must(unload_module(), "rmmod"); }
static void load(void) { must(load_module(), "insmod"); }

static void bind(const char *driver)
{
	must(write_text(driver, "/sys/bus/pci/devices/%s/driver_override",
			pci), "driver_override");
	must(write_text(pci, "/sys/bus/pci/drivers/%s/bind", driver), "bind");
}

static void unbind(void)
{
	must(write_text(pci, "/sys/bus/pci/devices/%s/driver/unbind", pci),
	     "unbind");
	must(write_text("\n", "/sys/bus/pci/devices/%s/driver_override", pci),
	     "no driver_override");
}

static void move_away(void)
{
	if (is_there())
		drop_function();
}

/* The shortest way back to the base state from anywhere. */
static void end_anywhere(void)
{
	if (!is_loaded())
		load();
	if (is_there() && !is_translated())
		drop_function();
	if (!is_there())
		find_function();
}

/* The function, in hands of a driver, is translated again. */
static void end_bound(void)
{
	if (is_translated())
		return;
	fault.op->finish();
	drop_function();
	find_function();
	fault.op->prepare();
}

/* ---- load ---- */

static void begin_load(void)
{
	drop_function();
	unload();
	find_function();
}

/* Whether the module says that it was refused: it is not tried again then. */
static bool is_refused(void)
{
	char text[256] = "";
	FILE *f = fopen("/sys/class/iommu/hv-pviommu/untranslated_devices", "r");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, " refused");
}

/* One that somebody had locked at load is taken over soon after. */
static void await_adoption(void)
{
	int i;

	for (i = 0; i < 500 && !is_translated() && !is_refused(); i++)
		usleep(20000);
}

static void check_load(int err)
{
	/* modprobe would take it for success. */
	if (err == EEXIST)
		miss("insmod failed with EEXIST");
	if (is_loaded() != !err)
		miss("insmod said %d, the module is %sloaded", err,
		     err ? "" : "not ");
	if (err) {
		expect_domains(0, 0);
		return;
	}
	await_adoption();
	expect_domains(1, is_translated());
}

/* ---- unload ---- */

static void check_unload(int err)
{
	if (err)
		miss("rmmod failed (%d)", err);
	expect_domains(0, 0);
}

/* ---- remove ---- */

static void check_remove(int err)
{
	if (err || is_there())
		miss("it was not removed (%d)", err);
	expect_domains(1, 0);
}

/* ---- arrive ---- */

static void check_arrive(int err)
{
	struct host_state s;
	unsigned int paging;
	int i;

	if (err || !is_there())
		miss("it did not come (%d)", err);
	/* The core flushes the new domain when the function is in it. */
	for (i = 0; i < 25; i++) {
		look_at_host(&s);
		paging = s.in_paging || !strcmp(s.device, "blocked");
		if (s.paging == paging)
			break;
		usleep(20000);
	}
	expect_in(&s, 1, paging);
}

/* ---- switch ---- */

static char type_path[300];

static void prepare_switch(void)
{
	snprintf(type_path, sizeof(type_path),
		 "/sys/bus/pci/devices/%s/iommu_group/type", pci);
}

/* The kernel and the host agree, or nothing gets through. */
static void check_type(void)
{
	struct host_state s;
	char type[16] = "";
	int fd = open(type_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, type, sizeof(type) - 1) <= 0)
		die("%s", type_path);
	close(fd);
	type[strcspn(type, "\n")] = 0;
	look_at_host(&s);
	if (!strcmp(s.device, "blocked"))
		return;
	if (strcmp(s.device, strcmp(type, "identity") ? "paging" : type))
		miss("group of type %s, device %s", type, s.device);
}

static int run_switch(void)
{
	int err, err2;

	err = write_text("identity", "%s", type_path);
	check_type();
	err2 = write_text("DMA", "%s", type_path);
	check_type();
	return err ? err : err2;
}

static void check_switch(int err)
{
	struct host_state s;

	(void)err;
	look_at_host(&s);
	expect_domains(1, !strcmp(s.device, "paging"));
}

static void end_switch(void)
{
	if (write_text("DMA", "%s", type_path))
		miss("it does not switch back");
	if (!is_translated()) {
		drop_function();
		find_function();
	}
}

/* ---- dma ---- */

static int probe = -1;

static uint32_t new_buffer(uint32_t pages)
{
	struct dmaprobe_alloc arg = {
		.nr_pages = pages, .kind = DMAPROBE_KIND_PAGES,
	};

	if (ioctl(probe, DMAPROBE_IOC_ALLOC, &arg))
		die("allocating %u pages", pages);
	return arg.id;
}

static uint32_t device_op(uint32_t op, uint64_t iova, uint32_t byte)
{
	struct dmaprobe_run run = {
		.op = op, .iova = iova, .len = 64, .byte = byte,
	};

	if (ioctl(probe, DMAPROBE_IOC_RUN, &run))
		die("DMA");
	return run.status;
}

static bool holds(uint32_t id, uint32_t byte, uint64_t offset)
{
	struct dmaprobe_range range = {
		.id = id, .byte = byte, .offset = offset, .len = 64,
	};

	if (ioctl(probe, DMAPROBE_IOC_CHECK, &range))
		die("looking at a buffer");
	return !range.differs;
}

/* Maps, has the device write both ends, unmaps, has it try again. */
static void use_buffer(uint32_t pages)
{
	struct dmaprobe_map map = { .dir = DMAPROBE_BIDIR };
	uint64_t end = pages * PAGE - 64;
	bool works;

	map.id = new_buffer(pages);
	if (ioctl(probe, DMAPROBE_IOC_MAP, &map))
		die("mapping %u pages", pages);
	device_op(DMAPROBE_FILL, 0, 0x11);
	works = device_op(DMAPROBE_WRITE, map.iova, 0) == DMAPROBE_OK &&
		device_op(DMAPROBE_WRITE, map.iova + end, 0) == DMAPROBE_OK &&
		holds(map.id, 0x11, 0) && holds(map.id, 0x11, end);
	if (!works && is_translated())
		miss("%u pages: the device does not reach them", pages);
	if (ioctl(probe, DMAPROBE_IOC_UNMAP, &map.id))
		die("unmapping");
	device_op(DMAPROBE_FILL, 0, 0x99);
	if (device_op(DMAPROBE_WRITE, map.iova, 0) != DMAPROBE_FAULT ||
	    device_op(DMAPROBE_WRITE, map.iova + end, 0) != DMAPROBE_FAULT ||
	    (works && (!holds(map.id, 0x11, 0) || !holds(map.id, 0x11, end))))
		miss("%u pages: the device reaches them after unmap", pages);
	if (ioctl(probe, DMAPROBE_IOC_FREE, &map.id))
		die("freeing a buffer");
}

static int run_dma(void)
{
	char path[64];

	must(insmod(&dmaprobe), "insmod dmaprobe");
	snprintf(path, sizeof(path), "/dev/dmaprobe-%s", pci);
	probe = open(path, O_RDWR | O_CLOEXEC);
	if (probe < 0)
		die("%s", path);
	use_buffer(1);
	use_buffer(BIG_PAGES);
	close(probe);
	must(rmmod("dmaprobe"), "rmmod dmaprobe");
	return 0;
}

/* A flush that fails is the only reason not to be where it was. */
static void check_dma(int err)
{
	struct host_state s;

	(void)err;
	look_at_host(&s);
	if (fault.consumed && fault.call == FLUSH) {
		if (strcmp(s.device, "blocked"))
			miss("no flush, and the device is %s", s.device);
	} else if (!s.in_paging) {
		miss("the device is %s", s.device);
	}
	expect_domains(1, 1);
}

/* ---- vfio ---- */

static char group_path[64];

static void prepare_vfio(void)
{
	char link[128], target[256];
	ssize_t len;

	bind("vfio-pci");
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group",
		 pci);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		die("%s", link);
	target[len] = 0;
	snprintf(group_path, sizeof(group_path), "/dev/vfio/%.16s",
		 strrchr(target, '/') + 1);
}

/* A process that takes the group, maps and unmaps a page, and goes. */
static int use_group(int container, int group)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = 0x100000000ULL,
		.size = PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = map.iova, .size = map.size,
	};
	void *page;
	int err = 0;

	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		return errno;
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return errno;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (page == MAP_FAILED)
		die("mmap");
	map.vaddr = (uintptr_t)page;
	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ||
	    ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		err = errno;
	munmap(page, PAGE);
	return err;
}

static int run_vfio(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	int group = open(group_path, O_RDWR | O_CLOEXEC);
	int err;

	if (container < 0 || group < 0)
		die("%s", group_path);
	err = use_group(container, group);
	close(group);
	close(container);
	return err;
}

static void check_vfio(int err)
{
	/* These are on the way, and nobody else can say that they failed. */
	if (!err && fault.consumed &&
	    !means_attached(fault.call, fault.status) &&
	    (fault.call == CONFIGURE || fault.call == ATTACH))
		miss("VFIO knows of no error");
	expect_domains(1, 1);
}

static const struct op ops[] = {
	{
		.name = "load", .begin = begin_load, .run = load_module,
		.check = check_load, .end = end_anywhere,
		.first_attach = true,
	}, {
		.name = "unload", .begin = move_away, .run = unload_module,
		.check = check_unload, .end = end_anywhere,
	}, {
		.name = "arrive", .begin = move_away, .run = rescan_bus,
		.check = check_arrive, .end = end_anywhere,
		.first_attach = true,
	}, {
		.name = "remove", .run = remove_function,
		.check = check_remove, .end = end_anywhere,
	}, {
		.name = "switch", .prepare = prepare_switch,
		.run = run_switch, .check = check_switch, .end = end_switch,
	}, {
		.name = "dma", .run = run_dma, .check = check_dma,
		.end = end_anywhere,
	}, {
		.name = "vfio", .prepare = prepare_vfio, .run = run_vfio,
		.check = check_vfio, .end = end_bound, .finish = unbind,
		.last_attach = 2,
	},
};

/* ---- the sweep ---- */

/*
 * Overwrites memory that was freed just now, by the same processor: should it
 * be a table that the host still knows, it finds garbage there. In a pipe, as
 * a program's memory comes from other free pages than the kernel's own.
 */
static void reuse_memory(int pipe_fd[2])
{
	static char garbage[REUSED];

	memset(garbage, 0xff, sizeof(garbage));
	if (pipe(pipe_fd) || fcntl(pipe_fd[1], F_SETPIPE_SZ, REUSED) < 0 ||
	    write(pipe_fd[1], garbage, REUSED) != (ssize_t)REUSED)
		die("filling a pipe");
}

static void check_base(void)
{
	struct host_state s;

	look_at_host(&s);
	if (!s.in_paging || s.identity != 1 || s.blocked != 1 ||
	    s.paging != 1 || s.other)
		die("not as before: device %s, %u identity, %u blocked, %u paging, %u other domains",
		    s.device, s.identity, s.blocked, s.paging, s.other);
}

/* What holds for all operations. */
static void check_run(void)
{
	if (fault.consumed && !seen &&
	    !means_attached(fault.call, fault.status))
		miss("the log does not say so");
	nr_leaked += nr_left;
	if (!fault.consumed && nr_left)
		miss("%u domains are left in the host", nr_left);
	/* What was not deleted is there, and known to be. */
	if (fault.consumed && fault.call == DELETE && nr_left != 1)
		miss("%u domains are left in the host, not this one", nr_left);
}

/* The next run is to find none of them, and their tables were kept. */
static void drop_left(void)
{
	struct host_state s;
	unsigned int id;

	look_at_host(&s);
	for (id = 0; nr_left && id < MAX_IDS; id++) {
		if (!announced[id])
			continue;
		ask("iommu drop %u", id);
		announced[id] = false;
		nr_left--;
	}
}

/* How often the operation makes each of the calls when nothing fails. */
static void count_calls(const struct op *op, unsigned long *count)
{
	unsigned int i;

	if (op->begin)
		op->begin();
	ask("iommu reset-counts");
	must(op->run(), op->name);
	for (i = 0; i < NR_CALLS; i++)
		count[i] = strtoul(ask("iommu count %s", calls[i].word), NULL,
				   10);
	fault.op = op;
	op->end();
	fault.op = NULL;
	read_log();
	check_base();
}

/*
 * So that no line of the next runs can get lost. A call that has not worked
 * since the module was loaded is given up when the host refuses it: so each
 * works once.
 */
static void renew_module(const struct op *op)
{
	unsigned long count[NR_CALLS];

	if (op->finish)
		op->finish();
	drop_function();
	unload();
	load();
	find_function();
	drop_function();
	find_function();
	if (op->prepare)
		op->prepare();
	count_calls(op, count);
}

/* One combination. Returns whether the fault was reached. */
static bool try(const struct op *op, enum call_index call, size_t status,
		unsigned int nth)
{
	unsigned long before;
	int reused[2], err;

	if (nr_lines > ENOUGH_LINES)
		renew_module(op);
	fault.op = NULL;
	if (op->begin)
		op->begin();
	read_log();
	seen = false;
	fault = (struct fault){
		.op = op, .call = call, .status = statuses[status].status,
		.name = statuses[status].name, .nth = nth,
	};

	before = ask_number("iommu injected");
	ask("iommu fail %s 0x%x %u", calls[call].word, fault.status, nth);
	err = op->run();
	reuse_memory(reused);
	ask("iommu fail clear");
	fault.consumed = ask_number("iommu injected") != before;
	read_log();
	if (!fault.consumed && err)
		miss("it failed (%d) without a fault", err);
	op->check(err);
	check_run();

	op->end();
	read_log();
	drop_left();
	close(reused[0]);
	close(reused[1]);
	check_base();
	return fault.consumed;
}

static bool is_left_out(const struct op *op, enum call_index call,
			unsigned int status, unsigned int nth)
{
	return call == ATTACH && op->last_attach && nth > op->last_attach &&
		!means_attached(call, statuses[status].status);
}

/*
 * All statuses of one call. A fault that is not reached does not depend on
 * its status, so the run that ends the positions is done for one of them.
 * Returns the number of runs; *@reached: of those in which the call failed;
 * adds to *@left_out.
 */
static unsigned int sweep_call(const struct op *op, enum call_index call,
			       unsigned int used, unsigned int *reached,
			       unsigned int *left_out)
{
	unsigned int status, nth;

	*reached = 0;
	for (status = 0; status < ARRAY_SIZE(statuses); status++)
		for (nth = 1; nth <= used; nth++) {
			if (is_left_out(op, call, status, nth)) {
				++*left_out;
				continue;
			}
			if (!try(op, call, status, nth))
				miss("this call was not made");
			++*reached;
		}
	if (try(op, call, ARRAY_SIZE(statuses) - 1, used + 1))
		miss("this call was not to be made");
	return *reached + 1;
}

static unsigned int sweep(const struct op *op)
{
	unsigned long count[NR_CALLS];
	unsigned int call, nr = 0, hit, hits = 0, out = 0;
	unsigned int before = nr_misses;
	uint64_t start = now_us();
	char text[200];
	int len = 0;

	if (op->prepare)
		op->prepare();
	count_calls(op, count);
	for (call = 0; call < NR_CALLS; call++) {
		if (count[call])
			len += snprintf(text + len, sizeof(text) - len,
					" %s %lu", calls[call].word,
					count[call]);
		nr += sweep_call(op, call, count[call], &hit, &out);
		hits += hit;
	}
	fault.op = NULL;
	if (op->finish)
		op->finish();
	ask("tap %sok - %s: %u combinations, %u of them failures (positions:%s), %u ms each",
	    nr_misses == before ? "" : "not ", op->name, nr, hits, text,
	    (unsigned int)((now_us() - start) / 1000 / nr));
	if (out)
		note("%s: %u combinations were left out: the core warns of attachments after number %u that fail",
		     op->name, out, op->last_attach);
	return nr;
}

/* ---- memory ---- */

#define MAX_CACHES	64
#define MAX_LOOKS	40

/* Caches of one size of kmalloc(), in the order of the file. */
struct memory {
	long free_kb;			/* and what could be freed */
	unsigned int nr_caches;
	struct {
		char name[32];
		long objects;
	} cache[MAX_CACHES];
};

static long field_of(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtol(p + strlen(name), NULL, 10) : 0;
}

static void look_at_memory(struct memory *m)
{
	static char text[8192];
	char line[256], name[32];
	ssize_t len;
	long nr;
	FILE *f;
	int fd;

	/*
	 * What kfree_rcu() has is freed seconds later, or after a grace period
	 * when memory is asked for.
	 */
	write_text("3", "/proc/sys/vm/drop_caches");
	usleep(500 * 1000);
	fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		die("/proc/meminfo");
	text[len] = 0;
	close(fd);
	m->free_kb = field_of(text, "MemFree:") + field_of(text, "Buffers:") +
		field_of(text, "\nCached:") + field_of(text, "SReclaimable:");

	m->nr_caches = 0;
	f = fopen("/proc/slabinfo", "re");
	if (!f)
		die("/proc/slabinfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %ld", name, &nr) != 2 ||
		    strncmp(name, "kmalloc-", 8) || m->nr_caches == MAX_CACHES)
			continue;
		strcpy(m->cache[m->nr_caches].name, name);
		m->cache[m->nr_caches++].objects = nr;
	}
	fclose(f);
}

/*
 * The memory as it is when nothing is on its way back any more: two looks have
 * seen the same objects. What never comes to rest cannot be compared.
 */
static void settle(struct memory *m)
{
	static struct memory last;
	unsigned int looks;

	look_at_memory(m);
	for (looks = 1; looks < MAX_LOOKS; looks++) {
		last = *m;
		look_at_memory(m);
		if (m->nr_caches == last.nr_caches &&
		    !memcmp(m->cache, last.cache, sizeof(m->cache)))
			return;
	}
	die("memory: not the same twice in %d looks", MAX_LOOKS);
}

/*
 * A leak shows once for every status, in most places at several positions;
 * some objects more are for things that the kernel does once. Tables are left
 * only where the module has said so, and a domain has four here at most.
 */
static void check_memory(const struct memory *before,
			 const struct memory *after)
{
	long lost = before->free_kb - after->free_kb, grown, most = 0;
	const char *where = "no cache";
	bool held;
	unsigned int i;

	if (before->nr_caches != after->nr_caches || !after->nr_caches)
		die("/proc/slabinfo");
	for (i = 0; i < after->nr_caches; i++) {
		grown = after->cache[i].objects - before->cache[i].objects;
		if (grown <= most)
			continue;
		most = grown;
		where = after->cache[i].name;
	}
	held = most < (long)ARRAY_SIZE(statuses) * 3 / 2 &&
		lost < SLACK_KB + nr_leaked * 4 * (long)PAGE / 1024;
	nr_misses += !held;
	ask("tap %sok - memory: %ld KiB less, with %u domains that were left; %s has %ld objects more",
	    held ? "" : "not ", lost, nr_leaked, where, most);
}

/* ---- all of it ---- */

static void read_image(const char *path, struct image *ko)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	ko->size = st.st_size;
	ko->text = malloc(ko->size);
	if (!ko->text || read(fd, ko->text, ko->size) != (ssize_t)ko->size)
		die("reading %s", path);
	close(fd);
}

static bool is_wanted(const struct op *op, int argc, char **argv)
{
	int i;

	for (i = 5; i < argc; i++)
		if (!strcmp(argv[i], op->name))
			return true;
	return argc <= 5;
}

static void look_at_kernel(void)
{
	struct utsname name;
	unsigned int major, minor;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		die("which kernel is this?");
	newer_core = major > 6 || (major == 6 && minor >= 12);
}

int main(int argc, char **argv)
{
	unsigned int nr = 0;
	static struct memory before, after;
	unsigned long count[NR_CALLS];
	cpu_set_t one;
	size_t i;

	if (argc < 5) {
		fprintf(stderr, "usage: fail-nth PCINAME HOSTNAME MODULE.KO DMAPROBE.KO [OPERATION...]\n");
		return 2;
	}
	if (ctl_open())
		return 1;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
	pci = argv[1];
	host_name = argv[2];
	read_image(argv[3], &pviommu);
	read_image(argv[4], &dmaprobe);
	look_at_kernel();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	check_base();
	nr_lines = ENOUGH_LINES + 1;

	/* Once each: what is allocated once and for all is there then. */
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].prepare)
			ops[i].prepare();
		count_calls(&ops[i], count);
		if (ops[i].finish)
			ops[i].finish();
	}
	settle(&before);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (is_wanted(&ops[i], argc, argv))
			nr += sweep(&ops[i]);
	settle(&after);
	note("%zu calls x %zu statuses x positions: %u combinations",
	     ARRAY_SIZE(calls), ARRAY_SIZE(statuses), nr);
	check_memory(&before, &after);
	return nr_misses ? 1 : 0;
}
