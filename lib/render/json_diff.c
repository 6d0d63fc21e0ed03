/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* diff's records. The words in "what" and "side" are API: add, never rename. */
#include "bits.h"
#include "json_snapshot.h"

static void open_rec(struct pw_render *r, struct pw_json *j, const char *rec)
{
	*j = (struct pw_json){ .out = r->out };
	pw_json_open(j, rec);
}

void pw_json_diff_side(struct pw_render *r, const struct pw_rec_side *s)
{
	struct pw_json j;

	open_rec(r, &j, "side");
	pw_json_str(&j, "side", s->name);
	pw_json_str(&j, "file", s->file);
	pw_json_str(&j, "source", s->target->source.ops->name);
	pw_json_str(&j, "consistency", pw_consistency_name(s->target->source.consistency));
	if (s->target->taken)
		pw_json_taken(&j, s->target->taken);
	pw_json_str(&j, "system", s->target->facts.system);
	pw_json_close(&j);
}

void pw_json_diff_pair(struct pw_render *r, const struct pw_rec_pair *p)
{
	struct pw_json j;

	open_rec(r, &j, "pair");
	r->head.name = p->name;
	pw_json_str(&j, "target", p->name);
	pw_json_str(&j, "before", p->a->title);
	pw_json_str(&j, "after", p->b->title);
	pw_json_str(&j, "what", p->what);
	pw_json_close(&j);
}

void pw_json_diff_lone(struct pw_render *r, const struct pw_rec_lone *l)
{
	struct pw_json j;

	open_rec(r, &j, "lone");
	pw_json_str(&j, "target", l->name);
	pw_json_str(&j, "title", l->title);
	pw_json_str(&j, "side", l->side);
	pw_json_close(&j);
}

static void side(struct pw_json *j, const char *key, const struct pw_change_side *s)
{
	if (s->kind == PW_NONE) {
		pw_json_null(j, key);
		return;
	}
	pw_json_begin(j, key, '{');
	pw_json_str(j, "kind", pw_kind_name(s->kind));
	pw_json_perm(j, "perm", s->kind == PW_LEAF ? s->perm : PW_PERM_UNKNOWN);
	pw_json_num(j, "size", s->size);
	pw_json_pa(j, "pa", s->pa);
	if (s->has_swap)
		pw_json_num(j, "swap", s->swap_type);
	pw_json_end(j, '}');
}

static void where(struct pw_render *r, struct pw_json *j, uint64_t va, uint64_t last)
{
	pw_json_str(j, "target", r->head.name);
	pw_json_hex(j, "va", va);
	pw_json_end_of(j, "end", last);
}

static void area_of(struct pw_json *j, const struct pw_area *a)
{
	pw_json_str(j, "name", a ? a->name : NULL);
	pw_json_str(j, "path", a ? a->path : NULL);
}

void pw_json_change(struct pw_render *r, const struct pw_change *c)
{
	struct pw_json j;

	open_rec(r, &j, "change");
	where(r, &j, c->va, c->last);
	pw_json_begin(&j, "what", '[');
	for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++)
		if (c->what >> i & 1)
			pw_json_str(&j, NULL, pw_change_name((enum pw_change_what)i));
	pw_json_end(&j, ']');
	pw_json_num(&j, "bytes", c->bytes);
	pw_json_num(&j, "pages", c->pages);
	pw_json_num(&j, "unit", c->unit);
	pw_json_num(&j, "pieces", c->pieces);
	side(&j, "before", &c->before);
	side(&j, "after", &c->after);
	area_of(&j, c->area_after ? c->area_after : c->area_before);
	pw_json_close(&j);
}

void pw_json_area_change(struct pw_render *r, const struct pw_area_change *c)
{
	struct pw_json j;

	open_rec(r, &j, "vma_change");
	where(r, &j, c->va, c->last);
	pw_json_str(&j, "what", pw_area_what_name(c->what));
	pw_json_num(&j, "bytes", c->last - c->va + 1);
	pw_json_str(&j, "before", c->before && c->before->perms[0] ? c->before->perms : NULL);
	pw_json_str(&j, "after", c->after && c->after->perms[0] ? c->after->perms : NULL);
	area_of(&j, c->after ? c->after : c->before);
	if (c->what == PW_AREA_REPLACED)
		pw_json_str(&j, "was", c->before->path ? c->before->path : c->before->name);
	pw_json_close(&j);
}

void pw_json_diff_unknown(struct pw_render *r, const struct pw_diff_unknown *u)
{
	struct pw_json j;

	open_rec(r, &j, "unknown");
	where(r, &j, u->va, u->last);
	pw_json_str(&j, "reason", pw_hole_name(u->reason));
	pw_json_bool(&j, "in_before", u->in_before);
	pw_json_bool(&j, "in_after", u->in_after);
	pw_json_close(&j);
}

void pw_json_diff_sums(struct pw_render *r, const struct pw_diff_sums *s)
{
	struct pw_json j;

	open_rec(r, &j, "sums");
	pw_json_str(&j, "target", r->head.name);
	pw_json_bool(&j, "same", !s->changes);
	pw_json_num(&j, "unknown", s->unknown);
	pw_json_begin(&j, "bytes", '{');
	for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++)
		pw_json_num(&j, pw_change_name((enum pw_change_what)i), s->bytes[i]);
	pw_json_end(&j, '}');
	pw_json_begin(&j, "vmas", '{');
	for (unsigned i = 0; i < PW_AREA_NWHATS; i++)
		pw_json_num(&j, pw_area_what_name((enum pw_area_what)i), s->areas[i]);
	pw_json_end(&j, '}');
	pw_json_close(&j);
}
