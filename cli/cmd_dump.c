/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "parse.h"
#include "session.h"
#include "sums.h"
#include "targets.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

struct dump {
	struct session *s;
	struct pw_space *space;
	const struct pw_rec_head *head;
	const struct pw_filter *filter;
	struct pw_runs *runs;
	struct pw_rec_end end;
	enum pw_view view;
	bool begun; /* its head was put */
};

/* The head comes with the first record. 0, or ENOUGH. */
static int begin(struct dump *d)
{
	if (d->begun)
		return 0;
	d->begun = true;
	return session_begin(d->s, d->head) ? ENOUGH : 0;
}

static int enough(const struct dump *d)
{
	return pw_render_alive(&d->s->render) ? 0 : ENOUGH;
}

static int on_run(void *ctx, const struct pw_run *run)
{
	struct dump *d = ctx;

	sums_add(&d->end, run);
	if (d->view != PW_VIEW_RUNS)
		return enough(d);
	if (begin(d))
		return ENOUGH;
	d->s->render.ops->run(&d->s->render, run);
	return enough(d);
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct dump *d = ctx;

	if (d->view != PW_VIEW_TREE)
		return enough(d);
	if (begin(d))
		return ENOUGH;
	d->s->render.ops->step(&d->s->render, step);
	return enough(d);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct dump *d = ctx;

	if (d->view != PW_VIEW_RUNS) {
		if (begin(d))
			return ENOUGH;
		d->s->render.ops->span(&d->s->render, span);
	}
	return pw_runs_visitor.span(d->runs, span);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct dump *d = ctx;

	if (d->view != PW_VIEW_RUNS) {
		if (begin(d))
			return ENOUGH;
		d->s->render.ops->hole(&d->s->render, hole);
	}
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

	struct pw_filtered *stage;

	d->end.complete = d->end.has_walk = true;
	for (size_t i = 0; i < n && !rc; i++) {
		struct pw_walk_opts opts = {
			.size = sizeof(opts),
			.va = ranges->v ? ranges->v[i] : all,
			.fold_aliases = d->view == PW_VIEW_RUNS,
		};

		d->runs = pw_runs_new(runs_mode(args), &d->space->areas, on_run, d);
		stage = pw_filtered_new(d->filter, &d->space->areas, &visitor, d);
		rc = d->runs && stage ? pw_walk(d->space, &opts, &pw_filtered_visitor, stage, &d->end.walk) : -ENOMEM;
		if (!rc)
			rc = pw_runs_flush(d->runs);
		pw_runs_free(d->runs);
		pw_filtered_free(stage);
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

/* One of several that ends meanwhile does not end the others. */
static int broken_off(struct dump *d, int rc, struct pw_rec_end *total)
{
	if (d->end.of == PW_END_ALL) {
		session_cut(d->s, rc, d->space->title);
		return 0;
	}
	d->end.complete = false;
	session_end(d->s, &d->end);
	total->walk.truncated = true;
	complain("%s: %s", d->space->title, walk_error(rc));
	return 0;
}

static int dump(struct dump *d, const struct ranges *ranges, const char *text, struct pw_rec_end *total)
{
	struct session *s = d->s;
	char name[64];
	struct pw_rec_head head = {
		.command = "dump",
		.space = d->space,
		.name = space_name(d->space, text, name),
		.what = what_of(d->space, ranges),
		.filter = s->args->filter,
		.va = ranges->v ? ranges->v[0] : (struct pw_range){ 0, UINT64_MAX },
	};
	int rc;

	session_regions(s, d->space);
	d->head = &head;
	rc = walk(d, ranges);
	if (rc < 0 && !d->begun && d->end.of == PW_END_SPACE)
		return rc;
	/* Of many, those in which nothing is meant by the filter are not worth a line. */
	if (!d->begun && (!d->filter || d->end.of == PW_END_ALL) && begin(d))
		return s->status;
	if (rc < 0)
		rc = broken_off(d, rc, total);
	else if (rc == 0 && d->begun)
		session_end(s, &d->end);
	sums_total(total, &d->end);
	return 0;
}

/* The range's text, behind TARGET. NULL: none. */
static const char *range_text(const struct args *args)
{
	size_t at = args->all || args->cgroup ? 0 : 1;

	return args->nargs > at ? args->arg[at] : NULL;
}

static int one_space(struct session *s, struct pw_space *space, const char *target, enum pw_end_of of,
		     struct pw_rec_end *total)
{
	const char *text = range_text(s->args);
	struct dump d = { .s = s, .space = space, .view = s->render.view, .filter = s->filter, .end.of = of };
	struct ranges ranges = { 0 };
	int rc = text ? session_range(s, space, text, &ranges) : 0;

	if (rc == -ENOENT && of == PW_END_SPACE)
		return 0; /* not every process has a name that is asked for */
	if (!rc && s->filter)
		rc = pw_filter_check(s->filter, &space->piece[0].mmu, &s->err);
	if (rc) {
		complain("%s", s->err.text);
		rc = STATUS_USAGE;
	} else {
		rc = choose_halves(s, space, &ranges);
		if (!rc)
			rc = dump(&d, &ranges, target, total);
	}
	free(ranges.v);
	return rc;
}

static int check(const struct args *args)
{
	bool many = args->all || args->cgroup;

	if (args->all && args->cgroup)
		return usage_error(&cmd_dump, "--all and --cgroup exclude each other");
	if (!many && args->nargs < 1)
		return usage_error(&cmd_dump, "dump needs a TARGET: a PID, name:COMM, kernel...");
	if (args->nargs > (many ? 1 : 2))
		return usage_error(&cmd_dump, "%s: '%s' is too much", many ? "one RANGE" : "one TARGET and one RANGE",
				   args->arg[many ? 1 : 2]);
	if (args->phys + args->exact + args->entries + args->tree > 1)
		return usage_error(&cmd_dump, "only one of --phys, --exact, --entries and --tree");
	return 0;
}

static int run(struct args *args)
{
	enum pw_view view = args->entries ? PW_VIEW_ENTRIES : args->tree ? PW_VIEW_TREE : PW_VIEW_RUNS;
	struct session s;
	int rc = check(args);

	if (!rc)
		rc = session_open(&s, args, view);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = targets_each_of(&s, args->all || args->cgroup ? 0 : 1, one_space);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("phys", 'p', NULL, OPT_FLAG, phys, "a new line where physical memory breaks, too"),
	OPT("exact", 'x', NULL, OPT_FLAG, exact, "a new line where any bit differs, too"),
	OPT("entries", 'e', NULL, OPT_FLAG, entries, "a line for each entry that maps or is not empty"),
	OPT("tree", 't', NULL, OPT_FLAG, tree, "tables and entries, indented"),
	OPT_FILTER,
	OPTS_TARGETS,
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half (the default for a process)"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half; with --user: both"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_dump = {
	.name = "dump",
	.args = "TARGET [RANGE] | --all [RANGE] | --cgroup PATH [RANGE]",
	.summary = "all that is mapped, in readable ranges",
	.about = "A line is a range of one VMA with one page size and one permission; Accessed and Dirty bits and\n"
		 "physical breaks are counted, not split at. A% and D% are the pages with those bits.\n"
		 "RANGE: A-B, A+2M, an address, or a name: '[heap]', libc.so.6, vmalloc. Addresses are hexadecimal.\n"
		 "--entries and --tree have columns of their own: an unknown name in --columns lists them.\n",
	.examples = "  sudo pagewalk dump $$\n"
		    "  sudo pagewalk dump name:dbtest '[heap]' --phys\n"
		    "  sudo pagewalk dump kernel vmalloc\n"
		    "  sudo pagewalk dump 4242 7f3a5c200000+2M --tree\n"
		    "  sudo pagewalk dump --all --filter 'w and x'\n"
		    "  sudo pagewalk dump kernel --entries --json -o entries.json\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_RUNS,
};
