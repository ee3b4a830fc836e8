/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What hvsim's log.c provides, for tests: violations are recorded, other
 * messages dropped, and a fatal error ends the test. Include it once per
 * program, after cmocka.h.
 */
#ifndef TEST_HVSIM_LOG_H
#define TEST_HVSIM_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvsim.h"

static unsigned long violations;
static char last_violation[512];

void violation(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_violation, sizeof(last_violation), fmt, ap);
	va_end(ap);
	violations++;
}

void log_die(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void log_info(const char *fmt, ...)
{
	(void)fmt;
}

/* Exactly one violation since the last look, with @text in its line. */
static inline void expect_violation(const char *text)
{
	if (violations != 1 || !strstr(last_violation, text))
		fail_msg("wanted one violation '%s', got %lu, last '%s'", text,
			 violations, last_violation);
	violations = 0;
}

#endif
