/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is there, or nothing that the CPU may use. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "why/why.h"

#define VSYSCALL   UINT64_C(0xffffffffff600000)
#define GUARD_MOST (1 << 20) /* a PROT_NONE VMA that is larger is address space kept for later */

static bool no_access(const struct pw_area *a)
{
	return !strncmp(a->perms, "---", 3);
}

/* -------- the kernel's half -------- */

/* With page-table isolation the user root is the page after the kernel's. */
static bool is_user_root(const struct look *l)
{
	return l->r->target->facts.pti && l->t->piece->root != PW_PA_NONE && l->t->piece->root & 0x1000 &&
	       l->space->pid;
}

static void kernel_nothing(struct look *l)
{
	if ((l->t->va & ~UINT64_C(0xfff)) == VSYSCALL) {
		pw_why_set(l, PW_WHY_VSYSCALL,
			   "the page of the old system calls, which the kernel emulates: nothing is mapped");
	} else if (is_user_root(l)) {
		pw_why_says(l, "root", "0x%llx: the root that user mode runs on, with page-table isolation on",
			    (unsigned long long)l->t->piece->root);
		pw_why_set(l, PW_WHY_PTI,
			   "page-table isolation: the user root has nothing of the kernel here; its own root may");
	} else if (l->area) {
		pw_why_set(l, PW_WHY_KERNEL_UNMAPPED, "nothing is mapped at this place of the kernel's %s",
			   l->area->name);
	} else {
		pw_why_set(l, PW_WHY_KERNEL_UNMAPPED, "nothing is mapped at this kernel address");
	}
}

/* -------- files -------- */

/* By the file itself, also where its name is another one's or nobody's by now. */
static bool file_size(struct look *l, uint64_t *size)
{
	const struct pw_area *a = l->area;
	char path[80];
	struct stat st;

	if (!l->r->live || l->space->pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)l->space->pid, (unsigned long long)a->lo,
		 (unsigned long long)a->last + 1);
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	*size = (uint64_t)st.st_size;
	return true;
}

static void file_nothing(struct look *l)
{
	uint64_t at = l->area->offset + ((l->t->va & ~UINT64_C(0xfff)) - l->area->lo), size;

	if (file_size(l, &size)) {
		pw_why_says(l, "/proc/PID/map_files", "%llu bytes; the page is at 0x%llx", (unsigned long long)size,
			    (unsigned long long)at);
		if (at >= size) {
			pw_why_set(l, PW_WHY_PAST_END_OF_FILE,
				   "past the end of %s, which has %llu bytes: a touch is SIGBUS", l->area->name,
				   (unsigned long long)size);
			return;
		}
	}
	if (pw_why_is_hugetlb(l))
		pw_why_set(l, PW_WHY_FILE_NOT_READ, "a huge page of %s that this process has not touched",
			   l->area->name);
	else if (pw_why_is_shmem(l->area))
		pw_why_set(l, PW_WHY_FILE_NOT_READ,
			   "byte 0x%llx of %s: not touched by this process, or swapped out as shared memory is",
			   (unsigned long long)at, l->area->name);
	else
		pw_why_set(l, PW_WHY_FILE_NOT_READ,
			   "not faulted in: this process has not touched byte 0x%llx of %s, or it was reclaimed",
			   (unsigned long long)at, l->area->name);
}

/* -------- the user half -------- */

static const struct pw_area *area_above(const struct look *l)
{
	size_t i = (size_t)(l->area - l->space->areas.v) + 1;
	const struct pw_area *next = i < l->space->areas.n ? &l->space->areas.v[i] : NULL;

	return next && next->lo == l->area->last + 1 ? next : NULL;
}

static void without_access(struct look *l)
{
	const struct pw_area *above = area_above(l);

	if (!pw_why_is_file(l->area) && l->area->last - l->area->lo < GUARD_MOST && above && above->perms[1] == 'w' &&
	    !pw_why_is_file(above)) {
		pw_why_says(l, "VMA above", "%s", pw_why_area(above).text);
		pw_why_set(l, PW_WHY_GUARD_PAGE, "a guard page below %s: PROT_NONE, a touch is SIGSEGV",
			   pw_why_area(above).text);
		return;
	}
	pw_why_set(l, PW_WHY_RESERVED, "a VMA without any access (PROT_NONE), and nothing was ever put here");
}

static void anon_nothing(struct look *l)
{
	uint64_t size = l->leaf_only ? 4096 : l->e.size;

	if (l->area->name[0] == '[' && strcmp(l->area->name, "[anon]") && strcmp(l->area->name, "[heap]") &&
	    strncmp(l->area->name, "[stack", 6) && strncmp(l->area->name, "[anon", 5))
		pw_why_set(l, PW_WHY_UNTOUCHED, "nothing is mapped yet at this place of %s", l->area->name);
	else if (size > 4096)
		pw_why_set(l, PW_WHY_UNTOUCHED, "never touched, or given back: nothing is mapped in the %s around it",
			   pw_why_size(size).text);
	else
		pw_why_set(l, PW_WHY_UNTOUCHED, "never touched, or given back: a touch gets a page of zeros");
}

static void user_nothing(struct look *l)
{
	if (l->leaf_only && (pw_why_flag(l, PW_VMA_PFNMAP) || !strncmp(l->area->name, "[vvar", 5))) {
		pw_why_set(l, PW_WHY_PFNMAP_HIDDEN, "pagemap does not tell: %s has frames without pages (VM_PFNMAP)",
			   l->area->name);
	} else if (no_access(l->area)) {
		without_access(l);
	} else if (pw_why_flag(l, PW_VMA_UFFD_MISSING)) {
		pw_why_says(l, "/proc/PID/smaps", "VmFlags um: registered with userfaultfd for missing pages");
		pw_why_set(l, PW_WHY_UFFD_MISSING,
			   "missing: a touch is handed to userfaultfd, which provides the page");
	} else if (pw_why_is_file(l->area)) {
		file_nothing(l);
	} else {
		anon_nothing(l);
	}
}

void pw_why_nothing(struct look *l)
{
	if (l->t->piece->mmu.half == PW_HALF_KERNEL)
		kernel_nothing(l);
	else if (l->area)
		user_nothing(l);
	else if (l->space->areas.n)
		pw_why_outside(l);
	else if (l->leaf_only)
		pw_why_set(l, PW_WHY_UNKNOWN, "not mapped; the VMAs are not known here");
	else
		pw_why_set(l, PW_WHY_UNKNOWN, "the %s entry is empty; what should be there is not known here",
			   pw_level_name(l->e.level));
}

/* -------- present to the kernel alone -------- */

static void say_balancing(struct look *l)
{
	char line[32];

	if (l->r->live && pw_why_line("/proc/sys/kernel/numa_balancing", line, sizeof(line)))
		pw_why_says(l, "/proc/sys/kernel/numa_balancing", "%s", line);
}

void pw_why_protnone(struct look *l)
{
	unsigned long long pa = l->e.pa;
	/* A split clears Present alone; PROT_NONE and hints set bit 8. */
	bool splitting = l->t->piece->mmu.arch == &pw_arch_x86_64 && !(l->e.raw & 0x100);

	if (splitting) {
		pw_why_set(l, PW_WHY_SPLITTING, "a huge page at 0x%llx that the kernel is just splitting or changing",
			   pa);
	} else if (!l->area) {
		pw_why_set(l, PW_WHY_PROTNONE_UNKNOWN,
			   "PROT_NONE or a NUMA hint: the kernel keeps page 0x%llx, the CPU may not use it", pa);
	} else if (no_access(l->area)) {
		pw_why_set(l, PW_WHY_MPROTECT, "mprotect(PROT_NONE): page 0x%llx is kept, a touch is SIGSEGV", pa);
	} else {
		say_balancing(l);
		pw_why_set(l, PW_WHY_NUMA_HINT,
			   "a NUMA hint: page 0x%llx is kept, the next touch tells the kernel who uses it", pa);
	}
}
