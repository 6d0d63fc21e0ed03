// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which physical memory an image has. */
#include <errno.h>
#include <stdlib.h>

#include "source/image.h"

#define PA_END (UINT64_C(1) << PW_IMAGE_PA_BITS)

static int check_range(uint64_t pa, uint64_t bytes, struct pw_error *err)
{
	if (bytes && (pa >= PA_END || bytes > PA_END - pa))
		return pw_error_set(err, -EINVAL, "memory of %#llx bytes from %#llx on, which no machine has: damaged",
				    (unsigned long long)bytes, (unsigned long long)pa);
	return 0;
}

int pw_image_add(struct pw_image *im, uint64_t pa, uint64_t bytes, uint64_t at, struct pw_error *err)
{
	int rc = check_range(pa, bytes, err);

	if (rc || !bytes)
		return rc;
	if (im->nextents == im->room) {
		size_t want = im->room ? im->room * 2 : 64;
		struct pw_image_extent *v;

		if (want > PW_IMAGE_EXTENTS)
			return pw_error_set(err, -EFBIG, "more than %u pieces of memory: damaged, or too scattered",
					    PW_IMAGE_EXTENTS);
		v = reallocarray(im->extent, want, sizeof(*v));
		if (!v)
			return pw_error_set(err, -ENOMEM, "out of memory");
		im->extent = v;
		im->room = want;
	}
	im->extent[im->nextents++] = (struct pw_image_extent){ pa, bytes, at };
	return 0;
}

void pw_image_lose(struct pw_image *im, uint64_t pa, uint64_t bytes)
{
	if (!bytes)
		return;
	if (im->nlost < PW_IMAGE_LOST)
		im->lost[im->nlost] = (struct pw_range){ pa, pa + (bytes - 1) };
	im->nlost++;
	im->lost_bytes += bytes;
}

int pw_image_add_stored(struct pw_image *im, uint64_t pa, uint64_t bytes, uint64_t at, struct pw_error *err)
{
	uint64_t have = at < im->file.size ? im->file.size - at : 0;
	int rc = check_range(pa, bytes, err);

	if (rc)
		return rc;
	if (have > bytes)
		have = bytes;
	pw_image_lose(im, pa + have, bytes - have);
	return pw_image_add(im, pa, have, at, err);
}

/* Of those that begin at the same address the longest first, then the first in the file. */
static int extent_order(const void *a, const void *b)
{
	const struct pw_image_extent *x = a, *y = b;

	if (x->pa != y->pa)
		return x->pa < y->pa ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Cuts off e what ends before `end`, the first address after the extents before it. */
static void cut_front(struct pw_image_extent *e, uint64_t end)
{
	uint64_t cut = end > e->pa ? end - e->pa : 0;

	if (cut > e->bytes)
		cut = e->bytes;
	e->pa += cut;
	e->at += cut;
	e->bytes -= cut;
}

static int drop_overlaps(struct pw_image *im, bool twice_is_well, struct pw_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < im->nextents; i++) {
		struct pw_image_extent e = im->extent[i], *last = n ? &im->extent[n - 1] : NULL;
		uint64_t end = last ? last->pa + last->bytes : 0;

		if (e.pa < end && !twice_is_well)
			return pw_error_set(err, -EINVAL, "memory at %#llx is in it twice: damaged",
					    (unsigned long long)e.pa);
		cut_front(&e, end);
		if (!e.bytes)
			continue;
		if (last && !im->format->read && e.pa == end && e.at == last->at + last->bytes)
			last->bytes += e.bytes;
		else
			im->extent[n++] = e;
	}
	im->nextents = n;
	return 0;
}

static int make_ranges(struct pw_image *im, struct pw_error *err)
{
	struct pw_range *v = calloc(im->nextents + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < im->nextents; i++) {
		const struct pw_image_extent *e = &im->extent[i];

		if (n && v[n - 1].last + 1 == e->pa)
			v[n - 1].last += e->bytes;
		else
			v[n++] = (struct pw_range){ e->pa, e->pa + (e->bytes - 1) };
	}
	im->range = v;
	im->nranges = n;
	return 0;
}

int pw_image_finish(struct pw_image *im, bool twice_is_well, struct pw_error *err)
{
	int rc;

	if (im->nextents)
		qsort(im->extent, im->nextents, sizeof(*im->extent), extent_order);
	rc = drop_overlaps(im, twice_is_well, err);
	return rc ? rc : make_ranges(im, err);
}

const struct pw_image_extent *pw_image_find(const struct pw_image *im, uint64_t pa)
{
	size_t lo = 0, hi = im->nextents;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct pw_image_extent *e = &im->extent[mid];

		if (pa < e->pa)
			hi = mid;
		else if (pa - e->pa >= e->bytes)
			lo = mid + 1;
		else
			return e;
	}
	return NULL;
}
