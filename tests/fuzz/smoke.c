// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a fuzz target without libFuzzer, so that it cannot rot where there is
 * no clang: on random inputs (SEED= repeats them, RUNS= says how many), or on
 * the files named, such as libFuzzer's reproducers.
 */
#include <string.h>

#include "fuzz.h"
#include "seed.h"

enum { MAX_SIZE = 600, MAX_FILE = 1 << 20 };

static int run_file(const char *name)
{
	static uint8_t data[MAX_FILE];
	FILE *file = fopen(name, "rb");
	size_t size;

	if (!file) {
		perror(name);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	printf("%s: %zu bytes\n", name, size);
	return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	const char *text = getenv("RUNS");
	unsigned long run, runs = text && *text ? strtoul(text, NULL, 0) : 20000;
	static uint8_t buf[MAX_SIZE];
	uint64_t random;
	int i, ret = 0;

	for (i = 1; i < argc; i++)
		ret |= run_file(argv[i]);
	if (argc > 1)
		return ret;

	random = test_seed();
	for (run = 0; run < runs; run++) {
		size_t size = random_below(&random, MAX_SIZE + 1);
		uint8_t *data;
		size_t at;

		/* half of the bytes small: those choose */
		for (at = 0; at < size; at++)
			buf[at] = next_random(&random) >>
				  (next_random(&random) & 1 ? 60 : 56);
		/* a block of its own, so that reading beyond is noticed */
		data = malloc(size);
		if (size && !data)
			abort();
		memcpy(data, buf, size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%lu inputs\n", runs);
	return 0;
}
