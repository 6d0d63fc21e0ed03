/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mkmaps - puts a table of known states of memory into one process
 *
 * A state is a named set of ranges. A range says what its page-table entries are: their kind
 * (in pagewalk's words), the page size, the paging permissions, and the attributes that must be
 * there or, with a leading '!', must not be. "a|b" in a list means one of the two.
 *
 * The states are made in the order of the table in mkmaps.c. That order matters: clear_refs and
 * fork() write-protect what is already there, so the states that need them come first.
 */
#ifndef MKMAPS_H
#define MKMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MK_PAGE   4096UL
#define MK_2M     (1UL << 21)
#define MK_1G     (1UL << 30)
#define MK_RANGES 32

enum mk_kind {
	MK_LEAF,     /* the CPU maps memory by it */
	MK_PROTNONE, /* present to the kernel, absent to the CPU */
	MK_SOFT,     /* swap entry or marker */
	MK_NONE,     /* nothing there */
};

struct mk_range {
	uintptr_t addr;
	size_t len;
	size_t page;
	enum mk_kind kind;
	char perm[8];     /* "rw-u"; empty unless it is a leaf */
	char expect[128]; /* attributes, separated by commas */
	char note[64];    /* more key=value pairs, separated by spaces */
};

struct mk_state {
	const char *name;
	const char *doc;
	/* 0: made, ranges added; otherwise the reason was given through mk_absent(). */
	int (*make)(struct mk_state *st);

	bool wanted;
	bool made;
	char reason[128];
	char vmflags[16]; /* two-letter VmFlags of smaps that each range's VMA must have */
	bool pfnmap;      /* /proc/PID/pagemap says nothing of this state's pages */
	size_t n;
	struct mk_range r[MK_RANGES];
};

/* The kernel has soft-dirty tracking (found out by mk_setup()). */
extern bool mk_has_soft_dirty;

/* mkmaps_map.c: what the factories share */
void mk_setup(void);
int mk_absent(struct mk_state *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int mk_absent_errno(struct mk_state *st, const char *what);
/*
 * Map @len bytes aligned to @align between two PROT_NONE guard pages, so that the VMA merges with
 * no other. NULL with errno on failure. Below 2M of alignment huge pages are switched off.
 */
void *mk_map(size_t len, size_t align, int prot, int flags, int fd, off_t off);
/* Anonymous, private, readable and writable, 4K pages. */
void *mk_anon(size_t pages);
void mk_write(void *p, size_t len);      /* write a byte to each page */
void mk_read(const void *p, size_t len); /* read a byte of each page */
void mk_fill(void *p, size_t len, int byte);
/*
 * Add a range; one like its left neighbour extends it. mk_leaf() derives present, user, write, nx
 * and huge from @perm ("rw-", ...) and @page; @attrs are those beyond. "soft-dirty" is dropped
 * where the kernel has none. @note may be NULL.
 */
void mk_leaf(struct mk_state *st, const void *p, size_t len, size_t page, const char *perm, const char *attrs,
	     const char *note);
void mk_range(struct mk_state *st, const void *p, size_t len, size_t page, enum mk_kind kind, const char *attrs,
	      const char *note);
/* One entry of /proc/self/pagemap; 0 where it cannot be read. */
uint64_t mk_pagemap(uintptr_t va);
bool mk_all_present(const void *p, size_t len);
/* A field of /proc/self/smaps ("Locked:", "VmFlags:") for the VMA with @va; false if not found. */
bool mk_smaps(uintptr_t va, const char *field, char *buf, size_t size);
unsigned long mk_smaps_kb(uintptr_t va, const char *field);
/* The VMA named @name ("[vdso]") in /proc/self/maps. */
bool mk_find_vma(const char *name, uintptr_t *lo, uintptr_t *hi);
/* A new file of @len bytes on a file system that never writes back; -1 with errno. */
int mk_ram_file(size_t len);

/*
 * Attributes of a page that was written, and of one that lost its write permission since. Accessed
 * is not among them: a kernel with MGLRU clears it whenever kswapd wakes, even in locked memory. It
 * can only be expected of pages that are on no LRU list (hugetlb, the vDSO, device memory).
 */
#define MK_WRITTEN     "dirty,soft-dirty"
#define MK_WAS_WRITTEN "dirty|saved-dirty,soft-dirty"

/* mkmaps_anon.c */
int mk_soft_dirty(struct mk_state *st);
int mk_anon_written(struct mk_state *st);
int mk_anon_holes(struct mk_state *st);
int mk_anon_ro(struct mk_state *st);
int mk_zero(struct mk_state *st);
int mk_protnone(struct mk_state *st);
int mk_mlock(struct mk_state *st);
int mk_dontneed(struct mk_state *st);
int mk_lazyfree(struct mk_state *st);
int mk_mremap(struct mk_state *st);
int mk_sparse(struct mk_state *st);
int mk_stack_guard(struct mk_state *st);
int mk_growsdown(struct mk_state *st);
int mk_top47(struct mk_state *st);
int mk_high57(struct mk_state *st);
int mk_swap(struct mk_state *st);
int mk_guard_region(struct mk_state *st);

/* mkmaps_huge.c */
int mk_thp(struct mk_state *st);
int mk_thp_ro(struct mk_state *st);
int mk_thp_exec(struct mk_state *st);
int mk_thp_protnone(struct mk_state *st);
int mk_thp_split(struct mk_state *st);
int mk_thp_uffd_wp(struct mk_state *st);
int mk_zero_huge(struct mk_state *st);
int mk_hugetlb_2m(struct mk_state *st);
int mk_hugetlb_2m_protnone(struct mk_state *st);
int mk_hugetlb_1g(struct mk_state *st);

/* mkmaps_file.c */
int mk_file_shared(struct mk_state *st);
int mk_file_private(struct mk_state *st);
int mk_memfd_sealed(struct mk_state *st);
int mk_memfd_secret(struct mk_state *st);
int mk_alias(struct mk_state *st);
int mk_vvar(struct mk_state *st);
int mk_vdso(struct mk_state *st);
int mk_devmem(struct mk_state *st);
int mk_pci_bar(struct mk_state *st);

/* mkmaps_child.c: states that share memory with a child process */
int mk_shared_child(struct mk_state *st);
int mk_cow_child(struct mk_state *st);
void mk_child_stop(void);

/* mkmaps_prot.c */
int mk_exec(struct mk_state *st);
int mk_rwx(struct mk_state *st);
int mk_exec_only(struct mk_state *st);
int mk_pkey(struct mk_state *st);
int mk_uffd_wp(struct mk_state *st);
int mk_uffd_marker(struct mk_state *st);
int mk_shadow_stack(struct mk_state *st);
/* A userfaultfd that answers write-protect faults with SIGBUS, on [p, p + len). */
int mk_uffd_wp_on(struct mk_state *st, void *p, size_t len, uint64_t features);
int mk_uffd_protect(struct mk_state *st, int fd, void *p, size_t len);

/* mkmaps_probe.c */
/* Try to read, write and execute up to @max pages of each range; prints one line a page. */
size_t mk_probe(const struct mk_state *st, size_t max);
/* "pkru 0x..." of the calling thread, where the CPU has protection keys. */
void mk_print_pkru(void);

/* mkmaps_verify.c */
/* Compare with /proc/self/pagemap, kpageflags and smaps; prints what differs, returns how many. */
size_t mk_verify(const struct mk_state *st);

#endif
