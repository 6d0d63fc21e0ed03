// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * victim SHAPE...: a process with memory of a known shape, to look at, until standard input ends. For each line that comes in, the next SHAPE is added
 * to what there is; each time it prints PID ADDR BYTES of the last one.
 *
 *   pages:MIB        so much in pages of 4K, each of them touched
 *   huge:MIB         the same in pages of 2M, where the kernel has them
 *   none:GIB         reserved, PROT_NONE
 *   rw:GIB           reserved, readable and writable
 *   file:GIB:PAGES   a file in memory, of which so many pages are there, all over it
 *   high:PIB         reserved, PROT_NONE, above 47 bits
 *   hugetlb:GIB:PAGES  so much of a file of so many pages of 2M from the pool, mapped over and over: an entry for each 2M
 *   nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define M2      (UINT64_C(2) << 20)
#define PIECE   ((size_t)10 << 40)
#define BITS_47 ((char *)(UINT64_C(1) << 47))

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "victim: %s: %s\n", what, why);
	exit(3);
}

static char *reserve(size_t bytes, int prot)
{
	char *p = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap", strerror(errno));
	return p;
}

/* In pieces, because the program lies in the middle of the space. The first one's address. */
static char *reserve_all(size_t bytes, int prot)
{
	char *first = NULL;

	for (size_t done = 0; done < bytes; done += PIECE) {
		char *p = reserve(bytes - done < PIECE ? bytes - done : PIECE, prot);

		first = first ? first : p;
	}
	return first;
}

static char *reserve_high(size_t bytes)
{
	char *p = mmap(BITS_47, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || p < BITS_47)
		die("high", "no addresses above 47 bits");
	return p;
}

/* Private and only read: no mapping wants pages of its own, and none shares its tables with another. */
static char *hugetlb(size_t bytes, size_t pages)
{
	const int flags = MAP_PRIVATE | MAP_NORESERVE | MAP_POPULATE | MAP_FIXED;
	int fd = memfd_create("hugetlb", MFD_HUGETLB | MFD_HUGE_2MB);
	char *p;

	if (bytes % (pages * M2))
		die("hugetlb", "it is not mapped over and over as a whole");
	if (fd < 0 || fallocate(fd, 0, 0, (off_t)(pages * M2)))
		die("hugetlb: pages of the pool", strerror(errno));
	p = reserve(bytes + M2, PROT_NONE);
	p += -(uintptr_t)p & (M2 - 1);
	for (size_t at = 0; at < bytes; at += pages * M2)
		if (mmap(p + at, pages * M2, PROT_READ, flags, fd, 0) == MAP_FAILED)
			die("hugetlb", strerror(errno));
	return p;
}

/* Page by page: what faults in around a page is the kernel's choice. */
static char *touched(size_t bytes, size_t align, int advice)
{
	char *p = reserve(bytes + align, PROT_READ | PROT_WRITE);

	p += -(uintptr_t)p & (align - 1);
	if (madvise(p, bytes, advice))
		die("madvise", strerror(errno));
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return p;
}

static char *sparse_file(size_t bytes, size_t pages)
{
	int fd = memfd_create("sparse", 0);
	char *p;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		die("memfd", strerror(errno));
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap", strerror(errno));
	for (size_t i = 0; i < pages; i++)
		p[bytes / pages / 4096 * 4096 * i] = 1;
	return p;
}

static char *shaped(const char *kind, size_t n, size_t pages, size_t *bytes)
{
	*bytes = n << 30;
	if (!strcmp(kind, "none"))
		return reserve_all(*bytes, PROT_NONE);
	if (!strcmp(kind, "rw"))
		return reserve_all(*bytes, PROT_READ | PROT_WRITE);
	if (!strcmp(kind, "file") && pages)
		return sparse_file(*bytes, pages);
	if (!strcmp(kind, "hugetlb") && pages)
		return hugetlb(*bytes, pages);
	*bytes = n << 20;
	if (!strcmp(kind, "pages"))
		return touched(*bytes, 4096, MADV_NOHUGEPAGE);
	if (!strcmp(kind, "huge"))
		return touched(*bytes, M2, MADV_HUGEPAGE);
	*bytes = n << 50;
	if (!strcmp(kind, "high"))
		return reserve_high(*bytes);
	die(kind, "no such shape");
}

static void add(const char *shape)
{
	unsigned long long n, pages = 0;
	char kind[8] = "";
	char *p = NULL;
	size_t bytes = 0;
	int got = sscanf(shape, "%7[a-z]:%llu:%llu", kind, &n, &pages);

	if (got >= 2 && n)
		p = shaped(kind, n, pages, &bytes);
	else if (strcmp(kind, "nothing"))
		die(shape, "no such shape");
	printf("%d %llx %zu\n", (int)getpid(), (unsigned long long)(uintptr_t)p, bytes);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i < argc; i++) {
		add(argv[i]);
		if (!fgets(line, sizeof(line), stdin))
			return 0;
	}
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
