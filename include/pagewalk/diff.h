/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * diff: what is mapped otherwise in one space than in another: two snapshots of a process, or any two spaces that are
 * tabulated alike. Both are gone through together in VA order, a window of 1 GiB at a time.
 */
#ifndef PAGEWALK_DIFF_H
#define PAGEWALK_DIFF_H

#include <pagewalk/filter.h>

/* What can have become of pages; more than one can. */
enum pw_change_what {
	PW_CHANGE_MAPPED,      /* there was nothing, or a mere note: now in memory, in PROT_NONE or in swap */
	PW_CHANGE_UNMAPPED,    /* there is nothing any more, or a mere note */
	PW_CHANGE_SWAPPED_OUT, /* was in memory */
	PW_CHANGE_SWAPPED_IN,  /* was in swap */
	PW_CHANGE_MOVED,       /* another frame, or another place in swap */
	PW_CHANGE_PERM,        /* other permissions, by all levels; to or from PROT_NONE */
	PW_CHANGE_SPLIT,       /* a page is mapped by smaller ones */
	PW_CHANGE_COLLAPSED,   /* pages are mapped by a larger one */
	PW_CHANGE_ACCESSED,    /* the Accessed bit is set */
	PW_CHANGE_AGED,        /* it is no longer set */
	PW_CHANGE_DIRTIED,     /* the Dirty bit is set */
	PW_CHANGE_CLEANED,     /* it is no longer set */
	PW_CHANGE_BITS,        /* any other bit of the entry: soft-dirty, key, memory type */
	PW_CHANGE_NWHATS,
};

/* "mapped" "unmapped" "swapped-out" "swapped-in" "moved" "perm" "split" "collapsed" "accessed" "aged" "dirtied" "cleaned" "bits" */
PW_API const char *pw_change_name(enum pw_change_what what);

/* One side of a change. */
struct pw_change_side {
	enum pw_kind kind; /* none, leaf, protnone, soft */
	uint8_t perm;      /* leaf: of all levels; PW_PERM_UNKNOWN with a leaf-only source */
	uint64_t size;     /* of a page; 0: kind none */
	uint64_t pa;       /* of the first page; PW_PA_NONE */
	bool has_swap;
	uint8_t swap_type;
};

/* Pages of one VMA (on both sides) to which the same has happened. */
struct pw_change {
	uint64_t va, last;
	uint32_t what;        /* bit n: enum pw_change_what n */
	uint64_t pages, unit; /* of so many bytes: the smaller of both sizes; 4096 for parts of a larger page */
	uint64_t bytes;       /* of these; less than from va to last when they are in more than one piece */
	uint64_t pieces;
	struct pw_change_side before, after; /* of the first page */
	const struct pw_area *area_before, *area_after;
};

enum pw_area_what {
	PW_AREA_APPEARED,
	PW_AREA_VANISHED,
	PW_AREA_GREW,   /* this part was added to an area that was there */
	PW_AREA_SHRANK, /* this part is gone from an area that is still there */
	PW_AREA_PERM,
	PW_AREA_REPLACED, /* another file, or another name */
	PW_AREA_NWHATS,
};

/* "appeared" "vanished" "grew" "shrank" "perm" "replaced" */
PW_API const char *pw_area_what_name(enum pw_area_what what);

struct pw_area_change {
	uint64_t va, last;
	enum pw_area_what what;
	const struct pw_area *before, *after; /* NULL: none there */
};

/* Where one of both is not known: nothing can be said. */
struct pw_diff_unknown {
	uint64_t va, last;
	enum pw_hole_reason reason;
	bool in_before, in_after;
};

struct pw_diff_visitor {
	int (*change)(void *ctx, const struct pw_change *change);
	int (*area)(void *ctx, const struct pw_area_change *change);
	int (*unknown)(void *ctx, const struct pw_diff_unknown *unknown);
};

struct pw_diff_opts {
	size_t size;     /* sizeof(struct pw_diff_opts) */
	uint64_t budget; /* table visits of both sides, a window counting for 256; 0: 1 << 24 */
	bool exact;      /* a change is one piece of addresses; else all pieces of one VMA are one change */
	/* Only pages that match on one side at least, and nothing of areas; NULL: all. What is not known on a side is told of always. */
	const struct pw_filter *filter;
};

struct pw_diff_sums {
	uint64_t bytes[PW_CHANGE_NWHATS];
	uint64_t areas[PW_AREA_NWHATS];
	uint64_t changes; /* handed out, areas included */
	uint64_t unknown;
	struct pw_walk_stats walk; /* of both */
};

/*
 * From a to b, in VA order; areas come before the changes in them. 0, what a visitor returned, -EINVAL with a text when they
 * cannot be compared, or a negative errno as of pw_walk. sums is added to.
 */
PW_API int pw_diff(const struct pw_space *a, const struct pw_space *b, const struct pw_diff_opts *opts,
		   const struct pw_diff_visitor *visitor, void *ctx, struct pw_diff_sums *sums, struct pw_error *err);

#endif
