/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot: address spaces saved to a file, which pw_target_open() then opens like any other source. docs/snapshot-format.md
 * describes the file.
 */
#ifndef PAGEWALK_SNAPSHOT_H
#define PAGEWALK_SNAPSHOT_H

#include <pagewalk/joins.h>
#include <pagewalk/target.h>
#include <pagewalk/walk.h>

struct pw_snapshot; /* one that is being taken */

enum pw_snapshot_half { PW_SNAPSHOT_BOTH, PW_SNAPSHOT_USER, PW_SNAPSHOT_KERNEL };

struct pw_snapshot_opts {
	size_t size;                  /* sizeof(struct pw_snapshot_opts) */
	const char *path;             /* NULL: a temporary file without a name */
	enum pw_snapshot_half half;   /* of processes and roots */
	const struct pw_joins *joins; /* NULL: none */
	uint64_t budget;              /* of each walk, as pw_walk_opts has it */
};

/* What was taken. */
struct pw_snapshot_sums {
	uint64_t processes, lost; /* with their tables; and those whose tables could not be had */
	bool kernel;
	uint64_t roots;
	uint64_t tables, table_bytes; /* in the file, each once */
	uint64_t bytes;               /* of the file */
	struct pw_walk_stats walk;    /* of all walks */
};

/* The file appears, or is replaced, when pw_snapshot_finish() has written all of it. */
PW_API int pw_snapshot_begin(struct pw_target *t, const struct pw_snapshot_opts *opts, struct pw_snapshot **out,
			     struct pw_error *err);

/* Walks that space and puts it in. -ESRCH and the like: it is not in, the others are. */
PW_API int pw_snapshot_add(struct pw_snapshot *s, const struct pw_select *sel, struct pw_error *err);

/* The kernel and every process there is; those that cannot be had are named in the snapshot, with the reason. */
PW_API int pw_snapshot_add_all(struct pw_snapshot *s, struct pw_error *err);

/*
 * Frees s in any case. fd: NULL, or where the descriptor of the file goes. A half of the kernel is never without the kernel's
 * own space, which its regions' names come from: it is added here where it is missing and can be had.
 */
PW_API int pw_snapshot_finish(struct pw_snapshot *s, struct pw_snapshot_sums *sums, int *fd, struct pw_error *err);
PW_API void pw_snapshot_abort(struct pw_snapshot *s);

/* What the system said beside its tables when the snapshot was taken; NULL when t is none. */
PW_API const struct pw_joins *pw_snapshot_joins(const struct pw_target *t);

#endif
