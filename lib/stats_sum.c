/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <pagewalk/stats.h>

void pw_stats_free(struct pw_stats *s)
{
	free(s->node);
	free(s->area);
	s->node = NULL;
	s->area = NULL;
	s->nnodes = s->nareas = 0;
}

static void add(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

#define ADD(field) add(total->field, one->field, sizeof(one->field) / sizeof(one->field[0]))

static void add_counts(struct pw_counts *total, const struct pw_counts *one)
{
	if (!total->mmu) {
		total->mmu = one->mmu;
		total->depth = one->depth;
	}
	ADD(tables);
	for (unsigned i = 0; i < PW_NLEVELS; i++)
		ADD(entries[i]);
	for (unsigned i = 0; i < PW_MAX_ATTRS; i++)
		ADD(flags[i]);
}

static void add_thp(struct pw_thp *total, const struct pw_thp *one)
{
	total->ranges += one->ranges;
	total->huge += one->huge;
	total->untouched += one->untouched;
	ADD(missed);
	total->missing_pages += one->missing_pages;
	total->settings_known |= one->settings_known;
}

static void add_pages(struct pw_page_stats *total, const struct pw_page_stats *one)
{
	total->pages += one->pages;
	total->zero += one->zero;
	total->ksm += one->ksm;
	total->anon += one->anon;
	total->shared += one->shared;
	total->thp += one->thp;
	total->hugetlb += one->hugetlb;
	total->none += one->none;
}

void pw_stats_add(struct pw_stats *total, const struct pw_stats *one)
{
	add_counts(&total->counts, &one->counts);
	total->leaf_only |= one->leaf_only;
	total->filtered |= one->filtered;
	total->hidden |= one->hidden;
	ADD(slots);
	ADD(empty);
	ADD(single);
	ADD(full);
	total->table_bytes += one->table_bytes;
	ADD(bytes);
	ADD(accessed);
	ADD(dirty);
	total->reserved += one->reserved;
	total->protnone += one->protnone;
	total->swapped += one->swapped;
	total->soft += one->soft;
	ADD(contiguity.extents);
	ADD(contiguity.extent_bytes);
	ADD(contiguity.blocks);
	ADD(tlb.now);
	ADD(tlb.merged);
	total->tlb.blocks += one->tlb.blocks;
	add_thp(&total->thp, &one->thp);
	total->kernel_table_bytes += one->kernel_table_bytes;
	total->has_pages |= one->has_pages;
	add_pages(&total->pages, &one->pages);
	pw_walk_stats_add(&total->walk, &one->walk);
}

static uint64_t sum(const uint64_t v[PW_NLEVELS])
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PW_NLEVELS; i++)
		n += v[i];
	return n;
}

uint64_t pw_stats_mapped(const struct pw_stats *s)
{
	return sum(s->bytes);
}

uint64_t pw_stats_tables(const struct pw_stats *s)
{
	return sum(s->counts.tables);
}
