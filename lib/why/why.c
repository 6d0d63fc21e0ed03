/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "why/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/btf.h"

static const char *const reason_names[PW_WHY_NREASONS] = {
	[PW_WHY_UNKNOWN] = "unknown",
	[PW_WHY_UNTOUCHED] = "untouched",
	[PW_WHY_FILE_NOT_READ] = "file-not-read",
	[PW_WHY_PAST_END_OF_FILE] = "past-end-of-file",
	[PW_WHY_UFFD_MISSING] = "uffd-missing",
	[PW_WHY_RESERVED] = "reserved",
	[PW_WHY_GUARD_PAGE] = "guard-page",
	[PW_WHY_PFNMAP_HIDDEN] = "pfnmap-hidden",
	[PW_WHY_SWAPPED] = "swapped",
	[PW_WHY_HIDDEN] = "hidden",
	[PW_WHY_MIGRATION] = "migration",
	[PW_WHY_DEVICE_PRIVATE] = "device-private",
	[PW_WHY_DEVICE_EXCLUSIVE] = "device-exclusive",
	[PW_WHY_HWPOISON] = "hwpoison",
	[PW_WHY_POISONED] = "poisoned",
	[PW_WHY_UFFD_WP] = "uffd-wp",
	[PW_WHY_GUARD_REGION] = "guard-region",
	[PW_WHY_SOFT_UNKNOWN] = "soft-unknown",
	[PW_WHY_MPROTECT] = "mprotect",
	[PW_WHY_NUMA_HINT] = "numa-hint",
	[PW_WHY_SPLITTING] = "splitting",
	[PW_WHY_PROTNONE_UNKNOWN] = "protnone-unknown",
	[PW_WHY_OUTSIDE] = "outside",
	[PW_WHY_STACK_GROWTH] = "stack-growth",
	[PW_WHY_STACK_GUARD_GAP] = "stack-guard-gap",
	[PW_WHY_NON_CANONICAL] = "non-canonical",
	[PW_WHY_TAGGED] = "tagged",
	[PW_WHY_PTI] = "pti",
	[PW_WHY_KERNEL_UNMAPPED] = "kernel-unmapped",
	[PW_WHY_KERNEL_REMOVED] = "kernel-removed",
	[PW_WHY_VSYSCALL] = "vsyscall",
	[PW_WHY_RESERVED_BITS] = "reserved-bits",
	[PW_WHY_OTHER_HALF] = "other-half",
	[PW_WHY_UNSTABLE] = "unstable",
	[PW_WHY_UNREADABLE] = "unreadable",
	[PW_WHY_NOT_RAM] = "not-ram",
	[PW_WHY_INCONSISTENT] = "inconsistent",
	[PW_WHY_ANON] = "anon",
	[PW_WHY_FILE] = "file",
	[PW_WHY_SHMEM] = "shmem",
	[PW_WHY_THP] = "thp",
	[PW_WHY_HUGETLB] = "hugetlb",
	[PW_WHY_ZERO_PAGE] = "zero-page",
	[PW_WHY_HUGE_ZERO_PAGE] = "huge-zero-page",
	[PW_WHY_KSM] = "ksm",
	[PW_WHY_SECRET] = "secret",
	[PW_WHY_DEVICE] = "device",
	[PW_WHY_SPECIAL] = "special",
	[PW_WHY_USER_PAGE] = "user-page",
	[PW_WHY_KERNEL_PAGE] = "kernel-page",
};

const char *pw_reason_name(enum pw_reason reason)
{
	return (unsigned)reason < PW_WHY_NREASONS ? reason_names[reason] : "?";
}

const char *pw_small_name(enum pw_small small)
{
	static const char *const names[PW_SMALL_NREASONS] = {
		[PW_SMALL_UNKNOWN] = "unknown",
		[PW_SMALL_MISALIGNED] = "misaligned",
		[PW_SMALL_SPECIAL] = "special",
		[PW_SMALL_FILE] = "file",
		[PW_SMALL_OFF] = "thp-off",
		[PW_SMALL_MADVISE] = "thp-madvise",
		[PW_SMALL_NOHUGEPAGE] = "nohugepage",
		[PW_SMALL_PROCESS] = "thp-off-process",
		[PW_SMALL_PERMISSIONS] = "permissions",
		[PW_SMALL_HOLES] = "holes",
		[PW_SMALL_SPLIT] = "split",
		[PW_SMALL_NOT_COLLAPSED] = "not-collapsed",
	};

	return (unsigned)small < PW_SMALL_NREASONS ? names[small] : NULL;
}

/* -------- saying -------- */

void pw_why_says(struct look *l, const char *from, const char *fmt, ...)
{
	struct pw_evidence *e = &l->out->evidence[l->out->n];
	va_list args;

	if (l->out->n == PW_WHY_MOST)
		return;
	snprintf(e->from, sizeof(e->from), "%s", from);
	va_start(args, fmt);
	vsnprintf(e->says, sizeof(e->says), fmt, args);
	va_end(args);
	l->out->n++;
}

void pw_why_set(struct look *l, enum pw_reason reason, const char *fmt, ...)
{
	va_list args;

	l->out->reason = reason;
	va_start(args, fmt);
	vsnprintf(l->out->text, sizeof(l->out->text), fmt, args);
	va_end(args);
}

void pw_why_add(struct look *l, const char *fmt, ...)
{
	size_t len = strlen(l->out->text);
	va_list args;

	if (len + 3 > sizeof(l->out->text))
		return;
	memcpy(l->out->text + len, ", ", 3);
	va_start(args, fmt);
	vsnprintf(l->out->text + len + 2, sizeof(l->out->text) - len - 2, fmt, args);
	va_end(args);
}

struct pw_size_text pw_why_size(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	struct pw_size_text s;
	unsigned i = 0;

	while (bytes >= 10240 || (bytes >= 1024 && bytes % 1024 == 0)) {
		bytes /= 1024;
		i++;
	}
	if (i)
		snprintf(s.text, sizeof(s.text), "%llu%c", (unsigned long long)bytes, units[i]);
	else
		snprintf(s.text, sizeof(s.text), "%llu bytes", (unsigned long long)bytes);
	return s;
}

struct pw_area_text pw_why_area(const struct pw_area *a)
{
	struct pw_area_text s;

	snprintf(s.text, sizeof(s.text), "%llx-%llx%s%s %.110s", (unsigned long long)a->lo,
		 (unsigned long long)a->last + 1, a->perms[0] ? " " : "", a->perms, a->name);
	return s;
}

/* -------- VMAs -------- */

static void read_flags(struct look *l)
{
	struct pw_reasoner *r = l->r;

	if (r->quick || !r->live || l->space->pid <= 0 || r->flags_of == l->space->areas.v)
		return;
	r->flags_of = l->space->areas.v;
	r->flags_error = pw_live_mark_flags(l->space, NULL);
}

bool pw_why_flags_known(struct look *l)
{
	if (!l->area)
		return false;
	if (!l->area->flags)
		read_flags(l);
	return l->area->flags;
}

bool pw_why_flag(struct look *l, enum pw_vma_flag flag)
{
	return pw_why_flags_known(l) && l->area->flags & flag;
}

bool pw_why_is_file(const struct pw_area *a)
{
	return a && a->path && (a->inode || a->path[0] == '/');
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Names that the kernel gives to its own files, which nobody can open; a file system's is told from these by nothing but its name. */
bool pw_why_is_shmem(const struct pw_area *a)
{
	return pw_why_is_file(a) && (starts(a->path, "/dev/zero (deleted)") || starts(a->path, "/memfd:") ||
				     starts(a->path, "/SYSV") || starts(a->path, "/dev/shm/"));
}

bool pw_why_is_hugetlb(struct look *l)
{
	if (pw_why_is_file(l->area) &&
	    (starts(l->area->path, "/anon_hugepage") || starts(l->area->path, "/dev/hugepages/")))
		return true;
	return pw_why_flag(l, PW_VMA_HUGETLB);
}

/* -------- asking -------- */

static const char *level_from(const struct look *l, char buf[32])
{
	snprintf(buf, 32, "%s entry", pw_level_name(l->e.level));
	return l->leaf_only ? "/proc/PID/pagemap" : buf;
}

static void say_entry(struct look *l)
{
	static const char *const what[] = {
		[PW_NONE] = "empty",
		[PW_TABLE] = "leads to a table",
		[PW_LEAF] = "maps a page",
		[PW_PROTNONE] = "present to the kernel, absent to the CPU",
		[PW_SOFT] = "absent; the kernel keeps a note in it",
	};
	char buf[32];

	if (!l->has_entry)
		return;
	if (l->e.size > 4096 && !l->leaf_only)
		pw_why_says(l, level_from(l, buf), "0x%llx: %s, for all of its %s", (unsigned long long)l->e.raw,
			    what[l->e.kind], pw_why_size(l->e.size).text);
	else
		pw_why_says(l, level_from(l, buf), "0x%llx: %s", (unsigned long long)l->e.raw, what[l->e.kind]);
}

static void say_area(struct look *l)
{
	bool user = l->t->piece && l->t->piece->mmu.half == PW_HALF_USER;

	if (l->area)
		pw_why_says(l, user ? "VMA" : "region", "%s", pw_why_area(l->area).text);
	else if (user && l->space->areas.n)
		pw_why_says(l, "VMAs", "none has the address");
	else if (user)
		pw_why_says(l, "VMAs", "not known of this space");
}

static void other_verdicts(struct look *l)
{
	const char *level = l->t->npath ? pw_level_name(l->t->path[l->t->npath - 1].level) : "root";

	switch (l->t->verdict) {
	case PW_V_RESERVED:
		pw_why_set(l, PW_WHY_RESERVED_BITS, "reserved bits 0x%llx are set in the %s entry: the CPU faults",
			   (unsigned long long)l->e.reserved, level);
		break;
	case PW_V_UNSTABLE:
		pw_why_set(l, PW_WHY_UNSTABLE, "unstable: the tables changed at each attempt");
		break;
	case PW_V_UNREADABLE:
		pw_why_set(l, PW_WHY_UNREADABLE, "unreadable: the source cannot read the next table");
		break;
	case PW_V_NOT_RAM:
		pw_why_set(l, PW_WHY_NOT_RAM, "not followed: the next table would be outside RAM");
		break;
	case PW_V_INCONSISTENT:
		pw_why_set(l, PW_WHY_INCONSISTENT, "inconsistent: other parts of this smeared image contradict it (%s)",
			   pw_doubt_name(l->t->doubt));
		break;
	default:
		pw_why_says(l, "address", "bit 63 is %u", (unsigned)(l->t->va >> 63));
		pw_why_set(l, PW_WHY_OTHER_HALF, "an address of the %s half, which is not shown here",
			   l->t->va >> 63 ? "kernel" : "user");
	}
}

static void ask(struct look *l)
{
	switch (l->t->verdict) {
	case PW_MAPPED:
		pw_why_page(l);
		break;
	case PW_V_NONE:
		pw_why_nothing(l);
		break;
	case PW_V_PROTNONE:
		pw_why_protnone(l);
		break;
	case PW_V_SOFT:
		pw_why_soft(l);
		break;
	case PW_V_NON_CANONICAL:
		pw_why_non_canonical(l);
		break;
	default:
		other_verdicts(l);
	}
}

void pw_why(struct pw_reasoner *r, struct pw_space *space, const struct pw_translation *t, struct pw_why *out)
{
	struct look l = { .r = r, .space = space, .t = t, .out = out };

	*out = (struct pw_why){ .reason = PW_WHY_UNKNOWN };
	l.leaf_only = t->piece && t->piece->mmu.arch == &pw_arch_pagemap;
	l.area = pw_areas_find(&space->areas, t->va);
	l.has_entry = t->piece && t->npath;
	if (l.has_entry)
		t->piece->mmu.arch->decode(&t->piece->mmu, t->path[t->npath - 1].level, t->path[t->npath - 1].raw,
					   &l.e);
	say_entry(&l);
	say_area(&l);
	ask(&l);
}

int pw_reasoner_open(struct pw_target *t, const struct pw_why_opts *opts, struct pw_reasoner **out,
		     struct pw_error *err)
{
	struct pw_reasoner *r = calloc(1, sizeof(*r));

	if (!r)
		return pw_error_set(err, -ENOMEM, "out of memory");
	r->target = t;
	r->joins = opts ? opts->joins : NULL;
	r->quick = opts && opts->quick;
	r->live = t->os && !strcmp(t->os->name, "live");
	r->kpages = (struct pw_kpages){ -1, -1 };
	if (r->live)
		pw_kpages_open(&r->kpages, &r->no_kpages);
	*out = r;
	return 0;
}

void pw_reasoner_close(struct pw_reasoner *r)
{
	if (!r)
		return;
	pw_kpages_close(&r->kpages);
	free(r);
}
