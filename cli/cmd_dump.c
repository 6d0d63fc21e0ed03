/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "parse.h"
#include "session.h"
#include "sums.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

struct dump {
	struct session *s;
	struct pw_space *space;
	struct pw_runs *runs;
	struct pw_rec_end end;
	enum pw_view view;
};

static int enough(const struct dump *d)
{
	return pw_render_alive(&d->s->render) ? 0 : ENOUGH;
}

static int on_run(void *ctx, const struct pw_run *run)
{
	struct dump *d = ctx;

	sums_add(&d->end, run);
	if (d->view == PW_VIEW_RUNS)
		d->s->render.ops->run(&d->s->render, run);
	return enough(d);
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct dump *d = ctx;

	if (d->view == PW_VIEW_TREE)
		d->s->render.ops->step(&d->s->render, step);
	return enough(d);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct dump *d = ctx;

	if (d->view != PW_VIEW_RUNS)
		d->s->render.ops->span(&d->s->render, span);
	return pw_runs_visitor.span(d->runs, span);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct dump *d = ctx;

	if (d->view != PW_VIEW_RUNS)
		d->s->render.ops->hole(&d->s->render, hole);
	return pw_runs_visitor.hole(d->runs, hole);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static enum pw_runs_mode runs_mode(const struct args *args)
{
	return args->exact ? PW_RUNS_EXACT : args->phys ? PW_RUNS_PHYS : PW_RUNS_READ;
}

static int walk(struct dump *d, const struct ranges *ranges)
{
	const struct args *args = d->s->args;
	const struct pw_range all = { 0, UINT64_MAX };
	size_t n = ranges->v ? ranges->n : 1;
	int rc = 0;

	d->end.complete = d->end.has_walk = true;
	for (size_t i = 0; i < n && !rc; i++) {
		struct pw_walk_opts opts = {
			.size = sizeof(opts),
			.va = ranges->v ? ranges->v[i] : all,
			.fold_aliases = d->view == PW_VIEW_RUNS,
		};

		d->runs = pw_runs_new(runs_mode(args), &d->space->areas, on_run, d);
		if (!d->runs)
			return -ENOMEM;
		rc = pw_walk(d->space, &opts, &visitor, d, &d->end.walk);
		if (!rc)
			rc = pw_runs_flush(d->runs);
		pw_runs_free(d->runs);
	}
	return rc;
}

static const struct pw_piece *piece_in(const struct pw_space *space, const struct pw_range *r)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].va.lo <= r->last && r->lo <= space->piece[i].va.last)
			return &space->piece[i];
	return NULL;
}

/* Which half is meant: what was asked for; else where RANGE is; else the user half, if there is one. */
static int choose_halves(struct session *s, struct pw_space *space, const struct ranges *ranges)
{
	const struct args *args = s->args;

	if (args->user && !args->kernel)
		keep_half(space, PW_HALF_USER);
	else if (args->kernel && !args->user)
		keep_half(space, PW_HALF_KERNEL);
	else if (!args->user && !ranges->v && space->pid)
		keep_half(space, PW_HALF_USER);
	if (!space->npieces) {
		complain("%s: source %s does not show its %s half", space->title, s->target->source.ops->name,
			 args->kernel ? "kernel" : "user");
		return STATUS_FAILED;
	}
	if (!ranges->v || piece_in(space, &ranges->v[0]))
		return 0;
	complain("%s: %llx is in no half of it that is looked at", space->title, (unsigned long long)ranges->v[0].lo);
	return STATUS_USAGE;
}

static const char *what_of(const struct pw_space *space, const struct ranges *ranges)
{
	const struct pw_piece *p = ranges->v ? piece_in(space, &ranges->v[0]) : NULL;

	if (space->npieces == 1)
		p = &space->piece[0];
	return p ? p->label : "both halves";
}

static int dump(struct dump *d, const struct ranges *ranges)
{
	struct session *s = d->s;
	char name[64];
	struct pw_rec_head head = {
		.command = "dump",
		.space = d->space,
		.name = space_name(d->space, s->args->arg[0], name),
		.what = what_of(d->space, ranges),
		.va = ranges->v ? ranges->v[0] : (struct pw_range){ 0, UINT64_MAX },
	};
	int rc;

	session_regions(s, d->space);
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	rc = walk(d, ranges);
	if (rc < 0)
		session_cut(s, rc, d->space->title);
	else if (rc == 0)
		session_end(s, &d->end);
	return s->status;
}

static int in_space(struct dump *d)
{
	struct session *s = d->s;
	struct ranges ranges = { 0 };
	const char *text = s->args->nargs > 1 ? s->args->arg[1] : NULL;

	if (text && session_range(s, d->space, text, &ranges)) {
		complain("%s", s->err.text);
		s->status = STATUS_USAGE;
	} else {
		s->status = choose_halves(s, d->space, &ranges);
		if (!s->status)
			s->status = dump(d, &ranges);
	}
	free(ranges.v);
	return s->status;
}

static int check(const struct args *args)
{
	if (args->nargs < 1)
		return usage_error(&cmd_dump, "dump needs a TARGET: a PID, name:COMM, kernel...");
	if (args->nargs > 2)
		return usage_error(&cmd_dump, "one TARGET and one RANGE: '%s' is too much", args->arg[2]);
	if (args->phys + args->exact + args->entries + args->tree > 1)
		return usage_error(&cmd_dump, "only one of --phys, --exact, --entries and --tree");
	return 0;
}

static int run(struct args *args)
{
	enum pw_view view = args->tree ? PW_VIEW_TREE : args->entries ? PW_VIEW_ENTRIES : PW_VIEW_RUNS;
	struct pw_space space;
	struct session s;
	struct dump d = { .s = &s, .space = &space, .view = view };
	int rc = check(args);

	if (!rc)
		rc = session_open(&s, args, view);
	if (rc)
		return rc;
	if (!session_target(&s) && !session_space(&s, args->arg[0], &space)) {
		in_space(&d);
		pw_space_free(&space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("phys", 'p', NULL, OPT_FLAG, phys, "a new line where physical memory breaks, too"),
	OPT("exact", 'x', NULL, OPT_FLAG, exact, "a new line where any bit differs, too"),
	OPT("entries", 'e', NULL, OPT_FLAG, entries, "a line for each entry that maps or is not empty"),
	OPT("tree", 't', NULL, OPT_FLAG, tree, "tables and entries, indented"),
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half (the default for a process)"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half; with --user: both"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_dump = {
	.name = "dump",
	.args = "TARGET [RANGE]",
	.summary = "all that is mapped, in readable ranges",
	.about = "A line is a range of one VMA with one page size and one permission; Accessed and Dirty bits and\n"
		 "physical breaks are counted, not split at. A% and D% are the pages with those bits.\n"
		 "RANGE: A-B, A+2M, an address, or a name: '[heap]', libc.so.6, vmalloc. Addresses are hexadecimal.\n"
		 "--entries and --tree have columns of their own: an unknown name in --columns lists them.\n",
	.examples = "  sudo pagewalk dump $$\n"
		    "  sudo pagewalk dump name:dbtest '[heap]' --phys\n"
		    "  sudo pagewalk dump kernel vmalloc\n"
		    "  sudo pagewalk dump 4242 7f3a5c200000+2M --tree\n"
		    "  sudo pagewalk dump kernel --entries --json -o entries.json\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_RUNS,
};
