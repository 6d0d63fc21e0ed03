/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench images: what a process needs that does nothing but read a user half's tables, level by level, each by one pread.
 *
 *   reader FILE RANGES ROOT LEVELS
 *
 * Prints how many tables and leaves that were. RANGES as --ranges.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ranges.h"

#define SLOTS      512
#define USER_SLOTS 256
#define MOST       (1 << 20) /* tables of a level */
#define PRESENT    1
#define LARGE      0x80
#define ADDRESS    UINT64_C(0x000ffffffffff000)

int main(int argc, char **argv)
{
	uint64_t *here = malloc(MOST * sizeof(*here)), *below = malloc(MOST * sizeof(*below)), word[SLOTS];
	size_t n = 1, next, tables = 0, leaves = 0;
	struct ranges ranges;
	int fd = argc == 5 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || !here || !below || !ranges_parse(&ranges, argv[2]))
		return 2;
	here[0] = strtoull(argv[3], NULL, 16);
	for (int level = atoi(argv[4]); level > 0; level--) {
		uint64_t *read_now = here;

		next = 0;
		for (size_t i = 0; i < n; i++) {
			unsigned slots = tables ? SLOTS : USER_SLOTS;

			if (pread(fd, word, sizeof(word), ranges_place(&ranges, here[i])) != sizeof(word))
				return 3;
			tables++;
			for (unsigned k = 0; k < slots; k++) {
				if (!(word[k] & PRESENT))
					continue;
				if (level == 1 || word[k] & LARGE)
					leaves++;
				else if (next < MOST)
					below[next++] = word[k] & ADDRESS;
			}
		}
		here = below;
		below = read_now;
		n = next;
	}
	printf("%zu tables, %zu leaves\n", tables, leaves);
	return 0;
}
