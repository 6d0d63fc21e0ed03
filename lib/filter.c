// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "area_cursor.h"
#include "filter.h"

/* -------- asking -------- */

static bool compare(enum pw_filter_cmp cmp, uint64_t a, uint64_t b)
{
	switch (cmp) {
	case PW_F_EQ:
		return a == b;
	case PW_F_NE:
		return a != b;
	case PW_F_LT:
		return a < b;
	case PW_F_LE:
		return a <= b;
	case PW_F_GT:
		return a > b;
	case PW_F_GE:
		return a >= b;
	default:
		return false;
	}
}

/* What has no such text (memory of no VMA, of no file) is unlike every text. */
static bool compare_text(enum pw_filter_cmp cmp, const char *a, const char *b)
{
	bool same = a && (cmp == PW_F_EQ || cmp == PW_F_NE ? !strcmp(a, b) : strstr(a, b) != NULL);

	return cmp == PW_F_EQ || cmp == PW_F_HAS ? same : !same;
}

/* An entry covers [lo, lo + size): = asks whether one of its addresses is in the range. */
static bool compare_range(const struct pw_filter_node *n, uint64_t lo, uint64_t size)
{
	uint64_t last = lo + (size - 1);
	bool meets = lo <= n->last && n->value <= last;

	switch (n->cmp) {
	case PW_F_EQ:
		return meets;
	case PW_F_NE:
		return !meets;
	case PW_F_LT:
	case PW_F_LE:
		return compare(n->cmp, lo, n->value);
	default:
		return compare(n->cmp, last, n->value);
	}
}

static uint64_t attr_mask(const struct pw_arch *arch, const char *name)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < arch->nattrs; i++)
		if (!strcmp(arch->attrs[i].name, name))
			mask |= UINT64_C(1) << i;
	return mask;
}

static bool has_page(const struct pw_entry *e)
{
	return (e->kind == PW_LEAF || e->kind == PW_PROTNONE) && e->pa != PW_PA_NONE;
}

struct subject {
	const struct pw_mmu *mmu;
	const struct pw_entry *e;
	uint8_t perm;
	uint64_t va;
	const struct pw_area *area;
};

static const char *memtype(const struct subject *s)
{
	return s->e->memtype == 0xff || !s->mmu->arch->memtypes ? NULL : s->mmu->arch->memtypes[s->e->memtype];
}

static bool holds(const struct pw_filter_node *n, const struct subject *s)
{
	const struct pw_entry *e = s->e;

	switch (n->field) {
	case PW_F_PERM:
		return s->perm != PW_PERM_UNKNOWN && s->perm & n->value;
	case PW_F_KIND:
		return e->kind == n->value;
	case PW_F_SWAP:
		return e->kind == PW_SOFT && pw_is_swap(e);
	case PW_F_LEVEL:
		return e->level == n->value;
	case PW_F_HUGE:
		return e->level > PW_PTE && (e->kind == PW_LEAF || e->kind == PW_PROTNONE);
	case PW_F_RESERVED:
		return e->reserved;
	case PW_F_ATTR:
		return e->attrs & attr_mask(s->mmu->arch, n->text);
	case PW_F_SIZE:
		return compare(n->cmp, e->size, n->value);
	case PW_F_KEY:
		return compare(n->cmp, e->key, n->value);
	case PW_F_SWAP_TYPE:
		return e->has_swap && compare(n->cmp, e->swap_type, n->value);
	case PW_F_SWAP_OFFSET:
		return e->has_swap && compare(n->cmp, e->swap_offset, n->value);
	case PW_F_VA:
		return compare_range(n, s->va, e->size);
	case PW_F_PA:
		return has_page(e) && compare_range(n, e->pa, e->size);
	case PW_F_NAME:
		return compare_text(n->cmp, s->area ? s->area->name : NULL, n->text);
	case PW_F_FILE:
		return compare_text(n->cmp, s->area ? s->area->path : NULL, n->text);
	case PW_F_VMA:
		return compare_text(n->cmp, s->area && s->area->perms[0] ? s->area->perms : NULL, n->text);
	case PW_F_MEMTYPE:
		return compare_text(n->cmp, memtype(s), n->text);
	}
	return false;
}

/* As deep as the parser allows, but for chains of and and or, which are deep on the left side. */
static bool ask(const struct pw_filter *f, uint16_t at, const struct subject *s)
{
	const struct pw_filter_node *n = &f->node[at];

	switch (n->op) {
	case PW_F_NOT:
		return !ask(f, n->a, s);
	case PW_F_AND:
		return ask(f, n->a, s) && ask(f, n->b, s);
	case PW_F_OR:
		return ask(f, n->a, s) || ask(f, n->b, s);
	default:
		return holds(n, s);
	}
}

/* What all levels together allow of a page; nothing of what is none. */
static uint8_t perm_of(const struct pw_entry *e, uint8_t perm_above)
{
	if (e->perm == PW_PERM_UNKNOWN)
		return e->perm;
	return e->kind == PW_LEAF || e->kind == PW_PROTNONE ? e->perm & perm_above : 0;
}

bool pw_filter_match(const struct pw_filter *f, const struct pw_mmu *mmu, const struct pw_entry *e, uint8_t perm_above,
		     uint64_t va, const struct pw_area *area)
{
	const struct subject s = { mmu, e, perm_of(e, perm_above), va, area };

	return e->kind != PW_NONE && ask(f, f->root, &s);
}

int pw_filter_check(const struct pw_filter *f, const struct pw_mmu *mmu, struct pw_error *err)
{
	bool leaf_only = mmu->arch == &pw_arch_pagemap;

	for (uint16_t i = 0; i < f->n; i++) {
		const struct pw_filter_node *n = &f->node[i];

		if (n->op != PW_F_TEST)
			continue;
		if (n->field == PW_F_ATTR && !attr_mask(mmu->arch, n->text))
			return pw_error_set(err, -EOPNOTSUPP, "filter '%s': %s entries have no '%s'", f->text,
					    mmu->arch->name, n->text);
		if (leaf_only && (n->field == PW_F_PERM || n->field == PW_F_SIZE || n->field == PW_F_HUGE ||
				  n->field == PW_F_LEVEL || n->field == PW_F_KEY || n->field == PW_F_MEMTYPE))
			return pw_error_set(err, -EOPNOTSUPP,
					    "filter '%s': a leaf-only source does not know permissions, sizes, levels, "
					    "keys and memory types",
					    f->text);
	}
	return 0;
}

/* -------- the stage -------- */

struct pw_filtered {
	const struct pw_filter *f;
	struct pw_area_cursor areas;
	const struct pw_visitor *next;
	void *ctx;
	/* Steps on the way to where the walk is, of which `told` were handed on. */
	struct pw_step step[PW_NLEVELS];
	unsigned told;
	/* What the last entry was found to be: its neighbours mostly are alike. */
	bool known, matches;
	uint64_t word;
	const struct pw_area *area;
	const struct pw_piece *piece;
	enum pw_level level;
	uint8_t perm_above;
	struct pw_leaf_format fmt;
};

struct pw_filtered *pw_filtered_new(const struct pw_filter *f, const struct pw_areas *areas,
				    const struct pw_visitor *next, void *ctx)
{
	struct pw_filtered *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->f = f;
	s->areas.areas = areas;
	s->next = next;
	s->ctx = ctx;
	return s;
}

void pw_filtered_free(struct pw_filtered *s)
{
	free(s);
}

/* Those that lead to a table at that depth: steps below it are of where the walk was before. */
static int tell_steps(struct pw_filtered *s, unsigned depth)
{
	int rc = 0;

	for (; s->told < depth && !rc; s->told++)
		if (s->next->step)
			rc = s->next->step(s->ctx, &s->step[s->told]);
	return rc;
}

/* Handed on when something below it is. */
static int on_step(void *ctx, const struct pw_step *step)
{
	struct pw_filtered *s = ctx;

	if (!s->f)
		return s->next->step ? s->next->step(s->ctx, step) : 0;
	if (s->told > step->depth)
		s->told = step->depth;
	s->step[step->depth] = *step;
	return 0;
}

static bool matches(struct pw_filtered *s, const struct pw_span *span, size_t i, const struct pw_area *area)
{
	uint64_t raw = span->raw[i], word = raw & ~s->fmt.pa_mask;
	bool plain = s->fmt.leaf_mask && (raw & s->fmt.leaf_mask) == s->fmt.leaf_value;
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct pw_entry e;

	if (s->known && plain && s->word == word && s->area == area && !s->f->by_address)
		return s->matches;
	mmu->arch->decode(mmu, span->level, raw, &e);
	s->known = plain;
	s->word = word;
	s->area = area;
	s->matches = pw_filter_match(s->f, mmu, &e, span->perm_above, span->va + ((uint64_t)i << span->shift), area);
	return s->matches;
}

static int tell_span(struct pw_filtered *s, const struct pw_span *span, size_t from, size_t to)
{
	struct pw_span part = *span;
	int rc;

	if (from == to || !s->next->span)
		return 0;
	rc = tell_steps(s, span->depth);
	if (rc)
		return rc;
	part.va += (uint64_t)from << span->shift;
	if (part.slot_pa != PW_PA_NONE)
		part.slot_pa += from * sizeof(uint64_t);
	part.raw += from;
	part.n = to - from;
	return s->next->span(s->ctx, &part);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pw_filtered *s = ctx;
	uint64_t until = 0;
	const struct pw_area *area = NULL;
	size_t from = 0;
	int rc = 0;

	if (!s->f)
		return s->next->span ? s->next->span(s->ctx, span) : 0;
	if (s->piece != span->piece || s->level != span->level || s->perm_above != span->perm_above) {
		s->piece = span->piece;
		s->level = span->level;
		s->perm_above = span->perm_above;
		s->known = false;
		span->piece->mmu.arch->leaf_format(&span->piece->mmu, span->level, &s->fmt);
	}
	for (size_t i = 0; i < span->n && !rc; i++) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);

		if (!i || va > until)
			area = pw_area_at(&s->areas, va, &until);
		if (span->raw[i] && matches(s, span, i, area))
			continue;
		rc = tell_span(s, span, from, i);
		from = i + 1;
	}
	return rc ? rc : tell_span(s, span, from, span->n);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct pw_filtered *s = ctx;
	int rc = s->f ? tell_steps(s, hole->depth) : 0;

	return rc || !s->next->hole ? rc : s->next->hole(s->ctx, hole);
}

const struct pw_visitor pw_filtered_visitor = { .step = on_step, .span = on_span, .hole = on_hole };
