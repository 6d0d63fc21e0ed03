/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* alloc: memory of our own to look at. */
#ifndef CLI_ALLOC_H
#define CLI_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/error.h>

#define ALLOC_PAGE UINT64_C(4096)

struct alloc_wish {
	uint64_t bytes;
	bool one_block; /* else blocks of 4 KiB, each by an mmap of its own */
	bool huge, thp, lock;
};

struct alloc_block {
	uint64_t va, bytes;
};

struct alloc {
	struct alloc_block *block; /* ascending */
	size_t n;
	uint64_t bytes; /* of all: what was asked for, rounded up to pages */
};

/*
 * Makes it, and writes a byte into each page. -ENOMEM: more than there is, with what to do; the wish's size is checked
 * against what the system can spare before anything is touched.
 */
int alloc_make(const struct alloc_wish *wish, struct alloc *out, struct pw_error *err);

/* Whether the kernel makes no transparent huge pages, also where it is asked to. */
bool alloc_thp_is_off(void);

void alloc_free(struct alloc *a);

#endif
