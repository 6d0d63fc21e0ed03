/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "progress.h"
#include "session.h"
#include "source/image.h"

/* Of a search through all of memory; ends with whatever is said next. */
static struct progress searching = { .what = "MiB of memory searched" };

static void on_progress(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	progress_show(&searching, done >> 20, all >> 20);
}

/* One line, in one write. What it quotes (the name of a process, an argument) can be any bytes, and someone else's choice. */
static void say(const char *fmt, va_list args, const char *command)
{
	char text[2048], hint[64] = "";
	struct pw_out o;

	progress_end(&searching);
	vsnprintf(text, sizeof(text), fmt, args);
	if (command)
		snprintf(hint, sizeof(hint), " (see 'pagewalk %.30s --help')", command);
	if (pw_out_init(&o, STDERR_FILENO)) {
		fputs("pagewalk: out of memory\n", stderr);
		return;
	}
	pw_out_str(&o, "pagewalk: ");
	pw_out_name(&o, text);
	pw_out_str(&o, hint);
	pw_out_char(&o, '\n');
	pw_out_flush(&o);
	pw_out_free(&o);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args, NULL);
	va_end(args);
}

int usage_error(const struct command *cmd, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args, cmd->name);
	va_end(args);
	return STATUS_USAGE;
}

static bool want_colour(const struct args *args)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (args->colour && !strcmp(args->colour, "always"))
		return true;
	if (args->json || args->output || (args->colour && !strcmp(args->colour, "never")))
		return false;
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

int session_open(struct session *s, const struct args *args, enum pw_view view)
{
	*s = (struct session){ .args = args, .regions.pin.pagemap_fd = -1 };
	if (args->json && (args->columns || args->noheadings)) {
		complain("--%s is for text: JSON has all keys always", args->columns ? "columns" : "noheadings");
		return STATUS_USAGE;
	}
	if (pw_out_init(&s->out, STDOUT_FILENO)) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	s->render = (struct pw_render){
		.ops = args->json ? &pw_render_json : &pw_render_text,
		.out = &s->out,
		.colour = !args->json && want_colour(args),
		.bytes = args->bytes,
		.noheadings = args->noheadings,
	};
	if (pw_render_columns(&s->render, view, args->columns, &s->err)) {
		complain("%s", s->err.text);
		pw_out_free(&s->out);
		return STATUS_USAGE;
	}
	if (args->filter && pw_filter_parse(args->filter, &s->filter, &s->err)) {
		complain("%s", s->err.text);
		pw_render_free(&s->render);
		pw_out_free(&s->out);
		return STATUS_USAGE;
	}
	return 0;
}

/* What is not in the image is not in the answer either; only then nobody would know why. */
static void warn_of_lost(const struct pw_target *t)
{
	const struct pw_image *im = pw_image_of(&t->source);

	if (!im || (!im->nlost && !im->cut))
		return;
	if (im->nlost)
		complain("the image is truncated: %llu bytes of memory that it should have are missing, from 0x%llx on",
			 (unsigned long long)im->lost_bytes, (unsigned long long)im->lost[0].lo);
	else
		complain("the image is truncated: it ends where more was to come");
}

/* An option's address; false after a complaint. */
static bool parse_option(const char *name, const char *text, uint64_t *out)
{
	struct pw_error err = { 0 };

	if (!text || !parse_hex(text, out, &err))
		return true;
	complain("--%s: %s", name, err.text);
	return false;
}

/* A guest that we have stopped must not stay so when we are told to end. */
static struct pw_target *stopped;

static void let_go(int sig)
{
	pw_target_let_go(stopped);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The signals wait while it is opened, and from then on let it go first. */
static int open_stopped(const struct pw_target_opts *opts, struct session *s)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t wait, before;
	int rc;

	sigemptyset(&wait);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&wait, signals[i]);
	sigprocmask(SIG_BLOCK, &wait, &before);
	rc = pw_target_open(opts, &s->target, &s->err);
	stopped = s->target;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && !rc; i++)
		signal(signals[i], let_go);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* Whether all that will be shown is in tables: in text, a line a range or an address, without the names of bits. */
static bool tables_suffice(const struct session *s)
{
	const struct pw_columns *c = &s->render.columns;

	if (s->args->json || s->args->filter || s->args->exact ||
	    (s->render.view != PW_VIEW_RUNS && s->render.view != PW_VIEW_BRIEF))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->col[i]->name, "bits"))
			return false;
	return true;
}

int session_target(struct session *s)
{
	struct pw_target_opts opts = {
		.size = sizeof(opts),
		.source = s->args->source,
		.paging = s->args->paging,
		.ranges = s->args->ranges,
		.frozen = s->args->frozen,
		.btf = s->args->btf,
		.stop = s->args->stop,
		.tables_only = tables_suffice(s),
		.progress = on_progress,
	};
	int rc = 0;

	if (!parse_option("root", s->args->root, &opts.root) ||
	    !parse_option("page-offset", s->args->page_offset, &opts.page_offset)) {
		s->status = STATUS_USAGE;
		return s->status;
	}
	rc = opts.stop ? open_stopped(&opts, s) : pw_target_open(&opts, &s->target, &s->err);
	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		s->status = STATUS_FAILED;
		return s->status;
	}
	if (s->target->os && !strcmp(s->target->os->name, "live"))
		joins_load(&s->joins);
	warn_of_lost(s->target);
	return 0;
}

int session_space(struct session *s, const char *text, struct pw_space *space)
{
	struct pw_select sel;
	int rc = pw_select_parse(text, &sel, &s->err);

	s->status = STATUS_USAGE;
	if (!rc) {
		s->status = STATUS_FAILED;
		rc = pw_target_space(s->target, &sel, space, &s->err);
	}
	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		return s->status;
	}
	s->status = STATUS_DONE;
	session_lacks(s, space);
	return 0;
}

void session_lacks(struct session *s, const struct pw_space *space)
{
	if (!space->lack)
		return;
	complain("%s: %s", space->title, space->lack);
	s->lacking = true;
}

static const struct pw_piece *kernel_piece(const struct pw_space *space)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_KERNEL)
			return &space->piece[i];
	return NULL;
}

void regions_join(struct pw_target *t, struct pw_space *kernel_space, struct pw_space *space)
{
	const struct pw_select kernel = { .kind = PW_SELECT_KERNEL };
	const struct pw_piece *piece = kernel_piece(space);
	struct pw_areas *areas = &space->areas, *regions = &kernel_space->areas;
	struct pw_area *v;
	size_t n = areas->n;

	if (!piece || !space->pid || (!regions->v && pw_target_space(t, &kernel, kernel_space, NULL)))
		return;
	/* What a process has up there ([vsyscall]) gives way: areas are disjoint. */
	while (n && areas->v[n - 1].last >= piece->va.lo)
		n--;
	v = reallocarray(areas->v, n + regions->n + 1, sizeof(*v));
	if (!v)
		return;
	memcpy(v + n, regions->v, regions->n * sizeof(*v));
	areas->v = v;
	areas->n = n + regions->n;
}

void session_regions(struct session *s, struct pw_space *space)
{
	if (!s->regions.areas.v)
		regions_join(s->target, &s->regions, space);
}

int session_range(struct session *s, struct pw_space *space, const char *text, struct ranges *out)
{
	int rc = parse_range(space, text, out, &s->err);

	if (rc != -ENOENT)
		return rc;
	session_regions(s, space);
	return parse_range(space, text, out, &s->err);
}

static int open_output(struct session *s)
{
	const char *path = s->args->output;

	if (!path || s->out.fd != STDOUT_FILENO)
		return 0;
	s->out.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->out.fd >= 0)
		return 0;
	complain("%s: %s", path, strerror(errno));
	s->out.fd = STDOUT_FILENO;
	s->status = STATUS_FAILED;
	return s->status;
}

int session_begin(struct session *s, const struct pw_rec_head *head)
{
	int rc = open_output(s);

	progress_end(&searching);
	if (rc)
		return rc;
	s->render.head = *head;
	s->render.head.target = s->target;
	s->render.head.joins = pw_snapshot_joins(s->target);
	if (!s->render.head.joins)
		s->render.head.joins = &s->joins;
	s->render.ops->begin(&s->render);
	return 0;
}

void session_end(struct session *s, const struct pw_rec_end *end)
{
	struct pw_rec_end e = *end;

	e.complete = e.complete && !s->lacking && !e.walk.unstable && !e.walk.unreadable && !e.walk.inconsistent &&
		     !e.walk.truncated;
	s->render.ops->end(&s->render, &e);
	if (!e.complete)
		s->status = STATUS_PARTIAL;
}

const char *walk_error(int rc)
{
	switch (rc) {
	case -ESRCH:
		return "the process is gone";
	case -ECONNRESET:
		return "the guest has gone";
	case -ENOMEM:
		return "out of memory";
	default:
		return strerror(-rc);
	}
}

void session_cut(struct session *s, int rc, const char *what)
{
	struct pw_rec_end e = { .cut = true };

	if (s->out.error)
		return;
	s->render.ops->end(&s->render, &e);
	pw_out_flush(&s->out);
	complain("%s: %s", what, walk_error(rc));
	s->status = STATUS_PARTIAL;
}

void session_to_stdout(struct session *s)
{
	pw_out_flush(&s->out);
	if (s->out.fd != STDOUT_FILENO && close(s->out.fd) && !s->out.error)
		s->out.error = errno;
	s->out.fd = STDOUT_FILENO;
}

int session_close(struct session *s)
{
	progress_end(&searching);
	session_to_stdout(s);
	if (s->out.error && s->out.error != EPIPE) {
		complain("%s: %s", s->args->output ? s->args->output : "standard output", strerror(s->out.error));
		s->status = STATUS_FAILED;
	} else if (s->out.error) {
		s->status = STATUS_DONE;
	}
	pw_render_free(&s->render);
	pw_space_free(&s->regions);
	pw_out_free(&s->out);
	pw_target_close(s->target);
	pw_filter_free(s->filter);
	joins_free(&s->joins);
	return s->status;
}

int session_list(struct args *args, const struct command *cmd, int (*list)(struct session *s))
{
	struct session s;
	int rc;

	if (args->nargs)
		return usage_error(cmd, "%s takes no arguments: '%s'", cmd->name, args->arg[0]);
	rc = session_open(&s, args, (enum pw_view)cmd->view);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = list(&s);
	return session_close(&s);
}

const char *space_name(const struct pw_space *space, const char *text, char buf[64])
{
	if (space->pid && !strchr(text, ':'))
		snprintf(buf, 64, "%d", (int)space->pid);
	else if (space->pid && strncmp(text, "name:", 5))
		snprintf(buf, 64, "%d%.32s", (int)space->pid, strchr(text, ':'));
	else if (space->pid)
		snprintf(buf, 64, "%d", (int)space->pid);
	else
		snprintf(buf, 64, "%.63s", text);
	return buf;
}

void keep_half(struct pw_space *space, enum pw_half half)
{
	size_t n = 0;

	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == half)
			space->piece[n++] = space->piece[i];
	space->npieces = n;
}

void session_half(const struct session *s, struct pw_space *space)
{
	if (s->args->kernel && !s->args->user)
		keep_half(space, PW_HALF_KERNEL);
	else if (space->pid && !s->args->kernel)
		keep_half(space, PW_HALF_USER);
}
