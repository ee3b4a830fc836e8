// SPDX-License-Identifier: GPL-2.0
/* Owns the memory of the program: a list of all blocks, freed by the exit. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct block {
	struct block *next;
	max_align_t data[];
};

static struct block *blocks;

static void out_of_memory(void)
{
	fputs("hv-pviommu: out of memory\n", stderr);
	exit(EXIT_NO_MEMORY);
}

void *pool_alloc(size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		out_of_memory();
	b->next = blocks;
	blocks = b;
	return b->data;
}

char *pool_copy(const char *s, size_t len)
{
	char *copy = pool_alloc(len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *pool_printf(const char *fmt, ...)
{
	va_list args;
	char *s;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		out_of_memory();
	s = pool_alloc(len + 1);
	va_start(args, fmt);
	vsnprintf(s, len + 1, fmt, args);
	va_end(args);
	return s;
}

void strings_add(struct strings *list, char *s)
{
	/* Full at every power of two, from 8 on */
	if (list->nr == 0 || (list->nr >= 8 && !(list->nr & (list->nr - 1)))) {
		size_t room = list->nr ? 2 * list->nr : 8;
		char **v = pool_alloc(room * sizeof(*v));

		if (list->nr)
			memcpy(v, list->v, list->nr * sizeof(*v));
		list->v = v;
	}
	list->v[list->nr++] = s;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

void strings_sort(struct strings *list)
{
	if (list->nr)
		qsort(list->v, list->nr, sizeof(*list->v), compare);
}

bool strings_have(const struct strings *list, const char *s)
{
	for (size_t i = 0; i < list->nr; i++)
		if (!strcmp(list->v[i], s))
			return true;
	return false;
}

char *next_word(char **rest, const char *separators)
{
	char *word = *rest + strspn(*rest, separators);
	char *end = word + strcspn(word, separators);

	if (!*word)
		return NULL;
	*rest = end;
	if (*end) {
		*end = '\0';
		*rest = end + 1;
	}
	return word;
}

long utf8_next(const char **s)
{
	static const long least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)*s;
	int more, i;
	long c;

	(*s)++;
	if (p[0] < 0x80)
		return p[0];
	if (p[0] < 0xc0 || p[0] >= 0xf8)
		return -1;
	more = p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	c = p[0] & (0x3f >> more);
	for (i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)	/* also the end of the string */
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	/* Too long for what it says, a surrogate, or no character at all */
	if (c < least[more] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return -1;
	*s += more;
	return c;
}

void put_text(FILE *to, const char *s, bool lines)
{
	while (*s) {
		const char *start = s;
		long c = utf8_next(&s);

		if (c < 0 || c < ' ' || (c >= 0x7f && c < 0xa0)) {
			if (lines && (c == '\n' || c == '\t'))
				fputc(c, to);
			else
				for (; start < s; start++)
					fprintf(to, "\\x%02x",
						(unsigned char)*start);
		} else {
			fwrite(start, 1, s - start, to);
		}
	}
}
