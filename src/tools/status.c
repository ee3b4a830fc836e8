// SPDX-License-Identifier: GPL-2.0
/*
 * Finds out how things are, and what is to be said about it.
 *
 * Everything may be missing: the module, an attribute that an older module
 * did not have, a device that goes while we look. What is there may be
 * garbage in a captured tree. Nothing here prints.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "status.h"

/* Class of the VMBus devices that are vPCI buses */
#define VPCI_CLASS	"44c4f61d-4444-4400-9d52-802e27ede19f"

/* No machine has that many; a captured tree may pretend. */
#define MAX_FUNCTIONS	4096

static const struct {
	const char *reason;
	const char *text;
} reasons[] = {
	{ "in-use", "its driver came before the module: unbind and bind it" },
	{ "not-offered", "the host does not translate it" },
	{ "duplicate-id", "another device has the same logical id" },
	{ "refused", "the host or the kernel refused it, see the log" },
	{ "pending", "it is about to be taken over" },
	{ "no-domain", "it has got no domain, see the log" },
	{ "not-loaded", "the module is not loaded" },
	{ "unknown", "the module does not say why" },
};

const char *reason_text(const char *reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (!strcmp(reason, reasons[i].reason))
			return reasons[i].text;
	return reason;
}

const char *state_name(enum state state)
{
	static const char * const names[] = {
		[TRANSLATED] = "translated",
		[IDENTITY] = "identity",
		[OTHER_IOMMU] = "other-iommu",
		[UNTRANSLATED] = "untranslated",
	};

	return names[state];
}

bool ratio(struct number dividend, struct number divisor, double *quotient)
{
	if (!dividend.known || !divisor.known || !divisor.value)
		return false;
	*quotient = (double)dividend.value / divisor.value;
	return true;
}

static size_t hex_digits(const char *s)
{
	return strspn(s, "0123456789abcdef");
}

bool is_pci_name(const char *s)
{
	size_t len = hex_digits(s);

	return len >= 4 && len <= 8 && s[len] == ':' &&
	       hex_digits(s + len + 1) == 2 && s[len + 3] == ':' &&
	       hex_digits(s + len + 4) == 2 && s[len + 6] == '.' &&
	       s[len + 7] >= '0' && s[len + 7] <= '7' && !s[len + 8];
}

/* pci1000:00, the directory of a root bus */
static bool is_root_bus_name(const char *s)
{
	size_t len;

	if (strncmp(s, "pci", 3))
		return false;
	len = hex_digits(s + 3);
	return len >= 4 && s[3 + len] == ':' && hex_digits(s + len + 4) == 2 &&
	       !s[len + 6];
}

__attribute__((format(printf, 4, 5)))
static void say(struct status *st, bool warning, const char *id,
		const char *fmt, ...)
{
	struct message *m = pool_alloc(sizeof(*m));
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	m->warning = warning;
	m->id = id;
	m->text = pool_printf("%s", text);
	if (st->last)
		st->last->next = m;
	else
		st->messages = m;
	st->last = m;
}

#define warn(st, ...)	say(st, true, __VA_ARGS__)
#define hint(st, ...)	say(st, false, __VA_ARGS__)

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- what can be seen at all ---- */

static void cannot_see(struct status *st, const char *path, int err)
{
	if (!st->blind)
		st->blind = pool_printf("%s: %s", path, err == ENODATA ?
					"is empty" : strerror(err));
}

/*
 * A directory that is absent or empty says that there is nothing only where
 * its parents can be seen: a container may have no /sys, an empty one, or one
 * with parts masked.
 */
static void collect_sight(struct status *st)
{
	/* The kernel has all of these, and they are never empty. */
	static const char * const always[] = {
		"/sys/bus", "/sys/class", "/sys/module",
	};
	/* These may be absent, and empty, but must not be closed. */
	static const char * const maybe[] = {
		"/sys/bus/vmbus", VMBUS_DIR, "/sys/bus/pci", PCI_DIR,
		IOMMU_CLASS, IOMMU_DIR, MODULE_DIR,
	};
	int err;

	if (!tree_has_sysfs()) {
		st->blind = "/sys: sysfs is not mounted there";
		return;
	}
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++) {
		err = tree_look(always[i]);
		if (err)
			cannot_see(st, always[i], err);
	}
	for (size_t i = 0; i < sizeof(maybe) / sizeof(*maybe); i++) {
		err = tree_look(maybe[i]);
		/* A bus has files and directories, whatever is on it. */
		if (err && err != ENOENT && (err != ENODATA ||
		    !strcmp(maybe[i], "/sys/bus/vmbus") ||
		    !strcmp(maybe[i], "/sys/bus/pci")))
			cannot_see(st, maybe[i], err);
	}
}

/* ---- the machine ---- */

static bool cpuid_says_hyperv(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int a, b, c, d;

	if (!tree_is_live() || !__get_cpuid(1, &a, &b, &c, &d) ||
	    !(c & 1u << 31))
		return false;
	__cpuid(0x40000000, a, b, c, d);
	return !memcmp(&b, "Micr", 4) && !memcmp(&c, "osof", 4) &&
	       !memcmp(&d, "t Hv", 4);
#else
	return false;
#endif
}

static bool dmi_says_hyperv(void)
{
	char *vendor = tree_read("/sys/class/dmi/id/sys_vendor");
	char *product = tree_read("/sys/class/dmi/id/product_name");

	return vendor && product && !strcmp(vendor, "Microsoft Corporation") &&
	       !strcmp(product, "Virtual Machine");
}

/* hv_pviommu.disable=1, as the kernel reads names and booleans */
static bool is_disabled_by(const char *cmdline)
{
	static const char name[] = MODULE ".disable";
	char *rest = pool_printf("%s", cmdline), *word;
	bool disabled = false;

	while ((word = next_word(&rest, " \t\n\""))) {
		size_t i;

		for (i = 0; name[i]; i++)
			if (word[i] != name[i] &&
			    !(name[i] == '_' && word[i] == '-'))
				break;
		if (name[i])
			continue;
		if (!word[i])
			disabled = true;
		else if (word[i] == '=')
			disabled = strchr("1yYtT", word[i + 1]) ?
				word[i + 1] != '\0' :
				!strncmp(word + i + 1, "on", 2) ||
				!strncmp(word + i + 1, "ON", 2);
	}
	return disabled;
}

static void collect_machine(struct status *st)
{
	struct strings vmbus = tree_list(VMBUS_DIR);

	if (cpuid_says_hyperv())
		strings_add(&st->evidence, "cpuid");
	if (dmi_says_hyperv())
		strings_add(&st->evidence, "dmi");
	if (vmbus.nr)
		strings_add(&st->evidence, "vmbus");

	st->kernel = tree_read("/proc/sys/kernel/osrelease");
	st->cmdline = tree_read("/proc/cmdline");
	st->disabled = st->cmdline && is_disabled_by(st->cmdline);
	if (tree_exists(VFIO_NOIOMMU)) {
		char *mode = tree_read(VFIO_NOIOMMU);

		if (mode && (!strcmp(mode, "Y") || !strcmp(mode, "N"))) {
			st->noiommu_mode.known = true;
			st->noiommu_mode.value = mode[0] == 'Y';
		} else if (mode) {
			tree_problem(VFIO_NOIOMMU, "neither Y nor N");
		}
	}
}

/*
 * Does the kernel say there that it takes no module without a signature, or
 * with one by a key that it does not know? It does not say which module.
 */
static bool is_refused_signature(const char *line)
{
	return (strstr(line, "Loading of ") && strstr(line, " is rejected")) ||
	       strstr(line, "unsigned module loading is restricted");
}

/* What a module that did not load said last, or the kernel about it. */
static void collect_last_message(struct status *st)
{
	const char *error;
	struct strings log = tree_kernel_log(&error);
	const size_t len = strlen(MODULE ": ");

	st->log_error = error;
	for (size_t i = log.nr; i-- > 0; ) {
		const char *m = strstr(log.v[i], MODULE ": ");

		if (!st->signature && is_refused_signature(log.v[i]))
			st->signature = log.v[i];
		/* The kernel itself says that about any foreign module. */
		if (!m || strstr(m, "taints kernel") ||
		    strstr(m, "tainting kernel"))
			continue;
		st->last_message = m + len;
		st->probed = !strncmp(m + len, "probe:", strlen("probe:"));
		return;
	}
}

static void collect_module(struct status *st)
{
	struct strings names;

	st->loaded = tree_is_dir(MODULE_DIR);
	if (!st->loaded)
		return;
	st->state = tree_read(MODULE_DIR "/initstate");
	st->version = tree_read(MODULE_DIR "/version");
	st->srcversion = tree_read(MODULE_DIR "/srcversion");
	names = tree_list(MODULE_DIR "/parameters");
	for (size_t i = 0; i < names.nr; i++) {
		char *value = tree_read(pool_printf(MODULE_DIR "/parameters/%s",
						    names.v[i]));
		if (value)
			strings_add(&st->parameters, pool_printf("%s=%s",
				    names.v[i], value));
	}
}

static void collect_iommu(struct status *st)
{
	struct strings names = tree_list(IOMMU_CLASS);

	for (size_t i = 0; i < names.nr; i++)
		if (strcmp(names.v[i], IOMMU))
			strings_add(&st->other_iommus, names.v[i]);

	st->in_use = tree_is_dir(IOMMU_DIR);
	if (!st->in_use)
		return;
#define NUMBER(field, file)	st->field = tree_number(IOMMU_DIR "/" file)
	NUMBER(iova_bits, "capabilities/iova_bits");
	NUMBER(levels, "capabilities/levels");
	NUMBER(ats, "capabilities/ats");
	NUMBER(host_flags, "capabilities/host_flags");
	NUMBER(host_iova_width, "capabilities/host_iova_width");
	st->page_sizes = tree_read(IOMMU_DIR "/capabilities/page_sizes");
	NUMBER(domains, "domains");
	NUMBER(blocked_domains, "blocked_domains");
	NUMBER(translated, "translated");
	NUMBER(untranslated, "untranslated");
	NUMBER(list_calls, "flush/list_calls");
	NUMBER(list_entries, "flush/list_entries");
	NUMBER(domain_calls, "flush/domain_calls");
	NUMBER(pages_requested, "flush/pages_requested");
	NUMBER(pages_flushed, "flush/pages_flushed");
	NUMBER(flush_failures, "flush/failures");
	NUMBER(calls, "hypercalls/calls");
	NUMBER(call_errors, "hypercalls/errors");
#undef NUMBER
}

/* ---- devices ---- */

/* "1000:00:00.0 reason", each of them found by its name */
struct untranslated {
	struct strings lines;
	struct index by_name;
};

static void untranslated_add(struct untranslated *list, char *line, size_t len)
{
	char *name = pool_copy(line, len);

	if (index_find(&list->by_name, name))
		return;
	index_add(&list->by_name, name, list->lines.nr);
	strings_add(&list->lines, line);
}

static struct function *find_function(struct status *st, const char *name)
{
	size_t *i = index_find(&st->by_name, name);

	return i ? &st->functions[*i] : NULL;
}

static void add_function(struct status *st, char *name,
			 const struct vpci_bus *bus)
{
	struct function *f;

	if (find_function(st, name))
		return;
	if (st->nr_functions == MAX_FUNCTIONS) {
		tree_problem(name, "left out: too many devices");
		return;
	}
	/* Full at every power of two, from 16 on */
	if (!st->nr_functions || (st->nr_functions >= 16 &&
	    !(st->nr_functions & (st->nr_functions - 1)))) {
		size_t room = st->nr_functions ? 2 * st->nr_functions : 16;

		f = pool_alloc(room * sizeof(*f));
		if (st->nr_functions)
			memcpy(f, st->functions, st->nr_functions * sizeof(*f));
		st->functions = f;
	}
	index_add(&st->by_name, name, st->nr_functions);
	f = &st->functions[st->nr_functions++];
	f->name = name;
	f->bus = bus;
}

/*
 * Functions are taken from the root bus only: that is where the host puts
 * them, and the module knows no others.
 */
static void collect_bus(struct status *st, struct vpci_bus *bus)
{
	const char *dir = pool_printf(VMBUS_DIR "/%s", bus->guid);
	struct strings names = tree_list(dir);
	int err = tree_look(dir);

	if (err && err != ENOENT)
		cannot_see(st, dir, err);
	bus->driver = tree_link(pool_printf("%s/driver", dir));
	for (size_t i = 0; i < names.nr; i++) {
		struct strings below;

		if (!is_root_bus_name(names.v[i]))
			continue;
		below = tree_list(pool_printf("%s/%s", dir, names.v[i]));
		for (size_t j = 0; j < below.nr; j++) {
			if (!is_pci_name(below.v[j]))
				continue;
			add_function(st, below.v[j], bus);
			bus->nr_functions++;
		}
	}
}

/* It may be a vPCI bus, if it is still there, and nobody can tell. */
static void cannot_tell(struct status *st, const char *dir)
{
	const char *file = pool_printf("%s/class_id", dir);
	int err = tree_look(dir);

	if (err && err != ENOENT)
		cannot_see(st, dir, err);
	else if (!err && tree_exists(file))
		cannot_see(st, file, EIO);
}

static void collect_buses(struct status *st)
{
	struct strings names = tree_list(VMBUS_DIR);

	st->buses = pool_alloc((names.nr + 1) * sizeof(*st->buses));
	for (size_t i = 0; i < names.nr; i++) {
		char *class = tree_read(pool_printf(VMBUS_DIR "/%s/class_id",
						    names.v[i]));
		struct vpci_bus *bus;

		if (!class)
			cannot_tell(st, pool_printf(VMBUS_DIR "/%s",
						    names.v[i]));
		/* {GUID} */
		if (!class || !strstr(class, VPCI_CLASS))
			continue;
		bus = &st->buses[st->nr_buses++];
		bus->guid = names.v[i];
		collect_bus(st, bus);
	}
}

/* Everything the module has or names should be on a vPCI bus; but if not ... */
static void collect_strays(struct status *st,
			   const struct untranslated *untranslated)
{
	struct strings names = tree_list(IOMMU_DIR "/devices");

	for (size_t i = 0; i < names.nr; i++)
		if (is_pci_name(names.v[i]))
			add_function(st, names.v[i], NULL);
	for (size_t i = 0; i < untranslated->lines.nr; i++) {
		const char *line = untranslated->lines.v[i];

		add_function(st, pool_copy(line, strcspn(line, " ")), NULL);
	}
}

static void collect_function(struct function *f)
{
	const char *dir = pool_printf(PCI_DIR "/%s", f->name);

	f->vendor = tree_read(pool_printf("%s/vendor", dir));
	f->device = tree_read(pool_printf("%s/device", dir));
	f->class = tree_read(pool_printf("%s/class", dir));
	f->driver = tree_link(pool_printf("%s/driver", dir));
	/* Drivers of VFIO have many names, and one directory in common. */
	f->vfio = (f->driver && !strcmp(f->driver, "vfio-pci")) ||
		  tree_is_dir(pool_printf("%s/vfio-dev", dir));
	f->iommu = tree_link(pool_printf("%s/iommu", dir));
	f->group = tree_link(pool_printf("%s/iommu_group", dir));
	if (f->group) {
		char *name = tree_read(pool_printf("%s/iommu_group/name", dir));

		f->group_type = tree_read(pool_printf("%s/iommu_group/type",
						      dir));
		f->noiommu = name && !strcmp(name, "vfio-noiommu");
	}
}

/* "1000:00:00.0 reason" in each line; false if the module has no such file */
static bool read_untranslated(struct untranslated *list, bool complain)
{
	const char *path = IOMMU_DIR "/untranslated_devices";
	char *text, *line;

	memset(list, 0, sizeof(*list));
	text = tree_read(path);
	if (!text)
		return false;
	while ((line = next_word(&text, "\n"))) {
		size_t len = strcspn(line, " ");

		if (line[len] && line[len + 1] &&
		    !strpbrk(line + len + 1, " \t") &&
		    is_pci_name(pool_copy(line, len)))
			untranslated_add(list, line, len);
		else if (complain)
			tree_problem(path, "a line that makes no sense");
	}
	return true;
}

static const char *listed_reason(const struct untranslated *list,
				 const char *name)
{
	const size_t *i = index_find(&list->by_name, name);

	return i ? list->lines.v[*i] + strlen(name) + 1 : NULL;
}

static void judge_function(const struct status *st, struct function *f,
			   const struct untranslated *untranslated)
{
	const char *reason = NULL;

	if (st->in_use)
		reason = listed_reason(untranslated, f->name);
	if (reason) {
		/* The module knows best: it may have failed to attach it. */
		f->state = UNTRANSLATED;
	} else if (f->iommu && !strcmp(f->iommu, IOMMU)) {
		if (!f->group_type) {
			f->state = UNTRANSLATED;
			reason = "unknown";
		} else if (!strcmp(f->group_type, "identity")) {
			f->state = IDENTITY;
		} else if (!strcmp(f->group_type, "unknown")) {
			f->state = UNTRANSLATED;
			reason = "no-domain";
		} else {
			f->state = TRANSLATED;
		}
	} else if (f->iommu) {
		f->state = OTHER_IOMMU;
	} else {
		f->state = UNTRANSLATED;
		reason = st->in_use || st->blind ? "unknown" : "not-loaded";
	}
	f->reason = reason;
}

/* Those that went, or are not yet there, unless the module complains of them */
static void drop_gone(struct status *st, const struct untranslated *untranslated)
{
	size_t kept = 0;

	/* They cannot all have gone. */
	if (st->nr_functions && tree_look(PCI_DIR) == ENOENT)
		cannot_see(st, PCI_DIR, ENOENT);
	for (size_t i = 0; i < st->nr_functions; i++) {
		const struct function *f = &st->functions[i];

		if (tree_exists(pool_printf(PCI_DIR "/%s", f->name)) ||
		    listed_reason(untranslated, f->name))
			st->functions[kept++] = *f;
	}
	st->nr_functions = kept;
}

static int compare_numbers(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);

	return la != lb ? (la < lb ? -1 : 1) : strcmp(a, b);
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *f = a, *g = b;
	int order;

	if (!f->group != !g->group)
		return f->group ? -1 : 1;
	order = f->group ? compare_numbers(f->group, g->group) : 0;
	return order ? order : strcmp(f->name, g->name);
}

static void collect_functions(struct status *st)
{
	struct untranslated untranslated = { 0 };

	if (st->in_use)
		read_untranslated(&untranslated, true);
	collect_buses(st);
	collect_strays(st, &untranslated);
	for (size_t i = 0; i < st->nr_functions; i++)
		collect_function(&st->functions[i]);
	/* Again: some may have been taken over since the first time. */
	if (st->in_use)
		read_untranslated(&untranslated, false);
	drop_gone(st, &untranslated);
	for (size_t i = 0; i < st->nr_functions; i++) {
		judge_function(st, &st->functions[i], &untranslated);
		st->count[st->functions[i].state]++;
	}
	if (st->nr_functions)
		qsort(st->functions, st->nr_functions, sizeof(*st->functions),
		      compare_functions);
}

/* ---- what to say about it; every id is explained in the man page ---- */

/* How many devices of the kernel's own drivers; VFIO is always strict. */
static size_t count_type(const struct status *st, const char *type)
{
	size_t n = 0;

	for (size_t i = 0; i < st->nr_functions; i++)
		n += st->functions[i].state == TRANSLATED &&
		     !st->functions[i].vfio &&
		     st->functions[i].group_type &&
		     !strcmp(st->functions[i].group_type, type);
	return n;
}

static void judge_absence(struct status *st)
{
	uint64_t n = st->count[UNTRANSLATED];

	if (st->loaded) {
		warn(st, "no-iommu",
		     "the module is loaded (%s), but there is no IOMMU of it",
		     st->state ? st->state : "state unknown");
	} else if (n) {
		warn(st, "not-loaded",
		     "the module is not loaded: %" PRIu64 " vPCI device%s can reach all of the memory",
		     n, plural(n));
	} else if (!st->evidence.nr) {
		hint(st, "not-hyperv",
		     "this does not look like a Hyper-V guest: the module has nothing to do");
	} else {
		hint(st, "not-needed",
		     "the module is not loaded, and no vPCI device is left to translate");
	}
	if (!st->loaded && st->disabled)
		hint(st, "disabled",
		     "the kernel command line disables the module");
	if (!st->loaded && st->signature)
		hint(st, "signature",
		     "the kernel has refused a module for its signature: %s",
		     st->signature);
	if (!st->loaded && st->log_error)
		hint(st, "no-log",
		     "the kernel log cannot be read (%s), so what the module said is not known",
		     st->log_error);
	if (!st->loaded && st->probed)
		hint(st, "probed",
		     "the module only had a look (probe_only), --report shows what it found");
	if (!st->loaded && st->last_message)
		hint(st, "last-message", "the module said last: %s",
		     st->last_message);
}

static void judge_devices(struct status *st)
{
	uint64_t n = st->count[UNTRANSLATED], noiommu = 0;
	size_t i;

	if (st->in_use && n)
		warn(st, "untranslated",
		     "%" PRIu64 " device%s not translated and can reach all of the memory",
		     n, n == 1 ? " is" : "s are");
	n = st->count[IDENTITY];
	if (n)
		warn(st, "passthrough",
		     "%" PRIu64 " device%s in passthrough mode (identity) and can reach all of the memory",
		     n, n == 1 ? " is" : "s are");
	for (i = 0; i < st->nr_functions; i++)
		noiommu += st->functions[i].noiommu;
	if (noiommu)
		warn(st, "unsafe-noiommu",
		     "VFIO has %" PRIu64 " device%s in its unsafe no-IOMMU mode",
		     noiommu, plural(noiommu));
	else if (st->noiommu_mode.value)
		warn(st, "unsafe-noiommu",
		     "VFIO's unsafe no-IOMMU mode is enabled");
	n = st->count[OTHER_IOMMU];
	if (n)
		hint(st, "other-iommu", "another IOMMU has %" PRIu64 " device%s",
		     n, plural(n));
	for (i = 0; i < st->nr_buses; i++)
		if (!st->buses[i].driver)
			hint(st, "idle-bus",
			     "vPCI bus %s has no driver, so its devices are not there",
			     st->buses[i].guid);
}

static void judge_iommu(struct status *st)
{
	uint64_t n;

	n = st->blocked_domains.value;
	if (n)
		warn(st, "blocked-domains",
		     "%" PRIu64 " domain%s blocked after a failed flush: the devices in there do not work",
		     n, n == 1 ? " is" : "s are");
	/*
	 * What failed and is over, since the module was loaded. What is left
	 * of it is seen elsewhere: a blocked domain, an untranslated device. A
	 * host that cannot flush ranges says so once: that is a failure, but
	 * no error.
	 */
	n = st->flush_failures.value;
	if (n && (st->call_errors.value || !st->call_errors.known))
		hint(st, "flush-failures",
		     "%" PRIu64 " flush%s failed since the module was loaded, the log says when",
		     n, n == 1 ? "" : "es");
	n = st->call_errors.value;
	if (n)
		hint(st, "hypercall-errors",
		     "the host refused %" PRIu64 " hypercall%s since the module was loaded, the log says when",
		     n, plural(n));
	n = count_type(st, "DMA-FQ");
	if (n)
		hint(st, "lazy",
		     "lazy mode for %" PRIu64 " device%s: unmapped memory stays reachable for some milliseconds",
		     n, plural(n));
	n = count_type(st, "DMA");
	if (n)
		hint(st, "strict",
		     "strict mode for %" PRIu64 " device%s: every unmap waits for a hypercall",
		     n, plural(n));
}

static void judge(struct status *st)
{
	uint64_t n = 0;

	if (st->blind)
		warn(st, "cannot-see",
		     "%s, so it is not known from here whether devices are translated",
		     st->blind);
	else if (!st->in_use)
		judge_absence(st);
	judge_devices(st);
	if (st->in_use)
		judge_iommu(st);
	for (struct problem *p = problems; p; p = p->next)
		n++;
	if (n)
		warn(st, "unreadable",
		     "%" PRIu64 " file%s could not be used, something may be missing here",
		     n, plural(n));

	st->code = EXIT_GOOD;
	for (struct message *m = st->messages; m; m = m->next)
		if (m->warning)
			st->code = EXIT_WARNINGS;
	if (!st->in_use)
		st->code = EXIT_NOT_IN_USE;
	if (st->blind)
		st->code = EXIT_CANNOT_SEE;
}

void status_collect(struct status *st)
{
	memset(st, 0, sizeof(*st));
	collect_sight(st);
	collect_machine(st);
	collect_module(st);
	collect_iommu(st);
	collect_functions(st);
	if (!st->loaded && !st->in_use)
		collect_last_message(st);
	judge(st);
}
