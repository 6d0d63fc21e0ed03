/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "parse.h"
#include "session.h"
#include "sums.h"

struct layout {
	struct session *s;
	struct pw_areas areas;   /* all addresses, without gaps */
	struct pw_space kernel;  /* npieces 0: not to be had */
	struct pw_rec_region *v; /* one an area */
	struct pw_runs *runs;
	struct pw_rec_end end;
	/* Tables on the way down to where the walk is, which belong to the region of the first page below them. */
	struct {
		uint64_t va, bytes;
	} above[PW_NLEVELS];
};

/* ---- what is mapped ---- */

static struct pw_rec_region *region_at(struct layout *d, uint64_t va)
{
	return &d->v[pw_areas_find(&d->areas, va) - d->areas.v];
}

/* A huge page can reach over the borders of regions: each gets its part. */
static int on_run(void *ctx, const struct pw_run *run)
{
	struct layout *d = ctx;
	uint64_t va = run->va;

	sums_add(&d->end, run);
	if (run->is_hole || run->kind != PW_LEAF || run->level > PW_PUD)
		return 0;
	for (;;) {
		struct pw_rec_region *g = region_at(d, va);
		const struct pw_area *a = &d->areas.v[g - d->v];
		uint64_t last = a->last < run->last ? a->last : run->last;

		g->bytes[run->level] += last - va + 1;
		if (last == run->last)
			return 0;
		va = last + 1;
	}
}

/* Gives the tables from that depth on to a region. */
static void settle(struct layout *d, unsigned depth, const uint64_t *va)
{
	for (; depth < PW_NLEVELS; depth++) {
		struct pw_rec_region *g;

		if (!d->above[depth].bytes)
			continue;
		g = region_at(d, va ? *va : d->above[depth].va);
		g->tables++;
		g->table_bytes += d->above[depth].bytes;
		d->above[depth].bytes = 0;
	}
}

static int on_step(void *ctx, const struct pw_step *step)
{
	const struct pw_mode *mode = step->piece->mmu.mode;
	struct layout *d = ctx;

	settle(d, step->depth, NULL);
	d->above[step->depth].va = step->va;
	d->above[step->depth].bytes = sizeof(uint64_t) << mode->lv[step->depth + 1].bits;
	return 0;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct layout *d = ctx;

	for (size_t i = 0; i < span->n; i++) {
		struct pw_entry e;
		uint64_t va = span->va + (i << span->shift);

		if (!span->raw[i])
			continue;
		span->piece->mmu.arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
		if (e.kind != PW_LEAF)
			continue;
		/* Tables beside the way down to here have nothing in them. */
		settle(d, span->depth, NULL);
		settle(d, 0, &va);
		break;
	}
	return pw_runs_visitor.span(d->runs, span);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	return pw_runs_visitor.hole(((struct layout *)ctx)->runs, hole);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static int walk(struct layout *d)
{
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true };
	int rc;

	d->runs = pw_runs_new(PW_RUNS_READ, &d->areas, on_run, d);
	if (!d->runs)
		return -ENOMEM;
	rc = pw_walk(&d->kernel, &opts, &visitor, d, &d->end.walk);
	if (!rc)
		rc = pw_runs_flush(d->runs);
	settle(d, 0, NULL);
	pw_runs_free(d->runs);
	return rc;
}

static void put_regions(struct layout *d)
{
	for (size_t i = 0; i < d->areas.n; i++) {
		d->v[i].area = &d->areas.v[i];
		/* The kernel's root has the kernel half. */
		d->v[i].walked = d->kernel.npieces && d->areas.v[i].lo >= d->kernel.piece[0].va.lo;
		d->s->render.ops->region(&d->s->render, &d->v[i]);
		d->end.records++;
	}
}

static int all_regions(struct layout *d, const struct pw_rec_head *head)
{
	int rc = 0;

	d->v = calloc(d->areas.n, sizeof(*d->v));
	if (!d->v)
		rc = -ENOMEM;
	else if (d->kernel.npieces)
		rc = walk(d);
	if (rc) {
		complain("the kernel's tables: %s", strerror(-rc));
		return STATUS_FAILED;
	}
	rc = session_begin(d->s, head);
	if (rc)
		return rc;
	put_regions(d);
	d->end.has_walk = d->end.complete = d->kernel.npieces;
	session_end(d->s, &d->end);
	return d->s->status;
}

/* ---- single addresses ---- */

static void put_place(struct layout *d, uint64_t va, const struct pw_translation *t)
{
	const struct pw_facts *f = &d->s->target->facts;
	struct pw_rec_place p = {
		.va = va,
		.area = pw_areas_find(&d->areas, va),
		.pa = PW_PA_NONE,
		.frame = PW_PA_NONE,
		.t = t && t->verdict != PW_V_OUTSIDE && t->verdict != PW_V_NON_CANONICAL ? t : NULL,
	};

	if (p.area->region == PW_REGION_LOGICAL)
		p.pa = va - p.area->lo;
	else if (p.t)
		p.pa = p.t->pa;
	if (p.area->region == PW_REGION_VMEMMAP && f->struct_page)
		p.frame = (va - p.area->lo) / f->struct_page;
	if (p.area->region == PW_REGION_UNKNOWN)
		d->end.complete = false;
	d->s->render.ops->place(&d->s->render, &p);
	d->end.records++;
}

static bool is_hole(const struct pw_area *area)
{
	return area->region == PW_REGION_HOLE || area->region == PW_REGION_NON_CANONICAL;
}

static int places(struct layout *d, const struct pw_rec_head *head)
{
	const struct args *args = d->s->args;
	bool nothing = false;
	uint64_t va;
	int rc = 0;

	for (size_t i = 0; i < args->nargs; i++) {
		if (!parse_address(d->s->target, args->arg[i], &va, &d->s->err))
			continue;
		complain("%s", d->s->err.text);
		return STATUS_USAGE;
	}
	rc = session_begin(d->s, head);
	d->end.complete = true;
	for (size_t i = 0; i < args->nargs && !rc; i++) {
		struct pw_translation t;

		parse_address(d->s->target, args->arg[i], &va, &d->s->err);
		nothing |= is_hole(pw_areas_find(&d->areas, va));
		if (d->kernel.npieces)
			rc = pw_translate(&d->kernel, &va, 1, &t);
		if (rc)
			session_cut(d->s, rc, "kernel");
		else
			put_place(d, va, d->kernel.npieces ? &t : NULL);
		d->end.walk.unstable += !rc && d->kernel.npieces && t.verdict == PW_V_UNSTABLE;
	}
	if (rc)
		return rc < 0 ? (int)d->s->status : rc;
	session_end(d->s, &d->end);
	return d->s->status ? (int)d->s->status : nothing ? STATUS_NO : STATUS_DONE;
}

/* ---- */

/* A leaf-only source has no tables of the kernel, which is no error: its layout says what is fixed. */
static int open_kernel(struct session *s, struct pw_space *out)
{
	const struct pw_select sel = { .kind = PW_SELECT_KERNEL };
	int rc = pw_target_space(s->target, &sel, out, &s->err);

	if (!rc)
		return 0;
	memset(out, 0, sizeof(*out));
	out->pin.pagemap_fd = -1;
	return s->target->source.ops->caps & PW_CAP_TABLES ? rc : 0;
}

static int show(struct session *s)
{
	struct layout d = { .s = s };
	struct pw_rec_head head = { .command = "layout", .va = { 0, UINT64_MAX } };
	int rc = pw_target_layout(s->target, &d.areas, &s->err);

	if (!rc)
		rc = open_kernel(s, &d.kernel);
	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		pw_areas_free(&d.areas);
		return STATUS_FAILED;
	}
	head.what = "virtual memory map";
	if (d.kernel.npieces) {
		head.space = &d.kernel;
		head.name = "kernel";
	}
	rc = s->args->nargs ? places(&d, &head) : all_regions(&d, &head);
	pw_space_free(&d.kernel);
	pw_areas_free(&d.areas);
	free(d.v);
	return rc;
}

static int run(struct args *args)
{
	struct session s;
	int rc = session_open(&s, args, args->nargs ? PW_VIEW_PLACES : PW_VIEW_REGIONS);

	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = show(&s);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT_SOURCE,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_layout = {
	.name = "layout",
	.args = "[ADDR...]",
	.summary = "the kernel's virtual memory map as it is now; what kind of address one is",
	.about =
		"Every address from 0 to the last one is in one of the lines: user space, the holes, and the kernel's\n"
		"regions where they really are, with what is mapped in each. With ADDRs (hexadecimal, or "
		"symbol[+off]):\n"
		"which kind each is, and its physical address. Exit status 1 when one is in a hole; 4 when it cannot "
		"be\n"
		"told, as without privilege, because KASLR hides where the regions are. Columns of ADDRs: va kind name "
		"pa\n"
		"what, offset.\n",
	.examples = "  sudo pagewalk layout\n"
		    "  sudo pagewalk layout --columns range,name,found\n"
		    "  sudo pagewalk layout ffff888000001000 ffffffff81000000 7f3a5c2d41b8\n"
		    "  sudo pagewalk layout --json | jq -r 'select(.name == \"vmalloc\") | .va'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_REGIONS,
};
