/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transparent huge pages: where they are, and why they are not where they could be. */
#include <string.h>

#include "stats_parts.h"

#define HUGE_SIZE  (UINT64_C(1) << 21)
#define HUGE_PAGES 512u

const char *pw_thp_cause_name(enum pw_thp_cause cause)
{
	static const char *const names[] = {
		[PW_THP_MISALIGNED] = "misaligned",
		[PW_THP_DISABLED] = "disabled",
		[PW_THP_SWAPPED] = "swapped",
		[PW_THP_PROTNONE] = "protnone",
		[PW_THP_HOLES] = "holes",
		[PW_THP_MIXED] = "mixed",
		[PW_THP_COPY] = "copy",
		[PW_THP_SPLIT] = "split",
	};

	return (unsigned)cause < PW_THP_NCAUSES ? names[cause] : "?";
}

/*
 * Shared memory has an inode even without a file; a private mapping of /dev/zero is anonymous memory (mmap_zero(),
 * vma_set_anonymous()). What the kernel itself maps ([vdso], [vvar]) is not.
 */
bool pw_area_is_anon(const struct pw_area *area)
{
	if (area->region != PW_REGION_NONE || !area->perms[0])
		return false; /* the kernel's */
	if (area->path && !strcmp(area->path, "/dev/zero"))
		return area->perms[3] == 'p';
	if (area->inode || area->dev_major || area->dev_minor)
		return false;
	return !area->path || !strcmp(area->path, "[heap]") || !strncmp(area->path, "[stack", 6) ||
	       !strncmp(area->path, "[anon:", 6);
}

int pw_thp_judge(const struct pw_area *area, const struct pw_thp_range *r)
{
	if (!r->leaves && !r->soft && !r->protnone)
		return -1;
	if (area->no_thp)
		return PW_THP_DISABLED;
	if (r->soft)
		return PW_THP_SWAPPED;
	if (r->protnone)
		return PW_THP_PROTNONE;
	if (r->leaves < HUGE_PAGES)
		return PW_THP_HOLES;
	if (r->mixed)
		return PW_THP_MIXED;
	return r->contiguous ? PW_THP_SPLIT : PW_THP_COPY;
}

static bool holds(const struct pw_space *space, const struct pw_area *area)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].va.lo <= area->lo && area->last <= space->piece[i].va.last)
			return true;
	return false;
}

uint64_t pw_thp_ranges(const struct pw_space *space)
{
	uint64_t n = 0;

	for (size_t i = 0; i < space->areas.n; i++) {
		const struct pw_area *a = &space->areas.v[i];
		uint64_t first = a->lo / HUGE_SIZE + (a->lo % HUGE_SIZE != 0);
		uint64_t end = a->last / HUGE_SIZE + (a->last % HUGE_SIZE == HUGE_SIZE - 1);

		if (end > first && pw_area_is_anon(a) && holds(space, a))
			n += end - first;
	}
	return n;
}
