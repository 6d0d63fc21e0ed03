/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "sums.h"
#include "targets.h"

int targets_check(const struct command *cmd, const struct args *args)
{
	if (args->nargs && (args->all || args->cgroup))
		return usage_error(cmd, "%s is one, TARGETs are another way to say which",
				   args->all ? "--all" : "--cgroup");
	if (args->all && args->cgroup)
		return usage_error(cmd, "--all and --cgroup exclude each other");
	return args->nargs || args->all || args->cgroup
		       ? 0
		       : usage_error(cmd, "%s needs TARGETs, --all or --cgroup", cmd->name);
}

/* Where nothing was shown of any, the head is still to come. The last space is gone. */
static int end_stream(struct session *s, struct pw_rec_end *total)
{
	const struct pw_rec_head head = { .command = s->args->cmd->name, .filter = s->args->filter };

	if (!s->render.any && session_begin(s, &head))
		return s->status;
	s->render.head.space = NULL;
	total->of = PW_END_STREAM;
	total->complete = total->has_walk = true;
	session_end(s, total);
	return s->status;
}

/* -------- named -------- */

static int one_named(struct session *s, const char *text, enum pw_end_of of, targets_fn fn, struct pw_rec_end *total)
{
	struct pw_space space;
	int rc = session_space(s, text, &space);

	if (rc)
		return rc;
	rc = fn(s, &space, text, of, total);
	if (rc < 0)
		complain("%s: %s", space.title, walk_error(rc));
	pw_space_free(&space);
	return rc < 0 ? STATUS_FAILED : rc;
}

static int named(struct session *s, size_t n, targets_fn fn)
{
	const struct args *args = s->args;
	enum pw_end_of of = n == 1 ? PW_END_ALL : PW_END_SPACE;
	struct pw_rec_end total = { 0 };
	enum status worst = STATUS_DONE;
	size_t shown = 0;

	for (size_t i = 0; i < n && pw_render_alive(&s->render); i++) {
		int rc = one_named(s, args->arg[i], of, fn, &total);

		shown += rc == 0;
		if (rc)
			worst = rc;
	}
	if (worst && !shown)
		return worst;
	if (of == PW_END_SPACE)
		end_stream(s, &total);
	return worst ? STATUS_PARTIAL : s->status;
}

/* -------- many -------- */

int targets_processes(struct session *s, struct pw_process **list, size_t *n)
{
	size_t kept = 0;
	int rc = pw_target_processes(s->target, false, list, n, &s->err);

	if (rc > 0) {
		complain("%s: some are missing", s->err.text);
		s->lacking = true;
		rc = 0;
	}
	if (!rc && s->args->cgroup) {
		rc = cgroup_filter(s->target, s->args->cgroup, *list, n, &s->err);
		if (rc)
			free(*list);
	}
	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		return rc == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	}
	for (size_t i = 0; i < *n; i++)
		if (!(*list)[i].kthread && (*list)[i].pid)
			(*list)[kept++] = (*list)[i];
	*n = kept;
	return 0;
}

static int one_of_many(struct session *s, const struct pw_process *p, targets_fn fn, struct pw_rec_end *total)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = p->pid };
	struct pw_space space;
	int rc = pw_target_space(s->target, &sel, &space, &s->err);

	if (rc)
		return rc;
	session_lacks(s, &space);
	rc = fn(s, &space, "", PW_END_SPACE, total);
	if (rc < 0)
		pw_error_set(&s->err, rc, "%s: %s", space.title, walk_error(rc));
	pw_space_free(&space);
	return rc;
}

static int many(struct session *s, targets_fn fn, int (*last)(struct session *s))
{
	struct progress progress = { .what = "processes" };
	struct pw_rec_end total = { 0 };
	struct pw_process *list;
	size_t n, shown = 0, lost = 0;
	int rc = targets_processes(s, &list, &n);

	if (rc)
		return rc;
	for (size_t i = 0; i < n && rc <= 0 && pw_render_alive(&s->render); i++) {
		progress_show(&progress, i, n);
		rc = one_of_many(s, &list[i], fn, &total);
		shown += rc == 0;
		lost += rc < 0;
	}
	progress_end(&progress);
	free(list);
	if (rc > 0)
		return rc;
	if (!shown && n) {
		complain("no process can be looked at%s%s", s->err.text[0] ? ": " : "", s->err.text);
		return STATUS_FAILED;
	}
	rc = last ? last(s) : 0;
	if (rc)
		return rc;
	end_stream(s, &total);
	if (!lost)
		return s->status;
	complain("%zu process%s could not be looked at; the last: %s", lost, lost == 1 ? "" : "es", s->err.text);
	return STATUS_PARTIAL;
}

int targets_each(struct session *s, targets_fn fn)
{
	return targets_each_of(s, s->args->nargs, fn);
}

int targets_each_of(struct session *s, size_t n, targets_fn fn)
{
	return n ? named(s, n, fn) : many(s, fn, NULL);
}

int targets_each_then(struct session *s, targets_fn fn, int (*last)(struct session *s))
{
	size_t n = s->args->nargs;

	return n ? named(s, n, fn) : many(s, fn, last);
}
