/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/pack_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "space.h"

#define MAX_RANGES 65536

/* ---- facts ---- */

static void pack_mmu(struct pw_pack *p, const struct pw_mmu *mmu)
{
	pw_pack_u8(p, mmu->maxphyaddr);
	pw_pack_mem(p, mmu->pat, sizeof(mmu->pat));
	pw_pack_u8(p, (uint8_t)(mmu->no_nx | mmu->enc_shared << 1));
	pw_pack_u32(p, mmu->dialect);
	pw_pack_u64(p, mmu->enc_mask);
	pw_pack_str(p, mmu->dialect_evidence);
}

void pw_pack_facts(struct pw_pack *p, const struct pw_target *t, const struct pw_taken *taken)
{
	const struct pw_facts *f = &t->facts;

	pw_pack_str(p, taken->source);
	pw_pack_str(p, taken->version);
	pw_pack_u64(p, taken->time);
	pw_pack_u8(p, t->source.consistency);
	pw_pack_str(p, f->system);
	pw_pack_u8(p, f->pti);
	pw_pack_u64(p, f->page_offset);
	pw_pack_u64(p, f->kernel_root);
	pw_pack_u64(p, f->mode_depth);
	pw_pack_u64(p, f->image_offset);
	pw_pack_u64(p, f->struct_page);
	pw_pack_str(p, t->mmu[0].arch->name);
	pw_pack_u8(p, t->mmu[0].mode->depth);
	pack_mmu(p, &t->mmu[PW_HALF_USER]);
	pack_mmu(p, &t->mmu[PW_HALF_KERNEL]);
}

static void unpack_mmu(struct pw_unpack *u, struct pw_mmu *mmu)
{
	uint8_t flags;

	mmu->maxphyaddr = pw_unpack_u8(u);
	for (unsigned i = 0; i < sizeof(mmu->pat); i++) {
		mmu->pat[i] = pw_unpack_u8(u);
		u->bad |= mmu->pat[i] > 7;
	}
	flags = pw_unpack_u8(u);
	mmu->no_nx = flags & 1;
	mmu->enc_shared = flags & 2;
	mmu->dialect = pw_unpack_u32(u);
	mmu->enc_mask = pw_unpack_u64(u);
	mmu->dialect_evidence = pw_unpack_str(u);
	if (mmu->arch && mmu->arch != &pw_arch_pagemap)
		u->bad |= mmu->maxphyaddr < 32 || mmu->maxphyaddr > 52;
}

void pw_unpack_facts(struct pw_unpack *u, struct pw_target *t, struct pw_taken *taken, bool *leaf_only)
{
	struct pw_facts *f = &t->facts;
	const struct pw_arch *arch;
	unsigned depth, consistency;

	pw_unpack_into(u, taken->source, sizeof(taken->source));
	pw_unpack_into(u, taken->version, sizeof(taken->version));
	taken->time = pw_unpack_u64(u);
	consistency = pw_unpack_u8(u);
	pw_unpack_into(u, f->system, sizeof(f->system));
	f->pti = pw_unpack_u8(u);
	f->page_offset = pw_unpack_u64(u);
	f->kernel_root = pw_unpack_u64(u);
	f->mode_depth = pw_unpack_u64(u);
	f->image_offset = pw_unpack_u64(u);
	f->struct_page = pw_unpack_u64(u);
	arch = pw_arch_find(pw_unpack_text(u));
	depth = pw_unpack_u8(u);
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half] = (struct pw_mmu){ .arch = arch, .half = (enum pw_half)half };
		t->mmu[half].mode = arch ? pw_arch_mode(arch, depth) : NULL;
		unpack_mmu(u, &t->mmu[half]);
	}
	u->bad |= !arch || !t->mmu[0].mode || consistency > PW_LEAF_ONLY;
	*leaf_only = arch == &pw_arch_pagemap;
	u->bad |= *leaf_only != (consistency == PW_LEAF_ONLY);
	if (!u->bad)
		t->source.consistency = (enum pw_consistency)consistency;
}

void pw_pack_soft(struct pw_pack *p, const struct pw_soft_types *soft)
{
	pw_pack_u8(p, soft->areas);
	pw_pack_u8(p, soft->known);
	pw_pack_u8(p, soft->hwpoison);
	pw_pack_u8(p, soft->migration);
	pw_pack_u8(p, soft->device);
	pw_pack_u8(p, soft->marker);
	pw_pack_u8(p, soft->swapin_error);
	pw_pack_str(p, soft->how);
}

void pw_unpack_soft(struct pw_unpack *u, struct pw_soft_types *soft)
{
	soft->areas = pw_unpack_u8(u);
	soft->known = pw_unpack_u8(u);
	soft->hwpoison = pw_unpack_u8(u);
	soft->migration = pw_unpack_u8(u);
	soft->device = pw_unpack_u8(u);
	soft->marker = pw_unpack_u8(u);
	soft->swapin_error = pw_unpack_u8(u);
	pw_unpack_into(u, soft->how, sizeof(soft->how));
	u->bad |= soft->areas > 32 || (soft->known && soft->areas + soft->hwpoison + soft->migration + soft->device +
								      soft->marker + soft->swapin_error !=
							      32);
}

/* ---- RAM, nodes, swap ---- */

void pw_pack_ranges(struct pw_pack *p, const struct pw_range *ranges, size_t n)
{
	pw_pack_u8(p, ranges != NULL);
	pw_pack_u32(p, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		pw_pack_u64(p, ranges[i].lo);
		pw_pack_u64(p, ranges[i].last);
	}
}

void pw_unpack_ranges(struct pw_unpack *u, struct pw_range **ranges, size_t *n)
{
	bool any = pw_unpack_u8(u);
	uint32_t count = pw_unpack_count(u, MAX_RANGES, 16);
	struct pw_range *v = any ? calloc(count + 1, sizeof(*v)) : NULL;

	*ranges = v;
	*n = 0;
	u->bad |= any != (v != NULL) || (!any && count);
	for (uint32_t i = 0; i < count && !u->bad; i++) {
		v[i].lo = pw_unpack_u64(u);
		v[i].last = pw_unpack_u64(u);
		u->bad |= v[i].lo > v[i].last || (i && v[i].lo <= v[i - 1].last);
		*n = i + 1;
	}
}

void pw_pack_joins(struct pw_pack *p, const struct pw_joins *joins)
{
	static const struct pw_joins none;
	const struct pw_joins *j = joins ? joins : &none;

	pw_pack_u32(p, (uint32_t)j->nnodes);
	for (size_t i = 0; i < j->nnodes; i++) {
		pw_pack_u64(p, j->node[i].lo);
		pw_pack_u64(p, j->node[i].last);
		pw_pack_u32(p, j->node[i].node);
	}
	for (unsigned i = 0; i < PW_NSWAP; i++)
		pw_pack_str(p, j->swap[i]);
}

void pw_unpack_joins(struct pw_unpack *u, struct pw_joins *j)
{
	uint32_t n = pw_unpack_count(u, MAX_RANGES, 20);

	j->node = calloc(n + 1, sizeof(*j->node));
	u->bad |= !j->node;
	for (uint32_t i = 0; i < n && !u->bad; i++) {
		j->node[i].lo = pw_unpack_u64(u);
		j->node[i].last = pw_unpack_u64(u);
		j->node[i].node = pw_unpack_u32(u);
		j->nnodes = i + 1;
	}
	for (unsigned i = 0; i < PW_NSWAP; i++)
		pw_unpack_into(u, j->swap[i], sizeof(j->swap[i]));
}

/* ---- areas ---- */

#define LEAST_AREA 64 /* bytes of an area without its texts */

void pw_pack_areas(struct pw_pack *p, const struct pw_areas *areas)
{
	pw_pack_u32(p, (uint32_t)areas->n);
	for (size_t i = 0; i < areas->n; i++) {
		const struct pw_area *a = &areas->v[i];

		pw_pack_u64(p, a->lo);
		pw_pack_u64(p, a->last);
		pw_pack_mem(p, a->perms, 4);
		pw_pack_u64(p, a->offset);
		pw_pack_u64(p, a->inode);
		pw_pack_u32(p, a->dev_major);
		pw_pack_u32(p, a->dev_minor);
		pw_pack_u32(p, a->region);
		pw_pack_u32(p, a->pfnmap);
		pw_pack_str(p, a->name);
		pw_pack_str(p, a->path);
		pw_pack_str(p, a->found);
	}
}

static void unpack_area(struct pw_unpack *u, struct pw_area *a)
{
	uint32_t perms, region;

	a->lo = pw_unpack_u64(u);
	a->last = pw_unpack_u64(u);
	perms = pw_unpack_u32(u);
	for (unsigned i = 0; i < 4; i++)
		a->perms[i] = (char)(perms >> 8 * i);
	a->offset = pw_unpack_u64(u);
	a->inode = pw_unpack_u64(u);
	a->dev_major = pw_unpack_u32(u);
	a->dev_minor = pw_unpack_u32(u);
	region = pw_unpack_u32(u);
	a->pfnmap = pw_unpack_u32(u);
	a->name = pw_unpack_text(u);
	a->path = pw_unpack_str(u);
	a->found = pw_unpack_str(u);
	a->region = (enum pw_region)region;
	for (unsigned i = 0; i < 4; i++)
		u->bad |= a->perms[i] && (a->perms[i] < '-' || a->perms[i] > 'z');
	u->bad |= a->lo > a->last || region > PW_REGION_UNKNOWN;
}

int pw_unpack_areas(const uint8_t *buf, size_t len, uint32_t most, struct pw_areas *areas)
{
	struct pw_unpack u = { .at = buf, .end = buf + len };
	struct pw_areas a = { .strings = malloc(len + 1) };
	uint32_t n = pw_unpack_count(&u, most, LEAST_AREA);

	u.text = a.strings;
	a.v = calloc(n + 1, sizeof(*a.v));
	if (!a.v || !a.strings) {
		pw_areas_free(&a);
		return -ENOMEM;
	}
	for (; a.n < n && !u.bad; a.n++) {
		unpack_area(&u, &a.v[a.n]);
		u.bad |= a.n && a.v[a.n].lo <= a.v[a.n - 1].last;
	}
	if (u.bad || u.at != u.end) {
		pw_areas_free(&a);
		return -EINVAL;
	}
	*areas = a;
	return 0;
}

/* ---- spaces ---- */

void pw_pack_space(struct pw_pack *p, const struct pw_space *space, uint32_t id, uint32_t areas)
{
	pw_pack_u32(p, id);
	pw_pack_u32(p, areas);
	pw_pack_u32(p, (uint32_t)space->pid);
	pw_pack_str(p, space->title);
	pw_pack_str(p, space->comm);
	pw_pack_u8(p, (uint8_t)space->npieces);
	for (size_t i = 0; i < space->npieces; i++) {
		const struct pw_piece *piece = &space->piece[i];

		pw_pack_u64(p, piece->va.lo);
		pw_pack_u64(p, piece->va.last);
		pw_pack_u64(p, piece->root);
		pw_pack_u8(p, piece->mmu.half);
		pw_pack_str(p, piece->label);
	}
}

static void unpack_piece(struct pw_unpack *u, const struct pw_target *t, struct pw_piece *piece)
{
	unsigned half;

	piece->va.lo = pw_unpack_u64(u);
	piece->va.last = pw_unpack_u64(u);
	piece->root = pw_unpack_u64(u);
	half = pw_unpack_u8(u);
	piece->label = pw_unpack_text(u);
	u->bad |= piece->va.lo > piece->va.last || half > PW_HALF_KERNEL;
	if (u->bad)
		return;
	piece->mmu = t->mmu[half];
	/* --paging has the last word. */
	if (t->mmu[half].arch != &pw_arch_pagemap)
		piece->va = pw_half_range(t->mmu[half].mode, (enum pw_half)half);
}

void pw_unpack_space(struct pw_unpack *u, const struct pw_target *t, struct pw_space *space, uint32_t *id,
		     uint32_t *areas)
{
	*id = pw_unpack_u32(u);
	*areas = pw_unpack_u32(u);
	space->pid = (pid_t)pw_unpack_u32(u);
	pw_unpack_into(u, space->title, sizeof(space->title));
	pw_unpack_into(u, space->comm, sizeof(space->comm));
	space->npieces = pw_unpack_u8(u);
	u->bad |= space->npieces == 0 || space->npieces > 2 || space->pid < 0;
	for (size_t i = 0; i < space->npieces && !u->bad; i++)
		unpack_piece(u, t, &space->piece[i]);
	if (u->bad)
		space->npieces = 0;
}
