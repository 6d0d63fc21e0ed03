/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* diff: a line for each change, before and after beside each other. */
#include "bits.h"
#include "text.h"

/* A line is of one of these. */
struct row {
	uint64_t va, last;
	const struct pw_change *c;
	const struct pw_area_change *a;
	const struct pw_diff_unknown *u;
};

static const struct row *row_of(const void *rec)
{
	return rec;
}

static void c_range(struct pw_render *r, const void *rec)
{
	pw_text_range(r, row_of(rec)->va, row_of(rec)->last);
}

static void c_size(struct pw_render *r, const void *rec)
{
	const struct row *row = rec;

	pw_out_size(r->out, row->c ? row->c->bytes : row->last - row->va + 1, r->bytes);
}

static void c_change(struct pw_render *r, const void *rec)
{
	const struct row *row = rec;
	bool any = false;

	if (row->a) {
		pw_out_str(r->out, row->a->before && row->a->before->region ? "region " : "VMA ");
		pw_out_str(r->out, pw_area_what_name(row->a->what));
		return;
	}
	if (row->u) {
		pw_out_str(r->out, pw_hole_name(row->u->reason));
		pw_out_str(r->out, row->u->in_before ? row->u->in_after ? " in both" : " in A" : " in B");
		r->cell_colour = PW_YELLOW;
		return;
	}
	for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++) {
		if (!(row->c->what >> i & 1))
			continue;
		if (any)
			pw_out_char(r->out, ',');
		pw_out_str(r->out, pw_change_name((enum pw_change_what)i));
		any = true;
	}
}

static void c_pages(struct pw_render *r, const void *rec)
{
	const struct pw_change *c = row_of(rec)->c;

	if (!c) {
		pw_text_dash(r);
		return;
	}
	pw_out_dec(r->out, c->pages);
	pw_out_str(r->out, " x ");
	pw_out_page_size(r->out, c->unit);
}

static void side(struct pw_render *r, const struct pw_change_side *s, bool with_size)
{
	switch (s->kind) {
	case PW_LEAF:
		pw_text_perm(r, s->perm);
		break;
	case PW_PROTNONE:
		pw_out_str(r->out, "none");
		break;
	case PW_SOFT:
		if (s->has_swap && pw_is_swap_type(s->swap_type))
			pw_text_swap(r, s->swap_type);
		else
			pw_out_str(r->out, "soft");
		break;
	default:
		pw_text_dash(r);
		return;
	}
	if (!with_size)
		return;
	pw_out_char(r->out, ' ');
	pw_out_page_size(r->out, s->size);
}

static void area_side(struct pw_render *r, const struct pw_area *a)
{
	if (a && a->perms[0])
		pw_out_str(r->out, a->perms);
	else
		pw_text_dash(r);
}

static void c_before(struct pw_render *r, const void *rec)
{
	const struct row *row = rec;

	if (row->c)
		side(r, &row->c->before, row->c->before.size != row->c->unit || row->c->after.size > row->c->unit);
	else
		area_side(r, row->a ? row->a->before : NULL);
}

static void c_after(struct pw_render *r, const void *rec)
{
	const struct row *row = rec;

	if (row->c)
		side(r, &row->c->after, row->c->after.size != row->c->unit || row->c->before.size > row->c->unit);
	else
		area_side(r, row->a ? row->a->after : NULL);
}

static const struct pw_area *area_of(const struct row *row)
{
	if (row->c)
		return row->c->area_after ? row->c->area_after : row->c->area_before;
	return row->a ? row->a->after ? row->a->after : row->a->before : NULL;
}

static void c_name(struct pw_render *r, const void *rec)
{
	const struct pw_area *a = area_of(rec);

	if (a)
		pw_out_name(r->out, a->name);
	else
		pw_text_dash(r);
}

static void c_path(struct pw_render *r, const void *rec)
{
	const struct pw_area *a = area_of(rec);

	if (a && a->path)
		pw_out_name(r->out, a->path);
	else
		c_name(r, rec);
}

static void c_pieces(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, row_of(rec)->c ? row_of(rec)->c->pieces : 1);
}

static void c_va(struct pw_render *r, const void *rec)
{
	pw_out_hexn(r->out, row_of(rec)->va, r->va_digits);
}

static void c_end(struct pw_render *r, const void *rec)
{
	pw_out_hex_end(r->out, row_of(rec)->last, r->va_digits);
}

static void c_pa_before(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, row_of(rec)->c ? row_of(rec)->c->before.pa : PW_PA_NONE, false);
}

static void c_pa_after(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, row_of(rec)->c ? row_of(rec)->c->after.pa : PW_PA_NONE, false);
}

PW_COLUMNS(diff, { "range", "RANGE", "addresses, the end excluded", 25, .put = c_range },
	   { "size", "SIZE", "bytes that changed", 5, true, .put = c_size },
	   { "change", "CHANGE", "what has happened", 14, .put = c_change },
	   { "pages", "PAGES", "number and size of the pages", 10, .put = c_pages },
	   { "pieces", "IN", "pieces of addresses that these pages are in", 3, true, .put = c_pieces },
	   { "before", "BEFORE", "permissions by all levels in A, or swap; of a VMA, its own", 8, .put = c_before },
	   { "after", "AFTER", "the same in B", 8, .put = c_after },
	   { "name", "NAME", "the VMA's or region's name", 10, .put = c_name },
	   { "va", "VA", "first address", 12, true, true, c_va },
	   { "end", "END", "address after the last", 12, true, true, c_end },
	   { "pa-before", "PA-BEFORE", "physical address of the first page in A", 12, false, true, c_pa_before },
	   { "pa-after", "PA-AFTER", "the same in B", 12, false, true, c_pa_after },
	   { "path", "PATH", "the mapped file", 10, false, true, c_path });

/* ---- lines that are no rows ---- */

void pw_text_diff_side(struct pw_render *r, const struct pw_rec_side *s)
{
	if (r->noheadings)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	if (r->between && s->name[0] == 'A')
		pw_out_char(r->out, '\n');
	pw_out_str(r->out, s->name);
	pw_out_str(r->out, "  ");
	if (s->file) {
		pw_out_name(r->out, s->file);
		pw_out_str(r->out, "  ");
	}
	pw_text_source(r->out, s->target, s->target->source.consistency);
	pw_out_char(r->out, '\n');
	r->between = true;
}

void pw_text_diff_pair(struct pw_render *r, const struct pw_rec_pair *p)
{
	const struct pw_space *s = p->b;

	r->va_digits = pw_text_digits(s, s->piece[s->npieces - 1].va.last);
	pw_text_stream_widths(r);
	if (r->noheadings)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_char(r->out, '\n');
	if (r->colour)
		pw_out_str(r->out, PW_BOLD);
	pw_out_name(r->out, s->title);
	if (r->colour)
		pw_out_str(r->out, PW_PLAIN);
	pw_out_str(r->out, "  ");
	pw_out_str(r->out, p->what);
	if (r->head.filter) {
		pw_out_str(r->out, "  where ");
		pw_out_name(r->out, r->head.filter);
	}
	pw_out_char(r->out, '\n');
}

void pw_text_diff_lone(struct pw_render *r, const struct pw_rec_lone *l)
{
	pw_out_room(r->out, PW_OUT_ROW);
	if (!r->noheadings)
		pw_out_char(r->out, '\n');
	pw_out_name(r->out, l->title);
	pw_out_str(r->out, "  only in ");
	pw_out_str(r->out, l->side);
	pw_out_char(r->out, '\n');
}

static void row(struct pw_render *r, const struct row *row)
{
	if (!r->any)
		pw_row_head(r);
	r->any = true;
	pw_row(r, row);
}

void pw_text_change(struct pw_render *r, const struct pw_change *c)
{
	row(r, &(struct row){ .va = c->va, .last = c->last, .c = c });
}

void pw_text_area_change(struct pw_render *r, const struct pw_area_change *c)
{
	row(r, &(struct row){ .va = c->va, .last = c->last, .a = c });
}

void pw_text_diff_unknown(struct pw_render *r, const struct pw_diff_unknown *u)
{
	row(r, &(struct row){ .va = u->va, .last = u->last, .u = u });
}

static void part(struct pw_render *r, bool *any, const char *between)
{
	if (*any)
		pw_out_str(r->out, between);
	*any = true;
}

/* "mapped 16K, dirtied 8K; VMAs: 1 appeared, 1 grew" */
void pw_text_diff_sums(struct pw_render *r, const struct pw_diff_sums *s)
{
	struct pw_out *o = r->out;
	bool any = false, vmas = false;

	r->any = false;
	if (r->noheadings)
		return;
	pw_out_room(o, PW_OUT_ROW);
	for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++) {
		if (!s->bytes[i])
			continue;
		part(r, &any, ", ");
		pw_out_str(o, pw_change_name((enum pw_change_what)i));
		pw_out_char(o, ' ');
		pw_out_size(o, s->bytes[i], r->bytes);
	}
	for (unsigned i = 0; i < PW_AREA_NWHATS; i++) {
		if (!s->areas[i])
			continue;
		part(r, &any, vmas ? ", " : "; ");
		if (!vmas)
			pw_out_str(o, "VMAs: ");
		vmas = true;
		pw_out_dec(o, s->areas[i]);
		pw_out_char(o, ' ');
		pw_out_str(o, pw_area_what_name((enum pw_area_what)i));
	}
	if (!any)
		pw_out_str(o, s->unknown ? "no difference in what is known" : "no difference");
	if (s->unknown) {
		pw_out_str(o, "; ");
		pw_out_dec(o, s->unknown);
		pw_out_str(o, " unknown");
	}
	pw_out_char(o, '\n');
}
