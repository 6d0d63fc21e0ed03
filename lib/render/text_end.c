/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last line of each command: sums, and what was not told. */
#include "text.h"

static void part(struct pw_render *r, size_t start, const char *before, uint64_t bytes, const char *after)
{
	struct pw_out *o = r->out;

	if (o->len > start)
		pw_out_str(o, "; ");
	pw_out_str(o, before);
	pw_out_size(o, bytes, r->bytes);
	pw_out_str(o, after);
}

static void mapped_parts(struct pw_render *r, const struct pw_rec_end *e, bool levels_known)
{
	struct pw_out *o = r->out;
	bool first = true;

	pw_out_str(o, "mapped ");
	for (unsigned level = PW_PTE; level <= PW_PUD; level++) {
		if (!e->bytes[level])
			continue;
		if (!first)
			pw_out_str(o, ", ");
		pw_out_size(o, e->bytes[level], r->bytes);
		if (levels_known)
			pw_out_str(o, level == PW_PTE ? " in 4K" : level == PW_PMD ? " in 2M" : " in 1G");
		first = false;
	}
	if (first)
		pw_out_str(o, "nothing");
}

static void number_part(struct pw_render *r, uint64_t n, const char *what)
{
	pw_out_str(r->out, "; ");
	pw_out_dec(r->out, n);
	pw_out_str(r->out, what);
}

static bool has_levels(const struct pw_space *space)
{
	return space->npieces && space->piece[0].mmu.arch != &pw_arch_pagemap;
}

static void walk_line(struct pw_render *r, const struct pw_rec_end *e)
{
	bool total = e->of == PW_END_STREAM, levels_known = total ? e->walk.table_bytes : has_levels(r->head.space);
	uint64_t tables = pw_walk_stats_tables(&e->walk);
	size_t start;

	if (total)
		pw_out_str(r->out, "\ntotal: ");
	start = r->out->len;
	mapped_parts(r, e, levels_known);
	if (e->swapped)
		part(r, start, "swapped ", e->swapped, "");
	if (e->protnone)
		part(r, start, "", e->protnone, " in PROT_NONE");
	if (levels_known) {
		number_part(r, tables, tables == 1 ? " table (" : " tables (");
		pw_out_size(r->out, e->walk.table_bytes, r->bytes);
		pw_out_char(r->out, ')');
		number_part(r, e->walk.unstable, " unstable");
	}
	if (e->walk.unreadable)
		number_part(r, e->walk.unreadable, " unreadable");
	if (e->walk.inconsistent || (!total && pw_space_checked(r->head.space)))
		number_part(r, e->walk.inconsistent, " inconsistent");
	if (e->walk.aliases)
		number_part(r, e->walk.aliases, e->walk.aliases == 1 ? " alias" : " aliases");
	pw_out_char(r->out, '\n');
}

static void vmas_line(struct pw_render *r, const struct pw_rec_end *e)
{
	struct pw_out *o = r->out;
	bool kernel = e->of != PW_END_STREAM && r->head.space->pid == 0, leaf_only = !e->walk.table_bytes;
	bool first = true;

	if (e->of == PW_END_STREAM)
		pw_out_str(o, "\ntotal: ");
	pw_out_dec(o, e->records);
	pw_out_str(o, kernel ? " regions  " : e->records == 1 ? " VMA  " : " VMAs  ");
	pw_out_size(o, e->area_bytes, r->bytes);
	pw_out_str(o, "; ");
	for (unsigned level = PW_PTE; level <= PW_PUD; level++) {
		if (!e->bytes[level])
			continue;
		pw_out_str(o, first ? "" : " + ");
		pw_out_size(o, e->bytes[level], r->bytes);
		first = false;
	}
	pw_out_str(o, first ? "nothing mapped" : " mapped");
	if (e->swapped) {
		pw_out_str(o, ", ");
		pw_out_size(o, e->swapped, r->bytes);
		pw_out_str(o, " swapped");
	}
	if (e->walk.inconsistent)
		number_part(r, e->walk.inconsistent, " inconsistent");
	if (!leaf_only && e->of != PW_END_SPACE)
		pw_out_str(o, "; a shared table is charged to its lowest VMA");
	pw_out_char(o, '\n');
}

/* "auto -> pagemap (leaf-only, no frames)" */
static void auto_line(struct pw_render *r, const struct pw_rec_end *e)
{
	struct pw_out *o = r->out;

	pw_out_str(o, "auto -> ");
	if (e->picked) {
		pw_out_str(o, e->picked->name);
		pw_out_str(o, " (");
		pw_out_str(o, pw_consistency_name(e->picked->consistency));
		pw_out_str(o, e->hidden ? ", no frames)" : ")");
	} else {
		pw_out_str(o, "nothing");
	}
	pw_out_char(o, '\n');
}

static void kalloc_line(struct pw_render *r, const struct pw_rec_kalloc *k)
{
	struct pw_out *o = r->out;

	pw_out_str(o, k->kind);
	pw_out_str(o, " of ");
	pw_out_size(o, k->bytes, r->bytes);
	pw_out_str(o, ": ");
	pw_out_dec(o, k->pages);
	pw_out_str(o, k->pages == 1 ? " page" : " pages");
	if (k->extents == 1) {
		pw_out_str(o, ", physically contiguous");
	} else {
		pw_out_str(o, " in ");
		pw_out_dec(o, k->extents);
		pw_out_str(o, " physical extents");
	}
	if (k->differing) {
		pw_out_str(o, "; the kernel's functions differ for ");
		pw_out_dec(o, k->differing);
	}
	pw_out_char(o, '\n');
}

void pw_text_end(struct pw_render *r, const struct pw_rec_end *e)
{
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->table)
		pw_table_print(r, r->table);
	pw_out_room(r->out, PW_OUT_ROW);
	if (e->cut) {
		pw_out_str(r->out, "truncated: the rest could not be read\n");
		return;
	}
	if (r->noheadings) {
		if (e->alloc)
			pw_text_alloc_pid(r, e->alloc);
		return;
	}
	if (r->view == PW_VIEW_SOURCES)
		auto_line(r, e);
	else if (r->view == PW_VIEW_VMAS)
		vmas_line(r, e);
	else if (e->kalloc)
		kalloc_line(r, e->kalloc);
	else if (e->rmap)
		pw_text_rmap_end(r, e);
	else if (e->alloc)
		pw_text_alloc_end(r, e->alloc);
	else if (e->audit)
		pw_text_audit_end(r, e);
	else if (r->view == PW_VIEW_PAGEMAP || r->view == PW_VIEW_ADDRESS || r->view == PW_VIEW_STATS ||
		 r->view == PW_VIEW_ROUNDS)
		return;
	else if (e->has_walk)
		walk_line(r, e);
	if (r->view == PW_VIEW_REGIONS)
		pw_text_layout_end(r, e);
	if (r->view == PW_VIEW_SOURCES)
		return;
	if ((r->hidden || e->hidden) && e->of != PW_END_SPACE && r->view != PW_VIEW_VMAS)
		pw_out_str(r->out, "frame numbers hidden: needs CAP_SYS_ADMIN\n");
}
