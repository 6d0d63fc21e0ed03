/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rmap's records: a record a frame and mapping, as they are found, and one a frame at the end. */
#include "bits.h"
#include "json_rmap.h"

#define PAGE UINT64_C(4096)

static void open_rec(struct pw_render *r, struct pw_json *j, const char *rec)
{
	*j = (struct pw_json){ .out = r->out };
	pw_json_open(j, rec);
}

static void mapping(struct pw_render *r, const struct pw_rec_reach *rec, uint64_t off)
{
	struct pw_json j;

	open_rec(r, &j, "mapping");
	pw_json_hex(&j, "pa", rec->pa + off);
	pw_json_str(&j, "target", rec->target);
	pw_json_str(&j, "title", rec->title);
	pw_json_hex(&j, "va", rec->va + off);
	pw_json_num(&j, "size", rec->size);
	pw_json_str(&j, "level", pw_level_name(rec->level));
	pw_json_str(&j, "kind", pw_kind_name(rec->kind));
	pw_json_perm(&j, "perm", rec->perm);
	pw_json_pa(&j, "slot", rec->slot_pa);
	pw_json_str(&j, "name", rec->name);
	pw_json_close(&j);
}

static void table(struct pw_render *r, const struct pw_rec_reach *rec)
{
	struct pw_json j;

	open_rec(r, &j, "table");
	pw_json_hex(&j, "pa", rec->pa);
	pw_json_str(&j, "target", rec->target);
	pw_json_str(&j, "title", rec->title);
	pw_json_str(&j, "level", pw_level_name(rec->level));
	pw_json_hex(&j, "va", rec->va);
	pw_json_end_of(&j, "end", rec->last);
	pw_json_bool(&j, "root", rec->is_root);
	pw_json_bool(&j, "user_root", rec->user_root);
	pw_json_pa(&j, "slot", rec->slot_pa);
	pw_json_close(&j);
}

void pw_json_reach(struct pw_render *r, const struct pw_rec_reach *rec)
{
	if (rec->is_table)
		table(r, rec);
	for (uint64_t i = 0; i < rec->frames && !rec->is_table && pw_render_alive(r); i++)
		mapping(r, rec, i * PAGE);
}

static void flags(struct pw_json *j, uint64_t bits)
{
	const char *name;

	pw_json_begin(j, "flags", '[');
	for (unsigned i = 0; (name = pw_kpage_flag(i)); i++)
		if (bits >> i & 1)
			pw_json_str(j, NULL, name);
	pw_json_end(j, ']');
}

void pw_json_frame(struct pw_render *r, const struct pw_rec_frame *f)
{
	struct pw_json j;

	open_rec(r, &j, "frame");
	pw_json_hex(&j, "pa", f->first.pa);
	pw_json_num(&j, "user", f->first.user);
	pw_json_num(&j, "shared", f->first.shared);
	pw_json_num(&j, "kernel", f->first.kernel);
	pw_json_num(&j, "tables", f->first.tables);
	if (f->has_count) {
		pw_json_num(&j, "mapcount", f->count);
		flags(&j, f->flags);
	} else {
		pw_json_null(&j, "mapcount");
		pw_json_null(&j, "flags");
	}
	pw_json_str(&j, "why", f->why);
	pw_json_close(&j);
}

void pw_json_same(struct pw_render *r, const struct pw_rec_same *s)
{
	struct pw_json j;

	open_rec(r, &j, "same");
	pw_json_str(&j, "target", s->target);
	pw_json_str(&j, "title", s->title);
	pw_json_str(&j, "as", s->as);
	pw_json_close(&j);
}

void pw_json_again(struct pw_render *r, const struct pw_rec_again *a)
{
	struct pw_json j;

	open_rec(r, &j, "again");
	pw_json_str(&j, "target", a->target);
	pw_json_hex(&j, "va", a->va);
	pw_json_end_of(&j, "end", a->last);
	pw_json_hex(&j, "alias_va", a->alias_va);
	pw_json_close(&j);
}

void pw_json_rmap(struct pw_render *r, const struct pw_rec_rmap *rec)
{
	struct pw_json j;

	open_rec(r, &j, "rmap");
	pw_json_num(&j, "frames", rec->frames);
	pw_json_num(&j, "reached", rec->reached);
	pw_json_num(&j, "user", rec->user);
	pw_json_num(&j, "kernel", rec->kernel);
	pw_json_num(&j, "tables", rec->tables);
	pw_json_num(&j, "spaces", rec->spaces);
	pw_json_num(&j, "ended", rec->ended);
	pw_json_close(&j);
}
