// SPDX-License-Identifier: GPL-2.0
/* Owns the memory of the program: a list of all blocks, freed by the exit. */
#include <ctype.h>
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

size_t *index_find(const struct index *index, const char *key)
{
	size_t i = 5381;

	if (!index->room)
		return NULL;
	for (const char *p = key; *p; p++)
		i = i * 33 ^ (unsigned char)*p;
	for (i %= index->room; index->v[i].key; i = (i + 1) % index->room)
		if (!strcmp(index->v[i].key, key))
			return &index->v[i].value;
	return NULL;
}

static void insert(struct index *index, const char *key, size_t value)
{
	size_t i = 5381;

	for (const char *p = key; *p; p++)
		i = i * 33 ^ (unsigned char)*p;
	for (i %= index->room; index->v[i].key; )
		i = (i + 1) % index->room;
	index->v[i].key = key;
	index->v[i].value = value;
}

void index_add(struct index *index, const char *key, size_t value)
{
	/* At least half of it stays empty. */
	if (2 * index->nr >= index->room) {
		struct index larger = { .room = 2 * index->room + 61 };

		larger.v = pool_alloc(larger.room * sizeof(*larger.v));
		for (size_t i = 0; i < index->room; i++)
			if (index->v[i].key)
				insert(&larger, index->v[i].key,
				       index->v[i].value);
		index->v = larger.v;
		index->room = larger.room;
	}
	insert(index, key, value);
	index->nr++;
}

bool is_invisible(long c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

static bool hiding;
static struct index guids;

void hide_identities(void)
{
	hiding = true;
}

/* Does @s begin like @pattern, where x is a hexadecimal digit? */
static bool looks_like(const char *s, const char *pattern)
{
	for (; *pattern; s++, pattern++)
		if (*pattern == 'x' ? !isxdigit((unsigned char)*s) :
		    *s != *pattern)
			return false;
	return !isalnum((unsigned char)*s);
}

/* Its length, if an identity begins here; something else was printed then. */
static size_t hide_identity(FILE *to, const char *s)
{
	static const char guid[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	static const char mac[] = "xx:xx:xx:xx:xx:xx";
	static const char kernel[] = "ffffxxxxxxxxxxxx";
	static const char id[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	if (looks_like(s, guid)) {
		char *key = pool_copy(s, strlen(guid));
		size_t *known;

		for (char *p = key; *p; p++)
			*p = tolower((unsigned char)*p);
		known = index_find(&guids, key);
		fprintf(to, "<guid-%zu>", known ? *known : guids.nr + 1);
		if (!known)
			index_add(&guids, key, guids.nr + 1);
		return strlen(guid);
	}
	if (looks_like(s, mac)) {
		fputs("<mac>", to);
		return strlen(mac);
	}
	if (looks_like(s, kernel)) {
		fputs("<address>", to);
		return strlen(kernel);
	}
	if (looks_like(s, id)) {
		fputs("<id>", to);
		return strlen(id);
	}
	return 0;
}

void put_text(FILE *to, const char *s, bool lines)
{
	bool in_word = false;

	while (*s) {
		const char *start = s;
		size_t hidden = hiding && !in_word ? hide_identity(to, s) : 0;
		long c;

		if (hidden) {
			s += hidden;
			continue;
		}
		/* "0x" may go before an address. */
		in_word = isalnum((unsigned char)*s) && *s != 'x';
		c = utf8_next(&s);
		if (c < 0 || c < ' ' || (c >= 0x7f && c < 0xa0) ||
		    is_invisible(c)) {
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
