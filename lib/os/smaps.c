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

static bool flags_say_pfnmap(const char *flags)
{
	return strstr(flags, " pf") || strstr(flags, " mm");
}

static void mark(struct pw_areas *areas, uint64_t lo, uint64_t end)
{
	for (size_t i = 0; i < areas->n; i++)
		if (areas->v[i].lo >= lo && areas->v[i].last < end)
			areas->v[i].pfnmap = true;
}

int pw_live_mark_pfnmap(struct pw_space *space, struct pw_error *err)
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
		if (!strncmp(line, "VmFlags:", 8) && flags_say_pfnmap(line))
			mark(&space->areas, lo, end);
		else if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s ", &a, &b, access) == 3)
			lo = a, end = b;
	}
	free(line);
	fclose(f);
	return 0;
}
