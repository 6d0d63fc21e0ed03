/* SPDX-License-Identifier: GPL-2.0-only */
/* A report of intel_pagetables: intel_report.c makes pieces of tables, intel_text.c lines of pieces. */
#ifndef PAGEWALK_INTEL_REPORT_H
#define PAGEWALK_INTEL_REPORT_H

#include <linux/sched.h>
#include <linux/seq_file.h>

#include "origins.h"

/* A table that is being gone through. */
struct level {
	u64 va;            /* that entry 0 covers */
	unsigned int next; /* entry that comes next */
	u64 child;         /* the last table that it led to; 0: none yet */
	u64 word[PW_TABLE_BYTES / sizeof(u64)];
};

/* What one call of show() prints. */
struct piece {
	enum { PIECE_HEAD, PIECE_ENTRY, PIECE_NO_ROOT } kind;
	unsigned int depth; /* of the table that has the entry */
	u64 va, last;
	u64 raw;       /* of the first entry, when it is a run of pages */
	bool followed; /* the table that it leads to comes next */
	bool repeated; /* it leads to the table that the one before led to, which is not shown again */
	int status;    /* why that table does not come */
};

struct report {
	struct mm_struct *mm; /* by mmgrab; NULL: no report has begun */
	struct pagewalk_info info;
	unsigned int cpu;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned int depth; /* levels to show */

	struct pw_walk *w;
	unsigned int at;  /* record of w's that comes next */
	unsigned int top; /* tables of level[] in use */
	bool done;
	int rc;     /* why the piece at `pos` could not be made */
	loff_t pos; /* of `piece` */
	struct piece piece;
	struct level level[PW_DEPTH];
};

/* Begins with the current process, on the CPU that it is on. 0, -ESRCH: it has no memory; -ENOMEM. */
int intel_report_begin(struct report *r, unsigned int depth);

/* Makes the next piece, or notes that there is none. 0, -EINTR, -ESRCH: the process's memory is gone. */
int intel_report_advance(struct report *r);

/* Gives back what it holds; it can begin again. */
void intel_report_end(struct report *r);

void intel_show_head(struct seq_file *m, const struct report *r);
void intel_show_entry(struct seq_file *m, const struct piece *p);
void intel_show_no_root(struct seq_file *m, const struct piece *p);

#endif
