/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of /proc/mtest know of each other. */
#ifndef PAGEWALK_MTEST_H
#define PAGEWALK_MTEST_H

#include <linux/sched.h>

#include "answer.h"
#include "origins.h"

struct process {
	struct mm_struct *mm; /* by mmgrab; NULL: it has no memory */
	u32 pid;              /* in the caller's namespace */
	char comm[TASK_COMM_LEN];
};

void process_put(struct process *p);
void process_self(struct process *p);
int process_by_pid(u32 pid, struct process *p);

/* ENOTUNIQ: several have that name; the answer has their pids. */
int process_by_comm(const char *comm, struct process *p, struct answer *a);

/* The VMAs of one process under its name, and those of all: 0, -EINTR, -ESRCH. */
int list_process(struct answer *a, const struct process *p);
int list_all(struct answer *a);

/* "Process = test, PID = 73409", with the first word as it is wanted. */
void name_process(struct answer *a, const char *word, const struct process *p);

#endif
