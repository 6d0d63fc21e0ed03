/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#define MOST_PAGES 1023 /* longer runs are few */

/* The frames follow each other, and there is an end to print. */
static bool is_short_piece(const struct pw_run *run)
{
	return run->kind == PW_LEAF && !run->is_hole && run->extents == 1 && run->pa != PW_PA_NONE &&
	       run->pages <= MOST_PAGES && run->last != UINT64_MAX;
}

/* The CPU maps it, and it has no number but those of a run: of a swap entry, bits.h would note one. */
static bool is_plain(const struct pw_run *run, struct pw_leaf_format *fmt)
{
	const struct pw_mmu *mmu = &run->piece->mmu;

	mmu->arch->leaf_format(mmu, run->level, fmt);
	return fmt->leaf_mask && (run->raw_first & fmt->leaf_mask) == fmt->leaf_value;
}

static uint64_t shape_of(const struct pw_run *run, const uint64_t number[PW_RUN_NUMBERS])
{
	uint64_t shape = 1 << 3 | run->level; /* no entry's */

	shape = shape << 8 | run->perm;
	shape = shape << 10 | run->pages;
	shape = shape << 10 | run->accessed;
	shape = shape << 10 | run->dirty;
	for (unsigned i = 0; i < PW_RUN_NUMBERS; i++)
		shape = shape << 5 | pw_hex_count(number[i]);
	return shape;
}

void pw_put_run(struct pw_render *r, const struct pw_run *run, pw_row_fn fn)
{
	struct pw_leaf_format fmt;
	const uint64_t number[PW_RUN_NUMBERS] = {
		[PW_R_VA] = run->va,
		[PW_R_END] = run->last + 1,
		[PW_R_PA] = run->pa,
		[PW_R_PA_END] = run->pa + run->pages * run->page_size,
	};
	struct pw_form_key key;

	if (!is_short_piece(run) || !is_plain(run, &fmt) || !pw_forms_of(r)) {
		fn(r, run);
		return;
	}
	key = (struct pw_form_key){
		.piece = run->piece,
		.area = run->area,
		.bits = run->raw_first & ~fmt.pa_mask,
		.shape = shape_of(run, number),
		.more = run->raw_and & ~fmt.pa_mask,
	};
	pw_form_row(r, &key, number, fn, run);
}
