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

/* Finds strings by their text, whose number may be large. */
struct index {
	struct entry {
		const char *key;
		size_t value;
	} *v;
	size_t room, nr;
};

/* The value that goes with @key, or NULL. */
size_t *index_find(const struct index *index, const char *key);
/* @key must not be there, and must stay. */
void index_add(struct index *index, const char *key, size_t value);

/* Like strsep() with @separators, but empty words are left out. */
char *next_word(char **rest, const char *separators);

/*
 * The next character of UTF-8 text, or -1 for a byte that is none (and is
 * skipped). *@s moves on. Only call it when **@s is not 0.
 */
long utf8_next(const char **s);

/*
 * Text that somebody else made, for a terminal: no control characters, and
 * none that change the direction of text or cannot be seen. With @lines,
 * newlines and tabs stay.
 */
void put_text(FILE *to, const char *s, bool lines);
bool is_invisible(long c);

/*
 * From now on put_text() leaves out what identifies a machine: it numbers
 * GUIDs ("<guid-1>"), and hides MAC addresses and addresses of the kernel.
 */
void hide_identities(void);

#endif
