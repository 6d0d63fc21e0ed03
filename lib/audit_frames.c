// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules about where entries point to: RAM or not, page tables, the kernel's own code; and which frames are page tables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "ranges.h"

#define MOST_TABLES (UINT64_C(1) << 22) /* 32 MiB of them; they map 8 TiB in 4K pages */
#define MOST_NOTES  (1u << 16)
#define OWNER_MASK  ((UINT64_C(1) << PW_OWNER_BITS) - 1)

/* -------- frames that are tables -------- */

struct collect {
	struct pw_table_set *set;
	uint64_t owner;
};

static int add_frame(struct collect *c, uint64_t pa)
{
	struct pw_table_set *set = c->set;

	if (set->n == MOST_TABLES) {
		set->full = true;
		return 0;
	}
	if (set->n == set->room) {
		size_t want = set->room ? 2 * set->room : 256;
		uint64_t *v = reallocarray(set->v, want, sizeof(*v));

		if (!v)
			return -ENOMEM;
		set->v = v;
		set->room = want;
	}
	set->v[set->n++] = pa >> 12 << PW_OWNER_BITS | c->owner;
	set->sorted = false;
	return 0;
}

static int add_entry(struct collect *c, const struct pw_piece *piece, enum pw_level level, uint64_t raw)
{
	struct pw_entry e;

	if (!raw)
		return 0;
	piece->mmu.arch->decode(&piece->mmu, level, raw, &e);
	return e.kind == PW_TABLE && !e.reserved ? add_frame(c, e.pa) : 0;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	return add_entry(ctx, step->piece, step->level, step->raw);
}

/* The last level that is looked at: its entries lead to PTE tables, which are not read. */
static int on_span(void *ctx, const struct pw_span *span)
{
	int rc = 0;

	for (size_t i = 0; i < span->n && !rc; i++)
		rc = add_entry(ctx, span->piece, span->level, span->raw[i]);
	return rc;
}

int pw_table_set_add(struct pw_table_set *set, const struct pw_space *space)
{
	static const struct pw_visitor visitor = { .step = on_step, .span = on_span };
	struct collect c = { set, (uint64_t)space->pid & OWNER_MASK };
	int rc = 0;

	for (size_t i = 0; i < space->npieces && !rc; i++) {
		struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true };
		struct pw_walk_stats stats = { 0 };
		struct pw_space one = *space;

		one.npieces = 1;
		one.piece[0] = space->piece[i];
		opts.depth = one.piece[0].mmu.mode->depth - 1u;
		rc = add_frame(&c, one.piece[0].root);
		if (!rc)
			rc = pw_walk(&one, &opts, &visitor, &c, &stats);
	}
	return rc;
}

struct pages {
	struct collect collect;
	uint8_t perm;
};

static int on_pages(void *ctx, const struct pw_span *span)
{
	struct pages *p = ctx;
	int rc = 0;

	for (size_t i = 0; i < span->n && !rc; i++) {
		struct pw_entry e;

		if (!span->raw[i])
			continue;
		span->piece->mmu.arch->decode(&span->piece->mmu, span->level, span->raw[i], &e);
		if (e.kind != PW_LEAF || e.reserved || (e.perm & span->perm_above & p->perm) != p->perm)
			continue;
		for (uint64_t at = 0; at < e.size && !rc && !p->collect.set->full; at += 4096)
			rc = add_frame(&p->collect, e.pa + at);
	}
	return rc;
}

int pw_table_set_add_pages(struct pw_table_set *set, const struct pw_space *space, struct pw_range va, uint8_t perm)
{
	static const struct pw_visitor visitor = { .span = on_pages };
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = va, .fold_aliases = true };
	struct pw_walk_stats stats = { 0 };
	struct pages p = { { set, 0 }, perm };

	return pw_walk(space, &opts, &visitor, &p, &stats);
}

static int by_owner(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x & OWNER_MASK, b = *(const uint64_t *)y & OWNER_MASK;

	return (a > b) - (a < b);
}

int pw_table_set_note(struct pw_table_set *set, uint64_t pa, pid_t owner)
{
	struct collect c = { set, (uint64_t)owner & OWNER_MASK };

	/* It is only to be known whose tables are to be read again. */
	if (set->n == MOST_NOTES || (set->n && !by_owner(&set->v[set->n - 1], &c.owner)))
		return 0;
	return add_frame(&c, pa);
}

int pw_table_set_again(struct pw_target *t, struct pw_table_set *hits, struct pw_table_set *out)
{
	int rc = 0;

	if (hits->n)
		qsort(hits->v, hits->n, sizeof(*hits->v), by_owner);
	for (size_t i = 0; i < hits->n && !rc; i++) {
		pid_t pid = (pid_t)(hits->v[i] & OWNER_MASK);
		const struct pw_select sel = { .kind = pid ? PW_SELECT_PID : PW_SELECT_KERNEL, .pid = pid };
		struct pw_space space;

		if (i && !by_owner(&hits->v[i], &hits->v[i - 1]))
			continue;
		rc = pw_target_space(t, &sel, &space, NULL);
		if (!rc) {
			rc = pw_table_set_add(out, &space);
			pw_space_free(&space);
		}
		/* One that is gone has no tables. */
		rc = rc == -ENOMEM ? rc : 0;
	}
	pw_table_set_sort(out);
	return rc;
}

static int by_number(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

void pw_table_set_sort(struct pw_table_set *set)
{
	size_t n = 0;

	if (set->sorted || !set->n)
		return;
	qsort(set->v, set->n, sizeof(*set->v), by_number);
	for (size_t i = 1; i < set->n; i++)
		if (set->v[i] >> PW_OWNER_BITS != set->v[n] >> PW_OWNER_BITS)
			set->v[++n] = set->v[i];
	set->n = n + 1;
	set->sorted = true;
}

bool pw_table_set_find(const struct pw_table_set *set, uint64_t pa, uint64_t last, uint64_t *at, pid_t *owner)
{
	uint64_t want = pa >> 12 << PW_OWNER_BITS;
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (set->v[mid] < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == set->n || set->v[lo] >> PW_OWNER_BITS > last >> 12)
		return false;
	*at = set->v[lo] >> PW_OWNER_BITS << 12;
	*owner = (pid_t)(set->v[lo] & OWNER_MASK);
	return true;
}

void pw_table_set_free(struct pw_table_set *set)
{
	free(set->v);
	*set = (struct pw_table_set){ 0 };
}

/* -------- rules -------- */

/* What of a run is in the set is found, a frame each; noted: whose it is, or NULL. */
static int in_set(struct pw_look *l, const struct pw_table_set *set, enum pw_rule rule, const struct pw_run *run,
		  uint64_t pa_last, struct pw_table_set *noted)
{
	uint64_t from = run->pa, at;
	pid_t owner;
	int rc = 0;

	while (!rc && from <= pa_last && pw_table_set_find(set, from, pa_last, &at, &owner)) {
		rc = pw_audit_found(l, rule, run, at - run->pa, 4096);
		if (!rc && noted)
			rc = pw_table_set_note(noted, at, owner);
		from = at + 4096;
	}
	return rc;
}

/* Where from [pa, last] on, beginning with pa, the answer to "is it RAM" is the same: its last address. */
static uint64_t ram_until(const struct pw_space *s, uint64_t pa, uint64_t last, bool *is_ram)
{
	*is_ram = false;
	for (size_t i = 0; i < s->nram; i++) {
		if (s->ram[i].last < pa)
			continue;
		if (s->ram[i].lo > pa)
			return s->ram[i].lo - 1 < last ? s->ram[i].lo - 1 : last;
		*is_ram = true;
		return s->ram[i].last < last ? s->ram[i].last : last;
	}
	return last;
}

static int not_ram(struct pw_look *l, enum pw_rule rule, const struct pw_run *run, uint64_t pa_last)
{
	uint64_t pa = run->pa;

	for (;;) {
		bool is_ram;
		uint64_t until = ram_until(&l->space, pa, pa_last, &is_ram);
		int rc = is_ram ? 0 : pw_audit_found(l, rule, run, pa - run->pa, until - pa + 1);

		if (rc || until >= pa_last)
			return rc;
		pa = until + 1;
	}
}

static int fixed_part(struct pw_look *l, const struct pw_run *run, const struct pw_fixed_part *part, uint64_t pa_last)
{
	uint64_t lo = run->pa > part->pa ? run->pa : part->pa, last = part->pa + part->bytes - 1;
	bool own = run->va - run->pa == part->va - part->pa;

	if (!part->bytes)
		return 0;
	if (last > pa_last)
		last = pa_last;
	if (lo > last)
		return 0;
	return pw_audit_found(l, own ? PW_RULE_TEXT_WRITE : PW_RULE_TEXT_ALIAS, run, lo - run->pa, last - lo + 1);
}

int pw_audit_frames(struct pw_look *l, const struct pw_pages *p, bool skip_tables)
{
	const struct pw_run *run = p->run;
	uint64_t bytes = run->last - run->va + 1, pa_last = run->pa + (bytes - 1);
	int rc = 0;

	if (run->pa == PW_PA_NONE || pa_last < run->pa)
		return 0;
	if (!p->device && l->space.ram && !pw_ranges_hold(l->space.ram, l->space.nram, run->pa, bytes))
		rc = not_ram(l, l->part == PW_AUDIT_USER ? PW_RULE_NOT_RAM : PW_RULE_KERNEL_NOT_RAM, run, pa_last);
	for (size_t i = 0; i < 2 && !rc && run->perm & PW_W; i++)
		rc = fixed_part(l, run, &l->a->fixed[i], pa_last);
	/* Code of modules and the like: what maps it writable is an alias, as it is not executed there. */
	if (!rc && (run->perm & (PW_W | PW_X)) == PW_W)
		rc = in_set(l, &l->a->code, PW_RULE_TEXT_ALIAS, run, pa_last, NULL);
	return rc || skip_tables ? rc : in_set(l, l->tables, PW_RULE_TABLE_MAP, run, pa_last, l->hits);
}
