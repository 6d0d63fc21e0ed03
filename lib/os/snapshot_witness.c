/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was doubted when a snapshot of a smeared image was taken, is doubted in it again: its slots say so. */
#include <stdlib.h>

#include "source/snapshot.h"
#include "witness.h"

struct witness {
	struct pw_witness w;
	struct pw_snapshot_file *file;
	uint32_t space;
};

static const struct witness *witness_of(const struct pw_witness *w)
{
	return (const struct witness *)w;
}

static enum pw_doubt doubt_of(uint32_t flags)
{
	for (unsigned d = PW_DOUBT_NONE + 1; d < PW_NDOUBTS; d++)
		if (flags & PW_SNAPSHOT_SLOT_DOUBT(d))
			return (enum pw_doubt)d;
	return PW_DOUBT_NONE;
}

static enum pw_doubt witness_root(struct pw_witness *w, uint64_t pa)
{
	return doubt_of(pw_snapshot_slot(witness_of(w)->file, witness_of(w)->space, pa | 1));
}

static enum pw_doubt witness_table(struct pw_witness *w, enum pw_level level, uint64_t slot_pa, uint64_t pa)
{
	(void)level;
	(void)pa;
	return doubt_of(pw_snapshot_slot(witness_of(w)->file, witness_of(w)->space, slot_pa));
}

static enum pw_doubt witness_met(struct pw_witness *w, enum pw_level level, uint64_t pa)
{
	(void)w;
	(void)level;
	(void)pa;
	return PW_DOUBT_NONE;
}

static size_t witness_entries(struct pw_witness *w, const struct pw_span *span, enum pw_doubt *doubt)
{
	uint64_t at = span->slot_pa, end = span->slot_pa + span->n * sizeof(uint64_t);
	uint32_t flags;

	for (; at < end && pw_snapshot_slot_from(witness_of(w)->file, witness_of(w)->space, &at, &flags); at++) {
		*doubt = at < end && at % sizeof(uint64_t) == 0 ? doubt_of(flags) : PW_DOUBT_NONE;
		if (*doubt)
			return (at - span->slot_pa) / sizeof(uint64_t);
	}
	return span->n;
}

static void witness_begin(struct pw_witness *w)
{
	(void)w;
}

static void witness_free(struct pw_witness *w)
{
	free(w);
}

struct pw_witness *pw_snapshot_witness(struct pw_snapshot_file *f, uint32_t id, const struct pw_space *space)
{
	uint32_t flags = 0;
	struct witness *w;

	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_USER)
			flags = pw_snapshot_slot(f, id, space->piece[i].root | 1);
	w = flags >> PW_SNAPSHOT_SLOT_CHECKED_SHIFT ? calloc(1, sizeof(*w)) : NULL;
	if (!w)
		return NULL;
	w->w = (struct pw_witness){
		.checked = flags >> PW_SNAPSHOT_SLOT_CHECKED_SHIFT,
		.begin = witness_begin,
		.root = witness_root,
		.table = witness_table,
		.met = witness_met,
		.entries = witness_entries,
		.free = witness_free,
	};
	w->file = f;
	w->space = id;
	return &w->w;
}
