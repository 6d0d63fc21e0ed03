/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

void die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(3);
}

void measured(const char *way, uint64_t count, uint64_t started)
{
	uint64_t ns = now() - started;

	printf("%s %llu %llu\n", way, (unsigned long long)count, (unsigned long long)ns);
	fflush(stdout);
}

struct pw_target *open_target(const struct pw_target_opts *opts)
{
	struct pw_error err = { 0 };
	struct pw_target *t;

	if (pw_target_open(opts, &t, &err))
		die(opts->source, err.text);
	return t;
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

struct count {
	uint64_t pages, runs;
};

static int count_run(void *ctx, const struct pw_run *run)
{
	struct count *c = ctx;

	c->pages += run->is_hole ? 0 : run->pages;
	c->runs++;
	return 0;
}

static void walk_runs(struct pw_target *t, const struct pw_select *sel, enum pw_runs_mode mode, pw_run_fn fn, void *ctx)
{
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, (UINT64_C(1) << 56) - 1 } };
	struct pw_walk_stats stats = { 0 };
	struct pw_error err = { 0 };
	struct pw_space space;
	struct pw_runs *runs;

	if (pw_target_space(t, sel, &space, &err))
		die("space", err.text);
	runs = pw_runs_new(mode, &space.areas, fn, ctx);
	if (!runs || pw_walk(&space, &opts, &pw_runs_visitor, runs, &stats) || pw_runs_flush(runs))
		die("walk", strerror(errno));
	if (stats.unstable || stats.unreadable)
		die("walk", "incomplete");
	pw_runs_free(runs);
	pw_space_free(&space);
}

uint64_t walk_user(struct pw_target *t, const struct pw_select *sel, enum pw_runs_mode mode)
{
	uint64_t pages = 0;

	walk_runs(t, sel, mode, print_run, &pages);
	return pages;
}

uint64_t count_user(struct pw_target *t, const struct pw_select *sel, enum pw_runs_mode mode, uint64_t *runs)
{
	struct count count = { 0 };

	walk_runs(t, sel, mode, count_run, &count);
	if (runs)
		*runs = count.runs;
	return count.pages;
}
