/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A maple tree, in which Linux keeps VMAs since 6.1. A node is 256 bytes; a pointer to one has its type in bits 3-6 and is a
 * node's at all by bits 0-1. A node of `n` pivots has n + 1 slots: slot i holds what is from behind pivot i - 1 up to pivot i; the
 * first pivot that is 0 behind the first one, or the node's own last address, ends it.
 */
#ifndef PAGEWALK_OS_MAPLE_H
#define PAGEWALK_OS_MAPLE_H

#include <stddef.h>
#include <stdint.h>

struct pw_maple {
	int (*read)(void *ctx, uint64_t kva, void *buf, size_t len); /* kernel memory; 0, or it cannot be read */
	void *ctx;
	/* Members of maple_tree, maple_range_64 and maple_arange_64; root UINT32_MAX: the kernel has none. */
	uint32_t root, range_pivot, range_slot, arange_pivot, arange_slot;
};

/* Calls for each entry of a maple tree, ascending. 0, what each returned, -ELOOP or -EFAULT: it is no such tree. */
int pw_maple_each(const struct pw_maple *m, uint64_t tree, int (*each)(void *ctx, uint64_t entry), void *ctx);

#endif
