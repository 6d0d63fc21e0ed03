// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes by pid, and those that a descriptor remembers. A pin is an mmgrab: the mm_struct and its pgd
 * stay, the memory does not, so that a paused reader keeps nothing from whoever needs it.
 */
#include <linux/export.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "local.h"

struct mm_struct *pw_mm_of_task(struct task_struct *task)
{
	struct mm_struct *mm = get_task_mm(task);

	if (mm) {
		mmgrab(mm);
		mmput(mm);
	}
	return mm;
}
EXPORT_SYMBOL_GPL(pw_mm_of_task);

struct mm_struct *pw_mm_of_pid(u32 pid)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *p;

	if (!pid || pid > INT_MAX)
		return NULL;
	p = find_get_pid(pid);
	task = get_pid_task(p, PIDTYPE_PID);
	put_pid(p);
	if (!task)
		return NULL;
	mm = pw_mm_of_task(task);
	put_task_struct(task);
	return mm;
}
EXPORT_SYMBOL_GPL(pw_mm_of_pid);

u64 pw_pin_add(struct pw_file *f, struct mm_struct *mm)
{
	struct mm_struct *old;
	u64 id;

	mmgrab(mm);
	mutex_lock(&f->lock);
	id = ++f->last_pin;
	old = f->pin[id % PAGEWALK_PINS].mm;
	f->pin[id % PAGEWALK_PINS].mm = mm;
	f->pin[id % PAGEWALK_PINS].id = id;
	mutex_unlock(&f->lock);
	if (old)
		mmdrop(old);
	return id;
}

struct mm_struct *pw_pin_get(struct pw_file *f, u64 id)
{
	struct mm_struct *mm = NULL;

	mutex_lock(&f->lock);
	if (id && f->pin[id % PAGEWALK_PINS].id == id) {
		mm = f->pin[id % PAGEWALK_PINS].mm;
		mmgrab(mm);
	}
	mutex_unlock(&f->lock);
	return mm;
}

void pw_pin_drop_all(struct pw_file *f)
{
	unsigned int i;

	for (i = 0; i < PAGEWALK_PINS; i++)
		if (f->pin[i].mm)
			mmdrop(f->pin[i].mm);
}
