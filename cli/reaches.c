/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "reaches.h"

#define PAGE UINT64_C(4096)
#define MOST 200000

/* Room for one more of an array; false: out of memory. */
static bool room_for(void *array, size_t n, size_t *room, size_t size)
{
	void **v = array, *bigger;
	size_t want = *room ? 2 * *room : 64;

	if (n < *room)
		return true;
	bigger = reallocarray(*v, want, size);
	if (!bigger)
		return false;
	*v = bigger;
	*room = want;
	return true;
}

void reaches_space(struct reaches *q, const char *target, const char *title, bool kernel)
{
	struct who w = { strdup(target), strdup(title), kernel };

	q->any = false;
	q->area = NULL;
	if (w.target && w.title && room_for(&q->who, q->nwho, &q->rwho, sizeof(*q->who))) {
		q->who[q->nwho++] = w;
		return;
	}
	free(w.target);
	free(w.title);
	q->failed = true;
}

/* The name's index; 0: there is none. */
static uint32_t place(struct reaches *q, const char *name, const void *area)
{
	char *copy;

	if (!name)
		return 0;
	if (area && area == q->area)
		return (uint32_t)q->nnames;
	copy = strdup(name);
	if (!copy || !room_for(&q->name, q->nnames, &q->rnames, sizeof(*q->name))) {
		free(copy);
		q->failed = true;
		return 0;
	}
	q->name[q->nnames++] = copy;
	q->area = area;
	return (uint32_t)q->nnames;
}

/* The same frame behind itself, or the next frame behind the one before. */
static bool joins(struct held *a, const struct held *b)
{
	if (a->who != b->who || a->place != b->place || a->size != b->size || a->level != b->level ||
	    a->kind != b->kind || a->perm != b->perm)
		return false;
	if (a->pages == 1 && b->pa == a->pa + a->frames * PAGE && b->va == a->va + a->frames * PAGE) {
		a->frames += b->frames;
		return true;
	}
	if (a->frames != 1 || b->frames != 1 || b->pa != a->pa || b->va != a->va + a->pages * PAGE)
		return false;
	a->pages++;
	return true;
}

void reaches_add(struct reaches *q, const struct pw_rec_reach *r, const void *area)
{
	struct held h = {
		.pa = r->pa,
		.va = r->va,
		.last = r->last,
		.slot_pa = r->slot_pa,
		.frames = r->frames,
		.pages = 1,
		.size = r->size,
		.who = (uint32_t)(q->nwho - 1),
		.place = place(q, r->name, area),
		.level = r->level,
		.kind = r->kind,
		.perm = r->perm,
		.is_table = r->is_table,
		.is_root = r->is_root,
		.user_root = r->user_root,
		.kernel = q->nwho && q->who[q->nwho - 1].kernel,
	};

	if (q->failed || (q->any && !h.is_table && joins(&q->v[q->last], &h)))
		return;
	if (q->n == MOST) {
		q->left_out++;
		return;
	}
	if (!room_for(&q->v, q->n, &q->room, sizeof(*q->v))) {
		q->failed = true;
		return;
	}
	if (!h.is_table) {
		q->last = q->n;
		q->any = true;
	}
	q->v[q->n++] = h;
}

bool reaches_has(const struct reaches *q, const char *target)
{
	size_t who = 0;

	while (who < q->nwho && strcmp(q->who[who].target, target))
		who++;
	for (size_t i = 0; i < q->n && who < q->nwho; i++)
		if (q->v[i].who == who)
			return true;
	return false;
}

/* ---- by frame ---- */

/* Whose page table it is comes first, the kernel last. */
static int by_who(const struct held *a, const struct held *b)
{
	if (a->is_table != b->is_table)
		return b->is_table - a->is_table;
	if (a->kernel != b->kernel)
		return a->kernel - b->kernel;
	if (a->who != b->who)
		return (a->who > b->who) - (a->who < b->who);
	return (a->va > b->va) - (a->va < b->va);
}

static int by_frame(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return x->pa != y->pa ? (x->pa > y->pa) - (x->pa < y->pa) : by_who(x, y);
}

void reaches_sort(struct reaches *q)
{
	if (q->n)
		qsort(q->v, q->n, sizeof(*q->v), by_frame);
}

static unsigned digits(uint64_t n)
{
	unsigned d = 1;

	while (n >>= 4)
		d++;
	return d;
}

static uint8_t at_most(size_t n, uint8_t most)
{
	return n < most ? (uint8_t)n : most;
}

struct pw_rmap_widths reaches_widths(const struct reaches *q, struct pw_rmap *r)
{
	struct pw_rmap_widths w = { .frames = 5, .target = 7, .va = 12 };
	size_t n = pw_rmap_nframes(r);
	struct pw_frame f, before = { .pa = PW_PA_NONE };

	for (size_t i = 0; i < n; i++) {
		unsigned d;

		pw_rmap_frame(r, i, &f);
		d = digits(f.pa + PAGE);
		/* A stretch is shown as 0xLO-END. */
		d = f.pa == before.pa + PAGE ? 2 * d + 3 : d + 2;
		w.frames = d > w.frames ? (uint8_t)d : w.frames;
		before = f;
	}
	for (size_t i = 0; i < q->n; i++) {
		size_t len = strlen(q->who[q->v[i].who].title);

		w.target = len > w.target ? at_most(len, 24) : w.target;
		if (q->v[i].va >> 48)
			w.va = 16;
	}
	return w;
}

/* Those that reach the frames that are being told. */
struct active {
	struct held **v;
	size_t n;
	size_t next; /* in q->v: comes later */
};

static void enter(const struct reaches *q, struct active *a, uint64_t pa)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n; i++)
		if (a->v[i]->pa + a->v[i]->frames * PAGE > pa)
			a->v[kept++] = a->v[i];
	a->n = kept;
	for (; a->next < q->n && q->v[a->next].pa <= pa; a->next++) {
		struct held *h = &q->v[a->next];
		size_t at = a->n++;

		for (; at && by_who(h, a->v[at - 1]) < 0; at--)
			a->v[at] = a->v[at - 1];
		a->v[at] = h;
	}
}

/* The first frame of which something else is to be said because others reach it. */
static uint64_t until(const struct reaches *q, const struct active *a)
{
	uint64_t end = a->next < q->n ? q->v[a->next].pa : UINT64_MAX;

	for (size_t i = 0; i < a->n; i++) {
		uint64_t own = a->v[i]->pa + a->v[i]->frames * PAGE;

		end = own < end ? own : end;
	}
	return end;
}

static bool alike(const struct pw_rec_frame *a, const struct pw_rec_frame *b)
{
	return b->first.pa == a->first.pa + a->frames * PAGE && a->first.user == b->first.user &&
	       a->first.shared == b->first.shared && a->first.kernel == b->first.kernel &&
	       a->first.tables == b->first.tables && a->has_count == b->has_count &&
	       (!a->has_count || (a->count == b->count && a->flags == b->flags)) && a->why == b->why;
}

static void put(const struct reaches *q, const struct active *a, const struct pw_rec_frame *f, struct pw_render *render)
{
	for (size_t i = 0; i < a->n && pw_render_alive(render); i++) {
		const struct held *h = a->v[i];
		const struct pw_rec_reach rec = {
			.frame = f,
			.first = i == 0,
			.target = q->who[h->who].target,
			.title = q->who[h->who].title,
			.name = h->place ? q->name[h->place - 1] : NULL,
			.pa = f->first.pa,
			.frames = f->frames,
			.va = h->is_table ? h->va : h->va + (f->first.pa - h->pa),
			.last = h->last,
			.is_table = h->is_table,
			.is_root = h->is_root,
			.user_root = h->user_root,
			.level = (enum pw_level)h->level,
			.size = h->size,
			.pages = h->pages,
			.kind = (enum pw_kind)h->kind,
			.perm = h->perm,
			.slot_pa = h->slot_pa,
		};

		render->ops->reach(render, &rec);
	}
	render->ops->frame(render, f);
}

void reaches_each(const struct reaches *q, struct pw_rmap *r, reaches_frame_fn frame, void *ctx,
		  struct pw_render *render)
{
	struct active a = { .v = calloc(q->n + 1, sizeof(*a.v)) };
	struct pw_rec_frame f, next;
	size_t n = pw_rmap_nframes(r), i = 0;
	bool have = false;

	while (a.v && i < n && pw_render_alive(render)) {
		uint64_t end;

		if (have)
			f = next;
		else
			frame(ctx, i, &f);
		have = false;
		enter(q, &a, f.first.pa);
		for (end = until(q, &a), i++; i < n; i++) {
			frame(ctx, i, &next);
			have = true;
			if (next.first.pa >= end || !alike(&f, &next))
				break;
			f.frames++;
		}
		put(q, &a, &f, render);
	}
	free(a.v);
}

void reaches_free(struct reaches *q)
{
	for (size_t i = 0; i < q->nwho; i++) {
		free(q->who[i].target);
		free(q->who[i].title);
	}
	for (size_t i = 0; i < q->nnames; i++)
		free(q->name[i]);
	free(q->who);
	free(q->name);
	free(q->v);
}
