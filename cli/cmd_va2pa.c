/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "render/text.h"
#include "session.h"

/* As C has numbers: 0x... hexadecimal, 0... octal, else decimal. */
static int parse_number(const char *text, uint64_t *out, struct pw_error *err)
{
	char *end;

	errno = 0;
	if (isdigit((unsigned char)*text)) {
		*out = strtoull(text, &end, 0);
		if (!errno && !*end)
			return 0;
	}
	return pw_error_set(err, -EINVAL, "'%s' is no address: 0x7f3a5c2d41b8, or a decimal or octal number", text);
}

static bool is_page(const struct pw_translation *t)
{
	struct pw_entry e;

	if (t->verdict == PW_MAPPED)
		return t->pa != PW_PA_NONE;
	if (t->verdict != PW_V_PROTNONE)
		return false;
	t->piece->mmu.arch->decode(&t->piece->mmu, t->path[t->npath - 1].level, t->path[t->npath - 1].raw, &e);
	return e.pa != PW_PA_NONE;
}

/* To standard error, so that standard output has addresses alone. */
static void say_why(struct session *s, const struct pw_translation *t)
{
	struct pw_out text, *out = s->render.out;

	if (pw_out_init(&text, -1))
		return;
	pw_out_room(&text, PW_OUT_ROW);
	s->render.out = &text;
	pw_text_why(&s->render, t);
	s->render.out = out;
	pw_out_char(&text, 0);
	complain("0x%llx: %s", (unsigned long long)t->va, text.buf);
	pw_out_free(&text);
}

static int judge(struct session *s, const struct pw_translation *t)
{
	switch (t->verdict) {
	case PW_MAPPED:
		if (t->pa != PW_PA_NONE)
			return STATUS_DONE;
		complain("0x%llx: in memory, but its frame number is hidden: needs CAP_SYS_ADMIN",
			 (unsigned long long)t->va);
		return STATUS_FAILED;
	case PW_V_UNSTABLE:
	case PW_V_UNREADABLE:
	case PW_V_INCONSISTENT:
		say_why(s, t);
		return STATUS_PARTIAL;
	default:
		say_why(s, t);
		return is_page(t) ? STATUS_DONE : STATUS_NO;
	}
}

static int translate(struct session *s, struct pw_space *space, uint64_t va)
{
	struct pw_translation t;
	char name[64];
	const struct pw_range asked = { va, va };
	const struct pw_rec_head head = {
		.command = "va2pa",
		.space = space,
		.name = space_name(space, s->args->arg[0], name),
		.va = { 0, UINT64_MAX },
		.read = &asked,
	};
	struct pw_rec_end end = { .records = 1, .complete = true };
	int rc = pw_translate(space, &va, 1, &t);

	if (rc) {
		complain("%s: %s", space->title, rc == -ESRCH ? "the process is gone" : strerror(-rc));
		return STATUS_FAILED;
	}
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	s->render.ops->translation(&s->render, &(struct pw_rec_translation){ .t = &t });
	end.complete = t.verdict != PW_V_UNSTABLE && t.verdict != PW_V_UNREADABLE;
	end.walk.inconsistent = t.verdict == PW_V_INCONSISTENT;
	session_end(s, &end);
	return judge(s, &t);
}

static int run(struct args *args)
{
	struct pw_space space;
	struct session s;
	uint64_t va = 0;
	int rc;

	if (args->nargs != 2)
		return usage_error(&cmd_va2pa, "va2pa needs a PID and a VADDR");
	rc = session_open(&s, args, PW_VIEW_ADDRESS);
	if (rc)
		return rc;
	if (parse_number(args->arg[1], &va, &s.err)) {
		s.status = usage_error(&cmd_va2pa, "%s", s.err.text);
	} else if (!session_target(&s) && !session_space(&s, args->arg[0], &space)) {
		s.status = translate(&s, &space, va);
		pw_space_free(&space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT_SOURCE, OPT_PAGING, OPTS_IMAGE, OPT_JSON, OPT_OUTPUT, OPT_HELP, OPT_END,
};

const struct command cmd_va2pa = {
	.name = "va2pa",
	.args = "PID VADDR",
	.summary = "the physical address behind an address of a process",
	.about = "Prints it alone, as 0x1a2f3c1b8. VADDR is written as in C: 0x7f3a5c2d41b8, or decimal, or octal.\n"
		 "Where there is none, or it is hidden, standard error says why: exit status 1, or 3.\n",
	.examples = "  sudo va2pa 4242 0x7f3a5c2d41b8\n"
		    "  sudo pagewalk va2pa 4242 $((0x7f3a5c2d41b8))\n",
	.options = options,
	.run = run,
	.origin = true,
	.program = "va2pa",
};
