/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module has to know of an architecture's page tables. To add one: a file that defines all of
 * these, and its line in Kbuild. Tables have 512 entries of 8 bytes; depth 0 is the root.
 */
#ifndef PAGEWALK_ARCH_H
#define PAGEWALK_ARCH_H

#include <linux/mm_types.h>
#include <linux/types.h>

#include "include/uapi/pagewalk.h"

/* Levels of paging in use. */
unsigned int arch_levels(void);

/* log2 of the bytes that an entry covers. */
unsigned int arch_shift(unsigned int depth);

/* PAGEWALK_LEVEL_... of the entries in a table. */
unsigned int arch_level(unsigned int depth);

/* Whether an entry leads to a further table, and where that is. */
bool arch_is_table(unsigned int depth, u64 raw, u64 *pa);

/* Whether an entry that is no table maps memory, and where that begins. */
bool arch_is_leaf(unsigned int depth, u64 raw, u64 *pa);

/* What a user entry is that is neither a table nor a leaf. */
enum arch_absent {
	ARCH_EMPTY,
	ARCH_PROT_NONE, /* there is a page, and nobody may use it; NUMA hints are the same */
	ARCH_SPLITTING, /* a huge page that is being split */
	ARCH_SWAPPED,
	ARCH_NOTE, /* the kernel's own: migration, poison, markers */
	ARCH_OTHER,
};

enum arch_absent arch_absent(unsigned int depth, u64 raw);

/* Bits that hardware sets by itself in an entry. */
u64 arch_volatile(void);

/* The canonical form of an address that was put together from indices. */
u64 arch_canonical(u64 va);

/* Whether a canonical address belongs to user mode. */
bool arch_is_user(u64 va);

/* pa of the pgd, and of the one that user mode runs on if that is another; else PAGEWALK_NONE. */
u64 arch_root(const struct mm_struct *mm);
u64 arch_user_root(u64 root);

/* pa of the kernel's own root, found when the module is loaded; PAGEWALK_NONE if it was not. */
u64 arch_kernel_root(void);
void arch_find_kernel_root(void);

/* What CPU `cpu` runs on now: 0, -ENXIO. */
int arch_cpu_root(unsigned int cpu, u64 *root);

/* Fills in all but size, flags, cpu, abi and what features are the module's own: 0, -ENXIO. */
int arch_info(struct pagewalk_info *info);

/* Bits of a physical address. */
unsigned int arch_phys_bits(void);

/* Bits that are set in a present entry and must not be: the CPU does not use it. */
u64 arch_reserved(unsigned int depth, u64 raw);

/* Who made the CPU, in its own words. */
const char *arch_vendor(void);

#endif
