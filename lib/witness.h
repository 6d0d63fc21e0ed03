/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * witness: what the rest of an image says of a user half's tables. Parts of a smeared image were copied at different moments, so that a table
 * can be linked that was freed and became something else before it was copied itself. The walker and the translator ask before they follow
 * and before they show; what is contradicted is a hole that says so. All other systems have no witness, and pay nothing.
 */
#ifndef PW_WITNESS_H
#define PW_WITNESS_H

#include <pagewalk/walk.h>

struct pw_witness {
	unsigned checked; /* 1 << enum pw_doubt: what could be found */

	/* A walk begins: forget which tables were met. */
	void (*begin)(struct pw_witness *w);
	/* The table at pa as a root. */
	enum pw_doubt (*root)(struct pw_witness *w, uint64_t pa);
	/* The table at pa, whose entries are of that level; the entry that leads there is at slot_pa. */
	enum pw_doubt (*table)(struct pw_witness *w, enum pw_level level, uint64_t slot_pa, uint64_t pa);
	/* The same on the way of a walk, which meets each table once. */
	enum pw_doubt (*met)(struct pw_witness *w, enum pw_level level, uint64_t pa);
	/* How many entries of the span, from the first on, are not doubted; if that is not all, *doubt is about the next one. */
	size_t (*entries)(struct pw_witness *w, const struct pw_span *span, enum pw_doubt *doubt);
	void (*free)(struct pw_witness *w);
};

/* Whom to ask about a piece. */
static inline struct pw_witness *pw_witness_of(const struct pw_space *space, const struct pw_piece *piece)
{
	return piece->mmu.half == PW_HALF_USER ? space->witness : NULL;
}

#endif
