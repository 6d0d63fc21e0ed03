/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walker: order, completeness, holes, retries, bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

#define MMU "mmu levels=4 maxphyaddr=46\n"

/* What a walk said, one line an event, so that a test can be read. */
struct story {
	char text[8192];
	size_t len;
	uint64_t next_va; /* nothing may start before this */
	bool none_too;
	bool quiet; /* only check the order */
};

static void tell(struct story *s, const char *fmt, ...)
{
	va_list args;

	if (s->quiet)
		return;
	va_start(args, fmt);
	s->len += vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, args);
	va_end(args);
	assert_true(s->len < sizeof(s->text));
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct story *s = ctx;

	assert_true(step->va >= s->next_va);
	tell(s, "%s %llx\n", pw_level_name(step->level), (unsigned long long)step->va);
	return 0;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct story *s = ctx;

	assert_true(span->va >= s->next_va);
	s->next_va = span->va + ((uint64_t)span->n << span->shift);
	for (size_t i = 0; i < span->n; i++) {
		if (!span->raw[i] && !s->none_too)
			continue;
		tell(s, "%s %llx = %llx\n", pw_level_name(span->level),
		     (unsigned long long)span->va + ((unsigned long long)i << span->shift),
		     (unsigned long long)span->raw[i]);
	}
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct story *s = ctx;

	assert_true(hole->va >= s->next_va);
	s->next_va = hole->last + 1;
	tell(s, "%s %llx-%llx %s\n", pw_level_name(hole->level), (unsigned long long)hole->va,
	     (unsigned long long)hole->last, pw_hole_name(hole->reason));
	return 0;
}

static const struct pw_visitor storyteller = { on_step, on_span, on_hole };

static struct pw_walk_stats walk(struct machine *m, struct story *s, struct pw_walk_opts opts)
{
	struct pw_walk_stats stats = { 0 };

	opts.size = sizeof(opts);
	if (!opts.va.last)
		opts.va.last = UINT64_MAX;
	assert_int_equal(pw_walk(&m->space, &opts, &storyteller, s, &stats), 0);
	return stats;
}

/* Two 4K pages, a 2M page, a hole between. */
static const char small[] = MMU "page 1000\n0 = 2067\n"
				"page 2000\n0 = 3067\n"
				"page 3000\n0 = 4067\n1 = 80000000402000e7\n3 = 5067\n"
				"page 4000\n7 = 8000000012345067\n"
				"page 5000\n0 = 6067\n";

static void test_visits_everything_in_va_order(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };
	struct pw_walk_stats stats = walk(m, &s, (struct pw_walk_opts){ 0 });

	(void)state;
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0\npte 7000 = 8000000012345067\n"
				    "pmd 200000 = 80000000402000e7\npmd 600000\npte 600000 = 6067\n");
	assert_int_equal(stats.tables[PW_PTE], 2);
	assert_int_equal(stats.tables[PW_PGD], 2); /* the root, once a half */
	machine_free(m);
}

static void test_range_clips_tables_and_keeps_straddling_pages(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };

	(void)state;
	walk(m, &s, (struct pw_walk_opts){ .va = { 0x8000, 0x3fffff } });
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0\npmd 200000 = 80000000402000e7\n");
	machine_free(m);
}

static void test_zero_copy_source_gives_the_same(void **state)
{
	struct machine *m = machine_new(small);
	struct story plain = { 0 }, zero = { 0 };

	(void)state;
	walk(m, &plain, (struct pw_walk_opts){ 0 });
	m->zero_copy = true;
	walk(m, &zero, (struct pw_walk_opts){ 0 });
	assert_string_equal(plain.text, zero.text);
	machine_free(m);
}

static void test_changed_table_is_read_again(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };
	struct pw_walk_stats stats;

	(void)state;
	m->zero_copy = true;
	m->again_pa = 0x4000;
	m->again = 2;
	m->poke_pa = 0x3000; /* another table has taken its place */
	m->poke_value = 0x5067;
	stats = walk(m, &s, (struct pw_walk_opts){ 0 });
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0\npte 0 = 6067\n"
				    "pmd 200000 = 80000000402000e7\npmd 600000\npte 600000 = 6067\n");
	assert_int_equal(stats.unstable, 0);
	assert_true(stats.retries >= 2);
	machine_free(m);
}

static void test_table_that_went_away_is_empty_now(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };
	struct pw_walk_stats stats;

	(void)state;
	m->again_pa = 0x4000;
	m->again = 1;
	m->poke_pa = 0x2000; /* the level above was emptied */
	m->poke_value = 0;
	stats = walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x1fffff } });
	assert_string_equal(s.text, "pgd 0\npud 0\n");
	assert_int_equal(stats.unstable, 0);
	machine_free(m);
}

static void test_table_that_became_a_huge_page(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };

	(void)state;
	m->again_pa = 0x4000;
	m->again = 1;
	m->poke_pa = 0x3000;
	m->poke_value = 0x802000e7;
	walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x1fffff } });
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0 = 802000e7\n");
	machine_free(m);
}

static void test_table_that_never_holds_still_is_unstable(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { 0 };
	struct pw_walk_stats stats;

	(void)state;
	m->again_pa = 0x4000;
	m->again = 1000000;
	stats = walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x3fffff } });
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0-1fffff unstable\npmd 200000 = 80000000402000e7\n");
	assert_int_equal(stats.unstable, 1);
	assert_int_equal(stats.retries, 8);
	machine_free(m);
}

static void test_unreadable_outside_ram_and_reserved_are_holes(void **state)
{
	struct machine *m = machine_new(MMU "ram 0-ffff\n"
					    "page 1000\n0 = 2067\n"
					    "page 2000\n0 = 3067\n1 = fffff067\n2 = 400000003067\n3 = 4067\n"
					    "page 3000\n0 = 9067\n"
					    "unreadable 4000\n");
	struct story s = { 0 };
	struct pw_walk_stats stats;

	(void)state;
	stats = walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x7fffffffffff } });
	assert_string_equal(s.text, "pgd 0\npud 0\npmd 0-1fffff unreadable\npud 40000000-7fffffff not-ram\n"
				    "pud 80000000-bfffffff reserved\npud c0000000-ffffffff unreadable\n");
	assert_int_equal(stats.unreadable, 4);
	machine_free(m);
}

static void test_root_outside_ram_is_one_hole(void **state)
{
	struct machine *m = machine_new(MMU "ram 8000-ffff\npage 1000\n0 = 2067\n");
	struct story s = { 0 };

	(void)state;
	walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x7fffffffffff } });
	assert_string_equal(s.text, "pgd 0-7fffffffffff not-ram\n");
	machine_free(m);
}

static void test_repeated_tables_are_shown_unless_folded(void **state)
{
	struct machine *m = machine_new(MMU "page 1000\n0 = 2067\n"
					    "page 2000\n0-3 = 3067\n"
					    "page 3000\n0 = e7\n");
	struct story all = { 0 }, folded = { 0 };
	struct pw_walk_stats stats;

	(void)state;
	walk(m, &all, (struct pw_walk_opts){ 0 });
	assert_string_equal(all.text, "pgd 0\npud 0\npmd 0 = e7\npud 40000000\npmd 40000000 = e7\n"
				      "pud 80000000\npmd 80000000 = e7\npud c0000000\npmd c0000000 = e7\n");
	stats = walk(m, &folded, (struct pw_walk_opts){ .fold_aliases = true });
	assert_string_equal(folded.text, "pgd 0\npud 0\npmd 0 = e7\npud 40000000-7fffffff alias\n"
					 "pud 80000000-bfffffff alias\npud c0000000-ffffffff alias\n");
	assert_int_equal(stats.aliases, 3);
	assert_int_equal(stats.unreadable, 0);
	machine_free(m);
}

static void test_self_map_ends_by_budget(void **state)
{
	struct machine *m = machine_new(MMU "page 1000\n0-511 = 1067\n");
	struct story s = { .quiet = true };
	struct pw_walk_stats stats = walk(m, &s, (struct pw_walk_opts){ .budget = 5000 });

	(void)state;
	assert_true(stats.truncated);
	assert_true(stats.tables[PW_PTE] <= 5000);
	assert_true(m->calls < 6000);
	assert_true(s.next_va == 0); /* the last hole reaches the end of the kernel half, too */
	machine_free(m);
}

static void test_five_levels(void **state)
{
	struct machine *m = machine_new("mmu levels=5 maxphyaddr=52\n"
					"page 1000\n255 = 2067\n511 = 2067\n"
					"page 2000\n511 = 3067\n"
					"page 3000\n511 = 4067\n"
					"page 4000\n511 = 5067\n"
					"page 5000\n511 = 6067\n");
	struct story s = { 0 };

	(void)state;
	walk(m, &s, (struct pw_walk_opts){ 0 });
	assert_string_equal(s.text, "pgd ff000000000000\np4d ffff8000000000\npud ffffffc0000000\npmd ffffffffe00000\n"
				    "pte fffffffffff000 = 6067\n"
				    "pgd ffff000000000000\np4d ffffff8000000000\npud ffffffffc0000000\n"
				    "pmd ffffffffffe00000\npte fffffffffffff000 = 6067\n");
	machine_free(m);
}

static void test_every_address_is_covered_once(void **state)
{
	struct machine *m = machine_new(small);
	struct story s = { .none_too = true, .quiet = true };

	(void)state;
	walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x7fffffffffff } });
	assert_int_equal(s.next_va, 0x800000000000);
	machine_free(m);
}

/* A visitor that has the source read something else at each event. */
static int read_at_span(void *ctx, const struct pw_span *span)
{
	struct machine *m = ctx;
	uint64_t before = 0, after = 0;

	for (size_t i = 0; i < span->n; i++)
		before = 31 * before + span->raw[i];
	memset(m->own, 0xee, sizeof(m->own));
	for (size_t i = 0; i < span->n; i++)
		after = 31 * after + span->raw[i];
	assert_int_equal(before, after);
	m->visited = 31 * m->visited + after;
	return 0;
}

static int read_at_step(void *ctx, const struct pw_step *step)
{
	(void)step;
	memset(((struct machine *)ctx)->own, 0xee, sizeof(((struct machine *)ctx)->own));
	return 0;
}

static void test_visitor_may_read_from_the_source(void **state)
{
	static const struct pw_visitor v = { .span = read_at_span, .step = read_at_step };
	uint64_t seen[2];

	(void)state;
	for (int copy = 0; copy < 2; copy++) {
		struct machine *m = machine_new(small);
		struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .reads = true };
		struct pw_walk_stats stats = { 0 };

		m->zero_copy = !copy;
		assert_int_equal(pw_walk(&m->space, &opts, &v, m, &stats), 0);
		seen[copy] = m->visited;
		machine_free(m);
	}
	assert_int_equal(seen[0], seen[1]);
}

static int stop_at_once(void *ctx, const struct pw_span *span)
{
	(void)span;
	++*(int *)ctx;
	return 77;
}

static void test_visitor_ends_the_walk(void **state)
{
	struct machine *m = machine_new(small);
	const struct pw_visitor v = { .span = stop_at_once };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };
	int calls = 0;

	(void)state;
	assert_int_equal(pw_walk(&m->space, &opts, &v, &calls, &stats), 77);
	assert_int_equal(calls, 1);
	machine_free(m);
}

/* 512 x 512 tables of one page: reads are vectored, 64 tables a call. */
static void test_reads_are_vectored(void **state)
{
	struct machine *m = machine_new(MMU "page 1000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n0-511 = 4067\n"
					    "page 4000\n0 = 5067\n");
	struct story s = { .quiet = true };

	(void)state;
	walk(m, &s, (struct pw_walk_opts){ .va = { 0, 0x7fffffffffff } });
	assert_int_equal(m->reads, 3 + 512);
	assert_int_equal(m->calls, 3 + 512 / PW_LOOKAHEAD);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_visits_everything_in_va_order),
		cmocka_unit_test(test_range_clips_tables_and_keeps_straddling_pages),
		cmocka_unit_test(test_zero_copy_source_gives_the_same),
		cmocka_unit_test(test_visitor_may_read_from_the_source),
		cmocka_unit_test(test_changed_table_is_read_again),
		cmocka_unit_test(test_table_that_went_away_is_empty_now),
		cmocka_unit_test(test_table_that_became_a_huge_page),
		cmocka_unit_test(test_table_that_never_holds_still_is_unstable),
		cmocka_unit_test(test_unreadable_outside_ram_and_reserved_are_holes),
		cmocka_unit_test(test_root_outside_ram_is_one_hole),
		cmocka_unit_test(test_repeated_tables_are_shown_unless_folded),
		cmocka_unit_test(test_self_map_ends_by_budget),
		cmocka_unit_test(test_five_levels),
		cmocka_unit_test(test_every_address_is_covered_once),
		cmocka_unit_test(test_visitor_ends_the_walk),
		cmocka_unit_test(test_reads_are_vectored),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
