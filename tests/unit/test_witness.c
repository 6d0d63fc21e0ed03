/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a witness contradicts is a hole to the walker and the verdict of a translation, and nothing below it is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"
#include "witness.h"

static const char machine_text[] = "mmu levels=4 maxphyaddr=46\nram 0-fffff\n"
				   "page 1000\n0 = 2067\n256 = 2063\n"
				   "page 2000\n0 = 3067\n"
				   "page 3000\n0 = 4067\n1 = 5067\n2 = 4067\n3 = 4067\n"
				   "page 4000\n0 = 8000000000010067\n1 = 8000000000011067\n2 = 8000000000012067\n"
				   "page 5000\n0 = 8000000000013067\n";

/* Says something about one address, and notes what it was asked. */
struct liar {
	struct pw_witness w;
	uint64_t root, table, page;
	bool once; /* no table may be met twice */
	uint64_t met[16];
	size_t nmet;
};

static struct liar *liar_of(struct pw_witness *w)
{
	return (struct liar *)w;
}

static void begin(struct pw_witness *w)
{
	liar_of(w)->nmet = 0;
}

static enum pw_doubt root(struct pw_witness *w, uint64_t pa)
{
	return pa == liar_of(w)->root ? PW_DOUBT_ROOT : PW_DOUBT_NONE;
}

static enum pw_doubt table(struct pw_witness *w, enum pw_level level, uint64_t slot_pa, uint64_t pa)
{
	assert_int_equal(level, pa == 0x2000 ? PW_PUD : pa == 0x3000 ? PW_PMD : PW_PTE);
	assert_true(slot_pa < 0x4000);
	return pa == liar_of(w)->table ? PW_DOUBT_TABLE : PW_DOUBT_NONE;
}

static enum pw_doubt met(struct pw_witness *w, enum pw_level level, uint64_t pa)
{
	struct liar *l = liar_of(w);

	(void)level;
	for (size_t i = 0; i < l->nmet && l->once; i++)
		if (l->met[i] == pa)
			return PW_DOUBT_TWICE;
	assert_true(l->nmet < 16);
	l->met[l->nmet++] = pa;
	return PW_DOUBT_NONE;
}

static size_t entries(struct pw_witness *w, const struct pw_span *span, enum pw_doubt *doubt)
{
	for (size_t i = 0; i < span->n; i++)
		if ((span->raw[i] & 0xfffff000) == liar_of(w)->page && liar_of(w)->page) {
			*doubt = PW_DOUBT_PAGE;
			return i;
		}
	return span->n;
}

static void nothing(struct pw_witness *w)
{
	(void)w;
}

static struct machine *machine_with(struct liar *l)
{
	struct machine *m = machine_new(machine_text);

	l->w = (struct pw_witness){
		.begin = begin, .root = root, .table = table, .met = met, .entries = entries, .free = nothing
	};
	l->w.checked = l->once ? 1u << PW_DOUBT_TWICE : 0;
	m->space.witness = &l->w;
	return m;
}

struct story {
	char text[4096];
	size_t len;
};

static int on_span(void *ctx, const struct pw_span *span)
{
	struct story *s = ctx;

	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i])
			s->len += snprintf(s->text + s->len, sizeof(s->text) - s->len, "%llx\n",
					   (unsigned long long)(span->va + ((uint64_t)i << span->shift)));
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	struct story *s = ctx;

	s->len += snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s %llx-%llx %s %s\n",
			   pw_level_name(hole->level), (unsigned long long)hole->va, (unsigned long long)hole->last,
			   pw_hole_name(hole->reason), pw_doubt_name(hole->doubt));
	return 0;
}

static void expect(struct liar *l, bool fold, uint64_t inconsistent, const char *text)
{
	static const struct pw_visitor visitor = { .span = on_span, .hole = on_hole };
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, 0x7fffffffffff }, .fold_aliases = fold };
	struct machine *m = machine_with(l);
	struct pw_walk_stats stats = { 0 };
	struct story s = { 0 };

	assert_int_equal(pw_walk(&m->space, &opts, &visitor, &s, &stats), 0);
	assert_string_equal(s.text, text);
	assert_int_equal(stats.inconsistent, inconsistent);
	assert_int_equal(stats.unreadable, 0);
	machine_free(m);
}

static void test_walk_makes_holes_of_doubts(void **state)
{
	(void)state;
	expect(&(struct liar){ .root = 0x1000 }, false, 1, "pgd 0-7fffffffffff inconsistent other-root\n");
	expect(&(struct liar){ .table = 0x2000 }, false, 1, "pgd 0-7fffffffff inconsistent not-a-table\n");
	expect(&(struct liar){ .table = 0x5000 }, true, 1,
	       "0\n1000\n2000\npmd 200000-3fffff inconsistent not-a-table\n400000\n401000\n402000\n"
	       "pmd 600000-7fffff alias none\n");
	expect(&(struct liar){ .page = 0x10000 }, true, 2,
	       "pte 0-fff inconsistent not-mapped\n1000\n2000\n200000\npte 400000-400fff inconsistent "
	       "not-mapped\n401000\n402000\n"
	       "pmd 600000-7fffff alias none\n");
	expect(&(struct liar){ .page = 0x12000 }, true, 2,
	       "0\n1000\npte 2000-2fff inconsistent not-mapped\n200000\n400000\n401000\npte 402000-402fff inconsistent "
	       "not-mapped\n"
	       "pmd 600000-7fffff alias none\n");
}

/* Neighbours that are the same table are no repetition to be left out then, either. */
static void test_table_that_is_met_twice(void **state)
{
	static const char twice[] = "0\n1000\n2000\n200000\npmd 400000-5fffff inconsistent met-twice\n"
				    "pmd 600000-7fffff inconsistent met-twice\n";

	(void)state;
	expect(&(struct liar){ .once = true }, false, 2, twice);
	expect(&(struct liar){ .once = true }, true, 2, twice);
}

static void translated(struct liar *l, uint64_t va, enum pw_verdict verdict, enum pw_doubt doubt, unsigned npath)
{
	struct machine *m = machine_with(l);
	struct pw_translation t;

	assert_int_equal(pw_translate(&m->space, &va, 1, &t), 0);
	assert_int_equal(t.verdict, verdict);
	assert_int_equal(t.doubt, doubt);
	assert_int_equal(t.npath, npath);
	if (verdict == PW_V_INCONSISTENT)
		assert_true(t.pa == PW_PA_NONE && !t.perm);
	machine_free(m);
}

static void test_translation_is_doubted(void **state)
{
	(void)state;
	translated(&(struct liar){ .root = 0x1000 }, 0x1000, PW_V_INCONSISTENT, PW_DOUBT_ROOT, 0);
	translated(&(struct liar){ .table = 0x3000 }, 0x1000, PW_V_INCONSISTENT, PW_DOUBT_TABLE, 2);
	translated(&(struct liar){ .page = 0x11000 }, 0x1000, PW_V_INCONSISTENT, PW_DOUBT_PAGE, 4);
	translated(&(struct liar){ .page = 0x11000 }, 0x2000, PW_MAPPED, PW_DOUBT_NONE, 4);
	translated(&(struct liar){ .table = 0x3000 }, 0x800000, PW_V_INCONSISTENT, PW_DOUBT_TABLE, 2);
}

/* The kernel's half has none: its tables are never given back. */
static void test_kernel_half_is_not_asked_about(void **state)
{
	(void)state;
	translated(&(struct liar){ .root = 0x1000, .table = 0x2000 }, UINT64_C(0xffff800000000000), PW_MAPPED,
		   PW_DOUBT_NONE, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_makes_holes_of_doubts),
		cmocka_unit_test(test_table_that_is_met_twice),
		cmocka_unit_test(test_translation_is_doubted),
		cmocka_unit_test(test_kernel_half_is_not_asked_about),
	};

	return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
