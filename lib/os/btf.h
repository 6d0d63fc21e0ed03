/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a kernel's BTF tells: member offsets, and which software bits its page tables know. */
#ifndef PAGEWALK_OS_BTF_H
#define PAGEWALK_OS_BTF_H

#include <stdbool.h>
#include <stdint.h>

#include <pagewalk/arch.h>

/* Bytes. Members are looked for by name, through anonymous structs and unions; versions are never asked. */
struct pw_offsets {
	uint32_t task_tasks, task_pid, task_comm, task_mm, task_files, task_thread_pid;
	uint32_t mm_pgd, mm_start_stack, mm_arg_start;
	uint32_t files_fdt, fdtable_fd, file_private;
	uint32_t pid_level, pid_numbers;
	uint32_t section_map; /* mem_section.section_mem_map; UINT32_MAX: no sparse memory */
	/* VMAs, kept in a maple tree since 6.1; UINT32_MAX where there is no such member. */
	uint32_t mm_mt, vma_start, vma_end, vma_mm, vma_flags;
	uint32_t maple_root, range_pivot, range_slot, arange_pivot, arange_slot;
};

#define PW_SWAP_TYPES       32
#define PW_LEAST_SWAP_AREAS 20 /* 32 less all that was ever taken, and some more; a number below is another array's */

/* What tells how the kernel has divided the swap types; see soft_types.c. */
struct pw_soft_signs {
	uint32_t areas; /* MAX_SWAPFILES; 0: not found, UINT32_MAX: more than one candidate */
	bool hwpoison, migration, anon_exclusive, rss_stat;
};

struct pw_btf_facts {
	struct pw_offsets off;
	uint32_t upid_size;
	uint32_t dialect;     /* enum pw_dialect bits, without those that need a look at a page */
	const char *evidence; /* for the dialect, static */
	struct pw_soft_types soft;
};

struct pw_btf;

/*
 * Opens what is at hand: btf is to be closed, and data has to stay until then. -EINVAL: it is not BTF. -ENODATA when a
 * member is missing. After an error *out is untouched and nothing is to be closed.
 */
int pw_btf_facts_of(struct pw_btf *btf, const char *data, size_t len, struct pw_btf_facts *out, struct pw_error *err);

/* -------- soft_types.c -------- */

/* All zeros where the signs contradict, but for the number of areas. */
void pw_soft_types_of(const struct pw_soft_signs *signs, struct pw_soft_types *out);

/* Reads /sys/kernel/btf/vmlinux. -ENOENT without it, -ENODATA when a member is missing. */
int pw_btf_read(struct pw_btf_facts *out, struct pw_error *err);

#endif
