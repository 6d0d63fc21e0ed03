// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mkreasons - memory whose translation has one reason each, beside what mkmaps makes. For guests only: it poisons memory.
 *
 *	mkreasons NAME...
 *
 * Output: "pid N", then a line a page that the kernel itself says is as wanted (pagemap, kpageflags)
 *
 *	page NAME addr=0x...
 *	absent NAME REASON
 *	ready
 *
 * It then runs in user mode without touching any of these pages, until it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define PAGE  4096UL
#define M2    (2UL << 20)
#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define MOVED 64 /* pages, at most */
#define HUGE  16
#define MOVES 16 /* of the same pages */

#define KPF_HWPOISON 19

static const char *name;

static void absent(const char *what)
{
	printf("absent %s %s: %s\n", name, what, strerror(errno));
}

static void made(const void *p)
{
	printf("page %s addr=0x%lx\n", name, (uintptr_t)p);
}

static uint64_t word(const char *path, uint64_t n)
{
	uint64_t w = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &w, sizeof(w), (off_t)(n * sizeof(w))) != sizeof(w))
		w = 0;
	if (fd >= 0)
		close(fd);
	return w;
}

static uint64_t pagemap(const void *p)
{
	return word("/proc/self/pagemap", (uintptr_t)p / PAGE);
}

/* Between pages of no access, so that no VMA next to it joins it. */
static char *room(size_t len, size_t align)
{
	char *p = mmap(NULL, len + align + 2 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *at;

	if (p == MAP_FAILED)
		return NULL;
	at = (char *)(((uintptr_t)p + PAGE + align - 1) & ~(align - 1));
	return mprotect(at, len, RW) ? NULL : at;
}

static void touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE)
		*(volatile char *)(p + i) = (char)(i / PAGE + 1);
}

/* -------- one after the other -------- */

static void ksm(void)
{
	char *p = room(16 * PAGE, PAGE);

	memset(p, 0x5a, 16 * PAGE);
	if (madvise(p, 16 * PAGE, MADV_MERGEABLE)) {
		absent("MADV_MERGEABLE");
		return;
	}
	/* Not by kpageflags, which on some kernels has all anonymous pages merged. */
	for (int i = 0; i < 600 && pagemap(p) != pagemap(p + PAGE); i++)
		usleep(50000);
	if (pagemap(p) >> 63 && pagemap(p) == pagemap(p + PAGE))
		made(p);
	else
		absent("not merged");
}

static void uffd_missing(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *p = room(4 * PAGE, PAGE);
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4 * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		absent("userfaultfd");
	else
		made(p);
}

static char *of_file(size_t has, size_t len)
{
	int fd = memfd_create("reasons", MFD_CLOEXEC);
	char *p;

	if (fd < 0 || ftruncate(fd, (off_t)has))
		return NULL;
	p = mmap(NULL, len, RW, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static void file_not_read(void)
{
	char *p = of_file(2 * PAGE, 2 * PAGE);

	if (p)
		made(p + PAGE);
	else
		absent("memfd");
}

static void past_end(void)
{
	char *p = of_file(PAGE, 2 * PAGE);

	if (p)
		made(p + PAGE);
	else
		absent("memfd");
}

static void reserved(void)
{
	char *p = mmap(NULL, 16 * M2, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	made(p + M2);
}

/* Sixteen pages between a page and a mapping that grows down to it. */
static void stack_gap(void)
{
	char *p = mmap(NULL, 600 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *top = p + 500 * PAGE;

	munmap(p + PAGE, 598 * PAGE);
	if (mmap(top, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == MAP_FAILED ||
	    mmap(top - 17 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED)
		absent("MAP_GROWSDOWN");
	else
		made(top - 4 * PAGE);
}

/* 4K pages where there could be one of 2M. */
static void small(int advice)
{
	char *p = room(2 * M2, M2);

	if (advice == MADV_NOHUGEPAGE && madvise(p, 2 * M2, advice)) {
		absent("madvise");
		return;
	}
	touch(p, 4 * PAGE);
	if (advice == MADV_HUGEPAGE && madvise(p, 2 * M2, advice)) {
		absent("madvise");
		return;
	}
	made(p + PAGE);
}

static void thp_madvise(void)
{
	small(MADV_NORMAL);
}

static void nohugepage(void)
{
	small(MADV_NOHUGEPAGE);
}

static void holes(void)
{
	small(MADV_HUGEPAGE);
}

static void thp_off_process(void)
{
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		absent("PR_SET_THP_DISABLE");
	else
		small(MADV_NORMAL);
}

static void swapped(void)
{
	char *p = room(8 * PAGE, PAGE);

	touch(p, 8 * PAGE);
	for (int i = 0; i < 100 && pagemap(p) >> 62 != 1; i++) {
		madvise(p, 8 * PAGE, MADV_PAGEOUT);
		usleep(20000);
	}
	if (pagemap(p) >> 62 == 1)
		made(p);
	else
		absent("not swapped out");
}

static void go_on(int sig)
{
	(void)sig;
}

static void hwpoison(void)
{
	char *p = room(4 * PAGE, PAGE);
	struct stat st;
	uint64_t pfn;

	/* Never on a machine that somebody needs: only where our own initramfs runs. */
	if (stat("/lib/agent-modules", &st) || getpid() == 1) {
		errno = EPERM;
		absent("no guest");
		return;
	}
	signal(SIGBUS, go_on);
	touch(p, 4 * PAGE);
	pfn = pagemap(p + PAGE) & ((1UL << 55) - 1);
	if (madvise(p + PAGE, PAGE, MADV_HWPOISON)) {
		absent("MADV_HWPOISON");
		return;
	}
	if (pagemap(p + PAGE) >> 62 == 1 && word("/proc/kpageflags", pfn) >> KPF_HWPOISON & 1)
		made(p + PAGE);
	else
		absent("not poisoned");
}

/* The calling thread's CPU from here on: the first is of node 0, the last of node 1. */
static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		absent("no such CPU");
}

/* All of `page` to a node: true when they are there. */
static bool move(void **page, size_t n, int to)
{
	static int node[MOVED], status[MOVED];
	size_t there = 0;

	for (size_t i = 0; i < n; i++)
		node[i] = to;
	syscall(SYS_move_pages, 0, n, page, node, status, 2 /* MPOL_MF_MOVE */);
	for (size_t i = 0; i < n; i++)
		there += status[i] == to;
	return there == n;
}

/* What NUMA balancing looks at while this process runs: pages of another node than the CPU's, or a process alone is spared. */
static void numa(void)
{
	void *page[MOVED];
	char *p = room(MOVED * PAGE, PAGE);

	stay_on(0);
	touch(p, MOVED * PAGE);
	for (int i = 0; i < MOVED; i++)
		page[i] = p + i * PAGE;
	if (!move(page, MOVED, 1)) {
		absent("not all on node 1");
		return;
	}
	for (int i = 0; i < MOVED; i++)
		made(page[i]);
}

static void *moved[HUGE];

static void *mover(void *unused)
{
	stay_on((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	for (;;) {
		for (int i = 0; i < MOVES; i++)
			move(moved, HUGE, !(i & 1));
		/* One for which no huge page was free has become small ones. */
		madvise(moved[0], HUGE * M2, MADV_DONTNEED);
		touch(moved[0], HUGE * M2);
	}
	return unused;
}

/* Huge pages: to copy one takes most of the time of moving it, and so it is found under way. */
static void migration(void)
{
	pthread_t t;
	char *p = room(HUGE * M2, M2);

	madvise(p, HUGE * M2, MADV_HUGEPAGE);
	touch(p, HUGE * M2);
	for (int i = 0; i < HUGE; i++) {
		moved[i] = p + i * M2;
		made(moved[i]);
	}
	pthread_create(&t, NULL, mover, NULL);
}

static const struct {
	const char *name;
	void (*make)(void);
} reasons[] = {
	{ "ksm", ksm },
	{ "uffd-missing", uffd_missing },
	{ "file-not-read", file_not_read },
	{ "past-end-of-file", past_end },
	{ "reserved", reserved },
	{ "stack-guard-gap", stack_gap },
	{ "thp-madvise", thp_madvise },
	{ "nohugepage", nohugepage },
	{ "holes", holes },
	{ "thp-off-process", thp_off_process },
	{ "swapped", swapped },
	{ "hwpoison", hwpoison },
	{ "numa-hint", numa },
	{ "migration", migration },
};

int main(int argc, char **argv)
{
	volatile unsigned long turns = 0;

	printf("pid %d\n", getpid());
	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof(reasons) / sizeof(reasons[0]); k++) {
			if (strcmp(argv[i], reasons[k].name))
				continue;
			name = reasons[k].name;
			reasons[k].make();
		}
	printf("ready\n");
	fflush(stdout);
	/* A process that sleeps is none that NUMA balancing looks at; swapped memory and the like wait. */
	for (bool spin = argc > 1 && !strcmp(argv[argc - 1], "numa-hint"); spin;)
		turns++;
	for (;;)
		pause();
}
