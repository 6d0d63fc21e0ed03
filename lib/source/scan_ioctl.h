/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PAGEMAP_SCAN of /proc/PID/pagemap, since Linux commit 52526ca7fdb9 ("fs/proc/task_mmu: implement IOCTL to get and optionally clear info
 * about PTEs") (in v6.7). The interface is repeated here: headers of older distributions lack it.
 */
#ifndef PW_SCAN_IOCTL_H
#define PW_SCAN_IOCTL_H

#include <stdint.h>
#include <sys/ioctl.h>

struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL   _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT (1 << 3)
#define SCAN_SWAPPED (1 << 4)

#endif
