// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/scan.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE  4096
#define CHUNK (1 << 20)

struct scan {
	struct pw_source *src;
	int (*each)(void *ctx, uint64_t pa, const void *page);
	void *ctx;
	char *buf;
};

static int scan_chunk(const struct scan *s, uint64_t pa, size_t len)
{
	bool whole = !s->src->ops->read(s->src, pa, s->buf, len);
	int rc = 0;

	for (size_t at = 0; at < len && !rc; at += PAGE) {
		char *page = s->buf + at;

		/* A chunk with holes: page by page. */
		if (whole || !s->src->ops->read(s->src, pa + at, page, PAGE))
			rc = s->each(s->ctx, pa + at, page);
	}
	return rc;
}

static int scan_range(const struct scan *s, const struct pw_range *r)
{
	uint64_t pa = (r->lo + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	int rc = 0;

	while (!rc && pa >= r->lo && pa <= r->last && r->last - pa >= PAGE - 1) {
		uint64_t left = (r->last - pa + 1) & ~(uint64_t)(PAGE - 1);
		size_t len = left < CHUNK ? (size_t)left : CHUNK;

		rc = scan_chunk(s, pa, len);
		pa += len;
	}
	return rc;
}

int pw_scan_pages(struct pw_source *src, const struct pw_range *ranges, size_t n,
		  int (*each)(void *ctx, uint64_t pa, const void *page), void *ctx)
{
	struct scan s = { src, each, ctx, malloc(CHUNK) };
	int rc = 0;

	if (!s.buf)
		return -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		rc = scan_range(&s, &ranges[i]);
	free(s.buf);
	return rc;
}
