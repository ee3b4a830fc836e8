// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that helps to find out what went wrong, as text. What cannot be
 * read is named with the reason, and the rest goes on.
 *
 * It goes to strangers: of files in which an administrator may have written
 * anything, what is known to be of use and harmless is shown, and the rest is
 * not. The man page says what is in it.
 */
#include <string.h>

#include "status.h"

/* A report goes into a mail: no page table of a million lines. */
#define MAX_FILE	(16u << 10)
#define MAX_TOTAL	(1u << 20)
#define MAX_LOG_LINES	400
#define MAX_DEPTH	4

static size_t total;

static void head(const char *title)
{
	fputs("\n==== ", stdout);
	put_text(stdout, title, false);
	putchar('\n');
}

static void put_error(const char *error)
{
	printf("[cannot be read: %s]\n", error);
}

/* One line for a short file, else its lines below its name */
static void dump_file(const char *path)
{
	const char *error = NULL;
	bool truncated = false;
	char *text;

	put_text(stdout, path, false);
	fputs(": ", stdout);
	if (total > MAX_TOTAL) {
		puts("[left out, the report is long enough]");
		return;
	}
	text = tree_read_some(path, MAX_FILE, &truncated, &error);
	if (!text) {
		put_error(error);
		return;
	}
	total += strlen(path) + strlen(text);
	if (strchr(text, '\n'))
		putchar('\n');
	put_text(stdout, text, true);
	putchar('\n');
	if (truncated)
		puts("[there is more]");
}

/* All files below, but not behind links: those lead to devices. */
static void dump_dir(const char *path, unsigned int depth)
{
	const char *error;
	struct strings names = tree_list_quietly(path, &error);

	if (error) {
		put_text(stdout, path, false);
		fputs(": ", stdout);
		put_error(error);
	}
	for (size_t i = 0; i < names.nr; i++) {
		const char *below = pool_printf("%s/%s", path, names.v[i]);

		/* Nothing of ours; "uevent" may even be written to. */
		if (!strcmp(names.v[i], "power") ||
		    !strcmp(names.v[i], "uevent"))
			continue;
		if (tree_is_link(below))
			continue;
		if (!tree_is_dir(below))
			dump_file(below);
		else if (depth < MAX_DEPTH)
			dump_dir(below, depth + 1);
	}
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* One of @words, of which the last is NULL, at the start of @s */
static bool begins_any(const char *s, const char * const *words)
{
	for (; *words; words++)
		if (begins(s, *words))
			return true;
	return false;
}

/* Calls @put for each line of a file. */
static void each_line(const char *path, void (*put)(char *line))
{
	bool truncated = false;
	const char *error = NULL;
	char *text, *line;

	text = tree_read_some(path, 4 * MAX_FILE, &truncated, &error);
	if (!text) {
		put_text(stdout, path, false);
		fputs(": ", stdout);
		put_error(error);
		return;
	}
	while ((line = next_word(&text, "\n")))
		put(line);
	if (truncated)
		puts("[there is more]");
}

/* A value of numbers and names, not of what a password may be made of */
static bool is_harmless(const char *value)
{
	return strspn(value, "0123456789abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.,:-") == strlen(value);
}

/*
 * Whoever administers a machine may have put credentials on its command line,
 * as a name or as a value. So what is known to be of use here is shown, and
 * nothing else.
 */
static bool is_known_parameter(const char *word)
{
	static const char * const names[] = {
		"iommu", "intel_iommu", "amd_iommu", "pci", "swiotlb", "ro",
		"rw", "quiet", "debug", "nomodeset", "console", "earlyprintk",
		"ignore_loglevel", "loglevel", "crashkernel", "maxcpus",
		"nr_cpus", "mem", "nosmp", "lockdown", "module_blacklist",
		"modprobe.blacklist", "rd.driver.blacklist",
		"initcall_blacklist", "resume", "hibernate", "nohibernate",
		"kasan", "slub_debug", "efi", "acpi", "noefi", "x2apic",
		"nox2apic", "clocksource", "tsc", "nokaslr", "nopti", NULL
	};
	/* Parameters of these: "vfio_pci.ids=..." */
	static const char * const modules[] = {
		"hv_pviommu.", "hv-pviommu.", "iommu.", "vfio.", "vfio_pci.",
		"vfio-pci.", "vfio_iommu_type1.", "iommufd.", "hv_vmbus.",
		"pci_hyperv.", "pci-hyperv.", "module.sig_enforce", NULL
	};
	size_t len = strcspn(word, "=");

	if (word[len] && !is_harmless(word + len + 1))
		return false;
	if (begins_any(word, modules))
		return is_harmless(pool_copy(word, len));
	for (size_t i = 0; names[i]; i++)
		if (strlen(names[i]) == len && !strncmp(word, names[i], len))
			/* The disk to resume from is nobody's business. */
			return strcmp(names[i], "resume") || !word[len];
	return false;
}

static void put_cmdline(char *line)
{
	size_t others = 0;
	char *word;

	fputs("command line:", stdout);
	while ((word = next_word(&line, " \t"))) {
		/* What follows is for init. */
		if (!strcmp(word, "--")) {
			fputs(" [arguments of init]", stdout);
			break;
		}
		if (is_known_parameter(word)) {
			putchar(' ');
			put_text(stdout, word, false);
		} else {
			others++;
		}
	}
	printf(" [%zu more not shown]\n", others);
}

/* "Linux version 6.1 (user@host) (compiler) #1": not who built it, and where */
static void put_version(char *line)
{
	char *start, *end;

	while ((end = strchr(line, '@'))) {
		*end = '\0';
		start = strrchr(line, '(');
		if (!start)
			start = line;
		*start = '\0';
		put_text(stdout, line, false);
		fputs("[builder]", stdout);
		line = end + 1;
		line += strcspn(line, ")");
		line += *line == ')';
	}
	put_text(stdout, line, false);
	putchar('\n');
}

static void put_release(char *line)
{
	static const char * const keys[] = {
		"ID=", "VERSION_ID=", "VARIANT_ID=", "VERSION_CODENAME=", NULL
	};

	if (begins_any(line, keys)) {
		put_text(stdout, line, false);
		putchar('\n');
	}
}

/* Not where it is in memory, which root could see */
static void put_module(char *line)
{
	static const char * const names[] = {
		"hv_", "pci_hyperv", "vfio", "iommufd", "nvme", NULL
	};
	char *word;

	if (!begins_any(line, names))
		return;
	for (const char *space = ""; (word = next_word(&line, " ")); space = " ")
		if (!begins(word, "0x")) {
			fputs(space, stdout);
			put_text(stdout, word, false);
		}
	putchar('\n');
}

/*
 * What modprobe is told of the modules that matter here. A command of an
 * "install" line can contain anything.
 */
static const char *configuration;

static void put_configuration(char *line)
{
	static const char * const names[] = {
		"hv_pviommu", "hv-pviommu", "pci-hyperv", "pci_hyperv", "vfio",
		"hv_vmbus", "iommufd", NULL
	};
	bool command, hidden = false, about = false;
	char *rest = pool_printf("%s", line), *word, *verb;

	verb = next_word(&rest, " \t");
	if (!verb || verb[0] == '#')
		return;
	command = !strcmp(verb, "install") || !strcmp(verb, "remove");
	if (!command && strcmp(verb, "softdep") && strcmp(verb, "options") &&
	    strcmp(verb, "blacklist") && strcmp(verb, "alias"))
		return;
	for (size_t i = 0; (word = next_word(&rest, " \t")); i++)
		if (begins_any(word, names) && (!command || i == 0))
			about = true;
	if (!about)
		return;
	put_text(stdout, configuration, false);
	fputs(": ", stdout);
	put_text(stdout, verb, false);
	rest = line + strspn(line, " \t") + strlen(verb);
	for (size_t i = 0; (word = next_word(&rest, " \t")); i++) {
		const char *value = strchr(word, '=');

		if ((command && i > 0) ||
		    !is_harmless(value ? value + 1 : word) ||
		    (value && !is_harmless(pool_copy(word, value - word)))) {
			hidden = true;
			continue;
		}
		putchar(' ');
		put_text(stdout, word, false);
	}
	puts(hidden ? " [more not shown]" : "");
}

static void dump_modules(void)
{
	static const char * const attributes[] = {
		"initstate", "refcnt", "version", "srcversion", "taint",
	};

	head("modules");
	each_line("/proc/modules", put_module);
	if (!tree_is_dir(MODULE_DIR))
		return;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		const char *path = pool_printf(MODULE_DIR "/%s", attributes[i]);

		if (tree_exists(path))
			dump_file(path);
	}
	if (tree_exists(MODULE_DIR "/parameters"))
		dump_dir(MODULE_DIR "/parameters", MAX_DEPTH);
	if (tree_exists("/sys/module/vfio/parameters"))
		dump_dir("/sys/module/vfio/parameters", MAX_DEPTH);
}

static void dump_configuration(void)
{
	const char *error;
	struct strings names = tree_list_quietly("/etc/modprobe.d", &error);

	head("configuration");
	if (error) {
		fputs("/etc/modprobe.d: ", stdout);
		put_error(error);
	}
	for (size_t i = 0; i < names.nr; i++) {
		configuration = pool_printf("/etc/modprobe.d/%s", names.v[i]);
		each_line(configuration, put_configuration);
	}
}

static void dump_devices(const struct status *st)
{
	static const char * const attributes[] = {
		"vendor", "device", "subsystem_vendor", "subsystem_device",
		"class", "revision", "enable", "numa_node", "driver_override",
		"d3cold_allowed", "reset_method", "dma_mask_bits",
		"iommu_group/type", "iommu_group/name",
		"iommu_group/reserved_regions",
	};

	head("devices");
	for (size_t i = 0; i < st->nr_functions; i++) {
		const char *name = st->functions[i].name;

		if (total > MAX_TOTAL) {
			printf("[%zu devices left out, the report is long enough]\n",
			       st->nr_functions - i);
			break;
		}
		for (size_t j = 0; j < sizeof(attributes) / sizeof(*attributes);
		     j++) {
			const char *path = pool_printf(PCI_DIR "/%s/%s", name,
						       attributes[j]);
			if (tree_exists(path))
				dump_file(path);
		}
	}
	for (size_t i = 0; i < st->nr_buses; i++) {
		put_text(stdout, st->buses[i].guid, false);
		fputs(": vPCI bus, driver ", stdout);
		put_text(stdout, st->buses[i].driver ? st->buses[i].driver :
			 "none", false);
		printf(", functions %zu\n", st->buses[i].nr_functions);
	}
}

/* Without the "[    1.234567] " of dmesg */
static const char *without_time(const char *line)
{
	size_t len;

	if (line[0] != '[')
		return line;
	len = 1 + strspn(line + 1, " 0123456789.");
	if (line[len] != ']')
		return line;
	return line + len + 1 + strspn(line + len + 1, " ");
}

/* Lines by the parts of the kernel that matter here, not lines about them */
static bool is_related(const char *line)
{
	static const char * const names[] = {
		"iommu", "IOMMU", "DMAR", "AMD-Vi", "hv_pci ", "hv_vmbus: ",
		"hv_vmbus ", "Hyper-V: ", "vfio", "VFIO", "vfio-pci ", "nvme ",
		"Lockdown: ", "Loading of ", NULL
	};
	size_t len;

	/* The name of an NVMe subsystem has its serial number. */
	if (strstr(line, "nqn.") || strstr(line, "NQN"))
		return false;
	if (begins_any(line, names))
		return true;
	/* "driver 1000:00:00.0: ..." */
	len = strcspn(line, " ");
	if (!line[len])
		return false;
	line += len + 1;
	len = strcspn(line, " ");
	return len > 1 && line[len - 1] == ':' &&
	       is_pci_name(pool_copy(line, len - 1));
}

static void put_last(const struct strings *lines)
{
	size_t i = 0;

	if (lines->nr > MAX_LOG_LINES) {
		i = lines->nr - MAX_LOG_LINES;
		printf("[%zu lines left out]\n", i);
	}
	for (; i < lines->nr; i++) {
		put_text(stdout, lines->v[i], false);
		putchar('\n');
	}
}

/* Those of the module for themselves: others may be very many. */
static void dump_log(void)
{
	const char *error;
	struct strings log = tree_kernel_log(&error), ours = { 0 };
	struct strings related = { 0 };

	for (size_t i = 0; i < log.nr; i++) {
		const char *line = without_time(log.v[i]);

		if (begins(line, MODULE ": "))
			strings_add(&ours, log.v[i]);
		else if (is_related(line) && strstr(line, ": " MODULE ": "))
			strings_add(&ours, log.v[i]);
		else if (is_related(line))
			strings_add(&related, log.v[i]);
	}
	head("kernel log (lines of the module)");
	if (error)
		put_error(error);
	put_last(&ours);
	head("kernel log (lines that may be related)");
	put_last(&related);
}

void show_report(const struct status *st, const char *root, const char *version)
{
	hide_identities();
	printf("==== hv-pviommu %s report%s\n", version,
	       root ? " of a captured tree" : "");
	show_text(st);

	head("kernel");
	each_line("/proc/version", put_version);
	each_line("/proc/cmdline", put_cmdline);
	if (tree_exists("/etc/os-release"))
		each_line("/etc/os-release", put_release);
	if (tree_exists("/sys/kernel/security/lockdown"))
		dump_file("/sys/kernel/security/lockdown");
	dump_modules();
	dump_configuration();

	head("IOMMU");
	dump_dir(IOMMU_DIR, 0);
	for (size_t i = 0; i < st->other_iommus.nr; i++) {
		fputs("also there: ", stdout);
		put_text(stdout, st->other_iommus.v[i], false);
		putchar('\n');
	}
	dump_devices(st);
	dump_log();

	head("debugfs");
	dump_dir(DEBUGFS_DIR, 0);
}
