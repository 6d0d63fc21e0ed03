/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Run merging: what splits a run in each mode, and what is counted in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/runs.h>

#include "machine.h"

#define MMU  "mmu levels=4 maxphyaddr=46 dialect=soft-dirty,uffd-wp\n"
#define PTES MMU "page 1000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n0 = 4067\npage 4000\n"

struct listing {
	char text[65536];
	size_t len;
	uint64_t pages;
	uint64_t bits; /* a sum of what all and any of each run's words have */
};

static int on_run(void *ctx, const struct pw_run *run)
{
	struct listing *l = ctx;
	char perm[5];
	int n;

	if (run->is_hole) {
		n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%llx-%llx %s x%llu\n",
			     (unsigned long long)run->va, (unsigned long long)run->last, pw_hole_name(run->reason),
			     (unsigned long long)run->pages);
	} else {
		n = snprintf(l->text + l->len, sizeof(l->text) - l->len,
			     "%llx-%llx %s %s %llux%lluK A%llu D%llu e%llu%s%s\n", (unsigned long long)run->va,
			     (unsigned long long)run->last, pw_kind_name(run->kind), pw_perm_text(run->perm, perm),
			     (unsigned long long)run->pages, (unsigned long long)run->page_size >> 10,
			     (unsigned long long)run->accessed, (unsigned long long)run->dirty,
			     (unsigned long long)run->extents, run->area ? " " : "", run->area ? run->area->name : "");
		l->pages += run->pages;
		l->bits = 31 * (31 * l->bits + run->raw_and) + run->raw_or;
	}
	l->len += n;
	assert_true(l->len < sizeof(l->text));
	return 0;
}

static struct listing runs_by(const struct pw_visitor *visitor, const char *text, enum pw_runs_mode mode,
			      const struct pw_areas *areas)
{
	struct machine *m = machine_new(text);
	struct listing l = { 0 };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };
	struct pw_runs *runs = pw_runs_new(mode, areas, on_run, &l);

	assert_non_null(runs);
	assert_int_equal(pw_walk(&m->space, &opts, visitor, runs, &stats), 0);
	assert_int_equal(pw_runs_flush(runs), 0);
	pw_runs_free(runs);
	machine_free(m);
	return l;
}

static struct listing runs_of(const char *text, enum pw_runs_mode mode, const struct pw_areas *areas)
{
	return runs_by(&pw_runs_visitor, text, mode, areas);
}

static void check(const char *text, enum pw_runs_mode mode, const char *expect)
{
	struct listing l = runs_of(text, mode, NULL);

	assert_string_equal(l.text, expect);
}

static void test_reading_ignores_accessed_dirty_and_physical_breaks(void **state)
{
	(void)state;
	check(PTES "0 = 8000000000010067\n1 = 8000000000020027\n2 = 8000000000021007\n", PW_RUNS_READ,
	      "0-2fff leaf rw-u 3x4K A2 D1 e2\n");
}

static void test_phys_splits_where_frames_break(void **state)
{
	(void)state;
	check(PTES "0 = 8000000000010067\n1 = 8000000000020027\n2 = 8000000000021007\n", PW_RUNS_PHYS,
	      "0-fff leaf rw-u 1x4K A1 D1 e1\n1000-2fff leaf rw-u 2x4K A1 D0 e1\n");
}

static void test_exact_splits_where_any_bit_differs(void **state)
{
	(void)state;
	check(PTES "0 = 8000000000010067\n1 = 8000000000011067\n2 = 8000000000012027\n3 = 8000000000013827\n",
	      PW_RUNS_EXACT,
	      "0-1fff leaf rw-u 2x4K A2 D2 e1\n2000-2fff leaf rw-u 1x4K A1 D0 e1\n3000-3fff leaf rw-u 1x4K A1 D0 e1\n");
}

static void test_permission_splits(void **state)
{
	(void)state;
	check(PTES "0 = 10067\n1 = 8000000000011067\n2 = 8000000000012065\n3 = 8000000000013061\n", PW_RUNS_READ,
	      "0-fff leaf rwxu 1x4K A1 D1 e1\n1000-1fff leaf rw-u 1x4K A1 D1 e1\n"
	      "2000-2fff leaf r--u 1x4K A1 D1 e1\n3000-3fff leaf r--- 1x4K A1 D1 e1\n");
}

static void test_upper_levels_take_permissions_away(void **state)
{
	(void)state;
	check(MMU "page 1000\n0 = 8000000000002065\npage 2000\n0 = 3067\npage 3000\n0 = 4067\npage 4000\n0 = 10067\n",
	      PW_RUNS_READ, "0-fff leaf r--u 1x4K A1 D1 e1\n");
}

static void test_holes_and_sizes_split(void **state)
{
	(void)state;
	check(MMU "page 1000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n0 = 4067\n1-2 = 2000e7 step 200000\n3 = 4067\n"
		  "unreadable 9000\npage 4000\n0 = 10067\n2 = 12067\n511 = 13067\n",
	      PW_RUNS_READ,
	      "0-fff leaf rwxu 1x4K A1 D1 e1\n2000-2fff leaf rwxu 1x4K A1 D1 e1\n1ff000-1fffff leaf rwxu 1x4K A1 D1 "
	      "e1\n"
	      "200000-5fffff leaf rwxu 2x2048K A2 D2 e1\n600000-600fff leaf rwxu 1x4K A1 D1 e1\n"
	      "602000-602fff leaf rwxu 1x4K A1 D1 e1\n7ff000-7fffff leaf rwxu 1x4K A1 D1 e1\n");
}

static void test_neighbouring_holes_merge(void **state)
{
	(void)state;
	check(MMU "page 1000\n0 = 2067\npage 2000\n0-2 = 9067\nunreadable 9000\n", PW_RUNS_READ,
	      "0-bfffffff unreadable x3\n");
}

static void test_runs_end_at_areas(void **state)
{
	static struct pw_area v[] = {
		{ .lo = 0x1000, .last = 0x2fff, .name = "a" },
		{ .lo = 0x3000, .last = 0x3fff, .name = "b" },
		{ .lo = 0x6000, .last = 0x7fff, .name = "c" },
	};
	const struct pw_areas areas = { .v = v, .n = 3 };
	struct listing l;

	(void)state;
	l = runs_of(PTES "0-7 = 8000000000010067 step 1000\n", PW_RUNS_READ, &areas);
	assert_string_equal(l.text, "0-fff leaf rw-u 1x4K A1 D1 e1\n1000-2fff leaf rw-u 2x4K A2 D2 e1 a\n"
				    "3000-3fff leaf rw-u 1x4K A1 D1 e1 b\n4000-5fff leaf rw-u 2x4K A2 D2 e1\n"
				    "6000-7fff leaf rw-u 2x4K A2 D2 e1 c\n");
}

/* The address of a PROT_NONE page is kept inverted; swap's offset too. */
static void test_protnone_and_swap_are_runs_of_their_own(void **state)
{
	(void)state;
	check(PTES "0 = 80000fffffeef160\n1 = 80000fffffeee160\n2 = 7fffffffffe000\n3 = 7fffffffffc000\n4 = "
		   "87fffffffffa000\n",
	      PW_RUNS_READ,
	      "0-1fff protnone ---- 2x4K A2 D2 e1\n2000-3fff soft ---- 2x4K A0 D0 e0\n4000-4fff soft ---- 1x4K A0 D0 "
	      "e0\n");
}

static void test_the_sum_of_pages_is_the_same_in_every_mode(void **state)
{
	static const char text[] = PTES "0-200 = 10067 step 1000\n201-400 = 8000000000010025 step 2000\n"
					"402-511 = 8000000000010825 step 1000\n";
	enum pw_runs_mode mode;

	(void)state;
	for (mode = PW_RUNS_READ; mode <= PW_RUNS_EXACT; mode++)
		assert_int_equal(runs_of(text, mode, NULL).pages, 511);
}

static int one_by_one(void *ctx, const struct pw_span *span)
{
	for (size_t i = 0; i < span->n; i++) {
		struct pw_span one = *span;

		one.va += (uint64_t)i << span->shift;
		one.slot_pa += i * sizeof(uint64_t);
		one.raw += i;
		one.n = 1;
		assert_int_equal(pw_runs_visitor.span(ctx, &one), 0);
	}
	return 0;
}

/* A table of leaves that go on for a while: at times frames break, bits change, a page is missing; in one of three, all the time. */
static void write_table(char *text, size_t size, unsigned seed)
{
	unsigned restless = seed % 3 ? 60 : 3;
	uint64_t pa = 0x100000, bits = UINT64_C(0x8000000000000067);
	size_t n = (size_t)snprintf(text, size, PTES);

	srand(seed);
	for (unsigned i = 0; i < 512; i++, pa += 0x1000) {
		static const uint64_t change[] = { 0x20, 0x40, 0x800, 0x2, UINT64_C(1) << 63, 0x20, 0x60 };

		if (rand() % restless == 0)
			pa += 0x1000 * (uint64_t)(rand() % 8);
		if (rand() % restless == 0)
			bits ^= change[rand() % (sizeof(change) / sizeof(change[0]))];
		if (rand() % (4 * restless) == 0)
			continue;
		n += (size_t)snprintf(text + n, size - n, "%u = %llx\n", i, (unsigned long long)(pa | bits));
		assert_true(n < size);
	}
}

/* What is looked at many words at a time gives what each word by itself gives. */
static void test_spans_of_any_length_give_the_same_runs(void **state)
{
	static const struct pw_visitor by_word = { .span = one_by_one };
	static char text[65536];

	(void)state;
	for (unsigned seed = 0; seed < 150; seed++) {
		write_table(text, sizeof(text), seed);
		for (int mode = PW_RUNS_READ; mode <= PW_RUNS_EXACT; mode++) {
			struct listing whole = runs_of(text, mode, NULL), words = runs_by(&by_word, text, mode, NULL);

			assert_string_equal(whole.text, words.text);
			assert_int_equal(whole.bits, words.bits);
			assert_true(whole.pages > 256);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_ignores_accessed_dirty_and_physical_breaks),
		cmocka_unit_test(test_phys_splits_where_frames_break),
		cmocka_unit_test(test_exact_splits_where_any_bit_differs),
		cmocka_unit_test(test_permission_splits),
		cmocka_unit_test(test_upper_levels_take_permissions_away),
		cmocka_unit_test(test_holes_and_sizes_split),
		cmocka_unit_test(test_neighbouring_holes_merge),
		cmocka_unit_test(test_runs_end_at_areas),
		cmocka_unit_test(test_protnone_and_swap_are_runs_of_their_own),
		cmocka_unit_test(test_the_sum_of_pages_is_the_same_in_every_mode),
		cmocka_unit_test(test_spans_of_any_length_give_the_same_runs),
	};

	return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
