/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench images: one round of what pagewalk's library does with a raw memory image in one process, and the limits beside it.
 *
 *   images FILE RANGES ROOT LEVELS ADDRESSES
 *
 * The space is the user half of root table ROOT, of a system that stood still. A line a measurement: WAY COUNT NANOSECONDS. To the file ADDRESSES go those of
 * its pages, in any order, as many as are translated. Cold is the file dropped from this machine's page cache; what is below
 * it (a disk's or a hypervisor's cache) may still have it.
 */
#include "measure.h"
#include "ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WALKS        25
#define TABLE        4096
#define TRANSLATIONS ((size_t)1000000)

struct image {
	const char *path, *ranges, *levels;
	struct ranges in_file;
	int fd;
	size_t bytes;
	struct pw_select sel;
	struct pw_target *t;
	uint64_t pages;
	off_t *table; /* where each table of the user half is in the file */
	size_t ntables;
	uint64_t *va; /* each page */
	size_t nva;
};

/* -------- its tables -------- */

static off_t offset_of(const struct image *im, uint64_t pa)
{
	int64_t at = ranges_place(&im->in_file, pa);

	if (at >= 0)
		return at;
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

static int on_run(void *ctx, const struct pw_run *run)
{
	struct image *im = ctx;

	for (uint64_t va = run->va; run->kind == PW_LEAF && va <= run->last && im->nva < im->pages;
	     va += run->page_size)
		im->va[im->nva++] = va;
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
	struct pw_runs *runs;

	if (pw_target_space(im->t, &im->sel, &space, &err))
		die(im->path, err.text);
	add_table(im, im->sel.root);
	if (pw_walk(&space, &opts, &visitor, im, &stats))
		die(im->path, "walk");
	im->va = malloc(im->pages * sizeof(*im->va));
	runs = pw_runs_new(PW_RUNS_READ, NULL, on_run, im);
	if (!im->va || !runs || pw_walk(&space, &opts, &pw_runs_visitor, runs, &stats) || pw_runs_flush(runs))
		die(im->path, "addresses");
	pw_runs_free(runs);
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

/* The walks of one process, in turn with the limit. */
static void walks(const struct image *im)
{
	const char *map = mmap(NULL, im->bytes, PROT_READ, MAP_SHARED, im->fd, 0);
	volatile uint64_t sum;
	uint64_t at;

	if (map == MAP_FAILED)
		die(im->path, strerror(errno));
	sum = sum_tables(im, map); /* page faults are not what is meant */
	/* Each comes after one that has looked at the same tables, and at little else. */
	for (int i = 0; i < WALKS; i++) {
		at = now(), sum = sum_tables(im, map), measured("sum", im->pages, at);
		at = now(), count_user(im->t, &im->sel, PW_RUNS_READ, NULL), measured("walk-count", im->pages, at);
		at = now(), count_user(im->t, &im->sel, PW_RUNS_EXACT, NULL), measured("exact-count", im->pages, at);
	}
	for (int i = 0; i < WALKS; i++) {
		at = now(), walk_user(im->t, &im->sel, PW_RUNS_READ), measured("walk", im->pages, at);
		at = now(), walk_user(im->t, &im->sel, PW_RUNS_EXACT), measured("exact", im->pages, at);
	}
	(void)sum;
	munmap((void *)map, im->bytes);
}

/* A page's address and some more: one after another, or anywhere. */
static uint64_t *addresses(const struct image *im, bool anywhere)
{
	uint64_t *va = malloc(TRANSLATIONS * sizeof(*va)), random = 1;

	if (!va)
		die("addresses", strerror(ENOMEM));
	for (size_t i = 0; i < TRANSLATIONS; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		va[i] = im->va[(anywhere ? random >> 33 : i) % im->nva] + (random >> 52);
	}
	return va;
}

static void translate(const struct image *im, const char *way, bool anywhere)
{
	static struct pw_translation out[PW_LOOKAHEAD];
	uint64_t *va = addresses(im, anywhere), at;
	struct pw_error err = { 0 };
	struct pw_space space;

	if (pw_target_space(im->t, &im->sel, &space, &err))
		die(way, err.text);
	at = now();
	for (size_t i = 0; i < TRANSLATIONS; i += PW_LOOKAHEAD) {
		size_t n = TRANSLATIONS - i < PW_LOOKAHEAD ? TRANSLATIONS - i : PW_LOOKAHEAD;

		if (pw_translate(&space, va + i, n, out))
			die(way, "failed");
		for (size_t k = 0; k < n; k++)
			if (out[k].verdict != PW_MAPPED)
				die(way, "a page is not there");
	}
	measured(way, TRANSLATIONS, at);
	pw_space_free(&space);
	free(va);
}

static void write_addresses(const struct image *im, const char *path)
{
	uint64_t *va = addresses(im, true);
	FILE *f = fopen(path, "w");

	for (size_t i = 0; f && i < TRANSLATIONS; i++)
		fprintf(f, "%llx\n", (unsigned long long)va[i]);
	if (!f || fclose(f))
		die(path, strerror(errno));
	free(va);
}

static void measure(const struct image *im)
{
	uint64_t at;

	drop(im);
	at = now(), read_tables(im), measured("cold-read", im->pages, at);
	walks(im);
	translate(im, "sequential", false);
	translate(im, "random", true);
}

static void open_image(struct image *im)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .ranges = im->ranges, .frozen = true };
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

	if (argc != 6)
		return 2;
	im.path = argv[1];
	im.ranges = argv[2];
	im.levels = argv[4];
	im.sel = (struct pw_select){ .kind = PW_SELECT_ROOT, .root = strtoull(argv[3], NULL, 16) };
	if (!ranges_parse(&im.in_file, im.ranges))
		die("ranges", "there are too many");
	open_image(&im);
	write_addresses(&im, argv[5]);
	printf("tables %llu %zu\n", (unsigned long long)im.pages, im.ntables);
	measure(&im);
	pw_target_close(im.t);
	return 0;
}
