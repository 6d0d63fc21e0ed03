/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump --entries and --tree: a line an entry. */
#include "bits.h"
#include "entry.h"
#include "text.h"

static const struct pw_entry *entry_of(const void *rec)
{
	return &((const struct pw_rec_entry *)rec)->e;
}

static void c_va(struct pw_render *r, const void *rec)
{
	pw_form_hex(r, PW_N_VA, ((const struct pw_rec_entry *)rec)->va, r->va_digits);
}

static void c_level(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_level_name(entry_of(rec)->level));
}

static void c_index(struct pw_render *r, const void *rec)
{
	pw_form_dec(r, PW_N_INDEX, pw_entry_index(rec));
}

static void c_slot(struct pw_render *r, const void *rec)
{
	pw_text_form_pa(r, PW_N_SLOT, ((const struct pw_rec_entry *)rec)->slot_pa, false);
}

static void c_table(struct pw_render *r, const void *rec)
{
	const struct pw_rec_entry *e = rec;

	pw_text_form_pa(r, PW_N_TABLE, e->slot_pa == PW_PA_NONE ? PW_PA_NONE : pw_entry_table(e), false);
}

static void c_raw(struct pw_render *r, const void *rec)
{
	pw_out_mem(r->out, "0x", 2);
	pw_form_hex(r, PW_N_RAW, entry_of(rec)->raw, PW_DIGITS);
}

static void c_kind(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_kind_name(entry_of(rec)->kind));
}

static void c_pa(struct pw_render *r, const void *rec)
{
	pw_text_form_pa(r, PW_N_PA, entry_of(rec)->pa, entry_of(rec)->kind == PW_LEAF);
}

static void c_size(struct pw_render *r, const void *rec)
{
	if (r->bytes)
		pw_out_dec(r->out, entry_of(rec)->size);
	else
		pw_out_page_size(r->out, entry_of(rec)->size);
}

static void c_perm(struct pw_render *r, const void *rec)
{
	const struct pw_entry *e = entry_of(rec);

	if (e->kind == PW_SOFT)
		pw_out_str(r->out, pw_is_swap(e) ? "swap" : "soft");
	else if (e->kind == PW_NONE)
		pw_text_dash(r);
	else
		pw_text_perm(r, ((const struct pw_rec_entry *)rec)->perm);
}

static void c_own(struct pw_render *r, const void *rec)
{
	pw_text_own(r, entry_of(rec));
}

static void c_bits(struct pw_render *r, const void *rec)
{
	const struct pw_mmu *mmu = &((const struct pw_rec_entry *)rec)->piece->mmu;
	const struct pw_entry *e = entry_of(rec);

	if (r->view == PW_VIEW_PAGETABLES) {
		pw_out_flags(r, mmu, e);
		return;
	}
	if (e->kind == PW_PROTNONE)
		pw_out_str(r->out, e->attrs ? "protnone " : "protnone");
	pw_out_bits(r, mmu, e);
}

static void c_name(struct pw_render *r, const void *rec)
{
	const struct pw_area *area = pw_render_area(r, ((const struct pw_rec_entry *)rec)->va);

	if (area)
		pw_out_name(r->out, area->name);
	else
		pw_text_dash(r);
}

static void c_branch(struct pw_render *r, const void *rec)
{
	pw_out_pad(r->out, 2 * ((const struct pw_rec_entry *)rec)->depth);
	c_level(r, rec);
	pw_out_char(r->out, ' ');
	c_index(r, rec);
}

static void c_points(struct pw_render *r, const void *rec)
{
	const struct pw_entry *e = entry_of(rec);

	switch (e->kind) {
	case PW_TABLE:
		pw_out_str(r->out, "table ");
		break;
	case PW_LEAF:
	case PW_PROTNONE:
		pw_out_str(r->out, "page  ");
		break;
	case PW_SOFT:
		pw_out_str(r->out, pw_is_swap(e) ? "swap" : "soft");
		return;
	case PW_NONE:
		break;
	}
	pw_text_form_pa(r, PW_N_PA, e->pa, e->kind == PW_LEAF);
}

static void c_place(struct pw_render *r, const void *rec)
{
	pw_out_pad(r->out, 2 * ((const struct pw_rec_entry *)rec)->depth);
	c_index(r, rec);
}

#define TAIL()                                                                                   \
	{ "index", "INDEX", "number of the slot in its table", 5, true, true, c_index },         \
		{ "table", "TABLE", "physical address of the table", 12, false, true, c_table }, \
		{ "kind", "KIND", "table, leaf, protnone or soft", 8, false, true, c_kind },     \
	{                                                                                        \
		"name", "NAME", "the VMA's or region's name", 10, false, true, c_name            \
	}

PW_COLUMNS(entry, { "va", "VA", "first address that the entry covers", 12, .put = c_va },
	   { "level", "LEVEL", "level of the entry", 5, .put = c_level },
	   { "slot", "ENTRY AT", "physical address of the entry", 11, .put = c_slot },
	   { "raw", "RAW", "the entry's 64 bits", 18, .put = c_raw },
	   { "pa", "PA", "physical address that it points to", 11, .put = c_pa },
	   { "size", "SIZE", "bytes that it covers", 4, true, .put = c_size },
	   { "perm", "PERM", "permissions by all levels; swap, soft: not in memory", 4, .put = c_perm },
	   { "bits", "BITS", "what else the bits say", 24, .put = c_bits },
	   { "own", "OWN", "permissions by the entry's own bits", 4, false, true, c_own }, TAIL());

PW_COLUMNS(tree, { "va", "VA", "first address that the entry covers", 12, .put = c_va },
	   { "level", "LEVEL", "level and index, indented", 15, .put = c_branch },
	   { "slot", "ENTRY AT", "physical address of the entry", 11, .put = c_slot },
	   { "raw", "RAW", "the entry's 64 bits", 18, .put = c_raw },
	   { "points", "POINTS TO", "what it points to", 17, .put = c_points },
	   { "own", "OWN", "permissions by the entry's own bits", 4, .put = c_own },
	   { "bits", "BITS", "what else the bits say", 24, .put = c_bits },
	   { "perm", "PERM", "permissions by all levels; swap, soft: not in memory", 4, false, true, c_perm },
	   { "pa", "PA", "physical address that it points to", 11, false, true, c_pa },
	   { "size", "SIZE", "bytes that it covers", 4, true, true, c_size }, TAIL());

PW_COLUMNS(pagetables, { "index", "INDEX", "number of the slot in its table, indented by level", 12, .put = c_place },
	   { "pa", "PA", "physical address that it points to", 11, .put = c_pa },
	   { "flags", "FLAGS", "all flags of the entry", 40, .put = c_bits },
	   { "va", "VA", "first address that the entry covers", 12, false, true, c_va },
	   { "level", "LEVEL", "level of the entry", 5, false, true, c_level },
	   { "slot", "ENTRY AT", "physical address of the entry", 11, false, true, c_slot },
	   { "raw", "RAW", "the entry's 64 bits", 18, false, true, c_raw },
	   { "kind", "KIND", "table, leaf, protnone or soft", 8, false, true, c_kind },
	   { "size", "SIZE", "bytes that it covers", 4, true, true, c_size },
	   { "perm", "PERM", "permissions by all levels; swap, soft: not in memory", 4, false, true, c_perm });

void pw_text_step(struct pw_render *r, const struct pw_step *step)
{
	pw_entry_alone(r, step, pw_row);
}

void pw_text_span(struct pw_render *r, const struct pw_span *span)
{
	if (r->view == PW_VIEW_PAGEMAP)
		pw_text_pagemap(r, span);
	else
		pw_entries_of_span(r, span, pw_row);
}

/* A line of its own form; where an entry leads there, that entry comes first. */
void pw_text_hole(struct pw_render *r, const struct pw_hole *hole)
{
	pw_entry_of_hole(r, hole, pw_row);
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->colour && hole->reason != PW_HOLE_ALIAS)
		pw_out_str(r->out, PW_YELLOW);
	pw_text_range(r, hole->va, hole->last);
	pw_out_str(r->out, "  ");
	pw_text_reason(r, hole);
	if (r->colour && hole->reason != PW_HOLE_ALIAS)
		pw_out_str(r->out, PW_PLAIN);
	pw_out_char(r->out, '\n');
}
