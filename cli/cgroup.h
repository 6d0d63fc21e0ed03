/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_CGROUP_H
#define CLI_CGROUP_H

#include <pagewalk/target.h>

/*
 * Keeps of the list the processes in a control group and in those below it. path: a directory, or what /proc/PID/cgroup calls it. -EINVAL:
 * the target is not the running system; -ENOENT: there is no such group; both with a text.
 */
int cgroup_filter(const struct pw_target *t, const char *path, struct pw_process *list, size_t *n,
		  struct pw_error *err);

#endif
