/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share: an input is a string of bytes that is read as
 * numbers, 0 after its end, and a broken rule ends the program.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define expect(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		abort();						\
	}								\
} while (0)

struct input {
	const uint8_t *data;
	size_t left;
};

/* A number of so many bytes, 1 to 8. */
static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- && in->left) {
		value = value << 8 | *in->data++;
		in->left--;
	}
	return value;
}

/* 0 to n - 1, n up to 65536 */
static inline unsigned int take_below(struct input *in, unsigned int n)
{
	return take(in, n > 256 ? 2 : 1) % n;
}

/* What every target is, for libFuzzer and for smoke.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
