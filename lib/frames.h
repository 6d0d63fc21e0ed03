/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frames: a set of frame numbers that is asked about each page of a system, which nearly always is not in it. So there are two steps: a
 * bitmap of hashed numbers, small enough to stay in the CPU's cache, of which one bit in 64 is set at most; and behind it the exact answer,
 * a binary search in ranges.
 */
#ifndef PW_FRAMES_H
#define PW_FRAMES_H

#include <pagewalk/source.h>

struct pw_frames {
	struct pw_range *v; /* of frame numbers; in order and disjoint when ready */
	size_t n, room;
	bool ready;
	uint32_t *first;  /* by range: the index of its first frame */
	uint64_t nframes; /* until it is ready, the same one can count more than once */
	uint64_t *bits;
	unsigned shift; /* 64 less the number of bits of an index of bits[] */
};

/* -E2BIG: far more than max frames; -ENOMEM. */
int pw_frames_add(struct pw_frames *f, struct pw_range pfn, uint64_t max);

/* Puts what was added in order; the functions below want that. -E2BIG: more than max frames; -ENOMEM. */
int pw_frames_ready(struct pw_frames *f, uint64_t max);
void pw_frames_free(struct pw_frames *f);

/* Among those that have the frame or come after it, the first range; f->n: there is none. */
size_t pw_frames_from(const struct pw_frames *f, uint64_t pfn);

/* The index of a frame that range `at` holds. */
static inline size_t pw_frames_index(const struct pw_frames *f, size_t at, uint64_t pfn)
{
	return f->first[at] + (size_t)(pfn - f->v[at].lo);
}

/* The number of the frame with that index. */
uint64_t pw_frames_at(const struct pw_frames *f, size_t index);

/* 2^64 by the golden ratio: neighbours come to lie far from each other. */
static inline uint64_t pw_frames_hash(const struct pw_frames *f, uint64_t pfn)
{
	return (pfn * UINT64_C(0x9e3779b97f4a7c15)) >> f->shift;
}

/* False: it is not in the set. */
static inline bool pw_frames_maybe(const struct pw_frames *f, uint64_t pfn)
{
	uint64_t bit = pw_frames_hash(f, pfn);

	return f->bits[bit / 64] >> (bit % 64) & 1;
}

static inline bool pw_frames_has(const struct pw_frames *f, uint64_t pfn, size_t *at)
{
	if (!pw_frames_maybe(f, pfn))
		return false;
	*at = pw_frames_from(f, pfn);
	return *at < f->n && f->v[*at].lo <= pfn;
}

#endif
