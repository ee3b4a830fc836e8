// SPDX-License-Identifier: GPL-2.0
/*
 * What a person or a test case says to the pvIOMMU model and hears from it:
 * capability options, control words, the tables of counts.
 *
 * Lock: that of the machine. Nothing sleeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "iommu_internal.h"

/* The whole machine waits for a slow flush: longer ones are a typing error. */
#define MAX_SLOW_MS 10000u

/* ---- options ---- */

void iommu_config_default(struct iommu_config *c)
{
	*c = (struct iommu_config) {
		.present = true,
		.caps = CAP_PRESENT | CAP_S1,
		.width = 48,
		.pgsizes = BIT_ULL(12) | BIT_ULL(21) | BIT_ULL(30),
		.max_domains = 64,
		.canonical = true,
		.flush_list = true,
		.several = true,
		.detach = true,
		.delete_idle = true,
		.ats_any = true,
		.attach_drops_atc = true,
		.list_walk = true,
		.cap_size = 24,
		.scribble = true,
	};
}

/*
 * A host that has no more than what the in-kernel driver was seen to use: it
 * never detaches, flushes one entry at a time, and deletes paging domains
 * only.
 */
static void config_minimal(struct iommu_config *c)
{
	c->detach = false;
	c->several = false;
	c->delete_idle = false;
}

static bool parse_number(const char *text, u64 max, u64 *val)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*val = strtoull(text, &end, 0);
	return !errno && !*end && *val <= max;
}

static bool parse_bool(const char *text, bool *val)
{
	if (strcmp(text, "0") && strcmp(text, "1"))
		return false;
	*val = *text == '1';
	return true;
}

/* "4k+2m+1g" in any order, or a bitmap. */
static bool parse_pgsizes(const char *text, u64 *val)
{
	u64 sizes = 0;

	if (parse_number(text, UINT64_MAX, val))
		return true;
	for (;;) {
		if (!strncmp(text, "4k", 2))
			sizes |= BIT_ULL(12);
		else if (!strncmp(text, "2m", 2))
			sizes |= BIT_ULL(21);
		else if (!strncmp(text, "1g", 2))
			sizes |= BIT_ULL(30);
		else
			return false;
		text += 2;
		if (!*text)
			break;
		if (*text++ != '+')
			return false;
	}
	*val = sizes;
	return true;
}

static bool parse_reps(const char *text, enum rep_mode *mode)
{
	static const char * const name[] = {
		[REPS_HONEST] = "honest", [REPS_STUCK] = "stuck",
		[REPS_OVER] = "over", [REPS_BACK] = "back",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++)
		if (!strcmp(text, name[i])) {
			*mode = i;
			return true;
		}
	return false;
}

static int __attribute__((format(printf, 3, 4)))
reject(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -1;
}

static int parse_key(struct iommu_config *c, const char *key,
		     const char *value, char *err, size_t errlen)
{
	static const struct {
		const char *key;
		u64 bit;
	} caps[] = {
		{ "present", CAP_PRESENT }, { "s2", CAP_S2 }, { "s1", CAP_S1 },
		{ "5lvl", CAP_S1_5LVL }, { "pasid", CAP_PASID },
		{ "ats", CAP_ATS }, { "pri", CAP_PRI },
	};
	const struct {
		const char *key;
		bool *val;
	} bools[] = {
		{ "canonical", &c->canonical }, { "list", &c->flush_list },
		{ "several", &c->several }, { "detach", &c->detach },
		{ "delete-idle", &c->delete_idle },
		{ "listwalk", &c->list_walk }, { "neg", &c->neg_cache },
		{ "scribble", &c->scribble },
		{ "scribble-early", &c->scribble_early },
		{ "garbage", &c->garbage },
		{ "write-failed", &c->write_failed }, { "junk", &c->junk },
	};
	const struct {
		const char *key, *no, *yes;
		bool *val;
	} choices[] = {
		{ "stale", "violation", "ok", &c->allow_stale },
		{ "unload", "keep", "drop", &c->unload_drop },
		{ "attach", "replace", "detach-first", &c->detach_first },
		{ "inuse", "same", "any", &c->in_use_any },
		{ "ats-requests", "aligned", "any", &c->ats_any },
		{ "attach-atc", "keep", "drop", &c->attach_drops_atc },
	};
	u64 n;
	bool b;
	size_t i;

	/* A name alone switches it on. */
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		if (strcmp(key, caps[i].key))
			continue;
		if (!parse_bool(value ? value : "1", &b))
			goto bad_bool;
		c->caps = b ? c->caps | caps[i].bit : c->caps & ~caps[i].bit;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(bools); i++) {
		if (strcmp(key, bools[i].key))
			continue;
		if (!parse_bool(value ? value : "1", bools[i].val))
			goto bad_bool;
		return 0;
	}

	for (i = 0; i < ARRAY_SIZE(choices); i++) {
		if (strcmp(key, choices[i].key))
			continue;
		if (!value || (strcmp(value, choices[i].no) &&
			       strcmp(value, choices[i].yes)))
			return reject(err, errlen,
				      "iommu: %s must be %s or %s, not '%s'",
				      key, choices[i].yes, choices[i].no,
				      value ? value : "");
		*choices[i].val = !strcmp(value, choices[i].yes);
		return 0;
	}

	if (!strcmp(key, "width")) {
		if (!value || !parse_number(value, UINT8_MAX, &n))
			return reject(err, errlen,
				      "iommu: width must be 0 to 255, not '%s'",
				      value ? value : "");
		c->width = n;
	} else if (!strcmp(key, "caps")) {
		if (!value || !parse_number(value, UINT64_MAX, &c->caps))
			return reject(err, errlen,
				      "iommu: caps must be a number, not '%s'",
				      value ? value : "");
	} else if (!strcmp(key, "pgsizes")) {
		if (!value || !parse_pgsizes(value, &c->pgsizes))
			return reject(err, errlen,
				      "iommu: pgsizes must be like 4k+2m+1g or a number, not '%s'",
				      value ? value : "");
	} else if (!strcmp(key, "domains")) {
		if (!value || !parse_number(value, UINT32_MAX, &n))
			return reject(err, errlen,
				      "iommu: domains must be a number, not '%s'",
				      value ? value : "");
		c->max_domains = n;
	} else if (!strcmp(key, "size")) {
		if (!value || !parse_number(value, UINT32_MAX, &n))
			return reject(err, errlen,
				      "iommu: size must be a number, not '%s'",
				      value ? value : "");
		c->cap_size = n;
	} else if (!strcmp(key, "slow")) {
		if (!value || !parse_number(value, MAX_SLOW_MS, &n))
			return reject(err, errlen,
				      "iommu: slow must be 0 to %u, not '%s'",
				      MAX_SLOW_MS, value ? value : "");
		c->slow_ms = n;
	} else if (!strcmp(key, "reps")) {
		if (!value || !parse_reps(value, &c->reps))
			return reject(err, errlen,
				      "iommu: reps must be honest, stuck, over or back, not '%s'",
				      value ? value : "");
	} else if (!strcmp(key, "evict")) {
		if (!value || !parse_number(value, UINT64_MAX, &c->evict))
			return reject(err, errlen,
				      "iommu: evict must be a number, not '%s'",
				      value ? value : "");
	} else {
		return reject(err, errlen, "iommu: unknown option '%s'", key);
	}
	return 0;

bad_bool:
	return reject(err, errlen, "iommu: %s must be 0 or 1, not '%s'", key,
		      value);
}

int iommu_parse_option(struct iommu_config *c, const char *text, char *err,
		       size_t errlen)
{
	struct iommu_config new = *c;
	char *copy, *part, *save;
	int ret = 0;

	copy = strdup(text);
	if (!copy)
		die("no memory for an option");
	part = strtok_r(copy, ",", &save);
	if (!part)
		ret = reject(err, errlen, "iommu: empty option");
	for (; part && !ret; part = strtok_r(NULL, ",", &save)) {
		char *value = strchr(part, '=');

		if (value)
			*value++ = '\0';
		if (!value && !strcmp(part, "off"))
			new.present = false;
		else if (!value && !strcmp(part, "on"))
			new.present = true;
		else if (!value && !strcmp(part, "minimal"))
			config_minimal(&new);
		else
			ret = parse_key(&new, part, value, err, errlen);
	}
	free(copy);
	if (!ret)
		*c = new;
	return ret;
}

/* ---- counts ---- */

static void sum_dma(const struct iommu *mmu, u64 *translated,
		    u64 *untranslated)
{
	const struct iommu_device *dev;

	*translated = 0;
	*untranslated = 0;
	for (dev = mmu->devices; dev; dev = dev->next) {
		*translated += dev->translated;
		*untranslated += dev->untranslated;
	}
}

static void print_row(FILE *out, const char *text, u64 n)
{
	fprintf(out, "%-34s %10" PRIu64 "\n", text, n);
}

void iommu_print_counts(struct iommu *mmu, FILE *out)
{
	const struct flush_stats *f = &mmu->flush;
	enum call_index i;
	u64 dma[2];

	fprintf(out, "%-34s %10s %10s\n", "pvIOMMU call", "count", "failed");
	for (i = 0; i < NR_CALLS; i++)
		fprintf(out, "%-34s %10" PRIu64 " %10" PRIu64 "\n",
			call_short_name(i), mmu->call[i].count,
			mmu->call[i].failed);
	sum_dma(mmu, &dma[0], &dma[1]);
	print_row(out, "stage-1 translated DMA accesses", dma[0]);
	print_row(out, "untranslated DMA accesses", dma[1]);
	print_row(out, "blocked DMA accesses", mmu->nr_blocked);
	print_row(out, "DMA faults", mmu->nr_faults);
	print_row(out, "IOTLB hits", mmu->nr_hits);
	print_row(out, "IOTLB misses", mmu->nr_misses);
	print_row(out, "ATC hits", mmu->nr_atc_hits);
	print_row(out, "accesses in a stale window", mmu->nr_stale);
	print_row(out, "leaves used with A or D clear", mmu->nr_ad_missing);
	print_row(out, "flush calls", f->calls);
	print_row(out, "flush list entries", f->entries);
	print_row(out, "4 KiB pages in those entries", f->pages);
	print_row(out, "whole-domain flushes", f->full);
	print_row(out, "redundant flushes and entries", f->redundant);
	print_row(out, "cached entries dropped by flushes", f->dropped);
}

static void reset_counts(struct iommu *mmu)
{
	struct iommu_device *dev;
	struct iommu_domain *dom;
	unsigned i;

	for (i = 0; i < NR_CALLS; i++) {
		mmu->call[i].count = 0;
		mmu->call[i].failed = 0;
	}
	for (dev = mmu->devices; dev; dev = dev->next) {
		dev->translated = 0;
		dev->untranslated = 0;
		dev->blocked = 0;
		dev->forgiven = 0;
		dev->watched = 0;
		dev->atc_hits = 0;
	}
	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		for (dom = mmu->domains[i]; dom; dom = dom->next)
			memset(&dom->flush, 0, sizeof(dom->flush));
	memset(&mmu->flush, 0, sizeof(mmu->flush));
	mmu->nr_injected = 0;
	mmu->nr_blocked = 0;
	mmu->nr_stale = 0;
	mmu->nr_ad_missing = 0;
	mmu->nr_hits = 0;
	mmu->nr_misses = 0;
	mmu->nr_atc_hits = 0;
}

/* ---- control words ---- */

struct args {
	struct iommu *mmu;
	int argc;		/* without the word itself */
	char **argv;
	FILE *out;
};

struct word {
	const char *name;
	const char *args;
	const char *help;
	int min, max;		/* arguments */
	int (*fn)(struct args *a);
};

static int find_call_name(const char *name, FILE *out)
{
	int i;

	for (i = 0; i < NR_CALLS; i++)
		if (!strcmp(name, call_short_name(i)))
			return i;
	fprintf(out, "iommu: no call '%s'\n", name);
	return -1;
}

static int ctl_counts(struct args *a)
{
	iommu_print_counts(a->mmu, a->out);
	return 0;
}

static int ctl_count(struct args *a)
{
	int i = find_call_name(a->argv[0], a->out);

	if (i < 0)
		return -1;
	fprintf(a->out, "%" PRIu64 "\n", a->mmu->call[i].count);
	return 0;
}

static int ctl_faults(struct args *a)
{
	fprintf(a->out, "%" PRIu64 "\n", a->mmu->nr_faults);
	return 0;
}

static void print_fault(const struct fault_record *r, FILE *out)
{
	fprintf(out, "%s 0x%" PRIx64 " %s %s\n", r->name, r->iova,
		iommu_fault_name(r->reason), iommu_op_name(r->op));
}

static int ctl_fault_last(struct args *a)
{
	if (a->mmu->nr_faults)
		print_fault(&a->mmu->fault[(a->mmu->nr_faults - 1) %
					   NR_FAULT_RECORDS], a->out);
	else
		fprintf(a->out, "none\n");
	return 0;
}

static int ctl_fault_list(struct args *a)
{
	u64 i = 0;

	if (a->mmu->nr_faults > NR_FAULT_RECORDS)
		i = a->mmu->nr_faults - NR_FAULT_RECORDS;
	for (; i < a->mmu->nr_faults; i++)
		print_fault(&a->mmu->fault[i % NR_FAULT_RECORDS], a->out);
	return 0;
}

static int ctl_faults_clear(struct args *a)
{
	a->mmu->nr_faults = 0;
	return 0;
}

static int ctl_blocked(struct args *a)
{
	fprintf(a->out, "%" PRIu64 "\n", a->mmu->nr_blocked);
	return 0;
}

static void print_domain(const struct iommu *mmu,
			 const struct iommu_domain *dom, FILE *out)
{
	const struct flush_stats *f = &dom->flush;
	const struct iommu_device *dev;
	const char *sep = "";

	fprintf(out, "%" PRIu32 " %s %u ", dom->id,
		domain_kind_name(dom->kind), dom->levels);
	for (dev = mmu->devices; dev; dev = dev->next) {
		if (dev->dom != dom)
			continue;
		fprintf(out, "%s%s", sep, dev->name);
		sep = ",";
	}
	fprintf(out, "%s flushes=%" PRIu64 " entries=%" PRIu64 " pages=%" PRIu64
		" full=%" PRIu64 " redundant=%" PRIu64 "\n",
		*sep ? "" : "-", f->calls, f->entries, f->pages, f->full,
		f->redundant);
}

static int ctl_domains(struct args *a)
{
	const struct iommu_domain *dom;
	unsigned i;

	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		for (dom = a->mmu->domains[i]; dom; dom = dom->next)
			print_domain(a->mmu, dom, a->out);
	return 0;
}

static int ctl_domain_count(struct args *a)
{
	fprintf(a->out, "%" PRIu32 "\n", a->mmu->nr_domains);
	return 0;
}

/* With the checks of a DELETE: what is left may be walked, so it must be. */
static int ctl_drop(struct args *a)
{
	struct iommu_domain *dom = NULL;
	u64 id;

	if (parse_number(a->argv[0], UINT32_MAX, &id))
		dom = domain_find(a->mmu, id);
	if (!dom || dom->attached) {
		fprintf(a->out, "iommu: drop: '%s' is no domain without devices\n",
			a->argv[0]);
		return -1;
	}
	if (dom->kind == DOMAIN_PAGING)
		walk_check_tree(a->mmu, dom);
	domain_delete(a->mmu, dom);
	return 0;
}

static struct iommu_device *device_argument(struct iommu *mmu,
					    const char *name, FILE *out)
{
	struct iommu_device *dev = device_by_name(mmu, name);

	if (!dev)
		fprintf(out, "iommu: no device '%s'\n", name);
	return dev;
}

static int ctl_device(struct args *a)
{
	const struct iommu_device *dev;

	dev = device_argument(a->mmu, a->argv[0], a->out);
	if (!dev)
		return -1;
	switch (dev->state) {
	case DEVICE_UNATTACHED:
		fprintf(a->out, "0 unattached\n");
		break;
	case DEVICE_DETACHED:
		fprintf(a->out, "0 detached\n");
		break;
	case DEVICE_ATTACHED:
		fprintf(a->out, "%" PRIu32 " %s\n", dev->dom->id,
			domain_kind_name(dev->dom->kind));
		break;
	}
	return 0;
}

static int ctl_ats(struct args *a)
{
	const struct iommu_device *dev;

	dev = device_argument(a->mmu, a->argv[0], a->out);
	if (!dev)
		return -1;
	fprintf(a->out, "%s %" PRIu64 " %" PRIu64 "\n",
		dev->ats ? "on" : "off", dev->nr_atc, dev->atc_hits);
	return 0;
}

static int ctl_dma(struct args *a)
{
	const struct iommu_device *dev;
	u64 translated, untranslated;

	if (a->argc) {
		dev = device_argument(a->mmu, a->argv[0], a->out);
		if (!dev)
			return -1;
		fprintf(a->out, "%" PRIu64 " %" PRIu64 "\n", dev->translated,
			dev->untranslated);
		return 0;
	}
	for (dev = a->mmu->devices; dev; dev = dev->next)
		fprintf(a->out, "%s %" PRIu64 " %" PRIu64 "\n", dev->name,
			dev->translated, dev->untranslated);
	sum_dma(a->mmu, &translated, &untranslated);
	fprintf(a->out, "total %" PRIu64 " %" PRIu64 "\n", translated,
		untranslated);
	return 0;
}

static int ctl_config(struct args *a)
{
	char err[160];

	if (!iommu_parse_option(&a->mmu->cfg, a->argv[0], err, sizeof(err)))
		return 0;
	fprintf(a->out, "%s\n", err);
	return -1;
}

static int ctl_stale(struct args *a)
{
	if (!strcmp(a->argv[0], "ok")) {
		a->mmu->cfg.allow_stale = true;
	} else if (!strcmp(a->argv[0], "violation")) {
		a->mmu->cfg.allow_stale = false;
	} else {
		fprintf(a->out, "iommu: stale is ok or violation, not '%s'\n",
			a->argv[0]);
		return -1;
	}
	return 0;
}

static int ctl_stale_hits(struct args *a)
{
	fprintf(a->out, "%" PRIu64 "\n", a->mmu->nr_stale);
	return 0;
}

static int ctl_forgive(struct args *a)
{
	struct iommu_domain *dom;
	unsigned i;

	for (i = 0; i < NR_DOMAIN_BUCKETS; i++)
		for (dom = a->mmu->domains[i]; dom; dom = dom->next)
			dom->forgiven = true;
	return 0;
}

static int ctl_forgiven_dma(struct args *a)
{
	const struct iommu_device *dev;

	dev = device_argument(a->mmu, a->argv[0], a->out);
	if (!dev)
		return -1;
	fprintf(a->out, "%" PRIu64 "\n", dev->forgiven);
	return 0;
}

static int ctl_watch(struct args *a)
{
	struct iommu_device *dev;
	u64 start, end;

	if (!parse_number(a->argv[0], UINT64_MAX, &start) ||
	    !parse_number(a->argv[1], UINT64_MAX, &end) || end < start) {
		fprintf(a->out, "iommu: watch: '%s' '%s' is no range\n",
			a->argv[0], a->argv[1]);
		return -1;
	}
	a->mmu->watch_start = start;
	a->mmu->watch_end = end;
	for (dev = a->mmu->devices; dev; dev = dev->next)
		dev->watched = 0;
	return 0;
}

static int ctl_watched(struct args *a)
{
	const struct iommu_device *dev;

	dev = device_argument(a->mmu, a->argv[0], a->out);
	if (!dev)
		return -1;
	fprintf(a->out, "%" PRIu64 "\n", dev->watched);
	return 0;
}

static bool parse_status(const char *text, u16 *status)
{
	static const struct {
		const char *name;
		u16 status;
	} names[] = {
		{ "INVALID_HYPERCALL_CODE", HVS_INVALID_HYPERCALL_CODE },
		{ "INVALID_HYPERCALL_INPUT", HVS_INVALID_HYPERCALL_INPUT },
		{ "INVALID_ALIGNMENT", HVS_INVALID_ALIGNMENT },
		{ "INVALID_PARAMETER", HVS_INVALID_PARAMETER },
		{ "ACCESS_DENIED", HVS_ACCESS_DENIED },
		{ "INVALID_PARTITION_STATE", HVS_INVALID_PARTITION_STATE },
		{ "OPERATION_DENIED", HVS_OPERATION_DENIED },
		{ "UNKNOWN_PROPERTY", HVS_UNKNOWN_PROPERTY },
		{ "PROPERTY_VALUE_OUT_OF_RANGE",
		  HVS_PROPERTY_VALUE_OUT_OF_RANGE },
		{ "INSUFFICIENT_MEMORY", HVS_INSUFFICIENT_MEMORY },
		{ "INVALID_PARTITION_ID", HVS_INVALID_PARTITION_ID },
		{ "NOT_FOUND", HVS_NOT_FOUND },
		{ "OBJECT_IN_USE", HVS_OBJECT_IN_USE },
		{ "NO_RESOURCES", HVS_NO_RESOURCES },
		{ "INSUFFICIENT_DEVICE_DOMAINS",
		  HVS_INSUFFICIENT_DEVICE_DOMAINS },
		{ "INVALID_DEVICE_ID", HVS_INVALID_DEVICE_ID },
		{ "INVALID_DEVICE_STATE", HVS_INVALID_DEVICE_STATE },
		{ "PENDING_PAGE_REQUESTS", HVS_PENDING_PAGE_REQUESTS },
		{ "PAGE_REQUEST_INVALID", HVS_PAGE_REQUEST_INVALID },
		{ "KEY_ALREADY_EXISTS", HVS_KEY_ALREADY_EXISTS },
		{ "DEVICE_ALREADY_IN_DOMAIN", HVS_DEVICE_ALREADY_IN_DOMAIN },
		{ "OPERATION_FAILED", HVS_OPERATION_FAILED },
		{ "INSUFFICIENT_ROOT_MEMORY", HVS_INSUFFICIENT_ROOT_MEMORY },
		{ "INSUFFICIENT_CONTIGUOUS_MEMORY",
		  HVS_INSUFFICIENT_CONTIGUOUS_MEMORY },
		{ "TIME_OUT", HVS_TIME_OUT },
		{ "CALL_PENDING", HVS_CALL_PENDING },
		{ "INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY",
		  HVS_INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY },
	};
	u64 n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i].name)) {
			*status = names[i].status;
			return true;
		}
	if (!parse_number(text, UINT16_MAX, &n) || !n)
		return false;
	*status = n;
	return true;
}

static int ctl_fail(struct args *a)
{
	struct fail_rule rule = { .left = 1 };
	u64 nth = 1;
	int i;

	if (a->argc == 1 && !strcmp(a->argv[0], "clear")) {
		for (i = 0; i < NR_CALLS; i++)
			a->mmu->call[i].fail.status = 0;
		return 0;
	}
	i = find_call_name(a->argv[0], a->out);
	if (i < 0)
		return -1;
	if (a->argc < 2 || !parse_status(a->argv[1], &rule.status)) {
		fprintf(a->out, "iommu: fail: '%s' is no status of a failure\n",
			a->argc < 2 ? "" : a->argv[1]);
		return -1;
	}
	if (a->argc > 2 && !strcmp(a->argv[2], "several")) {
		rule.several = true;
		a->argc--;
		memmove(a->argv + 2, a->argv + 3,
			(a->argc - 2) * sizeof(*a->argv));
	}
	if (a->argc == 3 && !strcmp(a->argv[2], "always")) {
		rule.left = UINT64_MAX;
		a->mmu->call[i].fail = rule;
		return 0;
	}
	if (a->argc > 2 &&
	    (!parse_number(a->argv[2], UINT64_MAX, &nth) || !nth)) {
		fprintf(a->out, "iommu: fail: bad NTH '%s'\n", a->argv[2]);
		return -1;
	}
	if (a->argc > 3 && !strcmp(a->argv[3], "all")) {
		rule.left = UINT64_MAX;
	} else if (a->argc > 3 &&
		   (!parse_number(a->argv[3], UINT64_MAX, &rule.left) ||
		    !rule.left)) {
		fprintf(a->out, "iommu: fail: bad COUNT '%s'\n", a->argv[3]);
		return -1;
	}
	rule.skip = nth - 1;
	a->mmu->call[i].fail = rule;
	return 0;
}

static unsigned count_events(const struct iommu *mmu)
{
	unsigned i, n = 0;

	for (i = 0; i < NR_EVENTS; i++)
		n += *mmu->event[i].line != '\0';
	return n;
}

static int set_event(struct args *a, const struct event *event)
{
	unsigned i;

	for (i = 0; i < NR_EVENTS && *a->mmu->event[i].line; i++)
		;
	if (i == NR_EVENTS || !a->mmu->event_fn) {
		fprintf(a->out, "iommu: on: %s\n", i == NR_EVENTS ?
			"too many are waiting" : "nobody to carry it out");
		return -1;
	}
	a->mmu->event[i] = *event;
	return 0;
}

static int ctl_on(struct args *a)
{
	struct event event = { 0 };
	int call, i;
	u64 nth;

	if (a->argc == 1 && !strcmp(a->argv[0], "clear")) {
		memset(a->mmu->event, 0, sizeof(a->mmu->event));
		return 0;
	}
	if (a->argc == 1 && !strcmp(a->argv[0], "waiting")) {
		fprintf(a->out, "%u\n", count_events(a->mmu));
		return 0;
	}
	call = find_call_name(a->argv[0], a->out);
	if (call < 0)
		return -1;
	if (a->argc < 4 || !parse_number(a->argv[1], UINT32_MAX, &nth) ||
	    !nth || (strcmp(a->argv[2], "before") &&
		     strcmp(a->argv[2], "after"))) {
		fprintf(a->out, "iommu: usage: iommu on CALL NTH before|after LINE\n");
		return -1;
	}
	for (i = 3; i < a->argc; i++) {
		if (strlen(event.line) + strlen(a->argv[i]) + 2 >
		    sizeof(event.line)) {
			fprintf(a->out, "iommu: on: the line is too long\n");
			return -1;
		}
		if (i > 3)
			strcat(event.line, " ");
		strcat(event.line, a->argv[i]);
	}
	event.call = call;
	event.before = !strcmp(a->argv[2], "before");
	event.skip = nth - 1;
	return set_event(a, &event);
}

static int ctl_injected(struct args *a)
{
	fprintf(a->out, "%" PRIu64 "\n", a->mmu->nr_injected);
	return 0;
}

static int ctl_partial(struct args *a)
{
	u64 n;

	if (!parse_number(a->argv[0], UINT16_MAX, &n)) {
		fprintf(a->out, "iommu: partial: bad number '%s'\n",
			a->argv[0]);
		return -1;
	}
	a->mmu->partial = n;
	return 0;
}

static int ctl_reset_counts(struct args *a)
{
	reset_counts(a->mmu);
	return 0;
}

static int ctl_help(struct args *a);

/* The reference of the control words; "iommu help" prints it. */
static const struct word words[] = {
	{ "help", "", "this list", 0, 0, ctl_help },
	{ "counts", "", "the table printed at exit", 0, 0, ctl_counts },
	{ "count", "CALL", "how often the guest made that call: create, delete, configure, attach, detach, flush, flush-list, caps, property",
	  1, 1, ctl_count },
	{ "faults", "", "DMA faults since faults-clear", 0, 0, ctl_faults },
	{ "fault-last", "", "the last: NAME IOVA REASON OP, or none", 0, 0,
	  ctl_fault_last },
	{ "fault-list", "", "the last 64, oldest first", 0, 0,
	  ctl_fault_list },
	{ "faults-clear", "", "forgets them and their number", 0, 0,
	  ctl_faults_clear },
	{ "blocked-dma", "", "accesses cut off silently", 0, 0, ctl_blocked },
	{ "domains", "", "one line each: ID KIND LEVELS DEVICES FLUSHES...",
	  0, 0, ctl_domains },
	{ "domain-count", "", "how many there are", 0, 0, ctl_domain_count },
	{ "drop", "ID", "deletes a domain that the guest has left; its tables are checked as ever",
	  1, 1, ctl_drop },
	{ "device", "NAME", "the domain it is in: ID KIND; 0 unattached, 0 detached",
	  1, 1, ctl_device },
	{ "ats", "NAME", "on or off, how many translations it has cached, and how often it used one",
	  1, 1, ctl_ats },
	{ "dma", "[NAME]", "accesses: NAME TRANSLATED UNTRANSLATED, and a total; of one device without its name",
	  0, 1, ctl_dma },
	{ "config", "TEXT", "what the host offers from now on: off, on, KEY=VALUE,...",
	  1, 1, ctl_config },
	{ "stale", "ok|violation", "an access through an unmapped, not yet flushed entry",
	  1, 1, ctl_stale },
	{ "stale-hits", "", "number of such accesses", 0, 0, ctl_stale_hits },
	{ "fail", "CALL STATUS [several] [always | NTH [COUNT|all]] | clear", "makes all, or the NTH (1: next) of these calls and COUNT - 1 more fail; several: only lists of more than one entry; one rule per call",
	  1, 5, ctl_fail },
	{ "on", "CALL NTH before|after LINE | clear | waiting", "carries out the control line LINE once, at the NTH (1: next) of these calls; how many have not come true",
	  1, 16, ctl_on },
	{ "injected", "", "calls that failed by such rules", 0, 0,
	  ctl_injected },
	{ "partial", "N", "rep calls stop after N elements; 0: never", 1, 1,
	  ctl_partial },
	{ "forgive", "", "the tables of the domains there are now may hold anything from now on: their kernel is gone",
	  0, 0, ctl_forgive },
	{ "forgiven-dma", "NAME", "accesses of a device that such a domain has translated",
	  1, 1, ctl_forgiven_dma },
	{ "watch", "START END", "watches a range of guest memory, END not in it",
	  2, 2, ctl_watch },
	{ "watched", "NAME", "accesses of a device to it since then", 1, 1,
	  ctl_watched },
	{ "reset-counts", "", "all counts to zero, but not the faults", 0, 0,
	  ctl_reset_counts },
};

static int ctl_help(struct args *a)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		fprintf(a->out, "iommu %s%s%s: %s\n", words[i].name,
			*words[i].args ? " " : "", words[i].args,
			words[i].help);
	return 0;
}

int iommu_ctl(void *opaque, int argc, char **argv, FILE *out)
{
	struct args a;
	size_t i;

	/* The word that picked this handler. */
	argc--;
	argv++;
	if (argc < 1) {
		fprintf(out, "iommu: what? try 'iommu help'\n");
		return -1;
	}
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];

		if (strcmp(argv[0], w->name))
			continue;
		if (argc - 1 < w->min || argc - 1 > w->max) {
			fprintf(out, "iommu: usage: iommu %s %s\n", w->name,
				w->args);
			return -1;
		}
		a = (struct args) {
			.mmu = opaque, .argc = argc - 1, .argv = argv + 1,
			.out = out,
		};
		return w->fn(&a);
	}
	fprintf(out, "iommu: unknown word '%s', try 'iommu help'\n", argv[0]);
	return -1;
}
