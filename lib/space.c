/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ranges.h"
#include "space.h"
#include "witness.h"

void pw_areas_free(struct pw_areas *areas)
{
	free(areas->v);
	free(areas->strings);
	memset(areas, 0, sizeof(*areas));
}

const struct pw_area *pw_areas_from(const struct pw_areas *areas, uint64_t va)
{
	size_t lo = 0, hi = areas->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (areas->v[mid].last < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < areas->n ? &areas->v[lo] : NULL;
}

const struct pw_area *pw_areas_find(const struct pw_areas *areas, uint64_t va)
{
	const struct pw_area *a = pw_areas_from(areas, va);

	return a && a->lo <= va ? a : NULL;
}

void pw_space_free(struct pw_space *space)
{
	if (space->pin.pagemap_fd > 0)
		close(space->pin.pagemap_fd);
	free(space->pin.ctx);
	if (space->witness)
		space->witness->free(space->witness);
	pw_areas_free(&space->areas);
	memset(space, 0, sizeof(*space));
	space->pin.pagemap_fd = -1;
}

enum pw_consistency pw_space_consistency(const struct pw_space *space, struct pw_range va)
{
	enum pw_consistency c = space->source->consistency;

	if (c != PW_LOCKED)
		return c;
	for (size_t i = 0; i < space->npieces; i++) {
		const struct pw_piece *p = &space->piece[i];

		if (p->va.lo <= va.last && va.lo <= p->va.last && (p->mmu.half != PW_HALF_USER || !space->pid))
			return PW_VALIDATED;
	}
	return c;
}

unsigned pw_space_checked(const struct pw_space *space)
{
	return space->witness ? space->witness->checked : 0;
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

struct pw_range pw_half_range(const struct pw_mode *mode, enum pw_half half)
{
	uint64_t user = UINT64_C(1) << (mode->va_bits - 1);

	if (half == PW_HALF_USER)
		return (struct pw_range){ 0, user - 1 };
	return (struct pw_range){ ~(user - 1), UINT64_MAX };
}

static void add_piece(const struct pw_target *t, enum pw_half half, uint64_t root, const char *label,
		      struct pw_space *space)
{
	space->piece[space->npieces++] = (struct pw_piece){
		.va = pw_half_range(t->mmu[half].mode, half),
		.root = root,
		.mmu = t->mmu[half],
		.label = label,
	};
}

void pw_space_of_process(const struct pw_target *t, pid_t pid, const char *comm, uint64_t root, struct pw_space *space)
{
	space->pid = pid;
	snprintf(space->comm, sizeof(space->comm), "%s", comm);
	snprintf(space->title, sizeof(space->title), "%d (%.40s)", (int)pid, comm);
	if (t->facts.pti)
		add_piece(t, PW_HALF_USER, root | PW_PTI_USER_ROOT, "user half (PTI's user root)", space);
	else
		add_piece(t, PW_HALF_USER, root, "user half", space);
	add_piece(t, PW_HALF_KERNEL, root, "kernel half", space);
}

void pw_space_of_kernel(const struct pw_target *t, struct pw_space *space)
{
	snprintf(space->title, sizeof(space->title), "kernel");
	add_piece(t, PW_HALF_KERNEL, t->facts.kernel_root, "kernel half", space);
}

void pw_space_of_root(const struct pw_target *t, uint64_t root, struct pw_space *space)
{
	snprintf(space->title, sizeof(space->title), "root 0x%llx", (unsigned long long)root);
	add_piece(t, PW_HALF_USER, root, "user half", space);
	add_piece(t, PW_HALF_KERNEL, root, "kernel half", space);
}
