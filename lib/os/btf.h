/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a kernel's BTF tells: member offsets, and which software bits its page tables know. */
#ifndef PAGEWALK_OS_BTF_H
#define PAGEWALK_OS_BTF_H

#include <stdint.h>

#include <pagewalk/error.h>

/* Bytes. Members are looked for by name, through anonymous structs and unions; versions are never asked. */
struct pw_offsets {
	uint32_t task_tasks, task_pid, task_comm, task_mm, task_files, task_thread_pid;
	uint32_t mm_pgd, mm_start_stack, mm_arg_start;
	uint32_t files_fdt, fdtable_fd, file_private;
	uint32_t pid_level, pid_numbers;
	uint32_t section_map; /* mem_section.section_mem_map; UINT32_MAX: no sparse memory */
};

struct pw_btf_facts {
	struct pw_offsets off;
	uint32_t upid_size;
	uint32_t dialect;     /* enum pw_dialect bits, without those that need a look at a page */
	const char *evidence; /* for the dialect, static */
};

struct pw_btf;

/* From types that are at hand. -ENODATA when a member is missing; then *out is untouched. */
int pw_btf_facts_of(const struct pw_btf *btf, struct pw_btf_facts *out, struct pw_error *err);

/* Reads /sys/kernel/btf/vmlinux. -ENOENT without it, -ENODATA when a member is missing. */
int pw_btf_read(struct pw_btf_facts *out, struct pw_error *err);

#endif
