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
	pid_t pid;    /* 0: a root table that is no task's: of a hidden process, or one that was just ending */
	bool kthread; /* no user memory of its own */
	char comm[64];
	uint64_t root; /* physical address of its pgd; PW_PA_NONE when not known */
};

/* How far a fact can be trusted. */
enum pw_sure {
	PW_SURE_GIVEN,   /* the user said so */
	PW_SURE_CERTAIN, /* the system tells it, or it was checked against something else */
	PW_SURE_LIKELY,  /* evidence that could mislead */
	PW_SURE_NOT,     /* not known */
};

/* "given" "certain" "likely" "unknown" */
PW_API const char *pw_sure_name(enum pw_sure sure);

/* Something that is known of a target, and how. */
struct pw_fact {
	const char *name; /* "page-offset"; static */
	char value[160];
	enum pw_sure sure;
	const char *how; /* static, or the target's */
};

struct pw_facts_list {
	struct pw_fact *v;
	size_t n;
	bool failed; /* out of memory: some are missing */
};

/* The facts of struct pw_facts and pw_mmu, for pw_os_ops.how. */
enum pw_fact_id {
	PW_FACT_SYSTEM,
	PW_FACT_PAGING,
	PW_FACT_MAXPHYADDR,
	PW_FACT_PAGE_OFFSET,
	PW_FACT_KERNEL_ROOT,
	PW_FACT_KASLR,
	PW_FACT_PTI,
	PW_FACT_SOFTWARE_BITS, /* how is the mmu's dialect_evidence */
	PW_FACT_NUM,
};

/* How the OS side of a target answers. One const object a kind of OS access: live, text. */
struct pw_os_ops {
	const char *name;
	/* As pw_target_processes(). */
	int (*processes)(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			 struct pw_error *err);
	/* Fills title, comm, pid, pin, pieces, areas of a process's space (both halves). */
	int (*process_space)(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err);
	/* The same for the kernel's space (kernel half only; regions as areas). */
	int (*kernel_space)(struct pw_target *t, struct pw_space *space, struct pw_error *err);
	/* What CPU n translates with now; root is known. NULL: not known to this OS. */
	int (*registers)(struct pw_target *t, unsigned cpu, struct pw_registers *out, struct pw_error *err);
	/* A root that is about to be walked, from which something may be learned first. May be NULL. */
	void (*use_root)(struct pw_target *t, uint64_t root);
	/* Gives a space that is just a root's its witness, if there is one. May be NULL. */
	void (*witness)(struct pw_target *t, struct pw_space *space);
	/* Finds out all that can be known, before how and facts are asked. May be NULL. */
	void (*look)(struct pw_target *t);
	/* All 64 bits of addresses as areas without gaps; see pw_target_layout(). NULL: not known to this OS. */
	int (*layout)(struct pw_target *t, struct pw_areas *out, struct pw_error *err);
	/* A symbol's address, NULL or -ENOENT where symbols are not readable. */
	int (*symbol)(struct pw_target *t, const char *name, uint64_t *va);
	/* How a fact was found: a static text, or the target's. */
	const char *(*how)(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure);
	/* Adds what only this kind of OS has to say. May be NULL. */
	void (*facts)(struct pw_target *t, struct pw_facts_list *list);
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
	const char *source; /* -s: NULL or "auto", a source's name, "NAME:ARG", a file, "raw:FILE", "qemu:SOCKET" */
	unsigned paging;    /* 0, or 4 or 5: overrides what was found */
	const char *ranges; /* of a raw image: "LO-HI,..." in hexadecimal, or a file as /proc/iomem; NULL: none */
	bool frozen;        /* of an image: the system is known to have stood still */
	bool stop;          /* of a guest: it is stopped until the target is closed */
	/*
	 * Names of software bits, what soft entries stand for and the system's name are not asked for: where tables prove
	 * themselves, in an image of a system that stood still, the kernel is not looked for before something needs it.
	 */
	bool tables_only;
	/* Of a system that is found in its memory, in place of what would be found; 0 or NULL: look for it. */
	uint64_t root;        /* physical address of the kernel's root table */
	uint64_t page_offset; /* start of the direct map */
	const char *btf;      /* a file with the kernel's types */
	/* Called now and then while all of memory is searched, with bytes; NULL: not. */
	void (*progress)(void *ctx, uint64_t done, uint64_t all);
	void *progress_ctx;
};

/* *out is untouched on failure. -EACCES/-EPERM: not permitted; -ENOENT: no such source or file. */
PW_API int pw_target_open(const struct pw_target_opts *opts, struct pw_target **out, struct pw_error *err);
PW_API void pw_target_close(struct pw_target *t);

/* Lets what was stopped go on, at once, for a signal handler that then ends the program. */
PW_API void pw_target_let_go(struct pw_target *t);

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

/* A malloc'ed list, ascending by PID. 1: not all of it could be had, and err says why. */
PW_API int pw_target_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			       struct pw_error *err);

/* What is known of the target, and how. list->v is malloc'ed. */
PW_API int pw_target_facts(struct pw_target *t, struct pw_facts_list *list, struct pw_error *err);

/*
 * What every address is, from 0 to the last one: ascending, without gaps, each with its region and how its bounds were
 * found. A leaf-only source gives what the kernel fixes, and PW_REGION_UNKNOWN where it does not. Free with pw_areas_free().
 */
PW_API int pw_target_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err);

#endif
