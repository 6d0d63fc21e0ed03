/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "render/bits.h"
#include "session.h"
#include "sums.h"
#include "targets.h"

struct vmas {
	struct session *s;
	struct pw_space *space;
	struct pw_rec_vma *v; /* one an area */
	struct pw_runs *runs;
	struct pw_rec_end end;
};

static int on_run(void *ctx, const struct pw_run *run)
{
	struct vmas *d = ctx;
	uint64_t bytes = run->pages * run->page_size;
	struct pw_rec_vma *v;
	struct pw_entry e;

	sums_add(&d->end, run);
	if (!run->area || run->is_hole)
		return 0;
	v = &d->v[run->area - d->space->areas.v];
	if (run->kind == PW_LEAF && run->level <= PW_PUD)
		v->bytes[run->level] += bytes;
	else if (run->kind == PW_PROTNONE)
		v->protnone += bytes;
	if (run->kind != PW_SOFT)
		return 0;
	run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_first, &e);
	if (pw_is_swap(&e))
		v->swapped += bytes;
	return 0;
}

/* The first area that reaches into [va, last]. */
static struct pw_rec_vma *lowest(struct vmas *d, uint64_t va, uint64_t last)
{
	const struct pw_area *a = pw_areas_from(&d->space->areas, va);

	return a && a->lo <= last ? &d->v[a - d->space->areas.v] : NULL;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct vmas *d = ctx;
	struct pw_rec_vma *v;
	const struct pw_mode_level *lv = &step->piece->mmu.mode->lv[step->depth];

	if (step->level != PW_PMD)
		return 0;
	v = lowest(d, step->va, step->va + (UINT64_C(1) << lv[0].shift) - 1);
	if (v)
		v->tables += sizeof(uint64_t) << lv[1].bits;
	return 0;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	return pw_runs_visitor.span(((struct vmas *)ctx)->runs, span);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	return pw_runs_visitor.hole(((struct vmas *)ctx)->runs, hole);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static int walk(struct vmas *d)
{
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true };
	int rc;

	d->runs = pw_runs_new(PW_RUNS_READ, &d->space->areas, on_run, d);
	if (!d->runs)
		return -ENOMEM;
	rc = pw_walk(d->space, &opts, &visitor, d, &d->end.walk);
	if (!rc)
		rc = pw_runs_flush(d->runs);
	pw_runs_free(d->runs);
	return rc;
}

/* ---- order ---- */

static uint64_t mapped(const struct pw_rec_vma *v)
{
	return v->bytes[0] + v->bytes[1] + v->bytes[2];
}

static int by_address(const struct pw_rec_vma *a, const struct pw_rec_vma *b)
{
	return (a->area->lo > b->area->lo) - (a->area->lo < b->area->lo);
}

static int largest_first(uint64_t a, uint64_t b, const struct pw_rec_vma *v, const struct pw_rec_vma *w)
{
	return a != b ? (a < b) - (a > b) : by_address(v, w);
}

static int by_size(const void *a, const void *b)
{
	const struct pw_rec_vma *v = a, *w = b;

	return largest_first(v->area->last - v->area->lo, w->area->last - w->area->lo, v, w);
}

static int by_mapped(const void *a, const void *b)
{
	return largest_first(mapped(a), mapped(b), a, b);
}

static int by_swap(const void *a, const void *b)
{
	return largest_first(((const struct pw_rec_vma *)a)->swapped, ((const struct pw_rec_vma *)b)->swapped, a, b);
}

static int by_tables(const void *a, const void *b)
{
	return largest_first(((const struct pw_rec_vma *)a)->tables, ((const struct pw_rec_vma *)b)->tables, a, b);
}

static int by_name(const void *a, const void *b)
{
	const struct pw_rec_vma *v = a, *w = b;
	int c = strcmp(v->area->name, w->area->name);

	return c ? c : by_address(v, w);
}

static void sort(struct vmas *d)
{
	static const struct {
		const char *name;
		int (*fn)(const void *a, const void *b);
	} orders[] = {
		{ "size", by_size },     { "mapped", by_mapped }, { "swap", by_swap },
		{ "tables", by_tables }, { "name", by_name },
	};
	const char *key = d->s->args->sort;

	for (size_t i = 0; key && i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!strcmp(key, orders[i].name))
			qsort(d->v, d->space->areas.n, sizeof(*d->v), orders[i].fn);
}

/* ---- one target ---- */

/* [vsyscall] is in a process's map, but in the kernel half. */
static bool looked_at(const struct pw_space *space, const struct pw_area *area)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].va.lo <= area->lo && area->last <= space->piece[i].va.last)
			return true;
	return false;
}

static void put_all(struct vmas *d)
{
	size_t n = d->space->areas.n;

	sort(d);
	for (size_t i = 0; i < n; i++) {
		if (!looked_at(d->space, d->v[i].area))
			continue;
		d->end.records++;
		d->end.area_bytes += d->v[i].area->last - d->v[i].area->lo + 1;
		d->s->render.ops->vma(&d->s->render, &d->v[i]);
	}
}

static int show(struct vmas *d, const char *text, enum pw_end_of of)
{
	struct session *s = d->s;
	char name[64];
	struct pw_rec_head head = {
		.command = "vmas",
		.space = d->space,
		.name = space_name(d->space, text, name),
		.va = { 0, UINT64_MAX },
	};
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	put_all(d);
	d->end.of = of;
	d->end.complete = d->end.has_walk = true;
	session_end(s, &d->end);
	return 0;
}

/* A negative errno when the walk failed, before anything was shown; else a status. */
static int one_space(struct session *s, struct pw_space *space, const char *text, enum pw_end_of of,
		     struct pw_rec_end *total)
{
	struct vmas d = { .s = s, .space = space };
	int rc;

	d.v = calloc(space->areas.n + 1, sizeof(*d.v));
	if (!d.v)
		return -ENOMEM;
	for (size_t i = 0; i < space->areas.n; i++) {
		d.v[i].area = &space->areas.v[i];
		d.v[i].leaf_only = !(s->target->source.ops->caps & PW_CAP_TABLES);
	}
	if (space->pid)
		keep_half(space, PW_HALF_USER);
	rc = walk(&d);
	if (!rc)
		rc = show(&d, text, of);
	if (!rc)
		sums_total(total, &d.end);
	free(d.v);
	return rc;
}

static int run(struct args *args)
{
	struct session s;
	int rc;

	rc = targets_check(&cmd_vmas, args);
	if (!rc)
		rc = session_open(&s, args, PW_VIEW_VMAS);
	if (rc)
		return rc;
	rc = session_target(&s);
	if (!rc && !args->columns && !(s.target->source.ops->caps & PW_CAP_TABLES))
		pw_render_columns(&s.render, PW_VIEW_VMAS, "range,vma,size,mapped,swap,name", &s.err);
	if (!rc)
		s.status = targets_each(&s, one_space);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPTS_TARGETS,
	OPT("sort", 0, "range|size|mapped|swap|tables|name", OPT_TEXT, sort, "order of the lines (default: range)"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_vmas = {
	.name = "vmas",
	.args = "TARGET... | --all | --cgroup PATH",
	.summary = "VMAs, joined with what is really mapped in them",
	.examples = "  sudo pagewalk vmas 4242\n"
		    "  sudo pagewalk vmas name:dbtest --sort mapped\n"
		    "  sudo pagewalk vmas --all --json | jq 'select(.mapped_1g > 0)'\n"
		    "  pagewalk vmas self --columns range,mapped,name\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_VMAS,
};
