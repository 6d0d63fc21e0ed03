/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include <pagewalk/live.h>

#include "commands.h"
#include "session.h"

/* What auto takes, by really opening it: a probe can be too hopeful. NULL: nothing. */
static const struct pw_source_ops *open_auto(struct session *s)
{
	const struct pw_target_opts opts = { .size = sizeof(opts) };

	if (pw_target_open(&opts, &s->target, &s->err))
		return NULL;
	return s->target->source.ops;
}

/* True when it is the picked one, and that one does not show frame numbers. */
static bool put_source(struct session *s, const struct pw_source_ops *ops, const struct pw_source_ops *picked)
{
	struct pw_rec_source rec = {
		.name = ops->name,
		.exact = ops->caps & PW_CAP_TABLES,
		.picked = ops == picked,
	};

	ops->probe(&rec.probe);
	s->render.ops->source(&s->render, &rec);
	return rec.picked && !rec.exact && rec.probe.state == PW_PROBE_LIMITED;
}

static int look(struct session *s)
{
	const struct pw_source_ops *picked = open_auto(s);
	const struct pw_rec_head head = { .command = "doctor" };
	struct pw_rec_end end = { .complete = true, .picked = picked };
	struct pw_live_summary summary = { 0 };
	int rc;

	pw_live_summary(&summary);
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	s->render.ops->system(&s->render, &summary);
	for (const struct pw_source_ops *const *ops = pw_sources_live(); *ops; ops++) {
		end.hidden |= put_source(s, *ops, picked);
		end.records++;
	}
	session_end(s, &end);
	if (!picked) {
		pw_out_flush(&s->out);
		complain("nothing works here%s%s", s->err.text[0] ? ": " : "", s->err.text);
		return STATUS_FAILED;
	}
	return picked->caps & PW_CAP_TABLES ? STATUS_DONE : STATUS_NO;
}

static int run(struct args *args)
{
	struct session s;
	int rc;

	if (args->nargs)
		return usage_error(&cmd_doctor, "doctor takes no arguments: '%s'", args->arg[0]);
	rc = session_open(&s, args, PW_VIEW_SOURCES);
	if (rc)
		return rc;
	s.status = look(&s);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPTS_TABLE,
};

const struct command cmd_doctor = {
	.name = "doctor",
	.args = "",
	.summary = "which sources work here, what is shut and why, what opens it",
	.about = "Exit status 0 when exact tables can be had, 1 when only leaves, 3 when nothing.\n",
	.examples = "  pagewalk doctor\n"
		    "  sudo pagewalk doctor\n"
		    "  pagewalk doctor --json | jq -r 'select(.rec == \"source\") | .source + \" \" + .state'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_SOURCES,
};
