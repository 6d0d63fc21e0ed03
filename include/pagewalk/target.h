/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * target: one opened system: a source, the mmu facts, and what is known of its OS. From it come spaces.
 */
#ifndef PAGEWALK_TARGET_H
#define PAGEWALK_TARGET_H

#include <pagewalk/space.h>

struct pw_target;

/* A process as the target's OS names it. */
struct pw_process {
	pid_t pid;
	bool kthread; /* no user memory of its own */
	char comm[64];
	uint64_t root; /* physical address of its pgd; PW_PA_NONE when not known */
};

/* How the OS side of a target answers. One const object a kind of OS access: live, text. */
struct pw_os_ops {
	const char *name;
	/* Malloc'ed list, ascending by PID. */
	int (*processes)(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			 struct pw_error *err);
	/* Fills title, comm, pid, pin, pieces, areas of a process's space (both halves). */
	int (*process_space)(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err);
	/* The same for the kernel's space (kernel half only; regions as areas). */
	int (*kernel_space)(struct pw_target *t, struct pw_space *space, struct pw_error *err);
	/* Physical address of the pgd that CPU n uses now. NULL: not known to this OS. */
	int (*cpu_root)(struct pw_target *t, unsigned cpu, uint64_t *root, struct pw_error *err);
	/* All 64 bits of addresses as areas without gaps; see pw_target_layout(). NULL: not known to this OS. */
	int (*layout)(struct pw_target *t, struct pw_areas *out, struct pw_error *err);
	/* A symbol's address, NULL or -ENOENT where symbols are not readable. */
	int (*symbol)(struct pw_target *t, const char *name, uint64_t *va);
	void (*close)(struct pw_target *t);
};

/* What is known of a target, each with how it was found. */
struct pw_facts {
	char system[96];      /* "Linux 6.12.48-amd64" */
	bool pti;             /* kernel page-table isolation is on */
	uint64_t page_offset; /* start of the direct map; PW_PA_NONE when not known */
	uint64_t kernel_root; /* physical address of swapper_pg_dir; PW_PA_NONE when not known */
	uint64_t mode_depth;
	uint64_t image_offset; /* by how much KASLR moved the kernel's image; PW_PA_NONE when not known */
	uint64_t struct_page;  /* bytes of a struct page; 0 when not known */
};

/* Of a snapshot: what it is one of. */
struct pw_taken {
	char source[24];  /* the source's name then: "bpf" */
	char version[24]; /* of the pagewalk that took it */
	uint64_t time;    /* seconds since 1970 */
};

struct pw_target {
	struct pw_source source;
	const struct pw_os_ops *os;
	void *os_priv;
	struct pw_mmu mmu[2]; /* by enum pw_half */
	struct pw_facts facts;
	const struct pw_taken *taken; /* NULL: no snapshot */
};

struct pw_target_opts {
	size_t size;        /* sizeof(struct pw_target_opts) */
	const char *source; /* -s: NULL or "auto", a source's name, "NAME:ARG", or a file */
	unsigned paging;    /* 0, or 4 or 5: overrides what was found */
};

/* *out is untouched on failure. -EACCES/-EPERM: not permitted; -ENOENT: no such source or file. */
PW_API int pw_target_open(const struct pw_target_opts *opts, struct pw_target **out, struct pw_error *err);
PW_API void pw_target_close(struct pw_target *t);

enum pw_select_kind { PW_SELECT_PID, PW_SELECT_NAME, PW_SELECT_KERNEL, PW_SELECT_CPU, PW_SELECT_ROOT };

/* A TARGET of the command line. */
struct pw_select {
	enum pw_select_kind kind;
	pid_t pid;
	unsigned cpu;
	uint64_t root;
	char name[64];
	enum { PW_PICK_DEFAULT, PW_PICK_USER_ROOT, PW_PICK_KERNEL_ROOT } pick; /* PID:user, PID:kernel with PTI */
};

/* "4242", "self", "4242:user", "name:COMM", "kernel", "cpu:N", "root:PA". -EINVAL with a text. */
PW_API int pw_select_parse(const char *text, struct pw_select *out, struct pw_error *err);

/* Opens the space: user and kernel half of a process, the kernel half of the kernel, both of a root. */
PW_API int pw_target_space(struct pw_target *t, const struct pw_select *sel, struct pw_space *out,
			   struct pw_error *err);

PW_API int pw_target_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			       struct pw_error *err);

/*
 * What every address is, from 0 to the last one: ascending, without gaps, each with its region and how its bounds were
 * found. A leaf-only source gives what the kernel fixes, and PW_REGION_UNKNOWN where it does not. Free with pw_areas_free().
 */
PW_API int pw_target_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err);

#endif
