// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Are the states what they claim to be? Asked of the kernel's own views of this process: pagemap,
 * kpageflags and smaps. They cannot show the write, NX or cache bits; those are for pagewalk and
 * its independent oracles.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mkmaps.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_SOFT_DIRTY 55
#define PM_UFFD_WP    57
#define PM_FILE       61
#define PM_SWAP       62
#define PM_PRESENT    63
#define PM_PFN        ((1UL << 55) - 1)

#define KPF_HUGE      17
#define KPF_THP       22
#define KPF_ZERO_PAGE 24

/* Of a range, this many pages are looked at from either end. */
#define SAMPLE 2048

static bool bit(uint64_t v, unsigned int n)
{
	return v >> n & 1;
}

/* 1 if the list has @name, 0 if it has "!name", -1 if it is silent. */
static int listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *a = list; a && *a; a = strchr(a, ',') ? strchr(a, ',') + 1 : NULL) {
		bool not = *a == '!';
		size_t n = strcspn(a + not, ",");

		if (n == len && !strncmp(a + not, name, len))
			return !not ;
	}
	return -1;
}

static uint64_t kpageflags(uint64_t pfn)
{
	static int fd = -1;
	uint64_t flags = 0;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &flags, sizeof(flags), (off_t)(pfn * 8)) != sizeof(flags))
		return 0;
	return flags;
}

static bool note_is(const struct mk_range *r, const char *pair)
{
	const char *at = strstr(r->note, pair);

	return at && (at[strlen(pair)] == ' ' || !at[strlen(pair)]);
}

/* What is wrong with pagemap's entry of a page, or NULL. */
static const char *wrong_entry(const struct mk_range *r, uint64_t e)
{
	bool present = r->kind == MK_LEAF || r->kind == MK_PROTNONE;
	int want = listed(r->expect, "soft-dirty");

	if (note_is(r, "pfnmap=1"))
		return e >> 62 ? "pagemap shows a page of a VM_PFNMAP VMA" : NULL;
	if (bit(e, PM_PRESENT) != present)
		return present ? "not present" : "present";
	if (bit(e, PM_SWAP) != (r->kind == MK_SOFT))
		return r->kind == MK_SOFT ? "not a swap entry" : "a swap entry";
	if (r->kind != MK_NONE && want >= 0 && bit(e, PM_SOFT_DIRTY) != want)
		return want ? "not soft-dirty" : "soft-dirty";
	if (bit(e, PM_FILE) ? note_is(r, "shared=0") : note_is(r, "shared=1") && present)
		return bit(e, PM_FILE) ? "file or shared memory" : "not file or shared memory";
	/* Linux 5.14 and later tell. */
	want = listed(r->expect, "uffd-wp");
	if (want == 0 && bit(e, PM_UFFD_WP))
		return "uffd-wp";
	return NULL;
}

/* What is wrong with the page frame, or NULL. Needs CAP_SYS_ADMIN to see any. */
static const char *wrong_frame(const struct mk_range *r, uint64_t e, uint64_t va)
{
	const char *same = strstr(r->note, "same-as=");
	uint64_t flags, other;

	if (!bit(e, PM_PRESENT) || !(e & PM_PFN))
		return NULL;
	flags = kpageflags(e & PM_PFN);
	if (!flags)
		return NULL;
	if (note_is(r, "zero=1") != bit(flags, KPF_ZERO_PAGE))
		return bit(flags, KPF_ZERO_PAGE) ? "the zero page" : "not the zero page";
	/* The huge zero page is no THP to kpageflags before Linux 6.18. */
	if (r->page > MK_PAGE && !note_is(r, "zero=1") && !bit(flags, KPF_THP) && !bit(flags, KPF_HUGE))
		return "not in a huge page";
	if (r->page > MK_PAGE && (e & PM_PFN & (r->page / MK_PAGE - 1)) != (va & (r->page - 1)) / MK_PAGE)
		return "frames of the huge page out of step";
	if (same) {
		other = strtoul(same + strlen("same-as="), NULL, 16) + (va - r->addr);
		if ((mk_pagemap(other) & PM_PFN) != (e & PM_PFN))
			return "not the frame that its alias has";
	}
	return NULL;
}

static size_t verify_vma(const struct mk_state *st, const struct mk_range *r)
{
	char buf[256], flag[8];
	const char *key = strstr(r->expect, "key=");
	size_t wrong = 0;

	if (*st->vmflags) {
		snprintf(flag, sizeof(flag), " %.2s", st->vmflags);
		if (!mk_smaps(r->addr, "VmFlags:", buf, sizeof(buf)) || !strstr(buf, flag)) {
			printf("differs %s va=0x%lx VmFlags lack%s\n", st->name, r->addr, flag);
			wrong++;
		}
	}
	if (key && (!mk_smaps(r->addr, "ProtectionKey:", buf, sizeof(buf)) || atoi(buf) != atoi(key + 4))) {
		printf("differs %s va=0x%lx smaps shows no %.6s\n", st->name, r->addr, key);
		wrong++;
	}
	return wrong;
}

/* Only the first few of a range are printed. */
static void report(const struct mk_state *st, const char *why, uint64_t va, uint64_t e, size_t nth)
{
	if (nth < 4)
		printf("differs %s va=0x%lx %s (pagemap 0x%016lx)\n", st->name, va, why, e);
	else if (nth == 4)
		printf("differs %s va=0x%lx and others\n", st->name, va);
}

size_t mk_verify(const struct mk_state *st)
{
	size_t wrong = 0;

	for (size_t i = 0; i < st->n; i++) {
		const struct mk_range *r = &st->r[i];
		size_t pages = r->len / MK_PAGE, bad = 0;

		wrong += verify_vma(st, r);
		for (size_t k = 0; k < pages; k++) {
			uint64_t va = r->addr + k * MK_PAGE, e = mk_pagemap(va);
			const char *why = wrong_entry(r, e);

			if (!why)
				why = wrong_frame(r, e, va);
			if (why)
				report(st, why, va, e, bad++);
			if (k == SAMPLE && pages > 2 * SAMPLE)
				k = pages - SAMPLE - 1;
		}
		wrong += bad;
	}
	return wrong;
}
