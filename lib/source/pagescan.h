/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PAGEMAP_SCAN: the kernel's own search for populated pages (Linux 6.7 and later). */
#ifndef PAGEWALK_SOURCE_PAGESCAN_H
#define PAGEWALK_SOURCE_PAGESCAN_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the kernel of this pagemap has it. */
bool pw_pagescan_works(int pagemap_fd);

/*
 * First page from va on, up to page of last, that is present or swapped: *lo, and in *last_page the
 * last byte of the stretch that begins there, as far as the kernel looked (`pages` at most).
 * 1 when there is one, 0 when there is none, or a negative errno.
 */
int pw_pagescan_next(int pagemap_fd, uint64_t va, uint64_t last, uint64_t pages, uint64_t *lo, uint64_t *end);

#endif
