/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ranges.h"

#include <stdio.h>

bool ranges_parse(struct ranges *r, const char *text)
{
	unsigned long long lo, last;
	int n;

	r->n = 0;
	for (const char *p = text; sscanf(p, "%llx-%llx%n", &lo, &last, &n) == 2; p += n + (p[n] == ',')) {
		if (r->n == RANGES)
			return false;
		r->lo[r->n] = lo;
		r->last[r->n++] = last;
	}
	return true;
}

int64_t ranges_place(const struct ranges *r, uint64_t pa)
{
	uint64_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (pa >= r->lo[i] && pa <= r->last[i])
			return (int64_t)(at + (pa - r->lo[i]));
		at += r->last[i] - r->lo[i] + 1;
	}
	return -1;
}
