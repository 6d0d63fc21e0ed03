/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What tables.bpf.c and lib/source/bpf.c say to each other, through memory that both see. One run of
 * the program does, in this order:
 *
 *   links nlinks-1 .. 0 read into `before`     root first
 *   copies 0 .. ncopies-1                      to slot `slot` + i of the map
 *   links 0 .. nlinks-1 read into `after`      nearest first
 *
 * A run is one RCU section, and page tables are freed by RCU: a table that hangs in the tree before
 * and after has not been another page in between. User space compares; a link that cannot be read is 0.
 */
#ifndef PAGEWALK_BPF_TABLES_H
#define PAGEWALK_BPF_TABLES_H

#define PW_BPF_PAGE   4096 /* bytes of a slot */
#define PW_BPF_COPIES 16   /* a run: more do not pay and cost verification */
#define PW_BPF_DEPTH  4	   /* links above a table: five levels have four */
#define PW_BPF_LINKS  (PW_BPF_COPIES * PW_BPF_DEPTH)
#define PW_BPF_SLOTS  64 /* of the map, adjacent */

struct pw_bpf_copy {
	unsigned long long from; /* kernel virtual address */
	unsigned int len;	 /* at most PW_BPF_PAGE */
	int status;		 /* out: 0 or a negative errno */
};

struct pw_bpf_link {
	unsigned long long at; /* kernel virtual address of the entry */
	unsigned long long before, after;
};

struct pw_bpf_run {
	unsigned long long task; /* out: address of the caller's task_struct */
	unsigned int slot, ncopies, nlinks, ran;
	struct pw_bpf_copy copy[PW_BPF_COPIES];
	struct pw_bpf_link link[PW_BPF_LINKS];
};

#endif
