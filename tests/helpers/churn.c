// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * churn - a process whose page tables never rest, beside a region that never changes
 *
 * Two threads, each bound to a CPU of its own where there are two, map, touch, protect and unmap
 * memory of many sizes at many addresses; a third forks and execs. The page-table pages of this
 * very process are so freed and used again all the time. The sentinel region is touched once and
 * then left alone: a walker must find all of it, every time.
 *
 * Output: "pid N", "sentinel addr=0x... len=0x...", "ready", and at the end "cycles N forks N".
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define MB   (1UL << 20)

/* Each worker has a window of its own, far from the sentinel and from what mmap() chooses. */
#define WINDOW       (64UL << 30)
#define WINDOW_AT(n) (0x100000000000UL + (n)*WINDOW)

/* Pages that one worker may hold at a time, so that it runs in a guest of 256 MiB. */
#define MAX_TOUCHED 128

static atomic_bool stop;
static atomic_ulong cycles, forks;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void bind_to_cpu(int nth)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	nth %= CPU_COUNT(&all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/* Touch up to @count pages of [p, p + len), @step apart: each may need a table of its own. */
static void touch(char *p, size_t len, size_t step, size_t count)
{
	for (size_t i = 0; i < len && count; i += step, count--)
		*(volatile char *)(p + i) = 1;
}

/* One mapping: made, touched, perhaps changed in part, and gone again. */
static void cycle(uintptr_t window, uint64_t *random)
{
	static const size_t sizes[] = {
		PAGE, 16 * PAGE, 512 * 1024, 2 * MB, 6 * MB, 64 * MB, 1024 * MB, 8192 * MB,
	};
	static const size_t steps[] = { PAGE, 16 * PAGE, 2 * MB, 2 * MB + PAGE, 64 * MB };
	uint64_t r = next_random(random);
	size_t len = sizes[r % 8], step = steps[(r >> 8) % 5];
	size_t room = (WINDOW - len) / PAGE;
	uintptr_t at = window + (r >> 16) % room * PAGE;
	char *p;

	/* Aligned now and then, so that huge pages come and go where tables were. */
	if ((r >> 60) == 0)
		at &= ~(2 * MB - 1);
	p = mmap((void *)at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0);
	if (p == MAP_FAILED)
		return;
	if ((r >> 60) || len > 8 * MB)
		madvise(p, len, MADV_NOHUGEPAGE);
	touch(p, len, step, 1 + (r >> 40) % MAX_TOUCHED);
	if ((r >> 12 & 3) == 0)
		mprotect(p, len / 2 & ~(PAGE - 1), PROT_NONE);
	else if ((r >> 12 & 3) == 1)
		madvise(p, len, MADV_DONTNEED);
	munmap(p, len);
	atomic_fetch_add(&cycles, 1);
}

static void *worker(void *arg)
{
	int nth = (int)(intptr_t)arg;
	uint64_t random = 0x9e3779b97f4a7c15UL * (unsigned int)(nth + 1);

	bind_to_cpu(nth);
	while (!atomic_load(&stop))
		cycle(WINDOW_AT((unsigned int)nth), &random);
	return NULL;
}

/* fork() copies (and so write-protects) everything but the sentinel; the child execs and ends. */
static void *forker(void *unused)
{
	(void)unused;
	while (!atomic_load(&stop)) {
		pid_t pid = fork();

		if (!pid) {
			execl("/proc/self/exe", "churn", "--exit", (char *)NULL);
			_exit(1);
		}
		if (pid > 0) {
			waitpid(pid, NULL, 0);
			atomic_fetch_add(&forks, 1);
		}
		usleep(1000);
	}
	return NULL;
}

static char *make_sentinel(size_t len)
{
	const size_t align = 2 * MB;
	char *room = mmap(NULL, len + 2 * align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p;

	if (room == MAP_FAILED)
		return NULL;
	p = (char *)(((uintptr_t)room + align) & ~(align - 1));
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		return NULL;
	madvise(p, len, MADV_NOHUGEPAGE);
	/* A child would share the pages, and fork() would take their write permission for it. */
	madvise(p, len, MADV_DONTFORK);
	for (size_t i = 0; i < len; i += PAGE)
		*(uintptr_t *)(p + i) = (uintptr_t)(p + i); /* each page says where it is */
	/* Reclaim must not touch it either; without the right to lock, it is likely not to. */
	mlock(p, len);
	return p;
}

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&stop, true);
}

static void wait_for_end(double seconds)
{
	struct timespec tick = { .tv_nsec = 20 * 1000 * 1000 };

	for (double t = 0; !atomic_load(&stop) && (seconds <= 0 || t < seconds); t += 0.02)
		nanosleep(&tick, NULL);
	atomic_store(&stop, true);
}

static int usage(void)
{
	fputs("Usage: churn [--seconds N] [--sentinel BYTES] [--no-fork]\n"
	      "Changes its page tables without end, beside a region that stays.\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "sentinel", required_argument, NULL, 'r' },
		{ "no-fork", no_argument, NULL, 'n' },
		{ "exit", no_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	size_t len = 64 * MB;
	double seconds = 0;
	bool fork_too = true;
	pthread_t t[3];
	char *p;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 's')
			seconds = atof(optarg);
		else if (c == 'r')
			len = (strtoul(optarg, NULL, 0) + PAGE - 1) & ~(PAGE - 1);
		else if (c == 'n')
			fork_too = false;
		else if (c == 'x')
			return 0;
		else
			return usage();
	}
	p = make_sentinel(len);
	if (!p || !len) {
		fprintf(stderr, "churn: no memory for the sentinel: %s\n", strerror(errno));
		return 1;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (int i = 0; i < 3; i++) {
		if (i == 2 && !fork_too)
			continue;
		if (pthread_create(&t[i], NULL, i < 2 ? worker : forker, (void *)(intptr_t)i))
			return 1;
	}
	printf("pid %d\nsentinel addr=0x%lx len=0x%zx\nready\n", getpid(), (uintptr_t)p, len);
	fflush(stdout);
	wait_for_end(seconds);
	for (int i = 0; i < (fork_too ? 3 : 2); i++)
		pthread_join(t[i], NULL);
	printf("cycles %lu forks %lu\n", atomic_load(&cycles), atomic_load(&forks));
	return 0;
}
