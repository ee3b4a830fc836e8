// SPDX-License-Identifier: GPL-2.0
/*
 * The control port: request lines from the guest, answers back to it. Owns
 * the current request and response; runs at port exits with the machine's
 * lock held. There is one exchange at a time: callers in the guest must take
 * turns.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define LINE_MAX_LEN 1024
#define MAX_WORDS 16
#define MAX_ARGS 64

struct word {
	const char *name, *help;
	ctl_fn fn;
	void *opaque;
};

struct ctl {
	struct vm *vm;
	FILE *results;
	char line[LINE_MAX_LEN + 1];
	bool too_long;
	const char *rest;	/* request text after its first word */
	char *response;
	size_t response_len, response_pos;
	struct word words[MAX_WORDS];
	unsigned nr_words;
};

void ctl_register(struct vm *vm, const char *word, const char *help, ctl_fn fn,
		  void *opaque)
{
	struct ctl *c = vm->ctl;

	if (c->nr_words == MAX_WORDS)
		die("more than %u control words", MAX_WORDS);
	c->words[c->nr_words++] = (struct word){
		.name = word, .help = help, .fn = fn, .opaque = opaque,
	};
}

/* ---- built-in words ---- */

static int do_tap(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;

	(void)argc;
	(void)argv;
	if (!c->results) {
		fprintf(out, "there is no results file (--results)");
		return -1;
	}
	if (fprintf(c->results, "%s\n", c->rest) < 0 || fflush(c->results)) {
		fprintf(out, "cannot write the results file");
		return -1;
	}
	return 0;
}

static int do_log(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;

	(void)argc;
	(void)argv;
	(void)out;
	log_info("guest: %s", c->rest);
	return 0;
}

static int do_counts(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;

	(void)argc;
	(void)argv;
	hypercall_print_counts(c->vm->calls, out);
	return 0;
}

static int do_uptime(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;
	u64 ns = vm_uptime_ns(c->vm);

	(void)argc;
	(void)argv;
	fprintf(out, "%llu.%03llu\n", (unsigned long long)(ns / 1000000000),
		(unsigned long long)(ns / 1000000 % 1000));
	return 0;
}

static int do_boots(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;

	(void)argc;
	(void)argv;
	fprintf(out, "%lu", c->vm->cfg.boots);
	return 0;
}

static int do_peek(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;
	const void *p = NULL;
	u64 gpa, val;
	char *end;

	if (argc == 2) {
		gpa = strtoull(argv[1], &end, 0);
		if (!*end && gpa % sizeof(val) == 0)
			p = mem_ptr(vm_mem(c->vm), gpa, sizeof(val));
	}
	if (!p) {
		fprintf(out, "usage: peek GPA, a multiple of 8 in guest memory");
		return -1;
	}
	memcpy(&val, p, sizeof(val));
	fprintf(out, "%llu", (unsigned long long)val);
	return 0;
}

static int do_help(void *opaque, int argc, char **argv, FILE *out)
{
	struct ctl *c = opaque;
	unsigned i;

	(void)argc;
	(void)argv;
	for (i = 0; i < c->nr_words; i++)
		fprintf(out, "%-10s %s\n", c->words[i].name,
			c->words[i].help);
	return 0;
}

struct ctl *ctl_new(struct vm *vm, FILE *results)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (!c)
		die("out of memory");
	c->vm = vm;
	c->results = results;
	vm->ctl = c;
	ctl_register(vm, "help", "this list", do_help, c);
	ctl_register(vm, "tap", "TEXT: append a line to the results file",
		     do_tap, c);
	ctl_register(vm, "log", "TEXT: print a line on the host", do_log, c);
	ctl_register(vm, "counts", "hypercalls so far", do_counts, c);
	ctl_register(vm, "uptime", "seconds since the machine started",
		     do_uptime, c);
	ctl_register(vm, "boots", "resets of the machine so far", do_boots, c);
	ctl_register(vm, "peek", "GPA: 8 bytes of guest memory, as a number",
		     do_peek, c);
	return c;
}

/* ---- requests ---- */

/* Splits @text in place at blanks; returns the number of words. */
static int split(char *text, char **argv)
{
	int argc = 0;

	for (;;) {
		while (isspace((unsigned char)*text))
			*text++ = 0;
		if (!*text || argc == MAX_ARGS)
			return argc;
		argv[argc++] = text;
		while (*text && !isspace((unsigned char)*text))
			text++;
	}
}

/* @line fits into a request. */
static int run_line(struct ctl *c, const char *line, FILE *out)
{
	char copy[LINE_MAX_LEN + 1];
	char *argv[MAX_ARGS + 1];
	int argc;
	unsigned i;

	strcpy(copy, line);
	argc = split(copy, argv);
	if (!argc) {
		fprintf(out, "empty request");
		return -1;
	}
	argv[argc] = NULL;
	c->rest = line + (argv[0] - copy) + strlen(argv[0]);
	if (*c->rest)
		c->rest++;
	for (i = 0; i < c->nr_words; i++)
		if (!strcmp(c->words[i].name, argv[0]))
			return c->words[i].fn(c->words[i].opaque, argc, argv,
					      out);
	fprintf(out, "unknown word \"%s\", try \"help\"", argv[0]);
	return -1;
}

static int run_request_line(struct ctl *c, FILE *out)
{
	if (c->too_long) {
		fprintf(out, "request longer than %u bytes", LINE_MAX_LEN);
		return -1;
	}
	return run_line(c, c->line, out);
}

void ctl_run(void *ctl, const char *line)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int ret;

	if (!out)
		die("out of memory");
	ret = run_line(ctl, line, out);
	fclose(out);
	log_info("\"%s\": %s%s%s", line, ret ? "refused" : "done",
		 *text ? ": " : "", text);
	free(text);
}

static void run_request(struct ctl *c)
{
	FILE *out;

	free(c->response);
	c->response = NULL;
	c->response_pos = 0;
	out = open_memstream(&c->response, &c->response_len);
	if (!out)
		die("out of memory");
	putc('+', out);
	if (run_request_line(c, out) < 0) {
		fflush(out);
		c->response[0] = '-';
	}
	fclose(out);
	log_debug("control \"%s\": %s", c->line, c->response);
}

void ctl_request(struct ctl *c, u64 gpa)
{
	const char *text = mem_ptr(vm_mem(c->vm), gpa, LINE_MAX_LEN + 1);
	size_t len = 0;

	while (text && len <= LINE_MAX_LEN && text[len] && text[len] != '\n')
		len++;
	c->too_long = len > LINE_MAX_LEN;
	if (c->too_long)
		len = 0;
	if (len)
		memcpy(c->line, text, len);
	c->line[len] = 0;
	run_request(c);
}

u8 ctl_response_byte(struct ctl *c)
{
	if (c->response_pos >= c->response_len || !c->response)
		return 0;
	return (u8)c->response[c->response_pos++];
}
