/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run merging. Nearly every word that comes through here is a plain leaf that continues the run before it or begins one that differs in
 * little but the frame. So the words are asked where runs end, many at a time (words.h), and only what is no such leaf is decoded (start()).
 */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/runs.h>

#include "area_cursor.h"
#include "words.h"

#define BLOCK 512 /* words that are looked at together */

struct pw_runs {
	enum pw_runs_mode mode;
	const struct pw_words *words;
	struct pw_area_cursor areas;
	pw_run_fn fn;
	void *ctx;

	bool open;
	struct pw_run run;
	struct pw_entry last; /* the run's last entry, when it is not a plain leaf */
	bool plain;           /* it is one, and this is its word: */
	uint64_t word;
	uint8_t perm_above;
	uint64_t frame_step; /* 0: frames are hidden, and follow when the next one is hidden, too */

	const struct pw_piece *piece; /* that what follows is for */
	enum pw_level level;
	struct pw_leaf_format fmt;
	uint64_t kin;   /* bits that are equal in plain leaves that differ in nothing that a run tells of */
	uint64_t fixed; /* bits that do not change within a run */
	uint64_t rest;  /* all bits but those of the frame that count on without a carry into what is no frame */
};

/* Bits in which frames from that of word first to that of word last differ: all, from the highest one that changes on. */
static uint64_t frame_changes(const struct pw_runs *r, uint64_t first, uint64_t last)
{
	uint64_t differ = first ^ last;

	return differ ? pw_ones(64 - (size_t)__builtin_clzll(differ)) & ~(r->fmt.pa_step - 1) : 0;
}

/* Where a run is exact, all words are known by the first and the last one. */
static void sum_up_exact(struct pw_runs *r)
{
	uint64_t first = r->run.raw_first, changes = frame_changes(r, first, r->word);

	r->run.raw_and = first & ~changes;
	r->run.raw_or = first | changes;
	r->run.accessed = first & r->fmt.accessed ? r->run.pages : 0;
	r->run.dirty = first & r->fmt.dirty ? r->run.pages : 0;
}

/* What is not kept up to date in an open run. */
static inline void sum_up(struct pw_runs *r)
{
	if (r->run.pages > 1 && r->plain && r->mode == PW_RUNS_EXACT)
		sum_up_exact(r);
}

static int emit(struct pw_runs *r)
{
	if (!r->open)
		return 0;
	r->open = false;
	sum_up(r);
	if (r->run.pa == PW_PA_NONE)
		r->run.extents = 0;
	return r->fn(r->ctx, &r->run);
}

/* -------- plain leaves -------- */

static bool frame_follows(const struct pw_runs *r, uint64_t word)
{
	return (word & r->fmt.pa_mask) == (r->word & r->fmt.pa_mask) + r->frame_step;
}

static bool extends(const struct pw_runs *r, uint64_t word)
{
	return !((word ^ r->word) & r->fixed) && (r->mode == PW_RUNS_READ || frame_follows(r, word));
}

static void extend(struct pw_runs *r, uint64_t word)
{
	r->run.raw_and &= word;
	r->run.raw_or |= word;
	r->run.accessed += !!(word & r->fmt.accessed);
	r->run.dirty += !!(word & r->fmt.dirty);
	r->run.extents += !frame_follows(r, word);
	r->run.pages++;
	r->run.last += r->run.page_size;
	r->word = word;
}

static uint64_t count_with(const struct pw_runs *r, const uint64_t *word, size_t n, uint64_t mask, uint64_t all,
			   uint64_t any)
{
	uint64_t without = 0;

	if (all & mask || !(any & mask))
		return all & mask ? n : 0;
	for (size_t i = 0; i < n; i += PW_WORDS) {
		size_t m = n - i < PW_WORDS ? n - i : PW_WORDS;

		without += (uint64_t)__builtin_popcountll(r->words->equal(word + i, m, mask, 0));
	}
	return n - without;
}

static uint64_t count_jumps(const struct pw_runs *r, const uint64_t *word, size_t n)
{
	uint64_t found[BLOCK / 64], all = 0;

	r->words->jumps(word, n, r->fmt.pa_mask, r->frame_step, found);
	for (size_t i = 0; i < (n + 63) / 64; i++)
		all += (uint64_t)__builtin_popcountll(found[i]);
	return all;
}

/* The n words after word[0], which is the last one so far; at most BLOCK. */
static void extend_by(struct pw_runs *r, const uint64_t *word, size_t n)
{
	uint64_t all = ~UINT64_C(0), any = 0;

	if (r->mode != PW_RUNS_EXACT) {
		r->words->fold(word + 1, n, &all, &any);
		r->run.raw_and &= all;
		r->run.raw_or |= any;
		r->run.accessed += count_with(r, word + 1, n, r->fmt.accessed, all, any);
		r->run.dirty += count_with(r, word + 1, n, r->fmt.dirty, all, any);
	}
	if (r->mode == PW_RUNS_READ)
		r->run.extents += count_jumps(r, word, n);
	r->run.pages += n;
	r->run.last += n * r->run.page_size;
	r->word = word[n];
}

/* The common case: words after word[0], the last one so far, that differ from it in the frame alone, which follows. How many, at most n. */
static size_t extend_alike(struct pw_runs *r, const uint64_t *word, size_t n)
{
	uint64_t changes;

	n = r->words->follow(word, n, r->frame_step);
	if ((word[0] ^ word[n]) & r->rest) /* a carry out of the frame's bits */
		return 0;
	if (n && r->mode != PW_RUNS_EXACT) {
		changes = frame_changes(r, word[0], word[n]);
		r->run.raw_and &= ~changes;
		r->run.raw_or |= changes;
		r->run.accessed += word[0] & r->fmt.accessed ? n : 0;
		r->run.dirty += word[0] & r->fmt.dirty ? n : 0;
	}
	r->run.pages += n;
	r->run.last += n * r->run.page_size;
	r->word = word[n];
	return n;
}

/* Where runs end in words of a block. */
struct breaks {
	size_t from, n;
	uint64_t step;           /* of the frames of these runs */
	uint64_t at[BLOCK / 64]; /* bit i: word from + i + 1 does not extend the run of the one before it */
};

/* From word[from], the last one of the open run, on; n words are after it. */
static void find_breaks(const struct pw_runs *r, const uint64_t *word, size_t from, size_t n, struct breaks *b)
{
	uint64_t more[BLOCK / 64];

	word += from;
	b->from = from;
	b->n = n;
	b->step = r->frame_step;
	if (r->mode == PW_RUNS_EXACT) { /* but for a carry out of the frame's bits: see go_on() */
		r->words->jumps(word, n, ~UINT64_C(0), b->step, b->at);
		return;
	}
	r->words->jumps(word, n, r->fixed, 0, b->at);
	if (r->mode == PW_RUNS_READ)
		return;
	r->words->jumps(word, n, r->fmt.pa_mask, b->step, more);
	for (size_t i = 0; i < (n + 63) / 64; i++)
		b->at[i] |= more[i];
}

/* Whether word begins a run that differs from the one before in nothing that a decoder would have to find out. */
static bool is_kin(const struct pw_runs *r, uint64_t word)
{
	return r->kin && !((word ^ r->word) & r->kin);
}

/* What of emit() is to be done where such a run follows at once: in fragmented memory that is each page. */
static int emit_before_kin(struct pw_runs *r)
{
	int rc;

	sum_up(r);
	rc = r->fn(r->ctx, &r->run);
	r->open = !rc;
	return rc;
}

/* Such a run. */
static void start_kin(struct pw_runs *r, uint64_t va, uint64_t word)
{
	r->open = true;
	r->word = word;
	r->run.va = va;
	r->run.last = va + (r->run.page_size - 1);
	r->run.pages = 1;
	r->run.accessed = !!(word & r->fmt.accessed);
	r->run.dirty = !!(word & r->fmt.dirty);
	r->run.extents = 1;
	r->run.pa = word & r->fmt.pa_mask;
	r->run.raw_first = r->run.raw_and = r->run.raw_or = word;
}

/*
 * word[i] is the last word of the open run. Goes on with those after it that extend it or are kin; returns in *end where the first is that is neither.
 * 0, or what the callback returned.
 */
static int go_on(struct pw_runs *r, const uint64_t *word, size_t i, const struct breaks *b, size_t *end)
{
	for (;;) {
		size_t stop = b->from + pw_next_bit(b->at, i - b->from, b->n);
		int rc;

		while (r->mode == PW_RUNS_EXACT && stop > i && (word[stop] ^ word[i]) & r->rest) /* seldom: a carry */
			stop--;
		if (stop > i)
			extend_by(r, word + i, stop - i);
		i = stop + 1;
		if (stop == b->from + b->n || !is_kin(r, word[i]))
			break;
		rc = emit_before_kin(r);
		if (rc)
			return rc;
		start_kin(r, r->run.last + 1, word[i]);
	}
	*end = i;
	return 0;
}

/* -------- all else -------- */

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
	r->word = e->raw;
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

/* Whether what comes can be of the open run, as far as the place tells. */
static bool same_place(const struct pw_runs *r, const struct pw_span *span, const struct pw_area *area)
{
	return r->open && !r->run.is_hole && r->run.area == area && r->run.piece == span->piece &&
	       r->run.level == span->level && r->perm_above == span->perm_above;
}

static int add_decoded(struct pw_runs *r, const struct pw_span *span, size_t i, const struct pw_area *area)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	uint64_t va = span->va + ((uint64_t)i << span->shift);
	struct pw_entry e;
	int rc;

	mmu->arch->decode(mmu, span->level, span->raw[i], &e);
	if (e.kind == PW_NONE)
		return 0;
	if (same_place(r, span, area) && r->run.last + 1 == va && continues(r, &e)) {
		add_slow(r, &e);
		return 0;
	}
	rc = emit(r);
	if (!rc)
		start(r, span, va, area, &e);
	return rc;
}

/* The word at va, if it can be told without decoding it; the open run is of plain leaves, and of the same place. */
static int add_plain(struct pw_runs *r, uint64_t va, uint64_t word, bool *added)
{
	bool follows = r->run.last + 1 == va && extends(r, word);
	int rc;

	*added = follows || is_kin(r, word);
	if (follows)
		extend(r, word);
	if (follows || !*added)
		return 0;
	rc = emit(r);
	if (!rc)
		start_kin(r, va, word);
	return rc;
}

/* At most BLOCK words of one area. */
static int add_block(struct pw_runs *r, const struct pw_span *span, size_t first, size_t n, const struct pw_area *area)
{
	const uint64_t *word = span->raw + first;
	struct breaks b;
	bool known = false;
	size_t i = 0;

	while (i < n) {
		uint64_t va = span->va + ((uint64_t)(first + i) << span->shift);
		bool added = false;
		int rc = 0;

		if (word[i] == 0) {
			i += pw_words_empty(r->words, word + i, n - i);
			continue;
		}
		if (r->plain && same_place(r, span, area))
			rc = add_plain(r, va, word[i], &added);
		if (!rc && !added)
			rc = add_decoded(r, span, first + i, area);
		i++;
		if (!rc && added && !known)
			i += extend_alike(r, word + i - 1, n - i);
		if (!rc && added && i < n && word[i]) {
			if (!known || b.step != r->frame_step)
				find_breaks(r, word, i - 1, n - i, &b);
			known = true;
			rc = go_on(r, word, i - 1, &b, &i);
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* Those from bit `one` on that follow one another without a gap. */
static uint64_t ones_from(uint64_t bits, uint64_t one)
{
	bits &= ~(one - 1);
	return bits & one ? bits & ~(bits + one) : 0;
}

static void use_format(struct pw_runs *r, const struct pw_span *span)
{
	struct pw_leaf_format *fmt = &r->fmt;

	if (r->open)
		sum_up(r); /* by its own format */
	r->plain = false;
	r->piece = span->piece;
	r->level = span->level;
	span->piece->mmu.arch->leaf_format(&span->piece->mmu, span->level, fmt);
	r->kin = fmt->pa_step == UINT64_C(1) << span->shift ? fmt->same | fmt->leaf_mask : 0;
	r->rest = ~ones_from(fmt->pa_mask & ~fmt->leaf_mask, fmt->pa_step);
	r->fixed = (r->mode == PW_RUNS_EXACT ? ~fmt->pa_mask : fmt->same) | fmt->leaf_mask;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pw_runs *r = ctx;
	size_t i = 0;

	if (r->piece != span->piece || r->level != span->level)
		use_format(r, span);
	while (i < span->n) {
		uint64_t va = span->va + ((uint64_t)i << span->shift), until;
		const struct pw_area *area = pw_area_at(&r->areas, va, &until);
		uint64_t left = ((until - va) >> span->shift) + 1;
		size_t n = span->n - i < BLOCK ? span->n - i : BLOCK;
		int rc;

		n = left < n ? left : n;
		rc = add_block(r, span, i, n, area);
		if (rc)
			return rc;
		i += n;
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
	r->words = pw_words_choose();
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
