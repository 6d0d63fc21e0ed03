/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "targets.h"

static int failed(struct session *s, int rc)
{
	complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
	return STATUS_FAILED;
}

/* All TARGETs are there, or nothing is written. */
static int add_targets(struct session *s, struct pw_snapshot *snapshot)
{
	const struct args *args = s->args;
	struct pw_select sel;

	for (size_t i = 0; i < args->nargs; i++) {
		int rc;

		if (pw_select_parse(args->arg[i], &sel, &s->err)) {
			complain("%s", s->err.text);
			return STATUS_USAGE;
		}
		rc = pw_snapshot_add(snapshot, &sel, &s->err);
		if (rc)
			return failed(s, rc);
	}
	return 0;
}

/* Those that have ended since they were listed are left out. */
static int add_group(struct session *s, struct pw_snapshot *snapshot)
{
	struct pw_process *list;
	size_t n;
	int rc = targets_processes(s, &list, &n);

	if (rc)
		return rc;
	for (size_t i = 0; i < n && !rc; i++) {
		const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = list[i].pid };

		rc = pw_snapshot_add(snapshot, &sel, &s->err);
		if (rc == -ESRCH)
			rc = 0;
	}
	free(list);
	return rc ? failed(s, rc) : 0;
}

static int add(struct session *s, struct pw_snapshot *snapshot)
{
	int rc;

	if (s->args->cgroup)
		return add_group(s, snapshot);
	if (!s->args->all)
		return add_targets(s, snapshot);
	rc = pw_snapshot_add_all(snapshot, &s->err);
	return rc ? failed(s, rc) : 0;
}

static int show(struct session *s, const struct pw_rec_snapshot *rec)
{
	const struct pw_rec_head head = { .command = "snapshot" };
	const struct pw_snapshot_sums *sums = &rec->sums;
	struct pw_rec_end end = { .complete = !sums->lost, .records = 1, .walk = sums->walk };
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	s->render.ops->snapshot(&s->render, rec);
	session_end(s, &end);
	if (!sums->lost)
		return s->status;
	complain("%llu process%s could not be looked at; the last: %s", (unsigned long long)sums->lost,
		 sums->lost == 1 ? "" : "es", s->err.text);
	return STATUS_PARTIAL;
}

static int take(struct session *s, const char *file)
{
	const struct args *args = s->args;
	struct pw_rec_snapshot rec = { .file = file };
	struct pw_snapshot_opts opts = {
		.size = sizeof(opts),
		.path = file,
		.half = args->user == args->kernel ? PW_SNAPSHOT_BOTH
			: args->user               ? PW_SNAPSHOT_USER
						   : PW_SNAPSHOT_KERNEL,
		.joins = pw_snapshot_joins(s->target),
	};
	struct pw_snapshot *snapshot;
	int rc;

	if (!opts.joins)
		opts.joins = &s->joins;
	rc = pw_snapshot_begin(s->target, &opts, &snapshot, &s->err);
	if (rc)
		return failed(s, rc);
	rc = add(s, snapshot);
	if (rc) {
		pw_snapshot_abort(snapshot);
		return rc;
	}
	rc = pw_snapshot_finish(snapshot, &rec.sums, NULL, &s->err);
	return rc ? failed(s, rc) : show(s, &rec);
}

static int run(struct args *args)
{
	struct args own = *args;
	struct session s;
	int rc;

	rc = targets_check(&cmd_snapshot, args);
	if (rc)
		return rc;
	if (!args->output)
		return usage_error(&cmd_snapshot, "snapshot needs -o FILE");
	/* What is said about it is not what goes into the file. */
	own.output = NULL;
	rc = session_open(&s, &own, PW_VIEW_PROCESSES);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = take(&s, args->output);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("all", 'a', NULL, OPT_FLAG, all, "all processes and the kernel"),
	OPT_CGROUP,
	OPT("output", 'o', "FILE", OPT_TEXT, output, "the snapshot; what is there is replaced when it is whole"),
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half of each only"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half of each only"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPT_JSON,
	OPT_BYTES,
	OPT_HELP,
	OPT_END,
};

const struct command cmd_snapshot = {
	.name = "snapshot",
	.args = "TARGET... | --all | --cgroup PATH",
	.summary = "saves page tables to a file that every command reads",
	.about = "FILE holds the page tables of the TARGETs with their VMAs, and all that commands print beside them:\n"
		 "'-s FILE' then shows them on any machine, to any user, as they were. What was unstable or unreadable "
		 "is\n"
		 "so in the snapshot, too. No memory is in it but page tables. With a kernel half comes the kernel "
		 "itself.\n",
	.examples = "  sudo pagewalk snapshot 4242 -o before.snapshot\n"
		    "  sudo pagewalk snapshot --all -o all.snapshot\n"
		    "  sudo pagewalk snapshot name:dbtest --user -o dbtest.snapshot\n"
		    "  pagewalk dump 4242 -s before.snapshot\n",
	.options = options,
	.run = run,
};
