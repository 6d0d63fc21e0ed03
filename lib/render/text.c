/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text renderer: titles, cells that many have, and small tables. */
#include <errno.h>
#include <stdlib.h>

#include "form.h"
#include "text.h"

void pw_render_free(struct pw_render *r)
{
	pw_table_free(r->table);
	free(r->forms);
	r->table = NULL;
	r->forms = NULL;
}

const struct pw_area *pw_render_area(struct pw_render *r, uint64_t va)
{
	if (!r->area || va < r->area->lo || va > r->area->last)
		r->area = r->head.space ? pw_areas_find(&r->head.space->areas, va) : NULL;
	return r->area;
}

/* ---- cells in common ---- */

void pw_text_range(struct pw_render *r, uint64_t lo, uint64_t last)
{
	pw_out_hexn(r->out, lo, r->va_digits);
	pw_out_char(r->out, '-');
	pw_out_hex_end(r->out, last, r->va_digits);
}

void pw_text_own(struct pw_render *r, const struct pw_entry *e)
{
	char text[5];

	if (e->hw)
		pw_out_str(r->out, pw_perm_text(e->perm, text));
	else
		pw_text_dash(r);
}

void pw_text_perm(struct pw_render *r, unsigned perm)
{
	char text[5];

	pw_out_str(r->out, pw_perm_text(perm, text));
	if ((perm & (PW_W | PW_X)) == (PW_W | PW_X) && perm != PW_PERM_UNKNOWN)
		r->cell_colour = PW_RED;
}

void pw_text_dash(struct pw_render *r)
{
	pw_out_char(r->out, '-');
}

void pw_text_pa(struct pw_render *r, uint64_t pa, bool hidden)
{
	if (pa != PW_PA_NONE) {
		pw_out_mem(r->out, "0x", 2);
		pw_out_hex(r->out, pa);
	} else if (hidden) {
		pw_out_str(r->out, "hidden");
		r->hidden = true;
	} else {
		pw_text_dash(r);
	}
}

void pw_text_form_pa(struct pw_render *r, unsigned number, uint64_t pa, bool hidden)
{
	if (pa == PW_PA_NONE) {
		pw_text_pa(r, pa, hidden);
		return;
	}
	pw_out_mem(r->out, "0x", 2);
	pw_form_hex(r, number, pa, 1);
}

void pw_text_swap(struct pw_render *r, unsigned type)
{
	const struct pw_joins *j = r->head.joins;

	if (j && type < sizeof(j->swap) / sizeof(j->swap[0]) && j->swap[type][0]) {
		pw_out_name(r->out, j->swap[type]);
		return;
	}
	pw_out_str(r->out, pw_is_swap_type(type) ? "swap" : "type ");
	pw_out_dec(r->out, type);
}

void pw_text_wrapped(struct pw_render *r, const char *text, unsigned indent)
{
	unsigned column = indent;
	char word[512];

	while (*text) {
		size_t len = strcspn(text, " "), n = len < sizeof(word) - 1 ? len : sizeof(word) - 1;

		memcpy(word, text, n);
		word[n] = 0;
		if (column > indent && column + 1 + len > 100) {
			pw_out_char(r->out, '\n');
			pw_out_pad(r->out, indent);
			column = indent;
		} else if (column > indent) {
			pw_out_char(r->out, ' ');
			column++;
		}
		pw_out_name(r->out, word);
		column += (unsigned)len;
		text += len + strspn(text + len, " ");
	}
}

void pw_text_doubt(struct pw_out *o, enum pw_doubt doubt, uint64_t pa)
{
	static const char *const what[PW_NDOUBTS] = {
		[PW_DOUBT_TABLE] = " is no page table, by its struct page",
		[PW_DOUBT_ROOT] = " is no root of this process, by its struct page",
		[PW_DOUBT_TWICE] = " is a table that was met before",
		[PW_DOUBT_PAGE] = " is mapped by nobody, by its struct page",
		[PW_DOUBT_PLACE] = " belongs to another address, by its struct page",
		[PW_DOUBT_VMA] = " is mapped where the process has no VMA",
	};

	pw_out_str(o, "inconsistent: the page at 0x");
	pw_out_hex(o, pa);
	pw_out_str(o, what[doubt]);
}

static void hole_doubt(struct pw_out *o, const struct pw_hole *hole)
{
	struct pw_entry e = { .pa = hole->raw };

	if (hole->slot_pa != PW_PA_NONE)
		hole->piece->mmu.arch->decode(&hole->piece->mmu, hole->level, hole->raw, &e);
	if (e.pa == PW_PA_NONE)
		pw_out_str(o, "inconsistent: the process has no VMA here");
	else
		pw_text_doubt(o, hole->doubt, e.pa);
}

void pw_text_reason(struct pw_render *r, const struct pw_hole *hole)
{
	static const char *const what[] = {
		[PW_HOLE_UNSTABLE] = "unstable: changed at each attempt to read it",
		[PW_HOLE_UNREADABLE] = "unreadable: the source cannot read the table",
		[PW_HOLE_NOT_RAM] = "not followed: the table would be outside RAM",
		[PW_HOLE_RESERVED] = "reserved bits are set: the CPU faults here",
		[PW_HOLE_ALIAS] = "the same table as at ",
		[PW_HOLE_BUDGET] = "not looked at: too many tables",
	};

	if (hole->reason == PW_HOLE_INCONSISTENT)
		hole_doubt(r->out, hole);
	else
		pw_out_str(r->out, what[hole->reason]);
	if (hole->reason == PW_HOLE_ALIAS) {
		pw_out_hexn(r->out, hole->alias_va, r->va_digits);
		return;
	}
	if (hole->slot_pa == PW_PA_NONE && hole->doubt) {
		pw_out_str(r->out, " (root)");
		return;
	}
	pw_out_str(r->out, " (");
	pw_out_str(r->out, pw_level_name(hole->level));
	pw_out_str(r->out, " entry)");
}

/* ---- the title ---- */

static void out_arch(struct pw_render *r)
{
	const struct pw_space *space = r->head.space;
	const struct pw_mmu *mmu = space && space->npieces ? &space->piece[0].mmu : NULL;

	if (!mmu || mmu->arch == &pw_arch_pagemap)
		return;
	pw_out_str(r->out, "  ");
	pw_out_str(r->out, mmu->arch->name);
	pw_out_char(r->out, ' ');
	pw_out_str(r->out, mmu->mode->name);
}

void pw_text_source(struct pw_out *o, const struct pw_target *t, enum pw_consistency c)
{
	char when[PW_TIME_TEXT];

	if (t->taken) {
		pw_out_str(o, "snapshot of ");
		pw_out_name(o, t->taken->source);
	} else {
		pw_out_str(o, t->source.ops->name);
	}
	pw_out_str(o, ", ");
	pw_out_str(o, pw_consistency_name(c));
	if (!t->taken)
		return;
	pw_out_str(o, ", ");
	pw_out_str(o, pw_time_text(t->taken->time, "%Y-%m-%d %H:%M:%S UTC", when));
}

static bool has_user_half(const struct pw_space *space)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_USER)
			return true;
	return false;
}

/* Of a smeared image: whether contradictions would be seen. */
static const char *checked_text(unsigned doubts)
{
	const unsigned tables = 1u << PW_DOUBT_TABLE, pages = 1u << PW_DOUBT_PAGE;

	if (doubts & tables && doubts & pages)
		return ", checked";
	return doubts ? ", partly checked" : ", not checked";
}

static void out_title(struct pw_render *r)
{
	const struct pw_rec_head *h = &r->head;
	struct pw_out *o = r->out;

	if (r->any)
		pw_out_char(o, '\n');
	if (r->colour)
		pw_out_str(o, PW_BOLD);
	pw_out_name(o, h->space ? h->space->title : h->target->facts.system);
	if (r->colour)
		pw_out_str(o, PW_PLAIN);
	if (h->what) {
		pw_out_str(o, "  ");
		pw_out_str(o, h->what);
	}
	out_arch(r);
	pw_out_str(o, "  ");
	pw_text_source(o, h->target, pw_head_consistency(h));
	if (h->space && pw_head_consistency(h) == PW_SMEARED && has_user_half(h->space))
		pw_out_str(o, checked_text(pw_space_checked(h->space)));
	if (h->filter) {
		pw_out_str(o, "  where ");
		pw_out_name(o, h->filter);
	}
	pw_out_char(o, '\n');
}

static void out_title_by(struct pw_render *r)
{
	if (r->colour)
		pw_out_str(r->out, PW_BOLD);
	pw_out_str(r->out, r->head.what);
	if (r->colour)
		pw_out_str(r->out, PW_PLAIN);
	pw_out_str(r->out, "  ");
	pw_out_str(r->out, r->head.by);
	pw_out_char(r->out, '\n');
}

static void out_offline_title(struct pw_render *r)
{
	if (r->colour)
		pw_out_str(r->out, PW_BOLD);
	pw_out_name(r->out, r->head.what);
	if (r->colour)
		pw_out_str(r->out, PW_PLAIN);
	pw_out_char(r->out, '\n');
}

unsigned pw_text_digits(const struct pw_space *space, uint64_t last)
{
	uint64_t top = 0;

	for (size_t i = 0; space && i < space->npieces; i++)
		if (space->piece[i].va.last >> 63 && space->piece[i].va.lo <= last)
			return 16;
	if (space && space->npieces)
		top = space->piece[0].va.last;
	for (size_t i = space ? space->areas.n : 0; i-- > 0;) {
		if (space->areas.v[i].last <= space->piece[0].va.last) {
			top = space->areas.v[i].last;
			break;
		}
	}
	return top >> 56 ? 16 : top >> 48 ? 14 : 12;
}

void pw_text_stream_widths(struct pw_render *r)
{
	struct pw_columns *c = &r->columns;

	for (size_t i = 0; i < c->n; i++) {
		if (!strcmp(c->col[i]->name, "range"))
			c->width[i] = 2 * r->va_digits + 1;
		else if (!strcmp(c->col[i]->name, "va") || !strcmp(c->col[i]->name, "end"))
			c->width[i] = r->va_digits;
		else if (r->bytes && (!strcmp(c->col[i]->name, "size") || !strcmp(c->col[i]->name, "pagesize")))
			c->width[i] = 13;
	}
}

static bool streams(enum pw_view view)
{
	return view == PW_VIEW_RUNS || view == PW_VIEW_ENTRIES || view == PW_VIEW_TREE || view == PW_VIEW_BRIEF ||
	       view == PW_VIEW_PAGETABLES || view == PW_VIEW_ROUNDS;
}

static bool has_title(enum pw_view view)
{
	return view != PW_VIEW_PROCESSES && view != PW_VIEW_SOURCES && view != PW_VIEW_FACTS && view != PW_VIEW_ALLOC &&
	       view != PW_VIEW_ADDRESS && view != PW_VIEW_PAGEMAP && view != PW_VIEW_PLACES && view != PW_VIEW_DIFF;
}

static void begin(struct pw_render *r)
{
	pw_out_room(r->out, PW_OUT_ROW);
	pw_forms_forget(r);
	r->area = NULL;
	r->hidden = r->between = false;
	r->va_digits = r->view == PW_VIEW_TRANSLATE
			       ? 8
			       : pw_text_digits(r->head.space, r->head.va.last); /* 8: as /proc/PID/maps pads */
	if (r->view == PW_VIEW_REGIONS || r->view == PW_VIEW_PLACES)
		r->va_digits = 16;
	if (r->head.by && !r->noheadings)
		out_title_by(r);
	else if (r->head.target && has_title(r->view) && !r->noheadings)
		out_title(r);
	if (r->head.mmu && !r->noheadings)
		out_offline_title(r);
	if (r->view == PW_VIEW_RMAP)
		pw_text_rmap_begin(r);
	if (streams(r->view)) {
		pw_text_stream_widths(r);
		pw_row_head(r);
	}
	if (r->view == PW_VIEW_PAGEMAP && !r->noheadings)
		pw_text_pagemap_head(r);
	r->any = true;
}

/* ---- records of the small tables ---- */

struct pw_table *pw_text_table(struct pw_render *r)
{
	if (!r->table)
		r->table = pw_table_new();
	if (!r->table)
		r->out->error = ENOMEM;
	return r->table;
}

static void add_row(struct pw_render *r, const void *rec)
{
	if (pw_text_table(r))
		pw_table_add(r, r->table, rec);
}

static void process(struct pw_render *r, const struct pw_process *p)
{
	add_row(r, p);
}

static void vma(struct pw_render *r, const struct pw_rec_vma *v)
{
	add_row(r, v);
}

static void fact(struct pw_render *r, const struct pw_fact *f)
{
	add_row(r, f);
}

static void region(struct pw_render *r, const struct pw_rec_region *rec)
{
	add_row(r, rec);
}

static void place(struct pw_render *r, const struct pw_rec_place *rec)
{
	add_row(r, rec);
}

static void source(struct pw_render *r, const struct pw_rec_source *s)
{
	add_row(r, s);
}

static void word(struct pw_render *r, const char *before, const char *text)
{
	if (!*text)
		return;
	pw_out_str(r->out, before);
	pw_out_name(r->out, text);
}

static void system_line(struct pw_render *r, const struct pw_live_summary *s)
{
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->noheadings)
		return;
	if (r->colour)
		pw_out_str(r->out, PW_BOLD);
	pw_out_name(r->out, s->system);
	if (r->colour)
		pw_out_str(r->out, PW_PLAIN);
	word(r, "  ", s->arch);
	word(r, " ", s->mode);
	word(r, "  PTI ", s->pti_known ? s->pti ? "on" : "off" : "unknown");
	word(r, "  lockdown ", s->lockdown);
	if (!s->btf)
		pw_out_str(r->out, "  no BTF");
	pw_out_str(r->out, "  uid ");
	pw_out_dec(r->out, s->uid);
	pw_out_char(r->out, '\n');
}

const struct pw_render_ops pw_render_text = {
	.begin = begin,
	.run = pw_text_run,
	.step = pw_text_step,
	.span = pw_text_span,
	.hole = pw_text_hole,
	.translation = pw_text_translation,
	.process = process,
	.vma = vma,
	.system = system_line,
	.source = source,
	.fact = fact,
	.memory = pw_text_memory,
	.gap = pw_text_gap,
	.word = pw_text_word,
	.kpage = pw_text_kpage,
	.pagetables = pw_text_pagetables,
	.decoded = pw_text_decoded,
	.region = region,
	.place = place,
	.page = pw_text_page,
	.diff_side = pw_text_diff_side,
	.diff_pair = pw_text_diff_pair,
	.diff_lone = pw_text_diff_lone,
	.change = pw_text_change,
	.area_change = pw_text_area_change,
	.diff_unknown = pw_text_diff_unknown,
	.diff_sums = pw_text_diff_sums,
	.snapshot = pw_text_snapshot,
	.finding = pw_text_finding,
	.reach = pw_text_reach,
	.frame = pw_text_frame,
	.same = pw_text_same,
	.again = pw_text_again,
	.stats = pw_text_stats,
	.stats_row = pw_text_stats_row,
	.round = pw_text_round,
	.end = pw_text_end,
};
