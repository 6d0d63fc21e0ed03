// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/PID/smaps: for each VMA its line of maps, then "Key: value" lines, the last of which is
 *
 *   VmFlags: rd mr mw me pf io de dd
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/live.h>

#define THP_SETTINGS "/sys/kernel/mm/transparent_hugepage/"

static bool flags_say_pfnmap(const char *flags)
{
	return strstr(flags, " pf") || strstr(flags, " mm");
}

/* What of a VMA's flags counts, and where it goes. */
struct marker {
	bool (*says)(const struct marker *m, const char *flags);
	void (*set)(struct pw_area *area);
	enum { THP_ALWAYS, THP_MADVISE, THP_NEVER } thp;
};

static bool says_pfnmap(const struct marker *m, const char *flags)
{
	(void)m;
	return flags_say_pfnmap(flags);
}

static void set_pfnmap(struct pw_area *area)
{
	area->pfnmap = true;
}

static bool says_no_thp(const struct marker *m, const char *flags)
{
	return m->thp == THP_NEVER || strstr(flags, " nh") || (m->thp == THP_MADVISE && !strstr(flags, " hg"));
}

static void set_no_thp(struct pw_area *area)
{
	area->no_thp = true;
}

static void mark(struct pw_areas *areas, uint64_t lo, uint64_t end, const struct marker *m)
{
	for (size_t i = 0; i < areas->n; i++)
		if (areas->v[i].lo >= lo && areas->v[i].last < end)
			m->set(&areas->v[i]);
}

static int mark_areas(struct pw_space *space, const struct marker *m, struct pw_error *err)
{
	uint64_t lo = 0, end = 0, a, b;
	char path[40], *line = NULL, access[5];
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)space->pid);
	f = fopen(path, "re");
	if (!f)
		return pw_error_set(err, -errno, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) > 0) {
		if (!strncmp(line, "VmFlags:", 8) && m->says(m, line))
			mark(&space->areas, lo, end, m);
		else if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s ", &a, &b, access) == 3)
			lo = a, end = b;
	}
	free(line);
	fclose(f);
	return 0;
}

int pw_live_mark_pfnmap(struct pw_space *space, struct pw_error *err)
{
	const struct marker m = { .says = says_pfnmap, .set = set_pfnmap };

	return mark_areas(space, &m, err);
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

int pw_live_mark_no_thp(struct pw_space *space, struct pw_error *err)
{
	struct marker m = { .says = says_no_thp, .set = set_no_thp };
	char path[40], line[128];

	/* The setting of this size, from v6.8 on, unless that is to inherit the one for all. */
	find_line(THP_SETTINGS "hugepages-2048kB/enabled", "", line, sizeof(line));
	if (!line[0] || strstr(line, "[inherit]"))
		find_line(THP_SETTINGS "enabled", "", line, sizeof(line));
	if (strstr(line, "[never]") || !line[0])
		m.thp = THP_NEVER;
	else if (strstr(line, "[madvise]"))
		m.thp = THP_MADVISE;
	/* In /proc/PID/status since v5.0 ("mm, proc: report PR_SET_THP_DISABLE in proc"); before, it is not known. */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)space->pid);
	find_line(path, "THP_enabled:", line, sizeof(line));
	if (line[0] && strchr(line, '0'))
		m.thp = THP_NEVER;
	return mark_areas(space, &m, err);
}
