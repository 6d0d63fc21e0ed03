/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A diff looks first which slots of the roots and which windows of 1 GiB have anything in them, and then at one window of both
 * sides after the other: memory is bounded by the entries of a window, whatever the spaces look like.
 *
 * Changes are gathered by VMA (gather()): what has happened to single pages here and there is one change of many pieces.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/diff.h>

#include "diff_areas.h"
#include "diff_side.h"

/* Internal: a half is done with, because of what was found. */
#define OVER 0x7ead

#define SMALL          UINT64_C(4096)
#define WINDOW_COST    256
#define DEFAULT_BUDGET (UINT64_C(1) << 24)
#define GATHERED       48 /* kinds of changes in one VMA that are kept apart */

struct diff {
	const struct pw_diff_opts *opts;
	const struct pw_diff_visitor *visitor;
	void *ctx;
	struct pw_diff_sums *sums;
	struct pw_diff_side side[2];
	struct pw_diff_areas areas;
	struct pw_area_change next_area;
	bool has_area;
	struct pw_change open[GATHERED]; /* by va */
	size_t nopen;
	struct pw_diff_unknown unknown;
	bool has_unknown;
	uint64_t budget;
};

const char *pw_change_name(enum pw_change_what what)
{
	static const char *const names[PW_CHANGE_NWHATS] = {
		[PW_CHANGE_MAPPED] = "mapped",
		[PW_CHANGE_UNMAPPED] = "unmapped",
		[PW_CHANGE_SWAPPED_OUT] = "swapped-out",
		[PW_CHANGE_SWAPPED_IN] = "swapped-in",
		[PW_CHANGE_MOVED] = "moved",
		[PW_CHANGE_PERM] = "perm",
		[PW_CHANGE_SPLIT] = "split",
		[PW_CHANGE_COLLAPSED] = "collapsed",
		[PW_CHANGE_ACCESSED] = "accessed",
		[PW_CHANGE_AGED] = "aged",
		[PW_CHANGE_DIRTIED] = "dirtied",
		[PW_CHANGE_CLEANED] = "cleaned",
		[PW_CHANGE_BITS] = "bits",
	};

	return (unsigned)what < PW_CHANGE_NWHATS ? names[what] : "?";
}

/* ---- handing out ---- */

/* VMAs that changed at or below va. */
static int put_areas(struct diff *d, uint64_t va)
{
	int rc = 0;

	while (d->has_area && d->next_area.va <= va && !rc) {
		d->sums->areas[d->next_area.what]++;
		d->sums->changes++;
		rc = d->visitor->area ? d->visitor->area(d->ctx, &d->next_area) : 0;
		d->has_area = pw_diff_areas_next(&d->areas, &d->next_area);
	}
	return rc;
}

static int put_unknown(struct diff *d)
{
	if (!d->has_unknown)
		return 0;
	d->has_unknown = false;
	d->sums->unknown++;
	return d->visitor->unknown ? d->visitor->unknown(d->ctx, &d->unknown) : 0;
}

static int flush(struct diff *d)
{
	int rc = put_unknown(d);

	for (size_t i = 0; i < d->nopen && !rc; i++) {
		d->sums->changes++;
		rc = put_areas(d, d->open[i].va);
		if (!rc && d->visitor->change)
			rc = d->visitor->change(d->ctx, &d->open[i]);
	}
	d->nopen = 0;
	return rc;
}

static bool same_side(const struct pw_change_side *a, const struct pw_change_side *b)
{
	return a->kind == b->kind && a->perm == b->perm && a->size == b->size && a->has_swap == b->has_swap &&
	       a->swap_type == b->swap_type;
}

static int gather(struct diff *d, const struct pw_change *c)
{
	int rc = 0;

	for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++)
		if (c->what >> i & 1)
			d->sums->bytes[i] += c->bytes;
	if (d->nopen && (d->open[0].area_before != c->area_before || d->open[0].area_after != c->area_after))
		rc = flush(d);
	for (size_t i = 0; i < d->nopen && !rc; i++) {
		struct pw_change *o = &d->open[i];

		if (o->what != c->what || o->unit != c->unit || !same_side(&o->before, &c->before) ||
		    !same_side(&o->after, &c->after))
			continue;
		if (o->last + 1 != c->va && d->opts->exact)
			continue;
		o->pieces += o->last + 1 != c->va;
		o->last = c->last;
		o->pages += c->pages;
		o->bytes += c->bytes;
		return 0;
	}
	/* What is not in any VMA has no end that it could be gathered up to. */
	if (!rc && d->nopen && (d->opts->exact || d->nopen == GATHERED || (!c->area_before && !c->area_after)))
		rc = flush(d);
	if (!rc)
		d->open[d->nopen++] = *c;
	return rc;
}

/* ---- comparing ---- */

static void side_of(const struct pw_diff_side *s, const struct pw_cell *cell, uint64_t va, struct pw_entry *e,
		    struct pw_change_side *out)
{
	const struct pw_mmu *mmu = &s->piece->mmu;

	*out = (struct pw_change_side){ .kind = PW_NONE, .pa = PW_PA_NONE };
	memset(e, 0, sizeof(*e));
	if (!cell->raw)
		return;
	mmu->arch->decode(mmu, cell->level, cell->raw, e);
	if (e->kind == PW_NONE || e->kind == PW_TABLE)
		return;
	out->kind = e->kind;
	out->size = e->size;
	if (e->kind == PW_LEAF)
		out->perm = e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & cell->perm_above;
	if (e->kind != PW_SOFT && e->pa != PW_PA_NONE)
		out->pa = e->pa + (va - cell->va);
	out->has_swap = e->has_swap;
	out->swap_type = e->has_swap ? e->swap_type : 0;
}

static uint32_t bit(enum pw_change_what what)
{
	return UINT32_C(1) << what;
}

/* Where in swap, in pages. */
static uint64_t swap_at(const struct pw_entry *e, const struct pw_cell *cell, uint64_t va)
{
	return e->swap_offset + ((va - cell->va) >> 12);
}

static uint32_t bits_changed(const struct pw_diff_side *s, const struct pw_entry *a, const struct pw_entry *b)
{
	struct pw_leaf_format f;
	uint64_t other = a->raw ^ b->raw;
	uint32_t what = 0;

	s->piece->mmu.arch->leaf_format(&s->piece->mmu, a->level, &f);
	if ((a->raw ^ b->raw) & f.accessed)
		what |= bit(b->raw & f.accessed ? PW_CHANGE_ACCESSED : PW_CHANGE_AGED);
	if ((a->raw ^ b->raw) & f.dirty)
		what |= bit(b->raw & f.dirty ? PW_CHANGE_DIRTIED : PW_CHANGE_CLEANED);
	other &= ~(f.accessed | f.dirty | f.pa_mask);
	/* What stands for a permission is told as one. */
	if (other && a->attrs != b->attrs && a->perm == b->perm)
		what |= bit(PW_CHANGE_BITS);
	return what;
}

static bool in_memory(const struct pw_change_side *s)
{
	return s->kind == PW_LEAF || s->kind == PW_PROTNONE;
}

/* Not a migration, a marker and the like. */
static bool in_swap(const struct pw_change_side *s)
{
	return s->has_swap && pw_is_swap_type(s->swap_type);
}

/* From memory to not, or back. */
static uint32_t left_memory(const struct pw_change_side *a, const struct pw_change_side *b)
{
	if (in_memory(a))
		return bit(in_swap(b) ? PW_CHANGE_SWAPPED_OUT : PW_CHANGE_UNMAPPED);
	return bit(in_swap(a) ? PW_CHANGE_SWAPPED_IN : PW_CHANGE_MAPPED);
}

static uint32_t what_of(const struct diff *d, const struct pw_cell cell[2], const struct pw_entry e[2],
			const struct pw_change *c)
{
	const struct pw_change_side *a = &c->before, *b = &c->after;
	uint32_t what = 0;

	if (a->kind == PW_NONE || b->kind == PW_NONE)
		return a->kind == b->kind ? 0 : bit(b->kind == PW_NONE ? PW_CHANGE_UNMAPPED : PW_CHANGE_MAPPED);
	if (in_memory(a) != in_memory(b))
		return left_memory(a, b);
	if (a->size != b->size)
		what |= bit(a->size > b->size ? PW_CHANGE_SPLIT : PW_CHANGE_COLLAPSED);
	if (!in_memory(a)) {
		if (a->has_swap && b->has_swap &&
		    (a->swap_type != b->swap_type ||
		     swap_at(&e[0], &cell[0], c->va) != swap_at(&e[1], &cell[1], c->va)))
			return what | bit(PW_CHANGE_MOVED);
		return cell[0].raw != cell[1].raw ? what | bit(PW_CHANGE_BITS) : what;
	}
	if (a->pa != b->pa)
		what |= bit(PW_CHANGE_MOVED);
	if (a->kind != b->kind || a->perm != b->perm)
		what |= bit(PW_CHANGE_PERM);
	if (a->size == b->size && a->kind == b->kind)
		what |= bits_changed(&d->side[0], &e[0], &e[1]);
	return what;
}

static const struct pw_area *area_at(const struct pw_areas *areas, uint64_t va, uint64_t *last)
{
	const struct pw_area *a = pw_areas_from(areas, va);

	if (!a)
		return NULL;
	if (a->lo > va) {
		if (*last >= a->lo)
			*last = a->lo - 1;
		return NULL;
	}
	if (*last > a->last)
		*last = a->last;
	return a;
}

static int note_unknown(struct diff *d, const struct pw_cell cell[2], uint64_t va, uint64_t last)
{
	struct pw_diff_unknown u = { va, last, cell[!cell[0].hole].reason, cell[0].hole, cell[1].hole };
	struct pw_diff_unknown *o = &d->unknown;
	int rc;

	if (d->has_unknown && o->last + 1 == va && o->reason == u.reason && o->in_before == u.in_before &&
	    o->in_after == u.in_after) {
		o->last = last;
		return 0;
	}
	rc = flush(d);
	*o = u;
	d->has_unknown = true;
	return rc;
}

static bool matches(const struct diff *d, unsigned side, const struct pw_cell *cell, const struct pw_entry *e,
		    const struct pw_area *area)
{
	return e->kind != PW_TABLE &&
	       pw_filter_match(d->opts->filter, &d->side[side].piece->mmu, e, cell->perm_above, cell->va, area);
}

/* [va, last] of both sides: each is one entry, or nothing, or a hole. */
static int compare(struct diff *d, const struct pw_cell cell[2], uint64_t va, uint64_t last)
{
	struct pw_change c = { .va = va, .last = last, .pieces = 1 };
	struct pw_entry e[2];
	uint64_t size;
	int rc = 0;

	if (cell[0].hole || cell[1].hole) {
		bool both = cell[0].hole && cell[1].hole && cell[0].reason == cell[1].reason;

		/* Told of by the table before it; the CPU faults on either. */
		if (both && (cell[0].reason == PW_HOLE_ALIAS || cell[0].reason == PW_HOLE_RESERVED))
			return 0;
		return note_unknown(d, cell, va, last);
	}
	side_of(&d->side[0], &cell[0], va, &e[0], &c.before);
	side_of(&d->side[1], &cell[1], va, &e[1], &c.after);
	c.what = what_of(d, cell, e, &c);
	if (!c.what)
		return 0;
	if (d->has_unknown)
		rc = put_unknown(d);
	size = c.before.size && (!c.after.size || c.before.size < c.after.size) ? c.before.size : c.after.size;
	while (!rc) {
		c.last = last;
		c.area_before = area_at(&d->side[0].space->areas, c.va, &c.last);
		c.area_after = area_at(&d->side[1].space->areas, c.va, &c.last);
		c.bytes = c.last - c.va + 1;
		c.unit = (c.va | c.bytes) & (size - 1) ? SMALL : size;
		c.pages = c.bytes / c.unit;
		if (!d->opts->filter || matches(d, 0, &cell[0], &e[0], c.area_before) ||
		    matches(d, 1, &cell[1], &e[1], c.area_after))
			rc = gather(d, &c);
		if (c.last == last)
			break;
		if (c.before.pa != PW_PA_NONE)
			c.before.pa += c.bytes;
		if (c.after.pa != PW_PA_NONE)
			c.after.pa += c.bytes;
		c.va = c.last + 1;
	}
	return rc;
}

static int merge(struct diff *d, struct pw_range w)
{
	uint64_t va = w.lo;
	int rc = 0;

	while (!rc) {
		struct pw_cell cell[2];
		uint64_t same = pw_diff_same(&d->side[0], &d->side[1], va), last;

		if (same) {
			last = va + (same - 1);
		} else {
			pw_diff_cell(&d->side[0], va, &cell[0]);
			pw_diff_cell(&d->side[1], va, &cell[1]);
			last = cell[0].last < cell[1].last ? cell[0].last : cell[1].last;
			rc = compare(d, cell, va, last);
		}
		if (last >= w.last)
			break;
		va = last + 1;
	}
	return rc;
}

/* A self-map has more windows than anybody can wait for. Nothing more is said when that is over. */
static int spend(struct diff *d, uint64_t va, uint64_t last, uint64_t visits)
{
	const struct pw_cell cell[2] = { { .hole = true, .reason = PW_HOLE_BUDGET },
					 { .hole = true, .reason = PW_HOLE_BUDGET } };
	int rc;

	if (d->budget >= visits) {
		d->budget -= visits;
		return 0;
	}
	d->sums->walk.truncated = true;
	rc = note_unknown(d, cell, va, last);
	return rc ? rc : OVER;
}

static int window(struct diff *d, uint64_t va, struct pw_range within)
{
	uint64_t before = pw_walk_stats_tables(&d->sums->walk);
	struct pw_range w = { va, va + (PW_DIFF_WINDOW - 1) };
	int rc;

	if (w.lo < within.lo)
		w.lo = within.lo;
	if (w.last > within.last)
		w.last = within.last;
	rc = pw_diff_collect(&d->side[0], w, true);
	if (!rc)
		rc = pw_diff_collect(&d->side[1], w, true);
	/* A table that repeats the one before it on one side only is looked at. */
	if (!rc && d->side[0].aliases != d->side[1].aliases) {
		rc = pw_diff_collect(&d->side[0], w, false);
		if (!rc)
			rc = pw_diff_collect(&d->side[1], w, false);
	}
	if (!rc)
		rc = merge(d, w);
	return rc ? rc : spend(d, w.lo, within.last, WINDOW_COST + pw_walk_stats_tables(&d->sums->walk) - before);
}

/* ---- which windows ---- */

static int map_both(struct diff *d, unsigned depth, struct pw_range va, struct pw_diff_map map[2], uint64_t unit)
{
	int rc = pw_diff_map(&d->side[0], depth, va, &map[0], unit);

	if (!rc)
		rc = pw_diff_map(&d->side[1], depth, va, &map[1], unit);
	for (unsigned i = 0; i < 2 && !rc; i++)
		if (map[i].failed) {
			struct pw_cell cell[2] = { { .hole = map[0].failed, .reason = map[0].reason },
						   { .hole = map[1].failed, .reason = map[1].reason } };

			rc = note_unknown(d, cell, va.lo, va.last);
			return rc ? rc : OVER;
		}
	return rc;
}

static bool worth_it(const struct pw_diff_map map[2], size_t i)
{
	bool alias[2] = { pw_bit(map[0].alias, i), pw_bit(map[1].alias, i) };

	if (alias[0] && alias[1])
		return false;
	return alias[0] || alias[1] || pw_bit(map[0].used, i) || pw_bit(map[1].used, i);
}

static int alloc_maps(struct pw_diff_map map[2], size_t n)
{
	for (unsigned i = 0; i < 2; i++) {
		map[i] = (struct pw_diff_map){ .n = n, .used = malloc(n / 8 + 1), .alias = malloc(n / 8 + 1) };
		if (!map[i].used || !map[i].alias)
			return -ENOMEM;
	}
	return 0;
}

static void free_maps(struct pw_diff_map map[2])
{
	for (unsigned i = 0; i < 2; i++) {
		free(map[i].used);
		free(map[i].alias);
	}
}

/* Windows of one slot of the roots. */
static int root_slot(struct diff *d, uint64_t va, uint64_t bytes, struct pw_range within)
{
	const struct pw_mode *mode = d->side[0].piece->mmu.mode;
	struct pw_range slot = { va, va + (bytes - 1) };
	struct pw_diff_map map[2] = { { 0 } };
	int rc = alloc_maps(map, bytes / PW_DIFF_WINDOW);

	if (!rc)
		rc = map_both(d, mode->depth - 2u, slot, map, PW_DIFF_WINDOW);
	for (size_t i = 0; i < map[0].n && !rc; i++)
		if (worth_it(map, i))
			rc = window(d, va + i * PW_DIFF_WINDOW, within);
	free_maps(map);
	return rc;
}

static int tables(struct diff *d)
{
	const struct pw_mode_level *lv = &d->side[0].piece->mmu.mode->lv[0];
	struct pw_range within = d->side[0].piece->va;
	uint64_t unit = UINT64_C(1) << lv->shift;
	struct pw_diff_map map[2] = { { 0 } };
	int rc = alloc_maps(map, ((within.last - within.lo) >> lv->shift) + 1);

	if (!rc)
		rc = map_both(d, 1, within, map, unit);
	for (size_t i = 0; i < map[0].n && !rc; i++)
		if (pw_bit(map[0].used, i) || pw_bit(map[1].used, i))
			rc = root_slot(d, within.lo + i * unit, unit, within);
	free_maps(map);
	return rc;
}

/* Without tables, where either has a VMA. */
static int leaves(struct diff *d)
{
	struct pw_range within = d->side[0].piece->va;
	uint64_t va = within.lo & ~(PW_DIFF_WINDOW - 1);
	int rc = 0;

	while (!rc) {
		const struct pw_area *a = pw_areas_from(&d->side[0].space->areas, va);
		const struct pw_area *b = pw_areas_from(&d->side[1].space->areas, va);
		uint64_t next = a && (!b || a->lo < b->lo) ? a->lo : b ? b->lo : UINT64_MAX;

		if (next > within.last)
			break;
		if (next > va)
			va = next & ~(PW_DIFF_WINDOW - 1);
		rc = window(d, va, within);
		if (within.last - va < PW_DIFF_WINDOW)
			break;
		va += PW_DIFF_WINDOW;
	}
	return rc;
}

/* ---- */

static const struct pw_piece *half_of(const struct pw_space *space, enum pw_half half)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == half)
			return &space->piece[i];
	return NULL;
}

static int one_half(struct diff *d, struct pw_error *err)
{
	const struct pw_mmu *a = &d->side[0].piece->mmu, *b = &d->side[1].piece->mmu;
	int rc;

	if (a->arch != b->arch || a->mode != b->mode)
		return pw_error_set(err, -EINVAL, "%s: %s %s and %s %s cannot be compared", d->side[0].space->title,
				    a->arch->name, a->mode->name, b->arch->name, b->mode->name);
	rc = a->mode->depth >= 3 ? tables(d) : leaves(d);
	return rc == OVER ? 0 : rc;
}

int pw_diff(const struct pw_space *a, const struct pw_space *b, const struct pw_diff_opts *opts,
	    const struct pw_diff_visitor *visitor, void *ctx, struct pw_diff_sums *sums, struct pw_error *err)
{
	struct diff *d = calloc(1, sizeof(*d));
	bool any = false;
	int rc = 0;

	if (!d)
		return -ENOMEM;
	d->opts = opts;
	d->visitor = visitor;
	d->ctx = ctx;
	d->sums = sums;
	d->budget = opts->budget ? opts->budget : DEFAULT_BUDGET;
	d->side[0] = (struct pw_diff_side){ .space = a, .stats = &sums->walk };
	d->side[1] = (struct pw_diff_side){ .space = b, .stats = &sums->walk };
	d->areas = (struct pw_diff_areas){ .a = &a->areas, .b = &b->areas };
	d->has_area = !opts->filter && pw_diff_areas_next(&d->areas, &d->next_area);
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL && !rc; half++) {
		d->side[0].piece = half_of(a, (enum pw_half)half);
		d->side[1].piece = half_of(b, (enum pw_half)half);
		if (!d->side[0].piece || !d->side[1].piece)
			continue;
		any = true;
		while (d->has_area && d->next_area.va < d->side[0].piece->va.lo)
			d->has_area = pw_diff_areas_next(&d->areas, &d->next_area);
		rc = one_half(d, err);
		if (!rc)
			rc = flush(d);
		if (!rc)
			rc = put_areas(d, d->side[0].piece->va.last);
	}
	if (!rc && !any)
		rc = pw_error_set(err, -EINVAL, "%s: one side has only the half that the other has not", a->title);
	pw_diff_side_free(&d->side[0]);
	pw_diff_side_free(&d->side[1]);
	free(d);
	return rc;
}
