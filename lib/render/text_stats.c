/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats: an address space in numbers, as blocks of a few lines each. */
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

static const char *const page_sizes[] = { "4K", "2M", "1G" };

/* A block is set apart from the one before; headings[0] is that of the first column. */
static void head(struct pw_render *r, const char *const headings[], size_t n)
{
	pw_text_first(r, "");
	r->out->len -= 12;
	pw_text_end_row(r);
	if (r->noheadings)
		return;
	pw_text_first(r, headings[0]);
	for (size_t i = 1; i < n; i++)
		pw_text_cell(r, headings[i]);
	pw_text_end_row(r);
}

#define HEAD(r, ...) \
	head(r, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static uint64_t entries_of(const struct pw_counts *c, enum pw_level level)
{
	uint64_t n = 0;

	for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
		n += c->entries[level][kind];
	return n;
}

static void levels(struct pw_render *r, const struct pw_stats *s)
{
	const struct pw_counts *c = &s->counts;

	if (!r->noheadings) {
		static const char *const heads[] = { "TABLES", "EMPTY", "ONE ENTRY", "FULL", "ENTRIES", "FILL" };

		pw_text_first(r, "LEVEL");
		for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
			pw_text_cell(r, heads[i]);
		pw_text_end_row(r);
	}
	for (unsigned d = 0; d < c->depth; d++) {
		enum pw_level level = c->mmu->mode->lv[d].level;
		uint64_t n = entries_of(c, level);

		pw_text_first(r, pw_level_name(level));
		pw_text_number(r, c->tables[level]);
		pw_text_number(r, s->empty[level]);
		pw_text_number(r, s->single[level]);
		pw_text_number(r, s->full[level]);
		pw_text_number(r, n);
		pw_text_percent(r, n, s->slots[level]);
		pw_text_end_row(r);
	}
}

static void kinds(struct pw_render *r, const struct pw_counts *c)
{
	HEAD(r, "ENTRIES", "TABLE", "LEAF", "PROTNONE", "SOFT");
	for (unsigned d = 0; d < c->depth; d++) {
		enum pw_level level = c->mmu->mode->lv[d].level;

		pw_text_first(r, pw_level_name(level));
		for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
			pw_text_number(r, c->entries[level][kind]);
		pw_text_end_row(r);
	}
}

static void sizes(struct pw_render *r, const struct pw_stats *s)
{
	const struct pw_counts *c = &s->counts;

	if (s->leaf_only) {
		HEAD(r, "PAGE SIZE", "BYTES");
		pw_text_first(r, "?");
		pw_text_bytes(r, s->bytes[PW_PTE]);
		pw_text_end_row(r);
		return;
	}
	HEAD(r, "PAGE SIZE", "PAGES", "BYTES", "ACCESSED", "DIRTY");
	for (unsigned d = c->depth; d-- > 0;) {
		const struct pw_mode_level *lv = &c->mmu->mode->lv[d];

		if (lv->level > PW_PUD)
			continue;
		pw_text_first(r, page_sizes[lv->level]);
		pw_text_number(r, s->bytes[lv->level] >> lv->shift);
		pw_text_bytes(r, s->bytes[lv->level]);
		pw_text_percent(r, s->accessed[lv->level], s->bytes[lv->level]);
		pw_text_percent(r, s->dirty[lv->level], s->bytes[lv->level]);
		pw_text_end_row(r);
	}
}

static void blank(struct pw_render *r)
{
	pw_out_room(r->out, PW_OUT_ROW);
	pw_text_end_row(r);
}

/* ---- areas ---- */

static int by_tables(const void *a, const void *b)
{
	const struct pw_area_stats *p = *(const struct pw_area_stats *const *)a,
				   *q = *(const struct pw_area_stats *const *)b;

	if (p->table_bytes != q->table_bytes)
		return p->table_bytes < q->table_bytes ? 1 : -1;
	return (p->area->lo > q->area->lo) - (p->area->lo < q->area->lo);
}

size_t pw_stats_top(const struct pw_stats *s, size_t most, const struct pw_area_stats ***out)
{
	const struct pw_area_stats **top = calloc(s->nareas + 1, sizeof(*top));
	size_t n = 0;

	*out = top;
	for (size_t i = 0; top && i < s->nareas; i++)
		if (s->area[i].table_bytes)
			top[n++] = &s->area[i];
	if (top)
		qsort(top, n, sizeof(*top), by_tables);
	return n < most ? n : most;
}

static void areas(struct pw_render *r, const struct pw_rec_stats *rec)
{
	const struct pw_area_stats **top;
	size_t n = pw_stats_top(rec->stats, rec->top, &top);

	if (n)
		HEAD(r, "TABLES OF", "BYTES", "MAPPED", "SHARE", "VMA");
	for (size_t i = 0; i < n; i++) {
		pw_text_first(r, "");
		pw_text_bytes(r, top[i]->table_bytes);
		pw_text_bytes(r, top[i]->mapped);
		pw_text_percent(r, top[i]->table_bytes, top[i]->mapped);
		pw_out_str(r->out, "  ");
		pw_text_range(r, top[i]->area->lo, top[i]->area->last);
		pw_out_str(r->out, "  ");
		pw_out_name(r->out, top[i]->area->name);
		pw_text_end_row(r);
	}
	free(top);
}

/* ---- memory ---- */

static void contiguity(struct pw_render *r, const struct pw_stats *s)
{
	const struct pw_contiguity *c = &s->contiguity;

	HEAD(r, "ORDER", "SIZE", "BLOCKS", "BYTES", "EXTENTS", "BYTES");
	for (unsigned order = 0; order < PW_ORDERS; order++) {
		char name[8];

		if (!c->blocks[order] && !c->extents[order])
			continue;
		snprintf(name, sizeof(name), "%u", order);
		pw_text_first(r, name);
		pw_text_bytes(r, UINT64_C(4096) << order);
		pw_text_number(r, c->blocks[order]);
		pw_text_bytes(r, c->blocks[order] << (12 + order));
		pw_text_number(r, c->extents[order]);
		pw_text_bytes(r, c->extent_bytes[order]);
		pw_text_end_row(r);
	}
}

static void tlb_row(struct pw_render *r, const char *name, const uint64_t n[3], uint64_t mapped)
{
	uint64_t all = n[0] + n[1] + n[2];

	pw_text_first(r, name);
	for (unsigned i = 0; i < 3; i++)
		pw_text_number(r, n[i]);
	pw_text_number(r, all);
	if (all)
		pw_text_bytes(r, mapped / all);
	else
		pw_text_cell(r, "-");
	pw_text_end_row(r);
}

static void tlb(struct pw_render *r, const struct pw_stats *s)
{
	uint64_t mapped = pw_stats_mapped(s);

	HEAD(r, "TLB", "4K", "2M", "1G", "ENTRIES", "REACH EACH");
	tlb_row(r, "now", s->tlb.now, mapped);
	tlb_row(r, "merged", s->tlb.merged, mapped);
	pw_text_first(r, "any block");
	for (unsigned i = 0; i < 3; i++)
		pw_text_cell(r, "");
	pw_text_number(r, s->tlb.blocks);
	if (s->tlb.blocks)
		pw_text_bytes(r, mapped / s->tlb.blocks);
	else
		pw_text_cell(r, "-");
	pw_text_end_row(r);
}

static void thp_row(struct pw_render *r, const char *name, uint64_t n, const char *what)
{
	pw_text_first(r, name);
	pw_text_number(r, n);
	pw_out_str(r->out, "  ");
	pw_out_str(r->out, what);
	pw_text_end_row(r);
}

static void thp(struct pw_render *r, const struct pw_thp *t)
{
	static const char *const what[] = {
		[PW_THP_MISALIGNED] = "with pages, but not wholly within the VMA",
		[PW_THP_DISABLED] = "the VMA, the process or the system has huge pages off",
		[PW_THP_SWAPPED] = "pages are in swap, or are markers, or just move",
		[PW_THP_PROTNONE] = "pages are PROT_NONE, or NUMA hints",
		[PW_THP_HOLES] = "pages are missing",
		[PW_THP_MIXED] = "permissions, keys or memory types differ",
		[PW_THP_COPY] = "all is there, but would have to be copied together",
		[PW_THP_SPLIT] = "all is there, and together: only the entry is missing",
	};

	if (!t->ranges && !t->missed[PW_THP_MISALIGNED])
		return;
	HEAD(r, "HUGE PAGES", "2M RANGES");
	thp_row(r, "huge", t->huge, "anonymous memory in a huge page");
	for (unsigned i = 0; i < PW_THP_NCAUSES; i++)
		if (t->missed[i])
			thp_row(r, pw_thp_cause_name(i), t->missed[i], what[i]);
	thp_row(r, "untouched", t->untouched,
		t->settings_known ? "nothing is there" : "nothing is there (whether huge pages are off is not known)");
}

static void nodes(struct pw_render *r, const struct pw_stats *s)
{
	if (!s->nnodes)
		return;
	HEAD(r, "NODE", "MAPPED", "TABLES");
	for (size_t i = 0; i <= s->nnodes; i++) {
		const struct pw_node_stats *n = i < s->nnodes ? &s->node[i] : &s->elsewhere;
		char name[16];

		if (i == s->nnodes && !n->bytes && !n->tables)
			break;
		snprintf(name, sizeof(name), "%u", n->node);
		pw_text_first(r, i < s->nnodes ? name : "none");
		pw_text_bytes(r, n->bytes);
		if (s->leaf_only)
			pw_text_cell(r, "?");
		else
			pw_text_number(r, n->tables);
		pw_text_end_row(r);
	}
}

static void pages(struct pw_render *r, const struct pw_page_stats *p)
{
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {
		{ "all", p->pages }, { "anonymous", p->anon }, { "shared", p->shared },     { "zero page", p->zero },
		{ "KSM", p->ksm },   { "THP", p->thp },        { "hugetlbfs", p->hugetlb }, { "no page", p->none },
	};

	HEAD(r, "PAGES", "OF 4K", "BYTES");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pw_text_first(r, rows[i].name);
		pw_text_number(r, rows[i].n);
		pw_text_bytes(r, rows[i].n << 12);
		pw_text_end_row(r);
	}
}

static void sentence(struct pw_render *r, const char *text)
{
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_str(r->out, text);
	pw_text_end_row(r);
}

static void kernel_line(struct pw_render *r, const struct pw_stats *s)
{
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_str(r->out, "the kernel counts ");
	pw_out_size(r->out, s->kernel_table_bytes, r->bytes);
	pw_out_str(r->out, " of tables for it (VmPTE)\n");
}

void pw_text_stats(struct pw_render *r, const struct pw_rec_stats *rec)
{
	const struct pw_stats *s = rec->stats;

	pw_out_room(r->out, PW_OUT_ROW);
	if (s->leaf_only) {
		sentence(r, "tables, page sizes, TLB entries and huge pages are not known: this source has no tables");
	} else {
		levels(r, s);
		if (rec->process && !s->filtered && !r->noheadings)
			kernel_line(r, s);
		kinds(r, &s->counts);
	}
	sizes(r, s);
	blank(r);
	pw_text_flags(r, &s->counts);
	if (!s->leaf_only)
		areas(r, rec);
	if (s->hidden)
		sentence(r, "\ncontiguity and nodes are not known, as frame numbers are hidden");
	else
		contiguity(r, s);
	if (!s->leaf_only) {
		tlb(r, s);
		if (!s->filtered)
			thp(r, &s->thp);
	}
	if (!s->hidden)
		nodes(r, s);
	if (s->has_pages)
		pages(r, &s->pages);
	if (!r->noheadings)
		blank(r);
}
