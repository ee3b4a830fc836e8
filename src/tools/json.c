// SPDX-License-Identifier: GPL-2.0
/*
 * The status for programs: JSON of RFC 8259. All keys are always there, and
 * explained in the man page; one that changes its meaning or goes needs a new
 * number of the schema.
 *
 * One line for each key of the outermost two levels, and for each element of
 * an array of objects, so that a shell without a JSON parser has a chance.
 */
#include <inttypes.h>
#include <string.h>

#include "status.h"

#define SCHEMA	1

/* What goes before the next key or element, if it is not the first */
static bool need_comma;

static void put_string(const char *s)
{
	if (!s) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	while (*s) {
		const char *start = s;
		long c = utf8_next(&s);

		if (c < 0)
			fputs("\\ufffd", stdout);
		else if (c == '"' || c == '\\')
			printf("\\%c", (int)c);
		else if (c < ' ' || (c >= 0x7f && c < 0xa0) ||
			 (c < 0x10000 && is_invisible(c)))
			printf("\\u%04lx", c);
		else
			fwrite(start, 1, s - start, stdout);
	}
	putchar('"');
}

static void separate(const char *space)
{
	if (need_comma)
		putchar(',');
	fputs(space, stdout);
	need_comma = true;
}

static void open_with(char bracket)
{
	putchar(bracket);
	need_comma = false;
}

static void close_with(const char *space, char bracket)
{
	fputs(space, stdout);
	putchar(bracket);
	need_comma = true;
}

static void put_key(const char *space, const char *key)
{
	separate(space);
	put_string(key);
	fputs(": ", stdout);
}

#define TOP	"\n  "
#define SUB	"\n    "

static void pair_string(const char *space, const char *key, const char *value)
{
	put_key(space, key);
	put_string(value);
}

static void pair_bool(const char *space, const char *key, bool value)
{
	put_key(space, key);
	fputs(value ? "true" : "false", stdout);
}

static void pair_number(const char *key, struct number n)
{
	put_key(SUB, key);
	if (n.known)
		printf("%" PRIu64, n.value);
	else
		fputs("null", stdout);
}

/* Yes or no, from the kernel's 1 or 0 */
static void pair_flag(const char *space, const char *key, struct number n)
{
	if (n.known)
		pair_bool(space, key, n.value);
	else
		pair_string(space, key, NULL);
}

static void pair_ratio(const char *key, struct number a, struct number b)
{
	double q;

	put_key(SUB, key);
	if (ratio(a, b, &q))
		printf("%.3f", q);
	else
		fputs("null", stdout);
}

static void pair_strings(const char *space, const char *key,
			 const struct strings *list)
{
	put_key(space, key);
	open_with('[');
	for (size_t i = 0; i < list->nr; i++) {
		separate(i ? " " : "");
		put_string(list->v[i]);
	}
	close_with("", ']');
}

static void pair_words(const char *space, const char *key, const char *text)
{
	struct strings words = { 0 };
	char *rest, *word;

	if (!text) {
		pair_string(space, key, NULL);
		return;
	}
	rest = pool_printf("%s", text);
	while ((word = next_word(&rest, " \t\n")))
		strings_add(&words, word);
	pair_strings(space, key, &words);
}

static void show_machine(const struct status *st)
{
	put_key(TOP, "hyperv");
	open_with('{');
	pair_bool(SUB, "detected", st->evidence.nr);
	pair_strings(SUB, "evidence", &st->evidence);
	close_with(TOP, '}');

	put_key(TOP, "kernel");
	open_with('{');
	pair_string(SUB, "release", st->kernel);
	pair_string(SUB, "command_line", st->cmdline);
	pair_flag(SUB, "vfio_unsafe_noiommu_mode", st->noiommu_mode);
	close_with(TOP, '}');
}

static void show_module(const struct status *st)
{
	put_key(TOP, "module");
	open_with('{');
	if (st->loaded || !st->blind)
		pair_bool(SUB, "loaded", st->loaded);
	else
		pair_string(SUB, "loaded", NULL);
	pair_string(SUB, "state", st->state);
	pair_string(SUB, "version", st->version);
	pair_string(SUB, "srcversion", st->srcversion);
	put_key(SUB, "parameters");
	open_with('{');
	for (size_t i = 0; i < st->parameters.nr; i++) {
		const char *p = st->parameters.v[i];
		size_t len = strcspn(p, "=");

		pair_string(i ? " " : "", pool_copy(p, len), p + len + 1);
	}
	close_with("", '}');
	if (st->cmdline)
		pair_bool(SUB, "disabled_on_command_line", st->disabled);
	else
		pair_string(SUB, "disabled_on_command_line", NULL);
	pair_string(SUB, "last_message", st->last_message);
	close_with(TOP, '}');
}

static void show_iommu(const struct status *st)
{
	put_key(TOP, "iommu");
	open_with('{');
	if (st->in_use || !st->blind)
		pair_bool(SUB, "in_use", st->in_use);
	else
		pair_string(SUB, "in_use", NULL);
	pair_number("iova_bits", st->iova_bits);
	pair_number("levels", st->levels);
	pair_words(SUB, "page_sizes", st->page_sizes);
	pair_flag(SUB, "ats", st->ats);
	pair_string(SUB, "host_flags", st->host_flags.known ?
		    pool_printf("0x%" PRIx64, st->host_flags.value) : NULL);
	pair_number("host_iova_width", st->host_iova_width);
	pair_number("domains", st->domains);
	pair_number("blocked_domains", st->blocked_domains);
	pair_number("translated", st->translated);
	pair_number("untranslated", st->untranslated);
	pair_strings(SUB, "others", &st->other_iommus);
	close_with(TOP, '}');

	put_key(TOP, "flush");
	open_with('{');
	pair_number("list_calls", st->list_calls);
	pair_number("list_entries", st->list_entries);
	pair_number("domain_calls", st->domain_calls);
	pair_number("pages_requested", st->pages_requested);
	pair_number("pages_flushed", st->pages_flushed);
	pair_number("failures", st->flush_failures);
	pair_ratio("entries_per_list_call", st->list_entries, st->list_calls);
	pair_ratio("pages_flushed_per_requested", st->pages_flushed,
		   st->pages_requested);
	close_with(TOP, '}');

	put_key(TOP, "hypercalls");
	open_with('{');
	pair_number("calls", st->calls);
	pair_number("errors", st->call_errors);
	close_with(TOP, '}');
}

static void show_buses(const struct status *st)
{
	put_key(TOP, "buses");
	open_with('[');
	for (size_t i = 0; i < st->nr_buses; i++) {
		const struct vpci_bus *bus = &st->buses[i];

		separate(SUB);
		open_with('{');
		pair_string("", "guid", bus->guid);
		pair_string(" ", "driver", bus->driver);
		put_key(" ", "functions");
		printf("%zu", bus->nr_functions);
		close_with("", '}');
	}
	close_with(st->nr_buses ? TOP : "", ']');
}

static void show_functions(const struct status *st)
{
	put_key(TOP, "devices");
	open_with('[');
	for (size_t i = 0; i < st->nr_functions; i++) {
		const struct function *f = &st->functions[i];

		separate(SUB);
		open_with('{');
		pair_string("", "name", f->name);
		pair_string(" ", "state", state_name(f->state));
		pair_string(" ", "reason", f->reason);
		pair_string(" ", "driver", f->driver);
		pair_string(" ", "group", f->group);
		pair_string(" ", "group_type", f->group_type);
		pair_bool(" ", "noiommu_group", f->noiommu);
		pair_bool(" ", "vfio", f->vfio);
		pair_string(" ", "iommu", f->iommu);
		pair_string(" ", "vendor", f->vendor);
		pair_string(" ", "device", f->device);
		pair_string(" ", "class", f->class);
		pair_string(" ", "bus", f->bus ? f->bus->guid : NULL);
		close_with("", '}');
	}
	close_with(st->nr_functions ? TOP : "", ']');
}

static void show_messages(const struct status *st)
{
	put_key(TOP, "messages");
	open_with('[');
	for (const struct message *m = st->messages; m; m = m->next) {
		separate(SUB);
		open_with('{');
		pair_string("", "level", m->warning ? "warning" : "hint");
		pair_string(" ", "id", m->id);
		pair_string(" ", "text", m->text);
		close_with("", '}');
	}
	close_with(st->messages ? TOP : "", ']');

	put_key(TOP, "unreadable");
	open_with('[');
	for (const struct problem *p = problems; p; p = p->next) {
		separate(SUB);
		open_with('{');
		pair_string("", "path", p->path);
		pair_string(" ", "error", p->error);
		close_with("", '}');
	}
	close_with(problems ? TOP : "", ']');
}

void show_json(const struct status *st, const char *root, const char *version)
{
	static const char * const names[] = {
		[EXIT_GOOD] = "ok",
		[EXIT_WARNINGS] = "warnings",
		[EXIT_NOT_IN_USE] = "not-in-use",
		[EXIT_CANNOT_SEE] = "cannot-see",
	};

	open_with('{');
	put_key(TOP, "schema");
	printf("%d", SCHEMA);
	pair_string(TOP, "tool_version", version);
	pair_string(TOP, "root", root ? root : "/");
	pair_string(TOP, "status", names[st->code]);
	put_key(TOP, "exit_code");
	printf("%d", st->code);
	show_machine(st);
	show_module(st);
	show_iommu(st);
	show_buses(st);
	show_functions(st);
	show_messages(st);
	close_with("\n", '}');
	putchar('\n');
}
