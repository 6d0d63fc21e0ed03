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

static void add_walk(struct pw_walk_stats *total, const struct pw_walk_stats *one)
{
	for (unsigned i = 0; i < PW_NLEVELS; i++)
		total->tables[i] += one->tables[i];
	total->table_bytes += one->table_bytes;
	total->retries += one->retries;
	total->unstable += one->unstable;
	total->unreadable += one->unreadable;
	total->inconsistent += one->inconsistent;
	total->aliases += one->aliases;
	total->truncated |= one->truncated;
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
	add_walk(&total->walk, &one->walk);
}
