/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All pages of a system's memory, once, in order. */
#ifndef PAGEWALK_OS_SCAN_H
#define PAGEWALK_OS_SCAN_H

#include <pagewalk/source.h>

/*
 * Calls for each page that can be read, 8-aligned. 0 at the end, the first non-zero return of each, or -ENOMEM.
 */
int pw_scan_pages(struct pw_source *src, const struct pw_range *ranges, size_t n,
		  int (*each)(void *ctx, uint64_t pa, const void *page), void *ctx);

#endif
