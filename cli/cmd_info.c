/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static int list(struct session *s)
{
	const struct pw_rec_head head = { .command = "info" };
	struct pw_rec_end end = { .complete = true };
	struct pw_facts_list facts;
	int rc = pw_target_facts(s->target, &facts, &s->err);

	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		return STATUS_FAILED;
	}
	rc = session_begin(s, &head);
	for (; end.records < facts.n && !rc; end.records++)
		s->render.ops->fact(&s->render, &facts.v[end.records]);
	if (!rc)
		session_end(s, &end);
	free(facts.v);
	return s->status;
}

static int run(struct args *args)
{
	struct session s;
	int rc;

	if (args->nargs)
		return usage_error(&cmd_info, "info takes no arguments: '%s'", args->arg[0]);
	rc = session_open(&s, args, PW_VIEW_FACTS);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = list(&s);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_TABLE,
};

const struct command cmd_info = {
	.name = "info",
	.args = "",
	.summary = "what a target is: kernel, mode, KASLR, how each fact was found and how sure",
	.examples = "  sudo pagewalk info\n"
		    "  pagewalk info -s memory.lime\n"
		    "  pagewalk info -s memory.lime --json | jq -r 'select(.fact == \"kernel-root\") | .value'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_FACTS,
};
