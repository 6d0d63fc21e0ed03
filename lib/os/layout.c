// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/layout.h"

#include <errno.h>
#include <stdlib.h>

int pw_layout_init(struct pw_layout *map, size_t room)
{
	*map = (struct pw_layout){ .v = calloc(room, sizeof(*map->v)), .room = room };
	return map->v ? 0 : -ENOMEM;
}

void pw_layout_add(struct pw_layout *map, enum pw_region region, const char *name, uint64_t lo, uint64_t last,
		   const char *found)
{
	struct pw_area *before = map->n ? &map->v[map->n - 1] : NULL;

	if (map->n == map->room || lo > last || (before && before->lo >= lo))
		return;
	if (before && before->last >= lo)
		before->last = lo - 1;
	map->v[map->n++] = (struct pw_area){ .lo = lo, .last = last, .name = name, .region = region, .found = found };
}

/*
 * The last page of the user half is never a process's (TASK_SIZE_MAX): on it, a syscall instruction would return to an
 * address that is not canonical.
 */
void pw_layout_lower(struct pw_layout *map, unsigned va_bits)
{
	uint64_t half = UINT64_C(1) << (va_bits - 1);

	pw_layout_add(map, PW_REGION_USER, "user space", 0, half - 4097, PW_FOUND_CPU);
	pw_layout_add(map, PW_REGION_HOLE, "guard page", half - 4096, half - 1, PW_FOUND_FIXED);
	pw_layout_add(map, PW_REGION_NON_CANONICAL, "non-canonical hole", half, ~half, PW_FOUND_CPU);
}

int pw_layout_finish(struct pw_layout *map, struct pw_areas *out)
{
	struct pw_layout full;
	uint64_t at = 0;
	int rc = pw_layout_init(&full, 2 * map->n + 1);

	for (size_t i = 0; i <= map->n && !rc; i++) {
		bool end = i == map->n;

		if (end ? at != 0 || !map->n : map->v[i].lo > at)
			pw_layout_add(&full, PW_REGION_HOLE, "unused hole", at, end ? UINT64_MAX : map->v[i].lo - 1,
				      "between its neighbours");
		if (end)
			break;
		full.v[full.n++] = map->v[i];
		at = map->v[i].last + 1; /* 0 after the last address of all */
	}
	free(map->v);
	map->v = NULL;
	if (rc)
		return rc;
	out->v = full.v;
	out->n = full.n;
	return 0;
}
