/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * space: an address space as a short list of pieces, each with its root table and mmu; and the named
 * areas in it (VMAs of a process, regions of the kernel), to join with what is mapped.
 */
#ifndef PAGEWALK_SPACE_H
#define PAGEWALK_SPACE_H

#include <sys/types.h>

#include <pagewalk/arch.h>
#include <pagewalk/source.h>

/* What an address in a stretch of a layout is. */
enum pw_region {
	PW_REGION_NONE, /* no layout's: a VMA */
	PW_REGION_USER,
	PW_REGION_LOGICAL, /* the direct map: physical memory at a fixed distance */
	PW_REGION_VIRTUAL, /* mapped page by page, or, as the image, as a whole */
	PW_REGION_VMEMMAP, /* virtual as well: the array of struct page */
	PW_REGION_HOLE,    /* canonical, but nothing is ever put there */
	PW_REGION_NON_CANONICAL,
	PW_REGION_UNKNOWN, /* the kernel's; which of its regions is where is not known */
};

/* "none" "user" "logical" "virtual" (vmemmap, too) "hole" "non-canonical" "unknown" */
PW_API const char *pw_region_name(enum pw_region region);

/* Flags of a VMA that say more than its permissions; 0 altogether: they were not asked for. */
enum pw_vma_flag {
	PW_VMA_KNOWN = 1 << 0,
	PW_VMA_PFNMAP = 1 << 1, /* VM_PFNMAP or VM_MIXEDMAP */
	PW_VMA_GROWSDOWN = 1 << 2,
	PW_VMA_UFFD_MISSING = 1 << 3,
	PW_VMA_UFFD_WP = 1 << 4,
	PW_VMA_HUGEPAGE = 1 << 5, /* MADV_HUGEPAGE */
	PW_VMA_NOHUGEPAGE = 1 << 6,
	PW_VMA_HUGETLB = 1 << 7,
	PW_VMA_MERGEABLE = 1 << 8, /* to KSM */
};

/* One VMA or kernel region. */
struct pw_area {
	uint64_t lo, last;
	const char *name; /* "[heap]", "libc.so.6" (base name for display), "vmalloc"; never NULL; may hold any bytes */
	const char *path; /* as /proc/PID/maps has it; NULL when there is none */
	char perms[5];    /* "rw-p"; "" for kernel regions */
	uint64_t offset;  /* in the file, bytes */
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	enum pw_region region;
	const char *found; /* of a layout: how its bounds were found; static */
	bool pfnmap;       /* VM_PFNMAP or VM_MIXEDMAP by /proc/PID/smaps' VmFlags, where it was asked for */
	bool no_thp;       /* no transparent huge pages are made in it, where that was asked for */
	uint32_t flags;    /* enum pw_vma_flag */
};

/* Ascending, disjoint. */
struct pw_areas {
	struct pw_area *v;
	size_t n;
	char *strings; /* what the names point into */
};

PW_API void pw_areas_free(struct pw_areas *areas);

/* The first area that does not end before va, or NULL. */
PW_API const struct pw_area *pw_areas_from(const struct pw_areas *areas, uint64_t va);

/* The area that holds va, or NULL. */
PW_API const struct pw_area *pw_areas_find(const struct pw_areas *areas, uint64_t va);

/* Why what an image says is not believed: two parts of it that were copied at different moments contradict one another. */
enum pw_doubt {
	PW_DOUBT_NONE,
	PW_DOUBT_TABLE, /* by the kernel's own note on the page, it is no page table of that level */
	PW_DOUBT_ROOT,  /* by that note the root belongs to another process */
	PW_DOUBT_TWICE, /* the table was met before in this space, at a level at which none is shared */
	PW_DOUBT_PAGE,  /* the page that is mapped is free, the kernel's, or in nobody's tables */
	PW_DOUBT_PLACE, /* the page that is mapped belongs to another address */
	PW_DOUBT_VMA,   /* something is mapped where the process has no VMA */
	PW_NDOUBTS,
};

/* "none" "not-a-table" "other-root" "met-twice" "not-mapped" "other-page" "no-vma" */
PW_API const char *pw_doubt_name(enum pw_doubt doubt);

struct pw_witness;

/* One root and what it serves. */
struct pw_piece {
	struct pw_range va;
	uint64_t root; /* physical address of the root table; PW_PA_NONE with a leaf-only source */
	struct pw_mmu mmu;
	const char *label; /* "user half", "kernel half", "user half (PTI's user root)" */
};

struct pw_space {
	struct pw_piece piece[2];
	size_t npieces;
	struct pw_source *source;
	struct pw_pin pin;
	pid_t pid;      /* 0: none */
	char title[64]; /* "4242 (dbtest)", "kernel", "root 0x1000" */
	char comm[64];  /* "" when there is none */
	struct pw_areas areas;
	const struct pw_range *ram; /* what may be followed; NULL with nram 0: anything (frozen images only) */
	size_t nram;
	struct pw_witness
		*witness; /* of a smeared image: what contradicts the user half's tables; NULL: nothing to ask */
	struct pw_kernel
		*kernel;  /* the target's, of a process of the running system whose kernel memory is read; or NULL */
	const char *lack; /* what of it could not be found, static; NULL: nothing */
};

PW_API void pw_space_free(struct pw_space *space);

/*
 * How far what is read of [va.lo, va.last] can be trusted: as its source says, but for a source with
 * locks, which serves the user half of processes only; all else is validated.
 */
PW_API enum pw_consistency pw_space_consistency(const struct pw_space *space, struct pw_range va);

/* Which doubts would be raised where they are due: 1 << enum pw_doubt each. 0: nothing is checked. */
PW_API unsigned pw_space_checked(const struct pw_space *space);

#endif
