/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By /proc/PID/cgroup, which has a line "ID:CONTROLLERS:PATH" a hierarchy; with version 2 that is one, "0::PATH". */
#include "cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MOUNT "/sys/fs/cgroup/"

/*
 * The group's path in its hierarchy: what is below the place where that is mounted. Of version 1, and where there are both, the hierarchy's
 * name is in between.
 */
static const char *in_hierarchy(const char *path)
{
	const char *below_mount = path + strlen(MOUNT) - 1, *below_name;
	struct statfs st;

	if (strncmp(path, MOUNT, strlen(MOUNT)))
		return path;
	if (!statfs(MOUNT, &st) && st.f_type == CGROUP2_SUPER_MAGIC)
		return below_mount;
	below_name = strchr(below_mount + 1, '/');
	return below_name ? below_name : "/";
}

static bool below(const char *group, const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return !strncmp(group, path, len) && (!group[len] || group[len] == '/');
}

static bool is_in(pid_t pid, const char *path)
{
	char file[40], line[PATH_MAX + 128];
	bool found = false;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	f = fopen(file, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;

		line[strcspn(line, "\n")] = 0;
		if (group)
			found = below(group + 1, path);
	}
	if (f)
		fclose(f);
	return found;
}

int cgroup_filter(const struct pw_target *t, const char *path, struct pw_process *list, size_t *n, struct pw_error *err)
{
	const char *group = in_hierarchy(path);
	struct stat st;
	size_t kept = 0;

	if (strcmp(t->os->name, "live"))
		return pw_error_set(err, -EINVAL, "--cgroup is about the running system, and source %s is none",
				    t->source.ops->name);
	if (group[0] != '/')
		return pw_error_set(err, -EINVAL,
				    "--cgroup %s: it is a path, as in /proc/PID/cgroup: /system.slice/dbtest.service",
				    path);
	for (size_t i = 0; i < *n; i++)
		if (list[i].pid && is_in(list[i].pid, group))
			list[kept++] = list[i];
	*n = kept;
	if (kept)
		return 0;
	return pw_error_set(err, -ENOENT, "--cgroup %s: %s", path,
			    group == path || !stat(path, &st) ? "no process is in it" : strerror(errno));
}
