/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The architectures of this build, and the names of levels, kinds and permissions. */
#include <string.h>
#include <strings.h>

#include <pagewalk/arch.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct pw_arch *const archs[] = { &pw_arch_x86_64, &pw_arch_pagemap };

const struct pw_arch *pw_arch_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (!strcmp(name, archs[i]->name))
			return archs[i];
	/* As uname -m and Debian spell it. */
	if (!strcmp(name, "x86_64") || !strcmp(name, "amd64"))
		return &pw_arch_x86_64;
	return NULL;
}

const struct pw_mode *pw_arch_mode(const struct pw_arch *arch, unsigned depth)
{
	for (size_t i = 0; i < arch->nmodes; i++)
		if (arch->modes[i].depth == depth)
			return &arch->modes[i];
	return NULL;
}

static const char *const level_names[PW_NLEVELS] = {
	[PW_PTE] = "pte", [PW_PMD] = "pmd", [PW_PUD] = "pud", [PW_P4D] = "p4d", [PW_PGD] = "pgd",
};

const char *pw_level_name(enum pw_level level)
{
	return (unsigned)level < PW_NLEVELS ? level_names[level] : "?";
}

int pw_level_parse(const char *name, unsigned depth)
{
	/* Intel's names, lowest first; PML5 exists with 5 levels only. */
	static const char *const intel[] = { "pt", "pd", "pdpt", "pml4", "pml5" };

	for (int i = 0; i < PW_NLEVELS; i++) {
		if (!strcasecmp(name, level_names[i]))
			return i;
		if (strcasecmp(name, intel[i]))
			continue;
		return i == PW_P4D && depth != 5 ? PW_PGD : i;
	}
	return -1;
}

const char *pw_kind_name(enum pw_kind kind)
{
	static const char *const names[] = {
		[PW_NONE] = "none",         [PW_TABLE] = "table", [PW_LEAF] = "leaf",
		[PW_PROTNONE] = "protnone", [PW_SOFT] = "soft",
	};

	return (unsigned)kind < ARRAY_SIZE(names) ? names[kind] : "?";
}

const char *pw_perm_text(unsigned perm, char out[5])
{
	if (perm & PW_PERM_UNKNOWN)
		return memcpy(out, "????", 5);
	out[0] = perm & PW_R ? 'r' : '-';
	out[1] = perm & PW_W ? 'w' : '-';
	out[2] = perm & PW_X ? 'x' : '-';
	out[3] = perm & PW_U ? 'u' : '-';
	out[4] = '\0';
	return out;
}
