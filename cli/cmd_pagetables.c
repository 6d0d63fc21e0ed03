/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tool of linux-vm-hacks: a process's tables as a tree, then what is in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "render/bits.h"
#include "session.h"
#include "source/debugfs.h"
#include "sums.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

struct pagetables {
	struct session *s;
	struct pw_space *space;
	struct pw_counts sums;
	struct pw_rec_end end;
};

static int enough(const struct pagetables *p)
{
	return pw_render_alive(&p->s->render) ? 0 : ENOUGH;
}

static void count(struct pagetables *p, const struct pw_piece *piece, enum pw_level level, uint64_t raw)
{
	struct pw_entry e;

	if (!raw)
		return;
	piece->mmu.arch->decode(&piece->mmu, level, raw, &e);
	pw_counts_add(&p->sums, &e, 1);
	if (e.kind == PW_PROTNONE)
		p->end.protnone += e.size;
	else if (e.kind == PW_SOFT && pw_is_swap(&e))
		p->end.swapped += e.size;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct pagetables *p = ctx;

	count(p, step->piece, step->level, step->raw);
	if (!p->s->args->stats)
		p->s->render.ops->step(&p->s->render, step);
	return enough(p);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct pagetables *p = ctx;

	for (size_t i = 0; i < span->n; i++)
		count(p, span->piece, span->level, span->raw[i]);
	if (!p->s->args->stats)
		p->s->render.ops->span(&p->s->render, span);
	return enough(p);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct pagetables *p = ctx;

	if (hole->slot_pa != PW_PA_NONE)
		count(p, hole->piece, hole->level, hole->raw);
	if (!p->s->args->stats)
		p->s->render.ops->hole(&p->s->render, hole);
	return enough(p);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static void put_sums(struct pagetables *p)
{
	struct pw_counts *sums = &p->sums;

	sums_root_once(p->space, &p->end.walk);
	memcpy(sums->tables, p->end.walk.tables, sizeof(sums->tables));
	for (unsigned d = 0; d < sums->depth; d++) {
		const struct pw_mode_level *lv = &sums->mmu->mode->lv[d];
		uint64_t leaves = sums->entries[lv->level][PW_LEAF];

		p->end.leaves += leaves;
		p->end.bytes[lv->level] = leaves << lv->shift;
	}
	p->s->render.ops->pagetables(&p->s->render, sums);
	session_end(p->s, &p->end);
}

static const char *what_of(const struct pw_space *space)
{
	return space->npieces == 1 ? space->piece[0].label : "both halves";
}

static int show(struct pagetables *p, const char *text)
{
	struct session *s = p->s;
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .depth = p->sums.depth };
	char name[64];
	const struct pw_rec_head head = {
		.command = "pagetables",
		.space = p->space,
		.name = space_name(p->space, text, name),
		.what = what_of(p->space),
		.va = opts.va,
	};
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	p->end.complete = true;
	p->end.has_walk = p->sums.depth == p->sums.mmu->mode->depth; /* else the sums are of a part */
	rc = pw_walk(p->space, &opts, &visitor, p, &p->end.walk);
	if (rc < 0)
		session_cut(s, rc, p->space->title);
	else if (rc == 0)
		put_sums(p);
	return s->status;
}

/* How many levels from the root: by the name of the last one, or as a number. 0: no such level. */
static unsigned depth_of(const struct pw_mode *mode, const char *text)
{
	int level = pw_level_parse(text, mode->depth);

	if (text[0] >= '1' && text[0] <= '5' && !text[1])
		return text[0] - '0' < mode->depth ? text[0] - '0' : mode->depth;
	for (unsigned d = 0; d < mode->depth; d++)
		if ((int)mode->lv[d].level == level)
			return d + 1;
	return 0;
}

/* What is to be shown of the space. 0 or a status. */
static int choose(struct pagetables *p)
{
	const struct args *args = p->s->args;
	struct pw_space *space = p->space;

	if (!(space->source->ops->caps & PW_CAP_TABLES)) {
		complain("source %s has no tables, only leaves: see 'pagewalk doctor'", space->source->ops->name);
		return STATUS_FAILED;
	}
	if (args->no_kernel)
		keep_half(space, PW_HALF_USER);
	if (args->no_user)
		keep_half(space, PW_HALF_KERNEL);
	if (!space->npieces) {
		complain("%s has no %s half", space->title, args->no_user ? "kernel" : "user");
		return STATUS_FAILED;
	}
	p->sums.mmu = &space->piece[0].mmu;
	p->sums.depth = p->sums.mmu->mode->depth;
	if (args->max_level)
		p->sums.depth = depth_of(p->sums.mmu->mode, args->max_level);
	if (p->sums.depth)
		return 0;
	return usage_error(&cmd_pagetables, "--max-level: there is no level '%s' here: pgd, pud, pmd, pte or 1 to 5%s",
			   args->max_level, p->sums.mmu->mode->depth == 5 ? "; p4d" : "");
}

static bool by_debugfs(const struct args *args)
{
	return args->source && !strcmp(args->source, "debugfs");
}

/* The tables by the origin's files; the target's own source has found the root and the facts. */
static int show_by_debugfs(struct pagetables *p, const char *text)
{
	struct session *s = p->s;
	struct pw_source own = s->target->source;
	int rc = pw_debugfs_open(p->space, &s->target->source, &s->err);

	if (rc) {
		complain("%s", s->err.text);
		return STATUS_FAILED;
	}
	rc = choose(p);
	if (!rc)
		rc = show(p, text);
	s->target->source.ops->close(&s->target->source);
	s->target->source = own;
	return rc;
}

static int run(struct args *args)
{
	const char *text = args->nargs ? args->arg[0] : "self";
	struct args facts = *args;
	struct pw_space space;
	struct session s;
	struct pagetables p = { .s = &s, .space = &space };
	int rc;

	if (args->nargs > 1)
		return usage_error(&cmd_pagetables, "one PID: '%s' is too much", args->arg[1]);
	if (args->no_kernel && args->no_user)
		return usage_error(&cmd_pagetables, "--no-kernel and --no-user leave nothing");
	if (by_debugfs(args))
		facts.source = NULL;
	rc = session_open(&s, &facts, args->stats ? PW_VIEW_NONE : PW_VIEW_PAGETABLES);
	if (rc)
		return rc;
	if (!session_target(&s) && !session_space(&s, text, &space)) {
		if (by_debugfs(args))
			rc = show_by_debugfs(&p, text);
		else if (!(rc = choose(&p)))
			rc = show(&p, text);
		s.status = rc;
		pw_space_free(&space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("no-kernel", 0, NULL, OPT_FLAG, no_kernel, "without the kernel half"),
	OPT("no-user", 0, NULL, OPT_FLAG, no_user, "without the user half"),
	OPT("stats", 0, NULL, OPT_FLAG, stats, "the sums alone, without the tree"),
	OPT("max-level", 0, "LEVEL", OPT_TEXT, max_level, "down to this level: pgd, p4d, pud, pmd, or how many"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_pagetables = {
	.name = "pagetables",
	.args = "[PID]",
	.summary = "a process's page tables as a tree, and what is in them",
	.about = "A line is an entry that is not empty: its index, indented by level, the physical address that it "
		 "points\n"
		 "to, all its flags. Then, for both halves together, what the tables of each level hold, the pages by\n"
		 "size, and how many entries have each flag. PID can be any TARGET; without it, pagewalk itself.\n"
		 "-s debugfs reads through /sys/kernel/debug/pagetables of pagewalk_origins.ko.\n",
	.examples = "  sudo pagetables\n"
		    "  sudo pagewalk pagetables $$ --no-kernel\n"
		    "  sudo pagewalk pagetables name:dbtest --stats\n"
		    "  sudo pagewalk pagetables 4242 --no-user --max-level pmd -s debugfs\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_PAGETABLES,
	.origin = true,
	.program = "pagetables",
};
