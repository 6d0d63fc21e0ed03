// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/PID/smaps: for each VMA its line of maps, then "Key: value" lines, the last of which is
 *
 *   VmFlags: rd mr mw me pf io de dd
 */
#include "os/smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/live.h>

#include "os/vma_flags.h"

#define THP_SETTINGS "/sys/kernel/mm/transparent_hugepage/"

enum thp { THP_ALWAYS, THP_MADVISE, THP_NEVER };

const struct pw_smaps_flag pw_smaps_flags[] = {
	{ "pf", PW_VMA_PFNMAP },       { "mm", PW_VMA_PFNMAP },  { "gd", PW_VMA_GROWSDOWN },
	{ "um", PW_VMA_UFFD_MISSING }, { "uw", PW_VMA_UFFD_WP }, { "hg", PW_VMA_HUGEPAGE },
	{ "nh", PW_VMA_NOHUGEPAGE },   { "ht", PW_VMA_HUGETLB }, { "mg", PW_VMA_MERGEABLE },
};

const size_t pw_smaps_nflags = sizeof(pw_smaps_flags) / sizeof(pw_smaps_flags[0]);

uint32_t pw_smaps_flags_of(const char *line)
{
	uint32_t flags = PW_VMA_KNOWN;
	char word[4] = " ";

	for (size_t i = 0; i < pw_smaps_nflags; i++) {
		memcpy(word + 1, pw_smaps_flags[i].name, sizeof(pw_smaps_flags[i].name));
		if (strstr(line, word))
			flags |= pw_smaps_flags[i].flag;
	}
	return flags;
}

int pw_smaps_each(const char *path, void (*each)(void *ctx, uint64_t lo, uint64_t end, const char *line), void *ctx)
{
	uint64_t lo = 0, end = 0, a, b;
	char *line = NULL, access[5];
	FILE *f = fopen(path, "re");
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		/* Keys begin with a capital. */
		if (!strncmp(line, "VmFlags:", 8))
			each(ctx, lo, end, line);
		else if ((line[0] < 'A' || line[0] > 'Z') &&
			 sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s ", &a, &b, access) == 3)
			lo = a, end = b;
	}
	free(line);
	fclose(f);
	return 0;
}

/* smaps is ascending, as areas are: at is the first that it has not passed. */
struct marker {
	struct pw_areas *areas;
	size_t at;
};

static void mark(void *ctx, uint64_t lo, uint64_t end, const char *line)
{
	struct marker *m = ctx;
	struct pw_areas *areas = m->areas;
	uint32_t flags = pw_smaps_flags_of(line);

	while (m->at < areas->n && areas->v[m->at].lo < lo)
		m->at++;
	for (; m->at < areas->n && areas->v[m->at].last < end; m->at++) {
		areas->v[m->at].flags = flags;
		areas->v[m->at].pfnmap = flags & PW_VMA_PFNMAP;
	}
}

int pw_live_mark_flags(struct pw_space *space, struct pw_error *err)
{
	struct marker m = { .areas = &space->areas };
	char path[40];
	int rc;

	if (space->kernel && !pw_vma_flags_read(space->kernel, space))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)space->pid);
	rc = pw_smaps_each(path, mark, &m);
	return rc ? pw_error_set(err, rc, "%s: %s", path, strerror(-rc)) : 0;
}

/* A small file's first line with that beginning; "" when there is none. */
static void find_line(const char *path, const char *begins, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, size, f))
		found = !strncmp(line, begins, strlen(begins));
	if (!found)
		line[0] = 0;
	if (f)
		fclose(f);
}

static bool no_thp(const struct pw_area *area, enum thp thp)
{
	return thp == THP_NEVER || area->flags & PW_VMA_NOHUGEPAGE ||
	       (thp == THP_MADVISE && !(area->flags & PW_VMA_HUGEPAGE));
}

int pw_live_mark_no_thp(struct pw_space *space, struct pw_error *err)
{
	enum thp thp = THP_ALWAYS;
	char path[40], line[128];
	int rc;

	/* The setting of this size, from v6.8 on, unless that is to inherit the one for all. */
	find_line(THP_SETTINGS "hugepages-2048kB/enabled", "", line, sizeof(line));
	if (!line[0] || strstr(line, "[inherit]"))
		find_line(THP_SETTINGS "enabled", "", line, sizeof(line));
	if (strstr(line, "[never]") || !line[0])
		thp = THP_NEVER;
	else if (strstr(line, "[madvise]"))
		thp = THP_MADVISE;
	/* In /proc/PID/status since v5.0 ("mm, proc: report PR_SET_THP_DISABLE in proc"); before, it is not known. */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)space->pid);
	find_line(path, "THP_enabled:", line, sizeof(line));
	if (line[0] && strchr(line, '0'))
		thp = THP_NEVER;
	rc = pw_live_mark_flags(space, err);
	for (size_t i = 0; i < space->areas.n && !rc; i++)
		space->areas.v[i].no_thp = space->areas.v[i].flags && no_thp(&space->areas.v[i], thp);
	return rc;
}
