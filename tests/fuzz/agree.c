/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The check of fuzz_runs.c on so many words of random inputs, which are the same each time.
 *
 *	agree COUNT [SEED]
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_runs.h"

#define MOST 1024 /* bytes of an input */

int main(int argc, char **argv)
{
	unsigned long long want = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, words = 0, inputs = 0;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0x61677265;
	static uint8_t data[MOST];

	for (; words < want; inputs++) {
		size_t n = 0;

		do {
			seed ^= seed >> 12;
			seed ^= seed << 25;
			seed ^= seed >> 27;
			data[n++] = (uint8_t)(seed * UINT64_C(0x2545f4914f6cdd1d) >> 56);
		} while (n < MOST && (n < 16 || data[n - 1] != 0xff || data[n - 2] & 3));
		words += fuzz_runs(data, n);
	}
	printf("%llu words of %llu inputs: every set of functions gives the runs of the plain merger, in every mode\n",
	       words, inputs);
	return 0;
}
