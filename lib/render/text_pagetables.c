/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pagetables: what is below the tree: counts a level, page sizes, flags. */
#include <stdio.h>

#include "text.h"

uint64_t pw_pagetables_flag(const struct pw_rec_pagetables *p, const char *name, enum pw_level level)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->mmu->arch->nattrs; i++)
		if (!strcmp(p->mmu->arch->attrs[i].name, name))
			n += p->flags[i][level];
	return n;
}

/* Whether attribute i has the same name as one before it. */
static bool is_repeated(const struct pw_rec_pagetables *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(p->mmu->arch->attrs[k].name, p->mmu->arch->attrs[i].name))
			return true;
	return false;
}

const char *pw_pagetables_next_flag(const struct pw_rec_pagetables *p, size_t *i)
{
	while (*i < p->mmu->arch->nattrs) {
		const char *name = p->mmu->arch->attrs[*i].name;
		uint64_t n = 0;

		for (unsigned level = 0; level < PW_NLEVELS; level++)
			n += pw_pagetables_flag(p, name, level);
		if (!is_repeated(p, (*i)++) && n)
			return name;
	}
	return NULL;
}

/* A row: a word, then cells to the right. */
static void first_cell(struct pw_render *r, const char *text)
{
	char cell[32];

	pw_out_room(r->out, PW_OUT_ROW);
	snprintf(cell, sizeof(cell), "%-12s", text);
	pw_out_str(r->out, cell);
}

static void text_cell(struct pw_render *r, const char *text)
{
	char cell[32];

	snprintf(cell, sizeof(cell), " %10s", text);
	pw_out_str(r->out, cell);
}

static void number_cell(struct pw_render *r, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	text_cell(r, text);
}

static void end_row(struct pw_render *r)
{
	pw_out_char(r->out, '\n');
}

static void levels(struct pw_render *r, const struct pw_rec_pagetables *p)
{
	static const char *const heads[] = { "TABLES", "TABLE", "LEAF", "PROTNONE", "SOFT" };

	if (!r->noheadings) {
		first_cell(r, "LEVEL");
		for (unsigned i = 0; i < 5; i++)
			text_cell(r, heads[i]);
		end_row(r);
	}
	for (unsigned d = 0; d < p->depth; d++) {
		enum pw_level level = p->mmu->mode->lv[d].level;

		first_cell(r, pw_level_name(level));
		number_cell(r, p->tables[level]);
		for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
			number_cell(r, p->entries[level][kind]);
		end_row(r);
	}
}

static void bytes_cell(struct pw_render *r, uint64_t bytes)
{
	size_t start = r->out->len;
	char text[24] = "";

	pw_out_size(r->out, bytes, r->bytes);
	memcpy(text, r->out->buf + start, r->out->len - start);
	r->out->len = start;
	text_cell(r, text);
}

static void sizes(struct pw_render *r, const struct pw_rec_pagetables *p)
{
	static const char *const names[] = { "4K", "2M", "1G" };

	if (!r->noheadings) {
		first_cell(r, "PAGE SIZE");
		text_cell(r, "PAGES");
		text_cell(r, "BYTES");
		end_row(r);
	}
	for (unsigned d = p->depth; d-- > 0;) {
		const struct pw_mode_level *lv = &p->mmu->mode->lv[d];
		uint64_t pages = p->entries[lv->level][PW_LEAF];

		if (lv->level > PW_PUD)
			continue;
		first_cell(r, names[lv->level]);
		number_cell(r, pages);
		bytes_cell(r, pages << lv->shift);
		end_row(r);
	}
}

static void flags(struct pw_render *r, const struct pw_rec_pagetables *p)
{
	const struct pw_mode *mode = p->mmu->mode;
	const char *name;

	if (!r->noheadings) {
		first_cell(r, "FLAG");
		for (unsigned d = 0; d < p->depth; d++)
			text_cell(r, pw_level_name(mode->lv[d].level));
		end_row(r);
	}
	for (size_t i = 0; (name = pw_pagetables_next_flag(p, &i));) {
		first_cell(r, name);
		for (unsigned d = 0; d < p->depth; d++)
			number_cell(r, pw_pagetables_flag(p, name, mode->lv[d].level));
		end_row(r);
	}
}

void pw_text_pagetables(struct pw_render *r, const struct pw_rec_pagetables *p)
{
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->view == PW_VIEW_PAGETABLES && r->noheadings)
		return;
	if (r->view == PW_VIEW_PAGETABLES)
		end_row(r);
	levels(r, p);
	end_row(r);
	if (p->mmu->mode->lv[p->depth - 1].level <= PW_PUD) {
		sizes(r, p);
		end_row(r);
	}
	flags(r, p);
	/* The last line follows, if it is about all. */
	if (!r->noheadings && p->depth == p->mmu->mode->depth)
		end_row(r);
}
