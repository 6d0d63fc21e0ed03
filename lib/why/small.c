/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a page has 4K and not 2M: what can never be, then what is set so, then what its neighbours are. */
#include <stdio.h>
#include <string.h>

#include "why/why.h"

#define M2  (UINT64_C(2) << 20)
#define THP "/sys/kernel/mm/transparent_hugepage/"

static void small(struct look *l, enum pw_small reason, const char *because)
{
	l->out->small = reason;
	pw_why_add(l, "4K and not 2M: %s", because);
}

/* -------- the VMA -------- */

static bool fits(const struct look *l)
{
	uint64_t lo = l->t->va & ~(M2 - 1);

	return l->area->lo <= lo && lo + M2 - 1 <= l->area->last;
}

static bool by_vma(struct look *l)
{
	if (pw_why_flag(l, PW_VMA_PFNMAP) || !strncmp(l->area->name, "[v", 2)) {
		small(l, PW_SMALL_SPECIAL, "it is mapped frame by frame");
		return true;
	}
	if (!fits(l)) {
		pw_why_says(l, "VMA", "does not hold all of %llx-%llx", (unsigned long long)(l->t->va & ~(M2 - 1)),
			    (unsigned long long)((l->t->va | (M2 - 1)) + 1));
		small(l, PW_SMALL_MISALIGNED, "the VMA does not hold the aligned 2M around it");
		return true;
	}
	return false;
}

/* -------- settings -------- */

/* The setting of pages of 2M, from v6.8 on, unless that is to inherit the one for all. */
static const char *setting(bool shmem, char mode[32])
{
	static const char *const files[2][2] = {
		{ THP "hugepages-2048kB/enabled", THP "enabled" },
		{ THP "hugepages-2048kB/shmem_enabled", THP "shmem_enabled" },
	};

	for (unsigned i = 0; i < 2; i++)
		if (pw_why_choice(files[shmem][i], mode, 32) && strcmp(mode, "inherit"))
			return files[shmem][i];
	return NULL;
}

static bool by_settings(struct look *l)
{
	bool shmem = pw_why_is_shmem(l->area);
	char mode[32], off[8];
	const char *file;

	if (pw_why_is_file(l->area) && !shmem) {
		small(l, PW_SMALL_FILE, "a file's pages are as large as its file system keeps them");
		return true;
	}
	if (pw_why_status(l, "status", "THP_enabled", off, sizeof(off)) && off[0] == '0') {
		pw_why_says(l, "/proc/PID/status", "THP_enabled 0");
		small(l, PW_SMALL_PROCESS, "the process has switched huge pages off (prctl)");
		return true;
	}
	if (pw_why_flag(l, PW_VMA_NOHUGEPAGE)) {
		pw_why_says(l, "/proc/PID/smaps", "VmFlags nh: MADV_NOHUGEPAGE");
		small(l, PW_SMALL_NOHUGEPAGE, "MADV_NOHUGEPAGE");
		return true;
	}
	file = l->r->live ? setting(shmem, mode) : NULL;
	if (!file)
		return false;
	pw_why_says(l, file, "%s", mode);
	if (!strcmp(mode, "never") || !strcmp(mode, "deny")) {
		small(l, PW_SMALL_OFF, "transparent huge pages are off");
		return true;
	}
	if ((!strcmp(mode, "madvise") || !strcmp(mode, "advise")) && pw_why_flags_known(l) &&
	    !pw_why_flag(l, PW_VMA_HUGEPAGE)) {
		pw_why_says(l, "/proc/PID/smaps", "VmFlags without hg: no MADV_HUGEPAGE");
		small(l, PW_SMALL_MADVISE, "huge pages are for MADV_HUGEPAGE only here, which was not asked for");
		return true;
	}
	return false;
}

/* -------- neighbours -------- */

struct neighbours {
	const struct look *l;
	unsigned pages, contiguous, soft, protnone, same;
	bool mixed;
	uint64_t first_pa; /* that the first page of the 2M has, if all lie as in one huge page */
};

static int look_at_span(void *ctx, const struct pw_span *span)
{
	struct neighbours *n = ctx;
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct pw_entry e;

	for (size_t i = 0; i < span->n && span->level == PW_PTE; i++) {
		uint64_t at = (span->va + (i << 12)) & (M2 - 1);

		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		n->soft += e.kind == PW_SOFT;
		n->protnone += e.kind == PW_PROTNONE;
		if (e.kind != PW_LEAF)
			continue;
		n->pages++;
		n->mixed |= (e.perm ^ n->l->e.perm) & PW_W || (e.perm ^ n->l->e.perm) & (PW_X | PW_U);
		n->contiguous += e.pa == n->first_pa + at;
		n->same += e.pa == n->l->e.pa;
	}
	return 0;
}

static bool gather(struct look *l, struct neighbours *n)
{
	const struct pw_walk_opts opts = {
		.size = sizeof(opts),
		.va = { l->t->va & ~(M2 - 1), l->t->va | (M2 - 1) },
	};
	const struct pw_visitor visitor = { .span = look_at_span };
	struct pw_walk_stats stats = { 0 };

	*n = (struct neighbours){ .l = l,
				  .first_pa =
					  (l->t->pa & ~UINT64_C(0xfff)) - (l->t->va & (M2 - 1) & ~UINT64_C(0xfff)) };
	return !pw_walk(l->space, &opts, &visitor, n, &stats) && !stats.unstable && !stats.unreadable;
}

bool pw_why_twice(struct look *l)
{
	struct neighbours n;

	if (l->r->quick || l->e.pa == PW_PA_NONE || !gather(l, &n) || n.same < 2)
		return false;
	pw_why_says(l, "the 2M around it", "%u addresses have this frame", n.same);
	return true;
}

static bool look_around(struct look *l, struct neighbours *n)
{
	if (!gather(l, n))
		return false;
	pw_why_says(l, "the 2M around it",
		    "%u of 512 pages mapped, %u swapped or otherwise away, %u without access; %s%s", n->pages, n->soft,
		    n->protnone, n->mixed ? "permissions differ" : "permissions are the same",
		    n->contiguous == 512 ? "; one aligned block of memory" : "");
	return true;
}

/* The kernel calls smaller folios THP as well: one of 2M has its head where 2M begin and is not over after half of it. */
static bool by_folio(struct look *l, uint64_t flags)
{
	uint64_t first = l->t->pa & ~(M2 - 1), count, head, middle;

	if (!(flags >> KPF_THP & 1) || !pw_why_kpage(l, first, &count, &head) ||
	    !pw_why_kpage(l, first + M2 / 2, &count, &middle) || !(head >> KPF_HEAD & 1) || !(middle >> KPF_TAIL & 1))
		return false;
	pw_why_says(l, "/proc/kpageflags", "0x%llx is the head of a huge page of 2M", (unsigned long long)first);
	small(l, PW_SMALL_SPLIT,
	      fits(l) ? "it is part of a huge page that is mapped in parts"
		      : "it is part of a huge page, of which the VMA has not all");
	return true;
}

static void by_neighbours(struct look *l)
{
	struct neighbours n;
	char text[80];

	if (!look_around(l, &n)) {
		small(l, PW_SMALL_UNKNOWN, "not known why");
	} else if (n.pages < 512) {
		snprintf(text, sizeof(text), "of the 512 pages around it %u are not there", 512 - n.pages);
		small(l, PW_SMALL_HOLES, text);
	} else if (n.mixed) {
		small(l, PW_SMALL_PERMISSIONS, "its neighbours have other permissions");
	} else if (n.contiguous == 512) {
		small(l, PW_SMALL_SPLIT, "one block of memory that is mapped in parts");
	} else {
		small(l, PW_SMALL_NOT_COLLAPSED, "all neighbours are there; khugepaged has not put them together");
	}
}

void pw_why_small(struct look *l, bool flags_known, uint64_t flags)
{
	if (l->r->quick || !l->area)
		return;
	if (!(flags_known && by_folio(l, flags)) && !by_vma(l) && !by_settings(l))
		by_neighbours(l);
}
