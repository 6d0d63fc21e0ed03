/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bare: what somebody writes who needs no more than this: the image is mapped, its tables are followed without a look at
 * what they hold, and the lines of `dump --entries` are put together for the one case that occurs in it.
 */
#ifndef PAGEWALK_BENCH_BARE_H
#define PAGEWALK_BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ranges.h"

struct bare_image {
	const char *map;
	struct ranges ranges;
	uint64_t root;
	unsigned levels;
};

/* Maps the file; root and levels are the caller's to set. */
bool bare_open(struct bare_image *im, int fd, size_t bytes, const char *ranges);

/* Dies when it is outside RAM. */
const uint64_t *bare_table(const struct bare_image *im, uint64_t pa);

/* A line for each page of the user half; how many. Dies of what it does not know. */
uint64_t bare_print(const struct bare_image *im, int fd);

#endif
