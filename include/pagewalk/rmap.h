/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rmap: from frames of physical memory back to what reaches them. The frames are added first; then spaces are handed in, one by one, and each is
 * walked once, for however many frames. What a space shares with one before it is not walked again: the kernel's half, and all of it when
 * two processes have one memory.
 */
#ifndef PAGEWALK_RMAP_H
#define PAGEWALK_RMAP_H

#include <pagewalk/walk.h>

#define PW_RMAP_MAX_FRAMES (UINT64_C(1) << 20)

/* A mapping of frames that are asked for. */
struct pw_mapping {
	const struct pw_space *space;
	const struct pw_piece *piece;
	const struct pw_area *area; /* of the space; NULL: in none */
	uint64_t pa;                /* of the first frame */
	uint64_t va;                /* where that frame is: inside the page, when that is larger */
	uint64_t frames;            /* that follow one another, in the page, and are all asked for */
	uint64_t size;              /* of the page */
	uint64_t slot_pa;           /* of its entry; PW_PA_NONE with a leaf-only source */
	uint64_t raw;
	enum pw_level level;
	enum pw_kind kind; /* leaf, or protnone: the kernel has it mapped, the CPU does not */
	uint8_t perm;      /* of all levels; PW_PERM_UNKNOWN with a leaf-only source */
};

/* A frame that is asked for is a page of a page table. */
struct pw_table_page {
	const struct pw_space *space;
	const struct pw_piece *piece;
	uint64_t pa;
	uint64_t va, last;   /* that it covers */
	uint64_t slot_pa;    /* of the entry that leads to it; PW_PA_NONE: it is a root */
	enum pw_level level; /* of its own entries */
	bool user_root;      /* page-table isolation's, for user mode */
};

/* [va, last] has the same tables as there is at alias_va, where frames were found. */
struct pw_rmap_again {
	const struct pw_space *space;
	uint64_t va, last, alias_va;
};

/* What a pointer leads to is valid during the call only; a non-zero return ends the walk, which then returns it. */
struct pw_rmap_visitor {
	int (*mapping)(void *ctx, const struct pw_mapping *m);
	int (*table)(void *ctx, const struct pw_table_page *t);
	int (*again)(void *ctx, const struct pw_rmap_again *a);
	/* Not walked: its root is that of the process `first`. */
	int (*same)(void *ctx, const struct pw_space *space, pid_t first);
};

/* What was found of one frame, of all spaces so far. */
struct pw_frame {
	uint64_t pa;
	uint32_t user; /* entries of user halves that map it */
	uint32_t
		shared; /* of these, entries that another one of them was found by already: a table that two spaces have */
	uint32_t kernel; /* entries of the kernel's half */
	uint32_t tables; /* times that it was found to be a page table's page */
	bool special;    /* a user half maps it as a mere frame number (VM_PFNMAP): the kernel does not count that */
};

struct pw_rmap;

PW_API struct pw_rmap *pw_rmap_new(void);
PW_API void pw_rmap_free(struct pw_rmap *r);

/* Adds the frames of [pa.lo, pa.last], before the first space and pw_rmap_nframes(). -E2BIG: more than PW_RMAP_MAX_FRAMES with these. */
PW_API int pw_rmap_add(struct pw_rmap *r, struct pw_range pa, struct pw_error *err);

/* Adds the frames that [va.lo, va.last] of a space is mapped to. -ENOENT: to none; -EPERM: the source hides them. */
PW_API int pw_rmap_add_mapped(struct pw_rmap *r, const struct pw_space *space, struct pw_range va,
			      struct pw_error *err);

/*
 * Walks what of the space was not walked before. The kernel's space goes first, so that what all have is found as the kernel's. 0, what a visitor
 * returned, or a negative errno as of pw_walk. stats is added to.
 */
PW_API int pw_rmap_space(struct pw_rmap *r, const struct pw_space *space, const struct pw_rmap_visitor *visitor,
			 void *ctx, struct pw_walk_stats *stats);

/* The frames, ascending; each once. */
PW_API size_t pw_rmap_nframes(struct pw_rmap *r);
PW_API void pw_rmap_frame(struct pw_rmap *r, size_t i, struct pw_frame *out);

/* A leaf-only source hid frames of pages: these cannot be found. */
PW_API bool pw_rmap_hidden(const struct pw_rmap *r);

/*
 * Why the kernel's count of a frame (/proc/kpagecount; flags: of /proc/kpageflags) is another than that of the entries of user halves
 * that were found. NULL: it is not, or nothing is known. Static.
 */
PW_API const char *pw_rmap_why(const struct pw_frame *f, uint64_t count, uint64_t flags);

#endif
