// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Rules about the kernel half, by what each region is for (lib/os/regions.c has their names). With PTI the user roots have a kernel half of
 * their own: the entry area, espfix, LDT, the pages of entry code; and a page of data a CPU, in which entry code keeps the user's stack pointer.
 */
#include <string.h>

#include "audit.h"

static const struct {
	const char *name;
	unsigned may;
} regions[] = {
	{ "direct map", PW_MAY_TABLES },
	{ "vmalloc", 0 },
	{ "vmemmap", 0 },
	{ "KASAN shadow", 0 },
	{ "LDT", PW_MAY_PTI },
	{ "cpu entry area", PW_MAY_PTI },
	{ "espfix", PW_MAY_PTI },
	{ "EFI", PW_MAY_EXEC },
	{ "kernel text", PW_MAY_EXEC | PW_MAY_PTI },
	{ "kernel rodata", PW_MAY_PTI },
	{ "kernel data", PW_MAY_TABLES },
	{ "kernel bss", PW_MAY_TABLES },
	/* Between its sections: the rest of the last page of code, the early page tables behind the end. */
	{ "kernel image", PW_MAY_EXEC | PW_MAY_TABLES },
	{ "modules", PW_MAY_EXEC },
	{ "fixmap", 0 },
	{ "vsyscall", PW_MAY_EXEC | PW_MAY_USER | PW_MAY_PTI },
};

unsigned pw_audit_region(const struct pw_area *area)
{
	for (size_t i = 0; area && i < sizeof(regions) / sizeof(regions[0]); i++)
		if (!strcmp(area->name, regions[i].name))
			return regions[i].may;
	return PW_MAY_EXEC | PW_MAY_TABLES | PW_MAY_PTI;
}

static bool write_and_exec(const struct pw_run *run)
{
	return (run->perm & (PW_W | PW_X)) == (PW_W | PW_X);
}

/* For who may use it, and how. */
static int access_rules(struct pw_look *l, const struct pw_run *run, unsigned may)
{
	int rc = 0;

	if (write_and_exec(run))
		rc = pw_audit_found_all(l, PW_RULE_KERNEL_WX, run);
	if (!rc && run->perm & PW_U)
		rc = pw_audit_found_all(
			l, may & PW_MAY_USER && !(run->perm & PW_W) ? PW_RULE_VSYSCALL : PW_RULE_KERNEL_USER, run);
	return rc;
}

/* CPUs start in real mode, in which nothing above 1 MiB can be reached (arch/x86/realmode/init.c). */
static bool is_trampoline(const struct pw_run *run)
{
	return run->area && run->area->region == PW_REGION_LOGICAL && run->pa < 1 << 20 &&
	       run->last - run->va < (1 << 20) - run->pa;
}

int pw_audit_kernel(struct pw_look *l, const struct pw_pages *p)
{
	const struct pw_run *run = p->run;
	unsigned may = pw_audit_region(run->area);
	int rc = access_rules(l, run, may);

	if (!rc && run->perm & PW_X && !(run->perm & PW_W) && !(may & PW_MAY_EXEC))
		rc = pw_audit_found_all(l, is_trampoline(run) ? PW_RULE_REAL_MODE : PW_RULE_KERNEL_EXEC, run);
	if (!rc && run->area && run->area->region == PW_REGION_HOLE)
		rc = pw_audit_found_all(l, PW_RULE_NO_REGION, run);
	return rc ? rc : pw_audit_frames(l, p, may & PW_MAY_TABLES || !(run->perm & PW_W));
}

/* Pages that are also in the entry area, which the user root has anyway: there the CPU's TSS is read-only, by this address entry code writes. */
static bool entry_data(const struct pw_look *l, const struct pw_run *run)
{
	uint64_t at;
	pid_t owner;

	if (run->page_size != 4096 || run->pa == PW_PA_NONE)
		return false;
	for (uint64_t i = 0; i < run->pages; i++) {
		uint64_t pa = run->pa + i * 4096;

		if (!pw_table_set_find(&l->a->entry, pa, pa, &at, &owner))
			return false;
	}
	return true;
}

int pw_audit_pti(struct pw_look *l, const struct pw_pages *p)
{
	const struct pw_run *run = p->run;
	unsigned may = pw_audit_region(run->area);
	int rc = access_rules(l, run, may);

	if (!rc && !(may & PW_MAY_PTI))
		rc = pw_audit_found_all(l, entry_data(l, run) ? PW_RULE_PTI_ENTRY : PW_RULE_PTI_LEAK, run);
	return rc ? rc : pw_audit_frames(l, p, true);
}
