/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_origin.h"

#include "bits.h"
#include "words.h"

static const char *const mapped_keys[] = { "mapped_4k", "mapped_2m", "mapped_1g" };

static void open_rec(struct pw_render *r, struct pw_json *j, const char *rec)
{
	j->out = r->out;
	pw_json_open(j, rec);
}

static void num_or_null(struct pw_json *j, const char *key, bool known, uint64_t value)
{
	if (known)
		pw_json_num(j, key, value);
	else
		pw_json_null(j, key);
}

/* ---- layout ---- */

void pw_json_region(struct pw_render *r, const struct pw_rec_region *region)
{
	const struct pw_area *a = region->area;
	struct pw_json j;

	open_rec(r, &j, "region");
	pw_json_hex(&j, "va", a->lo);
	pw_json_end_of(&j, "end", a->last);
	pw_json_str(&j, "kind", pw_region_name(a->region));
	pw_json_str(&j, "name", a->name);
	pw_json_num(&j, "bytes", a->last - a->lo + 1);
	num_or_null(&j, "mapped", region->walked, region->bytes[0] + region->bytes[1] + region->bytes[2]);
	for (unsigned i = 0; i < 3; i++)
		num_or_null(&j, mapped_keys[i], region->walked, region->bytes[i]);
	num_or_null(&j, "tables", region->walked, region->tables);
	num_or_null(&j, "table_bytes", region->walked, region->table_bytes);
	pw_json_str(&j, "found", a->found);
	pw_json_close(&j);
}

void pw_json_layout(struct pw_render *r)
{
	const struct pw_facts *f = &r->head.target->facts;
	struct pw_json j;

	open_rec(r, &j, "layout");
	pw_json_pa(&j, "image_offset", f->image_offset);
	pw_json_pa(&j, "page_offset", f->page_offset);
	num_or_null(&j, "struct_page", f->struct_page, f->struct_page);
	pw_json_close(&j);
}

void pw_json_place(struct pw_render *r, const struct pw_rec_place *place)
{
	const struct pw_translation *t = place->t;
	struct pw_json j;

	open_rec(r, &j, "place");
	pw_json_hex(&j, "va", place->va);
	pw_json_str(&j, "kind", pw_region_name(place->area->region));
	pw_json_str(&j, "name", place->area->name);
	pw_json_hex(&j, "offset", place->va - place->area->lo);
	pw_json_pa(&j, "pa", place->pa);
	num_or_null(&j, "frame", place->frame != PW_PA_NONE, place->frame);
	pw_json_str(&j, "verdict", t ? pw_verdict_name(t->verdict) : NULL);
	num_or_null(&j, "size", t && t->verdict == PW_MAPPED, t ? t->size : 0);
	pw_json_perm(&j, "perm", t && t->verdict == PW_MAPPED ? t->perm : PW_PERM_UNKNOWN);
	pw_json_str(&j, "found", place->area->found);
	pw_json_close(&j);
}

/* ---- alloc ---- */

void pw_json_page(struct pw_render *r, const struct pw_rec_page *page)
{
	struct pw_json j;

	pw_out_room(r->out, PW_OUT_ROW);
	open_rec(r, &j, "page");
	pw_json_hex(&j, "va", page->va);
	pw_json_pa(&j, "pa", page->pa);
	num_or_null(&j, "size", page->size, page->size);
	pw_json_str(&j, "kind", pw_kind_name(page->kind));
	pw_json_close(&j);
	if (page->kind == PW_LEAF && page->pa == PW_PA_NONE)
		r->hidden = true;
}

void pw_json_alloc(struct pw_render *r, const struct pw_rec_alloc *a)
{
	struct pw_json j;

	open_rec(r, &j, "alloc");
	pw_json_str(&j, "block", a->one_block ? "1G" : "4K");
	pw_json_num(&j, "bytes", a->bytes);
	pw_json_num(&j, "blocks", a->blocks);
	pw_json_num(&j, "pages", a->pages);
	pw_json_num(&j, "absent", a->absent);
	num_or_null(&j, "extents", a->extents, a->extents);
	num_or_null(&j, "longest", a->extents, a->longest);
	for (unsigned i = 0; i < 3; i++)
		num_or_null(&j, mapped_keys[i], a->sizes_known, a->mapped[i]);
	num_or_null(&j, "pid", a->pid, a->pid);
	pw_json_close(&j);
}

/* ---- pagemap_dump ---- */

static void pagemap_word(struct pw_render *r, uint64_t va, uint64_t word)
{
	const struct pw_area *area = pw_render_area(r, va);
	bool present = word & PW_WORD_PRESENT, swapped = word & PW_WORD_SWAPPED;
	uint64_t frame = word & PW_WORD_FRAME;
	struct pw_json j;

	pw_out_room(r->out, PW_OUT_ROW);
	open_rec(r, &j, "pagemap");
	pw_json_str(&j, "target", r->head.name);
	pw_json_hex(&j, "va", va);
	pw_json_hex(&j, "raw", word);
	num_or_null(&j, "pfn", present && frame, frame);
	pw_json_bool(&j, "soft_dirty", word & PW_WORD_SOFT_DIRTY);
	pw_json_bool(&j, "file", word & PW_WORD_FILE);
	pw_json_bool(&j, "swapped", swapped);
	pw_json_bool(&j, "present", present);
	if (swapped && !present && frame) {
		pw_json_begin(&j, "swap", '{');
		pw_json_num(&j, "type", frame & 31);
		pw_json_hex(&j, "offset", frame >> 5);
		pw_json_end(&j, '}');
	}
	pw_json_str(&j, "name", area ? area->name : NULL);
	pw_json_str(&j, "path", area ? area->path : NULL);
	pw_json_close(&j);
	if (present && !frame)
		r->hidden = true;
}

void pw_json_pagemap(struct pw_render *r, const struct pw_span *span)
{
	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i] & PW_WORD_ANY)
			pagemap_word(r, span->va + (i << 12), span->raw[i]);
}
