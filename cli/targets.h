/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * targets: all the spaces that a command line means: TARGETs, --all, or --cgroup. For commands whose table has OPTS_TARGETS.
 */
#ifndef CLI_TARGETS_H
#define CLI_TARGETS_H

#include "progress.h"
#include "session.h"

/*
 * What a command does with one of them: shows it and adds its sums to total (sums_total). text: as it was given, "" for one of
 * many; of: what its end is to say that it is of. A negative errno: it could not be looked at, and nothing was shown;
 * else a status.
 */
typedef int (*targets_fn)(struct session *s, struct pw_space *space, const char *text, enum pw_end_of of,
			  struct pw_rec_end *total);

/* A usage error unless there are TARGETs, or --all or --cgroup, and only one of these. 0 or a status. */
int targets_check(const struct command *cmd, const struct args *args);

/*
 * Calls fn for each, and ends the answer where there is more than one. Those that end meanwhile, or are not ours to look at, are counted
 * and said once. A status.
 */
int targets_each(struct session *s, targets_fn fn);

/* The same where only the first n arguments are TARGETs; 0: by --all or --cgroup. */
int targets_each_of(struct session *s, size_t n, targets_fn fn);

/* The same; last is called before the answer of --all or --cgroup ends, for what waits until all are known. 0 or a status. */
int targets_each_then(struct session *s, targets_fn fn, int (*last)(struct session *s));

/*
 * The processes that are meant by --all or --cgroup, kernel threads left out: malloc'ed, ascending by PID. 0 or a status, after a complaint.
 */
int targets_processes(struct session *s, struct pw_process **list, size_t *n);

#endif
