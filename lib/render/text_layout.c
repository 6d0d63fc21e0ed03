/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layout: all addresses as regions, and what single ones are. */
#include "text.h"

static const struct pw_rec_region *region_of(const void *rec)
{
	return rec;
}

static void bytes_cell(struct pw_render *r, const void *rec, uint64_t bytes)
{
	enum pw_region is = region_of(rec)->area->region;

	if (!region_of(rec)->walked && is != PW_REGION_HOLE && is != PW_REGION_NON_CANONICAL)
		pw_out_char(r->out, '?');
	else if (bytes)
		pw_out_size(r->out, bytes, r->bytes);
	else
		pw_text_dash(r);
}

static void g_range(struct pw_render *r, const void *rec)
{
	pw_text_range(r, region_of(rec)->area->lo, region_of(rec)->area->last);
}

/* In the largest unit that divides it, as these sizes are round, or else as all others. */
static void g_size(struct pw_render *r, const void *rec)
{
	uint64_t bytes = region_of(rec)->area->last - region_of(rec)->area->lo + 1;
	size_t start = r->out->len;

	if (!r->bytes)
		pw_out_page_size(r->out, bytes);
	if (r->bytes || r->out->len - start > 6) {
		r->out->len = start;
		pw_out_size(r->out, bytes, r->bytes);
	}
}

static void g_4k(struct pw_render *r, const void *rec)
{
	bytes_cell(r, rec, region_of(rec)->bytes[0]);
}

static void g_2m(struct pw_render *r, const void *rec)
{
	bytes_cell(r, rec, region_of(rec)->bytes[1]);
}

static void g_1g(struct pw_render *r, const void *rec)
{
	bytes_cell(r, rec, region_of(rec)->bytes[2]);
}

static void g_tables(struct pw_render *r, const void *rec)
{
	bytes_cell(r, rec, region_of(rec)->table_bytes);
}

static void g_mapped(struct pw_render *r, const void *rec)
{
	const struct pw_rec_region *g = rec;

	bytes_cell(r, rec, g->bytes[0] + g->bytes[1] + g->bytes[2]);
}

static void g_name(struct pw_render *r, const void *rec)
{
	const struct pw_area *a = region_of(rec)->area;

	if (a->region == PW_REGION_HOLE || a->region == PW_REGION_NON_CANONICAL)
		r->cell_colour = PW_DIM;
	pw_out_name(r->out, a->name);
}

static void g_kind(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_region_name(region_of(rec)->area->region));
}

static void g_found(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, region_of(rec)->area->found);
}

PW_COLUMNS(region, { "range", "RANGE", "addresses, the end excluded", 0, .put = g_range },
	   { "size", "SIZE", "bytes of address space", 0, true, .put = g_size },
	   { "4k", "4K", "mapped in 4K pages", 0, true, .put = g_4k },
	   { "2m", "2M", "mapped in 2M pages", 0, true, .put = g_2m },
	   { "1g", "1G", "mapped in 1G pages", 0, true, .put = g_1g },
	   { "tables", "TABLES", "tables below the root; a shared one counts for its first page", 0, true,
	     .put = g_tables },
	   { "name", "NAME", "what the range is for", 0, .put = g_name },
	   { "mapped", "MAPPED", "mapped in pages of any size", 0, true, true, g_mapped },
	   { "kind", "KIND", "user, logical, virtual, hole, non-canonical or unknown", 0, false, true, g_kind },
	   { "found", "FOUND", "how its bounds were found", 0, false, true, g_found, true });

/* By how much KASLR moved the image. */
void pw_text_layout_end(struct pw_render *r, const struct pw_rec_end *e)
{
	uint64_t moved = r->head.target->facts.image_offset;
	struct pw_out *o = r->out;

	if (!e->has_walk) {
		pw_out_str(o, "no exact source: what is mapped is not known (?); see 'pagewalk doctor'\n");
		return;
	}
	if (moved == PW_PA_NONE)
		return;
	pw_out_str(o, "the kernel's image is ");
	if (moved) {
		pw_out_str(o, "0x");
		pw_out_hex(o, moved);
		pw_out_str(o, " above its place (KASLR)\n");
	} else {
		pw_out_str(o, "in its place (no KASLR)\n");
	}
}

/* ---- single addresses ---- */

static const struct pw_rec_place *place_of(const void *rec)
{
	return rec;
}

static void a_va(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, "0x");
	pw_out_hex(r->out, place_of(rec)->va);
}

static void a_kind(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_region_name(place_of(rec)->area->region));
}

static void a_name(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, place_of(rec)->area->name);
}

static void a_offset(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, "0x");
	pw_out_hex(r->out, place_of(rec)->va - place_of(rec)->area->lo);
}

static void a_pa(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, place_of(rec)->pa, false);
}

static void mapping(struct pw_render *r, const struct pw_translation *t)
{
	char perm[5];

	if (!t) {
		pw_out_str(r->out, "not looked up: needs an exact source");
	} else if (t->verdict == PW_MAPPED) {
		pw_out_page_size(r->out, t->size);
		pw_out_str(r->out, " page, ");
		pw_out_str(r->out, pw_perm_text(t->perm, perm));
	} else {
		pw_out_str(r->out, "not mapped: ");
		pw_text_why(r, t);
	}
}

static void a_what(struct pw_render *r, const void *rec)
{
	const struct pw_rec_place *p = rec;
	struct pw_out *o = r->out;

	switch (p->area->region) {
	case PW_REGION_USER:
		pw_out_str(o, "of a process: pagewalk translate PID ADDR");
		break;
	case PW_REGION_HOLE:
	case PW_REGION_NON_CANONICAL:
		pw_out_str(o, p->area->region == PW_REGION_HOLE ? "nothing is put there" : "no address at all");
		break;
	case PW_REGION_UNKNOWN:
		pw_out_str(o, p->area->found);
		break;
	case PW_REGION_VMEMMAP:
		if (p->frame != PW_PA_NONE) {
			pw_out_str(o, "struct page of frame 0x");
			pw_out_hex(o, p->frame);
			pw_out_str(o, "; ");
		}
		mapping(r, p->t);
		break;
	default:
		mapping(r, p->t);
	}
}

PW_COLUMNS(place, { "va", "VA", "the address", 0, .put = a_va },
	   { "kind", "KIND", "user, logical, virtual, hole, non-canonical or unknown", 0, .put = a_kind },
	   { "name", "NAME", "of the region", 0, .put = a_name },
	   { "pa", "PA", "physical address: of the direct map by distance, else as mapped", 0, .put = a_pa },
	   { "what", "WHAT", "how it is mapped, or why not", 0, .put = a_what, .wraps = true },
	   { "offset", "OFFSET", "from the region's start", 0, false, true, a_offset });
