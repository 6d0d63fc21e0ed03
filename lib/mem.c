// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading memory. That of a space is read by its runs of pages: what is empty costs nothing, and what lies side by side in physical
 * memory is read at once. Some runs are collected before they are read: a source's tables may stand where it reads to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/mem.h>
#include <pagewalk/runs.h>

#define PAGE   UINT64_C(4096)
#define CHUNK  ((size_t)64 << 10)
#define RUNS   512
#define ENOUGH 1

/* -------- stretches -------- */

/* Pages side by side in physical memory, or a reason for there being nothing to read. */
struct stretch {
	uint64_t va, last, pa;
	const char *why; /* NULL: there is memory */
};

struct reading {
	const struct pw_space *space; /* NULL: physical memory */
	struct pw_source *source;
	pw_mem_fn each;
	void *ctx;
	uint64_t at, end; /* what is next, and what the last one is */
	bool ended;       /* the one at end was passed: at may have no successor */
	struct stretch run[RUNS];
	size_t n;
	uint8_t buf[CHUNK];
};

static void pass(struct reading *r, uint64_t last)
{
	r->ended = last == r->end;
	r->at = last + 1;
}

/* Up to last there is nothing. */
static int skip(struct reading *r, uint64_t last, const char *why)
{
	const struct pw_mem_part part = { .va = r->at, .last = last, .pa = PW_PA_NONE, .why = why };

	pass(r, last);
	return r->each(r->ctx, &part);
}

static int hand_out(struct reading *r, size_t len, uint64_t pa)
{
	const struct pw_mem_part part = { .va = r->at, .last = r->at + (len - 1), .pa = pa, .bytes = r->buf };

	pass(r, part.last);
	return r->each(r->ctx, &part);
}

/* What cannot be read as one may be read page by page: an image can end, or have holes, anywhere. */
static int read_pages(struct reading *r, uint64_t pa, size_t len)
{
	const struct pw_source_ops *ops = r->source->ops;
	int rc = 0;

	while (len && !rc) {
		size_t part = (size_t)(PAGE - pa % PAGE) < len ? (size_t)(PAGE - pa % PAGE) : len;

		if (ops->read(r->source, pa, r->buf, part))
			rc = skip(r, r->at + (part - 1), "unreadable");
		else
			rc = hand_out(r, part, pa);
		pa += part;
		len -= part;
	}
	return rc;
}

static int read_stretch(struct reading *r, const struct stretch *s)
{
	const struct pw_source_ops *ops = r->source->ops;
	uint64_t pa = s->pa;
	int rc = 0;

	if (s->why)
		return skip(r, s->last, s->why);
	while (!rc && !r->ended && r->at <= s->last) {
		size_t len = s->last - r->at < CHUNK ? (size_t)(s->last - r->at) + 1 : CHUNK;

		if (ops->read(r->source, pa, r->buf, len))
			rc = read_pages(r, pa, len);
		else
			rc = hand_out(r, len, pa);
		pa += len;
	}
	return rc;
}

/* -------- of a space -------- */

static const char *why_not(const struct pw_run *run)
{
	struct pw_entry e;

	if (run->is_hole)
		return pw_hole_name(run->reason);
	run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_first, &e);
	if (e.reserved && e.hw)
		return "reserved";
	if (run->kind != PW_LEAF && run->kind != PW_PROTNONE)
		return "soft";
	return run->pa == PW_PA_NONE ? "frame hidden" : NULL;
}

/* Huge pages can reach out of the range at both ends. */
static int collect(void *ctx, const struct pw_run *run)
{
	struct reading *r = ctx;
	uint64_t lo = run->va < r->at ? r->at : run->va;

	if (lo > r->end)
		return 0;
	r->run[r->n++] = (struct stretch){
		.va = lo,
		.last = run->last > r->end ? r->end : run->last,
		.pa = run->pa == PW_PA_NONE ? PW_PA_NONE : run->pa + (lo - run->va),
		.why = why_not(run),
	};
	return r->n == RUNS ? ENOUGH : 0;
}

static int read_collected(struct reading *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->n && !rc && !r->ended; i++) {
		if (r->run[i].va > r->at)
			rc = skip(r, r->run[i].va - 1, "none");
		if (!rc)
			rc = read_stretch(r, &r->run[i]);
	}
	return rc;
}

/* The next runs from where it is. 1: there may be more. */
static int find_runs(struct reading *r)
{
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { r->at, r->end } };
	struct pw_runs *runs = pw_runs_new(PW_RUNS_PHYS, NULL, collect, r);
	struct pw_walk_stats stats = { 0 };
	int rc;

	if (!runs)
		return -ENOMEM;
	r->n = 0;
	rc = pw_walk(r->space, &opts, &pw_runs_visitor, runs, &stats);
	if (!rc)
		rc = pw_runs_flush(runs);
	pw_runs_free(runs);
	return rc;
}

static struct reading *start(struct pw_source *source, struct pw_range range, pw_mem_fn each, void *ctx,
			     struct pw_error *err)
{
	struct reading *r = source->ops->caps & PW_CAP_MEMORY ? malloc(sizeof(*r)) : NULL;

	if (r) {
		r->source = source;
		r->each = each;
		r->ctx = ctx;
		r->at = range.lo;
		r->end = range.last;
		r->ended = false;
	} else if (source->ops->caps & PW_CAP_MEMORY) {
		pw_error_set(err, -ENOMEM, "out of memory");
	} else {
		pw_error_set(err, -EOPNOTSUPP, "source %s does not read memory", source->ops->name);
	}
	return r;
}

int pw_mem_each(const struct pw_space *space, struct pw_range va, pw_mem_fn each, void *ctx, struct pw_error *err)
{
	struct pw_error why = { 0 };
	struct reading *r = start(space->source, va, each, ctx, &why);
	int rc, more;

	if (!r)
		return pw_error_set(err, why.code, "%s", why.text);
	r->space = space;
	do {
		more = find_runs(r);
		rc = more < 0 ? pw_error_set(err, more, "%s: %s", space->title, strerror(-more)) : read_collected(r);
	} while (!rc && more && !r->ended);
	if (!rc && !r->ended)
		rc = skip(r, r->end, "none");
	free(r);
	return rc;
}

struct copy {
	uint8_t *to;
	size_t done;
	const char *why;
};

static int copy_part(void *ctx, const struct pw_mem_part *part)
{
	struct copy *c = ctx;
	size_t len = (size_t)(part->last - part->va) + 1;

	c->why = part->why;
	if (c->why)
		return ENOUGH;
	memcpy(c->to + c->done, part->bytes, len);
	c->done += len;
	return 0;
}

int pw_mem_read(const struct pw_space *space, uint64_t va, void *buf, size_t len, size_t *done, struct pw_error *err)
{
	struct copy c = { .to = buf };
	int rc = len ? pw_mem_each(space, (struct pw_range){ va, va + (len - 1) }, copy_part, &c, err) : 0;

	*done = c.done;
	return rc > 0 ? pw_error_set(err, -EFAULT, "0x%llx is not there (%s)", (unsigned long long)(va + c.done), c.why)
		      : rc;
}

/* -------- physical memory -------- */

int pw_mem_read_phys(struct pw_target *t, uint64_t pa, void *buf, size_t len, struct pw_error *err)
{
	int rc;

	if (!(t->source.ops->caps & PW_CAP_MEMORY))
		return pw_error_set(err, -EOPNOTSUPP, "source %s does not read memory", t->source.ops->name);
	rc = t->source.ops->read(&t->source, pa, buf, len);
	if (rc == -ENXIO)
		return pw_error_set(err, rc, "0x%llx: not all of it is RAM", (unsigned long long)pa);
	if (rc)
		return pw_error_set(err, rc, "0x%llx cannot be read: %s", (unsigned long long)pa, strerror(-rc));
	return 0;
}

int pw_mem_each_phys(struct pw_target *t, struct pw_range pa, pw_mem_fn each, void *ctx, struct pw_error *err)
{
	struct pw_error why = { 0 };
	struct reading *r = start(&t->source, pa, each, ctx, &why);
	const struct pw_range all = { 0, UINT64_MAX }, *ram = NULL;
	size_t n = 0;
	int rc = 0;

	if (!r)
		return pw_error_set(err, why.code, "%s", why.text);
	if (t->source.ops->ranges && t->source.ops->ranges(&t->source, &ram, &n))
		n = 0;
	if (!n) {
		ram = &all;
		n = 1;
	}
	for (size_t i = 0; i < n && !rc && !r->ended && ram[i].lo <= r->end; i++) {
		struct stretch s = { .last = ram[i].last < r->end ? ram[i].last : r->end };

		if (s.last < r->at)
			continue;
		if (ram[i].lo > r->at)
			rc = skip(r, ram[i].lo - 1, pw_hole_name(PW_HOLE_NOT_RAM));
		s.va = s.pa = r->at;
		if (!rc)
			rc = read_stretch(r, &s);
	}
	if (!rc && !r->ended)
		rc = skip(r, r->end, pw_hole_name(PW_HOLE_NOT_RAM));
	free(r);
	return rc;
}
