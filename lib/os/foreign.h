/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OS of a target that is physical memory and nothing else: an image, or a guest seen from outside. Kernel, tasks and VMAs are found in
 * that memory, without symbols:
 *
 *   foreign_find.c     VMCOREINFO, a root table that maps itself, the direct map, the kernel's image
 *   foreign_kernel.c   the kernel's types (its own BTF), init_task, what the software bits mean
 *   foreign_tasks.c    the list of tasks
 *   foreign_vmas.c     a process's VMAs, as lines of /proc/PID/maps; maple.h, foreign_path.c
 *   foreign_pages.c    what the kernel notes of each page of memory
 *   foreign_witness.c  what of that contradicts page tables, where the image is smeared
 *   foreign_know.c     all of these in their order, and what follows for the target
 *   foreign_info.c     how each fact is known
 *   foreign.c          all of it as a target's OS
 */
#ifndef PAGEWALK_OS_FOREIGN_H
#define PAGEWALK_OS_FOREIGN_H

#include "os/kernel.h"
#include "os/kmem.h"
#include "source/ram.h"

#define PW_MAX_EXTENTS 64

/* What comes with the memory: from an image's header, or from the CPUs of a guest. */
struct pw_foreign_hints {
	const char *vmcoreinfo; /* NULL: none */
	unsigned depth;         /* levels, by CR4 of a CPU; 0: not known */
	size_t ncpus;
	struct pw_registers cpu[];
};

/* A stretch of the kernel's image that is mapped with the same rights. */
struct pw_extent {
	uint64_t va, bytes, pa;
	uint8_t perm;
};

/* What one root table says of its kernel half. */
struct pw_kernel_half {
	uint64_t root;
	unsigned depth;
	uint64_t page_offset, direct_bytes; /* the distance at which the most memory is mapped, and how much that is */
	struct pw_extent extent[PW_MAX_EXTENTS];
	size_t nextents;
};

/* Members of structures, bytes; UINT32_MAX where this kernel has none. */
struct pw_foreign_offsets {
	uint32_t task_flags, task_signal, task_thread_node, signal_thread_head;
	uint32_t mm_mt, mm_mmap, mm_map_count, mm_start_brk, mm_brk;
	uint32_t vma_mm, vma_start, vma_end, vma_next, vma_flags, vma_pgoff, vma_file, vma_private, vma_ops, vma_shared,
		vma_anon_name;
	uint32_t vma_anon_pgoff_lo, vma_anon_pgoff_hi; /* since v7.3: of anonymous pages, in place of vm_pgoff */
	uint32_t anon_name_text;
	uint32_t file_path, file_inode, path_mnt, path_dentry;
	uint32_t dentry_parent, dentry_name, dentry_hash, dentry_op, dop_dname, qstr_name;
	uint32_t inode_ino, inode_sb, sb_dev, sb_magic;
	uint32_t mount_mnt, mount_parent, mount_mountpoint, vfsmount_root;
	uint32_t maple_root, range_pivot, range_slot, arange_pivot, arange_slot;
	uint32_t vma_bytes;
	/* struct page, and what overlays it: foreign_pages.c */
	uint32_t page_flags, page_type, page_refcount, page_head, page_info, page_mapping, page_index, page_folio_index,
		page_mm, ptdesc_mm;
	uint32_t page_bytes, pg_head;
};

struct pw_foreign_os {
	struct pw_kmem mem;
	struct pw_kernel k;
	struct pw_foreign_offsets off;
	struct pw_kernel_half half;
	struct pw_ram ram;
	uint64_t init_task;  /* 0: not found */
	uint64_t gate_flags; /* see pw_foreign_gate_flags() */
	bool looked_for_gate;
	unsigned btf_tries; /* what looked like BTF */
	char banner[320];   /* "Linux version ..."; "" not found */
	const char *how_root, *how_mode;
	bool given_root, given_depth, given_btf;
	unsigned looked_at;         /* processes that gave evidence */
	struct pw_target_opts opts; /* btf is ours */
	bool searched;              /* for VMCOREINFO, through all of memory */
	bool pending;               /* memory was not searched yet: the kernel is not needed, or is at hand */
	bool lean;                  /* nothing is to be found out that tables do not need */
	bool unlearned;             /* its half was found, and for that reason no more */
	uint64_t met;               /* while both pending and lean: a root that was looked at; 0: none */
	struct pw_foreign_hints *hints;
	struct pw_foreign_pages *pages; /* NULL: not looked for, or not found */
	bool looked_for_pages;
	unsigned checked, tried; /* what would be doubted, 1 << enum pw_doubt; processes by which that was found */
	bool kind_known[PW_NLEVELS];
	uint64_t table_kind[PW_NLEVELS]; /* pw_page_note.kind of tables with entries of that level */
	struct pw_error why;             /* code 0: a kernel was found */
	const struct pw_range *ranges;   /* the source's */
	size_t nranges;
};

/* -------- foreign_find.c -------- */

/*
 * Finds the kernel's half: by what hints say and the user has given, which is a matter of a few tables, or by looking at every page of
 * memory. info is filled in when VMCOREINFO was found.
 */
int pw_foreign_find(struct pw_foreign_os *os, bool everywhere, struct pw_error *err);

/* Takes a root that somebody wants to look at, if it is one of the kernel's or of a process. */
bool pw_foreign_find_as(struct pw_foreign_os *os, uint64_t root);

/* The levels of a root, if it is one of the kernel's or of a process, or 0. */
unsigned pw_foreign_levels_of(struct pw_foreign_os *os, uint64_t root);

/* Looks for VMCOREINFO in all of memory, if the kernel was found without and that was not done before. */
void pw_foreign_vmcoreinfo(struct pw_foreign_os *os);

/* Calls for each root table in memory that has this kernel's half and something of a user's. What each returns ends it. */
int pw_foreign_roots(struct pw_foreign_os *os, int (*each)(void *ctx, uint64_t root), void *ctx);

/* -------- foreign_kernel.c -------- */

/* Reads the types and finds init_task. */
int pw_foreign_kernel(struct pw_foreign_os *os, struct pw_error *err);

/* Flags of the VMA of the old system calls' page, which is looked for the first time; 0: not found. */
uint64_t pw_foreign_gate_flags(struct pw_foreign_os *os);

/* -------- foreign_tasks.c -------- */

struct pw_foreign_task {
	uint64_t task, mm; /* kernel addresses; mm 0: it has none */
	uint32_t pid, flags;
	char comm[16];
};

/* What a task has. False: it cannot be read. */
bool pw_foreign_task(struct pw_foreign_os *os, uint64_t task, struct pw_foreign_task *out);

/* Calls for each process. A non-zero return ends it, which then returns that. -ELOOP, -EFAULT: the list is broken, and some are missing. */
int pw_foreign_tasks(struct pw_foreign_os *os, int (*each)(void *ctx, const struct pw_foreign_task *task), void *ctx);

/* Physical address of an mm's root table, or PW_PA_NONE. */
uint64_t pw_foreign_root(struct pw_foreign_os *os, uint64_t mm);

/* -------- foreign_vmas.c -------- */

/* Calls for each VMA, by its kernel address. A non-zero return ends it, which then returns that. -EFAULT, -ELOOP: the list is broken. */
int pw_foreign_each_vma(struct pw_foreign_os *os, uint64_t mm, int (*each)(void *ctx, uint64_t vma), void *ctx);

/* 0, -ENOMEM, or what says that its list is broken; *out then has what comes before. */
int pw_foreign_areas(struct pw_foreign_os *os, uint64_t mm, struct pw_areas *out);

/* -------- foreign_path.c -------- */

/* The path of an open file (kernel address), as /proc/PID/maps has it, and whose it is. False: cannot be followed. */
struct pw_foreign_file {
	char path[4096];
	uint64_t inode;
	uint32_t dev;
};
bool pw_foreign_file(struct pw_foreign_os *os, uint64_t file, struct pw_foreign_file *out);

/* -------- foreign_pages.c -------- */

/* What a struct page says, as far as it was asked for. */
struct pw_page_note {
	uint64_t kind; /* page_type, which is _mapcount for pages of users, and above it whether anybody has the page */
	int32_t refcount; /* 0 also for all but the first page of a large one */
	bool tail;        /* one of these */
	uint64_t mm;      /* of a root table */
};

/* False: there is none. */
bool pw_foreign_note(struct pw_foreign_os *os, uint64_t pa, struct pw_page_note *out);

/* The same as far as a 4K page that a process maps is concerned, and quickly. */
#define PW_USE_NOBODY (UINT64_C(1) << 63) /* it is free, the kernel's, or mapped by nobody */
#define PW_USE_ANON   (UINT64_C(1) << 62) /* it is anonymous: the other bits are its place, as vm_pgoff counts */
uint64_t pw_foreign_use(struct pw_foreign_os *os, uint64_t pa);

/* A process for which page tables are known. */
struct pw_foreign_known_root {
	uint64_t mm, root;
};

/* Finds the array of struct page: where it is, the notes on the roots of these processes are about them. */
bool pw_foreign_find_pages(struct pw_target *t, struct pw_foreign_os *os, const struct pw_foreign_known_root *known,
			   size_t n);
void pw_foreign_pages_free(struct pw_foreign_pages *p);

/* -------- foreign_witness.c -------- */

/* What contradicts a space's tables; mm 0: it is of no process. NULL: nothing that could. */
struct pw_witness *pw_foreign_witness(struct pw_target *t, uint64_t mm, bool whole_list);

/* What is known for that, for info. */
void pw_foreign_witness_facts(struct pw_target *t, struct pw_facts_list *list);

/* -------- foreign_know.c -------- */

/* Fills in what the kernel's half, which was found, leads to. 0, or an errno with os->why; what was filled in then stays. */
int pw_foreign_know(struct pw_target *t, struct pw_foreign_os *os);

/* A root that is to be looked at, as far as its tables need something to be known: how many levels there are. */
void pw_foreign_know_levels(struct pw_target *t, struct pw_foreign_os *os, uint64_t root);

/* What there is without a kernel. */
void pw_foreign_know_nothing(struct pw_target *t, struct pw_foreign_os *os);

/* 0, or why there is nothing of the kernel to look at. Searches all of memory for it the first time. */
int pw_foreign_need_kernel(struct pw_target *t, struct pw_error *err);

/* The kernel may have been found by a CPU's root; where its regions are is told by VMCOREINFO. */
void pw_foreign_need_vmcoreinfo(struct pw_target *t);

/* -------- foreign_info.c -------- */

/* As of struct pw_os_ops. */
const char *pw_foreign_how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure);
void pw_foreign_facts(struct pw_target *t, struct pw_facts_list *list);

/* -------- foreign.c -------- */

/* With what so many CPUs had; their roots follow from that. NULL: out of memory. */
struct pw_foreign_hints *pw_foreign_hints_new(const struct pw_registers *cpu, size_t ncpus);

/*
 * Fills in os, mmu and facts of a target whose source has memory. Where no kernel is found in it, the target still has what hints tell: root:PA
 * and cpu:N can be looked at, and everything else says why not. hints is malloc'ed and becomes the target's, on failure too; what it points to
 * has to stay.
 */
int pw_foreign_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_foreign_hints *hints,
		      struct pw_error *err);

#endif
