// SPDX-License-Identifier: GPL-2.0
/* The status for people. */
#include <inttypes.h>
#include <string.h>

#include "status.h"

#define MAX_WIDTH	24	/* of a column */

static void put_field(const char *name)
{
	printf("%-16s", name);
}

static void put_number(struct number n)
{
	if (n.known)
		printf("%" PRIu64, n.value);
	else
		putchar('?');
}

static void put_ratio(struct number dividend, struct number divisor)
{
	double q;

	if (ratio(dividend, divisor, &q))
		printf("%.2f", q);
	else
		putchar('-');
}

static void show_machine(const struct status *st)
{
	put_field("Hyper-V guest");
	if (st->evidence.nr) {
		fputs("yes", stdout);
		for (size_t i = 0; i < st->evidence.nr; i++)
			printf("%s%s", i ? ", " : " (", st->evidence.v[i]);
		puts(")");
	} else {
		puts("no sign of it");
	}
	put_field("Kernel");
	put_text(stdout, st->kernel ? st->kernel : "?", false);
	putchar('\n');
	put_field("Module");
	if (st->loaded) {
		fputs(MODULE, stdout);
		if (st->version) {
			putchar(' ');
			put_text(stdout, st->version, false);
		}
		fputs(", ", stdout);
		put_text(stdout, st->state ? st->state : "?", false);
		if (st->srcversion) {
			fputs(", source ", stdout);
			put_text(stdout, st->srcversion, false);
		}
		for (size_t i = 0; i < st->parameters.nr; i++) {
			fputs(", ", stdout);
			put_text(stdout, st->parameters.v[i], false);
		}
		putchar('\n');
	} else {
		puts(st->in_use ? "built into the kernel" :
		     st->blind ? "cannot be seen" : "not loaded");
	}
}

static void show_iommu(const struct status *st)
{
	put_field("IOMMU");
	put_number(st->iova_bits);
	fputs("-bit IOVA, ", stdout);
	put_number(st->levels);
	fputs("-level, page sizes ", stdout);
	put_text(stdout, st->page_sizes ? st->page_sizes : "?", false);
	printf(", ATS %s\n", !st->ats.known ? "?" : st->ats.value ? "yes" :
	       "no");
	put_field("Domains");
	put_number(st->domains);
	fputs(", blocked ", stdout);
	put_number(st->blocked_domains);
	putchar('\n');
	put_field("Hypercalls");
	put_number(st->calls);
	fputs(", errors ", stdout);
	put_number(st->call_errors);
	putchar('\n');
	put_field("Flushes");
	put_number(st->list_calls);
	fputs(" of ranges (", stdout);
	put_ratio(st->list_entries, st->list_calls);
	fputs(" ranges each), ", stdout);
	put_number(st->domain_calls);
	fputs(" of whole domains, failed ", stdout);
	put_number(st->flush_failures);
	putchar('\n');
	put_field("Flushed pages");
	put_number(st->pages_flushed);
	fputs(", needed ", stdout);
	put_number(st->pages_requested);
	fputs(" (", stdout);
	put_ratio(st->pages_flushed, st->pages_requested);
	puts(" for each)");
}

/* Long or strange text may be out of line. */
static int cell_width(const char *s)
{
	size_t len = s ? strlen(s) : 1;

	return len < MAX_WIDTH ? len : MAX_WIDTH;
}

static void put_cell(const char *s, int width)
{
	put_text(stdout, s ? s : "-", false);
	printf("%*s", width - cell_width(s) + 2, "");
}

static void show_functions(const struct status *st)
{
	const char * const head[] = { "GROUP", "TYPE", "DEVICE", "ID", "CLASS",
				      "DRIVER" };
	enum { COLUMNS = sizeof(head) / sizeof(*head) };
	int width[COLUMNS];
	size_t i, c;

	for (c = 0; c < COLUMNS; c++)
		width[c] = strlen(head[c]);
	for (i = 0; i <= 2 * st->nr_functions; i++) {
		const struct function *f = NULL;
		const char *cell[COLUMNS];
		bool print = i >= st->nr_functions;

		/* Once to measure, and once, after the head, to print */
		if (i < st->nr_functions)
			f = &st->functions[i];
		else if (i > st->nr_functions)
			f = &st->functions[i - st->nr_functions - 1];
		if (f) {
			cell[0] = f->group;
			cell[1] = f->noiommu ? "no-IOMMU" :
				  f->vfio && f->state == TRANSLATED ? "VFIO" :
				  f->group_type;
			cell[2] = f->name;
			cell[3] = f->vendor && f->device ? pool_printf("%s:%s",
				f->vendor + 2 * !strncmp(f->vendor, "0x", 2),
				f->device + 2 * !strncmp(f->device, "0x", 2)) :
				NULL;
			cell[4] = f->class ? f->class +
				2 * !strncmp(f->class, "0x", 2) : NULL;
			cell[5] = f->driver;
		} else {
			memcpy(cell, head, sizeof(head));
		}
		for (c = 0; c < COLUMNS; c++) {
			if (print)
				put_cell(cell[c], width[c]);
			else if (cell_width(cell[c]) > width[c])
				width[c] = cell_width(cell[c]);
		}
		if (!print)
			continue;
		fputs(f ? state_name(f->state) : "STATE", stdout);
		if (f && f->reason) {
			fputs(": ", stdout);
			put_text(stdout, reason_text(f->reason), false);
		} else if (f && f->state == OTHER_IOMMU) {
			fputs(": ", stdout);
			put_text(stdout, f->iommu, false);
		}
		putchar('\n');
	}
}

void show_text(const struct status *st)
{
	show_machine(st);
	if (st->in_use)
		show_iommu(st);
	put_field("vPCI devices");
	printf("%zu, translated %zu\n", st->nr_functions,
	       st->count[TRANSLATED]);
	if (st->nr_functions) {
		putchar('\n');
		show_functions(st);
	}
	if (st->messages)
		putchar('\n');
	for (const struct message *m = st->messages; m; m = m->next) {
		printf("%s: %s: ", m->warning ? "warning" : "hint", m->id);
		put_text(stdout, m->text, false);
		putchar('\n');
	}
	for (const struct problem *p = problems; p; p = p->next) {
		fputs("unreadable: ", stdout);
		put_text(stdout, p->path, false);
		printf(": %s\n", p->error);
	}
}
