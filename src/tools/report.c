// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that helps to find out what went wrong, as text. What cannot be
 * read is named with the reason, and the rest goes on.
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
	total += strlen(text);
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

static void dump_matching_lines(const char *path, const char * const *words)
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
	while ((line = next_word(&text, "\n"))) {
		for (size_t i = 0; words[i]; i++) {
			if (!strstr(line, words[i]))
				continue;
			put_text(stdout, line, false);
			putchar('\n');
			break;
		}
	}
}

static void dump_modules(void)
{
	static const char * const words[] = {
		"hv_", "pci_hyperv", "vfio", "iommufd", "nvme", NULL
	};
	static const char * const attributes[] = {
		"initstate", "refcnt", "version", "srcversion", "taint",
	};

	head("modules");
	dump_matching_lines("/proc/modules", words);
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
	for (size_t i = 0; i < names.nr; i++) {
		const char *path = pool_printf("/etc/modprobe.d/%s",
					       names.v[i]);
		const char *why = NULL;
		bool truncated;
		char *text = tree_read_some(path, MAX_FILE, &truncated, &why);

		if (why || strstr(text, "pviommu"))
			dump_file(path);
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

static void dump_log(void)
{
	static const char * const words[] = {
		"iommu", "IOMMU", "vfio", "VFIO", "hv_pci", "hv_vmbus",
		"Hyper-V", "nvme", NULL
	};
	const char *error;
	struct strings log = tree_kernel_log(&error), found = { 0 };
	size_t i, j;

	head("kernel log (lines that may be related)");
	if (error)
		put_error(error);
	for (i = 0; i < log.nr; i++) {
		for (j = 0; words[j] && !strstr(log.v[i], words[j]); j++)
			;
		if (words[j])
			strings_add(&found, log.v[i]);
	}
	i = 0;
	if (found.nr > MAX_LOG_LINES) {
		i = found.nr - MAX_LOG_LINES;
		printf("[%zu lines left out]\n", i);
	}
	for (; i < found.nr; i++) {
		put_text(stdout, found.v[i], false);
		putchar('\n');
	}
}

void show_report(const struct status *st, const char *root, const char *version)
{
	printf("==== hv-pviommu %s report", version);
	if (root) {
		fputs(", root ", stdout);
		put_text(stdout, root, false);
	}
	putchar('\n');
	show_text(st);

	head("kernel");
	dump_file("/proc/version");
	dump_file("/proc/cmdline");
	if (tree_exists("/etc/os-release"))
		dump_file("/etc/os-release");
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
