/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target without a fuzzer: on the inputs of a corpus (files of hexadecimal digits, white space
 * and comments), and on random ones that are the same each time.
 *
 *	replay COUNT FILE...
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target gets exactly as much memory as there is input, so that sanitizers see reads beyond it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static long read_hex(const char *path, uint8_t *data)
{
	FILE *f = fopen(path, "r");
	char digits[3] = "";
	long n = 0;
	int c, have = 0;

	if (!f)
		return -1;
	while ((c = getc(f)) != EOF && n < MOST) {
		if (c == '#') /* a comment, to the end of the line */
			while (c != EOF && c != '\n')
				c = getc(f);
		if (isspace(c))
			continue;
		if (!isxdigit(c))
			break;
		digits[have++] = (char)c;
		if (have == 2) {
			data[n++] = (uint8_t)strtoul(digits, NULL, 16);
			have = 0;
		}
	}
	fclose(f);
	return c != EOF || have ? -1 : n;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Inputs of the corpus with a few bytes changed: random ones alone would seldom make a table. */
static void run_changed(uint8_t *data, size_t size, long times, uint64_t *seed)
{
	while (times--) {
		uint8_t old[4];
		size_t at[4];

		for (int k = 0; k < 4; k++) {
			at[k] = next_random(seed) % size;
			old[k] = data[at[k]];
			data[at[k]] = (uint8_t)(next_random(seed) >> 32);
		}
		run(data, size);
		for (int k = 3; k >= 0; k--)
			data[at[k]] = old[k];
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[MOST];
	uint64_t seed = 0x66757a7a;
	long times = argc > 1 ? atol(argv[1]) : 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s COUNT FILE...\n", argv[0]);
		return 2;
	}
	run(data, 0);
	for (int i = 2; i < argc; i++) {
		long n = read_hex(argv[i], data);

		if (n <= 0) {
			fprintf(stderr, "%s: %s is no file of hexadecimal digits\n", argv[0], argv[i]);
			return 2;
		}
		fprintf(stderr, "%s\n", argv[i]); /* the last one named is the one that failed */
		run(data, (size_t)n);
		run_changed(data, (size_t)n, times, &seed);
	}
	printf("%d inputs, %ld changed ones of each\n", argc - 2, times);
	return 0;
}
