/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk, in which everything is counted. Nearly every word is a plain leaf with the same bits as the one before it: those are only
 * counted, under a label that holds the bits, and what the bits mean is looked up once a label.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/stats.h>

#include "area_cursor.h"
#include "stats_parts.h"

#define NLABELS    64
#define MOST_WORDS 512
#define HUGE_SIZE  (UINT64_C(1) << 21)
#define HUGE_LAST  (HUGE_SIZE - 1)

/* Leaves that differ in their address only. */
struct label {
	bool used;
	uint64_t bits;
	struct pw_entry e;
	uint64_t n;
};

/* A table of which not all was handed out yet. */
struct open_table {
	bool open;
	uint64_t at; /* which one */
	uint64_t slots, used;
};

struct stats {
	const struct pw_space *space;
	struct pw_stats *out;
	struct pw_node_map nodes;
	struct pw_extents extents;
	const struct pw_piece *piece;
	struct pw_leaf_format fmt[PW_NLEVELS];
	struct label label[NLABELS];
	struct open_table table[PW_NLEVELS]; /* by depth */
	struct pw_area_cursor areas;
	bool misaligned;            /* pages in a range of 2M that is only partly an anonymous VMA's */
	struct pw_filtered *filter; /* NULL: all entries count */
	uint64_t match[MOST_WORDS]; /* with a filter: what is left of the words that are looked at, from match_va on */
	uint64_t match_va;
};

/* The words of a span that are one area's, and what is found in them. */
struct stretch {
	const struct pw_span *span;
	size_t first, end;
	const struct pw_area *area;
	struct pw_area_stats *sums; /* NULL: no area */
	bool anon;
	uint64_t used;
	struct pw_thp_range thp;
};

/* ---- labels ---- */

static void settle(struct stats *st, struct label *l)
{
	const struct pw_leaf_format *fmt = &st->fmt[l->e.level];
	struct pw_stats *out = st->out;
	uint64_t bytes = l->n * l->e.size;

	pw_counts_add(&out->counts, &l->e, l->n);
	out->bytes[l->e.level] += bytes;
	if (l->bits & fmt->accessed)
		out->accessed[l->e.level] += bytes;
	if (l->bits & fmt->dirty)
		out->dirty[l->e.level] += bytes;
	if (l->e.level <= PW_PUD && !out->leaf_only)
		out->tlb.now[l->e.level] += l->n;
	l->n = 0;
}

static void settle_all(struct stats *st)
{
	for (size_t i = 0; i < NLABELS; i++) {
		if (st->label[i].used)
			settle(st, &st->label[i]);
		st->label[i].used = false;
	}
}

static struct label *label_of(struct stats *st, enum pw_level level, uint64_t raw)
{
	uint64_t bits = raw & ~st->fmt[level].pa_mask;
	struct label *l = &st->label[(bits * UINT64_C(0x9e3779b97f4a7c15) >> 58 ^ level) % NLABELS];

	if (l->used && l->bits == bits && l->e.level == level)
		return l;
	if (l->used)
		settle(st, l);
	*l = (struct label){ .used = true, .bits = bits };
	st->piece->mmu.arch->decode(&st->piece->mmu, level, raw, &l->e);
	return l;
}

/* What a leaf's translation is like, its address aside. */
static uint64_t rights_of(const struct stats *st, const struct pw_entry *e, uint8_t perm_above)
{
	uint64_t perm = e->perm == PW_PERM_UNKNOWN ? e->perm : e->perm & perm_above;

	return perm | (uint64_t)e->memtype << 8 | (uint64_t)e->key << 16 |
	       (e->raw & st->piece->mmu.enc_mask ? UINT64_C(1) << 24 : 0);
}

/* ---- tables ---- */

static void close_table(struct stats *st, unsigned depth)
{
	struct open_table *t = &st->table[depth];
	struct pw_stats *out = st->out;
	const struct pw_mode_level *lv = &out->counts.mmu->mode->lv[depth];

	if (!t->open)
		return;
	t->open = false;
	out->counts.tables[lv->level]++;
	out->table_bytes += sizeof(uint64_t) << lv->bits;
	out->slots[lv->level] += t->slots;
	out->empty[lv->level] += t->used == 0;
	out->single[lv->level] += t->used == 1;
	out->full[lv->level] += t->used == t->slots;
}

/* Slots of the table that va is in, of which so many are not empty. The root may be that of two halves. */
static void add_slots(struct stats *st, const struct pw_piece *piece, unsigned depth, uint64_t va, uint64_t slots,
		      uint64_t used)
{
	const struct pw_mode_level *lv = &piece->mmu.mode->lv[depth];
	struct open_table *t = &st->table[depth];
	uint64_t at = depth ? va >> lv->shift >> lv->bits : piece->root;

	if (st->out->leaf_only)
		return;
	if (t->open && t->at != at)
		close_table(st, depth);
	if (!t->open) {
		*t = (struct open_table){ .open = true, .at = at };
		if (!depth)
			pw_node_map_table(&st->nodes, st->out, piece->root);
	}
	t->slots += slots;
	t->used += used;
}

/* A table below the root is charged to the lowest area that it can map. */
static void charge(struct stats *st, uint64_t va, uint64_t bytes_mapped, uint64_t table_bytes)
{
	const struct pw_area *a = pw_areas_from(&st->space->areas, va);

	if (a && a->lo <= va + (bytes_mapped - 1))
		st->out->area[a - st->space->areas.v].table_bytes += table_bytes;
}

static void use_piece(struct stats *st, const struct pw_piece *piece)
{
	const struct pw_mmu *mmu = &piece->mmu;

	if (st->piece == piece)
		return;
	settle_all(st);
	st->piece = piece;
	for (unsigned d = 0; d < mmu->mode->depth; d++)
		mmu->arch->leaf_format(mmu, mmu->mode->lv[d].level, &st->fmt[mmu->mode->lv[d].level]);
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct stats *st = ctx;
	const struct pw_mode_level *lv = &step->piece->mmu.mode->lv[step->depth];
	struct pw_entry e;

	use_piece(st, step->piece);
	step->piece->mmu.arch->decode(&step->piece->mmu, step->level, step->raw, &e);
	pw_counts_add(&st->out->counts, &e, 1);
	add_slots(st, step->piece, step->depth, step->va, 1, 1);
	pw_node_map_table(&st->nodes, st->out, e.pa);
	charge(st, step->va, UINT64_C(1) << lv->shift, sizeof(uint64_t) << lv[1].bits);
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct stats *st = ctx;
	struct pw_entry e;

	use_piece(st, hole->piece);
	if (hole->slot_pa == PW_PA_NONE)
		return 0;
	hole->piece->mmu.arch->decode(&hole->piece->mmu, hole->level, hole->raw, &e);
	pw_counts_add(&st->out->counts, &e, 1);
	add_slots(st, hole->piece, hole->depth, hole->va, 1, e.kind != PW_NONE);
	return 0;
}

/* ---- entries ---- */

/* What is not mapped, or not plainly. */
static void add_entry(struct stats *st, struct stretch *s, const struct pw_entry *e)
{
	struct pw_stats *out = st->out;

	pw_counts_add(&out->counts, e, 1);
	s->used += e->kind != PW_NONE;
	if (e->kind == PW_LEAF) {
		out->reserved++;
	} else if (e->kind == PW_PROTNONE) {
		out->protnone += e->size;
		s->thp.protnone++;
		if (e->pa != PW_PA_NONE)
			pw_node_map_bytes(&st->nodes, out, e->pa, e->size);
	} else if (e->kind == PW_SOFT) {
		s->thp.soft++;
		if (!pw_is_swap(e))
			out->soft += e->size;
		else
			out->swapped += e->size;
		if (pw_is_swap(e) && s->sums)
			s->sums->swapped += e->size;
	}
}

static uint64_t frame_of(const struct stats *st, const struct pw_leaf_format *fmt, uint64_t raw, uint64_t size)
{
	uint64_t frame = raw & fmt->pa_mask;

	if (st->out->leaf_only && (!frame || frame >= UINT64_C(1) << 52))
		return PW_PA_NONE; /* hidden */
	return fmt->pa_step == size ? frame : frame * size;
}

static void add_words(struct stats *st, struct stretch *s)
{
	const struct pw_span *span = s->span;
	const struct pw_arch *arch = span->piece->mmu.arch;
	const struct pw_leaf_format *fmt = &st->fmt[span->level];
	uint64_t size = UINT64_C(1) << span->shift, rights = 0, first_rights = 0, leaves = 0;
	struct label *l = NULL;

	for (size_t i = s->first; i < s->end; i++) {
		uint64_t raw = span->raw[i], va = span->va + ((uint64_t)i << span->shift), pa;

		if (!raw)
			continue;
		if (!fmt->leaf_mask || (raw & fmt->leaf_mask) != fmt->leaf_value) {
			struct pw_entry e;

			arch->decode(&span->piece->mmu, span->level, raw, &e);
			add_entry(st, s, &e);
			continue;
		}
		if (!l || l->bits != (raw & ~fmt->pa_mask)) {
			l = label_of(st, span->level, raw);
			rights = rights_of(st, &l->e, span->perm_above);
			first_rights = leaves ? first_rights : rights;
			s->thp.mixed |= rights != first_rights;
		}
		l->n++;
		leaves++;
		pa = frame_of(st, fmt, raw, size);
		if (pa == PW_PA_NONE)
			st->out->hidden = true;
		else
			pw_extents_add(&st->extents, va, pa, size, rights);
	}
	s->thp.leaves = (unsigned)leaves;
	s->used += leaves;
	if (s->sums)
		s->sums->mapped += leaves * size;
}

/* Whether the last 2M up to va are one block of memory. */
static bool is_block(const struct pw_extent *e, uint64_t va)
{
	return e->bytes >= HUGE_SIZE && e->va + e->bytes == va && !((e->va ^ e->pa) & HUGE_LAST);
}

/* A table of PTEs is a range of 2M. */
static void judge_ptes(struct stats *st, struct stretch *s)
{
	uint64_t lo = s->span->va & ~HUGE_LAST;
	int cause;

	if (s->area->lo > lo || s->area->last < lo + HUGE_LAST) {
		st->misaligned |= s->used != 0;
		return;
	}
	s->thp.contiguous = is_block(&st->extents.alike, lo + HUGE_SIZE);
	cause = pw_thp_judge(s->area, &s->thp);
	if (cause < 0)
		return;
	st->out->thp.missed[cause]++;
	if (cause == PW_THP_HOLES)
		st->out->thp.missing_pages += HUGE_SIZE / 4096 - s->thp.leaves;
}

static void judge_pmds(struct stats *st, struct stretch *s)
{
	st->out->thp.huge += s->thp.leaves + s->thp.protnone;
	st->out->thp.missed[PW_THP_SWAPPED] += s->thp.soft;
	st->out->kernel_table_bytes += s->used * 4096;
}

/* The area of va, and how many of the entries from there on are in it, or in none. */
static const struct pw_area *area_at(struct stats *st, const struct pw_span *span, uint64_t va, size_t left, size_t *n)
{
	uint64_t until;
	const struct pw_area *a = pw_area_at(&st->areas, va, &until);
	uint64_t more = (until - va) >> span->shift;

	*n = more < left ? (size_t)more + 1 : left;
	return a;
}

static int count_span(struct stats *st, const struct pw_span *span)
{
	uint64_t used = 0;

	use_piece(st, span->piece);
	st->misaligned = false;
	for (size_t i = 0, n; i < span->n; i += n) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);
		const struct pw_area *area = area_at(st, span, va, span->n - i, &n);
		struct stretch s = { .span = span, .first = i, .end = i + n, .area = area };

		if (area) {
			s.sums = &st->out->area[area - st->space->areas.v];
			s.anon = !st->out->leaf_only && pw_area_is_anon(area);
		}
		add_words(st, &s);
		if (s.anon && span->level == PW_PTE)
			judge_ptes(st, &s);
		else if (s.anon && span->level == PW_PMD)
			judge_pmds(st, &s);
		used += s.used;
	}
	st->out->thp.missed[PW_THP_MISALIGNED] += st->misaligned;
	add_slots(st, span->piece, span->depth, span->va, span->n, used);
	return st->extents.error;
}

/* ---- with a filter ---- */

static int take_match(void *ctx, const struct pw_span *part)
{
	struct stats *st = ctx;

	memcpy(&st->match[(part->va - st->match_va) >> part->shift], part->raw, part->n * sizeof(*part->raw));
	return 0;
}

static const struct pw_visitor matches = { .span = take_match };

/* What does not match is as if it was empty, so that tables stay whole. */
static int count_matches(struct stats *st, const struct pw_span *span)
{
	struct pw_span part = *span;
	int rc = 0;

	for (size_t i = 0; i < span->n && !rc; i += part.n) {
		part.n = span->n - i < MOST_WORDS ? span->n - i : MOST_WORDS;
		part.va = st->match_va = span->va + ((uint64_t)i << span->shift);
		part.raw = span->raw + i;
		memset(st->match, 0, part.n * sizeof(st->match[0]));
		rc = pw_filtered_visitor.span(st->filter, &part);
		part.raw = st->match;
		if (!rc)
			rc = count_span(st, &part);
	}
	return rc;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct stats *st = ctx;

	return st->filter ? count_matches(st, span) : count_span(st, span);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

/* ---- the whole ---- */

static bool has_kernel_half(const struct pw_space *space)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_KERNEL)
			return true;
	return false;
}

static void finish_thp(struct stats *st)
{
	struct pw_thp *thp = &st->out->thp;
	uint64_t seen = thp->huge;

	thp->ranges = pw_thp_ranges(st->space);
	for (unsigned i = PW_THP_MISALIGNED + 1; i < PW_THP_NCAUSES; i++)
		seen += thp->missed[i];
	/* What a live process maps and unmaps meanwhile can make it less. */
	thp->untouched = thp->ranges > seen ? thp->ranges - seen : 0;
}

static void finish(struct stats *st)
{
	struct pw_stats *out = st->out;

	settle_all(st);
	for (unsigned d = 0; d < PW_NLEVELS; d++)
		close_table(st, d);
	pw_extents_end_phys(&st->extents);
	pw_extents_end_alike(&st->extents);
	out->kernel_table_bytes +=
		(out->counts.tables[PW_PTE] + out->counts.tables[PW_PMD] + out->counts.tables[PW_PUD]) * 4096;
	if (!out->leaf_only)
		finish_thp(st);
}

static int prepare(struct stats *st, const struct pw_stats_opts *opts, struct pw_error *err)
{
	const struct pw_areas *areas = &st->space->areas;
	struct pw_stats *out = st->out;
	int rc = pw_node_map_init(&st->nodes, opts->joins, out);

	out->area = calloc(areas->n + 1, sizeof(*out->area));
	if (rc || !out->area)
		return -ENOMEM;
	out->nareas = areas->n;
	for (size_t i = 0; i < areas->n; i++)
		out->area[i].area = &areas->v[i];
	st->extents = (struct pw_extents){ .out = out, .nodes = &st->nodes };
	out->filtered = opts->filter;
	if (opts->filter) {
		rc = pw_filter_check(opts->filter, &st->space->piece[0].mmu, err);
		st->filter = rc ? NULL : pw_filtered_new(opts->filter, areas, &matches, st);
		if (!st->filter)
			return rc ? rc : -ENOMEM;
	}
	return opts->pages ? pw_page_asker_new(&st->extents.asker, err) : 0;
}

static int walk(struct stats *st, const struct pw_stats_opts *opts)
{
	/* A kernel maps some tables again and again (KASAN's shadow); a process's are all looked at. */
	const struct pw_walk_opts walk_opts = {
		.size = sizeof(walk_opts),
		.va = { 0, UINT64_MAX },
		.budget = opts->budget,
		.fold_aliases = has_kernel_half(st->space),
	};
	int rc = pw_walk(st->space, &walk_opts, &visitor, st, &st->out->walk);

	if (rc)
		return rc;
	finish(st);
	if (st->extents.error || !st->extents.asker)
		return st->extents.error;
	st->out->has_pages = true;
	return pw_page_asker_finish(st->extents.asker, &st->out->pages);
}

int pw_stats(const struct pw_space *space, const struct pw_stats_opts *opts, struct pw_stats *out, struct pw_error *err)
{
	struct stats *st;
	struct pw_stats own = {
		.counts = { .mmu = &space->piece[0].mmu, .depth = space->piece[0].mmu.mode->depth },
		.leaf_only = !(space->source->ops->caps & PW_CAP_TABLES),
	};
	int rc;

	if (!space->npieces)
		return pw_error_set(err, -EINVAL, "%s: there is nothing of it to look at", space->title);
	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->space = space;
	st->areas.areas = &space->areas;
	st->out = &own;
	rc = prepare(st, opts, err);
	if (!rc)
		rc = walk(st, opts);
	pw_page_asker_free(st->extents.asker);
	pw_node_map_free(&st->nodes);
	pw_filtered_free(st->filter);
	free(st);
	if (rc)
		pw_stats_free(&own);
	else
		*out = own;
	return rc;
}
