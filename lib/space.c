/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/space.h>

#include "ranges.h"

void pw_areas_free(struct pw_areas *areas)
{
	free(areas->v);
	free(areas->strings);
	memset(areas, 0, sizeof(*areas));
}

const struct pw_area *pw_areas_find(const struct pw_areas *areas, uint64_t va)
{
	size_t lo = 0, hi = areas->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (areas->v[mid].last < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < areas->n && areas->v[lo].lo <= va ? &areas->v[lo] : NULL;
}

void pw_space_free(struct pw_space *space)
{
	if (space->pin.pagemap_fd > 0)
		close(space->pin.pagemap_fd);
	pw_areas_free(&space->areas);
	memset(space, 0, sizeof(*space));
	space->pin.pagemap_fd = -1;
}

bool pw_ranges_hold(const struct pw_range *ranges, size_t n, uint64_t lo, uint64_t bytes)
{
	uint64_t last = lo + bytes - 1;
	size_t a = 0, b = n;

	if (n == 0)
		return ranges == NULL;
	if (last < lo)
		return false;
	while (a < b) {
		size_t mid = a + (b - a) / 2;

		if (ranges[mid].last < lo)
			a = mid + 1;
		else
			b = mid;
	}
	return a < n && ranges[a].lo <= lo && last <= ranges[a].last;
}
