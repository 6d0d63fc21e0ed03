/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every entry of every space goes through here, and hardly any is of a frame that is asked for: of a plain 4K leaf its frame is cut out by a mask and
 * looked for in a bitmap (frames.h), all else is decoded.
 *
 * The kernel's half is in every root, but as entries that lead to the same tables. So the root's entries are read first, and only what
 * leads to tables that were not seen in that slot is walked: all of it the first time, then what a process has for itself there (with page-table
 * isolation, its LDT), and once what user roots have instead.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/rmap.h>

#include "frames.h"

#define PAGE       UINT64_C(4096)
#define MAX_SLOTS  512
#define KNOWN      4 /* tables that are remembered of one slot of roots: there are two with page-table isolation */
#define SEEN_SLOTS (1u << 16)

#define KPF_HUGE      17
#define KPF_NOPAGE    20
#define KPF_ZERO_PAGE 24

struct tally {
	uint32_t user, shared, kernel;
	uint16_t tables;
	bool special;
};

/* An entry of a huge page in a user half, and by what address it was found first. */
struct seen {
	uint64_t slot_pa, va;
	uint32_t space;
};

struct root {
	uint64_t pa;
	pid_t pid;
};

struct pw_rmap {
	struct pw_frames frames;
	struct tally *tally; /* by a frame's index; NULL before the first space */
	bool hidden;

	uint64_t known[MAX_SLOTS][KNOWN];
	uint8_t nknown[MAX_SLOTS];
	struct root *root;
	size_t nroots, rroots;
	uint32_t nspaces;
	struct seen *seen;
	size_t nseen;
};

/* One walk. */
struct pass {
	struct pw_rmap *r;
	struct pw_space space; /* a copy, with the one piece that is walked */
	const struct pw_space *whole;
	const struct pw_rmap_visitor *visitor;
	void *ctx;
	uint64_t special;           /* attrs that say so */
	uint64_t below[PW_NLEVELS]; /* what was found below the last entry that was followed, by its depth */
	enum pw_level level;        /* that fmt is for; PW_NLEVELS: none */
	struct pw_leaf_format fmt;
	bool plain;                 /* fmt gives the frames of 4K pages by themselves */
	struct pw_rmap_again again; /* that goes on; space NULL: none */
	uint64_t unit;              /* bytes of one of the tables in it, less one */
};

struct pw_rmap *pw_rmap_new(void)
{
	return calloc(1, sizeof(struct pw_rmap));
}

void pw_rmap_free(struct pw_rmap *r)
{
	if (!r)
		return;
	pw_frames_free(&r->frames);
	free(r->tally);
	free(r->root);
	free(r->seen);
	free(r);
}

/* ---- the set ---- */

static int too_many(int rc, struct pw_error *err)
{
	if (rc == -E2BIG)
		return pw_error_set(err, rc,
				    "these are more than %" PRIu64 " frames (%" PRIu64 "G): ask for fewer at once",
				    PW_RMAP_MAX_FRAMES, PW_RMAP_MAX_FRAMES * PAGE >> 30);
	return rc ? pw_error_set(err, rc, "out of memory") : 0;
}

int pw_rmap_add(struct pw_rmap *r, struct pw_range pa, struct pw_error *err)
{
	const struct pw_range pfn = { pa.lo / PAGE, pa.last / PAGE };

	if (r->tally)
		return pw_error_set(err, -EBUSY, "frames are added before the first space");
	return too_many(pw_frames_add(&r->frames, pfn, PW_RMAP_MAX_FRAMES), err);
}

static int ready(struct pw_rmap *r, struct pw_error *err)
{
	int rc;

	if (r->tally)
		return 0;
	rc = pw_frames_ready(&r->frames, PW_RMAP_MAX_FRAMES);
	if (!rc)
		r->tally = calloc(r->frames.nframes + 1, sizeof(*r->tally));
	if (!rc && !r->tally)
		rc = -ENOMEM;
	return too_many(rc, err);
}

size_t pw_rmap_nframes(struct pw_rmap *r)
{
	return ready(r, NULL) ? 0 : r->frames.nframes;
}

void pw_rmap_frame(struct pw_rmap *r, size_t i, struct pw_frame *out)
{
	const struct tally *t = &r->tally[i];

	*out = (struct pw_frame){
		.pa = pw_frames_at(&r->frames, i) * PAGE,
		.user = t->user,
		.shared = t->shared,
		.kernel = t->kernel,
		.tables = t->tables,
		.special = t->special,
	};
}

bool pw_rmap_hidden(const struct pw_rmap *r)
{
	return r->hidden;
}

/* ---- what a range is mapped to ---- */

struct adding {
	struct pw_rmap *r;
	struct pw_range va;
	struct pw_error *err;
	bool any, hidden;
};

static bool is_page(const struct pw_entry *e)
{
	return (e->kind == PW_LEAF || e->kind == PW_PROTNONE) && !(e->hw && e->reserved);
}

static int add_entry(struct adding *a, const struct pw_span *span, size_t i)
{
	uint64_t va = span->va + ((uint64_t)i << span->shift), lo, last;
	struct pw_entry e;

	span->piece->mmu.arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
	if (!is_page(&e))
		return 0;
	if (e.pa == PW_PA_NONE) {
		a->hidden = true;
		return 0;
	}
	a->any = true;
	last = va + (e.size - 1);
	lo = va > a->va.lo ? va : a->va.lo;
	last = last < a->va.last ? last : a->va.last;
	return pw_rmap_add(a->r, (struct pw_range){ e.pa + (lo - va), e.pa + (last - va) }, a->err);
}

static int add_span(void *ctx, const struct pw_span *span)
{
	int rc = 0;

	for (size_t i = 0; i < span->n && !rc; i++)
		if (span->raw[i])
			rc = add_entry(ctx, span, i);
	return rc;
}

int pw_rmap_add_mapped(struct pw_rmap *r, const struct pw_space *space, struct pw_range va, struct pw_error *err)
{
	static const struct pw_visitor visitor = { .span = add_span };
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = va, .fold_aliases = true };
	struct adding a = { .r = r, .va = va, .err = err };
	struct pw_walk_stats stats = { 0 };
	int rc = pw_walk(space, &opts, &visitor, &a, &stats);

	if (rc == -E2BIG || rc == -EBUSY)
		return rc;
	if (rc)
		return pw_error_set(err, rc, "%s: %s", space->title,
				    rc == -ESRCH ? "the process is gone" : strerror(-rc));
	if (!a.any && a.hidden)
		return pw_error_set(err, -EPERM, "%s: frame numbers are hidden: needs CAP_SYS_ADMIN", space->title);
	if (!a.any)
		return pw_error_set(err, -ENOENT, "%s: nothing is mapped at %" PRIx64 "%s", space->title, va.lo,
				    stats.unstable || stats.unreadable ? " in what could be read" : "");
	return 0;
}

/* ---- what is found ---- */

static void found_at(struct pass *p, unsigned depth)
{
	for (unsigned d = 0; d < depth; d++)
		p->below[d]++;
}

/*
 * Whether another address has found that entry before: hugetlbfs lets processes share tables of PMD entries. When there is no room, it
 * was not.
 */
static bool seen_elsewhere(struct pw_rmap *r, uint64_t slot_pa, uint64_t va)
{
	size_t at = (size_t)((slot_pa / 8 * UINT64_C(0x9e3779b97f4a7c15)) >> 48) % SEEN_SLOTS;

	if (!r->seen)
		r->seen = calloc(SEEN_SLOTS, sizeof(*r->seen));
	if (!r->seen)
		return false;
	for (; r->seen[at].space; at = (at + 1) % SEEN_SLOTS)
		if (r->seen[at].slot_pa == slot_pa)
			return r->seen[at].space != r->nspaces || r->seen[at].va != va;
	if (r->nseen < SEEN_SLOTS / 2) {
		r->seen[at] = (struct seen){ slot_pa, va, r->nspaces };
		r->nseen++;
	}
	return false;
}

static void more(uint32_t *n)
{
	*n += *n != UINT32_MAX;
}

static void count_mapping(struct pass *p, const struct pw_mapping *m, size_t index, bool special)
{
	bool user = m->piece->mmu.half == PW_HALF_USER;
	bool shared = user && m->level == PW_PMD && seen_elsewhere(p->r, m->slot_pa, m->va - (m->pa & (m->size - 1)));

	for (uint64_t i = 0; i < m->frames; i++) {
		struct tally *t = &p->r->tally[index + i];

		more(user ? &t->user : &t->kernel);
		if (shared)
			more(&t->shared);
		t->special |= user && special;
	}
}

/* An entry that was decoded, and maybe is of frames in the set. */
static int entry(struct pass *p, const struct pw_span *span, size_t i, const struct pw_entry *e)
{
	const struct pw_frames *f = &p->r->frames;
	uint64_t lo = e->pa / PAGE, last = lo + (e->size / PAGE - 1);
	struct pw_mapping m = {
		.space = p->whole,
		.piece = &p->space.piece[0],
		.size = e->size,
		.slot_pa = span->slot_pa == PW_PA_NONE ? PW_PA_NONE : span->slot_pa + i * sizeof(uint64_t),
		.raw = e->raw,
		.level = e->level,
		.kind = e->kind,
		.perm = e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & span->perm_above,
	};
	int rc = 0;

	for (size_t at = pw_frames_from(f, lo); at < f->n && f->v[at].lo <= last && !rc; at++) {
		uint64_t a = f->v[at].lo > lo ? f->v[at].lo : lo, b = f->v[at].last < last ? f->v[at].last : last;

		m.pa = a * PAGE;
		m.va = span->va + ((uint64_t)i << span->shift) + (a - lo) * PAGE;
		m.frames = b - a + 1;
		m.area = pw_areas_find(&p->whole->areas, m.va);
		found_at(p, span->depth);
		count_mapping(p, &m, pw_frames_index(f, at, a), e->attrs & p->special);
		rc = p->visitor->mapping ? p->visitor->mapping(p->ctx, &m) : 0;
	}
	return rc;
}

static int decode(struct pass *p, const struct pw_span *span, size_t i)
{
	struct pw_entry e;

	span->piece->mmu.arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
	if (!is_page(&e))
		return 0;
	if (e.pa == PW_PA_NONE) {
		p->r->hidden = true;
		return 0;
	}
	return entry(p, span, i, &e);
}

static void use_format(struct pass *p, const struct pw_span *span)
{
	p->level = span->level;
	span->piece->mmu.arch->leaf_format(&span->piece->mmu, span->level, &p->fmt);
	p->plain = p->fmt.leaf_mask && span->shift == 12 && p->fmt.pa_step == PAGE;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pass *p = ctx;
	const struct pw_frames *f = &p->r->frames;
	int rc = 0;

	if (p->level != span->level)
		use_format(p, span);
	for (size_t i = 0; i < span->n && !rc; i++) {
		uint64_t raw = span->raw[i];

		if (!raw)
			continue;
		if (p->plain && (raw & p->fmt.leaf_mask) == p->fmt.leaf_value &&
		    !pw_frames_maybe(f, (raw & p->fmt.pa_mask) / PAGE))
			continue;
		rc = decode(p, span, i);
	}
	return rc;
}

/* ---- tables ---- */

static int table(struct pass *p, struct pw_table_page *t)
{
	const struct pw_frames *f = &p->r->frames;
	uint64_t pfn = t->pa / PAGE;
	struct tally *tally;
	size_t at;

	if (!pw_frames_has(f, pfn, &at))
		return 0;
	tally = &p->r->tally[pw_frames_index(f, at, pfn)];
	tally->tables += tally->tables != UINT16_MAX;
	t->space = p->whole;
	t->piece = &p->space.piece[0];
	return p->visitor->table ? p->visitor->table(p->ctx, t) : 0;
}

/* The table that an entry at that depth leads to. */
static int table_below(struct pass *p, unsigned depth, uint64_t raw, uint64_t va, uint64_t slot_pa)
{
	const struct pw_mmu *mmu = &p->space.piece[0].mmu;
	struct pw_table_page t = { .va = va, .slot_pa = slot_pa };
	struct pw_entry e;
	int rc;

	if (depth + 1 >= mmu->mode->depth)
		return 0;
	mmu->arch->decode(mmu, mmu->mode->lv[depth].level, raw, &e);
	if (e.kind != PW_TABLE || !pw_frames_maybe(&p->r->frames, e.pa / PAGE))
		return 0;
	t.pa = e.pa;
	t.last = va + (e.size - 1);
	t.level = mmu->mode->lv[depth + 1].level;
	rc = table(p, &t);
	if (t.space)
		found_at(p, depth);
	return rc;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct pass *p = ctx;

	p->below[step->depth] = 0;
	return table_below(p, step->depth, step->raw, step->va, step->slot_pa);
}

static int end_again(struct pass *p)
{
	struct pw_rmap_again a = p->again;

	p->again.space = NULL;
	return a.space && p->visitor->again ? p->visitor->again(p->ctx, &a) : 0;
}

static int again(struct pass *p, const struct pw_hole *hole)
{
	struct pw_rmap_again *a = &p->again;
	int rc;

	if (a->space && a->alias_va == hole->alias_va && a->last + 1 == hole->va && p->unit == hole->last - hole->va) {
		a->last = hole->last;
		return 0;
	}
	rc = end_again(p);
	*a = (struct pw_rmap_again){ p->whole, hole->va, hole->last, hole->alias_va };
	p->unit = hole->last - hole->va;
	return rc;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct pass *p = ctx;
	int rc;

	if (hole->slot_pa == PW_PA_NONE)
		return 0;
	/* A table that cannot be read is one, too; of what the rest of an image contradicts, nobody knows. */
	if (hole->reason == PW_HOLE_INCONSISTENT)
		return 0;
	rc = table_below(p, hole->depth, hole->raw, hole->va, hole->slot_pa);
	if (rc || hole->reason != PW_HOLE_ALIAS || !p->below[hole->depth])
		return rc;
	found_at(p, hole->depth);
	return again(p, hole);
}

static const struct pw_visitor finder = { .step = on_step, .span = on_span, .hole = on_hole };

/* ---- spaces ---- */

static void begin(struct pass *p, const struct pw_piece *piece)
{
	const struct pw_arch *arch = piece->mmu.arch;

	p->space.npieces = 1;
	p->space.piece[0] = *piece;
	p->level = PW_NLEVELS;
	p->special = 0;
	for (size_t i = 0; i < arch->nattrs; i++)
		if (!strcmp(arch->attrs[i].name, "special"))
			p->special |= UINT64_C(1) << i;
}

/* Neighbours that are one table are walked once in the kernel's half: KASAN's shadow is one page, billions of times. */
static int walk(struct pass *p, struct pw_range va, struct pw_walk_stats *stats)
{
	const struct pw_walk_opts opts = {
		.size = sizeof(opts),
		.va = va,
		.fold_aliases = p->space.piece[0].mmu.half == PW_HALF_KERNEL,
	};
	int rc;

	memset(p->below, 0, sizeof(p->below));
	rc = pw_walk(&p->space, &opts, &finder, p, stats);
	return end_again(p) ?: rc;
}

struct slots {
	uint64_t raw[MAX_SLOTS];
	bool known; /* the root could be read */
};

static int take_slots(void *ctx, const struct pw_span *span)
{
	const struct pw_mode_level *lv = &span->piece->mmu.mode->lv[0];
	struct slots *s = ctx;

	for (size_t i = 0; i < span->n; i++)
		s->raw[pw_index(lv, span->va + ((uint64_t)i << span->shift)) % MAX_SLOTS] = span->raw[i];
	s->known = true;
	return 0;
}

/* Whether the slot leads where no root before had it lead; from now on it is known. */
static bool is_new(struct pw_rmap *r, const struct pw_mmu *mmu, unsigned slot, uint64_t raw)
{
	struct pw_entry e;

	mmu->arch->decode(mmu, mmu->mode->lv[0].level, raw, &e);
	if (e.kind == PW_NONE)
		return false;
	if (e.kind != PW_TABLE)
		return true;
	for (unsigned i = 0; i < r->nknown[slot]; i++)
		if (r->known[slot][i] == e.pa)
			return false;
	if (r->nknown[slot] < KNOWN)
		r->known[slot][r->nknown[slot]++] = e.pa;
	return true;
}

static int kernel_half(struct pass *p, struct pw_walk_stats *stats)
{
	static const struct pw_visitor visitor = { .span = take_slots };
	const struct pw_piece *piece = &p->space.piece[0];
	const struct pw_mode_level *lv = &piece->mmu.mode->lv[0];
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = piece->va, .depth = 1 };
	struct pw_walk_stats aside = { 0 };
	struct slots s = { 0 };
	uint64_t va = piece->va.lo, step = UINT64_C(1) << lv->shift, from = 0;
	bool open = false;
	int rc = pw_walk(&p->space, &opts, &visitor, &s, &aside);

	/* Then the walk itself says what is wrong. */
	if (rc || !s.known || lv->bits > 9)
		return rc ? rc : walk(p, piece->va, stats);
	for (;; va += step) {
		unsigned slot = pw_index(lv, va);
		bool last = va + (step - 1) >= piece->va.last, want = is_new(p->r, &piece->mmu, slot, s.raw[slot]);

		if (want && !open)
			from = va;
		if (open && !want)
			rc = walk(p, (struct pw_range){ from, va - 1 }, stats);
		open = want;
		if (last || rc)
			break;
	}
	return open && !rc ? walk(p, (struct pw_range){ from, piece->va.last }, stats) : rc;
}

static int root_table(struct pass *p, bool user_root)
{
	const struct pw_piece *piece = &p->space.piece[0];
	struct pw_table_page t = {
		.pa = piece->root,
		.last = UINT64_MAX,
		.slot_pa = PW_PA_NONE,
		.level = piece->mmu.mode->lv[0].level,
		.user_root = user_root,
	};

	return table(p, &t);
}

static int piece_of(struct pass *p, const struct pw_piece *piece, struct pw_walk_stats *stats)
{
	const struct pw_space *whole = p->whole;
	bool isolated = whole->npieces == 2 && whole->piece[0].root != whole->piece[1].root;
	bool user = piece->mmu.half == PW_HALF_USER;
	struct pw_piece other;
	int rc = 0;

	begin(p, piece);
	if (piece->root == PW_PA_NONE)
		return walk(p, piece->va, stats);
	if (piece == &whole->piece[0] || isolated)
		rc = root_table(p, isolated && user);
	if (rc)
		return rc;
	if (!user)
		return kernel_half(p, stats);
	rc = walk(p, piece->va, stats);
	if (rc || !isolated)
		return rc;
	other = whole->piece[1];
	other.root = piece->root;
	begin(p, &other);
	return kernel_half(p, stats);
}

static const struct root *find_root(const struct pw_rmap *r, uint64_t pa)
{
	for (size_t i = 0; i < r->nroots; i++)
		if (r->root[i].pa == pa)
			return &r->root[i];
	return NULL;
}

static int add_root(struct pw_rmap *r, uint64_t pa, pid_t pid)
{
	if (r->nroots == r->rroots) {
		size_t room = r->rroots ? 2 * r->rroots : 64;
		struct root *bigger = reallocarray(r->root, room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		r->root = bigger;
		r->rroots = room;
	}
	r->root[r->nroots++] = (struct root){ pa, pid };
	return 0;
}

int pw_rmap_space(struct pw_rmap *r, const struct pw_space *space, const struct pw_rmap_visitor *visitor, void *ctx,
		  struct pw_walk_stats *stats)
{
	struct pass p = { .r = r, .space = *space, .whole = space, .visitor = visitor, .ctx = ctx };
	bool user = space->npieces && space->piece[0].mmu.half == PW_HALF_USER;
	uint64_t root = user ? space->piece[0].root : PW_PA_NONE;
	const struct root *first = root == PW_PA_NONE ? NULL : find_root(r, root);
	int rc = ready(r, NULL);

	if (!rc && first)
		return visitor->same ? visitor->same(ctx, space, first->pid) : 0;
	if (!rc && root != PW_PA_NONE)
		rc = add_root(r, root, space->pid);
	r->nspaces++;
	for (size_t i = 0; i < space->npieces && !rc; i++)
		rc = piece_of(&p, &space->piece[i], stats);
	return rc;
}

/* ---- the kernel's own count ---- */

const char *pw_rmap_why(const struct pw_frame *f, uint64_t count, uint64_t flags)
{
	if (f->user == count)
		return NULL;
	if (flags >> KPF_ZERO_PAGE & 1)
		return "the zero page: the kernel does not count its mappings";
	if (flags >> KPF_NOPAGE & 1)
		return "no struct page: the kernel does not count its mappings";
	if (f->special)
		return "mapped by its number (VM_PFNMAP): the kernel does not count that";
	if (flags >> KPF_HUGE & 1 && f->user - f->shared == count)
		return "processes share the table that maps it (hugetlb): the kernel counts that once";
	return f->user > count ? "it was unmapped meanwhile, or the kernel does not count all of them"
			       : "it was mapped meanwhile, or by a process that could not be looked at";
}
