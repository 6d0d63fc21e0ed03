// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "os/foreign.h"
#include "os/process.h"

#define MAX_TASKS   (4 << 20)
#define MAX_THREADS (1 << 20)

/* The main thread may have ended while others go on: these have the memory. */
static void find_live_thread(struct pw_foreign_os *os, struct pw_foreign_task *t)
{
	uint64_t signal, head, node, mm;

	if (!pw_kmem_u64(&os->mem, t->task + os->off.task_signal, &signal) || !pw_is_kernel(signal))
		return;
	head = signal + os->off.signal_thread_head;
	node = head;
	for (int i = 0; i < MAX_THREADS && pw_kmem_u64(&os->mem, node, &node) && pw_is_kernel(node) && node != head;
	     i++)
		if (pw_kmem_u64(&os->mem, node - os->off.task_thread_node + os->k.btf.off.task_mm, &mm) && mm &&
		    pw_is_kernel(mm)) {
			t->mm = mm;
			return;
		}
}

bool pw_foreign_task(struct pw_foreign_os *os, uint64_t task, struct pw_foreign_task *out)
{
	const struct pw_offsets *off = &os->k.btf.off;

	out->task = task;
	if (!pw_kmem_u32(&os->mem, task + off->task_pid, &out->pid) ||
	    !pw_kmem_u32(&os->mem, task + os->off.task_flags, &out->flags) ||
	    !pw_kmem_u64(&os->mem, task + off->task_mm, &out->mm) ||
	    pw_kmem_read(&os->mem, task + off->task_comm, out->comm, sizeof(out->comm)) ||
	    (out->mm && !pw_is_kernel(out->mm)))
		return false;
	if (!out->mm && !(out->flags & PW_PF_KTHREAD))
		find_live_thread(os, out);
	/* A kernel thread can have a process's memory for a while. */
	if (out->flags & PW_PF_KTHREAD)
		out->mm = 0;
	return true;
}

/* One way along the list. Each task has to point back to the one before: so no way meets a task twice. */
struct way {
	struct pw_foreign_os *os;
	uint64_t head;
	uint32_t on, back; /* of the pointers in a list_head */
	uint64_t at;       /* the last one that was met */
	uint64_t next;     /* what it points to */
	int broken;        /* 0, or why something is missing */
	unsigned n;
};

/* What each returned, or 0 at the end of the way: the head, or where it breaks. */
static int go(struct way *w, int (*each)(void *ctx, const struct pw_foreign_task *task), void *ctx)
{
	struct pw_foreign_task t;
	uint64_t next, back;
	int rc;

	for (w->at = w->head; w->n < MAX_TASKS; w->n++) {
		if (!pw_kmem_u64(&w->os->mem, w->at + w->on, &next) || !pw_is_kernel(next))
			next = 0;
		w->next = next;
		if (next == w->head)
			return 0;
		if (!next || !pw_kmem_u64(&w->os->mem, next + w->back, &back) || back != w->at) {
			w->broken = -EFAULT;
			return 0;
		}
		w->at = next;
		if (!pw_foreign_task(w->os, next - w->os->k.btf.off.task_tasks, &t)) {
			w->broken = -EFAULT;
			continue;
		}
		rc = each(ctx, &t);
		if (rc)
			return rc;
	}
	w->broken = -ELOOP;
	return 0;
}

/*
 * Where the list breaks, because parts of it are of different moments, the rest is met from its other end. The two ways never meet the same task:
 * a link that holds for one holds for the other.
 */
int pw_foreign_tasks(struct pw_foreign_os *os, int (*each)(void *ctx, const struct pw_foreign_task *task), void *ctx)
{
	uint64_t head = os->init_task + os->k.btf.off.task_tasks;
	struct way there = { .os = os, .head = head, .on = 0, .back = 8 };
	struct way back = { .os = os, .head = head, .on = 8, .back = 0 };
	int rc = go(&there, each, ctx);

	if (rc || !there.broken || there.next == head || there.broken == -ELOOP)
		return rc ? rc : there.broken;
	back.n = there.n;
	rc = go(&back, each, ctx);
	/* A task that is just being taken out: nothing is between the two ends. */
	if (!rc && back.at == there.next && back.broken && back.at != head)
		return 0;
	return rc ? rc : there.broken;
}

uint64_t pw_foreign_root(struct pw_foreign_os *os, uint64_t mm)
{
	uint64_t pgd, left;

	if (!pw_kmem_u64(&os->mem, mm + os->k.btf.off.mm_pgd, &pgd) || pgd & 0xfff)
		return PW_PA_NONE;
	return pw_kmem_pa(&os->mem, pgd, &left);
}
