// SPDX-License-Identifier: GPL-2.0-only
/* Processes by pid and by name, and their VMAs. */
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "mtest.h"

#define VMAS 32 /* looked at in one hold of mmap_lock */
#define PIDS 32 /* of one name that are listed */

/* -------- processes -------- */

void process_put(struct process *p)
{
	if (p->mm)
		mmdrop(p->mm);
	p->mm = NULL;
}

static void fill(struct process *p, struct task_struct *task)
{
	p->mm = pw_mm_of_task(task);
	p->pid = task_tgid_vnr(task);
	get_task_comm(p->comm, task);
}

void process_self(struct process *p)
{
	fill(p, current);
}

int process_by_pid(u32 pid, struct process *p)
{
	struct task_struct *task;
	struct pid *found;

	if (!pid || pid > INT_MAX)
		return -ESRCH;
	found = find_get_pid(pid);
	task = get_pid_task(found, PIDTYPE_PID);
	put_pid(found);
	if (!task)
		return -ESRCH;
	fill(p, task);
	put_task_struct(task);
	return 0;
}

/*
 * Looks at one number from *nr on that is somebody's, which *nr then is. False: there is none. *task: the process of that
 * number, with a reference; NULL if it is a thread's or the like.
 */
static bool next_number(int *nr, struct task_struct **task)
{
	struct pid *pid;

	rcu_read_lock();
	pid = idr_get_next(&task_active_pid_ns(current)->idr, nr);
	*task = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	if (*task)
		get_task_struct(*task);
	rcu_read_unlock();
	return pid;
}

/* The process with the lowest number from *nr on, with a reference, *nr then being the number behind; NULL: there is none. */
static struct task_struct *next_process(int *nr)
{
	struct task_struct *task;

	while (!fatal_signal_pending(current) && next_number(nr, &task)) {
		++*nr;
		if (task)
			return task;
		cond_resched();
	}
	return NULL;
}

struct namesakes {
	u32 pid[PIDS];
	unsigned int n; /* in all */
};

static int several(struct answer *a, const char *comm, const struct namesakes *same)
{
	unsigned int i;

	answer_add(a, "%u processes are named %s: PID =", same->n, comm);
	for (i = 0; i < min_t(unsigned int, same->n, PIDS); i++)
		answer_add(a, "%s %u", i ? "," : "", same->pid[i]);
	answer_add(a, "%s\n", same->n > PIDS ? ", and more" : "");
	return -ENOTUNIQ;
}

int process_by_comm(const char *comm, struct process *p, struct answer *a)
{
	struct namesakes same = {};
	struct task_struct *task;
	int nr = 1;

	while ((task = next_process(&nr))) {
		char its[TASK_COMM_LEN];

		get_task_comm(its, task);
		if (!strcmp(its, comm)) {
			if (same.n < PIDS)
				same.pid[same.n] = task_tgid_vnr(task);
			if (!same.n++)
				fill(p, task);
		}
		put_task_struct(task);
		cond_resched();
	}
	if (same.n == 1)
		return 0;
	if (same.n)
		process_put(p);
	if (fatal_signal_pending(current))
		return -EINTR;
	return same.n ? several(a, comm, &same) : answer_fail(a, -ESRCH, "no process is named %s\n", comm);
}

void name_process(struct answer *a, const char *word, const struct process *p)
{
	/* A process can put anything into its name, a newline for one. */
	answer_add(a, "%s = %*pE, PID = %u\n", word, (int)strlen(p->comm), p->comm, p->pid);
}

/* -------- VMAs -------- */

struct piece {
	unsigned long start, end, flags;
};

/*
 * Up to VMAS of them from *at on, which moves behind the last: how many; -ESRCH: the memory is gone, -EINTR. What has grown
 * together with what was listed before is listed from there on.
 */
static int next_vmas(struct mm_struct *mm, unsigned long *at, struct piece *to)
{
	struct vm_area_struct *vma;
	int n = 0;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	if (mmap_read_lock_killable(mm)) {
		mmput(mm);
		return -EINTR;
	}
	while (n < VMAS && (vma = find_vma(mm, *at))) {
		to[n++] = (struct piece){ max(vma->vm_start, *at), vma->vm_end, vma->vm_flags };
		*at = vma->vm_end;
	}
	mmap_read_unlock(mm);
	mmput(mm);
	return n;
}

static void add_piece(struct answer *a, const struct piece *p)
{
	answer_add(a, "%#lx %#lx %c%c%c\n", p->start, p->end, p->flags & VM_READ ? 'r' : '-',
		   p->flags & VM_WRITE ? 'w' : '-', p->flags & VM_EXEC ? 'x' : '-');
}

int list_process(struct answer *a, const struct process *p)
{
	struct piece pieces[VMAS];
	unsigned long at = 0;
	int n, i;

	name_process(a, "Process", p);
	do {
		n = p->mm ? next_vmas(p->mm, &at, pieces) : 0;
		if (fatal_signal_pending(current))
			n = -EINTR;
		for (i = 0; i < n; i++)
			add_piece(a, &pieces[i]);
		cond_resched();
	} while (n == VMAS && !answer_full(a));
	return n < 0 ? n : 0;
}

int list_all(struct answer *a)
{
	struct task_struct *task;
	int rc = 0, nr = 1;

	while (!rc && !answer_full(a) && (task = next_process(&nr))) {
		size_t before = answer_length(a);
		struct process p;

		fill(&p, task);
		put_task_struct(task);
		rc = p.mm ? list_process(a, &p) : 0;
		process_put(&p);
		if (rc == -ESRCH) { /* it ended meanwhile */
			answer_cut(a, before);
			rc = 0;
		}
	}
	return fatal_signal_pending(current) ? -EINTR : rc;
}
