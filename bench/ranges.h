/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ranges: where physical memory is in a raw image, "LO-LAST,..." in hexadecimal, one after the other in the file. Needs nothing of Pagewalk. */
#ifndef PAGEWALK_BENCH_RANGES_H
#define PAGEWALK_BENCH_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES 8

struct ranges {
	uint64_t lo[RANGES], last[RANGES];
	size_t n;
};

/* False: there are more than RANGES. */
bool ranges_parse(struct ranges *r, const char *text);

/* The offset in the file, -1: it is in none of them. */
int64_t ranges_place(const struct ranges *r, uint64_t pa);

#endif
