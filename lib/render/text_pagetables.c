/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pagetables: what is below the tree: counts a level, page sizes, flags. */
#include "text.h"

static void levels(struct pw_render *r, const struct pw_counts *c)
{
	static const char *const heads[] = { "TABLES", "TABLE", "LEAF", "PROTNONE", "SOFT" };

	if (!r->noheadings) {
		pw_text_first(r, "LEVEL");
		for (unsigned i = 0; i < 5; i++)
			pw_text_cell(r, heads[i]);
		pw_text_end_row(r);
	}
	for (unsigned d = 0; d < c->depth; d++) {
		enum pw_level level = c->mmu->mode->lv[d].level;

		pw_text_first(r, pw_level_name(level));
		pw_text_number(r, c->tables[level]);
		for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
			pw_text_number(r, c->entries[level][kind]);
		pw_text_end_row(r);
	}
}

static void sizes(struct pw_render *r, const struct pw_counts *c)
{
	static const char *const names[] = { "4K", "2M", "1G" };

	if (!r->noheadings) {
		pw_text_first(r, "PAGE SIZE");
		pw_text_cell(r, "PAGES");
		pw_text_cell(r, "BYTES");
		pw_text_end_row(r);
	}
	for (unsigned d = c->depth; d-- > 0;) {
		const struct pw_mode_level *lv = &c->mmu->mode->lv[d];
		uint64_t pages = c->entries[lv->level][PW_LEAF];

		if (lv->level > PW_PUD)
			continue;
		pw_text_first(r, names[lv->level]);
		pw_text_number(r, pages);
		pw_text_bytes(r, pages << lv->shift);
		pw_text_end_row(r);
	}
}

void pw_text_flags(struct pw_render *r, const struct pw_counts *c)
{
	const struct pw_mode *mode = c->mmu->mode;
	const char *name;

	if (!r->noheadings) {
		pw_text_first(r, "FLAG");
		for (unsigned d = 0; d < c->depth; d++)
			pw_text_cell(r, pw_level_name(mode->lv[d].level));
		pw_text_end_row(r);
	}
	for (size_t i = 0; (name = pw_counts_next_flag(c, &i));) {
		pw_text_first(r, name);
		for (unsigned d = 0; d < c->depth; d++)
			pw_text_number(r, pw_counts_flag(c, name, mode->lv[d].level));
		pw_text_end_row(r);
	}
}

void pw_text_pagetables(struct pw_render *r, const struct pw_counts *c)
{
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->view == PW_VIEW_PAGETABLES && r->noheadings)
		return;
	if (r->view == PW_VIEW_PAGETABLES)
		pw_text_end_row(r);
	levels(r, c);
	pw_text_end_row(r);
	if (c->mmu->mode->lv[c->depth - 1].level <= PW_PUD) {
		sizes(r, c);
		pw_text_end_row(r);
	}
	pw_text_flags(r, c);
	/* The last line follows, if it is about all. */
	if (!r->noheadings && c->depth == c->mmu->mode->depth)
		pw_text_end_row(r);
}
