/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All pages of a system's memory, once, in order. */
#ifndef PAGEWALK_OS_SCAN_H
#define PAGEWALK_OS_SCAN_H

#include <pagewalk/source.h>

typedef int (*pw_scan_fn)(void *ctx, uint64_t pa, const void *page);

struct pw_scan {
	struct pw_source *src;
	const struct pw_range *ranges;
	size_t nranges;
	void (*progress)(void *ctx, uint64_t done, uint64_t all); /* bytes; NULL: nobody waits for it */
	void *progress_ctx;
};

/* Calls for each page that can be read, 8-aligned. 0 at the end, the first non-zero return of each, or -ENOMEM. */
int pw_scan_pages(const struct pw_scan *scan, pw_scan_fn each, void *ctx);

#endif
