// SPDX-License-Identifier: GPL-2.0
/*
 * hvsim: command line, assembly of the machine, end of a run. Everything here
 * runs on the main thread but finish_now(), which any thread may call to end
 * the program on the spot.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu.h"
#include "synic.h"
#include "trace.h"
#include "vm.h"
#include "vmbus.h"
#include "vpci.h"

/* What one incarnation of the program tells the next at a reset. */
#define BOOTS_ENV	"HVSIM_BOOTS"
#define DEADLINE_ENV	"HVSIM_DEADLINE"
#define VIOLATIONS_ENV	"HVSIM_VIOLATIONS"

#define MIN_MEM_MIB	64
#define MAX_MEM_MIB	(MMIO_LOW_BASE >> 20)
#define MAX_DEVICES	8

struct device {
	bool nvme;		/* else dmaprobe */
	unsigned index;		/* among its type */
	u8 guid[16];
	bool absent;
	bool direct;
	char opts[256];		/* for the device model */
	char name[24];
};

static struct {
	struct machine_config machine;
	const char *kernel, *initrd, *append;
	const char *console, *results, *trace;
	struct iommu_config iommu;
	u32 vpci_max, vmbus_max;
	enum vpci_unclean unclean;
	struct device devices[MAX_DEVICES];
	unsigned nr_devices, eject_limit;
	bool reboot, interactive, keep_going, strict_exit, counts;
	u64 timeout;		/* seconds, 0: none */
} opt = {
	.machine = {
		.mem_size = 512ULL << 20,
		.nr_vcpus = 2,
		.slow_clock = 1,
		.sys_vendor = "Microsoft Corporation",
		.panic_exit = true,
	},
	.append = "console=ttyS0",
	.vpci_max = 0x10004,
	.vmbus_max = 0x50003,
};

/* The machine, for finish_now(). */
static struct vm *the_vm;

/* All functions of all probes, and NULL. */
static struct pci_func *probes[MAX_DEVICES * 8 + 1];
static unsigned nr_probes;

/* ---- options ---- */

static u64 parse_number(const char *name, const char *text, u64 min, u64 max)
{
	unsigned long long val;
	char *end;

	errno = 0;
	val = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || val < min ||
	    val > max)
		die("--%s \"%s\": a number from %llu to %llu is needed", name,
		    text, (unsigned long long)min, (unsigned long long)max);
	return val;
}

/* "MAJOR.MINOR" within @min .. @max. */
static u32 parse_version(const char *name, const char *text, u32 min, u32 max)
{
	unsigned major, minor;
	u32 val = 0;
	char end;

	if (sscanf(text, "%u.%u%c", &major, &minor, &end) == 2 &&
	    major <= 0xffff && minor <= 0xffff)
		val = major << 16 | minor;
	if (val < min || val > max)
		die("--%s \"%s\": a version from %u.%u to %u.%u is needed",
		    name, text, min >> 16, min & 0xffff, max >> 16,
		    max & 0xffff);
	return val;
}

/* The first three groups of a printed GUID are little-endian in memory. */
static void parse_guid(const char *text, u8 guid[16])
{
	static const u8 order[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	static const char shape[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
	char digits[3] = "";
	unsigned i, n = 0;

	for (i = 0; shape[i]; i++)
		if (shape[i] == '-' ? text[i] != '-' :
		    !text[i] || !strchr("0123456789abcdefABCDEF", text[i]))
			break;
	if (shape[i] || text[i])
		die("--device: \"%s\" is not a GUID", text);
	for (i = 0; n < 16; i++) {
		if (text[i] == '-')
			continue;
		digits[0] = text[i++];
		digits[1] = text[i];
		guid[order[n++]] = (u8)strtoul(digits, NULL, 16);
	}
}

/*
 * Bytes 4 and 5 become the PCI domain in the guest: 0x1000 + index for NVMe,
 * 0x2000 + index for the probe.
 */
static void set_default_guid(struct device *d)
{
	static const u8 base[16] = {
		'h', 'v', 's', 'm', 0, 0x10, 0x00, 0x40,
		0x80, 0x00, 'd', 'e', 'v', 'i', 'c', 'e',
	};

	memcpy(d->guid, base, sizeof(base));
	d->guid[4] = (u8)d->index;
	if (!d->nvme)
		d->guid[5] = 0x20;
}

/* TYPE[,guid=G][,absent][,direct][,KEY=VALUE...]; the rest is the model's business. */
static void parse_device(const char *text)
{
	struct device *d = &opt.devices[opt.nr_devices];
	char *copy = strdup(text), *word, *save;
	const char *guid = NULL;
	unsigned i;

	if (!copy)
		die("out of memory");
	if (opt.nr_devices == MAX_DEVICES)
		die("more than %u devices", MAX_DEVICES);
	word = strtok_r(copy, ",", &save);
	d->nvme = word && !strcmp(word, "nvme");
	if (!d->nvme && !(word && !strcmp(word, "dmaprobe")))
		die("--device \"%s\": the type must be nvme or dmaprobe", text);
	for (i = 0; i < opt.nr_devices; i++)
		d->index += opt.devices[i].nvme == d->nvme;
	snprintf(d->name, sizeof(d->name), "%s%u", word, d->index);

	while ((word = strtok_r(NULL, ",", &save))) {
		size_t len = strlen(d->opts);

		if (!strncmp(word, "guid=", 5)) {
			guid = word + 5;
		} else if (!strcmp(word, "absent")) {
			d->absent = true;
		} else if (!strcmp(word, "direct")) {
			d->direct = true;
		} else {
			if (len + strlen(word) + 2 > sizeof(d->opts))
				die("--device \"%s\" is too long", text);
			sprintf(d->opts + len, "%s%s", len ? "," : "", word);
		}
	}
	if (guid)
		parse_guid(guid, d->guid);
	else
		set_default_guid(d);
	free(copy);
	opt.nr_devices++;
}

static void parse_mask(const char *text)
{
	char *copy = strdup(text), *word, *save;

	if (!copy)
		die("out of memory");
	for (word = strtok_r(copy, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		if (!strcmp(word, "cx16"))
			opt.machine.mask_cx16 = true;
		else if (!strcmp(word, "xsave"))
			opt.machine.mask_xsave = true;
		else
			die("--mask \"%s\": only cx16 and xsave can be hidden",
			    word);
	}
	free(copy);
}

static enum vpci_unclean parse_unclean(const char *name, const char *text)
{
	if (!strcmp(text, "reset"))
		return VPCI_RESET;
	if (!strcmp(text, "held"))
		return VPCI_HELD;
	if (strcmp(text, "running"))
		die("--%s \"%s\": reset, held or running is needed", name,
		    text);
	return VPCI_RUNNING;
}

static bool parse_choice(const char *name, const char *text, const char *no,
			 const char *yes)
{
	if (strcmp(text, no) && strcmp(text, yes))
		die("--%s \"%s\": %s or %s is needed", name, text, no, yes);
	return !strcmp(text, yes);
}

enum option_id {
	OPT_KERNEL = 1, OPT_INITRD, OPT_APPEND, OPT_MEM, OPT_CPUS, OPT_SLOW_CLOCK,
	OPT_DEVICE,
	OPT_IOMMU, OPT_VPCI_MAX, OPT_VPCI_UNCLEAN, OPT_VMBUS_MAX, OPT_CONSOLE,
	OPT_INTERACTIVE, OPT_RESULTS, OPT_TRACE, OPT_MASK, OPT_ISOLATED,
	OPT_ROOT, OPT_L1VH, OPT_SYS_VENDOR, OPT_SECURE_BOOT, OPT_MOK,
	OPT_EJECT_LIMIT, OPT_ON_RESET, OPT_ON_PANIC, OPT_KEEP_GOING, OPT_STRICT_EXIT, OPT_COUNTS,
	OPT_TIMEOUT, OPT_VERBOSE, OPT_HELP,
};

static const struct option_info {
	enum option_id id;
	const char *name, *arg, *help;
} options[] = {
	{ OPT_KERNEL, "kernel", "FILE", "the guest's bzImage (required)" },
	{ OPT_INITRD, "initrd", "FILE", "its initial file system" },
	{ OPT_APPEND, "append", "TEXT",
	  "its command line (default: console=ttyS0)" },
	{ OPT_MEM, "mem", "MIB", "guest memory (default: 512)" },
	{ OPT_CPUS, "cpus", "N", "virtual processors (default: 2)" },
	{ OPT_SLOW_CLOCK, "slow-clock", "N",
	  "the guest's time is N times slower than ours (default: 1)" },
	{ OPT_DEVICE, "device", "nvme[,size=64M][,file=PATH][,queues=N]",
	  "an NVMe controller; may be repeated" },
	{ OPT_DEVICE, "device", "dmaprobe[,functions=N][,ats]",
	  "a DMA test device; both take guid=GUID, direct (not behind\n"
	  "the para-virtual IOMMU) and absent (not there before the\n"
	  "control command \"vpci offer NAME\")" },
	{ OPT_IOMMU, "iommu", "TEXT",
	  "\"off\" or KEY=VALUE,...: what the para-virtual IOMMU offers" },
	{ OPT_VPCI_MAX, "vpci-max", "VERSION",
	  "highest vPCI protocol, 1.1 to 1.4 (default: 1.4)" },
	{ OPT_VPCI_UNCLEAN, "vpci-unclean", "reset|held|running",
	  "what becomes of devices whose bus is closed in D0, as a\n"
	  "crash leaves them: reset (default), or they go on, and\n"
	  "D0 entry is refused before D0 exit (held), or is not" },
	{ OPT_VMBUS_MAX, "vmbus-max", "VERSION",
	  "highest VMBus protocol, 4.0 to 5.3 (default: 5.3)" },
	{ OPT_CONSOLE, "console", "FILE",
	  "the guest's serial output (default: standard output)" },
	{ OPT_INTERACTIVE, "interactive", NULL,
	  "standard input is the guest's serial input, Ctrl-A x ends" },
	{ OPT_RESULTS, "results", "FILE", "TAP lines from the guest" },
	{ OPT_TRACE, "trace", "FILE", "one line for every hypercall" },
	{ OPT_MASK, "mask", "LIST",
	  "hide processor features: cx16, xsave (nested emulation)" },
	{ OPT_ISOLATED, "isolated", NULL,
	  "look like an isolated (confidential) machine" },
	{ OPT_ROOT, "root", NULL,
	  "look like a root partition (needs --cpus 1)" },
	{ OPT_L1VH, "l1vh", NULL,
	  "look like a partition that may create others" },
	{ OPT_SYS_VENDOR, "sys-vendor", "TEXT",
	  "manufacturer of the system (default: Microsoft Corporation)" },
	{ OPT_SECURE_BOOT, "secure-boot", NULL,
	  "look like started by EFI firmware under Secure Boot" },
	{ OPT_MOK, "mok", "FILE",
	  "a certificate (DER) that the machine's owner has enrolled" },
	{ OPT_EJECT_LIMIT, "eject-limit", "SECONDS",
	  "do an eject by force that is not answered (default: never)" },
	{ OPT_ON_RESET, "on-reset", "exit|reboot",
	  "when the guest resets the machine, or hibernates by ACPI S4\n"
	  "(default: exit)" },
	{ OPT_ON_PANIC, "on-panic", "exit|continue",
	  "when the guest reports a crash (default: exit)" },
	{ OPT_KEEP_GOING, "keep-going", NULL,
	  "a violation is counted and does not end the run" },
	{ OPT_STRICT_EXIT, "strict-exit", NULL,
	  "domains left at power-off or reset are an error" },
	{ OPT_COUNTS, "counts", NULL, "print hypercall counts at the end" },
	{ OPT_TIMEOUT, "timeout", "SECONDS", "end the run after this time" },
	{ OPT_VERBOSE, "verbose", NULL, "more messages" },
	{ OPT_HELP, "help", NULL, "this text" },
};

static void print_help(void)
{
	size_t i;

	printf("usage: hvsim --kernel FILE [OPTION...]\n\n"
	       "Runs a kernel as a guest of a simulated Hyper-V host.\n\n");
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_info *o = &options[i];
		const char *line = o->help, *nl;

		printf("  --%s%s%s\n", o->name, o->arg ? " " : "",
		       o->arg ? o->arg : "");
		for (; (nl = strchr(line, '\n')); line = nl + 1)
			printf("        %.*s\n", (int)(nl - line), line);
		printf("        %s\n", line);
	}
	printf("\nexit codes: %d power-off, %d usage or host error, %d guest died or timeout,\n"
	       "%d violation of the interface, %d reset, %d power-off with state left\n",
	       HVSIM_OK, HVSIM_USAGE, HVSIM_GUEST_DIED, HVSIM_VIOLATION,
	       HVSIM_RESET, HVSIM_LEAK);
}

static void apply_option(const struct option_info *o, const char *arg)
{
	char err[256];

	switch (o->id) {
	case OPT_KERNEL:
		opt.kernel = arg;
		break;
	case OPT_INITRD:
		opt.initrd = arg;
		break;
	case OPT_APPEND:
		opt.append = arg;
		break;
	case OPT_MEM:
		opt.machine.mem_size = parse_number(o->name, arg, MIN_MEM_MIB,
						    MAX_MEM_MIB) << 20;
		break;
	case OPT_CPUS:
		opt.machine.nr_vcpus = (unsigned)parse_number(o->name, arg, 1,
							      MAX_VCPUS);
		break;
	case OPT_SLOW_CLOCK:
		opt.machine.slow_clock = parse_number(o->name, arg, 1, 16);
		break;
	case OPT_DEVICE:
		parse_device(arg);
		break;
	case OPT_IOMMU:
		if (iommu_parse_option(&opt.iommu, arg, err, sizeof(err)))
			die("--iommu \"%s\": %s", arg, err);
		break;
	case OPT_VPCI_MAX:
		opt.vpci_max = parse_version(o->name, arg, 0x10001, 0x10004);
		break;
	case OPT_VPCI_UNCLEAN:
		opt.unclean = parse_unclean(o->name, arg);
		break;
	case OPT_VMBUS_MAX:
		opt.vmbus_max = parse_version(o->name, arg, 0x40000, 0x50003);
		break;
	case OPT_CONSOLE:
		opt.console = arg;
		break;
	case OPT_INTERACTIVE:
		opt.interactive = true;
		break;
	case OPT_RESULTS:
		opt.results = arg;
		break;
	case OPT_TRACE:
		opt.trace = arg;
		break;
	case OPT_MASK:
		parse_mask(arg);
		break;
	case OPT_ISOLATED:
		opt.machine.isolated = true;
		break;
	case OPT_ROOT:
		opt.machine.root = true;
		break;
	case OPT_L1VH:
		opt.machine.l1vh = true;
		break;
	case OPT_SYS_VENDOR:
		if (!*arg)
			die("--%s needs a name", o->name);
		opt.machine.sys_vendor = arg;
		break;
	case OPT_SECURE_BOOT:
		opt.machine.secure_boot = true;
		break;
	case OPT_MOK:
		opt.machine.mok = arg;
		break;
	case OPT_EJECT_LIMIT:
		opt.eject_limit = (unsigned)parse_number(o->name, arg, 0, 3600);
		break;
	case OPT_ON_RESET:
		opt.reboot = parse_choice(o->name, arg, "exit", "reboot");
		break;
	case OPT_ON_PANIC:
		opt.machine.panic_exit = !parse_choice(o->name, arg, "exit",
						       "continue");
		break;
	case OPT_KEEP_GOING:
		opt.keep_going = true;
		break;
	case OPT_STRICT_EXIT:
		opt.strict_exit = true;
		break;
	case OPT_COUNTS:
		opt.counts = true;
		break;
	case OPT_TIMEOUT:
		opt.timeout = parse_number(o->name, arg, 1, 1000000);
		break;
	case OPT_VERBOSE:
		log_verbose = true;
		break;
	case OPT_HELP:
		print_help();
		exit(HVSIM_OK);
	}
}

static void parse_options(int argc, char **argv)
{
	struct option longopts[ARRAY_SIZE(options) + 1] = { 0 };
	int i, index, c;

	for (i = 0; i < (int)ARRAY_SIZE(options); i++) {
		longopts[i].name = options[i].name;
		longopts[i].has_arg = options[i].arg ? required_argument :
						       no_argument;
	}
	iommu_config_default(&opt.iommu);
	/* The leading ':' leaves the messages to us. */
	while ((c = getopt_long(argc, argv, ":", longopts, &index)) != -1) {
		if (c == ':')
			die("%s needs a value, try --help", argv[optind - 1]);
		if (c)
			die("%s is not an option, try --help",
			    argv[optind - 1]);
		apply_option(&options[index], optarg);
	}
	if (optind < argc)
		die("\"%s\" is not an option, try --help", argv[optind]);
	if (!opt.kernel)
		die("no --kernel given, try --help");
	if (opt.machine.root && opt.machine.nr_vcpus != 1)
		die("--root needs --cpus 1: a root partition starts further processors itself");
	if (opt.machine.mok && !opt.machine.secure_boot)
		die("--mok needs --secure-boot: without it no kernel trusts the key");
	if (opt.machine.root && opt.machine.isolated)
		die("--root and --isolated exclude each other");
}

/* ---- the run ---- */

static unsigned long env_number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

static void set_env_number(const char *name, u64 val)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)val);
	setenv(name, text, 1);
}

static FILE *open_output(const char *what, const char *path, bool append)
{
	FILE *f = fopen(path, append ? "ae" : "we");

	if (!f)
		die("cannot write %s file \"%s\": %s", what, path,
		    strerror(errno));
	return f;
}

static void restore_terminal(void)
{
	if (the_vm && the_vm->serial)
		serial_finish(the_vm->serial);
}

/* Last words, from whatever thread found a reason to end the program. */
static void finish_now(int code)
{
	restore_terminal();
	if (opt.counts && the_vm && the_vm->calls)
		hypercall_print_counts(the_vm->calls, stderr);
	fflush(NULL);
	_exit(code);
}

static void add_device(struct vm *vm, struct device *d)
{
	struct pci_func *funcs[8];
	char err[256] = "";
	int nr, i;

	if (d->nvme)
		nr = nvme_create(vm, vm->iommu, d->index, d->opts, funcs, err,
				 sizeof(err));
	else
		nr = dmaprobe_create(vm, vm->iommu, d->index, d->opts, funcs,
				     err, sizeof(err));
	if (nr < 0)
		die("--device %s: %s", d->name, err);
	for (int fn = 0; !d->nvme && fn < nr; fn++)
		probes[nr_probes++] = funcs[fn];
	for (i = 0; i < nr; i++)
		funcs[i]->direct = d->direct;
	if (!vpci_add_bus(vm->vpci, d->name, d->guid, funcs, (unsigned)nr,
			  !d->absent, err, sizeof(err)))
		die("--device %s: %s", d->name, err);
}

static struct vm *assemble(FILE *console, FILE *results, struct trace *trace)
{
	struct vm *vm = vm_new(&opt.machine);
	unsigned i;

	the_vm = vm;
	vm->msrs = msr_new(vm);
	ctl_new(vm, results);
	vm->iommu = iommu_new(vm_mem(vm), &opt.iommu);
	vm->calls = hypercall_new(vm, trace);
	vm->synic = synic_new(vm);
	vm->vmbus = vmbus_new(vm, vm->synic, opt.vmbus_max);
	vm->vpci = vpci_new(vm, vm->vmbus, vm->iommu, opt.vpci_max);
	vpci_set_unclean(vm->vpci, opt.unclean);
	vmbus_on_unload(vm->vmbus, iommu_unload, vm->iommu);
	vpci_set_boots(vm->vpci, opt.machine.boots);
	vpci_set_eject_limit(vm->vpci, opt.machine.slow_clock *
			     opt.eject_limit * 1000000000);
	for (i = 0; i < opt.nr_devices; i++)
		add_device(vm, &opt.devices[i]);
	ctl_register(vm, "vpci", "list | offer|eject|rescind|state NAME",
		     vpci_ctl, vm->vpci);
	ctl_register(vm, "iommu", "help: what can be asked of the IOMMU",
		     iommu_ctl, vm->iommu);
	ctl_register(vm, "beat", "NAME [MS IOVA|off]: DMA of a dmaprobe that goes on and on",
		     dmaprobe_ctl, probes);
	iommu_set_event(vm->iommu, ctl_run, vm->ctl);
	boot_load(vm, opt.kernel, opt.initrd, opt.append);
	acpi_build(vm);
	smbios_build(vm);
	vm->serial = serial_new(vm, console, opt.interactive);
	return vm;
}

/* The same program with the same arguments; does not return. */
static void start_anew(char **argv, u64 deadline, unsigned long violations)
{
	set_env_number(BOOTS_ENV, opt.machine.boots + 1);
	set_env_number(DEADLINE_ENV, deadline);
	set_env_number(VIOLATIONS_ENV, violations);
	vm_keep_handover();
	fflush(NULL);
	execv("/proc/self/exe", argv);
	die("cannot start anew after the reset: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	unsigned long violations = env_number(VIOLATIONS_ENV);
	u64 deadline = env_number(DEADLINE_ENV);
	FILE *console = stdout, *results = NULL;
	struct trace *trace = NULL;
	struct vm *vm;
	int code;

	setvbuf(stderr, NULL, _IOLBF, 0);
	parse_options(argc, argv);
	opt.machine.boots = env_number(BOOTS_ENV);
	if (opt.timeout && !deadline)
		deadline = clock_ns() + opt.timeout * 1000000000;
	if (opt.console)
		console = open_output("console", opt.console, opt.machine.boots);
	if (opt.results)
		results = open_output("results", opt.results, opt.machine.boots);
	if (opt.trace)
		trace = trace_open(opt.trace, opt.machine.boots);
	violation_setup(results, opt.keep_going);
	violation_exit = finish_now;
	atexit(restore_terminal);

	vm = assemble(console, results, trace);
	vm_start(vm);
	if (!vm_wait(vm, deadline)) {
		log_info("no power-off within %llu seconds (--timeout)",
			 (unsigned long long)opt.timeout);
		vcpu_log_state(vm);
	}

	code = vm->exit_code;
	violations += violation_count();
	serial_finish(vm->serial);
	if (opt.counts)
		hypercall_print_counts(vm->calls, stderr);
	if ((code == HVSIM_OK || vm->reset_wanted) && opt.strict_exit &&
	    iommu_leftovers(vm->iommu, stderr)) {
		log_info("%s with IOMMU state left (--strict-exit)",
			 code == HVSIM_OK ? "powered off" : "reset");
		code = HVSIM_LEAK;
	} else if ((vm->reset_wanted || vm->hibernated) && opt.reboot) {
		start_anew(argv, deadline, violations);
	}
	if (violations) {
		log_info("%lu violations", violations);
		code = HVSIM_VIOLATION;
	}
	return code;
}
