/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* translate: the way of one address, level by level, and what came of it. */
#include <string.h>

#include "bits.h"
#include "form.h"
#include "text.h"

struct path_row {
	const struct pw_piece *piece;
	const struct pw_path_item *item;
	struct pw_entry e;
};

static const struct path_row *row_of(const void *rec)
{
	return rec;
}

static void c_level(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_level_name(row_of(rec)->item->level));
}

static void c_slot(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, row_of(rec)->item->slot_pa, false);
}

static void c_raw(struct pw_render *r, const void *rec)
{
	pw_out_mem(r->out, "0x", 2);
	pw_out_hex16(r->out, row_of(rec)->item->raw);
}

static void c_points(struct pw_render *r, const void *rec)
{
	const struct pw_entry *e = &row_of(rec)->e;

	switch (e->kind) {
	case PW_NONE:
		pw_out_str(r->out, "nothing");
		return;
	case PW_SOFT:
		pw_out_str(r->out, pw_is_swap(e) ? "swap" : "soft");
		return;
	case PW_TABLE:
		pw_out_str(r->out, "table ");
		break;
	case PW_LEAF:
		pw_out_str(r->out, "page  ");
		break;
	case PW_PROTNONE:
		pw_out_str(r->out, "(page) ");
		break;
	}
	pw_text_pa(r, e->pa, e->kind == PW_LEAF);
}

static void c_own(struct pw_render *r, const void *rec)
{
	pw_text_own(r, &row_of(rec)->e);
}

static void c_bits(struct pw_render *r, const void *rec)
{
	pw_out_bits(r, &row_of(rec)->piece->mmu, &row_of(rec)->e);
}

PW_COLUMNS(path, { "level", "LEVEL", "level of the entry", 0, .put = c_level },
	   { "slot", "ENTRY AT", "physical address of the entry", 0, .put = c_slot },
	   { "raw", "RAW", "the entry's 64 bits", 0, .put = c_raw },
	   { "points", "POINTS TO", "what it points to", 0, .put = c_points },
	   { "own", "OWN", "permissions by the entry's own bits", 0, .put = c_own },
	   { "bits", "BITS", "what else the bits say", 0, .put = c_bits });

static bool leaf_only(const struct pw_translation *t)
{
	return t->piece && t->piece->mmu.arch == &pw_arch_pagemap;
}

/* "0x7f3a5c2d41b8 = pgd 254 | pud 233 | pmd 225 | pte 212 | offset 0x1b8" */
static void index_line(struct pw_render *r, const struct pw_translation *t)
{
	const struct pw_mode *mode = t->piece ? t->piece->mmu.mode : NULL;
	struct pw_out *o = r->out;
	unsigned depth = mode ? t->verdict == PW_MAPPED ? t->npath : mode->depth : 0;

	if (r->colour)
		pw_out_str(o, PW_BOLD);
	pw_out_str(o, "0x");
	pw_out_hex(o, t->va);
	if (r->colour)
		pw_out_str(o, PW_PLAIN);
	for (unsigned i = 0; i < depth && !leaf_only(t); i++) {
		pw_out_str(o, i ? " | " : " = ");
		pw_out_str(o, pw_level_name(mode->lv[i].level));
		pw_out_char(o, ' ');
		pw_out_dec(o, pw_index(&mode->lv[i], t->va));
	}
	if (depth && !leaf_only(t)) {
		pw_out_str(o, " | offset 0x");
		pw_out_hex(o, t->va & ((UINT64_C(1) << mode->lv[depth - 1].shift) - 1));
	}
	pw_out_char(o, '\n');
}

static void decode_last(const struct pw_translation *t, struct pw_entry *e)
{
	const struct pw_path_item *last = &t->path[t->npath - 1];

	t->piece->mmu.arch->decode(&t->piece->mmu, last->level, last->raw, e);
}

static void path_table(struct pw_render *r, const struct pw_translation *t)
{
	if (!t->npath || !pw_text_table(r))
		return;
	for (unsigned i = 0; i < t->npath; i++) {
		struct path_row row = { .piece = t->piece, .item = &t->path[i] };

		t->piece->mmu.arch->decode(&t->piece->mmu, row.item->level, row.item->raw, &row.e);
		pw_table_add(r, r->table, &row);
	}
	pw_out_char(r->out, '\n');
	pw_table_print(r, r->table);
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_char(r->out, '\n');
}

static int node_of(const struct pw_render *r, uint64_t pa)
{
	const struct pw_joins *j = r->head.joins;

	for (size_t i = 0; j && i < j->nnodes; i++)
		if (j->node[i].lo <= pa && pa <= j->node[i].last)
			return j->node[i].node;
	return -1;
}

/* Pads the value that began at start to the width of PA's, so that the remarks stand below one another. */
static void remark(struct pw_render *r, size_t start, size_t width)
{
	size_t len = r->out->len - start;

	pw_out_pad(r->out, len < width ? width - len + 2 : 2);
}

static void mapped_lines(struct pw_render *r, const struct pw_translation *t)
{
	uint64_t page_offset = r->head.target->facts.page_offset;
	struct pw_out *o = r->out;
	int node = node_of(r, t->pa);
	size_t start, width;

	pw_out_str(o, "PA    ");
	start = o->len;
	if (t->pa == PW_PA_NONE) {
		pw_out_str(o, "hidden");
		r->hidden = true;
	} else {
		pw_text_pa(r, t->pa, false);
	}
	width = o->len - start < 4 ? 4 : o->len - start;
	remark(r, start, width);
	pw_out_char(o, '(');
	pw_out_page_size(o, t->size);
	if (node >= 0) {
		pw_out_str(o, ", node ");
		pw_out_dec(o, node);
	}
	if (t->pa != PW_PA_NONE && page_offset != PW_PA_NONE && page_offset) {
		pw_out_str(o, "; direct map 0x");
		pw_out_hex(o, page_offset + t->pa);
	}
	pw_out_str(o, ")\nperm  ");
	start = o->len;
	pw_text_perm(r, t->perm);
	remark(r, start, width);
	pw_out_str(o, t->perm == PW_PERM_UNKNOWN ? "(pagemap does not say)\n" : "(paging bits, all levels)\n");
}

static void empty_why(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_out *o = r->out;

	if (leaf_only(t)) {
		pw_out_str(o, "not mapped");
	} else {
		pw_out_str(o, "the ");
		pw_out_str(o, pw_level_name(t->path[t->npath - 1].level));
		pw_out_str(o, " entry is empty");
	}
	if (t->piece->mmu.half == PW_HALF_USER && pw_render_area(r, t->va))
		pw_out_str(o, ": not touched yet, or given back");
}

static void soft_why(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_out *o = r->out;
	struct pw_entry e;

	decode_last(t, &e);
	if (e.has_swap) {
		pw_out_str(o, pw_is_swap(&e) ? "not in memory: " : "not in memory (migration, hwpoison or a marker): ");
		pw_text_swap(r, e.swap_type);
		pw_out_str(o, ", offset 0x");
		pw_out_hex(o, e.swap_offset);
	} else if (t->piece->mmu.half == PW_HALF_KERNEL) {
		pw_out_str(o, "taken out of the kernel's mapping");
		if (e.pa != PW_PA_NONE) {
			pw_out_str(o, ": it was 0x");
			pw_out_hex(o, e.pa | (t->va & (e.size - 1)));
		}
	} else {
		pw_out_str(o, "a marker of the kernel's, no page");
	}
}

static void protnone_why(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_entry e;

	decode_last(t, &e);
	pw_out_str(r->out, "PROT_NONE or a NUMA hint: the kernel keeps page 0x");
	pw_out_hex(r->out, e.pa);
	pw_out_str(r->out, " here, the CPU may not use it");
}

static void canonical_why(struct pw_render *r)
{
	const struct pw_mode *mode = r->head.space->piece[0].mmu.mode;
	uint64_t top = UINT64_C(1) << (mode->va_bits - 1);

	pw_out_str(r->out, "not canonical: ");
	pw_out_str(r->out, mode->name);
	pw_out_str(r->out, " paging has no addresses from 0x");
	pw_out_hex(r->out, top);
	pw_out_str(r->out, " to 0x");
	pw_out_hex(r->out, ~top);
}

static void reserved_why(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_entry e;

	decode_last(t, &e);
	pw_out_str(r->out, "reserved bits 0x");
	pw_out_hex(r->out, e.reserved);
	pw_out_str(r->out, " are set in the ");
	pw_out_str(r->out, pw_level_name(e.level));
	pw_out_str(r->out, " entry: the CPU faults");
}

static void inconsistent_why(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_entry e = { .pa = t->piece->root };

	if (t->npath)
		decode_last(t, &e);
	if (e.pa == PW_PA_NONE)
		pw_out_str(r->out, "inconsistent: the process has no VMA here");
	else
		pw_text_doubt(r->out, t->doubt, e.pa);
}

static void outside_why(struct pw_render *r, const struct pw_translation *t)
{
	bool kernel = t->va >> 63;

	pw_out_str(r->out, kernel ? "an address of the kernel half, which is not shown here"
				  : "an address of the user half, which is not shown here");
}

void pw_text_why(struct pw_render *r, const struct pw_translation *t)
{
	switch (t->verdict) {
	case PW_V_NONE:
		empty_why(r, t);
		break;
	case PW_V_SOFT:
		soft_why(r, t);
		break;
	case PW_V_PROTNONE:
		protnone_why(r, t);
		break;
	case PW_V_NON_CANONICAL:
		canonical_why(r);
		break;
	case PW_V_RESERVED:
		reserved_why(r, t);
		break;
	case PW_V_OUTSIDE:
		outside_why(r, t);
		break;
	case PW_V_UNSTABLE:
		pw_out_str(r->out, "unstable: the tables changed at each attempt");
		break;
	case PW_V_UNREADABLE:
		pw_out_str(r->out, "unreadable: the source cannot read the next table");
		break;
	case PW_V_NOT_RAM:
		pw_out_str(r->out, "not followed: the next table would be outside RAM");
		break;
	case PW_V_INCONSISTENT:
		inconsistent_why(r, t);
		break;
	default:
		break;
	}
}

static void near(struct pw_render *r, const struct pw_area *a, uint64_t distance, const char *where)
{
	pw_out_size(r->out, distance, false);
	pw_out_str(r->out, where);
	pw_text_range(r, a->lo, a->last);
	pw_out_char(r->out, ' ');
	pw_out_name(r->out, a->name);
}

static bool inside(const struct pw_area *a, const struct pw_range *r)
{
	return r->lo <= a->lo && a->last <= r->last;
}

/* The neighbours in the same half. */
static void nearest(struct pw_render *r, const struct pw_areas *areas, const struct pw_range *half, uint64_t va)
{
	size_t i = 0;
	bool below;

	while (i < areas->n && areas->v[i].last < va)
		i++;
	below = i && inside(&areas->v[i - 1], half);
	if (below) {
		pw_out_str(r->out, ": ");
		near(r, &areas->v[i - 1], va - areas->v[i - 1].last, " above ");
	}
	if (i < areas->n && inside(&areas->v[i], half)) {
		pw_out_str(r->out, below ? ", " : ": ");
		near(r, &areas->v[i], areas->v[i].lo - va, " below ");
	}
}

static void area_line(struct pw_render *r, const struct pw_translation *t)
{
	const struct pw_area *area = pw_render_area(r, t->va);
	const struct pw_space *space = r->head.space;
	bool kernel = t->piece && t->piece->mmu.half == PW_HALF_KERNEL;
	struct pw_out *o = r->out;

	if (!space->areas.n || !t->piece || (kernel && !area))
		return;
	pw_out_str(o, kernel ? "area  " : "VMA   ");
	if (!area) {
		pw_out_str(o, "none");
		nearest(r, &space->areas, &t->piece->va, t->va);
	} else {
		pw_text_range(r, area->lo, area->last);
		pw_out_char(o, ' ');
		pw_out_str(o, area->perms);
		if (area->perms[0])
			pw_out_char(o, ' ');
		pw_out_name(o, area->path ? area->path : area->name);
	}
	pw_out_char(o, '\n');
}

static void label(struct pw_render *r, const char *text, bool red)
{
	if (r->colour && red)
		pw_out_str(r->out, PW_RED);
	pw_out_str(r->out, text);
	if (r->colour && red)
		pw_out_str(r->out, PW_PLAIN);
}

static void page_line(struct pw_render *r, const struct pw_why *why)
{
	if (!why)
		return;
	pw_out_str(r->out, "page  ");
	pw_text_wrapped(r, why->text, 6);
	pw_out_char(r->out, '\n');
}

static void none_line(struct pw_render *r, const struct pw_translation *t, const struct pw_why *why)
{
	pw_out_str(r->out, "PA    ");
	label(r, "none", true);
	pw_out_str(r->out, "  ");
	if (why)
		pw_text_wrapped(r, why->text, 12);
	else
		pw_text_why(r, t);
	pw_out_char(r->out, '\n');
}

/* One line each: what was looked at, and what it said. */
static void evidence(struct pw_render *r, const struct pw_why *why)
{
	unsigned width = 0;

	for (size_t i = 0; i < why->n; i++)
		if (strlen(why->evidence[i].from) > width)
			width = (unsigned)strlen(why->evidence[i].from);
	for (size_t i = 0; i < why->n; i++) {
		const struct pw_evidence *e = &why->evidence[i];

		pw_out_str(r->out, i ? "      " : "why   ");
		pw_out_str(r->out, e->from);
		pw_out_pad(r->out, width + 2 - strlen(e->from));
		pw_text_wrapped(r, e->says, 6 + width + 2);
		pw_out_char(r->out, '\n');
	}
}

static void block(struct pw_render *r, const struct pw_rec_translation *rec)
{
	const struct pw_translation *t = rec->t;
	struct pw_out *o = r->out;

	index_line(r, t);
	if (!leaf_only(t))
		path_table(r, t);
	pw_out_room(o, PW_OUT_ROW);
	if (t->verdict == PW_MAPPED) {
		mapped_lines(r, t);
		page_line(r, rec->why);
	} else {
		none_line(r, t, rec->why);
	}
	area_line(r, t);
	if (rec->why && rec->evidence)
		evidence(r, rec->why);
}

/* ---- one line an address ---- */

enum brief_number { N_VA, N_PA, BRIEF_NUMBERS };

static void b_va(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, "0x");
	pw_form_hex(r, N_VA, ((const struct pw_translation *)rec)->va, 1);
}

static void b_pa(struct pw_render *r, const void *rec)
{
	const struct pw_translation *t = rec;

	pw_text_form_pa(r, N_PA, t->pa, t->verdict == PW_MAPPED);
}

static void b_size(struct pw_render *r, const void *rec)
{
	const struct pw_translation *t = rec;

	if (t->verdict != PW_MAPPED)
		pw_text_dash(r);
	else if (r->bytes)
		pw_out_dec(r->out, t->size);
	else
		pw_out_page_size(r->out, t->size);
}

static void b_perm(struct pw_render *r, const void *rec)
{
	const struct pw_translation *t = rec;

	if (t->verdict == PW_MAPPED)
		pw_text_perm(r, t->perm);
	else
		pw_text_dash(r);
}

static void b_verdict(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_verdict_name(((const struct pw_translation *)rec)->verdict));
}

static void b_name(struct pw_render *r, const void *rec)
{
	const struct pw_area *area = pw_render_area(r, ((const struct pw_translation *)rec)->va);

	if (area)
		pw_out_name(r->out, area->name);
	else
		pw_text_dash(r);
}

PW_COLUMNS(brief, { "va", "VA", "the address", 18, .put = b_va },
	   { "pa", "PA", "physical address of the byte", 14, .put = b_pa },
	   { "size", "SIZE", "of the page", 4, true, .put = b_size },
	   { "perm", "PERM", "permissions by all levels", 4, .put = b_perm },
	   { "verdict", "VERDICT", "mapped, or why not", 13, .put = b_verdict },
	   { "name", "NAME", "the VMA's or region's name", 10, .put = b_name });

/* There can be millions of them, and most are alike. */
static void brief(struct pw_render *r, const struct pw_translation *t)
{
	const uint64_t number[BRIEF_NUMBERS] = { [N_VA] = t->va, [N_PA] = t->pa };
	unsigned pa_digits = t->pa == PW_PA_NONE ? 0 : pw_hex_count(t->pa);
	const struct pw_form_key key = {
		.area = r->columns.by_area ? pw_render_area(r, t->va) : NULL,
		.bits = t->size,
		.shape = ((t->verdict << 8 | t->perm) << 5 | pw_hex_count(t->va)) << 5 | pa_digits,
	};

	if (pw_forms_of(r))
		pw_form_row(r, &key, number, pw_row, t);
}

void pw_text_translation(struct pw_render *r, const struct pw_rec_translation *rec)
{
	const struct pw_translation *t = rec->t;

	if (r->view == PW_VIEW_BRIEF) {
		brief(r, t);
		return;
	}
	if (r->view == PW_VIEW_ADDRESS) {
		pw_text_address(r, t);
		return;
	}
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->between)
		pw_out_char(r->out, '\n');
	r->between = true;
	block(r, rec);
}
