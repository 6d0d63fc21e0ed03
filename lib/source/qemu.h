/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu: the physical memory of a running QEMU guest, found over its machine protocol. Memory that QEMU shares (memory-backend-file
 * or -memfd with share=on) is read where it lies; any other by pmemsave, a command a read.
 */
#ifndef PAGEWALK_SOURCE_QEMU_H
#define PAGEWALK_SOURCE_QEMU_H

#include <pagewalk/arch.h>
#include <pagewalk/source.h>

#include "source/qmp.h"

#define PW_QEMU_MAX_CPUS 1024

/* RAM that the guest sees at [pa, pa + bytes): from `at` on in a backend. */
struct pw_qemu_ram {
	uint64_t pa, bytes, at;
	char backend[64];
	int fd; /* of the backend's memory; -1: by pmemsave */
};

struct pw_qemu {
	struct pw_qmp qmp;
	bool was_running, stopped; /* stopped: by us */
	struct pw_qemu_ram *ram;   /* ascending, disjoint */
	size_t nram;
	struct pw_range *range; /* the same with neighbours joined */
	size_t nranges;
	struct pw_registers cpu[PW_QEMU_MAX_CPUS];
	size_t ncpus;
	char save[64]; /* file that pmemsave writes; "": not made yet */
	int save_fd;
};

extern const struct pw_source_ops pw_source_qemu;

/* stop: the guest is stopped until the source is closed. */
int pw_qemu_open(const char *socket, bool stop, struct pw_source *src, struct pw_error *err);

/* Lets a guest that we stopped run again. Safe in a signal handler; the source is no good afterwards. */
void pw_qemu_let_go(const struct pw_source *src);

/* Whether the source was a guest and QEMU has ended. */
bool pw_qemu_gone(const struct pw_source *src);

/* The guest behind a source, or NULL. */
const struct pw_qemu *pw_qemu_of(const struct pw_source *src);

/* -------- qemu_ram.c -------- */

/* Where RAM is, by `info mtree -f`, and which files it can be read from. */
int pw_qemu_find_ram(struct pw_qemu *q, struct pw_error *err);

/* The text of `info mtree -f`: malloc'ed list, ascending. */
int pw_qemu_parse_mtree(const char *text, struct pw_qemu_ram **ram, size_t *n);

#endif
