/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the module tells of the running kernel beyond memory. Each -EOPNOTSUPP where src is not kmod. */
#ifndef PAGEWALK_SOURCE_KMOD_H
#define PAGEWALK_SOURCE_KMOD_H

#include <sys/types.h>

#include <pagewalk/arch.h>
#include <pagewalk/source.h>

#include "source/ram.h"

struct pw_kmod_facts {
	unsigned depth, maxphyaddr;
	bool pti, no_nx;
	uint64_t page_offset, vmalloc, vmemmap; /* where they start */
	uint64_t enc_mask;
	uint64_t pat;         /* the MSR */
	uint64_t kernel_root; /* UINT64_MAX: not known */
};

int pw_kmod_facts(struct pw_source *src, struct pw_kmod_facts *out);

/* pin: the module then takes the process's locks for tables below that root. -ESRCH: no such process, or no memory. */
int pw_kmod_root_of_pid(struct pw_source *src, pid_t pid, bool pin, uint64_t *root);

int pw_kmod_registers(struct pw_source *src, unsigned cpu, struct pw_registers *out);

/* The open device, owned by the source. */
int pw_kmod_fd(const struct pw_source *src);

const struct pw_ram *pw_kmod_ram(const struct pw_source *src);

#endif
