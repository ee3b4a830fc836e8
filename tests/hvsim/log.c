// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of the simulator and the verdict on the guest's behaviour. Any
 * thread may call this, with or without the machine's lock: the count is
 * atomic, and stdio keeps lines whole.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "hvsim.h"

bool log_verbose;

static FILE *results_file;
static bool keep_going;
static unsigned long violations;

void (*violation_exit)(int code) = exit;

static void print_line(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "hvsim: %s%s\n", prefix, line);
}

void log_die(const char *file, int line, const char *fmt, ...)
{
	char prefix[256];
	va_list ap;

	snprintf(prefix, sizeof(prefix), "%s:%d: ", file, line);
	va_start(ap, fmt);
	print_line(prefix, fmt, ap);
	va_end(ap);
	exit(HVSIM_USAGE);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	print_line("debug: ", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("", fmt, ap);
	va_end(ap);
}

void violation_setup(FILE *results, bool keep)
{
	results_file = results;
	keep_going = keep;
}

unsigned long violation_count(void)
{
	return __atomic_load_n(&violations, __ATOMIC_RELAXED);
}

void violation(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	__atomic_add_fetch(&violations, 1, __ATOMIC_RELAXED);

	fprintf(stderr, "hvsim: VIOLATION: %s\n", line);
	if (results_file) {
		fprintf(results_file, "Bail out! VIOLATION: %s\n", line);
		fflush(results_file);
	}
	if (!keep_going)
		violation_exit(HVSIM_VIOLATION);
}
