/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The x86-64 decoder: a table of entries (argv[1]), and properties that hold for any value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry_text.h"

#define BIT(n)      (UINT64_C(1) << (n))
#define ADDRESS     UINT64_C(0x000ffffffffff000)
#define KEY         (UINT64_C(15) << 59)
#define DIALECT_512 (PW_DIALECT_KNOWN | PW_DIALECT_SOFT_DIRTY | PW_DIALECT_UFFD_WP)
#define ALL_DIALECT 0xff
#define RANDOM_RUNS 400000

static const struct pw_arch *const arch = &pw_arch_x86_64;
static const char *table_path;

static uint32_t dialect_named(const char *name)
{
	if (!strcmp(name, "5.10"))
		return DIALECT_512 | PW_DIALECT_DEVMAP_58;
	if (!strcmp(name, "6.12"))
		return DIALECT_512 | PW_DIALECT_DEVMAP_57 | PW_DIALECT_SAVED_DIRTY | PW_DIALECT_NOPTISHADOW;
	if (!strcmp(name, "7.2"))
		return DIALECT_512 | PW_DIALECT_SAVED_DIRTY | PW_DIALECT_NOPTISHADOW | PW_DIALECT_KERNEL_4K;
	assert_string_equal(name, "none");
	return 0;
}

/* "4+kernel+m40" */
static struct pw_mmu mmu_of(const char *text)
{
	struct pw_mmu mmu = { .arch = arch, .maxphyaddr = 46, .dialect = dialect_named("6.12") };
	char copy[64], *at = copy, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	mmu.mode = pw_arch_mode(arch, (unsigned)atoi(strsep(&at, "+")));
	assert_non_null(mmu.mode);
	pw_x86_pat_linux(mmu.pat);
	while ((word = strsep(&at, "+"))) {
		if (!strcmp(word, "kernel")) {
			mmu.half = PW_HALF_KERNEL;
		} else if (!strcmp(word, "nonx")) {
			mmu.no_nx = true;
		} else if (word[0] == 'm') {
			mmu.maxphyaddr = (uint8_t)atoi(word + 1);
		} else if (word[0] == 'c' || word[0] == 's') {
			mmu.enc_mask = BIT(atoi(word + 1));
			mmu.enc_shared = word[0] == 's';
		} else {
			assert_memory_equal(word, "d:", 2);
			mmu.dialect = dialect_named(word + 2);
		}
	}
	return mmu;
}

static long failures;

static void check_case(long line, const char *mmu_text, const char *level, const char *raw, const char *expect)
{
	struct pw_mmu mmu = mmu_of(mmu_text);
	struct pw_entry e;
	char text[512];
	int lv = pw_level_parse(level, mmu.mode->depth);

	assert_in_range(lv, 0, PW_NLEVELS - 1);
	arch->decode(&mmu, lv, strtoull(raw, NULL, 16), &e);
	entry_text(arch, &e, text, sizeof(text));
	if (strcmp(text, expect)) {
		failures++;
		print_error("line %ld: %s %s %s\n  expected %s\n  is       %s\n", line, mmu_text, level, raw, expect,
			    text);
	}
}

static void every_case_of_the_table_decodes_as_it_says(void **state)
{
	(void)state;
	assert_true(entry_cases(table_path, check_case) > 800);
	assert_int_equal(failures, 0);
}

/* -------- the attribute table and the decoder agree -------- */

static bool dialect_allows(const struct pw_mmu *mmu, const struct pw_attr *a)
{
	uint32_t d = mmu->dialect & PW_DIALECT_KNOWN ? mmu->dialect : 0;

	return (d & a->dialect) == a->dialect;
}

/* Straight bits of an entry: a huge PROT_NONE page of hugetlbfs is stored with bits 20:12 (29:12) inverted. */
static uint64_t straight(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	uint64_t low = (e->size - 1) & ~UINT64_C(0x1fff) & ~mmu->enc_mask;

	if (e->kind != PW_PROTNONE || e->level == PW_PTE || (e->raw & low) != low)
		return e->raw;
	return e->raw ^ (low | BIT(12));
}

static bool names_it(const struct pw_mmu *mmu, const struct pw_entry *e, const struct pw_attr *a, uint64_t raw)
{
	uint64_t mask = a->mask ? a->mask : mmu->enc_mask;

	if (!a->mask && mmu->enc_shared != !strcmp(a->name, "shared"))
		return false;
	if (mmu->no_nx && e->hw && mask == BIT(63))
		return false;
	return raw & mask && a->levels >> e->level & 1 && a->kinds >> e->kind & 1 && a->half >> mmu->half & 1 &&
	       dialect_allows(mmu, a);
}

/* What the table says the attributes of e are. */
static uint64_t attrs_by_table(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	uint64_t found = 0, named = 0, raw = straight(mmu, e);

	for (int fallback = 0; fallback < 2; fallback++)
		for (size_t i = 0; i < arch->nattrs; i++) {
			const struct pw_attr *a = &arch->attrs[i];

			if (a->unless != fallback || !names_it(mmu, e, a, raw))
				continue;
			if (fallback && (named & a->mask) == a->mask)
				continue;
			found |= BIT(i);
			named |= fallback ? 0 : a->mask;
		}
	return found;
}

static struct pw_mmu random_mmu(uint64_t *seed)
{
	static const uint8_t widths[] = { 32, 36, 39, 46, 51, 52, 0, 255 };
	uint64_t r = next_random(seed);
	struct pw_mmu mmu = {
		.arch = arch,
		.mode = pw_arch_mode(arch, 4 + (r & 1)),
		.half = r >> 1 & 1,
		.no_nx = (r >> 2 & 7) == 0,
		.maxphyaddr = widths[r >> 5 & 7],
		.enc_shared = r >> 8 & 1,
		.dialect = r >> 16 & ALL_DIALECT,
	};

	if ((r >> 9 & 3) == 0)
		mmu.enc_mask = BIT(r >> 11 & 1 ? 47 : 51);
	pw_x86_pat_from_msr(next_random(seed), mmu.pat);
	return mmu;
}

/* Any value at all, often one that is nearly a plain leaf or nearly nothing. */
static uint64_t random_raw(uint64_t *seed)
{
	uint64_t r = next_random(seed), v = next_random(seed);

	switch (r & 7) {
	case 0:
		return v & next_random(seed) & next_random(seed);
	case 1:
		return v | next_random(seed) | next_random(seed);
	case 2:
		return BIT(v & 63) | BIT(v >> 6 & 63) | BIT(v >> 12 & 63);
	case 3:
		return (v & UINT64_C(0xf80000ffc0000fff)) | 1;
	case 4:
		return (v & UINT64_C(0x800000ffffe00fff)) | 0x81;
	case 5:
		return v & ~UINT64_C(1);
	default:
		return v;
	}
}

static void check_whole_entry(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	assert_in_range(e->kind, PW_NONE, PW_SOFT);
	assert_true(e->size >= 4096 && (e->size & (e->size - 1)) == 0);
	assert_int_equal(e->hw, e->raw & 1);
	assert_int_equal(e->hw, e->kind == PW_LEAF || e->kind == PW_TABLE);
	assert_int_equal(e->attrs, attrs_by_table(mmu, e));
	assert_int_equal(e->reserved & ~e->raw, 0);
	assert_true(e->hw || !e->reserved);
	assert_true(e->hw ? e->perm & PW_R : !e->perm);
	if (e->pa != PW_PA_NONE)
		assert_int_equal(e->pa & ~(ADDRESS & ~mmu->enc_mask), 0);
	if (e->kind == PW_LEAF || e->kind == PW_PROTNONE)
		assert_int_equal(e->pa & (e->size - 1), 0);
	if (e->kind == PW_TABLE)
		assert_int_not_equal(e->level, PW_PTE);
	if (e->kind == PW_LEAF)
		assert_in_range(e->level, PW_PTE, PW_PUD);
	assert_int_equal(e->memtype == 0xff, e->kind != PW_LEAF);
	assert_true(e->memtype == 0xff || e->memtype < 8);
	assert_true(!e->has_swap || (e->kind == PW_SOFT && mmu->half == PW_HALF_USER));
}

/* Every bit of a present entry is said somewhere: attribute, address, key or reserved. */
static void check_nothing_is_left_out(const struct pw_mmu *mmu, const struct pw_entry *e)
{
	uint64_t said = e->pa | e->reserved | mmu->enc_mask;

	if (!e->hw)
		return;
	for (size_t i = 0; i < arch->nattrs; i++)
		if (e->attrs >> i & 1)
			said |= arch->attrs[i].mask;
	if (e->kind == PW_LEAF)
		said |= (uint64_t)e->key << 59;
	assert_int_equal(e->raw & ~said, 0);
}

static void any_value_decodes_completely(void **state)
{
	uint64_t seed = 0x70616765;

	(void)state;
	for (long i = 0; i < RANDOM_RUNS; i++) {
		struct pw_mmu mmu = random_mmu(&seed);
		struct pw_entry e;

		memset(&e, 0xa5, sizeof(e));
		arch->decode(&mmu, (enum pw_level)(next_random(&seed) % PW_NLEVELS), random_raw(&seed), &e);
		check_whole_entry(&mmu, &e);
		check_nothing_is_left_out(&mmu, &e);
	}
}

/* Every bit, alone and with what makes it a page or a table, under every dialect, in both halves. */
static void the_attribute_table_says_what_decode_finds(void **state)
{
	static const uint64_t beside[] = { 0, 1, 0x81, 0x80, 0x100, 0x180, 2 };
	uint64_t seed = 1;

	(void)state;
	for (unsigned dialect = 0; dialect <= ALL_DIALECT; dialect++)
		for (unsigned level = 0; level < PW_NLEVELS; level++)
			for (unsigned half = 0; half < 2; half++)
				for (unsigned k = 0; k < 7 * 64; k++) {
					struct pw_mmu mmu = random_mmu(&seed);
					struct pw_entry e;

					mmu.dialect = dialect;
					mmu.half = half;
					arch->decode(&mmu, level, beside[k / 64] | BIT(k % 64), &e);
					assert_int_equal(e.attrs, attrs_by_table(&mmu, &e));
				}
}

/* -------- leaf formats -------- */

static void check_leaf_format(const struct pw_mmu *mmu, enum pw_level level, uint64_t v, uint64_t u)
{
	struct pw_leaf_format f;
	struct pw_entry e, o;
	bool fast;

	arch->leaf_format(mmu, level, &f);
	arch->decode(mmu, level, v, &e);
	fast = f.leaf_mask && (v & f.leaf_mask) == f.leaf_value;
	assert_int_equal(fast, e.kind == PW_LEAF && !e.reserved);
	if (!fast)
		return;
	assert_true(e.hw);
	assert_int_equal(v & f.pa_mask, e.pa);
	assert_int_equal(f.pa_step, e.size);
	/* u is v with other bits where `same` does not look. */
	u = (v & f.same) | (u & ~f.same);
	arch->decode(mmu, level, u, &o);
	assert_int_equal(o.kind, e.kind);
	assert_int_equal(o.perm, e.perm);
	assert_int_equal(o.size, e.size);
	assert_int_equal(o.key, e.key);
	assert_int_equal(o.memtype, e.memtype);
	assert_int_equal(o.reserved, 0);
}

static void leaf_formats_agree_with_decode(void **state)
{
	uint64_t seed = 0x6c656166;

	(void)state;
	for (long i = 0; i < RANDOM_RUNS; i++) {
		struct pw_mmu mmu = random_mmu(&seed);

		check_leaf_format(&mmu, (enum pw_level)(next_random(&seed) % PW_NLEVELS), random_raw(&seed),
				  next_random(&seed));
	}
}

/* A run breaks at a bit that a reader cares for, and not at one of bookkeeping. */
static void same_covers_what_readers_see(void **state)
{
	static const unsigned readers[] = { 0, 1, 2, 3, 4, 7, 59, 60, 61, 62, 63 };
	static const unsigned bookkeeping[] = { 5, 6, 8, 9, 10, 11, 52, 53, 54, 55, 56, 57, 58 };
	struct pw_mmu mmu = mmu_of("4");
	struct pw_leaf_format f;

	(void)state;
	for (unsigned level = PW_PTE; level <= PW_PUD; level++) {
		arch->leaf_format(&mmu, level, &f);
		for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
			assert_true(f.same >> readers[i] & 1);
		for (size_t i = 0; i < sizeof(bookkeeping) / sizeof(bookkeeping[0]); i++)
			assert_false(f.same >> bookkeeping[i] & 1);
		assert_int_equal(f.same & f.pa_mask, f.leaf_mask & f.pa_mask);
		assert_int_equal(f.accessed, BIT(5));
		assert_int_equal(f.dirty, BIT(6));
	}
	for (unsigned level = PW_P4D; level <= PW_PGD; level++) {
		arch->leaf_format(&mmu, level, &f);
		assert_int_equal(f.leaf_mask, 0);
	}
}

/* -------- the rest -------- */

static void hardware_sets_accessed_everywhere_and_dirty_in_pages(void **state)
{
	(void)state;
	for (unsigned level = PW_PTE; level <= PW_PUD; level++)
		assert_int_equal(arch->hw_volatile(level), 0x60);
	assert_int_equal(arch->hw_volatile(PW_P4D), 0x20);
	assert_int_equal(arch->hw_volatile(PW_PGD), 0x20);
}

static void modes_cover_their_width(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch->nmodes; i++) {
		const struct pw_mode *m = &arch->modes[i];
		unsigned bits = 12;

		for (unsigned d = m->depth; d-- > 0;) {
			assert_int_equal(m->lv[d].shift, bits);
			bits += m->lv[d].bits;
		}
		assert_int_equal(bits, m->va_bits);
		assert_int_equal(m->lv[0].level, PW_PGD);
	}
	assert_null(pw_arch_mode(arch, 3));
	assert_true(pw_va_canonical(pw_arch_mode(arch, 4), UINT64_C(0x00007fffffffffff)));
	assert_false(pw_va_canonical(pw_arch_mode(arch, 4), UINT64_C(0x0000800000000000)));
	assert_true(pw_va_canonical(pw_arch_mode(arch, 5), UINT64_C(0x0000800000000000)));
	assert_true(pw_va_canonical(pw_arch_mode(arch, 4), UINT64_C(0xffff800000000000)));
	assert_false(pw_va_canonical(pw_arch_mode(arch, 5), UINT64_C(0xfeff800000000000)));
}

static void linux_pat_is_the_msr_that_linux_writes(void **state)
{
	static const char *const names[] = { "WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT" };
	uint8_t pat[8], reset[8];

	(void)state;
	pw_x86_pat_linux(pat);
	for (int i = 0; i < 8; i++)
		assert_string_equal(arch->memtypes[pat[i]], names[i]);
	pw_x86_pat_from_msr(UINT64_C(0x0007040600070406), reset);
	assert_string_equal(arch->memtypes[reset[1]], "WT");
	assert_string_equal(arch->memtypes[reset[7]], "UC");
}

static void attributes_are_well_formed(void **state)
{
	(void)state;
	assert_in_range(arch->nattrs, 1, 64);
	for (size_t i = 0; i < arch->nattrs; i++) {
		const struct pw_attr *a = &arch->attrs[i];

		assert_non_null(a->name);
		assert_non_null(a->doc);
		assert_true(a->levels && a->kinds && a->half);
		assert_null(strpbrk(a->name, " ,\t\""));
		assert_int_equal(a->mask & (a->mask - 1), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_of_the_table_decodes_as_it_says),
		cmocka_unit_test(the_attribute_table_says_what_decode_finds),
		cmocka_unit_test(any_value_decodes_completely),
		cmocka_unit_test(leaf_formats_agree_with_decode),
		cmocka_unit_test(same_covers_what_readers_see),
		cmocka_unit_test(hardware_sets_accessed_everywhere_and_dirty_in_pages),
		cmocka_unit_test(modes_cover_their_width),
		cmocka_unit_test(linux_pat_is_the_msr_that_linux_writes),
		cmocka_unit_test(attributes_are_well_formed),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s decode-x86_64.tsv\n", argv[0]);
		return 2;
	}
	table_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
