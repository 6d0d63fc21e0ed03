/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define HUGE (UINT64_C(2) << 20)

/* A number from a file: of the line that begins with key, or of the first one. false: there is none. */
static bool read_number(const char *path, const char *key, uint64_t *out)
{
	FILE *f = fopen(path, "re");
	unsigned long long n;
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), " %llu", &n) == 1) {
			*out = n;
			found = true;
		}
	fclose(f);
	return found;
}

/* Rather refused than killed half way by the kernel, which might take another process for it. */
static int check_room(uint64_t bytes, struct pw_error *err)
{
	uint64_t kib, swap = 0;

	if (!read_number("/proc/meminfo", "MemAvailable:", &kib))
		return 0;
	read_number("/proc/meminfo", "SwapFree:", &swap);
	if (bytes >> 10 <= kib + swap)
		return 0;
	return pw_error_set(err, -ENOMEM, "%lluM are wanted, and %lluM can be had here: ask for less with -m",
			    (unsigned long long)(bytes >> 20), (unsigned long long)((kib + swap) >> 10));
}

static int no_memory(const struct alloc_wish *wish, struct pw_error *err)
{
	if (!wish->huge)
		return pw_error_set(err, -ENOMEM, "no memory: %s", strerror(errno));
	return pw_error_set(err, -ENOMEM,
			    "no %llu huge pages of 2M are free: as root, 'echo %llu >/proc/sys/vm/nr_hugepages'",
			    (unsigned long long)(wish->bytes / HUGE), (unsigned long long)(wish->bytes / HUGE));
}

static int map(uint64_t bytes, int flags, struct alloc_block *out)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	*out = (struct alloc_block){ (uintptr_t)at, bytes };
	return 0;
}

/* Whole 2 MiB at addresses of 2 MiB, so that huge pages fit: what is too much around them goes back. */
static int map_aligned(uint64_t bytes, struct alloc_block *out)
{
	struct alloc_block b;
	uint64_t start;

	if (map(bytes + HUGE, 0, &b))
		return -1;
	start = (b.va + HUGE - 1) & ~(HUGE - 1);
	if (start != b.va)
		munmap((void *)(uintptr_t)b.va, start - b.va);
	if (start - b.va != HUGE)
		munmap((void *)(uintptr_t)(start + bytes), HUGE - (start - b.va));
	*out = (struct alloc_block){ start, bytes };
	return 0;
}

static int make_one(const struct alloc_wish *wish, struct alloc *a, struct pw_error *err)
{
	int rc;

	if (wish->huge)
		rc = map(wish->bytes, MAP_HUGETLB | 21 << 26 /* MAP_HUGE_2MB */, &a->block[0]);
	else if (wish->thp)
		rc = map_aligned(wish->bytes, &a->block[0]);
	else
		rc = map(wish->bytes, 0, &a->block[0]);
	if (rc)
		return no_memory(wish, err);
	a->n = 1;
	if (wish->thp && madvise((void *)(uintptr_t)a->block[0].va, wish->bytes, MADV_HUGEPAGE))
		return pw_error_set(err, -errno, "this kernel has no transparent huge pages: %s", strerror(errno));
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct alloc_block *x = a, *y = b;

	return (x->va > y->va) - (x->va < y->va);
}

/* Neighbours, and what else is near, then differ in something, so that the kernel does not make one VMA of two. */
static int map_apart(bool odd, struct alloc_block *out)
{
	if (map(ALLOC_PAGE, odd ? MAP_NORESERVE : 0, out))
		return -1;
	return odd ? 0 : madvise((void *)(uintptr_t)out->va, ALLOC_PAGE, MADV_DONTFORK);
}

/*
 * Each block is an mmap of one page, and a VMA of its own, unless there are more than a process may have. Huge pages are
 * off, so that the kernel does not put 512 blocks together.
 */
static int make_many(const struct alloc_wish *wish, struct alloc *a, struct pw_error *err)
{
	uint64_t most = 65530, n = wish->bytes / ALLOC_PAGE;
	bool apart;

	read_number("/proc/sys/vm/max_map_count", "", &most);
	apart = n + 1000 < most;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (; a->n < n; a->n++)
		if (apart ? map_apart(a->n % 2, &a->block[a->n]) : map(ALLOC_PAGE, 0, &a->block[a->n]))
			return no_memory(wish, err);
	qsort(a->block, a->n, sizeof(*a->block), by_address);
	return 0;
}

static int lock(const struct alloc *a, struct pw_error *err)
{
	for (size_t i = 0; i < a->n; i++)
		if (mlock((void *)(uintptr_t)a->block[i].va, a->block[i].bytes))
			return pw_error_set(err, -errno, "--lock: mlock: %s: raise 'ulimit -l', or as root",
					    strerror(errno));
	return 0;
}

/* Written to, not read: a page that was only read would be the page of zeros. */
static void touch(const struct alloc *a)
{
	for (size_t i = 0; i < a->n; i++)
		for (uint64_t at = 0; at < a->block[i].bytes; at += ALLOC_PAGE)
			*(volatile char *)(uintptr_t)(a->block[i].va + at) = 1;
}

int alloc_make(const struct alloc_wish *wish, struct alloc *out, struct pw_error *err)
{
	uint64_t unit = wish->huge || wish->thp ? HUGE : ALLOC_PAGE;
	struct alloc_wish whole = *wish;
	struct alloc a = { 0 };
	int rc;

	if (wish->bytes > UINT64_C(1) << 46)
		return pw_error_set(err, -ENOMEM, "no process can have that much memory");
	whole.bytes = (wish->bytes + unit - 1) & ~(unit - 1);
	rc = wish->huge ? 0 : check_room(whole.bytes, err);
	if (rc)
		return rc;
	a.bytes = whole.bytes;
	a.block = calloc(wish->one_block ? 1 : whole.bytes / ALLOC_PAGE, sizeof(*a.block));
	if (!a.block)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = wish->one_block ? make_one(&whole, &a, err) : make_many(&whole, &a, err);
	if (!rc)
		touch(&a);
	if (!rc && wish->lock)
		rc = lock(&a, err);
	if (rc)
		alloc_free(&a);
	else
		*out = a;
	return rc;
}

bool alloc_thp_is_off(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char line[64] = "";
	bool off = f && fgets(line, sizeof(line), f) && strstr(line, "[never]");

	if (f)
		fclose(f);
	return off;
}

void alloc_free(struct alloc *a)
{
	for (size_t i = 0; i < a->n; i++)
		munmap((void *)(uintptr_t)a->block[i].va, a->block[i].bytes);
	free(a->block);
	*a = (struct alloc){ 0 };
}
