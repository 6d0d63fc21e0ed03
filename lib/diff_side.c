/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diff_side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool grow(void **v, size_t need, size_t *room, size_t size)
{
	size_t want = *room ? *room : 256;
	void *more;

	if (need <= *room)
		return true;
	while (want < need)
		want *= 2;
	more = reallocarray(*v, want, size);
	if (!more)
		return false;
	*v = more;
	*room = want;
	return true;
}

static struct pw_stretch *add(struct pw_diff_side *s, uint64_t va, uint64_t last)
{
	if (!grow((void **)&s->stretch, s->n + 1, &s->room, sizeof(*s->stretch)))
		return NULL;
	s->stretch[s->n] = (struct pw_stretch){ .va = va, .last = last };
	return &s->stretch[s->n++];
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pw_diff_side *s = ctx;
	struct pw_stretch *t;
	size_t first = 0, n = span->n;

	while (first < n && !span->raw[first])
		first++;
	while (n > first && !span->raw[n - 1])
		n--;
	if (first == n)
		return 0;
	if (!grow((void **)&s->word, s->nwords + n - first, &s->wroom, sizeof(*s->word)))
		return -ENOMEM;
	t = add(s, span->va + ((uint64_t)first << span->shift), span->va + (((uint64_t)n << span->shift) - 1));
	if (!t)
		return -ENOMEM;
	t->level = span->level;
	t->shift = span->shift;
	t->perm_above = span->perm_above;
	t->word = s->nwords;
	memcpy(s->word + s->nwords, span->raw + first, (n - first) * sizeof(*s->word));
	s->nwords += n - first;
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct pw_diff_side *s = ctx;
	uint64_t lo = hole->va > s->window.lo ? hole->va : s->window.lo;
	uint64_t last = hole->last < s->window.last ? hole->last : s->window.last;
	struct pw_stretch *t = lo <= last ? add(s, lo, last) : NULL;

	if (!t)
		return lo <= last ? -ENOMEM : 0;
	t->hole = true;
	t->reason = hole->reason;
	s->aliases |= hole->reason == PW_HOLE_ALIAS;
	return 0;
}

int pw_diff_collect(struct pw_diff_side *s, struct pw_range window, bool fold)
{
	static const struct pw_visitor visitor = { .span = on_span, .hole = on_hole };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = window, .fold_aliases = fold };
	struct pw_space one = *s->space;

	one.npieces = 1;
	one.piece[0] = *s->piece;
	s->window = window;
	s->n = s->nwords = s->at = 0;
	s->aliases = false;
	return pw_walk(&one, &opts, &visitor, s, s->stats);
}

void pw_diff_side_free(struct pw_diff_side *s)
{
	free(s->stretch);
	free(s->word);
	s->stretch = NULL;
	s->word = NULL;
}

static const struct pw_stretch *stretch_at(struct pw_diff_side *s, uint64_t va)
{
	while (s->at < s->n && s->stretch[s->at].last < va)
		s->at++;
	return s->at < s->n ? &s->stretch[s->at] : NULL;
}

void pw_diff_cell(struct pw_diff_side *s, uint64_t va, struct pw_cell *out)
{
	const struct pw_stretch *t = stretch_at(s, va);
	size_t i, n;

	*out = (struct pw_cell){ .va = va, .last = s->window.last };
	if (!t)
		return;
	if (va < t->va) {
		out->last = t->va - 1;
		return;
	}
	out->hole = t->hole;
	out->reason = t->reason;
	out->last = t->last;
	if (t->hole)
		return;
	i = (va - t->va) >> t->shift;
	n = ((t->last - t->va) >> t->shift) + 1;
	out->raw = s->word[t->word + i];
	out->level = t->level;
	out->perm_above = t->perm_above;
	out->va = t->va + ((uint64_t)i << t->shift);
	while (!out->raw && i + 1 < n && !s->word[t->word + i + 1])
		i++;
	out->last = t->va + (((uint64_t)i + 1) << t->shift) - 1;
}

uint64_t pw_diff_same(struct pw_diff_side *a, struct pw_diff_side *b, uint64_t va)
{
	const struct pw_stretch *t = stretch_at(a, va), *u = stretch_at(b, va);
	const uint64_t *w, *x;
	size_t n, m, i;

	if (!t || !u || t->hole || u->hole || va < t->va || va < u->va || t->shift != u->shift ||
	    t->level != u->level || t->perm_above != u->perm_above || (va - t->va) & ((UINT64_C(1) << t->shift) - 1))
		return 0;
	w = a->word + t->word + ((va - t->va) >> t->shift);
	x = b->word + u->word + ((va - u->va) >> u->shift);
	n = ((t->last - va) >> t->shift) + 1;
	m = ((u->last - va) >> u->shift) + 1;
	for (i = 0; i < n && i < m && w[i] == x[i];)
		i++;
	return (uint64_t)i << t->shift;
}

/* ---- where there is anything ---- */

struct mapping {
	struct pw_diff_map *map;
	uint64_t unit;
};

static void set(uint8_t *bits, size_t i)
{
	bits[i / 8] |= (uint8_t)(1u << i % 8);
}

static void mark(const struct mapping *m, uint8_t *bits, uint64_t va, uint64_t last)
{
	uint64_t end = m->map->va + (m->map->n * m->unit - 1);

	if (va < m->map->va)
		va = m->map->va;
	if (last > end)
		last = end;
	for (; va <= last; va += m->unit) {
		set(bits, (va - m->map->va) / m->unit);
		if (va > UINT64_MAX - m->unit)
			return;
	}
}

static int map_span(void *ctx, const struct pw_span *span)
{
	const struct mapping *m = ctx;

	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i]) {
			uint64_t va = span->va + ((uint64_t)i << span->shift);

			mark(m, m->map->used, va, va + ((UINT64_C(1) << span->shift) - 1));
		}
	return 0;
}

static int map_hole(void *ctx, const struct pw_hole *hole)
{
	const struct mapping *m = ctx;

	if (hole->slot_pa == PW_PA_NONE) {
		m->map->failed = true;
		m->map->reason = hole->reason;
	} else if (hole->reason == PW_HOLE_ALIAS) {
		mark(m, m->map->alias, hole->va, hole->last);
	} else {
		/* It is told of once, however large it is. */
		mark(m, m->map->used, hole->va, hole->va);
	}
	return 0;
}

int pw_diff_map(const struct pw_diff_side *s, unsigned depth, struct pw_range va, struct pw_diff_map *map,
		uint64_t unit)
{
	static const struct pw_visitor visitor = { .span = map_span, .hole = map_hole };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = va, .fold_aliases = true, .depth = depth };
	struct mapping m = { map, unit };
	struct pw_walk_stats stats = { 0 };
	struct pw_space one = *s->space;

	one.npieces = 1;
	one.piece[0] = *s->piece;
	map->va = va.lo;
	memset(map->used, 0, (map->n + 7) / 8);
	memset(map->alias, 0, (map->n + 7) / 8);
	map->failed = false;
	return pw_walk(&one, &opts, &visitor, &m, &stats);
}
