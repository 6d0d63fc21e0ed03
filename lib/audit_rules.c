// SPDX-License-Identifier: LGPL-2.1-or-later
/* The rules: docs/audit.md says more of each. Ids are API: add, never rename. */
#include <string.h>

#include "audit.h"

const struct pw_audit_rule pw_audit_rule_table[PW_NRULES] = {
	[PW_RULE_KERNEL_WX] = { "kernel-wx", PW_AUDIT_HIGH, "kernel memory is writable and executable" },
	[PW_RULE_KERNEL_USER] = { "kernel-user", PW_AUDIT_HIGH, "user mode may use an address of the kernel's half" },
	[PW_RULE_TEXT_WRITE] = { "text-write", PW_AUDIT_HIGH, "the kernel's code or constants are writable" },
	[PW_RULE_TEXT_ALIAS] = { "text-alias", PW_AUDIT_HIGH,
				 "the kernel's code or constants are writable by another address" },
	[PW_RULE_PTI_LEAK] = { "pti-leak", PW_AUDIT_HIGH, "PTI's user root maps more of the kernel than entries need" },
	[PW_RULE_TABLE_MAP] = { "table-map", PW_AUDIT_HIGH,
				"a page table is mapped where who writes there makes mappings" },
	[PW_RULE_TABLE_NOT_RAM] = { "table-not-ram", PW_AUDIT_HIGH, "an entry leads to a table that is not in RAM" },
	[PW_RULE_RESERVED] = { "reserved", PW_AUDIT_HIGH, "reserved bits are set: the CPU faults on the entry" },
	[PW_RULE_VMA_WRITE] = { "vma-write", PW_AUDIT_HIGH, "the entry allows writing, the VMA does not" },
	[PW_RULE_VMA_EXEC] = { "vma-exec", PW_AUDIT_HIGH, "the entry allows executing, the VMA does not" },
	[PW_RULE_VMA_NONE] = { "vma-none", PW_AUDIT_HIGH, "the CPU has a page of a VMA that allows nothing" },
	[PW_RULE_NO_VMA] = { "no-vma", PW_AUDIT_HIGH, "user memory is mapped outside every VMA" },
	[PW_RULE_USER_WX] = { "user-wx", PW_AUDIT_MEDIUM, "user memory is writable and executable" },
	[PW_RULE_USER_SUPERVISOR] = { "user-supervisor", PW_AUDIT_MEDIUM,
				      "an entry of the user half keeps user mode out" },
	[PW_RULE_VMA_HUGE] = { "vma-huge", PW_AUDIT_MEDIUM, "a huge page reaches over the borders of its VMA" },
	[PW_RULE_KERNEL_EXEC] = { "kernel-exec", PW_AUDIT_MEDIUM, "memory where the kernel has no code is executable" },
	[PW_RULE_NO_REGION] = { "no-region", PW_AUDIT_MEDIUM, "kernel memory is mapped where no region is" },
	[PW_RULE_NOT_RAM] = { "not-ram", PW_AUDIT_MEDIUM, "user memory is not RAM, and not marked as a device's" },
	[PW_RULE_KERNEL_NOT_RAM] = { "kernel-not-ram", PW_AUDIT_LOW,
				     "kernel memory is not RAM, but cached as if it were" },
	[PW_RULE_USER_EXEC_ANON] = { "user-exec-anon", PW_AUDIT_INFO, "executable pages of no file: made at run time" },
	[PW_RULE_VSYSCALL] = { "vsyscall", PW_AUDIT_INFO, "the old system calls' page is mapped for user mode" },
	[PW_RULE_REAL_MODE] = { "real-mode", PW_AUDIT_INFO, "code by which other CPUs start, below 1 MiB, read-only" },
	[PW_RULE_PTI_ENTRY] = { "pti-entry", PW_AUDIT_INFO,
				"PTI's user root maps what entering the kernel needs outside its own region" },
};

const struct pw_audit_rule *pw_audit_rules(size_t *n)
{
	*n = PW_NRULES;
	return pw_audit_rule_table;
}

static const char *const level_names[PW_AUDIT_NLEVELS] = { "info", "low", "medium", "high" };

const char *pw_audit_level_name(enum pw_audit_level level)
{
	return (unsigned)level < PW_AUDIT_NLEVELS ? level_names[level] : "?";
}

int pw_audit_level_parse(const char *name)
{
	for (int i = 0; i < PW_AUDIT_NLEVELS; i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -1;
}
