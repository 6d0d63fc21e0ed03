/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single addresses, level by level: each round reads one entry of every address that is still on its way, in one
 * vectored call, with the chain above it re-checked. An address whose chain changed starts again at the root.
 *
 * Where tables do not change and are at hand, an address goes down by itself as far as they lead, and from the table at which it
 * parts from the address before it; what has to be read is read in rounds.
 */
#include <errno.h>
#include <string.h>

#include <pagewalk/walk.h>

#include "pin.h"
#include "ranges.h"
#include "witness.h"

#define ROUND    PW_LOOKAHEAD
#define ATTEMPTS 8
#define TABLE    4096

/* The tables that an address went through. */
struct trail {
	const struct pw_piece *piece; /* NULL: none */
	const struct pw_translation *of;
	unsigned n; /* tables, from the root on */
	struct {
		uint64_t pa;
		const uint64_t *entry; /* NULL: it is not at hand */
		uint8_t perm;          /* of the levels above */
	} table[PW_NLEVELS];
};

struct way {
	struct pw_translation *out;
	struct pw_witness *witness; /* NULL: none */
	uint64_t table;             /* the next entry's table */
	uint64_t raw;
	unsigned attempts;
	struct pw_link link[PW_NLEVELS];
};

static const struct pw_piece *piece_of(const struct pw_space *space, uint64_t va)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].va.lo <= va && va <= space->piece[i].va.last)
			return &space->piece[i];
	return NULL;
}

/* False when there is nothing to read. */
static bool begin(const struct pw_space *space, uint64_t va, struct pw_translation *out)
{
	const struct pw_mode *mode;

	/* The path is filled in as it is gone. */
	out->va = va;
	out->piece = piece_of(space, va);
	out->doubt = PW_DOUBT_NONE;
	out->npath = 0;
	out->perm = PW_RWXU;
	out->pa = PW_PA_NONE;
	out->size = 0;
	if (out->piece)
		return true;
	mode = space->npieces ? space->piece[0].mmu.mode : NULL;
	out->verdict = mode && mode->va_bits && !pw_va_canonical(mode, va) ? PW_V_NON_CANONICAL : PW_V_OUTSIDE;
	out->perm = 0;
	return false;
}

static void finish(struct pw_translation *t, const struct pw_entry *e)
{
	static const enum pw_verdict verdicts[] = {
		[PW_NONE] = PW_V_NONE,         [PW_TABLE] = PW_V_NONE, [PW_LEAF] = PW_MAPPED,
		[PW_PROTNONE] = PW_V_PROTNONE, [PW_SOFT] = PW_V_SOFT,
	};

	t->verdict = e->reserved && e->hw ? PW_V_RESERVED : verdicts[e->kind];
	t->size = e->size;
	if (t->verdict == PW_MAPPED && e->pa != PW_PA_NONE)
		t->pa = e->pa | (t->va & (e->size - 1));
	if (e->perm == PW_PERM_UNKNOWN)
		t->perm = PW_PERM_UNKNOWN;
	else
		t->perm = e->kind == PW_LEAF || e->kind == PW_PROTNONE ? t->perm & e->perm : 0;
}

static void fail(struct pw_translation *t, int status)
{
	t->verdict = status == -EAGAIN ? PW_V_UNSTABLE : status == -ENXIO ? PW_V_NOT_RAM : PW_V_UNREADABLE;
	t->perm = 0;
}

/* Takes in the address's entry in the table at pa. */
static void add_to_path(struct pw_translation *t, uint64_t pa, uint64_t raw)
{
	const struct pw_mode_level *lv = &t->piece->mmu.mode->lv[t->npath];
	struct pw_path_item *item = &t->path[t->npath++];

	item->raw = raw;
	item->level = lv->level;
	item->index = pw_index(lv, t->va);
	item->slot_pa = pa + item->index * sizeof(uint64_t);
}

static void decode_next(struct pw_translation *t, uint64_t pa, uint64_t raw, struct pw_entry *e)
{
	const struct pw_mmu *mmu = &t->piece->mmu;

	mmu->arch->decode(mmu, mmu->mode->lv[t->npath].level, raw, e);
	add_to_path(t, pa, raw);
}

/* Whether the last entry of the path leads to a table; else it is the end. */
static bool leads_on(struct pw_translation *t, const struct pw_entry *e)
{
	if (e->kind == PW_TABLE && !e->reserved && t->npath < t->piece->mmu.mode->depth) {
		t->perm &= e->perm;
		return true;
	}
	finish(t, e);
	return false;
}

/* -------- through tables that are at hand -------- */

/* NULL: it has to be read, or must not be. */
static const uint64_t *at_hand(const struct pw_space *space, const struct pw_mode *mode, unsigned depth, uint64_t pa)
{
	size_t bytes = sizeof(uint64_t) << mode->lv[depth].bits;

	if (bytes != TABLE || pa % TABLE || !pw_ranges_hold(space->ram, space->nram, pa, bytes))
		return NULL;
	return space->source->ops->table(space->source, pa);
}

/* How many tables the address has in common with the one before it. */
static unsigned in_common(const struct trail *trail, const struct pw_translation *t)
{
	const struct pw_mode_level *lv = t->piece->mmu.mode->lv;
	uint64_t differ;
	unsigned n = 1;

	if (trail->piece != t->piece)
		return 0;
	differ = t->va ^ trail->of->va;
	while (n < trail->n && !(differ >> lv[n - 1].shift))
		n++;
	return n;
}

enum came { AT_END, TO_LAST, TO_READ };

/*
 * Through the upper levels. AT_END: that was all; TO_LAST: what is left is the entry at *slot of the table at *next; TO_READ: the table at *next
 * is not at hand.
 */
static enum came go_down(const struct pw_space *space, struct trail *trail, struct pw_translation *t, uint64_t *next,
			 const uint64_t **slot)
{
	const struct pw_mode *mode = t->piece->mmu.mode;
	unsigned d = in_common(trail, t);
	struct pw_entry e;

	if (!d) {
		trail->piece = t->piece;
		trail->table[0].pa = t->piece->root;
		trail->table[0].entry = at_hand(space, mode, 0, t->piece->root);
		trail->table[0].perm = t->perm;
	} else {
		d--;
	}
	if (d)
		memcpy(t->path, trail->of->path, sizeof(t->path));
	t->npath = d;
	t->perm = trail->table[d].perm;
	trail->of = t;
	for (;; d++) {
		*next = trail->table[d].pa;
		trail->n = d + 1;
		if (!trail->table[d].entry)
			return TO_READ;
		*slot = &trail->table[d].entry[pw_index(&mode->lv[d], t->va)];
		if (d + 1 == mode->depth)
			return TO_LAST;
		decode_next(t, *next, **slot, &e);
		if (!leads_on(t, &e))
			return AT_END;
		trail->table[d + 1].pa = e.pa;
		trail->table[d + 1].entry = at_hand(space, mode, d + 1, e.pa);
		trail->table[d + 1].perm = t->perm;
	}
}

/* The last entries: they lie anywhere in memory, so they are fetched, all of them, before the first is looked at. */
struct lasts {
	struct pw_translation *t[ROUND];
	const uint64_t *slot[ROUND];
	uint64_t table[ROUND];
	size_t n;
};

static void add_last(struct lasts *l, struct pw_translation *t, uint64_t table, const uint64_t *slot)
{
	__builtin_prefetch(slot);
	l->t[l->n] = t;
	l->table[l->n] = table;
	l->slot[l->n++] = slot;
}

/* The leaf that was decoded last: most are like it but for their frame. */
struct model {
	const struct pw_piece *piece; /* NULL: none */
	struct pw_leaf_format fmt;
	struct pw_entry e;
};

static bool is_like(const struct model *m, const struct pw_translation *t, uint64_t raw)
{
	return m->piece == t->piece && (raw & m->fmt.leaf_mask) == m->fmt.leaf_value &&
	       !((raw ^ m->e.raw) & m->fmt.same);
}

static void become(struct model *m, const struct pw_translation *t, const struct pw_entry *e)
{
	const struct pw_mmu *mmu = &t->piece->mmu;

	m->piece = NULL;
	if (e->kind != PW_LEAF || e->reserved || e->perm == PW_PERM_UNKNOWN)
		return;
	mmu->arch->leaf_format(mmu, e->level, &m->fmt);
	if (!m->fmt.leaf_mask || e->pa != (e->raw & m->fmt.pa_mask))
		return;
	m->piece = t->piece;
	m->e = *e;
}

static void end_lasts(const struct lasts *l)
{
	struct model model = { .piece = NULL };
	struct pw_entry e;

	for (size_t i = 0; i < l->n; i++) {
		struct pw_translation *t = l->t[i];
		uint64_t raw = *l->slot[i];

		if (is_like(&model, t, raw)) {
			add_to_path(t, l->table[i], raw);
			t->verdict = PW_MAPPED;
			t->size = model.e.size;
			t->pa = (raw & model.fmt.pa_mask) | (t->va & (t->size - 1));
			t->perm &= model.e.perm;
			continue;
		}
		decode_next(t, l->table[i], raw, &e);
		finish(t, &e);
		become(&model, t, &e);
	}
}

/* -------- level by level -------- */

/* True when the rest of the image contradicts what was just read. */
static bool doubted(const struct way *w, const struct pw_entry *e)
{
	struct pw_translation *t = w->out;
	const struct pw_mode_level *lv = &t->piece->mmu.mode->lv[t->npath - 1];
	const struct pw_path_item *item = &t->path[t->npath - 1];
	const struct pw_span span = {
		.piece = t->piece,
		.level = lv->level,
		.depth = t->npath - 1,
		.shift = lv->shift,
		.va = t->va & ~((UINT64_C(1) << lv->shift) - 1),
		.slot_pa = item->slot_pa,
		.raw = &item->raw,
		.n = 1,
	};

	if (e->kind == PW_TABLE && !e->reserved)
		t->doubt = w->witness->table(w->witness, lv[1].level, item->slot_pa, e->pa);
	else
		w->witness->entries(w->witness, &span, &t->doubt);
	if (!t->doubt)
		return false;
	t->verdict = PW_V_INCONSISTENT;
	t->perm = 0;
	return true;
}

/* Takes in what was read for one address; true: there is a next level. */
static bool advance(struct way *w)
{
	struct pw_translation *t = w->out;
	struct pw_entry e;

	decode_next(t, w->table, w->raw, &e);
	if (w->witness && doubted(w, &e))
		return false;
	if (!leads_on(t, &e))
		return false;
	w->table = e.pa;
	return true;
}

static uint64_t next_slot(const struct way *w)
{
	const struct pw_mode_level *lv = &w->out->piece->mmu.mode->lv[w->out->npath];

	return w->table + pw_index(lv, w->out->va) * sizeof(uint64_t);
}

static bool restart(struct way *w)
{
	if (++w->attempts == ATTEMPTS) {
		fail(w->out, -EAGAIN);
		return false;
	}
	w->out->npath = 0;
	w->out->perm = PW_RWXU;
	w->table = w->out->piece->root;
	return true;
}

/* The path so far, for the source to check again. */
static const struct pw_link *chain(struct way *w)
{
	const struct pw_translation *t = w->out;

	for (unsigned i = 0; i < t->npath; i++)
		w->link[i] = (struct pw_link){
			.pa = t->path[i].slot_pa,
			.expect = t->path[i].raw,
			.ignore = t->piece->mmu.arch->hw_volatile(t->path[i].level),
			.up = i ? &w->link[i - 1] : NULL,
		};
	return t->npath ? &w->link[t->npath - 1] : NULL;
}

/* Reads one entry for each of the n ways on the list and shortens the list to those that go on. */
static int one_level(const struct pw_space *space, struct way **list, size_t *n)
{
	struct pw_table_req req[ROUND];
	size_t asked = 0, kept = 0;
	int rc = 0;

	for (size_t i = 0; i < *n; i++) {
		struct way *w = list[i];

		if (!pw_ranges_hold(space->ram, space->nram, next_slot(w), sizeof(w->raw))) {
			fail(w->out, -ENXIO);
			continue;
		}
		req[asked] = (struct pw_table_req){
			.pa = next_slot(w),
			.bytes = sizeof(w->raw),
			.status = -EFAULT,
			.link = chain(w),
			.buf = &w->raw,
		};
		list[asked++] = w;
	}
	if (asked)
		rc = space->source->ops->read_tables(space->source, req, asked);
	/* All before any: what a witness looks at is read from the same source. */
	for (size_t i = 0; i < asked && !rc; i++)
		if (req[i].status == 0)
			list[i]->raw = *(const uint64_t *)req[i].data;
	for (size_t i = 0; i < asked && !rc; i++) {
		struct way *w = list[i];
		bool more;

		if (req[i].status == -EAGAIN)
			more = restart(w);
		else if (req[i].status < 0)
			more = (fail(w->out, req[i].status), false);
		else
			more = advance(w);
		if (more)
			list[kept++] = w;
	}
	*n = kept;
	return rc < 0 ? rc : 0;
}

/* True when the rest of the image contradicts the root. */
static bool root_doubted(struct pw_witness *witness, struct pw_translation *out)
{
	out->doubt = witness->root(witness, out->piece->root);
	if (!out->doubt)
		return false;
	out->verdict = PW_V_INCONSISTENT;
	out->perm = 0;
	return true;
}

static int by_tables(const struct pw_space *space, const uint64_t *va, size_t n, struct pw_translation *out)
{
	/* A witness reads, too, and what is at hand stays until then only. */
	bool at_hand_stays = space->source->ops->table && !space->witness;
	struct way way[ROUND], *list[ROUND];
	struct trail trail = { .piece = NULL };
	struct lasts lasts;
	size_t left = 0;

	lasts.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct pw_witness *witness;
		enum came came = TO_READ;
		const uint64_t *slot;
		uint64_t table;

		if (!begin(space, va[i], &out[i]))
			continue;
		table = out[i].piece->root;
		witness = pw_witness_of(space, out[i].piece);
		if (witness && root_doubted(witness, &out[i]))
			continue;
		if (at_hand_stays)
			came = go_down(space, &trail, &out[i], &table, &slot);
		if (came == TO_LAST) {
			add_last(&lasts, &out[i], table, slot);
		} else if (came == TO_READ) {
			list[left] = &way[left];
			way[left].out = &out[i];
			way[left].witness = witness;
			way[left].table = table;
			way[left++].attempts = 0;
		}
	}
	end_lasts(&lasts);
	while (left) {
		int rc = one_level(space, list, &left);

		if (rc)
			return rc;
	}
	return 0;
}

/* Without tables: the pagemap words around an address are read once for all neighbours in them. */
static int by_leaves(const struct pw_space *space, const uint64_t *va, size_t n, struct pw_translation *out)
{
	struct pw_source *source = space->source;
	uint64_t words[512], at = 0;
	long got = 0;

	for (size_t i = 0; i < n; i++) {
		struct pw_entry e;
		uint64_t page = va[i] & ~UINT64_C(0xfff), raw = 0;

		if (!begin(space, va[i], &out[i]))
			continue;
		if (page < at || page - at >= (uint64_t)got << 12) {
			uint64_t last = page | UINT64_C(0x1fffff);

			at = page;
			got = source->ops->read_leaves(source, &space->pin, page, last, words, 512, &at);
			if (got < 0)
				return got;
		}
		if (page >= at && page - at < (uint64_t)got << 12)
			raw = words[(page - at) >> 12];
		out[i].piece->mmu.arch->decode(&out[i].piece->mmu, PW_PTE, raw, &e);
		out[i].path[0] = (struct pw_path_item){ .slot_pa = PW_PA_NONE, .raw = raw, .level = PW_PTE };
		out[i].npath = 1;
		finish(&out[i], &e);
	}
	return 0;
}

int pw_translate(const struct pw_space *space, const uint64_t *va, size_t n, struct pw_translation *out)
{
	bool leaf_only = !(space->source->ops->caps & PW_CAP_TABLES);

	for (size_t i = 0; i < n; i += ROUND) {
		size_t round = n - i < ROUND ? n - i : ROUND;
		int rc =
			leaf_only ? by_leaves(space, va + i, round, out + i) : by_tables(space, va + i, round, out + i);

		if (rc)
			return rc;
	}
	return pw_pin_gone(&space->pin) ? -ESRCH : 0;
}
