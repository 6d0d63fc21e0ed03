// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Page tables of an image, many at a time. What is asked for is read as the whole page that it is in, into the cache of tables, and handed out there: who
 * wants one entry wants others of the same table next. It is read in the order of the file, neighbours by one call.
 *
 * A file that is not in this machine's memory is waited for once a batch, not once a table: what is not at hand is asked for ahead, all of
 * it, before the first of it is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "source/image.h"

#define BATCH 64 /* requests that are put in order at a time */
#define PAGE  ((uint64_t)PW_TABLES_PAGE)
#define AHEAD 512        /* tables: as many as one leads to */
#define GAP   (64 << 10) /* what is closer together than that is asked for as one */

/* What has to be read: a page for the cache, or else exactly what was asked for. */
struct wish {
	uint64_t at; /* in the file; for formats with a read(), the address */
	uint64_t pa;
	size_t bytes;
	void *to;
	struct pw_table_req *req; /* NULL: for the cache */
};

static int wish_order(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Whether extents lie in the file as they are. */
static bool is_straight(const struct pw_image *im)
{
	return !im->format->read && !im->file.flat;
}

static uint64_t place_of(const struct pw_image *im, const struct pw_image_extent *e, uint64_t pa)
{
	return is_straight(im) ? e->at + (pa - e->pa) : pa;
}

static bool holds(const struct pw_image_extent *e, uint64_t pa, uint64_t bytes)
{
	return pa >= e->pa && bytes <= e->bytes && pa - e->pa <= e->bytes - bytes;
}

/* As it is asked for: across extents, or with the reason why not. */
static void read_one(struct pw_image *im, struct pw_table_req *req)
{
	int rc = pw_image_read(im, req->pa, req->buf, req->bytes);

	req->status = rc && rc != -ENXIO ? -EFAULT : rc;
	req->data = req->buf;
}

/* -------- reading -------- */

static bool fits_page(const struct pw_table_req *req)
{
	return req->pa % PAGE + req->bytes <= PAGE;
}

/* False: there is nothing left to do for the request. */
static bool wish_for(struct pw_image *im, struct pw_table_req *req, struct wish *w)
{
	const struct pw_image_extent *e;
	uint64_t page = req->pa / PAGE, off = req->pa % PAGE;
	const char *kept = fits_page(req) ? pw_tables_find(im->tables, page) : NULL;

	if (kept) {
		req->status = 0;
		req->data = kept + off;
		return false;
	}
	e = pw_image_find(im, req->pa);
	if (!e || !holds(e, req->pa, req->bytes)) {
		read_one(im, req);
		return false;
	}
	*w = (struct wish){ .pa = req->pa, .bytes = req->bytes, .to = req->buf, .req = req };
	if (fits_page(req) && holds(e, page * PAGE, PAGE)) {
		void *to = pw_tables_add(im->tables, page);

		if (to)
			*w = (struct wish){ .pa = page * PAGE, .bytes = PAGE, .to = to };
	}
	w->at = place_of(im, e, w->pa);
	req->status = 0;
	req->data = w->req ? w->to : (char *)w->to + off;
	return true;
}

/* How many wishes, from the first on, lie side by side in the file. */
static size_t neighbours(const struct wish *w, size_t n)
{
	size_t part = 1;

	while (part < n && w[part].at == w[part - 1].at + w[part - 1].bytes)
		part++;
	return part;
}

/* False: not all of it was read. */
static bool read_side_by_side(const struct pw_image *im, const struct wish *w, size_t n, int flags)
{
	struct iovec iov[BATCH];
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		iov[i] = (struct iovec){ w[i].to, w[i].bytes };
		bytes += w[i].bytes;
	}
	return preadv2(im->file.fd, iov, (int)n, (off_t)w[0].at, flags) == (ssize_t)bytes;
}

/* One by one, so that what cannot be read spoils no other. False: something that was for the cache is not there. */
static bool read_each(struct pw_image *im, const struct wish *w, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		if (w[i].req) {
			read_one(im, w[i].req);
		} else if (pw_image_read(im, w[i].pa, w[i].to, w[i].bytes)) {
			pw_tables_drop(im->tables, w[i].pa / PAGE);
			all = false;
		}
	}
	return all;
}

static void ask_ahead(const struct pw_image *im, const struct wish *w, size_t n)
{
	for (size_t i = 0, part; i < n; i += part) {
		for (part = 1; i + part < n && w[i + part].at - w[i + part - 1].at <= GAP;)
			part++;
		posix_fadvise(im->file.fd, (off_t)w[i].at,
			      (off_t)(w[i + part - 1].at + w[i + part - 1].bytes - w[i].at), POSIX_FADV_WILLNEED);
	}
}

/* What is in memory already; shortens the list to the rest. */
static size_t read_at_hand(struct pw_image *im, struct wish *w, size_t n)
{
	size_t left = 0;

	for (size_t i = 0, part; i < n; i += part) {
		part = neighbours(w + i, n - i);
		if (read_side_by_side(im, w + i, part, RWF_NOWAIT))
			continue;
		for (size_t k = 0; k < part; k++)
			w[left++] = w[i + k];
	}
	return left;
}

/* False: something that was for the cache is not there. */
static bool read_wishes(struct pw_image *im, struct wish *w, size_t n, bool *waited)
{
	bool all = true;

	qsort(w, n, sizeof(w[0]), wish_order);
	if (!is_straight(im))
		return read_each(im, w, n);
	n = read_at_hand(im, w, n);
	if (n) {
		*waited = true;
		ask_ahead(im, w, n);
	}
	for (size_t i = 0, part; i < n; i += part) {
		part = neighbours(w + i, n - i);
		all &= read_side_by_side(im, w + i, part, 0) || read_each(im, w + i, part);
	}
	return all;
}

static void read_batch(struct pw_image *im, struct pw_table_req *req, size_t n, bool *waited)
{
	struct wish w[BATCH];
	size_t wishes = 0;

	for (size_t i = 0; i < n; i++)
		wishes += wish_for(im, &req[i], &w[wishes]);
	if (!wishes || read_wishes(im, w, wishes, waited))
		return;
	for (size_t i = 0; i < n; i++)
		if (req[i].data != req[i].buf && !pw_tables_find(im->tables, req[i].pa / PAGE))
			read_one(im, &req[i]);
}

bool pw_image_read_tables(struct pw_image *im, struct pw_table_req *req, size_t n)
{
	bool waited = false;

	pw_tables_call(im->tables);
	for (size_t done = 0; done < n; done += BATCH)
		read_batch(im, req + done, n - done < BATCH ? n - done : BATCH, &waited);
	return waited;
}

/* -------- what will be read -------- */

void pw_image_will_read(struct pw_image *im, const uint64_t *pa, size_t n)
{
	struct wish w[AHEAD];
	size_t wishes = 0;

	if (!is_straight(im))
		return;
	for (size_t i = 0; i < n && wishes < AHEAD; i++) {
		const struct pw_image_extent *e = pw_image_find(im, pa[i]);

		if (e && holds(e, pa[i], PAGE) && !pw_tables_find(im->tables, pa[i] / PAGE))
			w[wishes++] = (struct wish){ .at = place_of(im, e, pa[i]), .bytes = PAGE };
	}
	qsort(w, wishes, sizeof(w[0]), wish_order);
	ask_ahead(im, w, wishes);
}
