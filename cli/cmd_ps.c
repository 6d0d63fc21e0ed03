/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static int by_name(const void *a, const void *b)
{
	const struct pw_process *p = a, *q = b;
	int c = strcmp(p->comm, q->comm);

	return c ? c : (p->pid > q->pid) - (p->pid < q->pid);
}

static int by_root(const void *a, const void *b)
{
	const struct pw_process *p = a, *q = b;

	return (p->root > q->root) - (p->root < q->root);
}

static int list(struct session *s)
{
	const struct pw_rec_head head = { .command = "ps" };
	struct pw_rec_end end = { .complete = true };
	struct pw_process *v;
	int rc = pw_target_processes(s->target, true, &v, &end.records, &s->err);

	if (rc) {
		complain("%s%s", s->err.text[0] ? s->err.text : strerror(-rc), rc > 0 ? ": some are missing" : "");
		if (rc < 0)
			return STATUS_FAILED;
		end.complete = false;
	}
	if (s->args->sort && !strcmp(s->args->sort, "name"))
		qsort(v, end.records, sizeof(*v), by_name);
	else if (s->args->sort && !strcmp(s->args->sort, "root"))
		qsort(v, end.records, sizeof(*v), by_root);
	rc = session_begin(s, &head);
	for (size_t i = 0; i < end.records && !rc; i++)
		s->render.ops->process(&s->render, &v[i]);
	if (!rc)
		session_end(s, &end);
	free(v);
	return s->status;
}

static int run(struct args *args)
{
	return session_list(args, &cmd_ps, list);
}

static const struct option_def options[] = {
	OPT_SOURCE,
	OPTS_IMAGE,
	OPT("sort", 0, "pid|name|root", OPT_TEXT, sort, "order of the lines (default: pid)"),
	OPTS_TABLE,
};

const struct command cmd_ps = {
	.name = "ps",
	.args = "",
	.summary = "processes of the target: PID, name, root table",
	.examples = "  sudo pagewalk ps\n"
		    "  sudo pagewalk ps --sort name --columns name,pid\n"
		    "  sudo pagewalk ps --json | jq -r 'select(.rec == \"process\" and .kthread) | .name'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_PROCESSES,
};
