/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench live: the ways to learn where each page of a live process is, interleaved in one run.
 *
 *   live SOURCE MIB RUNS PAGEWALK
 *
 * A child touches MIB mebibytes in 4K pages. Each round then measures every way once, and prints one line a
 * measurement: WAY PAGES NANOSECONDS; for PAGEWALK as a whole process also "rss PAGES KIB". Ratios and medians are
 * bench.py's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#define PFN_MASK ((UINT64_C(1) << 55) - 1)

struct victim {
	pid_t pid;
	uint64_t addr;
	size_t bytes;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "live: %s: %s\n", what, strerror(errno));
	exit(3);
}

static void child(size_t bytes, int ready)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (p == MAP_FAILED || madvise(p, bytes, MADV_NOHUGEPAGE))
		_exit(1);
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	if (write(ready, &p, sizeof(p)) != sizeof(p))
		_exit(1);
	for (;;)
		pause();
}

static struct victim start(size_t bytes)
{
	struct victim v = { .bytes = bytes };
	int fds[2];
	char *p;

	if (pipe(fds))
		die("pipe");
	v.pid = fork();
	if (v.pid == 0)
		child(bytes, fds[1]);
	close(fds[1]);
	if (read(fds[0], &p, sizeof(p)) != sizeof(p))
		die("the child could not get its memory");
	v.addr = (uintptr_t)p;
	return v;
}

static int open_pagemap(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	return fd;
}

/* A plain reader of pagemap, 64 KiB a read. */
static uint64_t bulk(const struct victim *v)
{
	static uint64_t words[8192];
	uint64_t pages = v->bytes / 4096, sum = 0;
	int fd = open_pagemap(v->pid);

	for (uint64_t i = 0; i < pages; i += 8192) {
		ssize_t n = pread(fd, words, sizeof(words), (v->addr / 4096 + i) * 8);

		if (n <= 0)
			die("pread of pagemap");
		for (ssize_t k = 0; k < n / 8; k++)
			sum += words[k] >> 63 ? words[k] & PFN_MASK : 0;
	}
	close(fd);
	return sum;
}

/* One pread for each page. */
static uint64_t single(const struct victim *v)
{
	uint64_t pages = v->bytes / 4096, sum = 0, word;
	int fd = open_pagemap(v->pid);

	for (uint64_t i = 0; i < pages; i++) {
		if (pread(fd, &word, 8, (v->addr / 4096 + i) * 8) != 8)
			die("pread of pagemap");
		sum += word >> 63 ? word & PFN_MASK : 0;
	}
	close(fd);
	return sum;
}

static int print_run(void *ctx, const struct pw_run *run)
{
	uint64_t *pages = ctx;
	static FILE *null;
	char perm[5];

	if (!null)
		null = fopen("/dev/null", "w");
	fprintf(null, "%llx-%llx %s %llu x %llu %llu %s\n", (unsigned long long)run->va,
		(unsigned long long)run->last + 1, pw_perm_text(run->perm, perm), (unsigned long long)run->pages,
		(unsigned long long)run->page_size, (unsigned long long)run->extents, run->area ? run->area->name : "");
	*pages += run->pages;
	return 0;
}

/* The user half of a process, every entry of it, merged and printed: with the target open, and from nothing. */
static uint64_t walk(struct pw_target *t, const struct victim *v, enum pw_runs_mode mode)
{
	struct pw_select sel = { .kind = PW_SELECT_PID, .pid = v->pid };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, (UINT64_C(1) << 56) - 1 } };
	struct pw_walk_stats stats = { 0 };
	struct pw_error err = { 0 };
	struct pw_space space;
	struct pw_runs *runs;
	uint64_t pages = 0;

	if (pw_target_space(t, &sel, &space, &err)) {
		fprintf(stderr, "live: %s\n", err.text);
		exit(3);
	}
	runs = pw_runs_new(mode, &space.areas, print_run, &pages);
	if (!runs || pw_walk(&space, &opts, &pw_runs_visitor, runs, &stats) || pw_runs_flush(runs))
		die("walk");
	if (stats.unstable || stats.unreadable || pages < v->bytes / 4096) {
		fprintf(stderr, "live: an incomplete dump: %llu pages\n", (unsigned long long)pages);
		exit(3);
	}
	pw_runs_free(runs);
	pw_space_free(&space);
	return pages;
}

static struct pw_target *open_target(const char *source)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .source = source };
	struct pw_error err = { 0 };
	struct pw_target *t;

	if (pw_target_open(&opts, &t, &err)) {
		fprintf(stderr, "live: %s\n", err.text);
		exit(3);
	}
	return t;
}

/* The command, start-up and all, with its output thrown away; returns its peak memory in KiB. */
static long process(const char *pagewalk, const char *source, const struct victim *v)
{
	struct rusage usage;
	char pid[16];
	pid_t child;
	int status;

	snprintf(pid, sizeof(pid), "%d", (int)v->pid);
	child = fork();
	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		execl(pagewalk, pagewalk, "-s", source, "dump", pid, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child || status)
		die(pagewalk);
	return usage.ru_maxrss;
}

static void measured(const char *way, const struct victim *v, uint64_t started)
{
	printf("%s %llu %llu\n", way, (unsigned long long)v->bytes / 4096, (unsigned long long)(now() - started));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pw_target *t;
	struct victim v;
	uint64_t at;
	long rss = 0;

	if (argc != 5)
		return 2;
	v = start(strtoull(argv[2], NULL, 10) << 20);
	t = open_target(argv[1]);
	for (int runs = atoi(argv[3]); runs > 0; runs--) {
		at = now(), bulk(&v), measured("bulk", &v, at);
		at = now(), walk(t, &v, PW_RUNS_READ), measured("dump", &v, at);
		at = now(), walk(t, &v, PW_RUNS_EXACT), measured("exact", &v, at);
		at = now(), pw_target_close(t), t = open_target(argv[1]), measured("open", &v, at);
		at = now(), rss = process(argv[4], argv[1], &v), measured("process", &v, at);
	}
	printf("rss %llu %ld\n", (unsigned long long)v.bytes / 4096, rss);
	at = now(), single(&v), measured("single", &v, at);
	pw_target_close(t);
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	return 0;
}
