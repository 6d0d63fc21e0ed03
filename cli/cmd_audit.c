/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "sums.h"
#include "targets.h"

struct audit {
	struct session *s;
	struct pw_audit *a;
	int fail_on;
	struct pw_select *v; /* all that is looked at */
	size_t n;
	size_t lost;          /* of these: could not be */
	struct pw_error last; /* why, of the last one */
	struct pw_rec_audit sums;
	struct pw_rec_end end;
};

/* ---- what is looked at ---- */

static int select_named(struct audit *d)
{
	const struct args *args = d->s->args;

	for (; d->n < args->nargs; d->n++) {
		if (!pw_select_parse(args->arg[d->n], &d->v[d->n], &d->s->err))
			continue;
		complain("%s", d->s->err.text);
		return STATUS_USAGE;
	}
	return 0;
}

/* All processes, or those of a group; without either word the kernel as well. */
static int select_many(struct audit *d)
{
	const struct args *args = d->s->args;
	struct pw_process *list;
	size_t n;
	int rc = targets_processes(d->s, &list, &n);

	if (rc)
		return rc;
	d->v = calloc(n + 1, sizeof(*d->v));
	if (!d->v)
		rc = STATUS_FAILED;
	for (size_t i = 0; i < n && !rc; i++)
		d->v[d->n++] = (struct pw_select){ .kind = PW_SELECT_PID, .pid = list[i].pid };
	if (!rc && !args->all && !args->cgroup)
		d->v[d->n++] = (struct pw_select){ .kind = PW_SELECT_KERNEL };
	free(list);
	return rc;
}

static int select_all(struct audit *d)
{
	size_t nargs = d->s->args->nargs;

	if (!nargs)
		return select_many(d);
	d->v = calloc(nargs, sizeof(*d->v));
	return d->v ? select_named(d) : STATUS_FAILED;
}

/* ---- looking ---- */

static int one(struct audit *d, const struct pw_select *sel, bool collect)
{
	struct pw_space space;
	int rc;

	d->s->err.text[0] = 0;
	rc = pw_target_space(d->s->target, sel, &space, &d->s->err);
	if (rc)
		return rc;
	if (!collect)
		session_lacks(d->s, &space);
	rc = collect ? pw_audit_collect(d->a, &space) : pw_audit_space(d->a, &space, &d->end.walk);
	if (rc)
		pw_error_set(&d->s->err, rc, "%s: %s", space.title,
			     rc == -ESRCH ? "the process is gone" : strerror(-rc));
	pw_space_free(&space);
	return rc;
}

/* Those that were lost while tables were collected are lost again while they are looked at, and counted then. */
static void pass(struct audit *d, bool collect)
{
	struct progress progress = { .what = collect ? "spaces (tables)" : "spaces" };

	for (size_t i = 0; i < d->n; i++) {
		progress_show(&progress, i, d->n);
		if (!one(d, &d->v[i], collect)) {
			d->sums.spaces += !collect;
		} else if (!collect) {
			d->lost++;
			d->last = d->s->err;
			if (d->s->args->nargs)
				complain("%s", d->s->err.text);
		}
	}
	progress_end(&progress);
}

/* ---- the answer ---- */

static int write_baseline(const char *file, const struct pw_finding *f, size_t n)
{
	FILE *out = fopen(file, "we");
	char *before = NULL;
	int rc = out ? 0 : -errno;

	if (out)
		fputs("# pagewalk audit: RULE SPACE PERM NAME\n", out);
	for (size_t i = 0; i < n && !rc; i++) {
		char *key = pw_finding_key(&f[i]);

		if (!key)
			rc = -ENOMEM;
		else if (!before || strcmp(before, key))
			fprintf(out, "%s\n", key);
		free(before);
		before = key;
	}
	free(before);
	if (out && fclose(out) && !rc)
		rc = -errno;
	if (rc)
		complain("%s: %s", file, strerror(-rc));
	return rc ? STATUS_FAILED : 0;
}

/* What is known is not shown, but in JSON, where it says so. */
static bool put_findings(struct audit *d, const struct pw_finding *f, size_t n)
{
	bool fails = false;

	for (size_t i = 0; i < n; i++) {
		if (f[i].known)
			d->sums.known++;
		else
			d->sums.found[f[i].rule->level]++;
		fails |= !f[i].known && (int)f[i].rule->level >= d->fail_on;
		if (f[i].known && !d->s->args->json)
			continue;
		d->end.records++;
		d->s->render.ops->finding(&d->s->render, &f[i]);
	}
	return fails;
}

static int answer(struct audit *d)
{
	const struct args *args = d->s->args;
	const struct pw_rec_head head = {
		.command = "audit", .what = "audit", .filter = args->filter, .va = { 0, UINT64_MAX }
	};
	struct pw_finding *f;
	bool fails;
	size_t n;
	int rc;

	f = pw_audit_findings(d->a, &n);
	if (args->baseline && pw_audit_baseline(d->a, args->baseline, &d->s->err)) {
		complain("%s", d->s->err.text);
		return STATUS_FAILED;
	}
	rc = session_begin(d->s, &head);
	if (rc)
		return rc;
	fails = put_findings(d, f, n);
	d->sums.lost = pw_audit_lost(d->a);
	d->end.audit = &d->sums;
	d->end.has_walk = true;
	d->end.complete = !d->lost && !d->sums.lost;
	session_end(d->s, &d->end);
	if (args->write_baseline)
		return write_baseline(args->write_baseline, f, n) ? STATUS_FAILED : (int)d->s->status;
	return fails ? STATUS_NO : (int)d->s->status;
}

static int look(struct audit *d)
{
	int rc = select_all(d);

	if (rc)
		return rc;
	pass(d, true);
	pass(d, false);
	if (!d->sums.spaces) {
		if (!d->s->args->nargs)
			complain("nothing can be looked at: %s", d->last.text);
		return STATUS_FAILED;
	}
	if (d->lost && !d->s->args->nargs)
		complain("%zu process%s could not be looked at; the last: %s", d->lost, d->lost == 1 ? "" : "es",
			 d->last.text);
	return answer(d);
}

/* A baseline that cannot be read is said before anything is looked at. */
static int audit(struct session *s, int fail_on)
{
	const struct pw_audit_opts opts = { .size = sizeof(opts), .exact = s->args->exact, .filter = s->filter };
	struct audit d = { .s = s, .fail_on = fail_on };
	int rc;

	d.a = pw_audit_new(s->target, &opts, &s->err);
	if (!d.a || (s->args->baseline && pw_audit_baseline(d.a, s->args->baseline, &s->err))) {
		complain("%s", s->err.text);
		pw_audit_free(d.a);
		return STATUS_FAILED;
	}
	rc = look(&d);
	free(d.v);
	pw_audit_free(d.a);
	return rc;
}

static int run(struct args *args)
{
	int fail_on = pw_audit_level_parse(args->fail_on ? args->fail_on : "medium");
	struct session s;
	int rc;

	if (args->nargs || args->all || args->cgroup) {
		rc = targets_check(&cmd_audit, args);
		if (rc)
			return rc;
	}
	rc = session_open(&s, args, PW_VIEW_AUDIT);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = audit(&s, fail_on < 0 ? PW_AUDIT_NLEVELS : fail_on);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPTS_TARGETS,
	OPT("fail-on", 0, "info|low|medium|high|never", OPT_TEXT, fail_on,
	    "exit status 1 from this level on (default: medium)"),
	OPT("baseline", 0, "FILE", OPT_TEXT, baseline, "findings that are accepted"),
	OPT("write-baseline", 0, "FILE", OPT_TEXT, write_baseline, "accept all that is found now"),
	OPT("exact", 'x', NULL, OPT_FLAG, exact, "a line for each piece of addresses"),
	OPT_FILTER,
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_audit = {
	.name = "audit",
	.args = "[TARGET... | --all | --cgroup PATH]",
	.summary = "what should not be mapped as it is: W+X, user-visible kernel, aliases of code",
	.about =
		"Without TARGET: all processes and the kernel. A line is what one rule has found in one VMA or region, "
		"of all\n"
		"processes of one name together. What a stock kernel has is explained in docs/audit.md. Exit status 1\n"
		"when something at or above --fail-on was found that the baseline does not have.\n",
	.examples = "  sudo pagewalk audit\n"
		    "  sudo pagewalk audit kernel --exact --columns level,rule,at,end,perm,pa,raw\n"
		    "  sudo pagewalk audit --write-baseline known.txt && sudo pagewalk audit --baseline known.txt\n"
		    "  pagewalk audit -s memory.elf --fail-on high --json | jq 'select(.rec == \"finding\")'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_AUDIT,
};
