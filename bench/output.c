/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench output: one round of lines and JSON of every entry of a space in a raw memory image.
 *
 *   output PAGEWALK FILE RANGES ROOT LEVELS user|both
 *
 * A line a measurement: WAY COUNT NANOSECONDS. All is thrown away (/dev/null). The bare walker, of user
 * halves only, is first made to write what pagewalk writes, byte for byte.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "render/render.h"

#define TRANSLATIONS 1000000

struct bench {
	const char *pagewalk, *source, *ranges, *levels, *half;
	char root[32]; /* root:PA */
	struct pw_target *t;
	struct pw_space space;
	int null;
	uint64_t leaves, runs;
};

/* -------- in this process -------- */

static void render_open(const struct bench *b, const struct pw_render_ops *ops, enum pw_view view, struct pw_out *out,
			struct pw_render *r)
{
	struct pw_error err = { 0 };

	*r = (struct pw_render){ .ops = ops, .out = out, .noheadings = true };
	r->head = (struct pw_rec_head){
		.command = "dump",
		.target = b->t,
		.space = &b->space,
		.name = b->root,
		.va = { 0, UINT64_MAX },
	};
	if (pw_out_init(out, b->null) || pw_render_columns(r, view, NULL, &err))
		die("render", err.text);
	ops->begin(r);
}

static void render_close(struct pw_render *r)
{
	if (pw_out_flush(r->out))
		die("/dev/null", strerror(r->out->error));
	pw_out_free(r->out);
	pw_render_free(r);
}

static void walk(const struct bench *b, const struct pw_visitor *visitor, void *ctx)
{
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };

	if (pw_walk(&b->space, &opts, visitor, ctx, &stats) || stats.unreadable)
		die(b->source, "walk");
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pw_render *r = ctx;

	r->ops->span(r, span);
	return 0;
}

static void entries(const struct bench *b, const struct pw_render_ops *ops)
{
	static const struct pw_visitor visitor = { .span = on_span };
	struct pw_render r;
	struct pw_out out;

	render_open(b, ops, PW_VIEW_ENTRIES, &out, &r);
	walk(b, &visitor, &r);
	render_close(&r);
}

struct merged {
	struct pw_render *r; /* NULL: counted only */
	uint64_t runs, leaves;
};

static int on_run(void *ctx, const struct pw_run *run)
{
	struct merged *m = ctx;

	m->runs++;
	m->leaves += run->kind == PW_LEAF && !run->is_hole ? run->pages : 0;
	if (m->r)
		m->r->ops->run(m->r, run);
	return 0;
}

static struct merged runs(const struct bench *b, struct pw_render *r)
{
	struct merged m = { .r = r };
	struct pw_runs *runs = pw_runs_new(PW_RUNS_EXACT, &b->space.areas, on_run, &m);

	if (!runs)
		die("runs", strerror(ENOMEM));
	walk(b, &pw_runs_visitor, runs);
	pw_runs_flush(runs);
	pw_runs_free(runs);
	return m;
}

static void run_lines(const struct bench *b, const struct pw_render_ops *ops)
{
	struct pw_render r;
	struct pw_out out;

	render_open(b, ops, PW_VIEW_RUNS, &out, &r);
	runs(b, &r);
	render_close(&r);
}

/* The lines alone: the same few translations over and over. */
static void brief_lines(const struct bench *b, const struct pw_translation *t, size_t n)
{
	struct pw_render r;
	struct pw_out out;

	render_open(b, &pw_render_text, PW_VIEW_BRIEF, &out, &r);
	for (size_t i = 0; i < TRANSLATIONS; i++)
		r.ops->translation(&r, &(struct pw_rec_translation){ .t = &t[i % n] });
	render_close(&r);
}

struct some {
	uint64_t va[PW_LOOKAHEAD];
	size_t n, seen;
};

static int pick(void *ctx, const struct pw_span *span)
{
	struct some *s = ctx;

	for (size_t i = 0; i < span->n && s->n < PW_LOOKAHEAD; i++)
		if (span->raw[i] && s->seen++ % 997 == 0)
			s->va[s->n++] = span->va + ((uint64_t)i << span->shift);
	return 0;
}

static void brief(const struct bench *b)
{
	static const struct pw_visitor visitor = { .span = pick };
	struct pw_translation t[PW_LOOKAHEAD];
	struct some some = { 0 };
	uint64_t at;

	walk(b, &visitor, &some);
	if (!some.n || pw_translate(&b->space, some.va, some.n, t))
		die(b->source, "translate");
	at = now(), brief_lines(b, t, some.n), measured("brief", TRANSLATIONS, at);
}

/* -------- the bare walker -------- */

static int memory_file(void)
{
	int fd = memfd_create("lines", 0);

	if (fd < 0)
		die("memfd", strerror(errno));
	return fd;
}

static int lines_of_pagewalk(const struct bench *b)
{
	int fd = memory_file(), status;
	pid_t child = fork();

	if (child == 0) {
		dup2(fd, STDOUT_FILENO);
		execl(b->pagewalk, b->pagewalk, "dump", b->root, "--user", "--entries", "--noheadings", "-s", b->source,
		      "--ranges", b->ranges, "--paging", b->levels, NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die(b->pagewalk, "failed");
	return fd;
}

static void must_be_equal(int a, int b)
{
	size_t bytes = lseek(a, 0, SEEK_END);
	void *x = mmap(NULL, bytes, PROT_READ, MAP_SHARED, a, 0), *y = mmap(NULL, bytes, PROT_READ, MAP_SHARED, b, 0);

	if (!bytes || (size_t)lseek(b, 0, SEEK_END) != bytes || x == MAP_FAILED || y == MAP_FAILED ||
	    memcmp(x, y, bytes))
		die("bare walker", "it does not write what pagewalk writes");
	munmap(x, bytes);
	munmap(y, bytes);
	close(a);
	close(b);
}

static void bare(const struct bench *b, const char *path, uint64_t root)
{
	struct bare_image im = { .root = root, .levels = (unsigned)atoi(b->levels) };
	int fd = open(path, O_RDONLY), lines;
	uint64_t at;

	if (fd < 0 || !bare_open(&im, fd, (size_t)lseek(fd, 0, SEEK_END), b->ranges))
		die(path, strerror(errno));
	lines = memory_file();
	bare_print(&im, lines);
	must_be_equal(lines, lines_of_pagewalk(b));
	at = now(), bare_print(&im, b->null), measured("bare", b->leaves, at);
}

/* -------- -------- */

static void in_process(const struct bench *b)
{
	uint64_t at;

	at = now(), runs(b, NULL), measured("walk", b->leaves, at);
	at = now(), entries(b, &pw_render_text), measured("text", b->leaves, at);
	at = now(), entries(b, &pw_render_json), measured("json", b->leaves, at);
	at = now(), run_lines(b, &pw_render_text), measured("exact", b->leaves, at);
	at = now(), run_lines(b, &pw_render_json), measured("exact-json", b->leaves, at);
	brief(b);
}

static void open_space(struct bench *b, uint64_t root)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .source = b->source, .ranges = b->ranges, .frozen = true };
	const struct pw_select sel = { .kind = PW_SELECT_ROOT, .root = root };
	struct pw_error err = { 0 };
	struct merged m;

	opts.paging = (unsigned)atoi(b->levels);
	b->t = open_target(&opts);
	if (pw_target_space(b->t, &sel, &b->space, &err))
		die(b->source, err.text);
	if (!strcmp(b->half, "user"))
		b->space.npieces = 1;
	b->null = open("/dev/null", O_WRONLY);
	m = runs(b, NULL);
	b->leaves = m.leaves;
	printf("runs %llu %llu\n", (unsigned long long)m.leaves, (unsigned long long)m.runs);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	char source[512];
	uint64_t root;

	if (argc != 7)
		return 2;
	root = strtoull(argv[4], NULL, 16);
	snprintf(source, sizeof(source), "raw:%s", argv[2]);
	snprintf(b.root, sizeof(b.root), "root:%s", argv[4]);
	b.pagewalk = argv[1];
	b.source = source;
	b.ranges = argv[3];
	b.levels = argv[5];
	b.half = argv[6];
	open_space(&b, root);
	in_process(&b);
	if (!strcmp(b.half, "user"))
		bare(&b, argv[2], root);
	pw_space_free(&b.space);
	pw_target_close(b.t);
	return 0;
}
