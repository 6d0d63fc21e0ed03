// SPDX-License-Identifier: GPL-2.0-only
/*
 * From tables to the pieces of a report. The walk hands over tables in order of address, each before those below it; a
 * table's entries up to the one that leads to the next table are pieces before that table's own.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <asm/pgtable.h>

#include "intel_report.h"

void intel_report_end(struct report *r)
{
	pw_walk_free(r->w);
	r->w = NULL;
	if (r->mm)
		mmdrop(r->mm);
	r->mm = NULL;
}

static unsigned int levels_wanted(const struct report *r)
{
	unsigned int d, wanted = 0;

	for (d = 0; d < r->depth; d++)
		wanted |= 1 << arch_level(d);
	return wanted;
}

#ifdef PAGEWALK_CHECK
/* A build for tests: bits that the CPU at hand does not have in its registers. */
static ulong check_cr3, check_cr4;
module_param(check_cr3, ulong, 0444);
module_param(check_cr4, ulong, 0444);

static void pretend(struct pagewalk_info *info)
{
	info->cr3 |= check_cr3;
	info->cr4 |= check_cr4;
}
#else
static void pretend(struct pagewalk_info *info)
{
}
#endif

/* The registers, read while nothing else can run on this CPU: CR3 is then that of the reader's own mm. */
static int look_at_cpu(struct report *r)
{
	int rc;

	memset(&r->info, 0, sizeof(r->info));
	r->cpu = get_cpu();
	r->info.cpu = r->cpu;
	rc = arch_info(&r->info);
	put_cpu();
	pretend(&r->info);
	return rc;
}

int intel_report_begin(struct report *r, unsigned int depth)
{
	int rc;

	intel_report_end(r);
	r->pos = 0;
	r->at = 0;
	r->top = 0;
	r->done = false;
	r->piece = (struct piece){ .kind = PIECE_HEAD };
	if (!current->mm)
		return -ESRCH;
	r->depth = min(depth, arch_levels());
	r->pid = task_tgid_vnr(current);
	get_task_comm(r->comm, current);
	rc = look_at_cpu(r);
	if (rc)
		return rc;
	r->mm = current->mm;
	mmgrab(r->mm);
	r->w = pw_walk_new(r->mm, arch_root(r->mm), 0, ~0ULL, levels_wanted(r));
	if (!r->w)
		return -ENOMEM;
	r->w->fold = true;
	return 0;
}

/* The next table in *rec; NULL when there is none any more. */
static int next_table(struct report *r, struct pagewalk_table **rec)
{
	int rc;

	while (r->at == r->w->n && !r->w->done) {
		r->at = 0;
		r->w->n = 0;
		rc = pw_walk_step(r->w, PW_BATCH);
		if (rc)
			return rc;
		cond_resched();
	}
	*rec = r->at < r->w->n ? &r->w->record[r->at] : NULL;
	return 0;
}

static unsigned int depth_of(const struct pagewalk_table *rec)
{
	unsigned int d;

	for (d = 0; d < arch_levels() && arch_level(d) != rec->level; d++)
		;
	return d;
}

static void enter(struct report *r, const struct pagewalk_table *rec)
{
	struct level *t = &r->level[r->top++];

	t->va = rec->va;
	t->next = 0;
	t->child = 0;
	memcpy(t->word, r->w->page[r->at], sizeof(t->word));
}

static u64 va_of(const struct level *t, unsigned int d, unsigned int i)
{
	return arch_canonical(t->va + ((u64)i << arch_shift(d)));
}

/* The bits by which pages differ for a reader. */
static u64 same_mask(unsigned int d)
{
	u64 mask = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_PWT | _PAGE_PCD | _PAGE_ACCESSED | _PAGE_DIRTY |
		   _PAGE_PSE | _PAGE_GLOBAL | _PAGE_PKEY_BIT0 | _PAGE_PKEY_BIT1 | _PAGE_PKEY_BIT2 | _PAGE_PKEY_BIT3 |
		   _PAGE_NX;

	return arch_level(d) == PAGEWALK_LEVEL_PTE ? mask : mask | _PAGE_PAT_LARGE;
}

/* Whether page b goes on, in physical memory too, where page a ends. */
static bool continues(unsigned int d, u64 a, u64 b)
{
	u64 pa, pb;

	if (!arch_is_leaf(d, a, &pa) || !arch_is_leaf(d, b, &pb) || pb != pa + (1ULL << arch_shift(d)))
		return false;
	return !((a ^ b) & same_mask(d)) && arch_reserved(d, a) == arch_reserved(d, b);
}

/* The next present entry below index `end` of the lowest table, with what continues it. False: there is none. */
static bool take_entry(struct report *r, unsigned int end)
{
	unsigned int d = r->top - 1, i;
	struct level *t = &r->level[d];
	u64 pa;

	for (; t->next < end; t->next++)
		if (t->word[t->next] & _PAGE_PRESENT)
			break;
	if (t->next >= end)
		return false;
	for (i = t->next + 1; i < end && continues(d, t->word[i - 1], t->word[i]); i++)
		;
	r->piece = (struct piece){
		.kind = PIECE_ENTRY,
		.depth = d,
		.va = va_of(t, d, t->next),
		.last = va_of(t, d, i - 1) + ((1ULL << arch_shift(d)) - 1),
		.raw = t->word[t->next],
	};
	r->piece.repeated = t->child && arch_is_table(d, r->piece.raw, &pa) && pa == t->child;
	t->next = i;
	return true;
}

/* The entry that leads to a table which comes next: as it was when that was copied. */
static void take_link(struct report *r, const struct pagewalk_table *rec, unsigned int index)
{
	unsigned int d = r->top - 1;
	struct level *t = &r->level[d];
	u64 va = va_of(t, d, index);

	r->piece = (struct piece){
		.kind = PIECE_ENTRY,
		.depth = d,
		.va = va,
		.last = va + ((1ULL << arch_shift(d)) - 1),
		.raw = rec->entry,
		.followed = true,
		.status = rec->status,
	};
	t->next = index + 1;
	t->child = rec->pa;
}

static void take_no_root(struct report *r, const struct pagewalk_table *rec)
{
	r->piece = (struct piece){ .kind = PIECE_NO_ROOT, .status = rec->status };
}

int intel_report_advance(struct report *r)
{
	struct pagewalk_table *rec;
	unsigned int d, index;
	int rc;

	while (!r->done) {
		rc = next_table(r, &rec);
		if (rc)
			return rc;
		d = rec ? depth_of(rec) : 0;
		if (r->top > d) { /* what is left of tables that do not lead there */
			if (take_entry(r, ARRAY_SIZE(r->level[0].word)))
				return 0;
			r->top--;
			continue;
		}
		if (!rec) {
			r->done = true;
			break;
		}
		if (d) {
			index = rec->va >> arch_shift(d - 1) & 511;
			if (take_entry(r, index))
				return 0;
			take_link(r, rec, index);
		}
		if (!rec->status)
			enter(r, rec);
		else if (!d)
			take_no_root(r, rec);
		r->at++;
		if (d || rec->status)
			return 0;
	}
	intel_report_end(r);
	return 0;
}
