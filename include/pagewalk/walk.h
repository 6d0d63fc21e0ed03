/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * walk: the one walker. It goes through a space in VA order, depth first, fetching the children of a
 * table up to PW_LOOKAHEAD at a time, and hands each table's entries over in bulk.
 *
 * Table bytes are hostile. Every address is checked against the RAM ranges, depth is bounded by the
 * mode, and the number of table visits by a budget (a self-map has 512^n paths). What cannot be read or
 * does not hold still is an event (a hole), not an error.
 */
#ifndef PAGEWALK_WALK_H
#define PAGEWALK_WALK_H

#include <pagewalk/space.h>

#define PW_LOOKAHEAD 64

/* A table entry that is followed: comes before everything below it. */
struct pw_step {
	const struct pw_piece *piece;
	enum pw_level level; /* of the entry */
	uint8_t depth;       /* 0: the entry is in the root */
	uint8_t perm_above;  /* what the levels above allow together (PW_RWXU at the root) */
	uint64_t va;         /* first address that the entry covers */
	uint64_t slot_pa;    /* where the entry is */
	uint64_t raw;
};

/* Entries of one table that follow one another and are not followed: leaves, soft, protnone, none; tables below opts.depth. */
struct pw_span {
	const struct pw_piece *piece;
	enum pw_level level;
	uint8_t depth;
	uint8_t shift; /* each entry covers 1 << shift bytes */
	uint8_t perm_above;
	uint64_t va;         /* of raw[0] */
	uint64_t slot_pa;    /* of raw[0]; PW_PA_NONE with a leaf-only source */
	const uint64_t *raw; /* valid during the call only */
	size_t n;
};

enum pw_hole_reason {
	PW_HOLE_UNSTABLE,     /* changed at each of the attempts */
	PW_HOLE_UNREADABLE,   /* the source could not read it */
	PW_HOLE_NOT_RAM,      /* points outside the memory that may be followed */
	PW_HOLE_RESERVED,     /* reserved bits: the CPU would fault on the table entry */
	PW_HOLE_ALIAS,        /* same table as the entry before it; not walked again (opts.fold_aliases) */
	PW_HOLE_BUDGET,       /* the visit budget is used up: the rest was not looked at */
	PW_HOLE_INCONSISTENT, /* the rest of a smeared image contradicts it: see doubt */
};

/* "unstable" "unreadable" "not-ram" "reserved" "alias" "budget" "inconsistent" */
PW_API const char *pw_hole_name(enum pw_hole_reason reason);

/* A part of the space about which nothing more is said. */
struct pw_hole {
	const struct pw_piece *piece;
	enum pw_hole_reason reason;
	enum pw_doubt doubt; /* PW_HOLE_INCONSISTENT: why */
	enum pw_level level; /* of the entry that leads there; for a root: its own level, slot_pa is PW_PA_NONE */
	uint8_t depth;
	uint8_t perm_above;
	uint64_t va, last;
	uint64_t slot_pa;
	uint64_t raw;
	uint64_t alias_va; /* PW_HOLE_ALIAS: where the same table was shown */
};

/* Any of them may be NULL; a non-zero return ends the walk, which then returns it. */
struct pw_visitor {
	int (*step)(void *ctx, const struct pw_step *step);
	int (*span)(void *ctx, const struct pw_span *span);
	int (*hole)(void *ctx, const struct pw_hole *hole);
};

struct pw_walk_opts {
	size_t size;        /* sizeof(struct pw_walk_opts) */
	struct pw_range va; /* {0, UINT64_MAX}: all */
	unsigned attempts;  /* for a table whose chain changes; 0: 8 */
	uint64_t budget;    /* table visits; 0: twice the RAM's pages, or 1 << 24 */
	bool fold_aliases;
	unsigned depth; /* levels from the root on; entries that lead below them are in spans; 0: all */
	bool reads;     /* the visitor reads from the space's source; see pw_walk() */
};

struct pw_walk_stats {
	uint64_t tables[PW_NLEVELS]; /* table pages read, by the level of their entries */
	uint64_t table_bytes;
	uint64_t retries;
	uint64_t unstable, unreadable; /* holes; not-ram, reserved and budget count as unreadable */
	uint64_t inconsistent;         /* holes */
	uint64_t aliases;
	bool truncated; /* by the budget */
};

/* Adds one to total. */
PW_API void pw_walk_stats_add(struct pw_walk_stats *total, const struct pw_walk_stats *one);

/* Tables of all levels. */
PW_API uint64_t pw_walk_stats_tables(const struct pw_walk_stats *s);

/*
 * Walks space within opts->va. 0 when the walk came to its end (see the stats for holes), what a
 * visitor returned, or a negative errno: -ENOMEM, -ESRCH (the process exited or called exec meanwhile: what
 * was not shown may have been there), or a leaf-only source's failure. stats is added to, so that several walks sum up.
 *
 * While it goes on nobody else may read from the space's source: tables are gone through where the source has them, which is good until its next
 * call. A visitor that has to read (memory, another walk) says so in opts.reads, and tables are copied.
 */
PW_API int pw_walk(const struct pw_space *space, const struct pw_walk_opts *opts, const struct pw_visitor *visitor,
		   void *ctx, struct pw_walk_stats *stats);

/* -------- single addresses -------- */

enum pw_verdict {
	PW_MAPPED,
	PW_V_NONE, /* an entry is empty */
	PW_V_PROTNONE,
	PW_V_SOFT,
	PW_V_NON_CANONICAL,
	PW_V_RESERVED, /* reserved bits: the CPU would fault */
	PW_V_UNSTABLE,
	PW_V_UNREADABLE,
	PW_V_NOT_RAM,
	PW_V_OUTSIDE,      /* no piece of the space holds the address */
	PW_V_INCONSISTENT, /* the rest of a smeared image contradicts it: see doubt */
	PW_V_NVERDICTS,
};

/* "mapped" "none" "protnone" "soft" "non-canonical" "reserved" "unstable" "unreadable" "not-ram" "outside" "inconsistent" */
PW_API const char *pw_verdict_name(enum pw_verdict v);

struct pw_path_item {
	uint64_t slot_pa; /* PW_PA_NONE with a leaf-only source */
	uint64_t raw;
	enum pw_level level;
	uint16_t index;
};

struct pw_translation {
	uint64_t va;
	const struct pw_piece *piece; /* NULL: outside */
	enum pw_verdict verdict;
	enum pw_doubt doubt; /* PW_V_INCONSISTENT: why */
	uint8_t npath;       /* entries read, root first */
	uint8_t perm;        /* all levels of the path together */
	uint64_t pa;         /* of the byte, when mapped and not hidden; else PW_PA_NONE */
	uint64_t size;       /* that the last entry covers */
	struct pw_path_item path[PW_NLEVELS];
};

/*
 * Translates n addresses, level by level, with vectored reads: neighbours share them. out[i] is for va[i].
 * 0, or a negative errno as of pw_walk.
 */
PW_API int pw_translate(const struct pw_space *space, const uint64_t *va, size_t n, struct pw_translation *out);

#endif
