/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walker. For every level below the root there is a batch: the tables that the entries of one table
 * lead to, up to PW_LOOKAHEAD of them, read in one call. Each batch is gone through in VA order, which
 * fills the batches below it; so memory is levels x look-ahead, whatever the space looks like.
 *
 * A table whose chain changed while it was read (-EAGAIN) is looked up again from the root, entry by
 * entry, because any of the levels above may have been replaced in the meantime (see rewalk.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/walk.h>

#include "pin.h"
#include "ranges.h"
#include "rewalk.h"
#include "witness.h"
#include "words.h"

#define DEFAULT_ATTEMPTS 8
#define DEFAULT_BUDGET   (UINT64_C(1) << 24)
#define LEAVES_A_READ    8192
#define LINE             64 /* bytes of a cache line */
#define PREFETCH         (4 * LINE)

/* Internal: the budget is used up; ends the walk without being an error. */
#define WALK_ENOUGH 0x7ead

struct batch {
	struct pw_table_req req[PW_LOOKAHEAD];
	struct pw_link link[PW_LOOKAHEAD];
	struct pw_link relink[PW_NLEVELS]; /* the path of a table that was looked up again */
	uint8_t *buf;                      /* PW_LOOKAHEAD tables */
};

struct walk {
	const struct pw_space *space;
	const struct pw_piece *piece;
	struct pw_witness *witness; /* of the piece; NULL: none */
	const struct pw_arch *arch;
	const struct pw_mode *mode;
	struct pw_range va; /* asked for, within the piece */
	const struct pw_visitor *visitor;
	void *ctx;
	struct pw_walk_stats *stats;
	unsigned attempts;
	uint64_t budget;
	bool fold_aliases;
	unsigned depth; /* levels that are wanted; 0: all */
	bool reads;     /* the visitor does, from the source */
	bool copy;      /* it or the witness */
	const struct pw_words *words;
	struct pw_leaf_format fmt[PW_NLEVELS];
	struct batch *batch[PW_NLEVELS]; /* by depth of the tables in it */
};

/* One table that is being gone through. */
struct table {
	unsigned depth;
	uint64_t pa;
	uint64_t va; /* that slot 0 covers */
	const uint64_t *entry;
	uint8_t perm;
	const struct pw_link *link;
	uint64_t alias_pa, alias_va; /* the last child, to see repetitions */
};

static size_t table_bytes(const struct walk *w, unsigned depth)
{
	return sizeof(uint64_t) << w->mode->lv[depth].bits;
}

static uint64_t slot_va(const struct walk *w, const struct table *t, unsigned slot)
{
	return t->va + ((uint64_t)slot << w->mode->lv[t->depth].shift);
}

static uint64_t slot_last(const struct walk *w, const struct table *t, unsigned slot)
{
	return slot_va(w, t, slot) + ((UINT64_C(1) << w->mode->lv[t->depth].shift) - 1);
}

static int slot_hole(struct walk *w, const struct table *t, unsigned slot, uint64_t slot_pa, uint64_t raw,
		     enum pw_hole_reason reason, enum pw_doubt doubt);

/* What the witness contradicts is a hole each. */
static int emit_witnessed(struct walk *w, const struct table *t, struct pw_span *span, unsigned slot)
{
	int rc = 0;

	while (span->n && !rc) {
		enum pw_doubt doubt = PW_DOUBT_NONE;
		struct pw_span part = *span;

		part.n = w->witness->entries(w->witness, span, &doubt);
		if (part.n && w->visitor->span)
			rc = w->visitor->span(w->ctx, &part);
		if (part.n < span->n && !rc)
			rc = slot_hole(w, t, slot + part.n, span->slot_pa + part.n * sizeof(uint64_t),
				       span->raw[part.n], PW_HOLE_INCONSISTENT, doubt);
		part.n += part.n < span->n;
		slot += part.n;
		span->raw += part.n;
		span->n -= part.n;
		span->va += part.n << span->shift;
		span->slot_pa += part.n * sizeof(uint64_t);
	}
	return rc;
}

static int emit_span(struct walk *w, const struct table *t, unsigned first, unsigned end, const uint64_t *raw,
		     uint64_t slot_pa)
{
	const struct pw_mode_level *lv = &w->mode->lv[t->depth];
	struct pw_span span = {
		.piece = w->piece,
		.level = lv->level,
		.depth = t->depth,
		.shift = lv->shift,
		.perm_above = t->perm,
		.va = slot_va(w, t, first),
		.slot_pa = slot_pa,
		.raw = raw,
		.n = end - first,
	};

	if (first == end)
		return 0;
	if (w->witness)
		return emit_witnessed(w, t, &span, first);
	return w->visitor->span ? w->visitor->span(w->ctx, &span) : 0;
}

static int emit_own_span(struct walk *w, const struct table *t, unsigned first, unsigned end)
{
	return emit_span(w, t, first, end, t->entry + first, t->pa + first * sizeof(uint64_t));
}

static void count_hole(struct walk *w, enum pw_hole_reason reason)
{
	if (reason == PW_HOLE_UNSTABLE)
		w->stats->unstable++;
	else if (reason == PW_HOLE_ALIAS)
		w->stats->aliases++;
	else if (reason == PW_HOLE_INCONSISTENT)
		w->stats->inconsistent++;
	else
		w->stats->unreadable++;
	if (reason == PW_HOLE_BUDGET)
		w->stats->truncated = true;
}

static int emit_hole(struct walk *w, const struct pw_hole *hole)
{
	count_hole(w, hole->reason);
	return w->visitor->hole ? w->visitor->hole(w->ctx, hole) : 0;
}

static int slot_hole(struct walk *w, const struct table *t, unsigned slot, uint64_t slot_pa, uint64_t raw,
		     enum pw_hole_reason reason, enum pw_doubt doubt)
{
	struct pw_hole hole = {
		.piece = w->piece,
		.reason = reason,
		.doubt = doubt,
		.level = w->mode->lv[t->depth].level,
		.depth = t->depth,
		.perm_above = t->perm,
		.va = slot_va(w, t, slot),
		.last = slot_last(w, t, slot),
		.slot_pa = slot_pa,
		.raw = raw,
		.alias_va = t->alias_va,
	};
	int rc;

	if (reason == PW_HOLE_BUDGET)
		hole.last = w->va.last;
	rc = emit_hole(w, &hole);
	return rc ? rc : reason == PW_HOLE_BUDGET ? WALK_ENOUGH : 0;
}

static enum pw_hole_reason reason_of(int status)
{
	return status == -EAGAIN ? PW_HOLE_UNSTABLE : status == -ENXIO ? PW_HOLE_NOT_RAM : PW_HOLE_UNREADABLE;
}

/*
 * Whether the entry is to be followed; decodes it in that case. *entry is what was decoded before, if anything: of a table's entries most differ
 * in the address only, and that is exchanged.
 */
static bool is_table(const struct walk *w, unsigned depth, uint64_t raw, struct pw_entry *entry)
{
	enum pw_level level = w->mode->lv[depth].level;
	const struct pw_leaf_format *fmt = &w->fmt[level];

	if (entry->kind == PW_TABLE && !((raw ^ entry->raw) & ~fmt->table_pa)) {
		entry->raw = raw;
		entry->pa = raw & fmt->table_pa;
		return true;
	}
	w->arch->decode(&w->piece->mmu, level, raw, entry);
	return entry->kind == PW_TABLE;
}

/* Bit i: slot `first` + i is neither empty nor a plain leaf. */
static uint64_t may_be_tables(const struct walk *w, const struct table *t, unsigned first, size_t n)
{
	const struct pw_leaf_format *fmt = &w->fmt[w->mode->lv[t->depth].level];
	uint64_t others = ~w->words->equal(t->entry + first, n, ~UINT64_C(0), 0) & pw_ones(n);

	if (others && fmt->leaf_mask)
		others &= ~w->words->equal(t->entry + first, n, fmt->leaf_mask, fmt->leaf_value);
	return others;
}

static enum pw_doubt doubt_table(struct walk *w, unsigned depth, uint64_t slot_pa, uint64_t pa)
{
	enum pw_level level = w->mode->lv[depth].level;
	enum pw_doubt doubt = w->witness->table(w->witness, level, slot_pa, pa);

	return doubt ? doubt : w->witness->met(w->witness, level, pa);
}

static int visit_table(struct walk *w, struct table *t);

static int visit_child(struct walk *w, const struct table *t, unsigned slot, uint64_t raw, uint64_t slot_pa,
		       uint8_t perm, const struct pw_table_req *req)
{
	struct pw_step step = {
		.piece = w->piece,
		.level = w->mode->lv[t->depth].level,
		.depth = t->depth,
		.perm_above = t->perm,
		.va = slot_va(w, t, slot),
		.slot_pa = slot_pa,
		.raw = raw,
	};
	struct table child = {
		.depth = t->depth + 1,
		.pa = req->pa,
		.va = step.va,
		.entry = req->data,
		.perm = t->perm & perm,
		.link = req->link,
		.alias_pa = PW_PA_NONE,
	};
	enum pw_doubt doubt = w->witness ? doubt_table(w, child.depth, slot_pa, child.pa) : PW_DOUBT_NONE;
	int rc = 0;

	if (doubt)
		return slot_hole(w, t, slot, slot_pa, raw, PW_HOLE_INCONSISTENT, doubt);
	if (w->visitor->step)
		rc = w->visitor->step(w->ctx, &step);
	return rc ? rc : visit_table(w, &child);
}

/*
 * A child's chain changed. Looks the slot up again from the root, a bounded number of times; then what is
 * there now is visited, whatever it has become.
 */
static int visit_again(struct walk *w, const struct table *t, unsigned slot, unsigned k)
{
	struct batch *b = w->batch[t->depth + 1];
	struct pw_table_req *req = &b->req[k];
	struct pw_rewalk now = { .slot_pa = PW_PA_NONE };
	struct pw_entry entry = { 0 };

	for (unsigned i = 0; i < w->attempts; i++) {
		int rc;

		w->stats->retries++;
		rc = pw_rewalk(w->space, w->piece, slot_va(w, t, slot), t->depth, b->relink, &now);
		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return slot_hole(w, t, slot, now.slot_pa, now.raw, reason_of(rc), PW_DOUBT_NONE);
		if (!is_table(w, t->depth, now.raw, &entry))
			return emit_span(w, t, slot, slot + 1, &now.raw, now.slot_pa);
		if (entry.reserved)
			return slot_hole(w, t, slot, now.slot_pa, now.raw, PW_HOLE_RESERVED, PW_DOUBT_NONE);
		if (!pw_ranges_hold(w->space->ram, w->space->nram, entry.pa, req->bytes))
			return slot_hole(w, t, slot, now.slot_pa, now.raw, PW_HOLE_NOT_RAM, PW_DOUBT_NONE);

		b->link[k] = (struct pw_link){ now.slot_pa, now.raw, w->arch->hw_volatile(entry.level), now.up };
		req->pa = entry.pa;
		rc = w->space->source->ops->read_tables(w->space->source, req, 1);
		if (rc < 0)
			return rc;
		if (req->status == -EAGAIN)
			continue;
		if (req->status < 0)
			return slot_hole(w, t, slot, now.slot_pa, now.raw, reason_of(req->status), PW_DOUBT_NONE);
		if (req->data != req->buf)
			req->data = memcpy(req->buf, req->data, req->bytes);
		return visit_child(w, t, slot, now.raw, now.slot_pa, entry.perm, req);
	}
	return slot_hole(w, t, slot, now.slot_pa, now.raw, PW_HOLE_UNSTABLE, PW_DOUBT_NONE);
}

/* The source may hand out its own memory, good until its next call: keep it where there will be one before the last of them is done with. */
static void keep_data(struct walk *w, struct batch *b, unsigned n, unsigned depth)
{
	bool more = w->copy || depth + 1 < w->mode->depth;

	for (unsigned k = 0; k < n && !more; k++)
		more = b->req[k].status == -EAGAIN;
	for (unsigned k = 0; k < n && more; k++) {
		struct pw_table_req *req = &b->req[k];

		if (req->status == 0 && req->data != req->buf)
			req->data = memcpy(req->buf, req->data, req->bytes);
	}
}

/* Where no table may be met twice, the witness is to see it. */
static bool folds(const struct walk *w, const struct table *t)
{
	return w->fold_aliases &&
	       !(w->witness && w->witness->checked >> PW_DOUBT_TWICE & 1 && t->depth + 2 == w->mode->depth);
}

/* What is to be done with an entry that leads to a table, before anything is read. */
static bool refused(struct walk *w, const struct table *t, const struct pw_entry *entry, size_t bytes,
		    enum pw_hole_reason *reason)
{
	if (entry->reserved)
		*reason = PW_HOLE_RESERVED;
	else if (folds(w, t) && entry->pa == t->alias_pa)
		*reason = PW_HOLE_ALIAS;
	else if (!pw_ranges_hold(w->space->ram, w->space->nram, entry->pa, bytes))
		*reason = PW_HOLE_NOT_RAM;
	else
		return false;
	return true;
}

/* An entry that leads to a table. */
struct child {
	uint16_t slot;
	uint8_t perm;
	bool refused; /* then it is a hole, for that reason; else it is the next of the batch's requests */
	enum pw_hole_reason reason;
};

/* One look-ahead: what is in slots [first, end) and leads to tables. All else there is spans. */
struct group {
	unsigned first, end, n;
	struct child child[PW_LOOKAHEAD];
};

static void add_child(struct walk *w, struct table *t, unsigned slot, const struct pw_entry *entry, struct group *g,
		      unsigned *nreqs)
{
	struct batch *b = w->batch[t->depth + 1];
	size_t bytes = table_bytes(w, t->depth + 1);
	struct child *c = &g->child[g->n++];
	unsigned k = *nreqs;

	*c = (struct child){ .slot = slot, .perm = entry->perm };
	c->refused = refused(w, t, entry, bytes, &c->reason);
	if (c->refused)
		return;
	t->alias_pa = entry->pa;
	b->link[k] = (struct pw_link){
		.pa = t->pa + slot * sizeof(uint64_t),
		.expect = entry->raw,
		.ignore = w->arch->hw_volatile(entry->level),
		.up = t->link,
	};
	b->req[k] = (struct pw_table_req){
		.pa = entry->pa,
		.bytes = bytes,
		.status = -EFAULT,
		.link = &b->link[k],
		.buf = b->buf + k * bytes,
	};
	++*nreqs;
}

static int read_group(struct walk *w, struct table *t, unsigned last, struct group *g)
{
	struct batch *b = w->batch[t->depth + 1];
	uint64_t alias_pa = t->alias_pa;
	struct pw_entry entry = { 0 };
	unsigned n = 0;
	int rc = 0;

	g->n = 0;
	g->end = g->first;
	while (g->end <= last && g->n < PW_LOOKAHEAD) {
		unsigned first = g->end, many = last + 1 - first < PW_WORDS ? last + 1 - first : PW_WORDS;
		uint64_t left = may_be_tables(w, t, first, many);

		g->end = first + many;
		for (; left; left &= left - 1) {
			unsigned slot = first + (unsigned)__builtin_ctzll(left);

			if (g->n == PW_LOOKAHEAD) {
				g->end = slot;
				break;
			}
			if (is_table(w, t->depth, t->entry[slot], &entry))
				add_child(w, t, slot, &entry, g, &n);
		}
	}
	if (n)
		rc = w->space->source->ops->read_tables(w->space->source, b->req, n);
	keep_data(w, b, n, t->depth + 1);
	t->alias_pa = alias_pa;
	return rc;
}

static int visit_read(struct walk *w, struct table *t, const struct child *c, unsigned k)
{
	uint64_t slot_pa = t->pa + c->slot * sizeof(uint64_t), raw = t->entry[c->slot];
	const struct pw_table_req *req = &w->batch[t->depth + 1]->req[k];

	if (w->budget == 0)
		return slot_hole(w, t, c->slot, slot_pa, raw, PW_HOLE_BUDGET, PW_DOUBT_NONE);
	w->budget--;
	t->alias_pa = req->pa;
	t->alias_va = slot_va(w, t, c->slot);
	if (req->status == -EAGAIN)
		return visit_again(w, t, c->slot, k);
	if (req->status < 0)
		return slot_hole(w, t, c->slot, slot_pa, raw, reason_of(req->status), PW_DOUBT_NONE);
	return visit_child(w, t, c->slot, raw, slot_pa, c->perm, req);
}

/*
 * The next table is on its way into the CPU's cache while this one is gone through: its first lines, from which the CPU guesses the rest. (All of
 * them would cost more than they save where the tables are in a cache already.)
 */
static void prefetch(const struct pw_table_req *req)
{
	const char *data = req->data;

	for (uint32_t at = 0; data && at < PREFETCH && at < req->bytes; at += LINE)
		__builtin_prefetch(data + at);
}

static int visit_group(struct walk *w, struct table *t, const struct group *g)
{
	const struct pw_table_req *req = w->batch[t->depth + 1]->req;
	unsigned span = g->first, k = 0;

	for (unsigned i = 0; i < g->n; i++) {
		const struct child *c = &g->child[i];
		int rc = emit_own_span(w, t, span, c->slot);

		if (!rc && c->refused)
			rc = slot_hole(w, t, c->slot, t->pa + c->slot * sizeof(uint64_t), t->entry[c->slot], c->reason,
				       PW_DOUBT_NONE);
		if (!rc && !c->refused) {
			if (i + 1 < g->n && !g->child[i + 1].refused)
				prefetch(&req[k + 1]);
			rc = visit_read(w, t, c, k++);
		}
		if (rc)
			return rc;
		span = c->slot + 1u;
	}
	return emit_own_span(w, t, span, g->end);
}

/* What will be read below slots [first, last], for a source that has to wait for it. */
static void tell_ahead(const struct walk *w, const struct table *t, unsigned first, unsigned last)
{
	struct pw_source *source = w->space->source;
	uint64_t pa[8 * PW_LOOKAHEAD];
	struct pw_entry entry;
	size_t n = 0;

	for (unsigned slot = first; slot <= last && n < sizeof(pa) / sizeof(pa[0]); slot++)
		if (is_table(w, t->depth, t->entry[slot], &entry) && !entry.reserved)
			pa[n++] = entry.pa;
	source->ops->will_read(source, pa, n);
}

static int visit_table(struct walk *w, struct table *t)
{
	const struct pw_mode_level *lv = &w->mode->lv[t->depth];
	unsigned first = 0, last = (1u << lv->bits) - 1;
	struct group g;

	w->stats->tables[lv->level]++;
	w->stats->table_bytes += table_bytes(w, t->depth);
	if (w->va.lo > t->va)
		first = (w->va.lo - t->va) >> lv->shift;
	if (w->va.last < slot_last(w, t, last))
		last = (w->va.last - t->va) >> lv->shift;
	if (t->depth + 1 == w->mode->depth || t->depth + 1 == w->depth)
		return emit_own_span(w, t, first, last + 1);
	if (w->space->source->waits)
		tell_ahead(w, t, first, last);

	for (g.first = first; g.first <= last; g.first = g.end) {
		int rc = read_group(w, t, last, &g);

		if (!rc)
			rc = visit_group(w, t, &g);
		if (rc)
			return rc;
	}
	return 0;
}

/* About all of a piece that was asked for. */
static int root_hole(struct walk *w, enum pw_hole_reason reason, enum pw_doubt doubt)
{
	struct pw_hole hole = {
		.piece = w->piece,
		.reason = reason,
		.doubt = doubt,
		.level = w->piece->mmu.mode->lv[0].level,
		.perm_above = PW_RWXU,
		.va = w->va.lo,
		.last = w->va.last,
		.slot_pa = PW_PA_NONE,
		.raw = w->piece->root,
	};

	return emit_hole(w, &hole);
}

/* The root has no entry above it that could be re-checked: the pin, or the kernel itself, keeps it. */
static int visit_root(struct walk *w)
{
	const struct pw_mode_level *lv = &w->mode->lv[0];
	uint64_t covers = (UINT64_C(1) << (lv->shift + lv->bits)) - 1;
	struct batch *b = w->batch[0];
	struct pw_table_req *req = &b->req[0];
	struct table root = { .pa = w->piece->root, .va = w->va.lo & ~covers, .perm = PW_RWXU, .alias_pa = PW_PA_NONE };
	enum pw_doubt doubt;
	int rc;

	*req = (struct pw_table_req){ .pa = root.pa, .bytes = table_bytes(w, 0), .status = -EFAULT, .buf = b->buf };
	if (!pw_ranges_hold(w->space->ram, w->space->nram, root.pa, req->bytes))
		return root_hole(w, PW_HOLE_NOT_RAM, PW_DOUBT_NONE);
	rc = w->space->source->ops->read_tables(w->space->source, req, 1);
	if (rc < 0)
		return rc;
	if (req->status < 0)
		return root_hole(w, reason_of(req->status), PW_DOUBT_NONE);
	doubt = w->witness ? w->witness->root(w->witness, root.pa) : PW_DOUBT_NONE;
	if (doubt)
		return root_hole(w, PW_HOLE_INCONSISTENT, doubt);
	keep_data(w, b, 1, 0);
	root.entry = req->data;
	return visit_table(w, &root);
}

/* All batches are one block: a large one, which malloc() keeps from walk to walk instead of having the kernel take it back and map it anew. */
static void *alloc_batches(struct walk *w)
{
	size_t head = (sizeof(struct batch) + 63) & ~(size_t)63, bytes = 0;
	uint8_t *block, *at;

	for (unsigned d = 0; d < w->mode->depth; d++)
		bytes += head + (d ? PW_LOOKAHEAD : 1) * table_bytes(w, d);
	at = block = aligned_alloc(64, bytes);
	for (unsigned d = 0; block && d < w->mode->depth; d++) {
		w->batch[d] = (struct batch *)at;
		w->batch[d]->buf = at + head;
		at += head + (d ? PW_LOOKAHEAD : 1) * table_bytes(w, d);
	}
	return block;
}

static int walk_tables(struct walk *w)
{
	void *batches;
	int rc;

	w->arch = w->piece->mmu.arch;
	w->mode = w->piece->mmu.mode;
	w->witness = pw_witness_of(w->space, w->piece);
	if (w->witness)
		w->witness->begin(w->witness);
	w->copy = w->reads || w->witness;
	for (unsigned d = 0; d < w->mode->depth; d++)
		w->arch->leaf_format(&w->piece->mmu, w->mode->lv[d].level, &w->fmt[w->mode->lv[d].level]);
	batches = alloc_batches(w);
	rc = batches ? visit_root(w) : -ENOMEM;
	free(batches);
	return rc;
}

/* pagemap's words of [lo, last], in stretches of any length. */
static int walk_leaves(struct walk *w, uint64_t *words, struct pw_range r)
{
	struct pw_source *source = w->space->source;
	uint64_t va = r.lo & ~UINT64_C(0xfff);

	while (va <= r.last) {
		struct pw_span span = { .piece = w->piece, .level = PW_PTE, .shift = 12, .perm_above = PW_RWXU };
		uint64_t at = va;
		long n = source->ops->read_leaves(source, &w->space->pin, va, r.last, words, LEAVES_A_READ, &at);
		int rc;

		if (n < 0)
			return n;
		if (n == 0)
			return 0;
		span.va = at;
		span.slot_pa = PW_PA_NONE;
		span.raw = words;
		span.n = n;
		rc = w->visitor->span ? w->visitor->span(w->ctx, &span) : 0;
		if (rc)
			return rc;
		va = at + ((uint64_t)n << 12);
		if (va < at)
			return 0;
	}
	return 0;
}

/* Without tables the areas bound the work: outside a VMA a process has nothing mapped. */
static int walk_areas(struct walk *w)
{
	const struct pw_areas *areas = &w->space->areas;
	uint64_t *words = malloc(LEAVES_A_READ * sizeof(*words));
	int rc = 0;

	if (!words)
		return -ENOMEM;
	for (size_t i = 0; i < areas->n && !rc; i++) {
		struct pw_range r = { areas->v[i].lo, areas->v[i].last };

		if (r.last < w->va.lo || r.lo > w->va.last)
			continue;
		r.lo = r.lo < w->va.lo ? w->va.lo : r.lo;
		r.last = r.last > w->va.last ? w->va.last : r.last;
		rc = walk_leaves(w, words, r);
	}
	free(words);
	return rc;
}

static uint64_t default_budget(const struct pw_space *space)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < space->nram; i++)
		pages += (space->ram[i].last - space->ram[i].lo) >> 12;
	return space->nram ? 2 * pages + 65536 : DEFAULT_BUDGET;
}

int pw_walk(const struct pw_space *space, const struct pw_walk_opts *opts, const struct pw_visitor *visitor, void *ctx,
	    struct pw_walk_stats *stats)
{
	struct walk w = {
		.space = space,
		.visitor = visitor,
		.ctx = ctx,
		.stats = stats,
		.attempts = opts->attempts ? opts->attempts : DEFAULT_ATTEMPTS,
		.budget = opts->budget ? opts->budget : default_budget(space),
		.fold_aliases = opts->fold_aliases,
		.depth = opts->depth,
		.reads = opts->reads,
		.words = pw_words_choose(),
	};
	bool leaf_only = !(space->source->ops->caps & PW_CAP_TABLES);
	int rc = 0;

	for (size_t i = 0; i < space->npieces && (!rc || rc == WALK_ENOUGH); i++) {
		const struct pw_piece *piece = &space->piece[i];

		w.piece = piece;
		w.va.lo = opts->va.lo > piece->va.lo ? opts->va.lo : piece->va.lo;
		w.va.last = opts->va.last < piece->va.last ? opts->va.last : piece->va.last;
		if (w.va.lo > w.va.last)
			continue;
		if (rc == WALK_ENOUGH)
			rc = root_hole(&w, PW_HOLE_BUDGET, PW_DOUBT_NONE) ?: WALK_ENOUGH;
		else
			rc = leaf_only ? walk_areas(&w) : walk_tables(&w);
	}
	if (rc == WALK_ENOUGH)
		rc = 0;
	return !rc && pw_pin_gone(&space->pin) ? -ESRCH : rc;
}
