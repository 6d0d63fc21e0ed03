/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frames.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST_BITS 15
#define MOST_BITS  23

static int by_frame(const void *a, const void *b)
{
	const struct pw_range *p = a, *q = b;

	return (p->lo > q->lo) - (p->lo < q->lo);
}

/* Sorts, and joins what overlaps or touches. */
static void tidy(struct pw_frames *f)
{
	size_t kept = 0;

	if (!f->n)
		return;
	qsort(f->v, f->n, sizeof(*f->v), by_frame);
	for (size_t i = 1; i < f->n; i++) {
		struct pw_range *last = &f->v[kept];

		if (f->v[i].lo - last->lo > last->last - last->lo + 1)
			f->v[++kept] = f->v[i];
		else if (f->v[i].last > last->last)
			last->last = f->v[i].last;
	}
	f->n = kept + 1;
}

static uint64_t count(const struct pw_frames *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].last - f->v[i].lo + 1;
	return n;
}

/* Room for one more: by tidying up, if that helps much. */
static int make_room(struct pw_frames *f)
{
	struct pw_range *more;
	size_t room;

	tidy(f);
	if (f->n <= f->room / 2 && f->room)
		return 0;
	room = f->room ? 2 * f->room : 64;
	more = reallocarray(f->v, room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->v = more;
	f->room = room;
	return 0;
}

int pw_frames_add(struct pw_frames *f, struct pw_range pfn, uint64_t max)
{
	struct pw_range *last = f->n ? &f->v[f->n - 1] : NULL;
	uint64_t n = pfn.last - pfn.lo + 1;

	if (!n || n > max)
		return -E2BIG;
	/* The same ones can come many times: they are not told apart for each. */
	if (f->nframes + n > max + max / 4) {
		tidy(f);
		f->nframes = count(f);
		if (f->nframes > max)
			return -E2BIG;
		last = f->n ? &f->v[f->n - 1] : NULL;
	}
	if (last && last->last + 1 == pfn.lo) {
		last->last = pfn.last;
		f->nframes += n;
		return 0;
	}
	if (f->n == f->room && make_room(f))
		return -ENOMEM;
	f->v[f->n++] = pfn;
	f->nframes += n;
	return 0;
}

static unsigned bits_for(uint64_t nframes)
{
	unsigned bits = LEAST_BITS;

	while (bits < MOST_BITS && (UINT64_C(1) << bits) / 64 < nframes)
		bits++;
	return bits;
}

static void mark(struct pw_frames *f)
{
	for (size_t i = 0; i < f->n; i++) {
		for (uint64_t pfn = f->v[i].lo;; pfn++) {
			uint64_t bit = pw_frames_hash(f, pfn);

			f->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
			if (pfn == f->v[i].last)
				break;
		}
	}
}

int pw_frames_ready(struct pw_frames *f, uint64_t max)
{
	unsigned bits;
	uint32_t first = 0;

	if (f->ready)
		return 0;
	tidy(f);
	f->nframes = count(f);
	if (f->nframes > max)
		return -E2BIG;
	bits = bits_for(f->nframes);
	free(f->first);
	free(f->bits);
	f->first = calloc(f->n + 1, sizeof(*f->first));
	f->bits = calloc((UINT64_C(1) << bits) / 64, sizeof(*f->bits));
	if (!f->first || !f->bits)
		return -ENOMEM;
	for (size_t i = 0; i < f->n; i++) {
		f->first[i] = first;
		first += (uint32_t)(f->v[i].last - f->v[i].lo + 1);
	}
	f->shift = 64 - bits;
	mark(f);
	f->ready = true;
	return 0;
}

void pw_frames_free(struct pw_frames *f)
{
	free(f->v);
	free(f->first);
	free(f->bits);
	*f = (struct pw_frames){ 0 };
}

size_t pw_frames_from(const struct pw_frames *f, uint64_t pfn)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->v[mid].last < pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t pw_frames_at(const struct pw_frames *f, size_t index)
{
	size_t lo = 0, hi = f->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->first[mid] <= index)
			lo = mid;
		else
			hi = mid;
	}
	return f->v[lo].lo + (index - f->first[lo]);
}
