/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alter - memory that changes in known ways, for diff
 *
 * Prints "pid N" and "ready". A line on standard input makes it do the changes; then it prints what each was as
 *
 *	change NAME ADDR LEN
 *	absent NAME
 *
 * and "done", and waits to be killed. What it prints is prepared beforehand in static memory, so that little else changes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (1UL << 21)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux kernel commit 7d8faaf15545 ("mm/madvise: introduce MADV_COLLAPSE") (in v6.1) */
#endif

/* Far from each other, so that no two areas are one VMA. */
static char *area(size_t len, int prot, int how)
{
	static uintptr_t next = 0x600000000000;
	char *p = mmap((void *)next, len, prot, how | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	next += 1UL << 26;
	return p;
}

static void touch(char *p, size_t from, size_t pages)
{
	for (size_t i = from; i < from + pages; i++)
		((volatile char *)p)[i * PAGE] = 1;
}

static void look(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		(void)((volatile const char *)p)[i * PAGE];
}

static void told(const char *name, const char *p, size_t from, size_t pages)
{
	printf("change %s %lx %lx\n", name, (unsigned long)p + from * PAGE, pages * PAGE);
}

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	perror(what);
	exit(1);
}

int main(void)
{
	char *grown = area(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *guarded = area(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shut = area(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *holed = area(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *copied = area(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *gone = area(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *split = area(HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *whole = area(HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *still = area(64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char line[64], *fresh;
	int huge = 0, collapsed;

	touch(grown, 0, 8);
	touch(guarded, 0, 16);
	touch(shut, 0, 8);
	touch(holed, 0, 8);
	look(copied, 4);
	touch(gone, 0, 4);
	touch(still, 0, 64);
	huge = !madvise(split, HUGE, MADV_HUGEPAGE);
	touch(split, 0, 512);
	madvise(whole, HUGE, MADV_NOHUGEPAGE);
	touch(whole, 0, 512);
	printf("pid %d\nready\n", (int)getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;

	touch(grown, 8, 8);
	must(mprotect(guarded + 4 * PAGE, 4 * PAGE, PROT_READ), "mprotect");
	must(mprotect(shut, 8 * PAGE, PROT_NONE), "mprotect");
	must(munmap(holed + 2 * PAGE, 2 * PAGE), "munmap");
	touch(copied, 0, 4);
	must(munmap(gone, 4 * PAGE), "munmap");
	must(mprotect(split + PAGE, PAGE, PROT_READ), "mprotect");
	madvise(whole, HUGE, MADV_HUGEPAGE);
	collapsed = !madvise(whole, HUGE, MADV_COLLAPSE);
	fresh = area(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	touch(fresh, 0, 4);

	told("grown", grown, 8, 8);
	told("guarded", guarded, 4, 4);
	told("shut", shut, 0, 8);
	told("holed", holed, 2, 2);
	told("copied", copied, 0, 4);
	told("gone", gone, 0, 4);
	told("fresh", fresh, 0, 4);
	told("still", still, 0, 64);
	if (huge)
		told("split", split, 0, 512);
	else
		puts("absent split");
	if (collapsed)
		told("whole", whole, 0, 512);
	else
		puts("absent whole");
	puts("done");
	fflush(stdout);
	for (;;)
		pause();
}
