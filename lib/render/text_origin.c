/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms of the commands that come from other projects: memalloc, va2pa, pagemap_dump. */
#include "bits.h"
#include "text.h"
#include "words.h"

/* ---- memalloc ---- */

/* "VA=0x7f3a5c200000 -> PA=0x1a2f3c000" */
void pw_text_page(struct pw_render *r, const struct pw_rec_page *p)
{
	struct pw_out *o = r->out;

	pw_out_room(o, PW_OUT_ROW);
	pw_out_str(o, "VA=0x");
	pw_out_hex(o, p->va);
	pw_out_str(o, " -> PA=");
	if (p->kind == PW_LEAF || p->pa != PW_PA_NONE) {
		pw_text_pa(r, p->pa, true);
	} else {
		pw_out_str(o, "none (");
		pw_out_str(o, p->swapped ? "swapped out" : pw_kind_name(p->kind));
		pw_out_char(o, ')');
	}
	pw_out_char(o, '\n');
}

static void number(struct pw_render *r, const char *before, uint64_t n, const char *one, const char *many)
{
	pw_out_str(r->out, before);
	pw_out_dec(r->out, n);
	pw_out_str(r->out, n == 1 ? one : many);
}

static void page_sizes(struct pw_render *r, const struct pw_rec_alloc *a)
{
	static const char *const size[] = { " x 4K", " x 2M", " x 1G" };
	bool any = false;

	for (unsigned i = 0; i < 3; i++) {
		if (!a->mapped[i])
			continue;
		pw_out_str(r->out, any ? ", " : "pages by size: ");
		pw_out_dec(r->out, a->mapped[i] >> (12 + 9 * i));
		pw_out_str(r->out, size[i]);
		any = true;
	}
	if (any)
		pw_out_char(r->out, '\n');
}

void pw_text_alloc_end(struct pw_render *r, const struct pw_rec_alloc *a)
{
	struct pw_out *o = r->out;

	pw_out_size(o, a->bytes, r->bytes);
	number(r, " in ", a->blocks, a->one_block ? " block" : " block of 4K",
	       a->one_block ? " blocks" : " blocks of 4K");
	number(r, ": ", a->pages, " page of 4K", " pages of 4K");
	if (a->absent)
		number(r, ", ", a->absent, " of them not in memory", " of them not in memory");
	pw_out_char(o, '\n');
	if (a->extents) {
		number(r, "", a->extents, " physically contiguous stretch", " physically contiguous stretches");
		pw_out_str(o, ", the longest of ");
		pw_out_size(o, a->longest << 12, r->bytes);
		pw_out_char(o, '\n');
	}
	if (a->sizes_known)
		page_sizes(r, a);
	else
		pw_out_str(o, "pages by size: not known, pagemap does not say\n");
	pw_text_alloc_pid(r, a);
}

void pw_text_alloc_pid(struct pw_render *r, const struct pw_rec_alloc *a)
{
	if (a->pid)
		number(r, "PID ", a->pid, " keeps it\n", " keeps it\n");
}

/* ---- va2pa ---- */

void pw_text_address(struct pw_render *r, const struct pw_translation *t)
{
	struct pw_entry e;
	uint64_t pa = t->pa;

	/* The kernel keeps the page, whatever the CPU may do with it. */
	if (t->verdict == PW_V_PROTNONE) {
		t->piece->mmu.arch->decode(&t->piece->mmu, t->path[t->npath - 1].level, t->path[t->npath - 1].raw, &e);
		pa = e.pa == PW_PA_NONE ? e.pa : e.pa | (t->va & (e.size - 1));
	}
	if (pa == PW_PA_NONE)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	pw_text_pa(r, pa, false);
	pw_out_char(r->out, '\n');
}

/* ---- pagemap_dump ---- */

/* Of the origin's six columns before the name, the first two are wide. */
void pw_text_pagemap_head(struct pw_render *r)
{
	pw_out_str(r->out, "addr               pfn           soft-dirty  file/shared  swapped  present  library\n");
}

static void flag(struct pw_out *o, uint64_t bit, unsigned width)
{
	pw_out_char(o, bit ? '1' : '0');
	pw_out_pad(o, width - 1);
}

static void hex_cell(struct pw_out *o, uint64_t v, unsigned width)
{
	size_t start = o->len;

	pw_out_str(o, "0x");
	pw_out_hex(o, v);
	pw_out_pad(o, o->len - start < width ? width - (o->len - start) : 1);
}

static void pfn_cell(struct pw_render *r, uint64_t word)
{
	struct pw_out *o = r->out;

	if (!(word & PW_WORD_PRESENT)) {
		pw_out_str(o, "-             ");
	} else if (word & PW_WORD_FRAME) {
		hex_cell(o, word & PW_WORD_FRAME, 14);
	} else {
		pw_out_str(o, "hidden        ");
		r->hidden = true;
	}
}

static void pagemap_line(struct pw_render *r, uint64_t va, uint64_t word)
{
	const struct pw_area *area = pw_render_area(r, va);
	struct pw_out *o = r->out;

	pw_out_room(o, PW_OUT_ROW);
	hex_cell(o, va, 19);
	pfn_cell(r, word);
	flag(o, word & PW_WORD_SOFT_DIRTY, 12);
	flag(o, word & PW_WORD_FILE, 13);
	flag(o, word & PW_WORD_SWAPPED, 9);
	flag(o, word & PW_WORD_PRESENT, 9);
	if (area)
		pw_out_name(o, area->path ? area->path : area->name);
	else
		pw_text_dash(r);
	pw_out_char(o, '\n');
}

void pw_text_pagemap(struct pw_render *r, const struct pw_span *span)
{
	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i] & PW_WORD_ANY)
			pagemap_line(r, span->va + (i << 12), span->raw[i]);
}
