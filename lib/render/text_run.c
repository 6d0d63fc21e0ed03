/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump's usual form: a line a run. */
#include "bits.h"
#include "run.h"
#include "text.h"

static void decode_first(const struct pw_run *run, struct pw_entry *e)
{
	run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_first, e);
}

static bool in_memory(const struct pw_run *run)
{
	return !run->is_hole && (run->kind == PW_LEAF || run->kind == PW_PROTNONE);
}

/* The CPU faults on such a leaf: it maps nothing. */
static bool reserved(const struct pw_run *run)
{
	struct pw_entry e;

	decode_first(run, &e);
	return run->kind == PW_LEAF && e.reserved;
}

static void c_va(struct pw_render *r, const void *rec)
{
	pw_form_hex(r, PW_R_VA, ((const struct pw_run *)rec)->va, r->va_digits);
}

static void c_end(struct pw_render *r, const void *rec)
{
	pw_form_hex_end(r, PW_R_END, ((const struct pw_run *)rec)->last, r->va_digits);
}

static void c_range(struct pw_render *r, const void *rec)
{
	c_va(r, rec);
	pw_out_char(r->out, '-');
	c_end(r, rec);
}

static void c_size(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	pw_out_size(r->out, run->last - run->va + 1, r->bytes);
}

static void c_kind(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	pw_out_str(r->out, run->is_hole ? pw_hole_name(run->reason) : pw_kind_name(run->kind));
}

static void c_perm(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;
	struct pw_entry e;

	if (run->is_hole) {
		pw_text_dash(r);
	} else if (run->kind == PW_SOFT) {
		decode_first(run, &e);
		pw_out_str(r->out, pw_is_swap(&e) ? "swap" : "soft");
	} else if (run->kind == PW_PROTNONE || reserved(run)) {
		pw_out_str(r->out, "----");
	} else {
		pw_text_perm(r, run->perm);
	}
}

static void c_pages(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	if (run->is_hole) {
		pw_text_dash(r);
		return;
	}
	pw_out_dec(r->out, run->pages);
	pw_out_str(r->out, " x ");
	pw_out_page_size(r->out, run->page_size);
}

static void c_page_size(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	if (run->is_hole)
		pw_text_dash(r);
	else if (r->bytes)
		pw_out_dec(r->out, run->page_size);
	else
		pw_out_page_size(r->out, run->page_size);
}

static void percent(struct pw_render *r, const struct pw_run *run, uint64_t n, bool dirty)
{
	struct pw_leaf_format fmt = { 0 };

	if (run->is_hole) {
		pw_text_dash(r);
		return;
	}
	run->piece->mmu.arch->leaf_format(&run->piece->mmu, run->level, &fmt);
	if (!in_memory(run) || !(dirty ? fmt.dirty : fmt.accessed))
		pw_text_dash(r);
	else if (n)
		pw_out_dec(r->out, n * 100 / run->pages ? n * 100 / run->pages : 1);
	else
		pw_out_char(r->out, '0');
}

static void c_accessed(struct pw_render *r, const void *rec)
{
	percent(r, rec, ((const struct pw_run *)rec)->accessed, false);
}

static void c_dirty(struct pw_render *r, const void *rec)
{
	percent(r, rec, ((const struct pw_run *)rec)->dirty, true);
}

static void extents(struct pw_render *r, const struct pw_run *run)
{
	struct pw_out *o = r->out;

	if (run->pa == PW_PA_NONE || run->extents == 0) {
		pw_text_pa(r, PW_PA_NONE, true);
	} else if (run->extents == 1) {
		pw_text_form_pa(r, PW_R_PA, run->pa, false);
		if (run->kind == PW_PROTNONE)
			return; /* the word before takes the room */
		pw_out_char(o, '-');
		pw_form_hex_end(r, PW_R_PA_END, run->pa + run->pages * run->page_size - 1, 1);
	} else {
		pw_out_dec(o, run->extents);
		pw_out_str(o, " extents");
	}
}

static void hole_phys(struct pw_render *r, const struct pw_run *run)
{
	static const char *const what[] = {
		[PW_HOLE_UNSTABLE] = "unstable",
		[PW_HOLE_UNREADABLE] = "unreadable table",
		[PW_HOLE_NOT_RAM] = "table outside RAM",
		[PW_HOLE_RESERVED] = "reserved bits: faults",
		[PW_HOLE_ALIAS] = "as ",
		[PW_HOLE_BUDGET] = "not looked at",
		[PW_HOLE_INCONSISTENT] = "inconsistent",
	};

	pw_out_str(r->out, what[run->reason]);
	if (run->doubt) {
		pw_out_str(r->out, ": ");
		pw_out_str(r->out, pw_doubt_name(run->doubt));
	}
	if (run->reason == PW_HOLE_ALIAS)
		pw_out_hexn(r->out, run->alias_va, r->va_digits);
	else
		r->cell_colour = PW_YELLOW;
}

static void c_phys(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;
	struct pw_entry e;

	if (run->is_hole) {
		hole_phys(r, run);
		return;
	}
	if (run->kind == PW_SOFT) {
		decode_first(run, &e);
		if (e.has_swap)
			pw_text_swap(r, e.swap_type);
		else
			pw_text_dash(r);
		return;
	}
	if (reserved(run)) {
		pw_out_str(r->out, "reserved bits: faults");
		r->cell_colour = PW_YELLOW;
		return;
	}
	if (run->kind == PW_PROTNONE)
		pw_out_str(r->out, "protnone ");
	extents(r, run);
}

static void c_name(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	if (run->area)
		pw_out_name(r->out, run->area->name);
	else
		pw_text_dash(r);
}

static void c_path(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	if (run->area && run->area->path)
		pw_out_name(r->out, run->area->path);
	else
		c_name(r, rec);
}

static void c_vma(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	if (run->area && run->area->perms[0])
		pw_out_str(r->out, run->area->perms);
	else
		pw_text_dash(r);
}

static void c_level(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_level_name(((const struct pw_run *)rec)->level));
}

static void c_pa(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;

	pw_text_form_pa(r, PW_R_PA, run->is_hole ? PW_PA_NONE : run->pa, in_memory(run));
}

static void c_bits(struct pw_render *r, const void *rec)
{
	const struct pw_run *run = rec;
	struct pw_entry first, all;

	if (run->is_hole)
		return;
	decode_first(run, &first);
	if (in_memory(run)) {
		/* Those that every page of the run has. */
		run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_and, &all);
		first.attrs &= all.attrs;
	}
	pw_out_bits(r, &run->piece->mmu, &first);
}

PW_COLUMNS(run, { "range", "RANGE", "addresses, the end excluded", 25, .put = c_range },
	   { "size", "SIZE", "bytes of address space", 5, true, .put = c_size },
	   { "perm", "PERM", "permissions by all levels; swap, soft: not in memory", 4, .put = c_perm },
	   { "pages", "PAGES", "number and size of the pages", 10, .put = c_pages },
	   { "accessed", "A%", "pages with the Accessed bit, per cent", 3, true, .put = c_accessed },
	   { "dirty", "D%", "pages with the Dirty bit, per cent", 3, true, .put = c_dirty },
	   { "phys", "PHYS", "physical memory, or in how many pieces it is", 21, .put = c_phys },
	   { "name", "NAME", "the VMA's or region's name", 10, .put = c_name },
	   { "va", "VA", "first address", 12, true, true, c_va },
	   { "end", "END", "address after the last", 12, true, true, c_end },
	   { "kind", "KIND", "leaf, protnone, soft, or why nothing is known", 10, false, true, c_kind },
	   { "level", "LEVEL", "level of the entries", 5, false, true, c_level },
	   { "pagesize", "PAGE", "size of a page", 4, true, true, c_page_size },
	   { "pa", "PA", "physical address of the first page", 12, false, true, c_pa },
	   { "bits", "BITS", "bits that all pages have", 24, false, true, c_bits },
	   { "vma", "VMA", "the VMA's own permissions", 4, false, true, c_vma },
	   { "path", "PATH", "the mapped file", 10, false, true, c_path });

void pw_text_run(struct pw_render *r, const struct pw_run *run)
{
	pw_put_run(r, run, pw_row);
}
