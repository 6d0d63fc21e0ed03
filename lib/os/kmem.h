/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel virtual memory of a system that is looked at from outside (an image, a guest), by way of its own page tables: any
 * address of it, in the direct map or not. Translations are kept, so it is for systems at rest.
 */
#ifndef PAGEWALK_OS_KMEM_H
#define PAGEWALK_OS_KMEM_H

#include <pagewalk/walk.h>

#define PW_KMEM_SLOTS 64

struct pw_kmem {
	struct pw_space space; /* the kernel's half */
	struct {
		uint64_t va, pa, size; /* of the last leaf that was met there; size 0: none */
	} seen[PW_KMEM_SLOTS];
};

/* root: physical address of a table whose kernel half is the kernel's. The RAM ranges stay the caller's. */
void pw_kmem_init(struct pw_kmem *m, struct pw_source *src, const struct pw_mmu *mmu, uint64_t root,
		  const struct pw_range *ram, size_t nram);

/* Physical address of the byte at va, or PW_PA_NONE; *left: bytes up to the end of its page. */
uint64_t pw_kmem_pa(struct pw_kmem *m, uint64_t va, uint64_t *left);

/* 0, -EFAULT where something is not mapped, or what the source says. */
int pw_kmem_read(struct pw_kmem *m, uint64_t va, void *buf, size_t len);

/* A string of up to size - 1 bytes; one that is longer is cut there. False where it cannot be read at all. */
bool pw_kmem_string(struct pw_kmem *m, uint64_t va, char *buf, size_t size);

static inline bool pw_kmem_u64(struct pw_kmem *m, uint64_t va, uint64_t *out)
{
	return !pw_kmem_read(m, va, out, sizeof(*out));
}

static inline bool pw_kmem_u32(struct pw_kmem *m, uint64_t va, uint32_t *out)
{
	return !pw_kmem_read(m, va, out, sizeof(*out));
}

#endif
