/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run merging. Nearly every word that comes through here is a plain leaf that continues the run before it,
 * so that case is a mask test (extend()); all else is decoded (start()).
 */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/runs.h>

#include "area_cursor.h"

#define BLOCK 32 /* words that are looked at together */

struct pw_runs {
	enum pw_runs_mode mode;
	struct pw_area_cursor areas;
	pw_run_fn fn;
	void *ctx;

	bool open;
	struct pw_run run;
	struct pw_entry last; /* the run's last entry, when it is not a plain leaf */
	bool plain;
	uint8_t perm_above;
	uint64_t next_frame; /* pa bits (in the format's unit) that would continue a leaf's run */
	uint64_t frame_step; /* 0: frames are hidden, and follow when the next one is hidden, too */

	const struct pw_piece *piece; /* that fmt is for */
	enum pw_level level;
	struct pw_leaf_format fmt;
};

static int emit(struct pw_runs *r)
{
	if (!r->open)
		return 0;
	r->open = false;
	if (r->run.pa == PW_PA_NONE)
		r->run.extents = 0;
	return r->fn(r->ctx, &r->run);
}

/* What extends the open run of plain leaves, while it is counted. */
struct tally {
	uint64_t same;  /* bits that must not differ from the run's first word */
	bool phys;      /* nor may physical memory break */
	uint64_t frame; /* that would follow */
	uint64_t all, any, accessed, dirty, breaks;
};

static uint64_t count_with(const uint64_t *raw, uint64_t mask)
{
	uint64_t n = 0;

	for (size_t i = 0; i < BLOCK; i++)
		n += !!(raw[i] & mask);
	return n;
}

static uint64_t count_breaks(const struct pw_runs *r, const uint64_t *raw)
{
	uint64_t n = 0;

	for (size_t i = 1; i < BLOCK; i++)
		n += !!((raw[i] ^ ((raw[i - 1] & r->fmt.pa_mask) + r->frame_step)) & r->fmt.pa_mask);
	return n;
}

/*
 * BLOCK words that all extend it: most do, and most are alike. So the loop over them has no branch and nothing that waits for the word before,
 * and words are only counted where they are not alike. False: nothing was taken, at least one of them does not.
 */
static bool extend_block(const struct pw_runs *r, const uint64_t *raw, struct tally *t)
{
	const uint64_t pa = r->fmt.pa_mask, step = r->frame_step, first = r->run.raw_first;
	uint64_t jump = (raw[0] ^ t->frame) & pa, jumps = 0;
	uint64_t differ = raw[0] ^ first, all = raw[0], any = raw[0];

	for (size_t i = 1; i < BLOCK; i++) {
		differ |= raw[i] ^ first;
		all &= raw[i];
		any |= raw[i];
		jumps |= raw[i] ^ ((raw[i - 1] & pa) + step);
	}
	if (differ & t->same || (t->phys && (jump | (jumps & pa))))
		return false;
	t->all &= all;
	t->any |= any;
	t->accessed += all & r->fmt.accessed ? BLOCK : any & r->fmt.accessed ? count_with(raw, r->fmt.accessed) : 0;
	t->dirty += all & r->fmt.dirty ? BLOCK : any & r->fmt.dirty ? count_with(raw, r->fmt.dirty) : 0;
	t->breaks += !!jump + (jumps & pa ? count_breaks(r, raw) : 0);
	t->frame = (raw[BLOCK - 1] & pa) + step;
	return true;
}

static bool extend_word(const struct pw_runs *r, uint64_t raw, struct tally *t)
{
	uint64_t jump = (raw ^ t->frame) & r->fmt.pa_mask;

	if ((raw ^ r->run.raw_first) & t->same || (t->phys && jump))
		return false;
	t->all &= raw;
	t->any |= raw;
	t->accessed += !!(raw & r->fmt.accessed);
	t->dirty += !!(raw & r->fmt.dirty);
	t->breaks += !!jump;
	t->frame = (raw & r->fmt.pa_mask) + r->frame_step;
	return true;
}

/* How many of the next words, at most n, extend the open run of plain leaves. */
static size_t extend(struct pw_runs *r, const uint64_t *raw, size_t n)
{
	struct tally t = {
		.same = r->mode == PW_RUNS_EXACT ? ~r->fmt.pa_mask : r->fmt.same | r->fmt.leaf_mask,
		.phys = r->mode != PW_RUNS_READ,
		.frame = r->next_frame,
		.all = r->run.raw_and,
		.any = r->run.raw_or,
	};
	size_t i = 0;

	while (n - i >= BLOCK && extend_block(r, raw + i, &t))
		i += BLOCK;
	while (i < n && extend_word(r, raw[i], &t))
		i++;
	r->run.raw_and = t.all;
	r->run.raw_or = t.any;
	r->run.accessed += t.accessed;
	r->run.dirty += t.dirty;
	r->run.extents += t.breaks;
	r->run.pages += i;
	r->run.last += i * r->run.page_size;
	r->next_frame = t.frame;
	return i;
}

/* Whether entry e, which is no plain leaf, continues the open run. */
static bool continues(const struct pw_runs *r, const struct pw_entry *e)
{
	const struct pw_entry *l = &r->last;

	if (r->plain || e->kind != l->kind || e->perm != l->perm || e->key != l->key || e->memtype != l->memtype ||
	    (e->reserved == 0) != (l->reserved == 0))
		return false;
	if (e->kind == PW_SOFT && (e->has_swap != l->has_swap || e->swap_type != l->swap_type))
		return false;
	if (r->mode == PW_RUNS_READ)
		return true;
	if (r->mode == PW_RUNS_EXACT && e->attrs != l->attrs)
		return false;
	if (e->has_swap)
		return e->swap_offset == l->swap_offset + (e->size >> 12);
	return e->pa == (l->pa == PW_PA_NONE ? l->pa : l->pa + l->size);
}

static void add_slow(struct pw_runs *r, const struct pw_entry *e)
{
	r->run.raw_and &= e->raw;
	r->run.raw_or |= e->raw;
	r->run.accessed += !!(e->raw & r->fmt.accessed);
	r->run.dirty += !!(e->raw & r->fmt.dirty);
	r->run.extents += e->pa != r->last.pa + r->last.size;
	r->run.pages++;
	r->run.last += e->size;
	r->last = *e;
}

static void start(struct pw_runs *r, const struct pw_span *span, uint64_t va, const struct pw_area *area,
		  const struct pw_entry *e)
{
	r->open = true;
	r->perm_above = span->perm_above;
	r->last = *e;
	r->plain = r->fmt.leaf_mask && (e->raw & r->fmt.leaf_mask) == r->fmt.leaf_value;
	r->frame_step = e->pa == PW_PA_NONE ? 0 : r->fmt.pa_step;
	r->next_frame = (e->raw & r->fmt.pa_mask) + r->frame_step;
	r->run = (struct pw_run){
		.piece = span->piece,
		.area = area,
		.va = va,
		.last = va + (e->size - 1),
		.kind = e->kind,
		.level = e->level,
		.perm = e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & span->perm_above,
		.page_size = e->size,
		.pages = 1,
		.accessed = !!(e->raw & r->fmt.accessed),
		.dirty = !!(e->raw & r->fmt.dirty),
		.extents = 1,
		.pa = e->pa,
		.raw_first = e->raw,
		.raw_and = e->raw,
		.raw_or = e->raw,
	};
}

/* Words of one area. */
static int add_words(struct pw_runs *r, const struct pw_span *span, size_t i, size_t end, const struct pw_area *area)
{
	const struct pw_arch *arch = span->piece->mmu.arch;

	while (i < end) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);
		bool joins = r->open && !r->run.is_hole && r->run.last + 1 == va && r->run.area == area &&
			     r->run.piece == span->piece && r->run.level == span->level &&
			     r->perm_above == span->perm_above;
		struct pw_entry e;
		int rc;

		if (span->raw[i] == 0) {
			while (i < end && span->raw[i] == 0)
				i++;
			continue;
		}
		if (joins && r->plain) {
			size_t n = extend(r, span->raw + i, end - i);

			i += n;
			if (n)
				continue;
		}
		arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
		i++;
		if (e.kind == PW_NONE)
			continue;
		if (joins && continues(r, &e)) {
			add_slow(r, &e);
			continue;
		}
		rc = emit(r);
		if (rc)
			return rc;
		start(r, span, va, area, &e);
	}
	return 0;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pw_runs *r = ctx;
	size_t i = 0;

	if (r->piece != span->piece || r->level != span->level) {
		r->piece = span->piece;
		r->level = span->level;
		span->piece->mmu.arch->leaf_format(&span->piece->mmu, span->level, &r->fmt);
	}
	while (i < span->n) {
		uint64_t va = span->va + ((uint64_t)i << span->shift), until;
		const struct pw_area *area = pw_area_at(&r->areas, va, &until);
		uint64_t left = ((until - va) >> span->shift) + 1;
		size_t end = left < span->n - i ? i + left : span->n;
		int rc = add_words(r, span, i, end, area);

		if (rc)
			return rc;
		i = end;
	}
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct pw_runs *r = ctx;
	uint64_t until;
	int rc;

	if (r->open && r->run.is_hole && r->run.last + 1 == hole->va && r->run.reason == hole->reason &&
	    r->run.doubt == hole->doubt && r->run.piece == hole->piece && r->run.level == hole->level) {
		r->run.last = hole->last;
		r->run.pages++;
		return 0;
	}
	rc = emit(r);
	if (rc)
		return rc;
	r->open = true;
	r->plain = false;
	r->run = (struct pw_run){
		.piece = hole->piece,
		.area = pw_area_at(&r->areas, hole->va, &until),
		.va = hole->va,
		.last = hole->last,
		.is_hole = true,
		.reason = hole->reason,
		.doubt = hole->doubt,
		.level = hole->level,
		.pages = 1,
		.pa = PW_PA_NONE,
		.raw_first = hole->raw,
		.alias_va = hole->alias_va,
	};
	return 0;
}

const struct pw_visitor pw_runs_visitor = { .span = on_span, .hole = on_hole };

struct pw_runs *pw_runs_new(enum pw_runs_mode mode, const struct pw_areas *areas, pw_run_fn fn, void *ctx)
{
	struct pw_runs *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->mode = mode;
	r->areas.areas = areas;
	r->fn = fn;
	r->ctx = ctx;
	return r;
}

int pw_runs_flush(struct pw_runs *r)
{
	return emit(r);
}

void pw_runs_free(struct pw_runs *r)
{
	free(r);
}
