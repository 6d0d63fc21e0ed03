/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "entry.h"

#define LABELS 64

struct pw_label_cache {
	struct pw_label label[LABELS];
};

/* What the entries of one span have in common. */
struct span_of {
	const struct pw_span *span;
	struct pw_leaf_format fmt;
	unsigned pa_shift; /* from the format's unit to bytes */
};

static unsigned hash(uint64_t flags, enum pw_level level)
{
	return ((flags + level) * UINT64_C(0x9e3779b97f4a7c15)) >> 58;
}

static void fill(struct pw_render *r, struct pw_label *l, const struct pw_span *span, uint64_t flags, uint64_t raw,
		 pw_label_fn fn)
{
	struct pw_out *o = r->out;
	size_t start;

	l->piece = span->piece;
	l->flags = flags;
	l->level = span->level;
	l->perm_above = span->perm_above;
	span->piece->mmu.arch->decode(&span->piece->mmu, span->level, raw, &l->entry);
	if (l->entry.perm == PW_PERM_UNKNOWN)
		l->perm = PW_PERM_UNKNOWN;
	else
		l->perm = l->entry.hw && !l->entry.reserved ? l->entry.perm & span->perm_above : 0;

	pw_out_room(o, PW_OUT_ROW);
	start = o->len;
	fn(r, l);
	l->len = o->len - start < PW_LABEL_TEXT ? o->len - start : PW_LABEL_TEXT;
	memcpy(l->text, o->buf + start, l->len);
	o->len = start;
}

static struct pw_label_cache *cache_of(struct pw_render *r)
{
	if (!r->labels)
		r->labels = calloc(1, sizeof(*r->labels));
	if (!r->labels)
		r->out->error = ENOMEM;
	return r->labels;
}

/* A plain leaf: its label is that of all leaves with the same flags, its frame is in the format's bits. */
static void plain_leaf(struct pw_render *r, const struct span_of *s, struct pw_rec_entry *rec, pw_label_fn fn)
{
	uint64_t flags = rec->raw & ~s->fmt.pa_mask;
	struct pw_label *l = &r->labels->label[hash(flags, s->span->level)];

	if (l->flags != flags || l->level != s->span->level || l->piece != s->span->piece ||
	    l->perm_above != s->span->perm_above || l->entry.kind != PW_LEAF)
		fill(r, l, s->span, flags, rec->raw, fn);
	rec->label = l;
	rec->pa = (rec->raw & s->fmt.pa_mask) << s->pa_shift;
}

static void any_entry(struct pw_render *r, const struct pw_span *span, struct pw_rec_entry *rec, struct pw_label *l,
		      pw_label_fn fn)
{
	fill(r, l, span, rec->raw, rec->raw, fn);
	rec->label = l;
	rec->pa = l->entry.pa;
}

void pw_entries_of_span(struct pw_render *r, const struct pw_span *span, pw_label_fn label, pw_entry_fn fn)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct span_of s = { .span = span };
	struct pw_rec_entry rec = { .piece = span->piece, .depth = span->depth };
	struct pw_label own;

	if (!cache_of(r))
		return;
	mmu->arch->leaf_format(mmu, span->level, &s.fmt);
	if (s.fmt.leaf_mask)
		s.pa_shift = span->shift - (unsigned)__builtin_ctzll(s.fmt.pa_step);
	for (size_t i = 0; i < span->n; i++) {
		rec.raw = span->raw[i];
		if (rec.raw == 0)
			continue;
		rec.va = span->va + ((uint64_t)i << span->shift);
		rec.slot_pa = span->slot_pa == PW_PA_NONE ? PW_PA_NONE : span->slot_pa + i * sizeof(uint64_t);
		if (s.fmt.leaf_mask && (rec.raw & s.fmt.leaf_mask) == s.fmt.leaf_value && rec.raw & s.fmt.pa_mask)
			plain_leaf(r, &s, &rec, label);
		else
			any_entry(r, span, &rec, &own, label);
		if (rec.label->entry.kind == PW_LEAF && rec.pa == PW_PA_NONE)
			r->hidden = true;
		fn(r, &rec);
		if (!pw_render_alive(r))
			return;
	}
}

void pw_entry_of_hole(struct pw_render *r, const struct pw_hole *hole, pw_label_fn label, pw_entry_fn fn)
{
	const struct pw_step step = {
		.piece = hole->piece,
		.level = hole->level,
		.depth = hole->depth,
		.perm_above = hole->perm_above,
		.va = hole->va,
		.slot_pa = hole->slot_pa,
		.raw = hole->raw,
	};

	if (hole->slot_pa != PW_PA_NONE && hole->raw)
		pw_entry_alone(r, &step, label, fn);
}

void pw_entry_alone(struct pw_render *r, const struct pw_step *step, pw_label_fn label, pw_entry_fn fn)
{
	const struct pw_span span = {
		.piece = step->piece,
		.level = step->level,
		.depth = step->depth,
		.perm_above = step->perm_above,
	};
	struct pw_rec_entry rec = {
		.piece = step->piece,
		.va = step->va,
		.slot_pa = step->slot_pa,
		.raw = step->raw,
		.depth = step->depth,
	};
	struct pw_label own;

	any_entry(r, &span, &rec, &own, label);
	fn(r, &rec);
}
