/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mem: physical memory, and memory of address spaces by way of their page tables; and, by the module
 * alone, writing, and allocations of the kernel to look at.
 */
#ifndef PAGEWALK_MEM_H
#define PAGEWALK_MEM_H

#include <pagewalk/target.h>

/* RAM from pa on. -ENXIO: not RAM; -EOPNOTSUPP: a source without memory; else what the source says. */
PW_API int pw_mem_read_phys(struct pw_target *t, uint64_t pa, void *buf, size_t len, struct pw_error *err);

/* A part of a space's memory that lies together in physical memory, or of which there is none. */
struct pw_mem_part {
	uint64_t va, last;
	uint64_t pa;          /* of the first byte; PW_PA_NONE: there is none */
	const uint8_t *bytes; /* valid during the call only; NULL: there are none, and */
	const char *why;      /* "none" "soft" "reserved" "frame hidden" "unreadable", or the name of a hole */
};

/* A non-zero return ends it. */
typedef int (*pw_mem_fn)(void *ctx, const struct pw_mem_part *part);

/*
 * All of [va.lo, va.last], in order and without a gap: what is mapped (PROT_NONE counts: the kernel has the page), read at the
 * physical addresses that its tables give, 64 KiB at most a part, and what is not there. Nothing is faulted in, no Accessed bit is set. 0, what
 * each returned, or a negative errno with a text (-EOPNOTSUPP: a source without memory).
 */
PW_API int pw_mem_each(const struct pw_space *space, struct pw_range va, pw_mem_fn each, void *ctx,
		       struct pw_error *err);

/* The same of physical memory: va is the physical address, too. What is not RAM is not read. */
PW_API int pw_mem_each_phys(struct pw_target *t, struct pw_range pa, pw_mem_fn each, void *ctx, struct pw_error *err);

/* As pw_mem_each into buf, up to what is not there: -EFAULT. *done: bytes before it. */
PW_API int pw_mem_read(const struct pw_space *space, uint64_t va, void *buf, size_t len, size_t *done,
		       struct pw_error *err);

/*
 * Writing needs the module, loaded with writable=1, and its capabilities. width: of each access, 1, 2, 4 or 8; 0:
 * as it suits. Kernel memory that is read-only stays so: -EFAULT.
 */
PW_API int pw_mem_write_phys(struct pw_target *t, uint64_t pa, const void *buf, size_t len, unsigned width,
			     struct pw_error *err);

/*
 * In the user half of a process as if it wrote itself (pages are faulted in, copy-on-write is broken; up to 64 KiB
 * all or nothing); in the kernel half, at the physical address of each page. -EFAULT where it may not be written.
 */
PW_API int pw_mem_write(struct pw_target *t, const struct pw_space *space, uint64_t va, const void *buf, size_t len,
			unsigned width, struct pw_error *err);

/* One page of an allocation, and what the kernel's own functions say of it. */
struct pw_kpage {
	uint64_t va, pa; /* of its first byte in the allocation; pa by a walk of the kernel's tables, or PW_PA_NONE */
	uint64_t api_pa; /* by virt_to_phys() or vmalloc_to_page(); PW_PA_NONE where these do not know */
	uint64_t raw;    /* the last entry of the walk */
	enum pw_level level;
	unsigned cpu; /* percpu: whose copy */
};

/* "kmalloc" "vmalloc" "vmalloc-huge" "pages" "percpu", NULL-terminated. */
PW_API const char *const *pw_kalloc_kinds(void);

/*
 * Has the kernel allocate bytes, looks where they are, and gives them back. *pages is malloc'ed. -EINVAL: no such kind or a
 * size that it does not take; -EOPNOTSUPP: this kernel or source cannot.
 */
PW_API int pw_kalloc(struct pw_target *t, const char *kind, uint64_t bytes, struct pw_kpage **pages, size_t *n,
		     struct pw_error *err);

#endif
