/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * soft: what an entry that maps nothing is a note of. Linux keeps swap entries there, a type of 5 bits and an offset, and has taken the highest
 * types for other notes. Which these are differs by release and configuration (include/linux/swap.h); from the highest down:
 *
 *   swapin-error      1  v5.19 to v6.1: 9f186f9e5fa9 ("mm/swapfile: unuse_pte can map random data if swap read fails"); since
 *                        15520a3f0469 ("mm: use pte markers for swap errors") (in v6.2) a marker
 *   marker            1  from v5.19 where CONFIG_PTE_MARKER: 679d10331910 ("mm: introduce PTE_MARKER swap entry"); always from v6.2
 *   device            2  CONFIG_DEVICE_PRIVATE: write, read
 *                     4  from v5.14, and exclusive write, exclusive read: b756a3b5e7ea ("mm: device exclusive memory access")
 *                     3  from v6.15, write, read, exclusive: c25465eb7630 ("mm: use single SWP_DEVICE_EXCLUSIVE entry type")
 *   migration         2  CONFIG_MIGRATION: read, write
 *                     3  from v5.19, read, read-exclusive, write: 6c287605fd56 ("mm: remember exclusively mapped anonymous pages
 *                        with PG_anon_exclusive")
 *   hwpoison          1  CONFIG_MEMORY_FAILURE
 *
 * Those below are swap areas. So nothing can be said of a type without the number of each: struct pw_soft_types, in the mmu.
 */
#ifndef PAGEWALK_SOFT_H
#define PAGEWALK_SOFT_H

#include <pagewalk/arch.h>

enum pw_soft_kind {
	PW_SOFT_UNKNOWN, /* what the type stands for in this kernel is not known */
	PW_SOFT_HIDDEN,  /* the type itself is not known: the reader may not see it */
	PW_SOFT_SWAP,
	PW_SOFT_MIGRATION_READ,
	PW_SOFT_MIGRATION_READ_EXCLUSIVE,
	PW_SOFT_MIGRATION_WRITE,
	PW_SOFT_DEVICE_WRITE,
	PW_SOFT_DEVICE_READ,
	PW_SOFT_DEVICE_EXCLUSIVE_WRITE,
	PW_SOFT_DEVICE_EXCLUSIVE_READ,
	PW_SOFT_DEVICE_EXCLUSIVE, /* from v6.15: it has no read or write */
	PW_SOFT_HWPOISON,
	PW_SOFT_SWAPIN_ERROR,
	PW_SOFT_MARKER_UFFD_WP,
	PW_SOFT_MARKER_POISON, /* v6.2: a page that could not be swapped in; v6.6: UFFDIO_POISON */
	PW_SOFT_MARKER_GUARD,  /* v6.13: MADV_GUARD_INSTALL */
	PW_SOFT_MARKER,        /* of another kind, or of none */
	PW_SOFT_NKINDS,
};

/* "unknown" "hidden" "swap" "migration-read" "migration-read-exclusive" ... "marker-uffd-wp" ... */
PW_API const char *pw_soft_name(enum pw_soft_kind kind);

struct pw_soft {
	enum pw_soft_kind kind;
	bool exclusive, soft_dirty, uffd_wp; /* bits of the entry, where this kernel is known to have them */
	uint8_t type;
	uint64_t offset;
	uint64_t pa;      /* of the page that it holds (migration, device, hwpoison); else PW_PA_NONE */
	uint64_t markers; /* the marker's bits */
};

/* False when the entry is not soft, or of the kernel's half: those are pages that were taken out. */
PW_API bool pw_soft_decode(const struct pw_mmu *mmu, const struct pw_entry *e, struct pw_soft *out);

#endif
