/* SPDX-License-Identifier: GPL-2.0 */
/* What the tool knows, collected once; how it is shown is up to others. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "tree.h"
#include "util.h"

#define MODULE		"hv_pviommu"
#define MODULE_DIR	"/sys/module/" MODULE
#define IOMMU		"hv-pviommu"
#define IOMMU_CLASS	"/sys/class/iommu"
#define IOMMU_DIR	IOMMU_CLASS "/" IOMMU
#define DEBUGFS_DIR	"/sys/kernel/debug/" IOMMU
#define GROUPS_DIR	"/sys/kernel/iommu_groups"
#define PCI_DIR		"/sys/bus/pci/devices"
#define VMBUS_DIR	"/sys/bus/vmbus/devices"
#define VFIO_NOIOMMU	"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

/* Exit codes; the man page has them too. Errors are as in sysexits.h. */
enum {
	EXIT_GOOD = 0,		/* all translated, no warning */
	EXIT_WARNINGS = 1,
	EXIT_NOT_IN_USE = 2,
	EXIT_USAGE = 64,
	EXIT_NO_ROOT = 66,
	EXIT_CANNOT_SEE = 69,	/* /sys does not show how things are */
	EXIT_NO_OUTPUT = 74,
};

struct vpci_bus {
	char *guid;
	char *driver;
	size_t nr_functions;
};

enum state {
	TRANSLATED,
	IDENTITY,		/* behind the IOMMU, which lets it pass */
	OTHER_IOMMU,
	UNTRANSLATED,
};

struct function {
	char *name;
	const struct vpci_bus *bus;	/* may be NULL */
	char *vendor, *device, *class;
	char *driver;
	char *iommu;			/* name of the IOMMU that has it */
	char *group;			/* number of its group */
	char *group_type;
	bool noiommu;			/* a group that VFIO made up */
	bool vfio;			/* its driver is one of VFIO */
	enum state state;
	const char *reason;		/* if UNTRANSLATED */
};

struct message {
	struct message *next;
	bool warning;			/* else a hint */
	const char *id;
	const char *text;
};

struct status {
	struct strings evidence;	/* of Hyper-V */
	char *kernel;
	char *cmdline;

	bool loaded;
	char *state;			/* of the module: live, coming, going */
	char *version, *srcversion;
	struct strings parameters;	/* "name=value" */
	bool disabled;			/* on the kernel command line */
	const char *last_message;
	bool probed;			/* it only had a look, see probe_only */
	const char *log_error;		/* why the log was not read */
	const char *signature;		/* what the kernel said of it */

	bool in_use;			/* the IOMMU is registered */
	struct number iova_bits, levels, ats, host_flags, host_iova_width;
	char *page_sizes;
	struct number domains, blocked_domains, translated, untranslated;
	struct number list_calls, list_entries, domain_calls;
	struct number pages_requested, pages_flushed, flush_failures;
	struct number calls, call_errors;
	struct strings other_iommus;
	struct number noiommu_mode;

	struct index by_name;		/* of functions, until they are sorted */
	struct vpci_bus *buses;
	size_t nr_buses;
	/* By group, the ones without a group last */
	struct function *functions;
	size_t nr_functions;
	size_t count[UNTRANSLATED + 1];	/* by state */

	/* What has to be seen to conclude anything, and cannot be; or NULL */
	const char *blind;

	struct message *messages, *last;
	int code;			/* EXIT_... */
};

void status_collect(struct status *st);

/* "translated", ... */
const char *state_name(enum state state);
/* A longer text for a reason, or the reason itself if it is a new one. */
const char *reason_text(const char *reason);
/* Quotients; false if there is nothing to divide. */
bool ratio(struct number dividend, struct number divisor, double *quotient);

/* Is it the name of a PCI function, such as 1000:00:00.0? */
bool is_pci_name(const char *s);

void show_text(const struct status *st);
void show_json(const struct status *st, const char *root, const char *version);
void show_report(const struct status *st, const char *root,
		 const char *version);

#endif
