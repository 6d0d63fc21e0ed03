/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walker, decoder and run merging on hostile tables. Whatever the input is: each address is told of once
 * and in order, the budget holds, runs say as much as the spans they were made from, and looking up
 * single addresses gives what the walk gave.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/runs.h>
#include <pagewalk/stats.h>
#include <pagewalk/why.h>

#include "check.h"
#include "fuzz_image.h"

#define NPROBES 24
#define NMODES  3

/* An entry that the walk told of and that is not empty: runs are held against the list of all of them. */
struct told {
	uint64_t va;
	unsigned area;
	uint8_t perm;
	struct pw_entry entry;
};

/* What the walk said of an address. */
struct probe {
	uint64_t va;
	bool told, hole;
	enum pw_hole_reason reason;
	uint8_t perm_above;
	struct pw_entry entry;
};

struct walk_check;

struct run_check {
	enum pw_runs_mode mode;
	struct pw_runs *runs;
	const struct walk_check *walk;
	size_t ntold; /* entries that runs were seen of */
	uint64_t hole_bytes[PW_HOLE_BUDGET + 1];
	struct pw_run last; /* the run before */
	bool any;
};

struct walk_check {
	const struct fuzz_image *image;
	const struct pw_piece *piece; /* of the last event */
	unsigned done;                /* bit n: piece n was begun */
	uint64_t last;                /* address told of last */
	uint64_t events, stop_at;
	bool stopped, budget;
	struct told *told;
	size_t ntold;
	uint64_t hole_bytes[PW_HOLE_BUDGET + 1];
	struct run_check runs[NMODES];
	struct probe probe[NPROBES];
};

static unsigned area_index(const struct fuzz_image *image, uint64_t va)
{
	const struct pw_areas *areas = &image->space.areas;

	for (unsigned i = 0; i < areas->n; i++)
		if (areas->v[i].lo <= va && va <= areas->v[i].last)
			return i;
	return FUZZ_AREAS;
}

static bool leaf_only(const struct walk_check *c)
{
	return !(c->image->source.ops->caps & PW_CAP_TABLES);
}

/* -------- runs -------- */

static void check_entry_of_run(const struct run_check *c, const struct pw_run *run, const struct told *e,
			       const struct told *before)
{
	const struct pw_entry *now = &e->entry;
	unsigned area = run->area ? (unsigned)(run->area - c->walk->image->area) : FUZZ_AREAS;

	CHECK(e->area == area);
	CHECK(now->kind == run->kind && now->level == run->level && now->size == run->page_size);
	CHECK(e->perm == run->perm);
	if (!before)
		return;
	CHECK(now->key == before->entry.key && now->memtype == before->entry.memtype);
	CHECK(!now->reserved == !before->entry.reserved);
	CHECK(now->swap_type == before->entry.swap_type || now->kind != PW_SOFT);
	if (c->mode == PW_RUNS_EXACT)
		CHECK(now->attrs == before->entry.attrs);
}

/* Whether e does not follow the entry before it in physical memory. */
static bool breaks_off(const struct told *e, const struct told *before)
{
	return !before || e->entry.pa != before->entry.pa + before->entry.size;
}

static void check_page_run(struct run_check *c, const struct pw_run *run)
{
	const struct walk_check *w = c->walk;
	const struct told *before = NULL;
	uint64_t pages = 0, accessed = 0, dirty = 0, extents = 0, all = ~UINT64_C(0), any = 0;
	struct pw_leaf_format fmt;
	bool hidden = false;

	run->piece->mmu.arch->leaf_format(&run->piece->mmu, run->level, &fmt);
	for (uint64_t va = run->va; pages < run->pages; va += run->page_size) {
		const struct told *e = &w->told[c->ntold++];

		CHECK(c->ntold <= w->ntold);
		CHECK(e->va == va);
		check_entry_of_run(c, run, e, before);
		pages++;
		accessed += !!(e->entry.raw & fmt.accessed);
		dirty += !!(e->entry.raw & fmt.dirty);
		extents += breaks_off(e, before);
		hidden |= e->entry.pa == PW_PA_NONE;
		all &= e->entry.raw;
		any |= e->entry.raw;
		CHECK(before || (run->pa == e->entry.pa && run->raw_first == e->entry.raw));
		before = e;
	}
	CHECK(before && before->va + (run->page_size - 1) == run->last);
	CHECK(run->accessed == accessed && run->dirty == dirty);
	CHECK(run->raw_and == all && run->raw_or == any);
	if (!hidden)
		CHECK(run->extents == extents);
	if (c->mode != PW_RUNS_READ)
		CHECK(run->extents <= 1);
}

static bool is_hidden(const struct pw_run *run)
{
	return run->kind == PW_LEAF && run->raw_first << 9 == 0; /* pagemap's frame field */
}

/* Hidden frames neither follow one another nor break off: they are no reason to end a run. */
static void check_split_of_hidden(const struct run_check *c, const struct pw_run *run)
{
	const struct pw_run *before = &c->last;

	if (!leaf_only(c->walk) || c->mode == PW_RUNS_EXACT || !c->any || before->area != run->area)
		return;
	CHECK(before->last + 1 != run->va || !is_hidden(before) || !is_hidden(run));
}

static int on_run(void *ctx, const struct pw_run *run)
{
	struct run_check *c = ctx;

	CHECK(run->va <= run->last);
	CHECK(!c->any || run->va > c->last.last);
	if (!run->is_hole)
		check_split_of_hidden(c, run);
	c->any = true;
	c->last = *run;
	if (run->is_hole)
		c->hole_bytes[run->reason] += run->last - run->va + 1;
	else
		check_page_run(c, run);
	return 0;
}

/* -------- the walk's events -------- */

static struct pw_range asked_of(const struct walk_check *c, const struct pw_piece *piece)
{
	const struct pw_range *o = &c->image->opts.va;

	return (struct pw_range){ o->lo > piece->va.lo ? o->lo : piece->va.lo,
				  o->last < piece->va.last ? o->last : piece->va.last };
}

static void check_end_of_piece(struct walk_check *c)
{
	if (c->piece && !leaf_only(c))
		CHECK(c->last >= asked_of(c, c->piece).last);
}

/* Events come in order, each where the one before ended; entries of `unit` bytes. */
static void check_place(struct walk_check *c, const struct pw_piece *piece, uint64_t va, uint64_t last, uint64_t unit)
{
	struct pw_range asked = asked_of(c, piece);
	unsigned nr = (unsigned)(piece - c->image->space.piece);

	CHECK(!c->stopped && !c->budget);
	CHECK(nr < c->image->space.npieces);
	CHECK(va <= last);
	CHECK(va <= asked.last && last >= asked.lo);
	CHECK(last - (unit - 1) <= asked.last || last == asked.last);
	if (piece == c->piece) {
		if (leaf_only(c))
			CHECK(va > c->last);
		else
			CHECK(va == c->last + 1);
	} else {
		check_end_of_piece(c);
		CHECK(!(c->done >> nr));
		c->done |= 1u << nr;
		if (!leaf_only(c))
			CHECK(va <= asked.lo && asked.lo - va < unit);
		c->piece = piece;
	}
	c->last = last;
}

static int count_event(struct walk_check *c)
{
	if (++c->events != c->stop_at)
		return 0;
	c->stopped = true;
	return 77;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct walk_check *c = ctx;
	struct pw_entry e;

	CHECK(!c->stopped && !c->budget);
	step->piece->mmu.arch->decode(&step->piece->mmu, step->level, step->raw, &e);
	CHECK(e.kind == PW_TABLE && !e.reserved);
	CHECK(step->depth + 1 < step->piece->mmu.mode->depth);
	CHECK(step->perm_above <= PW_RWXU);
	if (step->piece == c->piece)
		CHECK(step->va == c->last + 1 || step->va <= asked_of(c, step->piece).lo);
	return count_event(c);
}

static void note_probes(struct walk_check *c, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;

	for (unsigned i = 0; i < NPROBES; i++) {
		struct probe *p = &c->probe[i];
		uint64_t slot = (p->va - span->va) >> span->shift;

		if (p->va < span->va || slot >= span->n)
			continue;
		CHECK(!p->told);
		p->told = true;
		p->perm_above = span->perm_above;
		mmu->arch->decode(mmu, span->level, span->raw[slot], &p->entry);
	}
}

static void add_entry(struct walk_check *c, const struct pw_span *span, size_t i)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct told *t;
	struct pw_entry e;

	mmu->arch->decode(mmu, span->level, span->raw[i], &e);
	CHECK(e.kind != PW_TABLE);
	CHECK(e.size == UINT64_C(1) << span->shift);
	if (e.kind == PW_NONE)
		return;
	if ((c->ntold & (c->ntold - 1)) == 0) /* full at powers of two */
		c->told = realloc(c->told, (c->ntold ? 2 * c->ntold : 1) * sizeof(*t));
	CHECK(c->told);
	t = &c->told[c->ntold++];
	t->va = span->va + ((uint64_t)i << span->shift);
	t->area = area_index(c->image, t->va);
	t->perm = e.perm == PW_PERM_UNKNOWN ? e.perm : e.perm & span->perm_above;
	t->entry = e;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct walk_check *c = ctx;
	const struct pw_mmu *mmu = &span->piece->mmu;
	uint64_t bytes = (uint64_t)span->n << span->shift;

	CHECK(span->n > 0);
	CHECK(leaf_only(c) || (span->n <= 512 && span->shift == mmu->mode->lv[span->depth].shift));
	CHECK(span->va % (UINT64_C(1) << span->shift) == 0);
	CHECK(span->perm_above <= PW_RWXU);
	check_place(c, span->piece, span->va, span->va + (bytes - 1), UINT64_C(1) << span->shift);
	note_probes(c, span);
	for (size_t i = 0; i < span->n; i++)
		add_entry(c, span, i);
	for (unsigned m = 0; m < NMODES; m++)
		CHECK(pw_runs_visitor.span(c->runs[m].runs, span) == 0);
	return count_event(c);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct walk_check *c = ctx;

	CHECK(hole->reason <= PW_HOLE_BUDGET);
	CHECK(hole->perm_above <= PW_RWXU);
	CHECK(hole->reason != PW_HOLE_ALIAS || (c->image->opts.fold_aliases && hole->alias_va < hole->va));
	/* After the budget only its own holes come, one for each piece that is left. */
	c->budget = c->budget && hole->reason != PW_HOLE_BUDGET;
	check_place(c, hole->piece, hole->va, hole->last, hole->last - hole->va + 1);
	c->budget = hole->reason == PW_HOLE_BUDGET;
	c->hole_bytes[hole->reason] += hole->last - hole->va + 1;
	for (unsigned i = 0; i < NPROBES; i++) {
		struct probe *p = &c->probe[i];

		if (p->va < hole->va || p->va > hole->last)
			continue;
		CHECK(!p->told);
		p->told = p->hole = true;
		p->reason = hole->reason;
	}
	for (unsigned m = 0; m < NMODES; m++)
		CHECK(pw_runs_visitor.hole(c->runs[m].runs, hole) == 0);
	return count_event(c);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

/* -------- the walk as a whole -------- */

static void check_walk(struct walk_check *c, const struct pw_walk_stats *stats)
{
	uint64_t tables = 0;

	for (unsigned i = 0; i < PW_NLEVELS; i++)
		tables += stats->tables[i];
	CHECK(tables <= c->image->opts.budget + c->image->space.npieces);
	CHECK(stats->truncated == c->budget);
	check_end_of_piece(c);
	if (leaf_only(c))
		return;
	for (unsigned i = 0; i < c->image->space.npieces; i++) {
		struct pw_range asked = asked_of(c, &c->image->space.piece[i]);

		CHECK((c->done >> i & 1) == (asked.lo <= asked.last));
	}
}

static void check_runs(struct walk_check *c)
{
	for (unsigned m = 0; m < NMODES; m++) {
		CHECK(pw_runs_flush(c->runs[m].runs) == 0);
		CHECK(c->runs[m].ntold == c->ntold);
		CHECK(!memcmp(c->runs[m].hole_bytes, c->hole_bytes, sizeof(c->hole_bytes)));
	}
}

static enum pw_verdict verdict_of(const struct probe *p)
{
	static const enum pw_verdict kinds[] = {
		[PW_NONE] = PW_V_NONE, [PW_LEAF] = PW_MAPPED, [PW_PROTNONE] = PW_V_PROTNONE, [PW_SOFT] = PW_V_SOFT
	};

	if (!p->hole)
		return p->entry.reserved ? PW_V_RESERVED : kinds[p->entry.kind];
	return p->reason == PW_HOLE_RESERVED  ? PW_V_RESERVED
	       : p->reason == PW_HOLE_NOT_RAM ? PW_V_NOT_RAM
					      : PW_V_UNREADABLE;
}

static void check_translation(const struct probe *p, const struct pw_translation *t)
{
	const struct pw_entry *e = &p->entry;

	CHECK(t->va == p->va);
	/* A chain that is said to change now and then may be lost in one way and not in the other. */
	if (!p->told || (p->hole && p->reason == PW_HOLE_UNSTABLE) || t->verdict == PW_V_UNSTABLE)
		return;
	CHECK(t->verdict == verdict_of(p));
	if (t->verdict == PW_MAPPED) {
		CHECK(t->size == e->size);
		CHECK(t->perm == (e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & p->perm_above));
		CHECK(t->pa == (e->pa == PW_PA_NONE ? e->pa : e->pa + (t->va & (e->size - 1))));
	} else {
		CHECK(t->pa == PW_PA_NONE);
	}
	if (!p->hole)
		CHECK(t->npath > 0 && t->path[t->npath - 1].raw == e->raw);
}

/* Whatever the tables hold, there is a reason with a name, a sentence and something that was looked at. */
static void check_reasons(struct walk_check *c, const struct pw_translation *t)
{
	struct pw_space space = c->image->space;
	struct pw_target nothing = { 0 };
	struct pw_reasoner *r;
	struct pw_why why;

	CHECK(!pw_reasoner_open(&nothing, NULL, &r, NULL));
	for (unsigned i = 0; i < NPROBES; i++) {
		pw_why(r, &space, &t[i], &why);
		CHECK(why.text[0] && why.n <= PW_WHY_MOST && pw_reason_name(why.reason)[0] != '?');
	}
	pw_reasoner_close(r);
}

static void check_translations(struct walk_check *c)
{
	struct pw_translation t[NPROBES];
	uint64_t va[NPROBES];
	int rc;

	for (unsigned i = 0; i < NPROBES; i++)
		va[i] = c->probe[i].va;
	rc = pw_translate(&c->image->space, va, NPROBES, t);
	if (c->image->give_up_after && rc < 0)
		return;
	CHECK(rc == 0);
	check_reasons(c, t);
	/* Of changing tables and folded or cut walks: that nothing crashes is enough. */
	if (!fuzz_image_is_steady(c->image) || c->image->opts.fold_aliases || c->budget)
		return;
	for (unsigned i = 0; i < NPROBES; i++)
		check_translation(&c->probe[i], &t[i]);
}

static uint64_t sum(const uint64_t *v, size_t n, unsigned shift)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += v[i] << (shift ? shift + i : 0);
	return all;
}

/* Whatever the tables: each way to add up what is mapped gives the same. */
static void check_stats(struct walk_check *c)
{
	const struct pw_stats_opts opts = { .size = sizeof(opts), .budget = c->image->opts.budget };
	struct pw_stats s;
	struct pw_error err;
	uint64_t mapped;
	int rc = pw_stats(&c->image->space, &opts, &s, &err);

	if (rc) {
		CHECK(rc < 0 && c->image->give_up_after);
		return;
	}
	mapped = pw_stats_mapped(&s);
	if (!s.hidden) {
		CHECK(sum(s.contiguity.extent_bytes, PW_ORDERS, 0) == mapped);
		CHECK(sum(s.contiguity.blocks, PW_ORDERS, 12) == mapped);
	}
	if (!s.leaf_only) {
		CHECK((s.tlb.merged[0] << 12) + (s.tlb.merged[1] << 21) + (s.tlb.merged[2] << 30) == mapped);
		CHECK((s.tlb.now[0] << 12) + (s.tlb.now[1] << 21) + (s.tlb.now[2] << 30) == mapped);
		CHECK(sum(s.tlb.merged, 3, 0) <= sum(s.tlb.now, 3, 0));
		CHECK(pw_stats_tables(&s) <= sum(s.walk.tables, PW_NLEVELS, 0));
	}
	for (unsigned level = 0; level < PW_NLEVELS; level++) {
		CHECK(s.accessed[level] <= s.bytes[level] && s.dirty[level] <= s.bytes[level]);
		CHECK(s.empty[level] + s.single[level] <= s.counts.tables[level]);
	}
	pw_stats_free(&s);
}

static void choose_probes(struct walk_check *c, struct fuzz_input *in)
{
	for (unsigned i = 0; i < NPROBES; i++) {
		uint64_t va = 0;

		/* A slot a level, low numbers and neighbours, then sign-extended or not. */
		for (unsigned level = 0; level < 5; level++)
			va = va << 9 | (fuzz_u8(in) & (i & 1 ? 7 : 255));
		va = va << 12 | fuzz_u8(in);
		if (c->image->space.npieces == 2 && i & 2)
			va |= c->image->space.piece[1].va.lo;
		if (leaf_only(c))
			va = c->image->words_va + (va & 0xffffff);
		c->probe[i].va = va;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input all = { data, data + size }, probes = all;
	struct walk_check *c = calloc(1, sizeof(*c));
	struct pw_walk_stats stats = { 0 };
	struct fuzz_image image;
	int rc;

	if (!c)
		return 0;
	fuzz_image_open(&image, &all);
	c->image = &image;
	c->stop_at = size > 5 && data[4] == 0x5a ? data[5] + 1u : 0;
	choose_probes(c, &probes);
	for (unsigned m = 0; m < NMODES; m++) {
		c->runs[m].walk = c;
		c->runs[m].mode = (enum pw_runs_mode)m;
		c->runs[m].runs = pw_runs_new(c->runs[m].mode, image.space.areas.n ? &image.space.areas : NULL, on_run,
					      &c->runs[m]);
		CHECK(c->runs[m].runs);
	}
	rc = pw_walk(&image.space, &image.opts, &visitor, c, &stats);
	if (c->stopped)
		CHECK(rc == 77);
	else
		CHECK(rc == 0 || (rc < 0 && image.give_up_after));
	if (rc == 0)
		check_walk(c, &stats);
	check_runs(c);
	check_translations(c);
	check_stats(c);
	for (unsigned m = 0; m < NMODES; m++)
		pw_runs_free(c->runs[m].runs);
	fuzz_image_close(&image);
	free(c->told);
	free(c);
	return 0;
}
