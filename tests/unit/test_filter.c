/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filter expressions: what they mean, what is wrong with bad ones, and that the stage hands on just what matches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/filter.h>

#include "machine.h"

static struct pw_area area[] = {
	{ .lo = 0, .last = 0xfff, .name = "[heap]", .perms = "rw-p" },
	{ .lo = 0x1000, .last = 0x2fff, .name = "libc.so.6", .path = "/usr/lib/libc.so.6", .perms = "r-xp" },
};
static const struct pw_areas areas = { .v = area, .n = 2 };

/* Of the entries of machine_text: the virtual addresses that match, in hexadecimal, with spaces. */
struct found {
	const struct pw_filter *f;
	char stage[8192], all[8192];
	size_t nstage, nall;
	unsigned steps, holes;
};

static void put(char *to, size_t *len, uint64_t va)
{
	*len += (size_t)snprintf(to + *len, 8192 - *len, "%s%llx", *len ? " " : "", (unsigned long long)va);
	assert_true(*len < 8192);
}

static int in_stage(void *ctx, const struct pw_span *span)
{
	struct found *found = ctx;

	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i])
			put(found->stage, &found->nstage, span->va + ((uint64_t)i << span->shift));
	return 0;
}

static int step_in_stage(void *ctx, const struct pw_step *step)
{
	(void)step;
	((struct found *)ctx)->steps++;
	return 0;
}

static int hole_in_stage(void *ctx, const struct pw_hole *hole)
{
	(void)hole;
	((struct found *)ctx)->holes++;
	return 0;
}

/* Each entry by itself. */
static int one_by_one(void *ctx, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct found *found = ctx;

	for (size_t i = 0; i < span->n; i++) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);
		struct pw_entry e;

		if (!span->raw[i])
			continue;
		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		if (pw_filter_match(found->f, mmu, &e, span->perm_above, va, pw_areas_find(&areas, va)))
			put(found->all, &found->nall, va);
	}
	return 0;
}

static const char machine_text[] =
	"mmu levels=4 maxphyaddr=46 dialect=soft-dirty,uffd-wp\n"
	"page 1000\n0 = 2067\n1 = 8067\n256 = 2063\n"
	"page 2000\n0 = 3067\n1 = 80000000400000e7\n"
	"page 3000\n0 = 4067\n1 = 402000e7\n2 = 80000000404000c5\n"
	"page 4000\n0 = 8000000000010067\n1 = 11025\n2 = 12065\n3 = 80000fffffeec160\n4 = 7fffffffffe000\n"
	"5 = 100000015067\n6 = 20\n7 = 8000000000017867\n8 = 1800000000018067\n9 = 80000000000190ff\n"
	"page 8000\n0 = 9067\nunreadable 9000\n";

static const struct pw_visitor in = { .step = step_in_stage, .span = in_stage, .hole = hole_in_stage };
static const struct pw_visitor by_one = { .span = one_by_one };

static struct found look(const char *text)
{
	struct machine *m = machine_new(machine_text);
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };
	struct pw_error err = { 0 };
	struct found found = { 0 };
	struct pw_filtered *stage;
	struct pw_filter *f;

	if (pw_filter_parse(text, &f, &err))
		fail_msg("%s", err.text);
	found.f = f;
	stage = pw_filtered_new(f, &areas, &in, &found);
	assert_non_null(stage);
	assert_int_equal(pw_walk(&m->space, &opts, &pw_filtered_visitor, stage, &stats), 0);
	assert_int_equal(pw_walk(&m->space, &opts, &by_one, &found, &stats), 0);
	pw_filtered_free(stage);
	pw_filter_free(f);
	machine_free(m);
	if (strcmp(found.stage, found.all))
		fail_msg("%s: the stage has %s, entry by entry it is %s", text, found.stage, found.all);
	return found;
}

static void test_what_each_word_means(void **state)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{ "w and va<200000", "0 5000 7000 8000 9000" },
		{ "leaf and not u and va<8000000000", "" },
		{ "not u and va=ffff800000000000-ffff800000001000", "ffff800000000000" },
		{ "x and va<8000000000", "1000 2000 5000 8000 200000" },
		{ "r and x and not w and u", "1000 2000" },
		{ "protnone", "3000" },
		{ "soft and u", "" },
		{ "soft or protnone and va>ffff800000000000", "4000 ffff800000003000 ffff800000004000" },
		{ "swap", "4000" },
		{ "(huge) and va<8000000000", "200000 400000 40000000" },

		{ "pmd and x", "200000 ffff800000200000" },
		{ "pud", "40000000 ffff800040000000" },
		{ "size=2M and not w and va<8000000000", "400000" },
		{ "size>=2M and size<1G and va<8000000000", "200000 400000" },
		{ "size>4096 and va<8000000000", "200000 400000 40000000" },
		{ "reserved and va<8000000000", "" },
		{ "accessed and not dirty and va<200000", "1000" },
		{ "soft-dirty and va<200000", "7000" },
		{ "key=3 and va<200000", "8000" },
		{ "key>0 and va<200000", "8000" },
		{ "memtype=WB and va=0-2000", "0 1000" },
		{ "memtype!=WB and leaf and va<200000", "9000" },
		{ "va=1fff", "1000" },
		{ "va=1000-2000", "1000" },
		{ "va>=8000 and va<200000", "8000 9000" },
		{ "pa=11000-12000", "1000 ffff800000001000" },
		{ "pa=40200123 and u", "200000 40000000" },
		{ "pa!=0-ffffff and va<4000", "3000" },
		{ "name=[heap]", "0" },
		{ "name~libc", "1000 2000" },
		{ "file=/usr/lib/libc.so.6 and dirty", "2000" },
		{ "file~'usr/lib' and x", "1000 2000" },
		{ "vma=rw-p", "0" },
		{ "vma!=r-xp and vma~p", "0" },
		{ "name!~libc and va<3000", "0" },
		{ "not not w and not (x or va>=200000)", "0 7000 9000" },
		{ "w and(x)and va<200000", "5000 8000" },
		{ "swap-type<32 and swap-offset>0 and va<200000", "4000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct found found;

		if (!cases[i].found)
			continue;
		found = look(cases[i].text);
		if (strcmp(found.all, cases[i].found))
			fail_msg("%s: %s, not %s", cases[i].text, found.all, cases[i].found);
		assert_int_equal(found.holes, 1);
	}
}

/* Steps come when something below them does; those that lead to a hole come always. */
static void test_steps_that_lead_to_nothing_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(look("key=99").steps, 1);
	assert_int_equal(look("va=0").steps, 4);
	assert_int_equal(look("va=40000000").steps, 2);
}

static void test_what_is_wrong_is_said(void **state)
{
	static const char *const cases[][2] = {
		{ "", "filter '': at its end: a flag, a field or ( is missing" },
		{ "w and", "filter 'w and': at its end: a flag, a field or ( is missing" },
		{ "w x", "filter 'w x': at 'x' (character 3): 'and' or 'or' is missing before it" },
		{ "w and foo", "filter 'w and foo': at 'foo' (character 7): there is no flag or field of that name" },
		{ "(w", "filter '(w': at its end: 'and', 'or' or ) is missing" },
		{ "w)", "filter 'w)': at ')' (character 2): 'and' or 'or' is missing before it" },
		{ "size", "filter 'size': at its end: a comparison is missing: = != < <= > >= ~ !~" },
		{ "size=", "filter 'size=': at its end: a value is missing, or its quote has no end" },
		{ "size=x", "filter 'size=x': at 'x' (character 6): it is no size, as in 4K or 2M" },
		{ "size=99999999T",
		  "filter 'size=99999999T': at '99999999T' (character 6): it is no size, as in 4K or 2M" },
		{ "size~2", "filter 'size~2': at '2' (character 6): numbers are compared by = != < <= > >=" },
		{ "name<x", "filter 'name<x': at 'x' (character 6): texts are compared by = != ~ !~" },
		{ "name='x", "filter 'name='x': at ''x' (character 6): a value is missing, or its quote has no end" },
		{ "key=-1", "filter 'key=-1': at '-1' (character 5): it is no number" },
		{ "va=2-1", "filter 'va=2-1': at '2-1' (character 4): it is no address, or range A-B for = and !=" },
		{ "va<1-2", "filter 'va<1-2': at '1-2' (character 4): it is no address, or range A-B for = and !=" },
		{ "and", "filter 'and': at 'and' (character 1): there is no flag or field of that name" },
		{ "\xff", "filter '\xff': at '\xff' (character 1): a flag, a field or ( is missing" },
	};
	static char deep[8192];
	struct pw_filter *f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pw_error err = { 0 };

		assert_int_equal(pw_filter_parse(cases[i][0], &f, &err), -EINVAL);
		assert_string_equal(err.text, cases[i][1]);
	}
	for (size_t n = 1; n < 5000; n += 97) {
		memset(deep, '(', n);
		strcpy(deep + n, "w");
		assert_int_equal(pw_filter_parse(deep, &f, NULL), -EINVAL);
		for (size_t i = 0; i < n; i++)
			memcpy(deep + 4 * (i % 1000), "not ", 4);
		strcpy(deep + 4 * (n < 1000 ? n : 1000), "w");
		if (!pw_filter_parse(deep, &f, NULL))
			pw_filter_free(f);
	}
}

/* Random strings of tokens: whatever parses is asked, and the stage agrees. */
static void test_random_expressions(void **state)
{
	static const char *const tokens[] = { "w",     "x",        "u",        "r",         "and",        "or",
					      "not",   "(",        ")",        "va=0-3000", "size=2M",    "name~libc",
					      "dirty", "leaf",     "protnone", "swap",      "\"",         "~",
					      "key=3", "va>",      "5000",     "pa<13000",  "soft-dirty", "size>",
					      "4K",    "'[heap]'", "name=" };
	unsigned parsed = 0;
	char text[512];

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct pw_filter *f;
		size_t n = 0;

		for (unsigned k = 1 + (unsigned)rand() % 7; k-- > 0;)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
					      tokens[(size_t)rand() % (sizeof(tokens) / sizeof(tokens[0]))],
					      rand() % 4 ? " " : "");
		if (pw_filter_parse(text, &f, NULL))
			continue;
		pw_filter_free(f);
		parsed++;
		if (parsed % 4 == 0)
			look(text);
	}
	assert_true(parsed > 300);
}

static void test_what_a_source_does_not_know(void **state)
{
	const struct pw_mmu pagemap = { .arch = &pw_arch_pagemap }, x86 = { .arch = &pw_arch_x86_64 };
	static const char *const no[] = { "w",     "not x", "size=2M", "va=0 and huge",
					  "dirty", "pmd",   "key=1",   "memtype=UC" };
	static const char *const yes[] = { "soft-dirty", "swap", "name~x and va>0", "protnone or leaf" };
	struct pw_filter *f;

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_int_equal(pw_filter_parse(no[i], &f, NULL), 0);
		assert_int_equal(pw_filter_check(f, &pagemap, NULL), -EOPNOTSUPP);
		assert_int_equal(pw_filter_check(f, &x86, NULL), 0);
		pw_filter_free(f);
	}
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		assert_int_equal(pw_filter_parse(yes[i], &f, NULL), 0);
		assert_int_equal(pw_filter_check(f, &pagemap, NULL), 0);
		pw_filter_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_each_word_means),
		cmocka_unit_test(test_steps_that_lead_to_nothing_are_left_out),
		cmocka_unit_test(test_what_is_wrong_is_said),
		cmocka_unit_test(test_random_expressions),
		cmocka_unit_test(test_what_a_source_does_not_know),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
