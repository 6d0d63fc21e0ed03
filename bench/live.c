/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * live SOURCE PID ADDR PAGES RUNS WAY...: ways to learn where each page of a live process is, all of them in turn in each run. PAGES pages of 4K from
 * ADDR on are there. Prints a line a measurement: WAY PAGES NANOSECONDS. live.py starts the process, and says what the ways are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "measure.h"
#include "source/scan_ioctl.h"

#define PFN_MASK ((UINT64_C(1) << 55) - 1)
#define REGIONS  1024

struct bench {
	const char *source;
	pid_t pid;
	uint64_t addr, pages;
	struct pw_target *target, *leaves;
	uint64_t *words, *copy; /* as many bytes as the process's tables have */
};

static int open_file(const struct bench *b, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)b->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path, strerror(errno));
	return fd;
}

/* An answer that nobody looks at would not be worked out. */
static void use(uint64_t answer)
{
	__asm__ volatile("" : : "r"(answer));
}

/* -------- others' ways -------- */

static void bulk(struct bench *b)
{
	static uint64_t words[8192];
	int fd = open_file(b, "pagemap");
	uint64_t sum = 0;

	for (uint64_t i = 0; i < b->pages; i += 8192) {
		ssize_t n = pread(fd, words, sizeof(words), (off_t)((b->addr / 4096 + i) * 8));

		if (n <= 0)
			die("pread of pagemap", strerror(errno));
		for (ssize_t k = 0; k < n / 8; k++)
			sum += words[k] >> 63 ? words[k] & PFN_MASK : 0;
	}
	close(fd);
	use(sum);
}

static void single(struct bench *b)
{
	int fd = open_file(b, "pagemap");
	uint64_t sum = 0, word;

	for (uint64_t i = 0; i < b->pages; i++) {
		if (pread(fd, &word, 8, (off_t)((b->addr / 4096 + i) * 8)) != 8)
			die("pread of pagemap", strerror(errno));
		sum += word >> 63 ? word & PFN_MASK : 0;
	}
	close(fd);
	use(sum);
}

static void scan(struct bench *b)
{
	static struct scan_region region[REGIONS];
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = b->addr,
		.end = b->addr + b->pages * 4096,
		.vec = (uintptr_t)region,
		.vec_len = REGIONS,
		.category_mask = SCAN_PRESENT,
		.return_mask = SCAN_PRESENT,
	};
	int fd = open_file(b, "pagemap");
	uint64_t pages = 0;

	while (arg.start < arg.end) {
		int n = ioctl(fd, SCAN_IOCTL, &arg);

		if (n < 0)
			die("PAGEMAP_SCAN", strerror(errno));
		for (int i = 0; i < n; i++)
			pages += (region[i].end - region[i].start) / 4096;
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	close(fd);
	if (pages < b->pages)
		die("PAGEMAP_SCAN", "pages are missing");
}

static void smaps(struct bench *b)
{
	static char text[65536];
	int fd = open_file(b, "smaps");

	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

/* -------- limits -------- */

static void need_words(struct bench *b)
{
	if (b->words)
		return;
	b->words = malloc(b->pages * 8);
	b->copy = malloc(b->pages * 8);
	if (!b->words || !b->copy)
		die("memory", strerror(errno));
	memset(b->words, 1, b->pages * 8);
	memset(b->copy, 1, b->pages * 8);
}

static void copy(struct bench *b)
{
	memcpy(b->copy, b->words, b->pages * 8);
	use(b->copy[b->pages / 2]);
}

static void sum(struct bench *b)
{
	uint64_t all = 0;

	for (uint64_t i = 0; i < b->pages; i++)
		all += b->words[i];
	use(all);
}

/* -------- pagewalk's -------- */

static void walk(const struct bench *b, struct pw_target *t, enum pw_runs_mode mode)
{
	uint64_t pages = count_user(t, &(struct pw_select){ .kind = PW_SELECT_PID, .pid = b->pid }, mode, NULL);

	if (pages < b->pages)
		die("walk", "pages are missing");
}

static void read_runs(struct bench *b)
{
	walk(b, b->target, PW_RUNS_READ);
}

static void exact_runs(struct bench *b)
{
	walk(b, b->target, PW_RUNS_EXACT);
}

static void leaves(struct bench *b)
{
	walk(b, b->leaves, PW_RUNS_READ);
}

static void open_again(struct bench *b)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .source = b->source };

	pw_target_close(open_target(&opts));
}

static const struct way {
	const char *name;
	void (*run)(struct bench *b);
} ways[] = {
	{ "dump", read_runs }, { "exact", exact_runs }, { "leaves", leaves }, { "open", open_again }, { "bulk", bulk },
	{ "single", single },  { "scan", scan },        { "smaps", smaps },   { "memcpy", copy },     { "sum", sum },
};

static void measure(struct bench *b, const char *name)
{
	uint64_t at;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].name, name))
			continue;
		if (ways[i].run == copy || ways[i].run == sum)
			need_words(b);
		at = now();
		ways[i].run(b);
		measured(name, b->pages, at);
		return;
	}
	die(name, "no such way");
}

int main(int argc, char **argv)
{
	struct pw_target_opts exact = { .size = sizeof(exact) }, leaf = { .size = sizeof(leaf), .source = "pagemap" };
	struct bench b = { 0 };

	if (argc < 7)
		return 2;
	exact.source = b.source = argv[1];
	b.pid = atoi(argv[2]);
	b.addr = strtoull(argv[3], NULL, 16);
	b.pages = strtoull(argv[4], NULL, 10);
	b.target = open_target(&exact);
	b.leaves = open_target(&leaf);
	for (int runs = atoi(argv[5]); runs > 0; runs--)
		for (int i = 6; i < argc; i++)
			measure(&b, argv[i]);
	pw_target_close(b.target);
	pw_target_close(b.leaves);
	free(b.words);
	free(b.copy);
	return 0;
}
