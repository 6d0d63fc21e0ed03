/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry: single entries, out of the walker's bulk spans. There can be hundreds of millions of them, and they
 * differ in little but the address: what an entry's flags look like is worked out once and kept (a label).
 */
#ifndef PW_RENDER_ENTRY_H
#define PW_RENDER_ENTRY_H

#include "render.h"

#define PW_LABEL_TEXT 640

/* All that the flags of an entry say, as a renderer writes it. */
struct pw_label {
	const struct pw_piece *piece;
	uint64_t flags;
	enum pw_level level;
	uint8_t perm_above;
	uint8_t perm; /* all levels; PW_PERM_UNKNOWN */
	uint16_t len;
	struct pw_entry entry; /* an entry with these flags; its pa is another */
	char text[PW_LABEL_TEXT];
};

struct pw_rec_entry {
	const struct pw_piece *piece;
	uint64_t va, slot_pa, raw, pa;
	uint8_t depth;
	const struct pw_label *label;
};

/* Writes a label's text for entry e; it is then copied from there. */
typedef void (*pw_label_fn)(struct pw_render *r, const struct pw_label *label);
typedef void (*pw_entry_fn)(struct pw_render *r, const struct pw_rec_entry *rec);

/* Calls fn for each entry that is not empty. */
void pw_entries_of_span(struct pw_render *r, const struct pw_span *span, pw_label_fn label, pw_entry_fn fn);

/* One entry alone: a step; or the entry that a hole is below of, if there is one. */
void pw_entry_alone(struct pw_render *r, const struct pw_step *step, pw_label_fn label, pw_entry_fn fn);
void pw_entry_of_hole(struct pw_render *r, const struct pw_hole *hole, pw_label_fn label, pw_entry_fn fn);

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
