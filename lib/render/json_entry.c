/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs, entries, holes and translations as JSON. */
#include "bits.h"
#include "entry.h"
#include "json_entry.h"
#include "json_origin.h"
#include "run.h"

/* As pw_json_hex() and pw_json_pa(). */
static void form_hex(struct pw_render *r, struct pw_json *j, const char *key, unsigned number, uint64_t v)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "\"0x", 3);
	pw_form_hex(r, number, v, 1);
	pw_out_char(j->out, '"');
}

static void form_pa(struct pw_render *r, struct pw_json *j, const char *key, unsigned number, uint64_t pa)
{
	if (pa == PW_PA_NONE)
		pw_json_null(j, key);
	else
		form_hex(r, j, key, number, pa);
}

static void form_end(struct pw_render *r, struct pw_json *j, const char *key, unsigned number, uint64_t last)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "\"0x", 3);
	pw_form_hex_end(r, number, last, 1);
	pw_out_char(j->out, '"');
}

static void run_attrs(struct pw_render *r, struct pw_json *j, const struct pw_run *run)
{
	const struct pw_mmu *mmu = &run->piece->mmu;
	struct pw_entry e, all;

	mmu->arch->decode(mmu, run->level, run->raw_first, &e);
	if (run->kind == PW_LEAF || run->kind == PW_PROTNONE) {
		mmu->arch->decode(mmu, run->level, run->raw_and, &all);
		e.attrs &= all.attrs;
	}
	pw_json_bits(r, j, mmu, &e);
}

static void put_run(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, run->is_hole ? "hole" : "run");
	pw_json_str(&j, "target", r->head.name);
	form_hex(r, &j, "va", PW_R_VA, run->va);
	form_end(r, &j, "end", PW_R_END, run->last);
	if (run->is_hole) {
		pw_json_str(&j, "level", pw_level_name(run->level));
		pw_json_hex(&j, "raw", run->raw_first);
		pw_json_str(&j, "reason", pw_hole_name(run->reason));
		if (run->reason == PW_HOLE_ALIAS)
			pw_json_hex(&j, "alias_va", run->alias_va);
		if (run->doubt)
			pw_json_str(&j, "doubt", pw_doubt_name(run->doubt));
	} else {
		pw_json_str(&j, "kind", pw_kind_name(run->kind));
		form_pa(r, &j, "pa", PW_R_PA, run->pa);
		pw_json_num(&j, "size", run->page_size);
		pw_json_num(&j, "pages", run->pages);
		run_attrs(r, &j, run);
		pw_json_perm(&j, "perm", run->kind == PW_LEAF ? run->perm : 0);
		pw_json_str(&j, "level", pw_level_name(run->level));
		pw_json_num(&j, "accessed", run->accessed);
		pw_json_num(&j, "dirty", run->dirty);
		pw_json_num(&j, "extents", run->extents);
		if (run->kind == PW_LEAF && run->pa == PW_PA_NONE)
			r->hidden = true;
	}
	pw_json_str(&j, "name", run->area ? run->area->name : NULL);
	if (run->area && run->area->path)
		pw_json_str(&j, "path", run->area->path);
	pw_json_close(&j);
}

static void put_entry(struct pw_render *r, const void *of)
{
	const struct pw_rec_entry *rec = of;
	const struct pw_entry *e = &rec->e;
	bool has_slot = rec->slot_pa != PW_PA_NONE;
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, "entry");
	pw_json_str(&j, "target", r->head.name);
	form_hex(r, &j, "va", PW_N_VA, rec->va);
	pw_json_str(&j, "level", pw_level_name(e->level));
	form_pa(r, &j, "table", PW_N_TABLE, has_slot ? pw_entry_table(rec) : PW_PA_NONE);
	form_pa(r, &j, "slot", PW_N_SLOT, rec->slot_pa);
	if (has_slot) {
		pw_json_key(&j, "index");
		pw_form_dec(r, PW_N_INDEX, pw_entry_index(rec));
	} else {
		pw_json_null(&j, "index");
	}
	form_hex(r, &j, "raw", PW_N_RAW, e->raw);
	pw_json_str(&j, "kind", pw_kind_name(e->kind));
	pw_json_bool(&j, "hw", e->hw);
	form_pa(r, &j, "pa", PW_N_PA, e->pa);
	pw_json_num(&j, "size", e->size);
	pw_json_bits(r, &j, &rec->piece->mmu, e);
	pw_json_perm(&j, "perm", rec->perm);
	pw_json_perm(&j, "own", e->perm);
	pw_json_close(&j);
}

void pw_json_run(struct pw_render *r, const struct pw_run *run)
{
	pw_put_run(r, run, put_run);
}

void pw_json_step(struct pw_render *r, const struct pw_step *step)
{
	pw_entry_alone(r, step, put_entry);
}

void pw_json_span(struct pw_render *r, const struct pw_span *span)
{
	if (r->view == PW_VIEW_PAGEMAP)
		pw_json_pagemap(r, span);
	else
		pw_entries_of_span(r, span, put_entry);
}

void pw_json_hole(struct pw_render *r, const struct pw_hole *hole)
{
	struct pw_json j = { .out = r->out };

	if (r->view == PW_VIEW_TREE)
		pw_entry_of_hole(r, hole, put_entry);
	pw_json_open(&j, "hole");
	pw_json_str(&j, "target", r->head.name);
	pw_json_hex(&j, "va", hole->va);
	pw_json_end_of(&j, "end", hole->last);
	pw_json_str(&j, "level", pw_level_name(hole->level));
	pw_json_pa(&j, "slot", hole->slot_pa);
	pw_json_hex(&j, "raw", hole->raw);
	pw_json_str(&j, "reason", pw_hole_name(hole->reason));
	if (hole->reason == PW_HOLE_ALIAS)
		pw_json_hex(&j, "alias_va", hole->alias_va);
	if (hole->doubt)
		pw_json_str(&j, "doubt", pw_doubt_name(hole->doubt));
	pw_json_close(&j);
}

static void path_item(struct pw_render *r, struct pw_json *j, const struct pw_translation *t,
		      const struct pw_path_item *item)
{
	const struct pw_mmu *mmu = &t->piece->mmu;
	struct pw_entry e;

	mmu->arch->decode(mmu, item->level, item->raw, &e);
	pw_json_begin(j, NULL, '{');
	pw_json_str(j, "level", pw_level_name(item->level));
	pw_json_pa(j, "slot", item->slot_pa);
	if (item->slot_pa == PW_PA_NONE)
		pw_json_null(j, "index");
	else
		pw_json_num(j, "index", item->index);
	pw_json_hex(j, "raw", item->raw);
	pw_json_str(j, "kind", pw_kind_name(e.kind));
	pw_json_bool(j, "hw", e.hw);
	pw_json_pa(j, "pa", e.pa);
	pw_json_num(j, "size", e.size);
	pw_json_bits(r, j, mmu, &e);
	pw_json_perm(j, "own", e.perm);
	pw_json_end(j, '}');
}

static void why(struct pw_json *j, const struct pw_rec_translation *rec)
{
	if (!rec->why)
		return;
	pw_json_str(j, "why", pw_reason_name(rec->why->reason));
	pw_json_str(j, "reason", rec->why->text);
	pw_json_str(j, "not_larger", pw_small_name(rec->why->small));
	if (!rec->evidence)
		return;
	pw_json_begin(j, "evidence", '[');
	for (size_t i = 0; i < rec->why->n; i++) {
		pw_json_begin(j, NULL, '{');
		pw_json_str(j, "from", rec->why->evidence[i].from);
		pw_json_str(j, "says", rec->why->evidence[i].says);
		pw_json_end(j, '}');
	}
	pw_json_end(j, ']');
}

void pw_json_translation(struct pw_render *r, const struct pw_rec_translation *rec)
{
	const struct pw_translation *t = rec->t;
	const struct pw_area *area = pw_render_area(r, t->va);
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, "translation");
	pw_json_str(&j, "target", r->head.name);
	pw_json_hex(&j, "va", t->va);
	pw_json_str(&j, "verdict", pw_verdict_name(t->verdict));
	if (t->doubt)
		pw_json_str(&j, "doubt", pw_doubt_name(t->doubt));
	pw_json_pa(&j, "pa", t->pa);
	pw_json_num(&j, "size", t->size);
	pw_json_perm(&j, "perm", t->verdict == PW_MAPPED ? t->perm : 0);
	pw_json_str(&j, "name", area ? area->name : NULL);
	why(&j, rec);
	pw_json_begin(&j, "path", '[');
	for (unsigned i = 0; i < t->npath; i++)
		path_item(r, &j, t, &t->path[i]);
	pw_json_end(&j, ']');
	pw_json_close(&j);
	if (t->verdict == PW_MAPPED && t->pa == PW_PA_NONE)
		r->hidden = true;
}
