/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The closed word lists of JSON and of the man pages: add to them, never rename. */
#include <stddef.h>

#include <pagewalk/walk.h>

#define NAME_OF(table, i) ((size_t)(i) < sizeof(table) / sizeof(*(table)) ? (table)[i] : "?")

const char *pw_consistency_name(enum pw_consistency c)
{
	static const char *const names[] = {
		[PW_FROZEN] = "frozen",   [PW_LOCKED] = "locked",       [PW_VALIDATED] = "validated",
		[PW_SMEARED] = "smeared", [PW_LEAF_ONLY] = "leaf-only",
	};

	return NAME_OF(names, c);
}

const char *pw_hole_name(enum pw_hole_reason reason)
{
	static const char *const names[] = {
		[PW_HOLE_UNSTABLE] = "unstable",
		[PW_HOLE_UNREADABLE] = "unreadable",
		[PW_HOLE_NOT_RAM] = "not-ram",
		[PW_HOLE_RESERVED] = "reserved",
		[PW_HOLE_ALIAS] = "alias",
		[PW_HOLE_BUDGET] = "budget",
		[PW_HOLE_INCONSISTENT] = "inconsistent",
	};

	return NAME_OF(names, reason);
}

const char *pw_verdict_name(enum pw_verdict v)
{
	static const char *const names[] = {
		[PW_MAPPED] = "mapped",
		[PW_V_NONE] = "none",
		[PW_V_PROTNONE] = "protnone",
		[PW_V_SOFT] = "soft",
		[PW_V_NON_CANONICAL] = "non-canonical",
		[PW_V_RESERVED] = "reserved",
		[PW_V_UNSTABLE] = "unstable",
		[PW_V_UNREADABLE] = "unreadable",
		[PW_V_NOT_RAM] = "not-ram",
		[PW_V_OUTSIDE] = "outside",
		[PW_V_INCONSISTENT] = "inconsistent",
	};

	return NAME_OF(names, v);
}

const char *pw_doubt_name(enum pw_doubt doubt)
{
	static const char *const names[] = {
		[PW_DOUBT_NONE] = "none",       [PW_DOUBT_TABLE] = "not-a-table", [PW_DOUBT_ROOT] = "other-root",
		[PW_DOUBT_TWICE] = "met-twice", [PW_DOUBT_PAGE] = "not-mapped",   [PW_DOUBT_PLACE] = "other-page",
		[PW_DOUBT_VMA] = "no-vma",
	};

	return NAME_OF(names, doubt);
}

const char *pw_region_name(enum pw_region region)
{
	static const char *const names[] = {
		[PW_REGION_NONE] = "none",       [PW_REGION_USER] = "user",
		[PW_REGION_LOGICAL] = "logical", [PW_REGION_VIRTUAL] = "virtual",
		[PW_REGION_VMEMMAP] = "virtual", [PW_REGION_HOLE] = "hole",
		[PW_REGION_UNKNOWN] = "unknown", [PW_REGION_NON_CANONICAL] = "non-canonical",
	};

	return NAME_OF(names, region);
}
