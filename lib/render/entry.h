/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry: single entries, out of the walker's bulk spans. There can be hundreds of millions of them, and they
 * differ in little but numbers: those of the same flags are rows of one form (form.h), and plain leaves need not be
 * decoded for that.
 */
#ifndef PW_RENDER_ENTRY_H
#define PW_RENDER_ENTRY_H

#include "form.h"
#include "render.h"

struct pw_rec_entry {
	const struct pw_piece *piece;
	uint64_t va, slot_pa; /* slot_pa PW_PA_NONE: of a leaf-only source */
	uint8_t depth;
	uint8_t perm; /* all levels; PW_PERM_UNKNOWN */
	struct pw_entry e;
};

/* The numbers of a row, for pw_form_hex() and pw_form_dec(); whatever else is in it depends on the other members alone. */
enum pw_entry_number { PW_N_VA, PW_N_SLOT, PW_N_TABLE, PW_N_INDEX, PW_N_RAW, PW_N_PA, PW_N_OFFSET, PW_ENTRY_NUMBERS };

/* A row for each entry that is not empty; fn writes those (a struct pw_rec_entry each) that are unlike any before. */
void pw_entries_of_span(struct pw_render *r, const struct pw_span *span, pw_row_fn fn);

/* One entry alone: a step; or the entry that a hole is below of, if there is one. */
void pw_entry_alone(struct pw_render *r, const struct pw_step *step, pw_row_fn fn);
void pw_entry_of_hole(struct pw_render *r, const struct pw_hole *hole, pw_row_fn fn);

static inline uint64_t pw_entry_table(const struct pw_rec_entry *rec)
{
	const struct pw_mode *mode = rec->piece->mmu.mode;

	return rec->slot_pa & ~((UINT64_C(8) << mode->lv[rec->depth].bits) - 1);
}

static inline unsigned pw_entry_index(const struct pw_rec_entry *rec)
{
	return pw_index(&rec->piece->mmu.mode->lv[rec->depth], rec->va);
}

#endif
