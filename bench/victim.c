/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * victim SHAPE...: a process with the memory that benchmarks look at, until standard input ends. For each line that comes in, the next SHAPE is added
 * to what there is; each time it prints PID ADDR BYTES of the last one.
 *
 *   pages:MIB        so much in pages of 4K, each of them touched
 *   huge:MIB         the same in pages of 2M, where the kernel has them
 *   none:GIB         reserved, PROT_NONE
 *   rw:GIB           reserved, readable and writable
 *   file:GIB:PAGES   a file in memory, of which so many pages are there, all over it
 *   nothing
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "measure.h"

#define M2    (UINT64_C(2) << 20)
#define PIECE ((size_t)10 << 40)

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

static void add(const char *shape)
{
	unsigned long long n, pages = 0;
	char kind[8] = "";
	char *p = NULL;
	size_t bytes;
	int got = sscanf(shape, "%7[a-z]:%llu:%llu", kind, &n, &pages);

	bytes = got < 2 ? 0 : (size_t)n << (!strcmp(kind, "pages") || !strcmp(kind, "huge") ? 20 : 30);
	if (!strcmp(kind, "pages") && bytes)
		p = touched(bytes, 4096, MADV_NOHUGEPAGE);
	else if (!strcmp(kind, "huge") && bytes)
		p = touched(bytes, M2, MADV_HUGEPAGE);
	else if (!strcmp(kind, "none") && bytes)
		p = reserve_all(bytes, PROT_NONE);
	else if (!strcmp(kind, "rw") && bytes)
		p = reserve_all(bytes, PROT_READ | PROT_WRITE);
	else if (!strcmp(kind, "file") && bytes && pages)
		p = sparse_file(bytes, pages);
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
