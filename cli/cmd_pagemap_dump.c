/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "sums.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

struct words {
	struct session *s;
	struct pw_rec_end end;
};

static int on_span(void *ctx, const struct pw_span *span)
{
	struct words *d = ctx;

	d->s->render.ops->span(&d->s->render, span);
	d->end.records += span->n;
	return pw_render_alive(&d->s->render) ? 0 : ENOUGH;
}

static const struct pw_visitor visitor = { .span = on_span };

static int dump(struct session *s, struct pw_space *space)
{
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct words d = { .s = s, .end.complete = true };
	char name[64];
	const struct pw_rec_head head = {
		.command = "pagemap_dump",
		.space = space,
		.name = space_name(space, s->args->arg[0], name),
		.va = { 0, UINT64_MAX },
	};
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	rc = pw_walk(space, &opts, &visitor, &d, &d.end.walk);
	if (rc < 0)
		session_cut(s, rc, space->title);
	else if (!rc)
		session_end(s, &d.end);
	if (!rc && s->render.hidden)
		complain("frame numbers are hidden: needs CAP_SYS_ADMIN");
	return s->status;
}

static int run(struct args *args)
{
	struct pw_space space;
	struct session s;
	int rc;

	if (args->nargs != 1)
		return usage_error(&cmd_pagemap_dump, "pagemap_dump needs a PID");
	rc = session_open(&s, args, PW_VIEW_PAGEMAP);
	if (rc)
		return rc;
	args->source = "pagemap";
	if (!session_target(&s) && !session_space(&s, args->arg[0], &space)) {
		s.status = dump(&s, &space);
		pw_space_free(&space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT_JSON, OPT_OUTPUT, OPT("noheadings", 'n', NULL, OPT_FLAG, noheadings, "without the line of headings"),
	OPT_HELP, OPT_END,
};

const struct command cmd_pagemap_dump = {
	.name = "pagemap_dump",
	.args = "PID",
	.summary = "every page of a process as /proc/PID/pagemap has it",
	.about = "A line a page that is in memory or swapped out, in the columns addr, pfn, soft-dirty (bit 55),\n"
		 "file/shared (61), swapped (62), present (63) and library, the mapped file; holes are left out. pfn "
		 "is '-'\n"
		 "where there is no frame: a swapped page has an offset in its swap area, which is no frame (--json "
		 "has it).\n"
		 "Frames are 'hidden' without CAP_SYS_ADMIN.\n",
	.examples = "  sudo pagemap_dump 4242\n"
		    "  sudo pagewalk pagemap_dump 4242 --json -o pages.json\n",
	.options = options,
	.run = run,
	.origin = true,
	.program = "pagemap_dump",
};
