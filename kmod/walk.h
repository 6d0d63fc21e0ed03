/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of a range in steps, each under its own lock: what WALK is made of, and the origins' files.
 *
 *	w = pw_walk_new(mm, root, va, last, levels);
 *	while (w && !rc && !w->done) {
 *		rc = pw_walk_step(w, PW_BATCH);
 *		for (i = 0; !rc && i < w->n; i++)
 *			... w->record[i], w->page[i] ...
 *	}
 *	pw_walk_free(w);
 */
#ifndef PAGEWALK_WALK_H
#define PAGEWALK_WALK_H

#include "local.h"

struct pw_walk {
	struct mm_struct *mm; /* NULL: the kernel's root, or one given by address */
	u64 root;
	u64 va, last;
	unsigned int depth;  /* tables above va that the caller has */
	unsigned int levels; /* wanted: bit n for level n; 0: all */
	unsigned int lowest; /* level that is wanted */
	unsigned int loaded; /* tables of path[] that are those above va */
	unsigned int failed; /* attempts at this place */
	bool done;
	bool fold;    /* not again into the table that the entry before led to */
	bool settled; /* the lock is, or has to be, held for writing */
	struct pw_ram ram;
	unsigned int n, room; /* of the two below */
	struct pagewalk_table record[PW_BATCH];
	u8 page[PW_BATCH][PW_TABLE_BYTES]; /* of a record whose status is 0; else zeros */
	/* Each table on the way down from the root. */
	struct {
		u64 pa;
		u64 child; /* the last table that it led to; 0: none yet */
		u64 word[PW_TABLE_BYTES / sizeof(u64)];
	} path[PW_DEPTH];
};

/* A walk of [va, last], both canonical, by a caller that keeps the mm until it is freed; NULL: no memory. */
struct pw_walk *pw_walk_new(struct mm_struct *mm, u64 root, u64 va, u64 last, unsigned int levels);

/* The root by which a process has an address: what user mode has is in its own, without the kernel's precautions. */
u64 pw_walk_root(const struct mm_struct *mm, u64 va);

/* Goes on until there are `room` records (1 to PW_BATCH), or fewer, even none: 0, -EINTR, -ESRCH. */
int pw_walk_step(struct pw_walk *w, unsigned int room);

void pw_walk_free(struct pw_walk *w);

#endif
