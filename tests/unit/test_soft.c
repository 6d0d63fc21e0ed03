/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What swap types stand for, by release and configuration. The numbers are those of each release's include/linux/swap.h and swapops.h, whose
 * macros were worked out by hand here; MAX_SWAPFILES of Debian's kernels is what their BTF says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/soft.h>

#include "os/btf.h"

static const struct kernel {
	const char *name;
	struct pw_soft_signs signs; /* areas, hwpoison, migration, anon_exclusive, rss_stat */
	const char *kinds[32];      /* from the first that is no swap area on */
} kernels[] = {
	{ "5.10 cloud", { 30, false, true, false, true }, { "migration-read", "migration-write" } },
	{ "5.10 generic", { 29, true, true, false, true }, { "hwpoison", "migration-read", "migration-write" } },
	{ "5.10 device memory",
	  { 27, true, true, false, true },
	  { "hwpoison", "migration-read", "migration-write", "device-private-write", "device-private-read" } },
	{ "5.15 device memory",
	  { 25, true, true, false, true },
	  { "hwpoison", "migration-read", "migration-write", "device-private-write", "device-private-read",
	    "device-exclusive-write", "device-exclusive-read" } },
	{ "5.10 no migration", { 32, false, false, false, true }, { NULL } },
	{ "6.1 cloud",
	  { 27, false, true, true, true },
	  { "migration-read", "migration-read-exclusive", "migration-write", "marker", "swapin-error" } },
	{ "6.1 no markers",
	  { 28, false, true, true, true },
	  { "migration-read", "migration-read-exclusive", "migration-write", "swapin-error" } },
	{ "6.1 all",
	  { 22, true, true, true, true },
	  { "hwpoison", "migration-read", "migration-read-exclusive", "migration-write", "device-private-write",
	    "device-private-read", "device-exclusive-write", "device-exclusive-read", "marker", "swapin-error" } },
	{ "6.1 all but markers",
	  { 23, true, true, true, true },
	  { "hwpoison", "migration-read", "migration-read-exclusive", "migration-write", "device-private-write",
	    "device-private-read", "device-exclusive-write", "device-exclusive-read", "swapin-error" } },
	{ "6.12",
	  { 27, true, true, true, false },
	  { "hwpoison", "migration-read", "migration-read-exclusive", "migration-write", "marker" } },
	{ "6.12 device memory",
	  { 23, true, true, true, false },
	  { "hwpoison", "migration-read", "migration-read-exclusive", "migration-write", "device-private-write",
	    "device-private-read", "device-exclusive-write", "device-exclusive-read", "marker" } },
	{ "6.18, nothing but migration",
	  { 28, false, true, true, false },
	  { "migration-read", "migration-read-exclusive", "migration-write", "marker" } },
	{ "7.2",
	  { 24, true, true, true, false },
	  { "hwpoison", "migration-read", "migration-read-exclusive", "migration-write", "device-private-write",
	    "device-private-read", "device-exclusive", "marker" } },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static enum pw_soft_kind kind_at(const struct pw_mmu *mmu, unsigned type, uint64_t offset, struct pw_soft *s)
{
	struct pw_entry e;

	mmu->arch->decode(mmu, PW_PTE, (uint64_t)type << 59 | (~offset << 9 & ((UINT64_C(1) << 59) - 1)), &e);
	assert_true(pw_soft_decode(mmu, &e, s));
	assert_int_equal(s->type, type);
	assert_int_equal(s->offset, offset);
	return s->kind;
}

static void check_kernel(const struct kernel *k)
{
	struct pw_mmu mmu = { .arch = &pw_arch_x86_64, .mode = pw_arch_mode(&pw_arch_x86_64, 4), .maxphyaddr = 46 };
	struct pw_soft s;
	unsigned areas = k->signs.areas;

	pw_soft_types_of(&k->signs, &mmu.soft);
	if (!mmu.soft.known)
		fail_msg("%s: not known: %s", k->name, mmu.soft.how);
	for (unsigned type = 0; type < 32; type++) {
		const char *want = type < areas ? "swap" : k->kinds[type - areas], *got;

		got = pw_soft_name(kind_at(&mmu, type, 0x1230, &s));
		if (!want || strcmp(got, want))
			fail_msg("%s: type %u is %s, not %s", k->name, type, got, want ? want : "(beyond the table)");
		assert_int_equal(s.pa, type >= areas && strncmp(want, "marker", 6) && strcmp(want, "swapin-error")
					       ? 0x1230000
					       : PW_PA_NONE);
	}
}

static void each_kernel_has_its_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(kernels); i++)
		check_kernel(&kernels[i]);
}

/* The words of a 7.2 kernel: pte_marker_uffd_wp(), and so on. */
static void markers_and_bits(void **state)
{
	static const struct {
		uint64_t raw;
		const char *kind;
		bool exclusive, soft_dirty, uffd_wp;
	} cases[] = {
		{ UINT64_C(0xfffffffffffffc00), "marker-uffd-wp" },
		{ UINT64_C(0xfffffffffffffa00), "marker-poison" },
		{ UINT64_C(0xfffffffffffff600), "marker-guard" },
		{ UINT64_C(0xfffffffffffffe00), "marker" },
		{ UINT64_C(0x07fffffffffdfe0a), "swap", true, true, false },
		{ UINT64_C(0x07fffffffffdfe04), "swap", false, false, true },
	};
	struct pw_mmu mmu = {
		.arch = &pw_arch_x86_64,
		.mode = pw_arch_mode(&pw_arch_x86_64, 5),
		.maxphyaddr = 46,
		.dialect = PW_DIALECT_KNOWN | PW_DIALECT_SOFT_DIRTY | PW_DIALECT_UFFD_WP,
	};

	(void)state;
	pw_soft_types_of(&kernels[N(kernels) - 1].signs, &mmu.soft);
	for (size_t i = 0; i < N(cases); i++) {
		struct pw_entry e;
		struct pw_soft s;

		mmu.arch->decode(&mmu, PW_PTE, cases[i].raw, &e);
		assert_true(pw_soft_decode(&mmu, &e, &s));
		assert_string_equal(pw_soft_name(s.kind), cases[i].kind);
		assert_int_equal(s.exclusive, cases[i].exclusive);
		assert_int_equal(s.soft_dirty, cases[i].soft_dirty);
		assert_int_equal(s.uffd_wp, cases[i].uffd_wp);
	}
}

/* Where the numbers do not add up to what some kernel had, only the swap areas are named. */
static void what_does_not_add_up_is_unknown(void **state)
{
	static const struct pw_soft_signs signs[] = {
		{ 21, true, true, true, false },  /* as if three types had been added */
		{ 26, true, true, true, false },  /* one for device memory */
		{ 28, true, true, true, false },  /* none for the marker */
		{ 25, false, true, true, true },  /* three beside swapin-error */
		{ 29, false, true, false, true }, /* one for device memory */
		{ 31, true, true, true, false },  /* more than 32 together */
	};
	static const struct pw_soft_signs nothing[] = {
		{ 0, true, true, true, false },
		{ UINT32_MAX, true, true, true, false },
		{ 33, true, true, true, false },
		{ 5, true, true, true, false },
	};
	struct pw_mmu mmu = { .arch = &pw_arch_x86_64, .mode = pw_arch_mode(&pw_arch_x86_64, 4), .maxphyaddr = 46 };
	struct pw_soft s;

	(void)state;
	for (size_t i = 0; i < N(signs); i++) {
		pw_soft_types_of(&signs[i], &mmu.soft);
		assert_false(mmu.soft.known);
		assert_int_equal(kind_at(&mmu, signs[i].areas - 1, 5, &s), PW_SOFT_SWAP);
		for (unsigned type = signs[i].areas; type < 32; type++)
			assert_int_equal(kind_at(&mmu, type, 5, &s), PW_SOFT_UNKNOWN);
	}
	for (size_t i = 0; i < N(nothing); i++) {
		pw_soft_types_of(&nothing[i], &mmu.soft);
		for (unsigned type = 0; type < 32; type++)
			assert_int_equal(kind_at(&mmu, type, 5, &s), type < 20 ? PW_SOFT_SWAP : PW_SOFT_UNKNOWN);
	}
}

/* Any numbers, as a hostile snapshot or text may have them. */
static void any_numbers_decode(void **state)
{
	struct pw_mmu mmu = { .arch = &pw_arch_x86_64, .mode = pw_arch_mode(&pw_arch_x86_64, 4), .maxphyaddr = 46 };
	struct pw_soft s;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		mmu.soft = (struct pw_soft_types){
			.areas = (uint8_t)rand(),
			.known = rand() & 1,
			.hwpoison = (uint8_t)rand(),
			.migration = (uint8_t)(rand() & 7),
			.device = (uint8_t)(rand() & 7),
			.marker = (uint8_t)rand(),
		};
		assert_true(kind_at(&mmu, (unsigned)rand() & 31, (uint64_t)rand(), &s) < PW_SOFT_NKINDS);
	}
}

/* What pagemap lets be seen without the right to see types: two markers, by their own bits. */
static void pagemap_words(void **state)
{
	static const struct {
		uint64_t raw;
		const char *kind;
	} cases[] = {
		{ UINT64_C(1) << 62, "hidden" },
		{ UINT64_C(1) << 62 | UINT64_C(1) << 57, "hidden" },
		{ UINT64_C(1) << 62 | UINT64_C(1) << 58, "marker-guard" },
		{ UINT64_C(1) << 57, "marker-uffd-wp" },
		{ UINT64_C(1) << 62 | 0x1000 << 5 | 3, "swap" },
		{ UINT64_C(1) << 62 | 0x1000 << 5 | 25, "migration-read" },
		{ UINT64_C(1) << 62 | 1 << 5 | 31, "marker-uffd-wp" },
	};
	struct pw_mmu mmu = { .arch = &pw_arch_pagemap, .mode = &pw_arch_pagemap.modes[0], .maxphyaddr = 52 };

	(void)state;
	pw_soft_types_of(&kernels[N(kernels) - 1].signs, &mmu.soft);
	for (size_t i = 0; i < N(cases); i++) {
		struct pw_entry e;
		struct pw_soft s;

		mmu.arch->decode(&mmu, PW_PTE, cases[i].raw, &e);
		assert_true(pw_soft_decode(&mmu, &e, &s));
		if (strcmp(pw_soft_name(s.kind), cases[i].kind))
			fail_msg("0x%llx is %s, not %s", (unsigned long long)cases[i].raw, pw_soft_name(s.kind),
				 cases[i].kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kernel_has_its_types),
		cmocka_unit_test(markers_and_bits),
		cmocka_unit_test(what_does_not_add_up_is_unknown),
		cmocka_unit_test(any_numbers_decode),
		cmocka_unit_test(pagemap_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
