/* SPDX-License-Identifier: GPL-2.0 */
/* Memory, strings and lists. The program ends soon: nothing is freed before. */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define EXIT_NO_MEMORY	71	/* EX_OSERR of sysexits.h */

/* All of these end the program when there is no memory. */
void *pool_alloc(size_t size);
char *pool_copy(const char *s, size_t len);
char *pool_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct strings {
	char **v;
	size_t nr;
};

void strings_add(struct strings *list, char *s);
void strings_sort(struct strings *list);
bool strings_have(const struct strings *list, const char *s);

/* Like strsep() with @separators, but empty words are left out. */
char *next_word(char **rest, const char *separators);

/*
 * The next character of UTF-8 text, or -1 for a byte that is none (and is
 * skipped). *@s moves on. Only call it when **@s is not 0.
 */
long utf8_next(const char **s);

/*
 * Text that somebody else made, for a terminal: no control characters. With
 * @lines, newlines and tabs stay.
 */
void put_text(FILE *to, const char *s, bool lines);

#endif
