/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render/bits.h"
#include "sums.h"

void sums_add(struct pw_rec_end *end, const struct pw_run *run)
{
	uint64_t bytes = run->pages * run->page_size;
	struct pw_entry e;

	if (run->is_hole)
		return;
	run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_first, &e);
	switch (run->kind) {
	case PW_LEAF:
		end->leaves += run->pages;
		if (!e.reserved)
			end->bytes[run->level] += bytes;
		if (run->pa == PW_PA_NONE)
			end->hidden = true;
		break;
	case PW_PROTNONE:
		end->protnone += bytes;
		break;
	case PW_SOFT:
		if (pw_is_swap(&e))
			end->swapped += bytes;
		break;
	default:
		break;
	}
}

void sums_root_once(const struct pw_space *space, struct pw_walk_stats *walk)
{
	if (space->npieces != 2 || space->piece[0].root != space->piece[1].root || walk->tables[PW_PGD] != 2)
		return;
	walk->tables[PW_PGD]--;
	walk->table_bytes -= UINT64_C(8) << space->piece[0].mmu.mode->lv[0].bits;
}

void sums_total(struct pw_rec_end *total, const struct pw_rec_end *one)
{
	for (unsigned i = 0; i < PW_NLEVELS; i++)
		total->bytes[i] += one->bytes[i];
	total->leaves += one->leaves;
	total->swapped += one->swapped;
	total->protnone += one->protnone;
	total->records += one->records;
	total->area_bytes += one->area_bytes;
	total->hidden |= one->hidden;
	pw_walk_stats_add(&total->walk, &one->walk);
}
