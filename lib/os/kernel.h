/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running kernel as lib/os/live.c knows it. Everything here was read from it, nothing from kallsyms. */
#ifndef PAGEWALK_OS_KERNEL_H
#define PAGEWALK_OS_KERNEL_H

#include <pagewalk/target.h>

#include "os/btf.h"
#include "os/vma_flags.h"

struct pw_kmem;
struct pw_ram;

/* Kernel image addresses: physical is va - PW_IMAGE_START + phys_base. */
#define PW_IMAGE_START UINT64_C(0xffffffff80000000)

struct pw_vmcoreinfo {
	char *text; /* lines KEY=VALUE; NULL: not found */
	uint64_t phys_base;
	uint64_t image_size;  /* of the window of the kernel image */
	uint64_t swapper_va;  /* 0: not told, as the next two */
	uint64_t mem_section; /* where the variable is */
	uint64_t sme_mask;
};

struct pw_kernel {
	struct pw_btf_facts btf;
	struct pw_vmcoreinfo info;
	uint64_t task;             /* a task whose open files are ours; 0: ask bpf each time */
	pid_t task_pid;            /* whose that was */
	uint64_t vmalloc, vmemmap; /* where they start; 0: to be found */
	uint64_t own_pgd;          /* kernel address, at the time of attaching */
	const struct pw_ram *ram;  /* the source's, or what was found */
	struct pw_vma_bits vma_bits;
	unsigned vma_asked;  /* how often they would have been of use */
	struct pw_kmem *mem; /* by which kernel memory is read; NULL: the source does that itself */
};

/* -------- vmcoreinfo.c -------- */

/* Reads it by its physical address from /sys/kernel/vmcoreinfo. Without it *out is all zeros. */
int pw_vmcoreinfo_read(struct pw_source *src, struct pw_vmcoreinfo *out);

/* Fills in what the text says. */
void pw_vmcoreinfo_values(struct pw_vmcoreinfo *v);

/* A number of a "KEY=" line; false when there is none. */
bool pw_vmcoreinfo_get(const char *text, const char *key, int base, uint64_t *out);

/* -------- direct_map.c -------- */

/*
 * From one's own pgd: the level count, the start of the direct map, and address bits that are no address
 * (encryption). known: PAGE_OFFSET when the source tells it, else PW_PA_NONE.
 */
int pw_direct_map_find(struct pw_source *src, uint64_t pgd, uint64_t known, struct pw_facts *facts, uint64_t *enc_mask,
		       struct pw_error *err);

/* Compares a page of our own through physical memory. 0, -EXDEV when it differs. */
int pw_direct_map_confirm(struct pw_source *src, struct pw_error *err);

/* -------- kernel_facts.c -------- */

/* Fills mmu[] and facts of t; the source is open. */
int pw_kernel_facts(struct pw_target *t, struct pw_kernel *k, struct pw_error *err);

/* The same for a leaf-only source: what needs no privilege. */
void pw_kernel_facts_leaves(struct pw_target *t);

/* Whether an entry of /proc/cpuinfo's flags line is there. */
bool pw_cpu_flag(const char *cpuinfo, const char *flag);

/* -------- tasks.c -------- */

/* The task_struct of a thread that has our open files. */
int pw_own_task(struct pw_source *src, struct pw_kernel *k, uint64_t *task, struct pw_error *err);

/* The mm behind our own open pagemap fd, 0 when that process has none. */
int pw_mm_of_pagemap(struct pw_source *src, struct pw_kernel *k, int fd, uint64_t *mm, struct pw_error *err);

/* -------- regions.c -------- */

/* The kernel's virtual memory map as it is now: the regions that something can be in. */
int pw_regions(struct pw_target *t, const struct pw_kernel *k, struct pw_areas *out, struct pw_error *err);

/* The same with user space and all holes, without gaps. */
int pw_layout_exact(struct pw_target *t, const struct pw_kernel *k, struct pw_areas *out, struct pw_error *err);

/* What of it can be known of the running kernel without an exact source. */
int pw_layout_of_leaves(struct pw_areas *out, struct pw_error *err);

/* Whether an address is of the kernel's half. */
static inline bool pw_is_kernel(uint64_t va)
{
	return va >> 63;
}

/* Reads a pointer or other 8-byte word of kernel memory. */
static inline int pw_read_word(struct pw_source *src, uint64_t kva, uint64_t *out)
{
	return src->ops->read_kernel(src, kva, out, sizeof(*out));
}

#endif
