/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pagemap's words (table: argv[1]), and the names that all architectures share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry_text.h"

static const char *table_path;
static long failures;
static const struct pw_mmu mmu = { .arch = &pw_arch_pagemap };

static void check_case(long line, const char *mmu_text, const char *level, const char *raw, const char *expect)
{
	struct pw_entry e;
	char text[512];

	assert_string_equal(mmu_text, "1");
	pw_arch_pagemap.decode(&mmu, pw_level_parse(level, 1), strtoull(raw, NULL, 16), &e);
	entry_text(&pw_arch_pagemap, &e, text, sizeof(text));
	if (strcmp(text, expect)) {
		failures++;
		print_error("line %ld: %s\n  expected %s\n  is       %s\n", line, raw, expect, text);
	}
}

static void every_pagemap_word_decodes_as_the_table_says(void **state)
{
	(void)state;
	assert_true(entry_cases(table_path, check_case) > 20);
	assert_int_equal(failures, 0);
}

static void pagemap_leaves_follow_by_frame(void **state)
{
	const struct pw_arch *arch = &pw_arch_pagemap;
	struct pw_leaf_format f;
	uint64_t seed = 7;

	(void)state;
	arch->leaf_format(&mmu, PW_PTE, &f);
	for (long i = 0; i < 100000; i++) {
		uint64_t v = next_random(&seed), u = (v & f.same) | (next_random(&seed) & ~f.same);
		struct pw_entry e, o;
		bool fast = (v & f.leaf_mask) == f.leaf_value;

		arch->decode(&mmu, PW_PTE, v, &e);
		assert_int_equal(fast, e.kind == PW_LEAF);
		if (!fast)
			continue;
		if (e.pa != PW_PA_NONE)
			assert_int_equal(e.pa, (v & f.pa_mask) << 12);
		arch->decode(&mmu, PW_PTE, u, &o);
		assert_int_equal(o.kind, PW_LEAF);
		assert_int_equal(o.perm, PW_PERM_UNKNOWN);
	}
	assert_int_equal(f.pa_step, 1);
	arch->leaf_format(&mmu, PW_PMD, &f);
	assert_int_equal(f.leaf_mask, 0);
	assert_int_equal(arch->hw_volatile(PW_PTE), 0);
}

static void architectures_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(pw_arch_find("x86-64"), &pw_arch_x86_64);
	assert_ptr_equal(pw_arch_find("x86_64"), &pw_arch_x86_64);
	assert_ptr_equal(pw_arch_find("amd64"), &pw_arch_x86_64);
	assert_ptr_equal(pw_arch_find("pagemap"), &pw_arch_pagemap);
	assert_null(pw_arch_find("vax"));
	assert_null(pw_arch_find(""));
	assert_int_equal(pw_arch_mode(&pw_arch_x86_64, 5)->va_bits, 57);
	assert_int_equal(pw_arch_mode(&pw_arch_pagemap, 1)->lv[0].level, PW_PTE);
	assert_null(pw_arch_mode(&pw_arch_pagemap, 4));
}

static void levels_have_linux_and_intel_names(void **state)
{
	static const struct {
		const char *name;
		unsigned depth;
		int level;
	} cases[] = {
		{ "pte", 4, PW_PTE },  { "pmd", 4, PW_PMD },  { "pud", 0, PW_PUD },  { "p4d", 5, PW_P4D },
		{ "pgd", 5, PW_PGD },  { "pt", 4, PW_PTE },   { "pd", 4, PW_PMD },   { "pdpt", 5, PW_PUD },
		{ "pml4", 0, PW_PGD }, { "pml4", 4, PW_PGD }, { "pml4", 5, PW_P4D }, { "pml5", 5, PW_PGD },
		{ "PTE", 4, PW_PTE },  { "pml", 4, -1 },      { "", 4, -1 },         { "ptee", 4, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pw_level_parse(cases[i].name, cases[i].depth), cases[i].level);
	for (int level = PW_PTE; level < PW_NLEVELS; level++)
		assert_int_equal(pw_level_parse(pw_level_name(level), 5), level);
	assert_string_equal(pw_level_name(PW_NLEVELS), "?");
}

static void kinds_and_perms_have_text(void **state)
{
	char text[5];

	(void)state;
	assert_string_equal(pw_kind_name(PW_NONE), "none");
	assert_string_equal(pw_kind_name(PW_TABLE), "table");
	assert_string_equal(pw_kind_name(PW_LEAF), "leaf");
	assert_string_equal(pw_kind_name(PW_PROTNONE), "protnone");
	assert_string_equal(pw_kind_name(PW_SOFT), "soft");
	assert_string_equal(pw_kind_name(99), "?");
	assert_string_equal(pw_perm_text(0, text), "----");
	assert_string_equal(pw_perm_text(PW_RWXU, text), "rwxu");
	assert_string_equal(pw_perm_text(PW_R | PW_X, text), "r-x-");
	assert_string_equal(pw_perm_text(PW_PERM_UNKNOWN, text), "????");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pagemap_word_decodes_as_the_table_says),
		cmocka_unit_test(pagemap_leaves_follow_by_frame),
		cmocka_unit_test(architectures_are_found_by_name),
		cmocka_unit_test(levels_have_linux_and_intel_names),
		cmocka_unit_test(kinds_and_perms_have_text),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s decode-pagemap.tsv\n", argv[0]);
		return 2;
	}
	table_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
