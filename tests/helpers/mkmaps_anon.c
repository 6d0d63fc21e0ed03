// SPDX-License-Identifier: LGPL-2.1-or-later
/* The factories of mkmaps for anonymous memory in 4K pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mkmaps.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define RW (PROT_READ | PROT_WRITE)

int mk_soft_dirty(struct mk_state *st)
{
	const size_t pages = 16;
	char *p;
	int fd;

	if (!mk_has_soft_dirty)
		return mk_absent(st, "the kernel does not track soft-dirty pages");
	p = mk_anon(pages);
	if (!p)
		return mk_absent_errno(st, "mmap");
	/* fork() would write-protect these pages again. */
	madvise(p, pages * MK_PAGE, MADV_DONTFORK);
	mk_write(p, pages * MK_PAGE);

	fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return mk_absent_errno(st, "/proc/self/clear_refs");
	if (write(fd, "4", 1) != 1) {
		close(fd);
		return mk_absent_errno(st, "clear_refs 4");
	}
	close(fd);

	for (size_t i = 0; i < pages; i++) {
		char *q = p + i * MK_PAGE;

		if (i % 2) {
			mk_leaf(st, q, MK_PAGE, MK_PAGE, "r--", "dirty|saved-dirty,!soft-dirty", NULL);
		} else {
			mk_write(q, MK_PAGE);
			mk_leaf(st, q, MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
		}
	}
	return 0;
}

int mk_anon_written(struct mk_state *st)
{
	const size_t len = 16 * MK_PAGE;
	void *p = mk_anon(16);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_anon_holes(struct mk_state *st)
{
	char *p = mk_anon(24);

	if (!p)
		return mk_absent_errno(st, "mmap");
	for (size_t i = 0; i < 24; i++) {
		char *q = p + i * MK_PAGE;

		if (i % 3 == 0) {
			mk_write(q, MK_PAGE);
			mk_leaf(st, q, MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
		} else if (i % 3 == 1) {
			mk_range(st, q, MK_PAGE, MK_PAGE, MK_NONE, "", NULL);
		} else {
			mk_read(q, MK_PAGE);
			mk_leaf(st, q, MK_PAGE, MK_PAGE, "r--", "!dirty,special", "zero=1");
		}
	}
	return 0;
}

int mk_anon_ro(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	void *p = mk_anon(8);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	if (mprotect(p, len, PROT_READ))
		return mk_absent_errno(st, "mprotect");
	mk_leaf(st, p, len, MK_PAGE, "r--", MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_zero(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	void *p = mk_anon(8);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_read(p, len);
	mk_leaf(st, p, len, MK_PAGE, "r--", "!dirty,special", "zero=1");
	return 0;
}

int mk_protnone(struct mk_state *st)
{
	const size_t half = 8 * MK_PAGE;
	char *p = mk_anon(16);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, half);
	if (mprotect(p, 2 * half, PROT_NONE))
		return mk_absent_errno(st, "mprotect");
	mk_range(st, p, half, MK_PAGE, MK_PROTNONE, "!present," MK_WAS_WRITTEN, NULL);
	mk_range(st, p + half, half, MK_PAGE, MK_NONE, "", NULL);
	return 0;
}

int mk_mlock(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	void *p = mk_anon(8);

	if (!p)
		return mk_absent_errno(st, "mmap");
	if (mlock(p, len))
		return mk_absent_errno(st, "mlock");
	strcpy(st->vmflags, "lo");
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_dontneed(struct mk_state *st)
{
	const size_t part = 4 * MK_PAGE;
	char *p = mk_anon(12);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, 3 * part);
	if (madvise(p + part, part, MADV_DONTNEED))
		return mk_absent_errno(st, "MADV_DONTNEED");
	mk_leaf(st, p, part, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	mk_range(st, p + part, part, MK_PAGE, MK_NONE, "", NULL);
	mk_leaf(st, p + 2 * part, part, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_lazyfree(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	void *p = mk_anon(8);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	if (madvise(p, len, MADV_FREE))
		return mk_absent_errno(st, "MADV_FREE");
	mk_leaf(st, p, len, MK_PAGE, "rw-", "!accessed,!dirty,soft-dirty", NULL);
	return 0;
}

int mk_mremap(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	char *from = mk_anon(8), *to = mk_anon(8);

	if (!from || !to)
		return mk_absent_errno(st, "mmap");
	mk_write(from, len);
	if (mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		return mk_absent_errno(st, "mremap");
	/* Nothing else may move in where the pages came from. */
	if (mmap(from, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return mk_absent_errno(st, "mmap");
	mk_range(st, from, len, MK_PAGE, MK_NONE, "", NULL);
	mk_leaf(st, to, len, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_sparse(struct mk_state *st)
{
	const size_t len = 1UL << 40, mid = len / 2;
	char *p = mk_map(len, MK_PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!p)
		return mk_absent_errno(st, "mmap of 1 TiB");
	mk_write(p, MK_PAGE);
	mk_write(p + mid, MK_PAGE);
	mk_write(p + len - MK_PAGE, MK_PAGE);
	mk_leaf(st, p, MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	mk_range(st, p + MK_PAGE, mid - MK_PAGE, MK_PAGE, MK_NONE, "", NULL);
	mk_leaf(st, p + mid, MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	mk_range(st, p + mid + MK_PAGE, mid - 2 * MK_PAGE, MK_PAGE, MK_NONE, "", NULL);
	mk_leaf(st, p + len - MK_PAGE, MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_stack_guard(struct mk_state *st)
{
	char *p = mk_map(9 * MK_PAGE, MK_PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (!p)
		return mk_absent_errno(st, "mmap");
	if (mprotect(p, MK_PAGE, PROT_NONE))
		return mk_absent_errno(st, "mprotect");
	mk_write(p + MK_PAGE, 8 * MK_PAGE);
	mk_range(st, p, MK_PAGE, MK_PAGE, MK_NONE, "", "guard=1");
	mk_leaf(st, p + MK_PAGE, 8 * MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

int mk_growsdown(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	char *p = mk_map(64 * MK_PAGE, MK_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *top;

	if (!p)
		return mk_absent_errno(st, "mmap");
	/* Make the mapping at the upper end of free room, then let it grow by touching below. */
	top = p + 60 * MK_PAGE;
	munmap(p, 60 * MK_PAGE);
	if (mmap(top - MK_PAGE, MK_PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) ==
	    MAP_FAILED)
		return mk_absent_errno(st, "MAP_GROWSDOWN");
	for (size_t i = 1; i <= 8; i++)
		mk_write(top - i * MK_PAGE, MK_PAGE);
	strcpy(st->vmflags, "gd");
	mk_leaf(st, top - len, len, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

/* Map @pages written pages at @va itself, or say why not. */
static int map_at(struct mk_state *st, uintptr_t va, size_t pages)
{
	size_t len = pages * MK_PAGE;
	void *p = mmap((void *)va, len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return mk_absent_errno(st, "mmap at that address");
	if (p != (void *)va) {
		munmap(p, len);
		return mk_absent(st, "mmap chose another address");
	}
	madvise(p, len, MADV_NOHUGEPAGE);
	mk_write(p, len);
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}

/* The last page below 2^47 is never given to user space (TASK_SIZE_MAX). */
int mk_top47(struct mk_state *st)
{
	return map_at(st, (1UL << 47) - 2 * MK_PAGE, 1);
}

int mk_high57(struct mk_state *st)
{
	if (map_at(st, 1UL << 47, 4)) {
		if (errno == ENOMEM || errno == EINVAL)
			mk_absent(st, "no addresses above 47 bits (4-level paging)");
		return -1;
	}
	return map_at(st, (1UL << 56) - 2 * MK_PAGE, 1);
}

int mk_swap(struct mk_state *st)
{
	const size_t pages = 8, len = pages * MK_PAGE;
	char line[256];
	FILE *f = fopen("/proc/swaps", "re");
	int lines = 0;
	void *p;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	if (lines < 2)
		return mk_absent(st, "no swap is on");
	p = mk_anon(pages);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	for (int try = 0; try < 50; try++) {
		size_t out = 0;

		if (madvise(p, len, MADV_PAGEOUT))
			return mk_absent_errno(st, "MADV_PAGEOUT");
		for (size_t i = 0; i < pages; i++)
			out += mk_pagemap((uintptr_t)p + i * MK_PAGE) >> 62 == 1;
		if (out == pages) {
			mk_range(st, p, len, MK_PAGE, MK_SOFT, "!present", "swap=1");
			return 0;
		}
		usleep(20000);
	}
	return mk_absent(st, "MADV_PAGEOUT left pages in memory");
}

int mk_guard_region(struct mk_state *st)
{
	char *p = mk_anon(12);

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, 12 * MK_PAGE);
	if (madvise(p + 4 * MK_PAGE, 4 * MK_PAGE, MADV_GUARD_INSTALL))
		return mk_absent_errno(st, "MADV_GUARD_INSTALL");
	mk_leaf(st, p, 4 * MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	mk_range(st, p + 4 * MK_PAGE, 4 * MK_PAGE, MK_PAGE, MK_SOFT, "!present", "marker=guard");
	mk_leaf(st, p + 8 * MK_PAGE, 4 * MK_PAGE, MK_PAGE, "rw-", MK_WRITTEN, NULL);
	return 0;
}
