/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One process by /proc, held by its directory, so that all files read are of the same process. */
#ifndef PAGEWALK_OS_PROCESS_H
#define PAGEWALK_OS_PROCESS_H

#include <sys/types.h>

#include <pagewalk/target.h>

/* In a task's flags. */
#define PW_PF_KTHREAD 0x00200000

struct pw_proc {
	int dir;
	pid_t pid;
	bool kthread;
	bool zombie;
	char comm[64];
};

/* -ESRCH: no such process. dir is open on success. */
int pw_proc_open(pid_t pid, struct pw_proc *out, struct pw_error *err);
void pw_proc_close(struct pw_proc *p);

/* An open pagemap, or a negative errno with what to say. */
int pw_proc_pagemap(const struct pw_proc *p, struct pw_error *err);

int pw_proc_areas(const struct pw_proc *p, struct pw_areas *areas, struct pw_error *err);

/* All PIDs, ascending, malloc'ed. */
int pw_proc_pids(pid_t **pids, size_t *n, struct pw_error *err);

#endif
