/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What page an address leads to. */
#include <string.h>

#include "why/why.h"

#define M2 (UINT64_C(2) << 20)

static bool bit(uint64_t flags, unsigned n)
{
	return flags >> n & 1;
}

static bool has_attr(const struct look *l, const char *name)
{
	const struct pw_arch *arch = l->t->piece->mmu.arch;

	for (size_t i = 0; i < arch->nattrs; i++)
		if (l->e.attrs & UINT64_C(1) << i && !strcmp(arch->attrs[i].name, name))
			return true;
	return false;
}

/* -------- what surrounds it -------- */

static void say_node(struct look *l)
{
	const struct pw_joins *j = l->r->joins;

	for (size_t i = 0; j && i < j->nnodes && l->t->pa != PW_PA_NONE; i++)
		if (j->node[i].lo <= l->t->pa && l->t->pa <= j->node[i].last)
			pw_why_says(l, "/sys/devices/system/node", "node %u", j->node[i].node);
}

static void say_memory(struct look *l)
{
	const char *const *names = l->t->piece->mmu.arch->memtypes;
	unsigned n = 0;

	while (names && names[n] && n < l->e.memtype)
		n++;
	if (l->e.memtype == 0xff || !names || !names[n])
		return;
	pw_why_says(l, "memory type", "%s", names[n]);
	if (strcmp(names[n], "WB"))
		pw_why_add(l, "memory type %s", names[n]);
}

static void say_key(struct look *l)
{
	if (!l->e.key)
		return;
	pw_why_says(l, "protection key", "%u: the thread's PKRU may forbid what the page allows", l->e.key);
	pw_why_add(l, "protection key %u", l->e.key);
}

static void say_uffd(struct look *l)
{
	if (has_attr(l, "uffd-wp"))
		pw_why_add(l, "write-protected by userfaultfd");
}

static void say_sharers(struct look *l, uint64_t count)
{
	if (count == 1)
		pw_why_add(l, "mapped once");
	else if (count > 1)
		pw_why_add(l, "mapped %llu times", (unsigned long long)count);
}

/* -------- what it is -------- */

/* By the VMA alone, which does not tell a private copy from the file's page. */
static void by_area(struct look *l)
{
	bool hugetlb = pw_why_is_hugetlb(l);

	if (!l->area)
		pw_why_set(l, PW_WHY_USER_PAGE, "a page of the user half, of no known VMA");
	else if (hugetlb)
		pw_why_set(l, PW_WHY_HUGETLB, "a huge page of hugetlbfs");
	else if (l->area->name[0] == '[' && !strncmp(l->area->name, "[v", 2))
		pw_why_set(l, PW_WHY_SPECIAL, "a page of %s", l->area->name);
	else if (pw_why_is_file(l->area) && l->leaf_only && !has_attr(l, "file"))
		pw_why_set(l, PW_WHY_ANON, "a private copy of a page of %s", l->area->name);
	else if (pw_why_is_shmem(l->area))
		pw_why_set(l, PW_WHY_SHMEM, "a page of shared memory, %s", l->area->name);
	else if (pw_why_is_file(l->area) && l->area->perms[3] == 'p' && l->area->perms[1] == 'w')
		pw_why_set(l, PW_WHY_FILE, "a page of %s, or a private copy of it", l->area->name);
	else if (pw_why_is_file(l->area))
		pw_why_set(l, PW_WHY_FILE, "a page of %s", l->area->name);
	else if (l->e.size >= M2 && !l->leaf_only)
		pw_why_set(l, PW_WHY_THP, "a transparent huge page");
	else
		pw_why_set(l, PW_WHY_ANON, "an anonymous page");
}

/*
 * Merged by KSM? Where the flag lies: two addresses of one process can have one frame of private memory through KSM only, and where
 * nothing rules it out it is said.
 */
enum merged { MERGED, NOT_MERGED, MAYBE_MERGED };

static enum merged merged_by_ksm(struct look *l, uint64_t flags)
{
	if (!bit(flags, KPF_KSM))
		return NOT_MERGED;
	if (!pw_why_ksm_flag_lies(l))
		return MERGED;
	pw_why_says(l, "/proc/kpageflags", "the kernel says ksm of every anonymous page (a fault of v6.10 and later)");
	/* A page of one process alone (PG_anon_exclusive), or one that can be written, is not merged. */
	if (bit(flags, KPF_MAPPEDTODISK) || l->e.size >= M2 || (!l->leaf_only && l->e.perm & PW_W) ||
	    (pw_why_flags_known(l) && !pw_why_flag(l, PW_VMA_MERGEABLE)))
		return NOT_MERGED;
	return pw_why_twice(l) ? MERGED : MAYBE_MERGED;
}

static void by_flags(struct look *l, uint64_t flags)
{
	bool large = l->e.size >= M2 && !l->leaf_only;
	enum merged ksm = merged_by_ksm(l, flags);

	if (bit(flags, KPF_ZERO_PAGE) && (large || bit(flags, KPF_THP)))
		pw_why_set(l, PW_WHY_HUGE_ZERO_PAGE, "the huge zero page: read, never written");
	else if (bit(flags, KPF_ZERO_PAGE))
		pw_why_set(l, PW_WHY_ZERO_PAGE, "the zero page: read, never written");
	else if (bit(flags, KPF_HUGE))
		pw_why_set(l, PW_WHY_HUGETLB, "a huge page of hugetlbfs");
	else if (ksm == MERGED)
		pw_why_set(l, PW_WHY_KSM, "a page that KSM has merged with others of the same content");
	else if (bit(flags, KPF_ANON) && bit(flags, KPF_THP) && large)
		pw_why_set(l, PW_WHY_THP, "a transparent huge page");
	else if (bit(flags, KPF_ANON) && pw_why_is_file(l->area))
		pw_why_set(l, PW_WHY_ANON, "a private copy of a page of %s", l->area->name);
	else if (bit(flags, KPF_ANON))
		pw_why_set(l, PW_WHY_ANON, "an anonymous page%s", ksm == MAYBE_MERGED ? ", perhaps merged by KSM" : "");
	else if (bit(flags, KPF_SWAPBACKED) && l->area)
		pw_why_set(l, PW_WHY_SHMEM, "a page of shared memory or tmpfs, %s", l->area->name);
	else
		by_area(l);
}

static bool is_device(struct look *l)
{
	return pw_why_flag(l, PW_VMA_PFNMAP) || (l->area && l->area->path && !strncmp(l->area->path, "/dev/mem", 9));
}

static void user_page(struct look *l)
{
	uint64_t flags = 0, count = 0;
	bool known = pw_why_kpage_says(l, l->t->pa, &count, &flags);

	if (l->area && l->area->path && !strncmp(l->area->path, "/secretmem", 10)) {
		pw_why_set(l, PW_WHY_SECRET, "secret memory (memfd_secret): the kernel's direct map does not have it");
	} else if (l->area && !strncmp(l->area->name, "[v", 2)) {
		by_area(l);
	} else if (is_device(l)) {
		pw_why_set(l, PW_WHY_DEVICE, "memory of a device or the kernel (VM_PFNMAP): frames without pages");
	} else if (known) {
		by_flags(l, flags);
	} else {
		by_area(l);
	}
	if (!bit(flags, KPF_ZERO_PAGE))
		say_sharers(l, count);
	say_key(l);
	say_memory(l);
	say_uffd(l);
	say_node(l);
	if (!l->leaf_only && l->e.size < M2)
		pw_why_small(l, known, flags);
	else if (l->e.size == M2 && !l->leaf_only)
		pw_why_says(l, "page size", "2M; Linux makes pages of 1G for hugetlbfs only");
}

static void kernel_page(struct look *l)
{
	uint64_t flags, count;

	if (l->area)
		pw_why_set(l, PW_WHY_KERNEL_PAGE, "a kernel page of the %s", l->area->name);
	else
		pw_why_set(l, PW_WHY_KERNEL_PAGE, "a kernel page");
	pw_why_kpage_says(l, l->t->pa, &count, &flags);
	say_memory(l);
	say_node(l);
}

void pw_why_page(struct look *l)
{
	if (l->t->piece->mmu.half == PW_HALF_KERNEL)
		kernel_page(l);
	else
		user_page(l);
}
