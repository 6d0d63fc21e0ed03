/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sharers: processes that have frames in common, each in its own way, until standard input ends. Prints "absent NAME WHY" or, of each way,
 * "NAME ADDR PAGES", at the same address in both:
 *
 *	cow     written before fork(): private, and shared until one writes
 *	file    a shared mapping of one file
 *	twins   pages of one content, written by each for itself: one frame when KSM has come round
 *	huge    2M pages of a hugetlbfs file, in a mapping that is so large and so aligned that the processes share the table
 *
 * and then "parent PID", "child PID", "same PID" (a process with the memory of the parent), "ready".
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096UL
#define GIB    (1UL << 30)
#define NPAGES 4

static char *map(const char *name, size_t len, int flags, int fd, char *at)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		printf("absent %s %s\n", name, strerror(errno));
		return NULL;
	}
	return p;
}

/* All of an aligned GiB: then tables of its 2M pages can be shared. */
static char *map_huge(void)
{
	int fd = memfd_create("sharers", MFD_HUGETLB);
	char *room = mmap(NULL, 2 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fd < 0 || room == MAP_FAILED || ftruncate(fd, GIB)) {
		printf("absent huge %s\n", strerror(errno));
		return NULL;
	}
	return map("huge", GIB, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
		   (char *)(((uintptr_t)room + GIB - 1) & ~(GIB - 1)));
}

static void twin(char *twins)
{
	for (unsigned i = 0; twins && i < NPAGES; i++)
		memset(twins + i * PAGE, 'k', PAGE);
}

static int stay(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
	return 0;
}

int main(void)
{
	char *cow = map("cow", NPAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, NULL);
	int fd = memfd_create("sharers", 0);
	char *file = ftruncate(fd, NPAGES * PAGE) ? NULL : map("file", NPAGES * PAGE, MAP_SHARED, fd, NULL);
	char *twins = map("twins", NPAGES * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, NULL);
	char *huge = map_huge(), *stack = malloc(65536), byte;
	pid_t child, same;
	int pipe_to[2];

	if (!cow || !file || !twins || !stack || pipe(pipe_to))
		return 1;
	if (madvise(twins, NPAGES * PAGE, MADV_MERGEABLE))
		printf("absent twins %s\n", strerror(errno));
	memset(cow, 'c', NPAGES * PAGE);
	memset(file, 'f', NPAGES * PAGE);
	if (huge)
		memset(huge, 'h', PAGE);
	child = fork();
	if (child < 0)
		return 1;
	if (!child) {
		twin(twins);
		for (unsigned i = 0; i < NPAGES; i++)
			*(volatile char *)(file + i * PAGE);
		if (huge)
			*(volatile char *)huge;
		if (write(pipe_to[1], "", 1) == 1)
			stay(NULL);
	}
	twin(twins);
	same = clone(stay, stack + 65536, CLONE_VM | SIGCHLD, NULL);
	if (same < 0 || read(pipe_to[0], &byte, 1) != 1)
		return 1;
	printf("cow %lx %d\nfile %lx %d\ntwins %lx %d\n", (unsigned long)cow, NPAGES, (unsigned long)file, NPAGES,
	       (unsigned long)twins, NPAGES);
	if (huge)
		printf("huge %lx 1\n", (unsigned long)huge);
	printf("parent %d\nchild %d\nsame %d\nready\n", (int)getpid(), (int)child, (int)same);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	kill(child, SIGKILL);
	kill(same, SIGKILL);
	waitpid(child, NULL, 0);
	waitpid(same, NULL, 0);
	return 0;
}
