/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rmap: a line for each way to a frame; the frame itself stands before the first of them. */
#include "text.h"

#define PAGE UINT64_C(4096)
#define GAP  2

static const struct pw_rec_reach *reach_of(const void *rec)
{
	return rec;
}

/* With headings a person looks up what is not repeated; rows alone are for programs. */
static bool repeats(const struct pw_render *r, const void *rec)
{
	return !r->noheadings && !reach_of(rec)->first;
}

static void c_frames(struct pw_render *r, const void *rec)
{
	const struct pw_rec_frame *f = reach_of(rec)->frame;

	if (repeats(r, rec))
		return;
	pw_text_pa(r, f->first.pa, false);
	if (f->frames == 1)
		return;
	pw_out_char(r->out, '-');
	pw_out_hex_end(r->out, f->first.pa + (f->frames * PAGE - 1), 1);
}

static void c_maps(struct pw_render *r, const void *rec)
{
	const struct pw_rec_frame *f = reach_of(rec)->frame;

	if (repeats(r, rec))
		return;
	pw_out_dec(r->out, f->first.user);
	if (!f->has_count)
		return;
	pw_out_char(r->out, '/');
	pw_out_dec(r->out, f->count);
	if (f->why)
		r->cell_colour = PW_YELLOW;
}

static void c_target(struct pw_render *r, const void *rec)
{
	if (reach_of(rec)->title)
		pw_out_name(r->out, reach_of(rec)->title);
	else
		pw_out_str(r->out, "nothing");
}

static void c_va(struct pw_render *r, const void *rec)
{
	if (reach_of(rec)->title)
		pw_out_hexn(r->out, reach_of(rec)->va, r->va_digits);
	else
		pw_text_dash(r);
}

/* "4K", "512 x 4K": the frame is so many times behind one another. */
static void c_page(struct pw_render *r, const void *rec)
{
	const struct pw_rec_reach *m = rec;

	if (!m->title || m->is_table) {
		pw_text_dash(r);
		return;
	}
	if (m->pages > 1) {
		pw_out_dec(r->out, m->pages);
		pw_out_str(r->out, " x ");
	}
	if (r->bytes)
		pw_out_dec(r->out, m->size);
	else
		pw_out_page_size(r->out, m->size);
}

static void c_perm(struct pw_render *r, const void *rec)
{
	const struct pw_rec_reach *m = rec;

	if (!m->title || m->is_table)
		pw_text_dash(r);
	else if (m->kind == PW_PROTNONE)
		pw_out_str(r->out, "none");
	else
		pw_text_perm(r, m->perm);
}

static void table_name(struct pw_render *r, const struct pw_rec_reach *m)
{
	pw_out_str(r->out, pw_level_name(m->level));
	pw_out_str(r->out, " table");
	if (m->is_root) {
		pw_out_str(r->out, m->user_root ? ", PTI's user root" : ", a root");
		return;
	}
	pw_out_str(r->out, " of ");
	pw_out_page_size(r->out, m->last - m->va + 1);
}

static void c_name(struct pw_render *r, const void *rec)
{
	const struct pw_rec_reach *m = rec;

	if (m->title && m->is_table)
		table_name(r, m);
	else if (m->title && m->name)
		pw_out_name(r->out, m->name);
	else
		pw_text_dash(r);
}

static void c_level(struct pw_render *r, const void *rec)
{
	if (reach_of(rec)->title)
		pw_out_str(r->out, pw_level_name(reach_of(rec)->level));
	else
		pw_text_dash(r);
}

static void c_slot(struct pw_render *r, const void *rec)
{
	pw_text_pa(r, reach_of(rec)->title ? reach_of(rec)->slot_pa : PW_PA_NONE, false);
}

static void c_kernel(struct pw_render *r, const void *rec)
{
	if (!repeats(r, rec))
		pw_out_dec(r->out, reach_of(rec)->frame->first.kernel);
}

static void c_flags(struct pw_render *r, const void *rec)
{
	const struct pw_rec_frame *f = reach_of(rec)->frame;
	bool any = false;
	const char *name;

	if (repeats(r, rec))
		return;
	for (unsigned i = 0; f->has_count && (name = pw_kpage_flag(i)); i++) {
		if (!(f->flags >> i & 1))
			continue;
		if (any)
			pw_out_char(r->out, ',');
		pw_out_str(r->out, name);
		any = true;
	}
	if (!any)
		pw_text_dash(r);
}

PW_COLUMNS(rmap, { "frames", "FRAME", "physical addresses, the end excluded", 12, .put = c_frames },
	   { "maps", "MAPS", "user mappings that were found / that the kernel counts", 5, true, .put = c_maps },
	   { "target", "TARGET", "process, or kernel", 16, .put = c_target },
	   { "va", "ADDRESS", "where it has the first of the frames", 12, .put = c_va },
	   { "page", "PAGE", "size of the page that maps it", 4, true, .put = c_page },
	   { "perm", "PERM", "permissions by all levels; none: PROT_NONE or a NUMA hint", 4, .put = c_perm },
	   { "name", "NAME", "the VMA or region; or whose page table it is", 10, .put = c_name },
	   { "level", "LEVEL", "of the entry; of a table's own entries", 5, false, true, c_level },
	   { "slot", "ENTRY AT", "physical address of the entry", 12, false, true, c_slot },
	   { "kernel", "KERNEL", "mappings by the kernel's half", 6, true, true, c_kernel },
	   { "flags", "FLAGS", "of the frame, by /proc/kpageflags", 10, false, true, c_flags });

void pw_text_rmap_begin(struct pw_render *r)
{
	const struct pw_rmap_widths *w = r->head.widths;
	struct pw_columns *c = &r->columns;

	r->va_digits = 12;
	for (size_t i = 0; i < c->n; i++) {
		if (c->col[i] == &pw_rmap_columns[0])
			c->width[i] = w->frames;
		else if (c->col[i] == &pw_rmap_columns[2])
			c->width[i] = w->target;
		else if (c->col[i] == &pw_rmap_columns[3])
			c->width[i] = w->va;
		else if (c->col[i] == &pw_rmap_columns[4] && r->bytes)
			c->width[i] = 10;
	}
	pw_row_head(r);
}

void pw_text_reach(struct pw_render *r, const struct pw_rec_reach *rec)
{
	pw_row(r, rec);
}

void pw_text_frame(struct pw_render *r, const struct pw_rec_frame *f)
{
	if (!f->first.user && !f->first.kernel && !f->first.tables)
		pw_row(r, &(struct pw_rec_reach){ .frame = f, .first = true });
	if (!f->why || r->noheadings)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_pad(r->out, r->head.widths->frames + GAP);
	pw_out_char(r->out, '(');
	pw_out_str(r->out, f->why);
	pw_out_str(r->out, ")\n");
}

void pw_text_same(struct pw_render *r, const struct pw_rec_same *s)
{
	if (r->noheadings)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_name(r->out, s->title);
	pw_out_str(r->out, " has the memory of ");
	pw_out_str(r->out, s->as);
	pw_out_char(r->out, '\n');
}

void pw_text_again(struct pw_render *r, const struct pw_rec_again *a)
{
	if (r->noheadings)
		return;
	pw_out_room(r->out, PW_OUT_ROW);
	pw_out_name(r->out, a->title);
	pw_out_str(r->out, ": ");
	pw_text_range(r, a->va, a->last);
	pw_out_str(r->out, " has the same tables as ");
	pw_out_hexn(r->out, a->alias_va, r->va_digits);
	pw_out_char(r->out, '\n');
}

static void number(struct pw_render *r, uint64_t n, const char *one, const char *many)
{
	pw_out_dec(r->out, n);
	pw_out_str(r->out, n == 1 ? one : many);
}

/*
 * "3 frames, 2 reached: 5 user and 2 kernel mappings, 1 page table"
 * "412 spaces; 9120 tables (35M); 0 unstable"
 */
void pw_text_rmap_end(struct pw_render *r, const struct pw_rec_end *e)
{
	const struct pw_rec_rmap *m = e->rmap;
	uint64_t tables = pw_walk_stats_tables(&e->walk);

	number(r, m->frames, " frame, ", " frames, ");
	pw_out_dec(r->out, m->reached);
	pw_out_str(r->out, " reached: ");
	pw_out_dec(r->out, m->user);
	pw_out_str(r->out, " user and ");
	number(r, m->kernel, " kernel mapping", " kernel mappings");
	if (m->tables) {
		pw_out_str(r->out, ", ");
		number(r, m->tables, " page table", " page tables");
	}
	pw_out_char(r->out, '\n');
	number(r, m->spaces, " space", " spaces");
	if (tables) {
		pw_out_str(r->out, "; ");
		number(r, tables, " table (", " tables (");
		pw_out_size(r->out, e->walk.table_bytes, r->bytes);
		pw_out_str(r->out, "); ");
		pw_out_dec(r->out, e->walk.unstable);
		pw_out_str(r->out, " unstable");
	}
	if (e->walk.unreadable) {
		pw_out_str(r->out, "; ");
		pw_out_dec(r->out, e->walk.unreadable);
		pw_out_str(r->out, " unreadable");
	}
	if (e->walk.inconsistent) {
		pw_out_str(r->out, "; ");
		pw_out_dec(r->out, e->walk.inconsistent);
		pw_out_str(r->out, " inconsistent");
	}
	if (m->ended) {
		pw_out_str(r->out, "; ");
		number(r, m->ended, " process ended meanwhile", " processes ended meanwhile");
	}
	pw_out_char(r->out, '\n');
	if (!m->left_out)
		return;
	pw_out_dec(r->out, m->left_out);
	pw_out_str(r->out, " more were found than can be put in order: --json shows all\n");
}
