// SPDX-License-Identifier: LGPL-2.1-or-later
/* A system that is looked at from outside, found in its memory, as a target's OS. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/foreign.h"
#include "os/process.h"
#include "source/qemu.h"
#include "space.h"

#define CR4_LA57 (UINT64_C(1) << 12)
#define ATTEMPTS 8 /* at what changes while it is looked at */

/* The lists of a guest that runs can lead astray while they are changed. */
static unsigned attempts(const struct pw_target *t)
{
	return t->source.consistency == PW_VALIDATED ? ATTEMPTS : 1;
}

/* -------- processes -------- */

struct collect {
	struct pw_target *t;
	struct pw_foreign_os *os;
	bool with_roots;
	struct pw_process *v;
	size_t n, room, ntasks;
};

static struct pw_process *room_for_one(struct collect *c)
{
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		struct pw_process *v = realloc(c->v, room * sizeof(*v));

		if (!v)
			return NULL;
		c->v = v;
		c->room = room;
	}
	return &c->v[c->n++];
}

static int add_process(void *ctx, const struct pw_foreign_task *task)
{
	struct collect *c = ctx;
	struct pw_process *p = room_for_one(c);

	if (!p)
		return -ENOMEM;
	*p = (struct pw_process){
		.pid = (pid_t)task->pid,
		.kthread = task->flags & PW_PF_KTHREAD,
		.root = c->with_roots && task->mm ? pw_foreign_root(c->os, task->mm) : PW_PA_NONE,
	};
	memcpy(p->comm, task->comm, sizeof(task->comm));
	return 0;
}

static int by_root(const void *a, const void *b)
{
	const struct pw_process *x = a, *y = b;

	return (x->root > y->root) - (x->root < y->root);
}

static int has_leaf(void *ctx, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;

	(void)ctx;
	for (size_t i = 0; i < span->n; i++) {
		struct pw_entry e;

		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		if (e.kind == PW_LEAF && !e.reserved && e.perm & span->perm_above & PW_U)
			return 1;
	}
	return 0;
}

/* The kernel has roots of its own with something there: poking_mm, whose is empty, and that for waking CPUs, which is not for user mode. */
static bool maps_user_memory(struct pw_target *t, uint64_t root)
{
	static const struct pw_visitor visitor = { .span = has_leaf };
	const struct pw_foreign_os *os = t->os_priv;
	struct pw_space space = { .source = &t->source, .pin.pagemap_fd = -1, .ram = os->ranges, .nram = os->nranges };
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = pw_half_range(t->mmu[0].mode, PW_HALF_USER) };
	struct pw_walk_stats stats = { 0 };

	pw_space_of_root(t, root, &space);
	return pw_walk(&space, &opts, &visitor, NULL, &stats) == 1;
}

/* What the tasks have is in v[0 .. ntasks - 1], ascending by root. */
static int add_orphan(void *ctx, uint64_t root)
{
	const struct pw_process key = { .root = root };
	struct collect *c = ctx;
	struct pw_process *p;

	if (bsearch(&key, c->v, c->ntasks, sizeof(key), by_root) || !maps_user_memory(c->t, root))
		return 0;
	p = room_for_one(c);
	if (!p)
		return -ENOMEM;
	*p = key;
	return 0;
}

/* Last those that no task has, by root. */
static int by_pid(const void *a, const void *b)
{
	const struct pw_process *x = a, *y = b;

	if (!x->pid || !y->pid)
		return x->pid || y->pid ? (y->pid != 0) - (x->pid != 0) : by_root(a, b);
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Says why a list of the kernel's could not be followed. */
static int broken(const struct pw_target *t, int rc, const char *what, struct pw_error *err)
{
	if (rc == -ENOMEM)
		return pw_error_set(err, rc, "out of memory");
	if (pw_qemu_gone(&t->source))
		return pw_error_set(err, -ECONNRESET, "the guest has gone");
	return pw_error_set(err, rc, "%s is broken", what);
}

static int foreign_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			     struct pw_error *err)
{
	struct collect c = { .t = t, .os = t->os_priv, .with_roots = with_roots };
	int rc = pw_foreign_need_kernel(t, err), lack = 0;

	if (rc)
		return rc;
	for (unsigned i = 0; i < attempts(t); i++) {
		c.n = 0;
		rc = pw_foreign_tasks(c.os, add_process, &c);
		if (!rc)
			break;
	}
	/* What was met of a list that is broken is there. */
	if ((rc == -EFAULT || rc == -ELOOP) && c.n && t->source.consistency != PW_VALIDATED) {
		broken(t, rc, "the list of tasks", err);
		lack = 1;
		rc = 0;
	}
	c.ntasks = c.n;
	if (!rc && with_roots && c.n) {
		qsort(c.v, c.n, sizeof(*c.v), by_root);
		rc = pw_foreign_roots(c.os, add_orphan, &c);
	}
	if (rc) {
		free(c.v);
		return broken(t, rc, "the list of tasks", err);
	}
	if (c.n)
		qsort(c.v, c.n, sizeof(*c.v), by_pid);
	*list = c.v;
	*n = c.n;
	return lack;
}

/* -------- spaces -------- */

struct wanted {
	pid_t pid;
	struct pw_foreign_task task;
};

static int is_wanted(void *ctx, const struct pw_foreign_task *task)
{
	struct wanted *w = ctx;

	if ((pid_t)task->pid != w->pid)
		return 0;
	w->task = *task;
	return 1;
}

static int find_task(struct pw_target *t, struct wanted *w)
{
	int rc = 0;

	for (unsigned i = 0; i < attempts(t) && rc <= 0; i++)
		rc = pw_foreign_tasks(t->os_priv, is_wanted, w);
	return rc;
}

static int find_areas(struct pw_target *t, uint64_t mm, struct pw_areas *areas, const char **lack, struct pw_error *err)
{
	int rc = -EFAULT;

	for (unsigned i = 0; i < attempts(t) && rc && rc != -ENOMEM; i++) {
		pw_areas_free(areas);
		rc = pw_foreign_areas(t->os_priv, mm, areas);
	}
	if (!rc)
		return 0;
	/* The tables of a process are worth looking at without, too. */
	if (t->source.consistency == PW_SMEARED && rc != -ENOMEM) {
		*lack = "its list of VMAs is broken: some are missing";
		return 0;
	}
	return broken(t, rc, "its list of VMAs", err);
}

/* A process of a guest that runs: its task has to have the same memory and root at the end. */
struct task_pin {
	struct pw_foreign_os *os;
	struct pw_foreign_task task;
	uint64_t root;
};

static bool task_is_gone(void *ctx)
{
	const struct task_pin *p = ctx;
	struct pw_foreign_task now;

	return !pw_foreign_task(p->os, p->task.task, &now) || now.pid != p->task.pid || now.mm != p->task.mm ||
	       pw_foreign_root(p->os, now.mm) != p->root;
}

static int pin_task(const struct pw_target *t, const struct pw_foreign_task *task, uint64_t root, struct pw_pin *pin)
{
	struct task_pin *p;

	if (t->source.consistency != PW_VALIDATED)
		return 0;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct task_pin){ t->os_priv, *task, root };
	pin->gone = task_is_gone;
	pin->ctx = p;
	return 0;
}

static int foreign_process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	struct pw_foreign_os *os = t->os_priv;
	struct wanted w = { .pid = pid };
	uint64_t root;
	int rc = pw_foreign_need_kernel(t, err);

	if (rc)
		return rc;
	rc = find_task(t, &w);
	if (rc < 0)
		return broken(t, rc, "the list of tasks", err);
	if (!rc)
		return pw_error_set(err, -ESRCH, "no process %d", (int)pid);
	if (w.task.flags & PW_PF_KTHREAD)
		return pw_error_set(err, -EINVAL, "%d (%.16s) is a kernel thread: it has no user memory; use 'kernel'",
				    (int)pid, w.task.comm);
	if (!w.task.mm)
		return pw_error_set(err, -ESRCH, "%d (%.16s) has exited: no memory is left of it", (int)pid,
				    w.task.comm);
	root = pw_foreign_root(os, w.task.mm);
	if (root == PW_PA_NONE)
		return pw_error_set(err, -EFAULT, "%d (%.16s): its root table is not where the kernel says", (int)pid,
				    w.task.comm);
	rc = find_areas(t, w.task.mm, &space->areas, &space->lack, err);
	if (rc)
		return rc;
	if (pin_task(t, &w.task, root, &space->pin))
		return pw_error_set(err, -ENOMEM, "out of memory");
	space->witness = pw_foreign_witness(t, w.task.mm, !space->lack);
	w.task.comm[15] = 0;
	pw_space_of_process(t, pid, w.task.comm, root, space);
	return 0;
}

static int foreign_kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	struct pw_foreign_os *os = t->os_priv;
	int rc = pw_foreign_need_kernel(t, err);

	if (!rc)
		pw_foreign_need_vmcoreinfo(t);
	if (!rc)
		rc = pw_regions(t, &os->k, &space->areas, err);
	if (!rc)
		pw_space_of_kernel(t, space);
	return rc;
}

/* Of a root that is looked at for itself. */
static void foreign_witness(struct pw_target *t, struct pw_space *space)
{
	if (!space->pid)
		space->witness = pw_foreign_witness(t, 0, false);
}

static int foreign_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err)
{
	struct pw_foreign_os *os = t->os_priv;
	int rc = pw_foreign_need_kernel(t, err);

	if (!rc)
		pw_foreign_need_vmcoreinfo(t);
	return rc ? rc : pw_layout_exact(t, &os->k, out, err);
}

static int foreign_registers(struct pw_target *t, unsigned cpu, struct pw_registers *out, struct pw_error *err)
{
	const struct pw_foreign_hints *h = ((struct pw_foreign_os *)t->os_priv)->hints;

	if (!h->ncpus)
		return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: the image has no registers of CPUs", cpu);
	if (cpu >= h->ncpus)
		return pw_error_set(err, -ENXIO, "cpu:%u: there are %zu CPUs, from 0 on", cpu, h->ncpus);
	if (!h->cpu[cpu].known)
		return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: its CR3 was not written down", cpu);
	*out = h->cpu[cpu];
	return 0;
}

/* -------- finding out more -------- */

/* All that can be known, for info. */
static void foreign_look(struct pw_target *t)
{
	if (!pw_foreign_need_kernel(t, NULL))
		pw_foreign_need_vmcoreinfo(t);
}

/* A root to be looked at says how many levels there are, if it is one of Linux. */
static void foreign_use_root(struct pw_target *t, uint64_t root)
{
	struct pw_foreign_os *os = t->os_priv;

	if (os->pending && os->lean)
		pw_foreign_know_levels(t, os, root);
	if (!os->pending || os->lean || !pw_foreign_find_as(os, root))
		return;
	os->pending = false;
	os->why.code = pw_foreign_know(t, os);
}

/* -------- attaching -------- */

struct pw_foreign_hints *pw_foreign_hints_new(const struct pw_registers *cpu, size_t ncpus)
{
	struct pw_foreign_hints *h = calloc(1, sizeof(*h) + ncpus * sizeof(h->cpu[0]));

	if (!h)
		return NULL;
	for (; h->ncpus < ncpus; h->ncpus++) {
		struct pw_registers *to = &h->cpu[h->ncpus];

		*to = cpu[h->ncpus];
		to->root = to->known ? to->cr3 & UINT64_C(0x000ffffffffff000) : PW_PA_NONE;
		if (to->known && !h->depth)
			h->depth = to->cr4 & CR4_LA57 ? 5 : 4;
	}
	return h;
}

static void foreign_close(struct pw_target *t)
{
	struct pw_foreign_os *os = t->os_priv;

	if (!os)
		return;
	pw_foreign_pages_free(os->pages);
	free(os->k.info.text);
	free(os->ram.v);
	free(os->hints);
	free((char *)os->opts.btf);
	free(os);
	t->os_priv = NULL;
}

static const struct pw_os_ops foreign_os = {
	.name = "foreign",
	.processes = foreign_processes,
	.process_space = foreign_process_space,
	.kernel_space = foreign_kernel_space,
	.registers = foreign_registers,
	.use_root = foreign_use_root,
	.witness = foreign_witness,
	.look = foreign_look,
	.layout = foreign_layout,
	.how = pw_foreign_how,
	.facts = pw_foreign_facts,
	.close = foreign_close,
};

int pw_foreign_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_foreign_hints *hints,
		      struct pw_error *err)
{
	struct pw_foreign_os *os = calloc(1, sizeof(*os));
	int rc;

	if (!os) {
		free(hints);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	t->os_priv = os;
	t->os = &foreign_os;
	os->opts = *opts;
	os->opts.btf = opts->btf ? strdup(opts->btf) : NULL;
	os->hints = hints;
	os->mem.space.source = &t->source;
	if (opts->btf && !os->opts.btf)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = t->source.ops->ranges(&t->source, &os->ranges, &os->nranges);
	if (rc)
		return pw_error_set(err, rc, "what memory there is, is not known: %s", strerror(-rc));
	/* What contradicts tables of a smeared image, and what changes meanwhile in a guest, the kernel knows. */
	os->lean = opts->tables_only && t->source.consistency == PW_FROZEN;
	pw_foreign_know_nothing(t, os);
	os->half = (struct pw_kernel_half){ 0 };
	rc = pw_foreign_find(os, false, &os->why);
	os->pending = rc;
	if (rc && opts->root)
		return pw_error_set(err, rc, "%s", os->why.text);
	if (!rc)
		os->why.code = pw_foreign_know(t, os);
	return 0;
}
