/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers for tests: a seed that is printed, and taken from the
 * environment (SEED=) to repeat a run. One state per thread, by value.
 */
#ifndef SEED_H
#define SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The seed of this run; printed when first asked for. */
static inline uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *text = getenv("SEED");

	if (seed)
		return seed;
	if (text && *text)
		seed = strtoull(text, NULL, 0);
	else
		seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	if (!seed)
		seed = 1;
	printf("# SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);		/* a sanitizer may end the program */
	return seed;
}

/* splitmix64 */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* 0..n-1 */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return next_random(state) % n;
}

#endif
