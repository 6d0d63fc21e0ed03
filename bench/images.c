/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench images: one round of pagewalk on a raw memory image, with a cold and with a warm page cache, and the limits beside it.
 *
 *   images PAGEWALK FILE RANGES PID ROOT LEVELS KERNEL-ROOT
 *
 * The space is the user half of process PID with root table ROOT. A line a measurement: WAY PAGES NANOSECONDS. Cold is the file
 * dropped from this machine's page cache; what is below it (a disk's or a hypervisor's cache) may still have it.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TABLE 4096

struct image {
	const char *path, *ranges, *pid, *kernel_root, *levels;
	char root[32]; /* root:PA */
	int fd;
	size_t bytes;
	struct pw_select sel;
	struct pw_target *t;
	uint64_t pages;
	off_t *table; /* where each table of the user half is in the file */
	size_t ntables;
};

/* -------- its tables -------- */

static off_t offset_of(const struct image *im, uint64_t pa)
{
	unsigned long long lo, last;
	uint64_t at = 0;
	int n;

	for (const char *p = im->ranges; sscanf(p, "%llx-%llx%n", &lo, &last, &n) == 2; p += n + (p[n] == ',')) {
		if (pa >= lo && pa <= last)
			return at + (pa - lo);
		at += last - lo + 1;
	}
	die("ranges", "a table is in none of them");
}

static void add_table(struct image *im, uint64_t pa)
{
	if (!(im->ntables & (im->ntables - 1)))
		im->table = realloc(im->table, (im->ntables ? 2 * im->ntables : 1) * sizeof(*im->table));
	if (!im->table)
		die("tables", strerror(ENOMEM));
	im->table[im->ntables++] = offset_of(im, pa);
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct pw_entry e;

	step->piece->mmu.arch->decode(&step->piece->mmu, step->level, step->raw, &e);
	add_table(ctx, e.pa);
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const off_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void find_tables(struct image *im)
{
	static const struct pw_visitor visitor = { .step = on_step };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, (UINT64_C(1) << 56) - 1 } };
	struct pw_walk_stats stats = { 0 };
	struct pw_error err = { 0 };
	struct pw_space space;

	if (pw_target_space(im->t, &im->sel, &space, &err))
		die(im->path, err.text);
	add_table(im, im->sel.root);
	if (pw_walk(&space, &opts, &visitor, im, &stats))
		die(im->path, "walk");
	pw_space_free(&space);
	qsort(im->table, im->ntables, sizeof(*im->table), by_offset);
}

/* -------- ways -------- */

static void drop(const struct image *im)
{
	int rc = posix_fadvise(im->fd, 0, 0, POSIX_FADV_DONTNEED);

	if (rc)
		die(im->path, strerror(rc));
}

/* Nobody can be faster when cold: each table is read, once, in the order of the file. */
static void read_tables(const struct image *im)
{
	static char page[TABLE];

	for (size_t i = 0; i < im->ntables; i++)
		if (pread(im->fd, page, TABLE, im->table[i]) != TABLE)
			die(im->path, strerror(errno));
}

/* Nor when warm: each slot is looked at, once, where it is. */
static uint64_t sum_tables(const struct image *im, const char *map)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < im->ntables; i++) {
		const uint64_t *slot = (const uint64_t *)(map + im->table[i]);

		for (size_t k = 0; k < TABLE / sizeof(*slot); k++)
			sum += slot[k];
	}
	return sum;
}

static void limit_warm(const struct image *im)
{
	const char *map = mmap(NULL, im->bytes, PROT_READ, MAP_SHARED, im->fd, 0);
	volatile uint64_t sum;
	uint64_t at;

	if (map == MAP_FAILED)
		die(im->path, strerror(errno));
	sum = sum_tables(im, map); /* page faults are not what is meant */
	at = now(), sum = sum_tables(im, map), measured("sum", im->pages, at);
	(void)sum;
	munmap((void *)map, im->bytes);
}

/* The command, with what it is asked; everything as whole processes. */
static void by_root(const struct image *im, const char *pagewalk, const char *way, const char *form)
{
	uint64_t at = now();

	run_process((const char *[]){ pagewalk, "dump", im->root, "--user", "-s", im->path, "--ranges", im->ranges,
				      "--paging", im->levels, form, NULL });
	measured(way, im->pages, at);
}

/* With the kernel's root given, or with all of memory to be searched for it. */
static void by_pid(const struct image *im, const char *pagewalk, const char *way, bool given)
{
	uint64_t at = now();

	run_process((const char *[]){ pagewalk, "dump", im->pid, "-s", im->path, "--ranges", im->ranges,
				      given ? "--root" : NULL, im->kernel_root, NULL });
	measured(way, im->pages, at);
}

static void cold(const struct image *im, const char *pagewalk)
{
	uint64_t at;

	drop(im);
	at = now(), read_tables(im), measured("cold-read", im->pages, at);
	drop(im);
	by_root(im, pagewalk, "cold-root", NULL);
	drop(im);
	by_pid(im, pagewalk, "cold-pid", true);
	drop(im);
	by_pid(im, pagewalk, "cold-search", false);
}

static void warm(const struct image *im, const char *pagewalk)
{
	uint64_t at;

	limit_warm(im);
	walk_user(im->t, &im->sel, PW_RUNS_READ);
	at = now(), walk_user(im->t, &im->sel, PW_RUNS_READ), measured("walk", im->pages, at);
	at = now(), walk_user(im->t, &im->sel, PW_RUNS_EXACT), measured("exact", im->pages, at);
	by_root(im, pagewalk, "root", NULL);
	by_pid(im, pagewalk, "pid", true);
	by_root(im, pagewalk, "entries", "--entries");
	by_pid(im, pagewalk, "search", false);
}

static void open_image(struct image *im)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .ranges = im->ranges };
	char source[512];

	snprintf(source, sizeof(source), "raw:%s", im->path);
	opts.source = source;
	opts.paging = (unsigned)atoi(im->levels);
	im->t = open_target(&opts);
	im->fd = open(im->path, O_RDONLY);
	im->bytes = im->fd < 0 ? 0 : (size_t)lseek(im->fd, 0, SEEK_END);
	if (!im->bytes)
		die(im->path, strerror(errno));
	im->pages = walk_user(im->t, &im->sel, PW_RUNS_READ);
	find_tables(im);
}

int main(int argc, char **argv)
{
	struct image im = { 0 };

	if (argc != 8)
		return 2;
	im.path = argv[2];
	im.ranges = argv[3];
	im.pid = argv[4];
	im.levels = argv[6];
	im.kernel_root = argv[7];
	snprintf(im.root, sizeof(im.root), "root:%s", argv[5]);
	im.sel = (struct pw_select){ .kind = PW_SELECT_ROOT, .root = strtoull(argv[5], NULL, 16) };
	open_image(&im);
	printf("tables %llu %zu\n", (unsigned long long)im.pages, im.ntables);
	cold(&im, argv[1]);
	warm(&im, argv[1]);
	pw_target_close(im.t);
	return 0;
}
