/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * audit: what in page tables should not be, by rules. Each space is walked once; what is found of one rule, space, area and
 * permission is one finding, whose key depends on neither KASLR nor PIDs, so that a baseline can name it.
 *
 *   a = pw_audit_new(target, &opts, &err);
 *   pw_audit_collect(a, &space, ...) for each space: which frames are page tables
 *   pw_audit_space(a, &space, ...) for each
 *   pw_audit_findings(a, &n)
 */
#ifndef PAGEWALK_AUDIT_H
#define PAGEWALK_AUDIT_H

#include <pagewalk/filter.h>
#include <pagewalk/target.h>
#include <pagewalk/walk.h>

enum pw_audit_level { PW_AUDIT_INFO, PW_AUDIT_LOW, PW_AUDIT_MEDIUM, PW_AUDIT_HIGH, PW_AUDIT_NLEVELS };

/* "info" "low" "medium" "high" */
PW_API const char *pw_audit_level_name(enum pw_audit_level level);
/* -1 if unknown. */
PW_API int pw_audit_level_parse(const char *name);

struct pw_audit_rule {
	const char *id; /* "kernel-wx" */
	enum pw_audit_level level;
	const char *reason; /* one line */
};

/* All rules, most severe first. */
PW_API const struct pw_audit_rule *pw_audit_rules(size_t *n);

/* What one rule has found in one area (or, summed, in areas of the same name) with one permission. */
struct pw_finding {
	const struct pw_audit_rule *rule;
	const char *space; /* "kernel", or a process's comm; "root", "cpu" where only a root is known */
	const char *name;  /* of the VMA or region, for display; "-" when there is none */
	const char *path;  /* what the key has: the file's path, or the name */
	char vma[5];       /* the VMA's own permissions; "" for regions */
	uint8_t perm;      /* by all levels */
	pid_t pid;         /* of the first process; 0: none */
	uint64_t spaces;   /* in so many of them */
	uint64_t va, last; /* from the first piece to the last one, in the first space */
	uint64_t pieces;   /* of addresses */
	uint64_t pages;    /* entries */
	uint64_t bytes;    /* that they cover */
	uint64_t pa, raw;  /* of the first entry; pa may be PW_PA_NONE */
	enum pw_level level;
	bool known; /* the baseline has it */

	uint64_t end_of_piece; /* internal: last address of the last piece */
	uint32_t hash;         /* internal: of the key */
	pid_t last_pid;        /* internal: of the last process */
};

struct pw_audit_opts {
	size_t size; /* sizeof(struct pw_audit_opts) */
	bool exact;  /* a finding is one piece of addresses of one space; else all that is alike is one */
	const struct pw_filter *filter; /* only entries that match are judged; NULL: all. Tables are, always */
};

struct pw_audit;

/* NULL with a text: the source has no tables, or out of memory. The target has to outlive it. */
PW_API struct pw_audit *pw_audit_new(struct pw_target *t, const struct pw_audit_opts *opts, struct pw_error *err);
PW_API void pw_audit_free(struct pw_audit *a);

/*
 * Notes which frames are tables of the space, from its upper levels alone. The kernel's are known already. Both return 0, or a negative errno
 * as of pw_walk; stats may be NULL for the first and is added to.
 */
PW_API int pw_audit_collect(struct pw_audit *a, const struct pw_space *space);

/*
 * Looks at the user half of a process (with page-table isolation also at what of the kernel its user root maps), at the kernel half of the
 * kernel, at both halves of a root. Of a system that runs, what is found counts only if it is there when one looks again, with VMAs read anew. Entries to tables that the CPU could not use either are findings, and not counted as unreadable.
 */
PW_API int pw_audit_space(struct pw_audit *a, const struct pw_space *space, struct pw_walk_stats *stats);

/* All findings so far, most severe first; good until the next call of pw_audit_space(). */
PW_API struct pw_finding *pw_audit_findings(struct pw_audit *a, size_t *n);

/* Findings that were not kept, because there were too many; whether some frames that are tables were not kept. */
PW_API uint64_t pw_audit_lost(const struct pw_audit *a);

/*
 * A baseline is text, a finding a line, "RULE SPACE PERM NAME", in which "*" stands for anything; see docs/audit.md. Marks the
 * findings that it has as known. -EINVAL with a text that names file and line.
 */
PW_API int pw_audit_baseline(struct pw_audit *a, const char *file, struct pw_error *err);

/* The line of a finding, malloc'ed, without its newline; NULL: out of memory. */
PW_API char *pw_finding_key(const struct pw_finding *f);

#endif
