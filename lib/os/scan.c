// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/scan.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE  4096
#define CHUNK (1 << 20)

struct pages {
	const struct pw_scan *scan;
	pw_scan_fn each;
	void *ctx;
	char *buf;
	uint64_t done, all;
};

static int scan_chunk(struct pages *p, uint64_t pa, size_t len)
{
	struct pw_source *src = p->scan->src;
	bool whole = !src->ops->read(src, pa, p->buf, len);
	int rc = 0;

	for (size_t at = 0; at < len && !rc; at += PAGE) {
		char *page = p->buf + at;

		/* A chunk with holes: page by page. */
		if (whole || !src->ops->read(src, pa + at, page, PAGE))
			rc = p->each(p->ctx, pa + at, page);
	}
	p->done += len;
	if (p->scan->progress)
		p->scan->progress(p->scan->progress_ctx, p->done, p->all);
	return rc;
}

static int scan_range(struct pages *p, const struct pw_range *r)
{
	uint64_t pa = (r->lo + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	int rc = 0;

	while (!rc && pa >= r->lo && pa <= r->last && r->last - pa >= PAGE - 1) {
		uint64_t left = (r->last - pa + 1) & ~(uint64_t)(PAGE - 1);
		size_t len = left < CHUNK ? (size_t)left : CHUNK;

		rc = scan_chunk(p, pa, len);
		pa += len;
	}
	return rc;
}

int pw_scan_pages(const struct pw_scan *scan, pw_scan_fn each, void *ctx)
{
	struct pages p = { .scan = scan, .each = each, .ctx = ctx, .buf = malloc(CHUNK) };
	int rc = 0;

	if (!p.buf)
		return -ENOMEM;
	for (size_t i = 0; i < scan->nranges; i++)
		p.all += scan->ranges[i].last - scan->ranges[i].lo + 1;
	for (size_t i = 0; i < scan->nranges && !rc; i++)
		rc = scan_range(&p, &scan->ranges[i]);
	free(p.buf);
	return rc;
}
