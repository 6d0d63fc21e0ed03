/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One side of a diff: what a walk of a window has found, to be gone through beside the other side. */
#ifndef PW_DIFF_SIDE_H
#define PW_DIFF_SIDE_H

#include <pagewalk/walk.h>

#define PW_DIFF_WINDOW (UINT64_C(1) << 30)

/* Entries of one table that follow one another, or a hole. */
struct pw_stretch {
	uint64_t va, last;
	enum pw_level level;
	uint8_t shift, perm_above;
	bool hole;
	enum pw_hole_reason reason;
	size_t word; /* of the first entry in words */
};

struct pw_diff_side {
	const struct pw_space *space;
	const struct pw_piece *piece;
	struct pw_walk_stats *stats;
	struct pw_range window;
	struct pw_stretch *stretch;
	uint64_t *word;
	size_t n, nwords, room, wroom;
	bool aliases; /* some stretch is a table that repeats the one before it */
	size_t at;    /* the first stretch that does not end before what comes */
};

/* What is at an address, and up to where the answer holds. */
struct pw_cell {
	uint64_t va, last; /* of the whole entry, hole or nothing */
	bool hole;
	enum pw_hole_reason reason;
	uint64_t raw; /* 0: nothing */
	enum pw_level level;
	uint8_t perm_above;
};

/* Walks the window. 0 or a negative errno. */
int pw_diff_collect(struct pw_diff_side *s, struct pw_range window, bool fold);

/* va ascends from call to call. */
void pw_diff_cell(struct pw_diff_side *s, uint64_t va, struct pw_cell *out);

/* How many bytes from va on are the same on both sides, word by word; a quick look that may say less, or 0. */
uint64_t pw_diff_same(struct pw_diff_side *a, struct pw_diff_side *b, uint64_t va);

void pw_diff_side_free(struct pw_diff_side *s);

/* Which windows of [va, va + n windows) have something in them, and which only repeat the table before: a bit each. */
struct pw_diff_map {
	uint64_t va;
	size_t n;
	uint8_t *used, *alias;
	bool failed; /* the root is a hole: nothing is known */
	enum pw_hole_reason reason;
};

int pw_diff_map(const struct pw_diff_side *s, unsigned depth, struct pw_range va, struct pw_diff_map *map,
		uint64_t unit);

static inline bool pw_bit(const uint8_t *bits, size_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

#endif
