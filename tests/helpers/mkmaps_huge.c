// SPDX-License-Identifier: LGPL-2.1-or-later
/* The factories of mkmaps for pages of 2M and 1G. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mkmaps.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGE_2MB (21 << 26) /* MAP_HUGE_2MB */
#define HUGE_1GB (30 << 26) /* MAP_HUGE_1GB */

#define RW (PROT_READ | PROT_WRITE)

/* @count transparent huge pages, written; NULL with the reason given. */
static char *thp_new(struct mk_state *st, size_t count)
{
	size_t len = count * MK_2M;
	char *p = mk_map(len, MK_2M, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!p) {
		mk_absent_errno(st, "mmap");
		return NULL;
	}
	if (madvise(p, len, MADV_HUGEPAGE)) {
		mk_absent_errno(st, "MADV_HUGEPAGE");
		return NULL;
	}
	for (int try = 0; try < 20; try++) {
		mk_write(p, len);
		if (mk_smaps_kb((uintptr_t)p, "AnonHugePages:") == len >> 10)
			return p;
		/* Memory was in pieces at the fault: ask once more, where the kernel can. */
		if (madvise(p, len, MADV_COLLAPSE))
			madvise(p, len, MADV_DONTNEED);
		usleep(20000);
	}
	mk_absent(st, "no transparent huge page was given");
	munmap(p, len);
	return NULL;
}

int mk_thp(struct mk_state *st)
{
	char *p = thp_new(st, 2);

	if (!p)
		return -1;
	mk_leaf(st, p, 2 * MK_2M, MK_2M, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_thp_ro(struct mk_state *st)
{
	char *p = thp_new(st, 1);

	if (!p)
		return -1;
	if (mprotect(p, MK_2M, PROT_READ))
		return mk_absent_errno(st, "mprotect");
	mk_leaf(st, p, MK_2M, MK_2M, "r--", MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_thp_exec(struct mk_state *st)
{
	char *p = thp_new(st, 1);

	if (!p)
		return -1;
	mk_fill(p, MK_2M, 0xc3);
	if (mprotect(p, MK_2M, PROT_READ | PROT_EXEC))
		return mk_absent_errno(st, "mprotect");
	mk_leaf(st, p, MK_2M, MK_2M, "r-x", MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_thp_protnone(struct mk_state *st)
{
	char *p = thp_new(st, 1);

	if (!p)
		return -1;
	if (mprotect(p, MK_2M, PROT_NONE))
		return mk_absent_errno(st, "mprotect");
	mk_range(st, p, MK_2M, MK_2M, MK_PROTNONE, "!present,huge," MK_WAS_WRITTEN, NULL);
	return 0;
}

/*
 * One huge page in memory, but mapped by 512 entries, since one of them differs. Whether a split
 * leaves Dirty in the entries or only in the page differs between kernels.
 */
int mk_thp_split(struct mk_state *st)
{
	static const char attrs[] = "soft-dirty";
	const size_t mid = MK_2M / 2;
	char *p = thp_new(st, 1);

	if (!p)
		return -1;
	if (mprotect(p + mid, MK_PAGE, PROT_READ))
		return mk_absent_errno(st, "mprotect");
	mk_leaf(st, p, mid, MK_PAGE, "rw-", attrs, NULL);
	mk_leaf(st, p + mid, MK_PAGE, MK_PAGE, "r--", attrs, NULL);
	mk_leaf(st, p + mid + MK_PAGE, MK_2M - mid - MK_PAGE, MK_PAGE, "rw-", attrs, NULL);
	return 0;
}

int mk_thp_uffd_wp(struct mk_state *st)
{
	char *p = thp_new(st, 1);
	int fd;

	if (!p)
		return -1;
	fd = mk_uffd_wp_on(st, p, MK_2M, 0);
	if (fd < 0 || mk_uffd_protect(st, fd, p, MK_2M))
		return -1;
	strcpy(st->vmflags, "uw");
	mk_leaf(st, p, MK_2M, MK_2M, "r--", "uffd-wp," MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_zero_huge(struct mk_state *st)
{
	char *p = mk_map(MK_2M, MK_2M, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!p)
		return mk_absent_errno(st, "mmap");
	if (madvise(p, MK_2M, MADV_HUGEPAGE))
		return mk_absent_errno(st, "MADV_HUGEPAGE");
	for (int try = 0; try < 20; try++) {
		mk_read(p, MK_PAGE);
		/* One byte was read: more than a page is there only if it came as one. */
		if (mk_all_present(p, MK_2M)) {
			mk_leaf(st, p, MK_2M, MK_2M, "r--", "!dirty", "zero=1");
			return 0;
		}
		madvise(p, MK_2M, MADV_DONTNEED);
		usleep(20000);
	}
	return mk_absent(st, "no huge zero page was given");
}

static char *hugetlb_new(struct mk_state *st, size_t size, size_t count, int flag)
{
	char *p = mk_map(size * count, size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flag, -1, 0);

	if (!p) {
		if (errno == ENOMEM)
			mk_absent(st, "no huge page of %zuM is reserved", size >> 20);
		else
			mk_absent_errno(st, "MAP_HUGETLB");
		return NULL;
	}
	strcpy(st->vmflags, "ht");
	for (size_t i = 0; i < count; i++)
		mk_write(p + i * size, MK_PAGE);
	return p;
}

int mk_hugetlb_2m(struct mk_state *st)
{
	char *p = hugetlb_new(st, MK_2M, 2, HUGE_2MB);

	if (!p)
		return -1;
	mk_leaf(st, p, 2 * MK_2M, MK_2M, "rw-", "accessed," MK_WRITTEN, NULL);
	return 0;
}

int mk_hugetlb_2m_protnone(struct mk_state *st)
{
	char *p = hugetlb_new(st, MK_2M, 2, HUGE_2MB);

	if (!p)
		return -1;
	if (mprotect(p, 2 * MK_2M, PROT_NONE))
		return mk_absent_errno(st, "mprotect");
	mk_range(st, p, 2 * MK_2M, MK_2M, MK_PROTNONE, "!present,huge," MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_hugetlb_1g(struct mk_state *st)
{
	char *p = hugetlb_new(st, MK_1G, 1, HUGE_1GB);

	if (!p)
		return -1;
	mk_leaf(st, p, MK_1G, MK_1G, "rw-", "accessed," MK_WRITTEN, NULL);
	return 0;
}
