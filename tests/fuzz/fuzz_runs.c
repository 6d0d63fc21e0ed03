/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run merging against a merger that looks at nothing but one decoded entry after the other: every mode, by each set of functions that this CPU has
 * (lib/words.h), has to give the same runs, field for field.
 *
 * The input is a machine (three bytes), then words, made by operations of two bytes (what, how many) as long as the input lasts. They come in spans of any
 * length, of two levels, with gaps, holes and areas between them.
 */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/runs.h>

#include "check.h"
#include "fuzz_runs.h"
#include "words.h"

#define NMODES 3
#define NAREAS 4
#define SPAN   1024 /* words of one span, at most */

#define ACCESSED UINT64_C(0x20)
#define DIRTY    UINT64_C(0x40)
#define PSE      UINT64_C(0x80)
#define GLOBAL   UINT64_C(0x100)

struct input {
	const uint8_t *at, *end;
	uint64_t random;
};

static unsigned byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* From the bytes that were read so far: what needs many bits would use up the input. */
static uint64_t any(struct input *in)
{
	in->random = (in->random ^ in->random >> 12) * UINT64_C(0x2545f4914f6cdd1d) + byte(in) + 1;
	return in->random ^ in->random >> 29;
}

/* -------- the plain merger -------- */

struct list {
	struct pw_run *v;
	size_t n, room;
};

struct plain {
	enum pw_runs_mode mode;
	struct list *runs;
	bool open;
	struct pw_run run;
	uint8_t perm_above;
	struct pw_entry first, last;
	struct pw_leaf_format fmt;
};

static void put(struct list *l, const struct pw_run *run)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->v = realloc(l->v, l->room * sizeof(*l->v));
		CHECK(l->v);
	}
	l->v[l->n++] = *run;
}

static void end_run(struct plain *p)
{
	if (!p->open)
		return;
	if (p->run.pa == PW_PA_NONE)
		p->run.extents = 0;
	put(p->runs, &p->run);
	p->open = false;
}

static bool is_plain(const struct pw_leaf_format *fmt, uint64_t raw)
{
	return fmt->leaf_mask && (raw & fmt->leaf_mask) == fmt->leaf_value;
}

/* In a run whose first frame is hidden those that are hidden, too, follow; in another one they are frame 0. */
static bool frame_follows(const struct plain *p, const struct pw_entry *e)
{
	const struct pw_entry *l = &p->last;

	if (e->pa != PW_PA_NONE && l->pa != PW_PA_NONE && p->first.pa != PW_PA_NONE)
		return e->pa == l->pa + l->size;
	if (!is_plain(&p->fmt, e->raw))
		return p->mode == PW_RUNS_READ ? e->pa == l->pa + l->size : e->pa == l->pa;
	return (e->raw & p->fmt.pa_mask) ==
	       (l->raw & p->fmt.pa_mask) + (p->first.pa == PW_PA_NONE ? 0 : p->fmt.pa_step);
}

static bool alike(const struct plain *p, const struct pw_entry *e)
{
	const struct pw_entry *l = &p->last;

	if (is_plain(&p->fmt, e->raw) != is_plain(&p->fmt, l->raw) || e->kind != l->kind || e->perm != l->perm ||
	    e->key != l->key || e->memtype != l->memtype || !e->reserved != !l->reserved)
		return false;
	if (e->kind == PW_SOFT)
		return e->has_swap == l->has_swap && e->swap_type == l->swap_type;
	/* The encryption bit, and memory types that are the same by different bits. */
	return !is_plain(&p->fmt, e->raw) || !((e->raw ^ l->raw) & p->fmt.same);
}

static bool continues(const struct plain *p, const struct pw_entry *e)
{
	const struct pw_entry *l = &p->last;

	if (!alike(p, e))
		return false;
	if (p->mode == PW_RUNS_READ)
		return true;
	if (p->mode == PW_RUNS_EXACT && e->attrs != l->attrs)
		return false;
	if (p->mode == PW_RUNS_EXACT && is_plain(&p->fmt, e->raw) && (e->raw ^ l->raw) & ~p->fmt.pa_mask)
		return false;
	if (e->has_swap)
		return e->swap_offset == l->swap_offset + (e->size >> 12);
	return frame_follows(p, e);
}

static void add(struct plain *p, const struct pw_span *span, uint64_t va, const struct pw_area *area,
		const struct pw_entry *e)
{
	bool same = p->open && !p->run.is_hole && p->run.last + 1 == va && p->run.area == area &&
		    p->run.level == span->level && p->perm_above == span->perm_above;

	if (same && continues(p, e)) {
		p->run.extents += !frame_follows(p, e);
	} else {
		end_run(p);
		p->open = true;
		p->perm_above = span->perm_above;
		p->first = *e;
		p->run = (struct pw_run){
			.piece = span->piece,
			.area = area,
			.va = va,
			.last = va - 1,
			.kind = e->kind,
			.level = e->level,
			.perm = e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & span->perm_above,
			.page_size = e->size,
			.extents = 1,
			.pa = e->pa,
			.raw_first = e->raw,
			.raw_and = e->raw,
		};
	}
	p->run.pages++;
	p->run.last += e->size;
	p->run.accessed += !!(e->raw & p->fmt.accessed);
	p->run.dirty += !!(e->raw & p->fmt.dirty);
	p->run.raw_and &= e->raw;
	p->run.raw_or |= e->raw;
	p->last = *e;
}

static void add_hole(struct plain *p, const struct pw_hole *hole, const struct pw_area *area)
{
	if (p->open && p->run.is_hole && p->run.last + 1 == hole->va && p->run.level == hole->level) {
		p->run.last = hole->last;
		p->run.pages++;
		return;
	}
	end_run(p);
	p->open = true;
	p->run = (struct pw_run){
		.piece = hole->piece,
		.area = area,
		.va = hole->va,
		.last = hole->last,
		.is_hole = true,
		.reason = hole->reason,
		.level = hole->level,
		.pages = 1,
		.pa = PW_PA_NONE,
		.raw_first = hole->raw,
	};
}

/* -------- the machine -------- */

struct check {
	struct input in;
	struct pw_piece piece;
	enum pw_level level[2];
	struct pw_area area[NAREAS];
	struct pw_areas areas;
	uint64_t va; /* of the next span, at least */
	size_t words;
	uint64_t word; /* the last one */
	struct plain plain[NMODES];
	struct list (*runs)[NMODES]; /* by set */
	struct pw_runs *stage[2][NMODES];
};

static void choose_mmu(struct check *c)
{
	static const uint64_t enc[] = {
		0, 0, 0, UINT64_C(1) << 47, UINT64_C(1) << 51, UINT64_C(1) << 13, UINT64_C(7) << 30
	};
	static const char *const names[] = { "x86-64", "x86-64", "x86-64", "pagemap" };
	struct pw_mmu *mmu = &c->piece.mmu;
	unsigned a = byte(&c->in), b = byte(&c->in);

	mmu->arch = pw_arch_find(names[a & 3]);
	mmu->mode = pw_arch_mode(mmu->arch, mmu->arch->modes[0].depth);
	mmu->half = a & 4 ? PW_HALF_KERNEL : PW_HALF_USER;
	mmu->no_nx = (a & 0x18) == 0x18;
	mmu->maxphyaddr = b & 0x80 ? 52 : 36 + b % 17;
	mmu->enc_mask = enc[(b & 0x7f) % (sizeof(enc) / sizeof(enc[0]))];
	mmu->dialect = a & 0x20 ? PW_DIALECT_KNOWN | PW_DIALECT_SOFT_DIRTY | PW_DIALECT_UFFD_WP : 0;
	pw_x86_pat_linux(mmu->pat);
	c->level[0] = mmu->mode->depth == 1 || a & 0x40 ? PW_PTE : (enum pw_level)(b % 5);
	c->level[1] = mmu->mode->depth == 1 ? PW_PTE : a & 0x80 ? PW_PMD : PW_PUD;
}

static void choose_areas(struct check *c)
{
	unsigned n = byte(&c->in) % (NAREAS + 1);
	uint64_t va = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t lo = va + ((any(&c->in) & 0x3ff) << 12);

		va = lo + (((any(&c->in) & 0x7ff) + 1) << 12);
		c->area[i] = (struct pw_area){ .lo = lo, .last = va - 1, .name = "" };
	}
	c->areas = (struct pw_areas){ .v = c->area, .n = n };
}

static const struct pw_area *area_of(const struct check *c, uint64_t va)
{
	for (size_t i = 0; i < c->areas.n; i++)
		if (c->area[i].lo <= va && va <= c->area[i].last)
			return &c->area[i];
	return NULL;
}

/* -------- words -------- */

static uint64_t low_bit(uint64_t v)
{
	return v & -v;
}

/* A leaf with bits of any kind and a frame that is often just before something ends: what is reserved, what is no part of it, all of it. */
static uint64_t new_leaf(struct check *c, const struct pw_leaf_format *f)
{
	uint64_t r = any(&c->in), frame = any(&c->in) & f->pa_mask, edge = low_bit(~f->pa_mask & ~(f->pa_step - 1));

	if ((r & 7) == 0)
		frame = (edge - f->pa_step * (1 + (r >> 8 & 63))) & f->pa_mask;
	else if ((r & 7) == 1)
		frame = ((UINT64_C(1) << (36 + (r >> 8) % 17)) - f->pa_step * (1 + (r >> 16 & 63))) & f->pa_mask;
	else if ((r & 7) == 2)
		frame = 0;
	r = r & 8 ? any(&c->in) : UINT64_C(0x8000000000000066);
	return (r & ~f->pa_mask & ~f->leaf_mask) | (frame & ~f->leaf_mask) | f->leaf_value;
}

/* One word after c->word. */
static uint64_t next_word(struct check *c, unsigned what, size_t i, const struct pw_leaf_format *f)
{
	uint64_t follows = c->word + f->pa_step;

	switch (what & 15) {
	case 0:
	case 1:
	case 2:
		return follows;
	case 3:
		return c->word;
	case 4:
		return 0;
	case 5:
		return i ? follows : new_leaf(c, f);
	case 6:
		return new_leaf(c, f);
	case 7:
		return follows ^ (any(&c->in) & (ACCESSED | DIRTY));
	case 8:
		return follows ^ (i ? 0 : UINT64_C(1) << (any(&c->in) & 63));
	case 9:
		return any(&c->in) & 7 ? follows : c->word ^ UINT64_C(1) << (any(&c->in) & 63);
	case 10: /* swap: the offset is kept inverted; or another thing that is not present */
		return i ? c->word - 512 : (any(&c->in) | 0xe00) & ~(PSE | GLOBAL | 1);
	case 11: /* PROT_NONE: so is the address */
		return i ? c->word - f->pa_step : (any(&c->in) | GLOBAL | PSE) & ~UINT64_C(1);
	case 12:
		return i & 1 ? 0 : c->word ? follows : new_leaf(c, f);
	case 13:
		return c->word - f->pa_step;
	case 14:
		return follows ^ (any(&c->in) & UINT64_C(0x07f0000000000e60));
	default:
		return any(&c->in);
	}
}

/* Fills in a span's words; how many. */
static size_t make_words(struct check *c, const struct pw_span *span, uint64_t *word, size_t most)
{
	struct pw_leaf_format f;
	size_t n = 0;

	span->piece->mmu.arch->leaf_format(&span->piece->mmu, span->level, &f);
	if (!f.pa_step) /* no leaves there */
		f.pa_step = f.leaf_value = 1;
	while (n < most && c->in.at < c->in.end) {
		unsigned what = byte(&c->in), many = byte(&c->in);
		size_t end = n + 1 + (what & 0x80 ? 2 * many : many & 15);

		for (size_t i = 0; n < end && n < most; i++)
			word[n++] = c->word = next_word(c, what, i, &f);
		if ((what & 0x70) == 0x70) /* as good a place as any to end a span */
			break;
	}
	return n;
}

/* -------- one check -------- */

static int collect(void *ctx, const struct pw_run *run)
{
	put(ctx, run);
	return 0;
}

static void give_span(struct check *c, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;

	for (unsigned set = 0; set < 2; set++)
		for (unsigned mode = 0; mode < NMODES && c->stage[set][mode]; mode++)
			CHECK(!pw_runs_visitor.span(c->stage[set][mode], span));
	for (unsigned mode = 0; mode < NMODES; mode++)
		mmu->arch->leaf_format(mmu, span->level, &c->plain[mode].fmt);
	for (size_t i = 0; i < span->n; i++) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);
		const struct pw_area *area = area_of(c, va);
		struct pw_entry e;

		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		for (unsigned mode = 0; mode < NMODES && e.kind != PW_NONE; mode++)
			add(&c->plain[mode], span, va, area, &e);
	}
}

static void give_hole(struct check *c, enum pw_level level)
{
	const struct pw_hole hole = {
		.piece = &c->piece,
		.reason = PW_HOLE_UNREADABLE,
		.level = level,
		.va = c->va,
		.last = c->va + 0x1fffff,
		.raw = any(&c->in),
	};

	for (unsigned mode = 0; mode < NMODES; mode++)
		add_hole(&c->plain[mode], &hole, area_of(c, hole.va));
	for (unsigned set = 0; set < 2; set++)
		for (unsigned mode = 0; mode < NMODES && c->stage[set][mode]; mode++)
			CHECK(!pw_runs_visitor.hole(c->stage[set][mode], &hole));
	c->va = hole.last + 1;
}

/* The next span, exactly as large as its words are, so that sanitizers see reads beyond them. */
static void one_span(struct check *c)
{
	static const uint8_t shift[] = { 12, 21, 30, 39, 39 };
	unsigned how = byte(&c->in);
	struct pw_span span = {
		.piece = &c->piece,
		.level = c->level[(how & 7) == 7],
		.perm_above = how & 8 ? PW_RWXU : PW_R | PW_X | PW_U,
	};
	static _Thread_local uint64_t made[SPAN];
	uint64_t *word;

	span.shift = shift[span.level];
	if ((how & 0x30) == 0x30)
		c->va += any(&c->in) & 0xff000;
	c->va = (c->va + ((UINT64_C(1) << span.shift) - 1)) >> span.shift << span.shift;
	if ((how & 0xc0) == 0xc0 && how & 1)
		give_hole(c, span.level);
	span.va = c->va = (c->va + ((UINT64_C(1) << span.shift) - 1)) >> span.shift << span.shift;
	span.n = make_words(c, &span, made, how & 0x40 ? 512 : 1 + any(&c->in) % SPAN);
	if (!span.n)
		return;
	word = malloc(span.n * sizeof(*word));
	CHECK(word);
	memcpy(word, made, span.n * sizeof(*word));
	span.raw = word;
	give_span(c, &span);
	c->va += (uint64_t)span.n << span.shift;
	c->words += span.n;
	free(word);
}

static void compare(const struct list *expect, const struct list *got, const char *set, unsigned mode)
{
	for (size_t i = 0; i < expect->n && i < got->n; i++) {
		const struct pw_run *e = &expect->v[i], *g = &got->v[i];

		if (e->piece == g->piece && e->area == g->area && e->va == g->va && e->last == g->last &&
		    e->kind == g->kind && e->level == g->level && e->is_hole == g->is_hole && e->reason == g->reason &&
		    e->perm == g->perm && e->page_size == g->page_size && e->pages == g->pages &&
		    e->accessed == g->accessed && e->dirty == g->dirty && e->extents == g->extents && e->pa == g->pa &&
		    e->raw_first == g->raw_first && e->raw_and == g->raw_and && e->raw_or == g->raw_or)
			continue;
		for (unsigned k = 0; k < 2; k++, e = g)
			fprintf(stderr,
				"%s, mode %u, run %zu: %llx-%llx kind %d level %d perm %x, %llu x %llx, A %llu D %llu "
				"e %llu, pa %llx, "
				"first %llx and %llx or %llx\n",
				k ? set : "expected", mode, i, (unsigned long long)e->va, (unsigned long long)e->last,
				e->kind, e->level, e->perm, (unsigned long long)e->pages,
				(unsigned long long)e->page_size, (unsigned long long)e->accessed,
				(unsigned long long)e->dirty, (unsigned long long)e->extents, (unsigned long long)e->pa,
				(unsigned long long)e->raw_first, (unsigned long long)e->raw_and,
				(unsigned long long)e->raw_or);
		CHECK(!"the same runs");
	}
	CHECK(expect->n == got->n);
}

/* Lists are kept from one check to the next: there are millions. */
static void begin(struct check *c)
{
	static const char *const sets[] = { "plain", "avx2" };
	static struct list runs[2][NMODES], expected[NMODES];

	c->runs = runs;

	for (unsigned set = 0; set < 2; set++) {
		if (!pw_words_find(sets[set]))
			continue;
		CHECK(!setenv("PAGEWALK_SIMD", sets[set], 1));
		for (unsigned mode = 0; mode < NMODES; mode++) {
			runs[set][mode].n = 0;
			c->stage[set][mode] = pw_runs_new((enum pw_runs_mode)mode, c->areas.n ? &c->areas : NULL,
							  collect, &c->runs[set][mode]);
			CHECK(c->stage[set][mode]);
		}
	}
	for (unsigned mode = 0; mode < NMODES; mode++) {
		expected[mode].n = 0;
		c->plain[mode].mode = (enum pw_runs_mode)mode;
		c->plain[mode].runs = &expected[mode];
	}
}

static void end(struct check *c)
{
	for (unsigned mode = 0; mode < NMODES; mode++) {
		end_run(&c->plain[mode]);
		for (unsigned set = 0; set < 2; set++) {
			if (!c->stage[set][mode])
				continue;
			CHECK(!pw_runs_flush(c->stage[set][mode]));
			pw_runs_free(c->stage[set][mode]);
			compare(c->plain[mode].runs, &c->runs[set][mode], set ? "avx2" : "plain", mode);
		}
	}
}

size_t fuzz_runs(const uint8_t *data, size_t size)
{
	struct check c = { .in = { data, data + size, 0x72756e73 } };

	choose_mmu(&c);
	choose_areas(&c);
	begin(&c);
	while (c.in.at < c.in.end)
		one_span(&c);
	end(&c);
	return c.words;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_runs(data, size);
	return 0;
}
