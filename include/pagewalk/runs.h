/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runs: entries merged over contiguous addresses: a stage of its own between the walker and a
 * renderer. A run never spans two areas (VMAs, kernel regions), two kinds, two page sizes or two perms.
 */
#ifndef PAGEWALK_RUNS_H
#define PAGEWALK_RUNS_H

#include <pagewalk/walk.h>

enum pw_runs_mode {
	PW_RUNS_READ,  /* Accessed, Dirty and breaks of physical memory are ignored */
	PW_RUNS_PHYS,  /* splits where physical memory breaks as well */
	PW_RUNS_EXACT, /* splits where any bit differs as well */
};

struct pw_run {
	const struct pw_piece *piece;
	const struct pw_area *area; /* NULL: in none */
	uint64_t va, last;
	enum pw_kind kind;
	enum pw_level level;
	bool is_hole; /* then only va, last, area, level, pages (holes), raw_first and these count: */
	enum pw_hole_reason reason;
	enum pw_doubt doubt; /* of an inconsistent hole: why */
	uint64_t alias_va;
	uint8_t perm; /* all levels; PW_PERM_UNKNOWN with a leaf-only source */
	uint64_t page_size;
	uint64_t pages;
	uint64_t accessed, dirty; /* pages with the bit */
	uint64_t extents;         /* physically contiguous stretches; 0 when frames are hidden or there are none */
	uint64_t pa;              /* of the first page; PW_PA_NONE */
	uint64_t raw_first, raw_and, raw_or;
};

typedef int (*pw_run_fn)(void *ctx, const struct pw_run *run);

struct pw_runs; /* the stage */

/*
 * Words of tables are looked at many at a time, by what the CPU has for it: AVX2, or plain C. The environment's PAGEWALK_SIMD, "plain" or
 * "avx2", forces one of them, for walks as well; a value that names none, or one that this CPU lacks, is as if there were none. Answers are the same. This
 * says, for a person, whether the value is of that kind: 0, -EINVAL or -ENOTSUP.
 */
PW_API int pw_simd_check(struct pw_error *err);

/* areas may be NULL; it must live as long as the stage. NULL when out of memory. */
PW_API struct pw_runs *pw_runs_new(enum pw_runs_mode mode, const struct pw_areas *areas, pw_run_fn fn, void *ctx);

/* Visitor to hand to pw_walk, with the stage as its ctx. */
extern PW_API const struct pw_visitor pw_runs_visitor;

/* Hands out the last run. 0, or what fn returned. */
PW_API int pw_runs_flush(struct pw_runs *runs);
PW_API void pw_runs_free(struct pw_runs *runs);

#endif
