/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <pagewalk/soft.h>

/* include/linux/swapops.h */
#define MARKER_UFFD_WP 1 /* v5.19 */
#define MARKER_POISON  2 /* v6.2 */
#define MARKER_GUARD   4 /* v6.13 */

/* No kernel has ever taken more than ten types from swap areas. */
#define ALWAYS_SWAP 20

const char *pw_soft_name(enum pw_soft_kind kind)
{
	static const char *const names[] = {
		[PW_SOFT_UNKNOWN] = "unknown",
		[PW_SOFT_HIDDEN] = "hidden",
		[PW_SOFT_SWAP] = "swap",
		[PW_SOFT_MIGRATION_READ] = "migration-read",
		[PW_SOFT_MIGRATION_READ_EXCLUSIVE] = "migration-read-exclusive",
		[PW_SOFT_MIGRATION_WRITE] = "migration-write",
		[PW_SOFT_DEVICE_WRITE] = "device-private-write",
		[PW_SOFT_DEVICE_READ] = "device-private-read",
		[PW_SOFT_DEVICE_EXCLUSIVE_WRITE] = "device-exclusive-write",
		[PW_SOFT_DEVICE_EXCLUSIVE_READ] = "device-exclusive-read",
		[PW_SOFT_DEVICE_EXCLUSIVE] = "device-exclusive",
		[PW_SOFT_HWPOISON] = "hwpoison",
		[PW_SOFT_SWAPIN_ERROR] = "swapin-error",
		[PW_SOFT_MARKER_UFFD_WP] = "marker-uffd-wp",
		[PW_SOFT_MARKER_POISON] = "marker-poison",
		[PW_SOFT_MARKER_GUARD] = "marker-guard",
		[PW_SOFT_MARKER] = "marker",
	};

	return (unsigned)kind < PW_SOFT_NKINDS ? names[kind] : "?";
}

static bool has_attr(const struct pw_mmu *mmu, const struct pw_entry *e, const char *name)
{
	for (size_t i = 0; i < mmu->arch->nattrs; i++)
		if (e->attrs & UINT64_C(1) << i && !strcmp(mmu->arch->attrs[i].name, name))
			return true;
	return false;
}

static enum pw_soft_kind marker_kind(uint64_t bits)
{
	if (bits & MARKER_GUARD)
		return PW_SOFT_MARKER_GUARD;
	if (bits & MARKER_POISON)
		return PW_SOFT_MARKER_POISON;
	return bits & MARKER_UFFD_WP ? PW_SOFT_MARKER_UFFD_WP : PW_SOFT_MARKER;
}

static enum pw_soft_kind migration_kind(const struct pw_soft_types *types, unsigned nth)
{
	static const enum pw_soft_kind two[] = { PW_SOFT_MIGRATION_READ, PW_SOFT_MIGRATION_WRITE };
	static const enum pw_soft_kind three[] = { PW_SOFT_MIGRATION_READ, PW_SOFT_MIGRATION_READ_EXCLUSIVE,
						   PW_SOFT_MIGRATION_WRITE };

	return types->migration == 2 ? two[nth] : types->migration == 3 ? three[nth] : PW_SOFT_UNKNOWN;
}

static enum pw_soft_kind device_kind(const struct pw_soft_types *types, unsigned nth)
{
	static const enum pw_soft_kind kinds[] = { PW_SOFT_DEVICE_WRITE, PW_SOFT_DEVICE_READ,
						   PW_SOFT_DEVICE_EXCLUSIVE_WRITE, PW_SOFT_DEVICE_EXCLUSIVE_READ };

	if (types->device < 2 || types->device > 4)
		return PW_SOFT_UNKNOWN;
	return types->device == 3 && nth == 2 ? PW_SOFT_DEVICE_EXCLUSIVE : kinds[nth];
}

static enum pw_soft_kind kind_of(const struct pw_soft_types *types, unsigned type, uint64_t offset)
{
	unsigned nth = type - types->areas;

	if (type < (types->areas ? types->areas : ALWAYS_SWAP))
		return PW_SOFT_SWAP;
	if (!types->known)
		return PW_SOFT_UNKNOWN;
	if (nth < types->hwpoison)
		return PW_SOFT_HWPOISON;
	nth -= types->hwpoison;
	if (nth < types->migration)
		return migration_kind(types, nth);
	nth -= types->migration;
	if (nth < types->device)
		return device_kind(types, nth);
	nth -= types->device;
	if (nth < types->marker)
		return marker_kind(offset);
	return nth - types->marker < types->swapin_error ? PW_SOFT_SWAPIN_ERROR : PW_SOFT_UNKNOWN;
}

static bool holds_page(enum pw_soft_kind kind)
{
	return kind >= PW_SOFT_MIGRATION_READ && kind <= PW_SOFT_HWPOISON;
}

/* pagemap names two markers, also to those who may not see the type. */
static enum pw_soft_kind hidden_kind(const struct pw_soft *s, bool guard)
{
	return guard ? PW_SOFT_MARKER_GUARD : s->uffd_wp ? PW_SOFT_MARKER_UFFD_WP : PW_SOFT_HIDDEN;
}

bool pw_soft_decode(const struct pw_mmu *mmu, const struct pw_entry *e, struct pw_soft *out)
{
	struct pw_soft s = { .pa = PW_PA_NONE, .type = e->swap_type, .offset = e->swap_offset };
	bool leaf_only = mmu->arch == &pw_arch_pagemap;

	if (e->kind != PW_SOFT || (mmu->half == PW_HALF_KERNEL && !leaf_only))
		return false;
	s.exclusive = has_attr(mmu, e, "exclusive");
	s.soft_dirty = has_attr(mmu, e, "soft-dirty");
	s.uffd_wp = has_attr(mmu, e, "uffd-wp");
	if (!e->has_swap) {
		/* Swapped, and write-protected by userfaultfd, looks like the marker where the type is hidden: bit 62. */
		s.kind = leaf_only && e->raw >> 62 & 1 ? hidden_kind(&(struct pw_soft){ 0 }, has_attr(mmu, e, "guard"))
			 : leaf_only                   ? hidden_kind(&s, has_attr(mmu, e, "guard"))
						       : PW_SOFT_UNKNOWN;
	} else {
		s.kind = leaf_only && has_attr(mmu, e, "guard") ? PW_SOFT_MARKER_GUARD
								: kind_of(&mmu->soft, e->swap_type, e->swap_offset);
	}
	if (holds_page(s.kind))
		s.pa = e->swap_offset << 12;
	if (s.kind >= PW_SOFT_MARKER_UFFD_WP)
		s.markers = e->swap_offset;
	*out = s;
	return true;
}
