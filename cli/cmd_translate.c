/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "parse.h"
#include "session.h"

#define BATCH PW_LOOKAHEAD

struct translate {
	struct session *s;
	struct pw_space *space;
	struct pw_reasoner *reasoner; /* NULL: no reasons are shown */
	struct pw_rec_end end;
	uint64_t va[BATCH];
	size_t n;
	bool not_mapped, unsure;
};

static void judge(struct translate *t, const struct pw_translation *out)
{
	t->end.records++;
	switch (out->verdict) {
	case PW_MAPPED:
		t->end.leaves++;
		break;
	case PW_V_UNSTABLE:
		t->end.walk.unstable++;
		break;
	case PW_V_INCONSISTENT:
		t->end.walk.inconsistent++;
		break;
	case PW_V_UNREADABLE:
	case PW_V_NOT_RAM:
		t->end.walk.unreadable++;
		break;
	default:
		t->not_mapped = true;
	}
}

static void show(struct translate *t, const struct pw_translation *out)
{
	struct pw_rec_translation rec = { .t = out, .evidence = t->s->args->why };
	struct pw_why why;

	if (t->reasoner) {
		pw_why(t->reasoner, t->space, out, &why);
		rec.why = &why;
	}
	t->s->render.ops->translation(&t->s->render, &rec);
}

/*
 * The kernel empties an entry for a moment before it writes another. Without its locks, nobody is told "never touched" before a second look has
 * found the entry empty as well.
 */
static int look_again(struct translate *t, struct pw_translation *out)
{
	struct pw_translation again[BATCH];
	uint64_t va[BATCH];
	size_t at[BATCH], n = 0;
	int rc;

	for (size_t i = 0; i < t->n; i++) {
		if (out[i].verdict != PW_V_NONE ||
		    pw_space_consistency(t->space, (struct pw_range){ t->va[i], t->va[i] }) != PW_VALIDATED)
			continue;
		at[n] = i;
		va[n++] = t->va[i];
	}
	rc = n ? pw_translate(t->space, va, n, again) : 0;
	for (size_t i = 0; i < n && !rc; i++)
		out[at[i]] = again[i];
	return rc;
}

/* What is waiting goes through vectored reads. */
static int answer(struct translate *t)
{
	struct pw_translation out[BATCH];
	int rc = pw_translate(t->space, t->va, t->n, out);

	if (!rc && t->reasoner)
		rc = look_again(t, out);
	if (rc) {
		session_cut(t->s, rc, t->space->title);
		return t->s->status;
	}
	for (size_t i = 0; i < t->n; i++) {
		judge(t, &out[i]);
		show(t, &out[i]);
	}
	t->n = 0;
	return pw_render_alive(&t->s->render) ? 0 : STATUS_FAILED;
}

static int ask(struct translate *t, uint64_t va)
{
	t->va[t->n++] = va;
	return t->n == BATCH ? answer(t) : 0;
}

static int bad_word(struct translate *t, const char *word)
{
	if (!t->s->err.text[0])
		pw_error_set(&t->s->err, -EINVAL, "'%s' is no address", word);
	answer(t);
	pw_out_flush(&t->s->out);
	complain("standard input: %s", t->s->err.text);
	t->s->status = STATUS_USAGE;
	return STATUS_USAGE;
}

/* The whole words of text. */
static int ask_words(struct translate *t, char *text)
{
	char *save, *word = strtok_r(text, " \t\r\n", &save);
	uint64_t va;
	int rc = 0;

	for (; word && !rc; word = strtok_r(NULL, " \t\r\n", &save)) {
		if (parse_address(t->s->target, word, &va, &t->s->err))
			return bad_word(t, word);
		rc = ask(t, va);
	}
	return rc;
}

/*
 * Addresses from standard input, as they come: what one read brings is answered before the next, so that a
 * person or a program at the other end of the pipe gets each answer at once, and bulk goes in batches.
 */
static int ask_stdin(struct translate *t)
{
	static char buf[64 << 10];
	size_t kept = 0;
	ssize_t got;
	int rc = 0;

	while (!rc && (got = read(STDIN_FILENO, buf + kept, sizeof(buf) - 1 - kept)) != 0) {
		size_t len = kept + (got > 0 ? got : 0), whole = len;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			complain("standard input: %s", strerror(errno));
			return t->s->status = STATUS_FAILED;
		}
		while (whole && !strchr(" \t\r\n", buf[whole - 1]))
			whole--;
		if (!whole && len == sizeof(buf) - 1)
			return bad_word(t, "(a very long word)");
		if (whole) {
			buf[whole - 1] = 0;
			rc = ask_words(t, buf);
			if (!rc)
				rc = answer(t);
			pw_out_flush(&t->s->out);
		}
		kept = len - whole;
		memmove(buf, buf + whole, kept);
	}
	buf[kept] = 0;
	return rc ? rc : ask_words(t, buf);
}

static bool from_stdin(const struct args *args)
{
	for (size_t i = 1; i < args->nargs; i++)
		if (!strcmp(args->arg[i], "-"))
			return true;
	return false;
}

static int ask_all(struct translate *t)
{
	const struct args *args = t->s->args;
	uint64_t va = 0;
	int rc = 0;

	for (size_t i = 1; i < args->nargs && !rc; i++) {
		if (!strcmp(args->arg[i], "-")) {
			rc = ask_stdin(t);
			continue;
		}
		parse_address(t->s->target, args->arg[i], &va, &t->s->err);
		rc = ask(t, va);
	}
	return rc ? rc : answer(t);
}

/* All of the command line is checked before anything is printed. */
static int check_addresses(struct session *s)
{
	uint64_t va;

	for (size_t i = 1; i < s->args->nargs; i++) {
		if (!strcmp(s->args->arg[i], "-") || !parse_address(s->target, s->args->arg[i], &va, &s->err))
			continue;
		complain("%s", s->err.text);
		return STATUS_USAGE;
	}
	return 0;
}

/* From the lowest to the highest address that is asked for; all, when more come from standard input. */
static struct pw_range range_asked(struct session *s)
{
	struct pw_range r = { UINT64_MAX, 0 };
	uint64_t va;

	for (size_t i = 1; i < s->args->nargs; i++) {
		if (!strcmp(s->args->arg[i], "-") || parse_address(s->target, s->args->arg[i], &va, &s->err))
			return (struct pw_range){ 0, UINT64_MAX };
		r.lo = va < r.lo ? va : r.lo;
		r.last = va > r.last ? va : r.last;
	}
	return r;
}

/* Many addresses are not to cost a look at all of the process, unless that is asked for. */
static int open_reasoner(struct translate *t)
{
	struct session *s = t->s;
	struct pw_why_opts opts = {
		.size = sizeof(opts),
		.joins = s->render.head.joins,
		.quick = from_stdin(s->args) && !s->args->why,
	};

	if (!s->args->json && s->render.view == PW_VIEW_BRIEF)
		return 0;
	if (!pw_reasoner_open(s->target, &opts, &t->reasoner, &s->err))
		return 0;
	complain("%s", s->err.text);
	return s->status = STATUS_FAILED;
}

static int translate(struct session *s, struct pw_space *space)
{
	struct translate t = { .s = s, .space = space, .end.complete = true };
	char name[64];
	struct pw_range asked;
	struct pw_rec_head head = {
		.command = "translate",
		.space = space,
		.name = space_name(space, s->args->arg[0], name),
		.va = { 0, UINT64_MAX },
		.read = &asked,
	};
	int rc = check_addresses(s);

	asked = range_asked(s);
	if (!rc)
		session_regions(s, space);
	if (!rc)
		rc = session_begin(s, &head);
	if (!rc)
		rc = open_reasoner(&t);
	if (rc)
		return rc;
	rc = ask_all(&t);
	pw_reasoner_close(t.reasoner);
	if (rc)
		return s->status;
	session_end(s, &t.end);
	return s->status ? s->status : t.not_mapped ? STATUS_NO : STATUS_DONE;
}

static int run(struct args *args)
{
	struct pw_space space;
	struct session s;
	int rc;

	if (args->nargs < 2)
		return usage_error(&cmd_translate, "translate needs a TARGET and an ADDR");
	if (args->why && (args->brief || args->columns))
		return usage_error(&cmd_translate, "--why and one line an address exclude each other");
	rc = session_open(&s, args,
			  args->brief || args->columns || (from_stdin(args) && !args->why) ? PW_VIEW_BRIEF
											   : PW_VIEW_TRANSLATE);
	if (rc)
		return rc;
	if (!session_target(&s) && !session_space(&s, args->arg[0], &space)) {
		s.status = translate(&s, &space);
		pw_space_free(&space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("brief", 'B', NULL, OPT_FLAG, brief, "one line an address (so it is with '-' and with --columns)"),
	OPT("why", 'w', NULL, OPT_FLAG, why, "also what was looked at for the reason, and what it said"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_translate = {
	.name = "translate",
	.alias = "vtop",
	.args = "TARGET ADDR...",
	.summary = "where an address leads: each level's entry, and the verdict",
	.about = "ADDR is hexadecimal, 0x optional; for the kernel also symbol[+off] where symbols can be read;\n"
		 "'-' reads addresses from standard input. Exit status 1 when one is not mapped.\n",
	.examples = "  sudo pagewalk translate 4242 7f3a5c2d41b8\n"
		    "  sudo pagewalk translate kernel ffff888000001000\n"
		    "  sudo pagewalk translate 4242 7f3a5c2d5000 --why\n"
		    "  sudo pagewalk translate $$ - <addresses\n"
		    "  sudo pagewalk vtop self 7ffd1c3a9000 --json | jq .pa\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_BRIEF,
};
