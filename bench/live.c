/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench live: the ways to learn where each page of a live process is, interleaved in one run.
 *
 *   live SOURCE MIB RUNS PAGEWALK
 *
 * A child touches MIB mebibytes in 4K pages. Each round then measures every way once, and prints one line a
 * measurement: WAY PAGES NANOSECONDS; for PAGEWALK as a whole process also "rss PAGES KIB". Ratios and medians are
 * live.py's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define PFN_MASK ((UINT64_C(1) << 55) - 1)

struct victim {
	pid_t pid;
	uint64_t addr;
	size_t bytes;
};

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
		die("pipe", strerror(errno));
	v.pid = fork();
	if (v.pid == 0)
		child(bytes, fds[1]);
	close(fds[1]);
	if (read(fds[0], &p, sizeof(p)) != sizeof(p))
		die("child", "it could not get its memory");
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
		die(path, strerror(errno));
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
			die("pread of pagemap", strerror(errno));
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
			die("pread of pagemap", strerror(errno));
		sum += word >> 63 ? word & PFN_MASK : 0;
	}
	close(fd);
	return sum;
}

static uint64_t walk(struct pw_target *t, const struct victim *v, enum pw_runs_mode mode)
{
	uint64_t pages = walk_user(t, &(struct pw_select){ .kind = PW_SELECT_PID, .pid = v->pid }, mode);

	if (pages < v->bytes / 4096)
		die("walk", "pages are missing");
	return pages;
}

static long process(const char *pagewalk, const char *source, const struct victim *v)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)v->pid);
	return run_process((const char *[]){ pagewalk, "-s", source, "dump", pid, NULL });
}

int main(int argc, char **argv)
{
	struct pw_target_opts opts = { .size = sizeof(opts) };
	struct pw_target *t;
	struct victim v;
	uint64_t at, pages;
	long rss = 0;

	if (argc != 5)
		return 2;
	v = start(strtoull(argv[2], NULL, 10) << 20);
	pages = v.bytes / 4096;
	opts.source = argv[1];
	t = open_target(&opts);
	for (int runs = atoi(argv[3]); runs > 0; runs--) {
		at = now(), bulk(&v), measured("bulk", pages, at);
		at = now(), walk(t, &v, PW_RUNS_READ), measured("dump", pages, at);
		at = now(), walk(t, &v, PW_RUNS_EXACT), measured("exact", pages, at);
		at = now(), pw_target_close(t), t = open_target(&opts), measured("open", pages, at);
		at = now(), rss = process(argv[4], argv[1], &v), measured("process", pages, at);
	}
	printf("rss %llu %ld\n", (unsigned long long)pages, rss);
	at = now(), single(&v), measured("single", pages, at);
	pw_target_close(t);
	kill(v.pid, SIGKILL);
	waitpid(v.pid, NULL, 0);
	return 0;
}
