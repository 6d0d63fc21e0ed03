/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of why share:
 *
 *   why.c      opening, and which of the others is asked
 *   absent.c   nothing is there, or nothing that a CPU may use
 *   notes.c    soft entries
 *   outside.c  addresses that no VMA has: stacks that grow, tags, neighbours
 *   page.c     what page it is
 *   small.c    why it is not larger
 *   system.c   files of the running system
 */
#ifndef PW_WHY_PRIVATE_H
#define PW_WHY_PRIVATE_H

#include <pagewalk/live.h>
#include <pagewalk/why.h>

struct pw_reasoner {
	struct pw_target *target;
	const struct pw_joins *joins;
	bool live; /* the target is the system that this runs on */
	bool quick;
	struct pw_kpages kpages; /* of a live target */
	struct pw_error no_kpages;
	const struct pw_area *flags_of; /* the areas whose flags were read last */
	int flags_error;
	enum { KSM_FLAG_UNTRIED, KSM_FLAG_TRUE, KSM_FLAG_LIES } ksm_flag;
	struct pw_soft_types soft; /* of a leaf-only live source, whose mmu does not have them */
	bool soft_read;
};

/* One question. */
struct look {
	struct pw_reasoner *r;
	struct pw_space *space;
	const struct pw_translation *t;
	const struct pw_area *area; /* of the address, or NULL */
	struct pw_entry e;          /* the last one of the path; has_entry */
	bool has_entry, leaf_only;
	struct pw_why *out;
};

void pw_why_says(struct look *l, const char *from, const char *fmt, ...) PW_PRINTF(3, 4);
void pw_why_set(struct look *l, enum pw_reason reason, const char *fmt, ...) PW_PRINTF(3, 4);
/* After what is there: ", fmt" */
void pw_why_add(struct look *l, const char *fmt, ...) PW_PRINTF(2, 3);

/* "4K", "108K", "2M", "31G": rounded down. */
struct pw_size_text {
	char text[24];
};
struct pw_size_text pw_why_size(uint64_t bytes);

/* "7f3a5c200000-7f3a5c400000 rw-p libc.so.6" */
struct pw_area_text {
	char text[176];
};
struct pw_area_text pw_why_area(const struct pw_area *a);

/* The VMA flag, if flags could be read: from smaps, which is read when a flag is first asked for. */
bool pw_why_flags_known(struct look *l);
bool pw_why_flag(struct look *l, enum pw_vma_flag flag);

/* Whether a VMA is of a file, or of memory that the kernel treats like one. */
bool pw_why_is_file(const struct pw_area *a);
bool pw_why_is_shmem(const struct pw_area *a);
bool pw_why_is_hugetlb(struct look *l);

/* -------- system.c -------- */

/* The first line of a small file into buf; false when it cannot be read. */
bool pw_why_line(const char *path, char *buf, size_t size);
/* The value after "KEY:" of /proc/PID/NAME. */
bool pw_why_status(struct look *l, const char *name, const char *key, char *buf, size_t size);
/* The chosen one of "always [madvise] never". */
bool pw_why_choice(const char *path, char *buf, size_t size);
/* How often a frame is mapped, and its flags. */
bool pw_why_kpage(struct look *l, uint64_t pa, uint64_t *count, uint64_t *flags);
/* The same, as evidence. */
bool pw_why_kpage_says(struct look *l, uint64_t pa, uint64_t *count, uint64_t *flags);
/* Whether kpageflags' KSM bit means what it says. */
bool pw_why_ksm_flag_lies(struct look *l);
/* "uptodate lru anon ..." */
void pw_why_page_flags(uint64_t flags, char *buf, size_t size);

/* Bits of /proc/kpageflags: include/uapi/linux/kernel-page-flags.h */
enum {
	KPF_HEAD = 15,
	KPF_TAIL = 16,
	KPF_ANON = 12,
	KPF_SWAPBACKED = 14,
	KPF_HUGE = 17,
	KPF_KSM = 21,
	KPF_THP = 22,
	KPF_ZERO_PAGE = 24,
	KPF_MAPPEDTODISK = 34
};

/* -------- the answers -------- */

void pw_why_nothing(struct look *l);
void pw_why_protnone(struct look *l);
void pw_why_soft(struct look *l);
void pw_why_outside(struct look *l);
void pw_why_non_canonical(struct look *l);
void pw_why_page(struct look *l);
void pw_why_small(struct look *l, bool flags_known, uint64_t flags);
/* Whether the same frame is mapped at another address of the 2M around it. */
bool pw_why_twice(struct look *l);

#endif
