// SPDX-License-Identifier: LGPL-2.1-or-later
#include "source/pagescan.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "source/scan_ioctl.h"

#define SCAN_WANTED (SCAN_PRESENT | SCAN_SWAPPED)

#define PAGE UINT64_C(4096)

/* Ends of user memory with four and five levels: an end beyond them is refused with EFAULT. */
#define USER_END_4 (UINT64_C(0x0000800000000000) - PAGE)
#define USER_END_5 (UINT64_C(0x0100000000000000) - PAGE)

static int scan(int fd, struct scan_arg *arg)
{
	int rc;

	do
		rc = ioctl(fd, SCAN_IOCTL, arg);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

bool pw_pagescan_works(int pagemap_fd)
{
	struct scan_region region;
	struct scan_arg arg = {
		.size = sizeof(arg),
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = SCAN_WANTED,
		.return_mask = SCAN_WANTED,
	};

	return scan(pagemap_fd, &arg) >= 0;
}

int pw_pagescan_next(int pagemap_fd, uint64_t va, uint64_t last, uint64_t pages, uint64_t *lo, uint64_t *end)
{
	uint64_t stop = last < USER_END_5 ? (last | (PAGE - 1)) + 1 : USER_END_5;
	struct scan_region region = { 0 };
	uint64_t at = va & ~(PAGE - 1);

	/* The walk may stop before its end without having found anything (a signal): go on from there. */
	while (at < stop) {
		struct scan_arg arg = {
			.size = sizeof(arg),
			.start = at,
			.end = stop,
			.vec = (uintptr_t)&region,
			.vec_len = 1,
			.max_pages = pages,
			.category_anyof_mask = SCAN_WANTED,
			.return_mask = SCAN_WANTED,
		};
		int rc = scan(pagemap_fd, &arg);

		if (rc == -EFAULT && stop > USER_END_4) {
			stop = USER_END_4;
			continue;
		}
		if (rc < 0)
			return rc;
		if (rc > 0 && region.end > region.start && region.start >= at) {
			*lo = region.start;
			*end = region.end - 1;
			return 1;
		}
		if (arg.walk_end <= at)
			return 0;
		at = arg.walk_end;
	}
	return 0;
}
