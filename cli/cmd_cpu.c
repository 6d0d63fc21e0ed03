/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump-x86_64-pagetable's report; the file of that name is kmod/origins/intel_pagetables.c's. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

#define MOST_CPUS 8192

struct report {
	struct session *s;
	struct pw_cpu cpu;
	struct pw_space space;
	struct pw_rec_end end;
};

static int alive(const struct report *r)
{
	return pw_render_alive(&r->s->render) ? 0 : 1;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct report *r = ctx;

	r->s->render.ops->step(&r->s->render, step);
	return alive(r);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct report *r = ctx;
	struct pw_entry e;

	for (size_t i = 0; i < span->n; i++) {
		if (!span->raw[i])
			continue;
		span->piece->mmu.arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
		r->end.leaves += e.kind == PW_LEAF;
	}
	r->s->render.ops->span(&r->s->render, span);
	return alive(r);
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct report *r = ctx;

	r->s->render.ops->hole(&r->s->render, hole);
	return alive(r);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

/* -------- what the report is of -------- */

/* Stays on the CPU that this runs on, so that what is asked about it is about us. */
static unsigned own_cpu(void)
{
	cpu_set_t *set = CPU_ALLOC(MOST_CPUS);
	int cpu = sched_getcpu();

	if (set && cpu >= 0 && cpu < MOST_CPUS) {
		CPU_ZERO_S(CPU_ALLOC_SIZE(MOST_CPUS), set);
		CPU_SET_S(cpu, CPU_ALLOC_SIZE(MOST_CPUS), set);
		sched_setaffinity(0, CPU_ALLOC_SIZE(MOST_CPUS), set);
	}
	CPU_FREE(set);
	return cpu < 0 ? 0 : (unsigned)cpu;
}

/*
 * The root as a space. What is known of the process that it belongs to comes with it: its tables are then read under
 * their locks, and its end is noticed.
 */
static int space_of_root(struct report *r, uint64_t root)
{
	const struct pw_select all = { .kind = PW_SELECT_ROOT, .root = root };
	const struct pw_select owner = { .kind = PW_SELECT_PID, .pid = r->cpu.pid };
	struct pw_space process;
	int rc = pw_target_space(r->s->target, &all, &r->space, &r->s->err);

	if (rc || r->cpu.owner != PW_OWNER_PROCESS || pw_target_space(r->s->target, &owner, &process, NULL))
		return rc;
	if (process.npieces == 2 && process.piece[1].root == root) {
		r->space.pin = process.pin;
		process.pin.pagemap_fd = -1;
		r->space.pid = process.pid;
	}
	pw_space_free(&process);
	return 0;
}

/* Of an address space, as it would be seen from the kernel's side: no registers. */
static int of_target(struct report *r, const char *text)
{
	struct pw_space space;
	uint64_t root;
	int rc = session_space(r->s, text, &space);

	if (rc)
		return rc;
	root = space.piece[space.npieces - 1].root;
	pw_space_free(&space);
	if (root == PW_PA_NONE) {
		complain("%s: source %s has no tables: see 'pagewalk doctor'", text, r->s->target->source.ops->name);
		return STATUS_FAILED;
	}
	pw_cpu_of_root(r->s->target, root, &r->cpu);
	rc = space_of_root(r, root);
	if (rc)
		complain("%s", r->s->err.text);
	return rc ? STATUS_FAILED : 0;
}

static int of_cpu(struct report *r, unsigned n)
{
	int rc = pw_cpu_read(r->s->target, n, &r->cpu, &r->s->err);

	if (!rc)
		rc = space_of_root(r, r->cpu.root);
	if (rc)
		complain("%s", r->s->err.text);
	return rc ? STATUS_FAILED : 0;
}

static bool is_number(const char *text)
{
	return text[0] && !text[strspn(text, "0123456789")];
}

static int choose(struct report *r)
{
	const char *text = r->s->args->nargs ? r->s->args->arg[0] : NULL;

	if (text && !strncmp(text, "cpu:", 4) && is_number(text + 4))
		text += 4;
	if (text && is_number(text)) {
		if (strlen(text) > 4 || strtoul(text, NULL, 10) >= MOST_CPUS) {
			complain("cpu:%s: no such CPU is online", text);
			return STATUS_FAILED;
		}
		return of_cpu(r, (unsigned)strtoul(text, NULL, 10));
	}
	if (!text && strcmp(r->s->target->os->name, "live")) {
		complain("source %s is not this system, which has the CPUs: give a TARGET",
			 r->s->target->source.ops->name);
		return STATUS_USAGE;
	}
	/* Our own tables are known to each source that has tables, our CPU's registers are not. */
	if (!text && strcmp(r->s->target->source.ops->name, "kmod"))
		return of_target(r, "self");
	return text ? of_target(r, text) : of_cpu(r, own_cpu());
}

/* -------- the report -------- */

static int show(struct report *r)
{
	struct session *s = r->s;
	const struct args *args = s->args;
	char name[64];
	struct pw_rec_head head = { .command = "cpu", .space = &r->space, .name = name, .va = { 0, UINT64_MAX } };
	struct pw_walk_opts opts = {
		.size = sizeof(opts),
		.va = { 0, UINT64_MAX },
		.fold_aliases = true,
		.depth = args->depth ? args->depth : 2,
	};
	int rc;

	if (r->cpu.has_cpu)
		snprintf(name, sizeof(name), "cpu:%u", r->cpu.cpu);
	else
		snprintf(name, sizeof(name), "root:0x%llx", (unsigned long long)r->cpu.root);
	if (args->user != args->kernel)
		keep_half(&r->space, args->user ? PW_HALF_USER : PW_HALF_KERNEL);
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	s->render.ops->cpu(&s->render, &r->cpu);
	r->end.complete = r->end.has_walk = true;
	rc = pw_walk(&r->space, &opts, &visitor, r, &r->end.walk);
	if (rc < 0)
		session_cut(s, rc, name);
	else if (rc == 0)
		session_end(s, &r->end);
	return s->status;
}

static int check(const struct args *args)
{
	if (args->nargs > 1)
		return usage_error(&cmd_cpu, "one CPU or TARGET: '%s' is too much", args->arg[1]);
	if (args->depth > 5)
		return usage_error(&cmd_cpu, "--depth: 1 to 5 levels");
	return 0;
}

static int run(struct args *args)
{
	struct session s;
	struct report r = { .s = &s, .space.pin.pagemap_fd = -1 };
	int rc = check(args);

	if (!rc)
		rc = session_open(&s, args, PW_VIEW_TREE);
	if (rc)
		return rc;
	if (!args->json)
		s.render.ops = &pw_render_cpu;
	if (!session_target(&s)) {
		s.status = choose(&r);
		if (!s.status)
			s.status = show(&r);
		pw_space_free(&r.space);
	}
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("depth", 'd', "LEVELS", OPT_NUMBER, depth, "levels of tables, from the root: 1 to 5 (default: 2)"),
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half only"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half only"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPT_JSON,
	OPT_OUTPUT,
	OPT_HELP,
	OPT_END,
};

const struct command cmd_cpu = {
	.name = "cpu",
	.args = "[N | TARGET]",
	.summary = "what a CPU translates with: its registers, the tables from its root",
	.about =
		"The report of dump-x86_64-pagetable, for CPU N (default: the one that this runs on), which takes the\n"
		"module; or for a TARGET as 'pagewalk dump' takes it, without a CPU's registers. A line\n"
		"'v START END W|R U|K [PWT] [PCD] [A] ...' is an entry; it ends with 't' and the address of the table "
		"that\n"
		"it leads to, or the size of pages, 'p' and the address of the first. Pages that continue each other\n"
		"with the same bits share a line.\n",
	.examples = "  sudo pagewalk cpu\n"
		    "  sudo pagewalk cpu 1 --depth 5 --user\n"
		    "  sudo pagewalk cpu name:dbtest --depth 5 -s bpf\n"
		    "  sudo pagewalk cpu --json | jq 'select(.rec == \"cpu\").cr3'\n",
	.options = options,
	.run = run,
	.origin = true,
};
