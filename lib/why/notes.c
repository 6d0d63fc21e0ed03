/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries in which the kernel keeps a note instead of a page. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "os/btf.h"
#include "why/why.h"

/* A leaf-only source needs no BTF but here, and does not wait for it before. */
static const struct pw_soft_types *types_of(struct look *l, struct pw_mmu *mmu)
{
	struct pw_btf_facts facts;

	*mmu = l->t->piece->mmu;
	if (!mmu->soft.areas && l->leaf_only && l->r->live) {
		if (!l->r->soft_read && !pw_btf_read(&facts, NULL))
			l->r->soft = facts.soft;
		l->r->soft_read = true;
		mmu->soft = l->r->soft;
	}
	return &mmu->soft;
}

static void say_types(struct look *l, const struct pw_soft_types *t)
{
	if (!t->areas)
		pw_why_says(l, "swap types", "not known how this kernel has divided them");
	else if (!t->known)
		pw_why_says(l, "swap types", "0-%u are swap areas (%s)", t->areas - 1, t->how);
	else
		pw_why_says(l, "swap types",
			    "0-%u swap, then %u hwpoison, %u migration, %u device, %u marker, %u swapin-error",
			    t->areas - 1, t->hwpoison, t->migration, t->device, t->marker, t->swapin_error);
	if (t->known)
		pw_why_says(l, "that by", "%s", t->how);
}

static const char *yes(bool has, const char *word)
{
	return has ? word : "";
}

static void say_note(struct look *l, const struct pw_soft *s)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "type %u", s->type);
	pw_why_says(l, s->kind == PW_SOFT_HIDDEN ? "note" : buf, "%s, offset 0x%llx%s%s%s", pw_soft_name(s->kind),
		    (unsigned long long)s->offset, yes(s->exclusive, ", exclusive"), yes(s->soft_dirty, ", soft-dirty"),
		    yes(s->uffd_wp, ", uffd-wp"));
}

/* -------- swap -------- */

static void say_zswap(struct look *l)
{
	char line[16];

	if (!l->r->live || !pw_why_line("/sys/module/zswap/parameters/enabled", line, sizeof(line)))
		return;
	pw_why_says(l, "/sys/module/zswap/parameters/enabled", "%s", line);
	if (line[0] == 'Y')
		pw_why_add(l, "or still compressed in zswap's pool");
}

static void swapped(struct look *l, const struct pw_soft *s)
{
	const char *name = l->r->joins && s->type < PW_NSWAP ? l->r->joins->swap[s->type] : "";
	bool zram = strstr(name, "(zram");

	if (*name)
		pw_why_says(l, "/proc/swaps", "%s", name);
	if (*name)
		pw_why_set(l, PW_WHY_SWAPPED, "swapped out: %s, page 0x%llx%s", name, (unsigned long long)s->offset,
			   yes(zram, ", which is compressed in memory"));
	else
		pw_why_set(l, PW_WHY_SWAPPED, "swapped out: swap area %u, page 0x%llx", s->type,
			   (unsigned long long)s->offset);
	if (!zram)
		say_zswap(l);
}

/* -------- the others -------- */

static void with_page(struct look *l, const struct pw_soft *s)
{
	unsigned long long pa = s->pa;

	switch (s->kind) {
	case PW_SOFT_HWPOISON:
		pw_why_set(l, PW_WHY_HWPOISON, "hardware poison: the memory at 0x%llx failed, a touch is SIGBUS", pa);
		break;
	case PW_SOFT_MIGRATION_READ:
	case PW_SOFT_MIGRATION_READ_EXCLUSIVE:
	case PW_SOFT_MIGRATION_WRITE:
		pw_why_set(l, PW_WHY_MIGRATION, "under migration: page 0x%llx is just moving, a touch waits for it",
			   pa);
		break;
	case PW_SOFT_DEVICE_WRITE:
	case PW_SOFT_DEVICE_READ:
		pw_why_set(l, PW_WHY_DEVICE_PRIVATE, "in a device's own memory (frame 0x%llx): a touch brings it back",
			   pa >> 12);
		break;
	default:
		pw_why_set(l, PW_WHY_DEVICE_EXCLUSIVE,
			   "lent to a device for atomic access (page 0x%llx): a touch takes it back", pa);
	}
}

static void without_page(struct look *l, const struct pw_soft *s)
{
	switch (s->kind) {
	case PW_SOFT_MARKER_UFFD_WP:
		pw_why_set(l, PW_WHY_UFFD_WP, "a marker: write-protected by userfaultfd before a page was here");
		break;
	case PW_SOFT_MARKER_GUARD:
		pw_why_set(l, PW_WHY_GUARD_REGION, "a guard region (MADV_GUARD_INSTALL): a touch is SIGSEGV");
		break;
	case PW_SOFT_MARKER_POISON:
		pw_why_set(l, PW_WHY_POISONED,
			   "marked as poisoned (UFFDIO_POISON, or lost when swapped in): a touch is SIGBUS");
		break;
	case PW_SOFT_SWAPIN_ERROR:
		pw_why_set(l, PW_WHY_POISONED, "lost: it could not be read back from swap, a touch is SIGBUS");
		break;
	case PW_SOFT_HIDDEN:
		pw_why_set(l, PW_WHY_HIDDEN, "swapped out, or another note: pagemap hides which without CAP_SYS_ADMIN");
		break;
	case PW_SOFT_MARKER:
		pw_why_set(l, PW_WHY_SOFT_UNKNOWN,
			   "a marker of the kernel's with bits 0x%llx, whose meaning is not known",
			   (unsigned long long)s->markers);
		break;
	default:
		pw_why_set(l, PW_WHY_SOFT_UNKNOWN,
			   "not in memory (migration, hwpoison or a marker): type %u, offset 0x%llx", s->type,
			   (unsigned long long)s->offset);
	}
}

static void kernel_note(struct look *l)
{
	if (l->e.pa == PW_PA_NONE)
		pw_why_set(l, PW_WHY_KERNEL_REMOVED, "taken out of the kernel's mapping");
	else
		pw_why_set(l, PW_WHY_KERNEL_REMOVED,
			   "taken out of the kernel's mapping (memfd_secret, set_memory_np, ...): it was 0x%llx",
			   (unsigned long long)(l->e.pa | (l->t->va & (l->e.size - 1))));
}

void pw_why_soft(struct look *l)
{
	const struct pw_soft_types *types;
	struct pw_mmu mmu;
	struct pw_soft s;

	types = types_of(l, &mmu);
	if (!pw_soft_decode(&mmu, &l->e, &s)) {
		kernel_note(l);
		return;
	}
	say_note(l, &s);
	if (l->e.has_swap)
		say_types(l, types);
	if (s.kind == PW_SOFT_SWAP)
		swapped(l, &s);
	else if (s.pa != PW_PA_NONE)
		with_page(l, &s);
	else
		without_page(l, &s);
}
