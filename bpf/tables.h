/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What tables.bpf.c and lib/source/bpf.c say to each other, through memory that both see. One run of
 * the program does, in this order:
 *
 *   links nlinks-1 .. 0 read into words[PW_BPF_BEFORE]   root first
 *   copies 0 .. ncopies-1                                to their slots
 *   links 0 .. nlinks-1 read into words[PW_BPF_AFTER]    nearest first
 *
 * A run is one RCU section, and page tables are freed by RCU: a table that hangs in the tree before
 * and after has not been another page in between. User space compares; words that cannot be read are 0.
 *
 * All sizes are powers of two, because the program masks where others would compare.
 */
#ifndef PAGEWALK_BPF_TABLES_H
#define PAGEWALK_BPF_TABLES_H

#define PW_BPF_PAGE   4096 /* bytes of a slot */
#define PW_BPF_SLOTS  64   /* adjacent */
#define PW_BPF_COPIES 32   /* a run: more hardly pay, and a change above them would cost more */
#define PW_BPF_LINKS  64   /* stretches of entries above them */
#define PW_BPF_WORDS  256  /* entries in all of these */
#define PW_BPF_LINK   128  /* entries of a stretch, less one */
#define PW_BPF_BLOCK  8    /* copies or links that the program looks at together */

enum { PW_BPF_BEFORE, PW_BPF_AFTER };

struct pw_bpf_copy {
	unsigned long long from; /* kernel virtual address */
	unsigned int len;        /* at most PW_BPF_PAGE */
	unsigned int slot;
	int status; /* out: 0 or a negative errno */
};

/* Entries that lie together. */
struct pw_bpf_link {
	unsigned long long from; /* kernel virtual address */
	unsigned int n;          /* entries, less than PW_BPF_LINK */
	unsigned int at;         /* of the first one in words[] */
};

struct pw_bpf_run {
	unsigned long long task; /* out: address of the caller's task_struct */
	unsigned int ncopies, nlinks, ran;
	struct pw_bpf_copy copy[PW_BPF_COPIES];
	struct pw_bpf_link link[PW_BPF_LINKS];
	unsigned long long words[2][2 * PW_BPF_WORDS]; /* the second half is room for the masks */
};

#endif
