// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The audit of a space: each of its pieces is walked once, into physically contiguous runs, which the groups of rules look at.
 *
 * A system that runs moves on between the reading of its VMAs and of its tables, and frames that were tables become memory. So what was
 * found counts only if it is there, piece by piece, when one looks again with VMAs read anew: once, and some times more where such things were compared.
 */
#include "audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/live.h>

#include "space.h"

static const char unnamed[] = "-";

#define LOOKS_AT_MOVING 16
/* Rules, by number, that compare what cannot be read at one moment. */
#define MOVING                                                                                                 \
	(1u << PW_RULE_TABLE_MAP | 1u << PW_RULE_VMA_WRITE | 1u << PW_RULE_VMA_EXEC | 1u << PW_RULE_VMA_NONE | \
	 1u << PW_RULE_NO_VMA | 1u << PW_RULE_VMA_HUGE)

int pw_audit_found(struct pw_look *l, enum pw_rule rule, const struct pw_run *run, uint64_t offset, uint64_t bytes)
{
	const struct pw_area *area = run->area;
	const char *name = area ? area->name : unnamed;
	uint64_t unit = run->page_size ? run->page_size : bytes;
	struct pw_finding f = {
		.rule = &pw_audit_rule_table[rule],
		.space = l->name,
		.name = name,
		.path = area && area->path ? area->path : name,
		.perm = run->perm,
		.pid = l->space.pid,
		.spaces = 1,
		.va = run->va + offset,
		.last = run->va + offset + (bytes - 1),
		.pieces = 1,
		.pages = bytes / unit + !!(bytes % unit),
		.bytes = bytes,
		.pa = run->pa == PW_PA_NONE ? run->pa : run->pa + offset,
		.raw = run->raw_first,
		.level = run->level,
	};

	if (area)
		memcpy(f.vma, area->perms, sizeof(f.vma));
	return pw_findings_add(l->found, &f);
}

/* -------- one piece -------- */

static int on_hole(struct pw_look *l, const struct pw_run *run)
{
	if (run->reason != PW_HOLE_RESERVED && run->reason != PW_HOLE_NOT_RAM)
		return 0;
	l->told += run->pages;
	return pw_audit_found_all(l, run->reason == PW_HOLE_RESERVED ? PW_RULE_RESERVED : PW_RULE_TABLE_NOT_RAM, run);
}

/* By its entries, by its VMA, or by how the CPU is to cache it. */
static bool is_device(const struct pw_look *l, const struct pw_run *run, const struct pw_entry *first)
{
	const struct pw_mmu *mmu = &run->piece->mmu;
	struct pw_entry all;
	const char *type = first->memtype == 0xff ? "" : mmu->arch->memtypes[first->memtype];

	if (!strcmp(type, "UC") || !strcmp(type, "UC-") || !strcmp(type, "WC") || (run->area && run->area->pfnmap))
		return true;
	if (l->part != PW_AUDIT_USER)
		return false;
	mmu->arch->decode(mmu, run->level, run->raw_and, &all);
	return !(mmu->dialect & PW_DIALECT_KNOWN) || all.attrs & l->a->device_attrs;
}

static int on_run(void *ctx, const struct pw_run *run)
{
	struct pw_look *l = ctx;
	struct pw_pages p = { .run = run };

	if (run->is_hole)
		return on_hole(l, run);
	if (run->kind != PW_LEAF)
		return 0;
	run->piece->mmu.arch->decode(&run->piece->mmu, run->level, run->raw_first, &p.e);
	if (p.e.reserved)
		return pw_audit_found_all(l, PW_RULE_RESERVED, run);
	p.device = is_device(l, run, &p.e);
	switch (l->part) {
	case PW_AUDIT_USER:
		return pw_audit_user(l, &p);
	case PW_AUDIT_KERNEL:
		return pw_audit_kernel(l, &p);
	case PW_AUDIT_PTI:
		return pw_audit_pti(l, &p);
	}
	return 0;
}

static int walk_piece(struct pw_look *l, struct pw_walk_stats *stats)
{
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true };
	const struct pw_areas *areas = l->has_areas ? &l->space.areas : NULL;
	struct pw_filtered *stage;
	int rc = -ENOMEM;

	l->runs = pw_runs_new(PW_RUNS_PHYS, areas, on_run, l);
	stage = pw_filtered_new(l->a->filter, areas, &pw_runs_visitor, l->runs);
	if (l->runs && stage)
		rc = pw_walk(&l->space, &opts, &pw_filtered_visitor, stage, stats);
	if (!rc)
		rc = pw_runs_flush(l->runs);
	pw_filtered_free(stage);
	pw_runs_free(l->runs);
	stats->unreadable -= l->told;
	return rc;
}

/* -------- a space -------- */

static bool is_pti_root(const struct pw_audit *a, uint64_t root)
{
	return a->target->facts.pti && root & PW_PTI_USER_ROOT;
}

/* What is looked at: see pw_audit_space(). */
static size_t parts_of(const struct pw_audit *a, const struct pw_space *space, struct pw_piece piece[2],
		       enum pw_audit_part part[2])
{
	size_t n = 0;

	for (size_t i = 0; i < space->npieces; i++) {
		bool user = space->piece[i].mmu.half == PW_HALF_USER, pti = is_pti_root(a, space->piece[i].root);

		/* The kernel half of a process is the kernel's, but where the user root has one. */
		if (!user && !pti && space->pid)
			continue;
		piece[n] = space->piece[i];
		part[n++] = user ? PW_AUDIT_USER : pti ? PW_AUDIT_PTI : PW_AUDIT_KERNEL;
	}
	if (space->pid && n == 1 && part[0] == PW_AUDIT_USER && is_pti_root(a, piece[0].root)) {
		piece[1] = piece[0];
		piece[1].mmu = a->target->mmu[PW_HALF_KERNEL];
		piece[1].va = pw_half_range(piece[1].mmu.mode, PW_HALF_KERNEL);
		part[n++] = PW_AUDIT_PTI;
	}
	return n;
}

static const char *name_of(const struct pw_space *space)
{
	if (space->pid)
		return space->comm;
	return !strcmp(space->title, "kernel") ? "kernel" : !strncmp(space->title, "cpu", 3) ? "cpu" : "root";
}

static int look(struct pw_audit *a, const struct pw_space *space, const struct pw_table_set *tables,
		struct pw_table_set *hits, struct pw_findings *found, struct pw_walk_stats *stats)
{
	struct pw_piece piece[2];
	enum pw_audit_part part[2];
	size_t n = parts_of(a, space, piece, part);
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		struct pw_look l = {
			.a = a,
			.space = *space,
			.name = name_of(space),
			.part = part[i],
			.tables = tables,
			.hits = hits,
			.found = found,
		};

		l.space.npieces = 1;
		l.space.piece[0] = piece[i];
		if (part[i] != PW_AUDIT_USER)
			l.space.areas = a->layout;
		l.has_areas = l.space.areas.n || (part[i] == PW_AUDIT_USER && space->pid);
		rc = walk_piece(&l, stats);
	}
	return rc;
}

/* The same space with its VMAs as they are now. */
static int reopen(struct pw_audit *a, const struct pw_space *space, bool devices, struct pw_space *out)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = space->pid };
	struct pw_error err = { 0 };
	int rc = pw_target_space(a->target, &sel, out, &err);

	if (rc)
		return rc == -ENOMEM ? rc : -ESRCH;
	/* Another program by now: the tables of the old one are gone. */
	if (!out->npieces || (out->piece[0].root ^ space->piece[0].root) & ~PW_PTI_USER_ROOT) {
		pw_space_free(out);
		return -ESRCH;
	}
	out->npieces = space->npieces;
	memcpy(out->piece, space->piece, sizeof(out->piece));
	if (devices && !strcmp(a->target->os->name, "live"))
		pw_live_mark_flags(out, &err);
	return 0;
}

static int look_anew(struct pw_audit *a, const struct pw_space *space, const struct pw_findings *before,
		     const struct pw_table_set *tables, struct pw_table_set *hits, struct pw_findings *found)
{
	struct pw_walk_stats stats = { 0 };
	struct pw_space fresh;
	int rc;

	if (!space->pid)
		return look(a, space, tables, hits, found, &stats);
	rc = reopen(a, space, pw_findings_have(before, UINT32_C(1) << PW_RULE_NOT_RAM), &fresh);
	if (rc)
		return rc;
	rc = look(a, &fresh, tables, hits, found, &stats);
	pw_space_free(&fresh);
	return rc;
}

/* Frames of the pages of a region of the kernel. */
static int find_pages(struct pw_audit *a, const char *region, uint8_t perm, struct pw_table_set *out)
{
	int rc = 0;

	for (size_t i = 0; i < a->layout.n && !rc; i++)
		if (!strcmp(a->layout.v[i].name, region))
			rc = pw_table_set_add_pages(out, &a->kernel,
						    (struct pw_range){ a->layout.v[i].lo, a->layout.v[i].last }, perm);
	pw_table_set_sort(out);
	return rc;
}

/* Modules and BPF programs come and go. */
static int find_code(struct pw_audit *a)
{
	pw_table_set_free(&a->code);
	return find_pages(a, "modules", PW_X, &a->code);
}

/* Leaves of found what is there in one more look; hits: the tables that were mapped, in and out. */
static int confirm_once(struct pw_audit *a, const struct pw_space *space, struct pw_findings *found,
			struct pw_table_set *hits)
{
	struct pw_findings again = { .exact = true };
	struct pw_table_set tables = { 0 };
	int rc = pw_table_set_again(a->target, hits, &tables);

	pw_table_set_free(hits);
	if (!rc && pw_findings_have(found, UINT32_C(1) << PW_RULE_TEXT_ALIAS))
		rc = find_code(a);
	if (!rc)
		rc = look_anew(a, space, found, &tables, hits, &again);
	pw_table_set_free(&tables);
	if (rc) {
		pw_findings_free(&again);
		return rc;
	}
	pw_findings_confirm(&again, found);
	again.lost = found->lost;
	pw_findings_free(found);
	*found = again;
	return 0;
}

/* What is wrong stays so; a process that maps and unmaps all the time is not caught at the same place each time. */
static int confirm(struct pw_audit *a, const struct pw_space *space, struct pw_findings *found,
		   struct pw_table_set *hits)
{
	unsigned looks = LOOKS_AT_MOVING;
	int rc = 0;

	while (found->n && looks-- && !rc) {
		if (!pw_findings_have(found, MOVING))
			looks = 0;
		rc = confirm_once(a, space, found, hits);
	}
	return rc;
}

int pw_audit_space(struct pw_audit *a, const struct pw_space *space, struct pw_walk_stats *stats)
{
	struct pw_findings found = { .exact = a->live || a->all.exact };
	struct pw_table_set hits = { 0 };
	int rc;

	pw_table_set_sort(&a->tables);
	rc = look(a, space, &a->tables, &hits, &found, stats);
	if (!rc && a->live)
		rc = confirm(a, space, &found, &hits);
	if (!rc)
		rc = pw_findings_merge(&a->all, &found);
	pw_table_set_free(&hits);
	pw_findings_free(&found);
	return rc;
}

int pw_audit_collect(struct pw_audit *a, const struct pw_space *space)
{
	struct pw_space parts = *space;
	enum pw_audit_part part[2];

	if (!space->pid && !strcmp(space->title, "kernel"))
		return 0;
	parts.npieces = parts_of(a, space, parts.piece, part);
	return pw_table_set_add(&a->tables, &parts);
}

struct pw_finding *pw_audit_findings(struct pw_audit *a, size_t *n)
{
	pw_findings_sort(&a->all);
	*n = a->all.n;
	return a->all.v;
}

uint64_t pw_audit_lost(const struct pw_audit *a)
{
	return a->all.lost + a->tables.full;
}

/* -------- what is known of the kernel -------- */

/* A part of the image is contiguous in physical memory. */
static void find_fixed(struct pw_audit *a, const char *name, struct pw_fixed_part *out)
{
	for (size_t i = 0; i < a->layout.n; i++) {
		const struct pw_area *area = &a->layout.v[i];
		uint64_t ends[2] = { area->lo, area->last };
		struct pw_translation t[2];

		if (strcmp(area->name, name))
			continue;
		if (!pw_translate(&a->kernel, ends, 2, t) && t[0].verdict == PW_MAPPED && t[1].verdict == PW_MAPPED &&
		    t[1].pa - t[0].pa == ends[1] - ends[0])
			*out = (struct pw_fixed_part){ ends[0], t[0].pa, ends[1] - ends[0] + 1 };
		return;
	}
}

static int know_kernel(struct pw_audit *a)
{
	const struct pw_select sel = { .kind = PW_SELECT_KERNEL };
	struct pw_error ignored = { 0 };
	int rc = pw_target_space(a->target, &sel, &a->kernel, &ignored);

	if (rc) {
		a->kernel = (struct pw_space){ .pin.pagemap_fd = -1 };
		return rc == -ENOMEM ? rc : 0;
	}
	rc = pw_target_layout(a->target, &a->layout, &ignored);
	if (rc == -ENOMEM)
		return rc;
	if (rc)
		a->layout = (struct pw_areas){ 0 };
	find_fixed(a, "kernel text", &a->fixed[0]);
	find_fixed(a, "kernel rodata", &a->fixed[1]);
	rc = find_code(a);
	if (!rc && a->target->facts.pti)
		rc = find_pages(a, "cpu entry area", PW_R, &a->entry);
	return rc ? rc : pw_table_set_add(&a->tables, &a->kernel);
}

static uint64_t attrs_named(const struct pw_arch *arch, const char *name)
{
	uint64_t found = 0;

	for (size_t i = 0; i < arch->nattrs; i++)
		if (!strcmp(arch->attrs[i].name, name))
			found |= UINT64_C(1) << i;
	return found;
}

struct pw_audit *pw_audit_new(struct pw_target *t, const struct pw_audit_opts *opts, struct pw_error *err)
{
	const struct pw_arch *arch = t->mmu[PW_HALF_KERNEL].arch;
	struct pw_audit *a;
	int rc;

	if (!(t->source.ops->caps & PW_CAP_TABLES)) {
		pw_error_set(err, -EOPNOTSUPP,
			     "%s: an audit needs page tables, this source has leaves without permissions only; "
			     "'pagewalk doctor' says what opens an exact one",
			     t->source.ops->name);
		return NULL;
	}
	if (opts->filter && pw_filter_check(opts->filter, &t->mmu[PW_HALF_USER], err))
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a) {
		pw_error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	a->target = t;
	a->all.exact = opts->exact;
	a->filter = opts->filter;
	a->live = !t->taken && (t->source.consistency == PW_VALIDATED || t->source.consistency == PW_LOCKED);
	a->device_attrs = attrs_named(arch, "special") | attrs_named(arch, "devmap");
	rc = know_kernel(a);
	if (rc) {
		pw_error_set(err, rc, "the kernel's tables: %s", strerror(-rc));
		pw_audit_free(a);
		return NULL;
	}
	return a;
}

void pw_audit_free(struct pw_audit *a)
{
	if (!a)
		return;
	pw_space_free(&a->kernel);
	pw_areas_free(&a->layout);
	pw_table_set_free(&a->tables);
	pw_table_set_free(&a->entry);
	pw_table_set_free(&a->code);
	pw_findings_free(&a->all);
	free(a);
}
