/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "interval.h"
#include "session.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

/* FILE[#TARGET], opened. */
struct half {
	char *file;
	const char *text; /* of the TARGET; NULL: all spaces */
	struct pw_target *target;
	struct pw_space regions; /* its kernel, for processes' kernel halves */
};

struct diff {
	struct session *s;
	struct half half[2];
	struct pw_rec_pair pair;
	bool shown;     /* the pair's title */
	bool quietly;   /* a pair without differences has none */
	bool different; /* anywhere */
	uint64_t unknown, same, lost, records;
};

/* ---- one pair ---- */

static int enough(const struct diff *d)
{
	return pw_render_alive(&d->s->render) ? 0 : ENOUGH;
}

static void show_pair(struct diff *d)
{
	if (!d->shown)
		d->s->render.ops->diff_pair(&d->s->render, &d->pair);
	d->shown = true;
}

static int on_change(void *ctx, const struct pw_change *c)
{
	struct diff *d = ctx;

	show_pair(d);
	d->s->render.ops->change(&d->s->render, c);
	return enough(d);
}

static int on_area(void *ctx, const struct pw_area_change *c)
{
	struct diff *d = ctx;

	show_pair(d);
	d->s->render.ops->area_change(&d->s->render, c);
	return enough(d);
}

static int on_unknown(void *ctx, const struct pw_diff_unknown *u)
{
	struct diff *d = ctx;

	show_pair(d);
	d->s->render.ops->diff_unknown(&d->s->render, u);
	return enough(d);
}

static const struct pw_diff_visitor visitor = { .change = on_change, .area = on_area, .unknown = on_unknown };

static int broken(struct diff *d, int rc, const char *what)
{
	struct session *s = d->s;

	if (rc == ENOUGH)
		return rc;
	if (s->err.text[0])
		complain("%s", s->err.text);
	else
		complain("%s: %s", what, strerror(-rc));
	s->status = STATUS_FAILED;
	return rc;
}

/* Both spaces are ours to free. */
static int compare(struct diff *d, struct pw_space *a, struct pw_space *b, const char *text)
{
	const struct pw_diff_opts opts = { .size = sizeof(opts), .exact = d->s->args->exact, .filter = d->s->filter };
	struct pw_diff_sums sums = { 0 };
	char name[64];
	int rc;

	session_half(d->s, a);
	session_half(d->s, b);
	d->pair = (struct pw_rec_pair){ a, b, space_name(b, text, name), "both halves" };
	if (b->npieces == 1)
		d->pair.what = b->piece[0].label;
	d->shown = false;
	regions_join(d->half[0].target, &d->half[0].regions, a);
	regions_join(d->half[1].target, &d->half[1].regions, b);
	if (d->s->filter && b->npieces && pw_filter_check(d->s->filter, &b->piece[0].mmu, &d->s->err)) {
		complain("%s", d->s->err.text);
		d->s->status = STATUS_USAGE;
		rc = -EOPNOTSUPP;
	} else if (!b->npieces || !a->npieces) {
		complain("%s: that half of it is not there", a->title);
		d->s->status = STATUS_FAILED;
		rc = -EINVAL;
	} else {
		if (!d->quietly)
			show_pair(d);
		rc = pw_diff(a, b, &opts, &visitor, d, &sums, &d->s->err);
		if (rc)
			broken(d, rc, a->title);
	}
	if (!rc && d->shown)
		d->s->render.ops->diff_sums(&d->s->render, &sums);
	d->different |= sums.changes;
	d->records += sums.changes;
	d->unknown += sums.unknown;
	d->same += !rc && !sums.changes;
	pw_space_free(a);
	pw_space_free(b);
	return rc;
}

static int open_in(struct diff *d, unsigned side, const struct pw_select *sel, struct pw_space *out)
{
	d->s->err.text[0] = 0;
	return pw_target_space(d->half[side].target, sel, out, &d->s->err);
}

/* ---- a TARGET ---- */

static int begin(struct diff *d)
{
	static const char *const names[] = { "A", "B" };
	const struct pw_rec_head head = { .command = "diff", .filter = d->s->args->filter };
	int rc = session_begin(d->s, &head);

	if (rc)
		return rc;
	for (unsigned i = 0; i < 2; i++) {
		struct pw_rec_side side = { names[i], d->half[i].file, d->half[i].target };

		d->s->render.ops->diff_side(&d->s->render, &side);
	}
	/* From here on it says whether the pair has its headings. */
	if (!d->s->args->json)
		d->s->render.any = false;
	return 0;
}

static int compare_selected(struct diff *d, const struct pw_select sel[2], const char *text)
{
	struct pw_space a, b;
	int rc = open_in(d, 0, &sel[0], &a);

	if (rc)
		return broken(d, rc, "A");
	rc = open_in(d, 1, &sel[1], &b);
	if (rc) {
		pw_space_free(&a);
		return broken(d, rc, "B");
	}
	rc = begin(d);
	if (rc) {
		pw_space_free(&a);
		pw_space_free(&b);
		return rc;
	}
	return compare(d, &a, &b, text);
}

/* ---- all there are ---- */

static void lone(struct diff *d, const struct pw_process *p, const char *side)
{
	char title[128], name[32];
	struct pw_rec_lone rec = { title, name, side };

	if (p->kthread)
		return;
	snprintf(title, sizeof(title), "%d (%s)", (int)p->pid, p->comm);
	snprintf(name, sizeof(name), "%d", (int)p->pid);
	d->s->render.ops->diff_lone(&d->s->render, &rec);
	d->different = true;
	d->records++;
}

static int same_process(struct diff *d, const struct pw_process *p)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = p->pid };
	struct pw_space a, b;

	if (p->kthread)
		return 0;
	if (open_in(d, 0, &sel, &a)) {
		d->lost++;
		return 0;
	}
	if (open_in(d, 1, &sel, &b)) {
		pw_space_free(&a);
		d->lost++;
		return 0;
	}
	return compare(d, &a, &b, "");
}

/* Two of one PID and another name are two processes. */
static int merge(struct diff *d, const struct pw_process *p, size_t n, const struct pw_process *q, size_t m)
{
	int rc = 0;

	while ((n || m) && !rc && pw_render_alive(&d->s->render)) {
		int order = !n ? 1 : !m ? -1 : (p->pid > q->pid) - (p->pid < q->pid);

		if (!order && !strcmp(p->comm, q->comm) && p->kthread == q->kthread) {
			rc = same_process(d, p);
			p++, n--, q++, m--;
			continue;
		}
		if (order <= 0) {
			lone(d, p, "A");
			p++, n--;
		}
		if (order >= 0) {
			lone(d, q, "B");
			q++, m--;
		}
	}
	return rc;
}

static int compare_kernels(struct diff *d)
{
	const struct pw_select kernel[2] = { { .kind = PW_SELECT_KERNEL }, { .kind = PW_SELECT_KERNEL } };
	struct pw_space a, b;

	if (open_in(d, 0, &kernel[0], &a))
		return 0;
	if (open_in(d, 1, &kernel[1], &b)) {
		pw_space_free(&a);
		return 0;
	}
	return compare(d, &a, &b, "kernel");
}

static int compare_all(struct diff *d)
{
	struct pw_process *p = NULL, *q = NULL;
	size_t n, m;
	int rc = pw_target_processes(d->half[0].target, false, &p, &n, &d->s->err);

	d->quietly = !d->s->args->json;
	d->s->lacking |= rc > 0;
	if (rc >= 0)
		rc = pw_target_processes(d->half[1].target, false, &q, &m, &d->s->err);
	d->s->lacking |= rc > 0;
	if (d->s->lacking)
		complain("%s: some are missing", d->s->err.text);
	if (rc < 0)
		broken(d, rc, "the list of processes");
	else
		rc = merge(d, p, n, q, m);
	free(p);
	free(q);
	if (!rc && !d->s->args->user)
		rc = compare_kernels(d);
	return rc;
}

static void end(struct diff *d)
{
	struct pw_rec_end e = { .complete = !d->unknown && !d->lost, .records = d->records };

	if (d->lost)
		complain("%llu process%s could not be compared; the last: %s", (unsigned long long)d->lost,
			 d->lost == 1 ? "" : "es", d->s->err.text);
	if (d->s->status)
		return;
	session_end(d->s, &e);
	if (!d->s->status && d->different)
		d->s->status = STATUS_NO;
}

/* ---- two files ---- */

/* A file's name may hold a '#', too: if it is there as a whole, that is meant. */
static int open_half(struct diff *d, unsigned i, const char *arg)
{
	struct half *h = &d->half[i];
	struct pw_target_opts opts = { .size = sizeof(opts) };
	char *hash;
	int rc;

	h->file = strdup(arg);
	if (!h->file)
		return -ENOMEM;
	hash = access(arg, F_OK) ? strrchr(h->file, '#') : NULL;
	if (hash) {
		*hash = 0;
		h->text = hash + 1;
	}
	opts.source = h->file;
	/* A source's name is no file. */
	if (access(h->file, R_OK))
		rc = pw_error_set(&d->s->err, -errno, "%s: %s", h->file, strerror(errno));
	else
		rc = pw_target_open(&opts, &h->target, &d->s->err);
	if (rc)
		broken(d, rc, h->file);
	return rc;
}

static int two_files(struct diff *d)
{
	struct session *s = d->s;
	struct pw_select sel[2];
	const char *text;

	if (open_half(d, 0, s->args->arg[0]) || open_half(d, 1, s->args->arg[1]))
		return s->status = STATUS_FAILED;
	s->target = d->half[0].target;
	text = d->half[0].text ? d->half[0].text : d->half[1].text;
	for (unsigned i = 0; text && i < 2; i++)
		if (pw_select_parse(d->half[i].text ? d->half[i].text : text, &sel[i], &s->err)) {
			complain("%s", s->err.text);
			return s->status = STATUS_USAGE;
		}
	if (text)
		compare_selected(d, sel, text);
	else if (!begin(d))
		compare_all(d);
	end(d);
	return s->status;
}

/* ---- one that is alive ---- */

static int remember(struct diff *d, const struct pw_select *sel, struct half *h)
{
	int rc = interval_remember(d->s, sel, &h->target);

	return rc ? broken(d, rc, d->s->args->arg[0]) : 0;
}

static int live(struct diff *d, uint64_t ms)
{
	struct session *s = d->s;
	unsigned count = s->args->count ? s->args->count : 1;
	struct pw_select sel[2];
	int rc;

	if (pw_select_parse(s->args->arg[0], &sel[0], &s->err)) {
		complain("%s", s->err.text);
		return s->status = STATUS_USAGE;
	}
	if (sel[0].kind == PW_SELECT_CPU)
		return s->status =
			       usage_error(&cmd_diff, "a CPU goes from one space to another: give a PID, or root:PA");
	if (session_target(s))
		return s->status;
	sel[1] = sel[0];
	rc = remember(d, &sel[0], &d->half[0]);
	for (unsigned i = 0; i < count && !rc; i++) {
		interval_wait(ms);
		rc = remember(d, &sel[1], &d->half[1]);
		if (!rc)
			rc = compare_selected(d, sel, s->args->arg[0]);
		pw_out_flush(&s->out);
		pw_space_free(&d->half[0].regions);
		pw_target_close(d->half[0].target);
		d->half[0] = d->half[1];
		d->half[1] = (struct half){ .regions.pin.pagemap_fd = -1 };
	}
	end(d);
	return s->status;
}

/* ---- */

static int check(const struct args *args, uint64_t *ms)
{
	*ms = args->interval ? interval_parse(args->interval) : 0;
	if (args->interval && !*ms)
		return usage_error(&cmd_diff, "--interval: '%s' is no time, as in 1s or 250ms", args->interval);
	if (args->interval && args->nargs != 1)
		return usage_error(&cmd_diff, "with --interval, diff takes one TARGET");
	if (!args->interval && args->nargs != 2)
		return usage_error(&cmd_diff, "diff needs two files, A and B, or a TARGET and --interval");
	if (args->count && !args->interval)
		return usage_error(&cmd_diff, "--count is for --interval");
	return 0;
}

static int run(struct args *args)
{
	struct session s;
	struct diff d = { .s = &s, .half = { { .regions.pin.pagemap_fd = -1 }, { .regions.pin.pagemap_fd = -1 } } };
	uint64_t ms;
	int rc = check(args, &ms);

	if (!rc)
		rc = session_open(&s, args, PW_VIEW_DIFF);
	if (rc)
		return rc;
	if (ms)
		live(&d, ms);
	else
		two_files(&d);
	for (unsigned i = 0; i < 2; i++) {
		pw_space_free(&d.half[i].regions);
		if (d.half[i].target != s.target)
			pw_target_close(d.half[i].target);
		free(d.half[i].file);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("interval", 'i', "TIME", OPT_TEXT, interval, "a live TARGET, now and after TIME: 1s, 250ms"),
	OPT("count", 'c', "N", OPT_NUMBER, count, "so many times, each against the time before (default: 1)"),
	OPT("exact", 'x', NULL, OPT_FLAG, exact, "a line for each piece of addresses"),
	OPT_FILTER,
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half (the default for a process)"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half; with --user: both"),
	OPT_SOURCE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_diff = {
	.name = "diff",
	.args = "A B | TARGET --interval TIME",
	.summary = "what is mapped otherwise in B than in A",
	.about = "A and B are FILE[#TARGET]: a snapshot, or any other file that -s takes, and a TARGET in it; without "
		 "one,\n"
		 "all its processes and its kernel. A line is what has happened to pages of one VMA; IN says in how "
		 "many\n"
		 "pieces these are. Exit status 1 when there is a difference.\n",
	.examples = "  pagewalk diff before.snapshot after.snapshot\n"
		    "  pagewalk diff before.snapshot#4242 after.snapshot --exact\n"
		    "  sudo pagewalk diff name:dbtest --interval 1s --count 10\n"
		    "  pagewalk diff a.snapshot b.snapshot --json | jq 'select(.rec == \"change\")'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_DIFF,
};
