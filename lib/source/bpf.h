/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bpf source's own: what opening sets up and reading uses. */
#ifndef PAGEWALK_SOURCE_BPF_H
#define PAGEWALK_SOURCE_BPF_H

#include <pagewalk/source.h>

#include "source/ram.h"
#include "tables.h"

struct tables; /* the skeleton */

struct pw_bpf {
	struct tables *skel;
	struct pw_bpf_run *run; /* shared with the program */
	const uint8_t *slots;	/* PW_BPF_SLOTS pages, shared with the program */
	int prog_fd;
	bool nocheck; /* tests only: chains are not checked */
	uint64_t page_offset;
	struct pw_ram ram;
};

/* Loads and maps the program. On failure nothing is left behind. */
int pw_bpf_load(struct pw_bpf *b, struct pw_error *err);
void pw_bpf_unload(struct pw_bpf *b);

/* One run over what stands in b->run. 0 or a negative errno. */
int pw_bpf_run(struct pw_bpf *b);

void pw_bpf_probe(struct pw_probe *out);

#endif
