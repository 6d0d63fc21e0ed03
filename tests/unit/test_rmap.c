/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rmap: the set of frames, and that all ways to a frame are found, once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/rmap.h>

#include "frames.h"
#include "machine.h"
#include "space.h"

#define MMU "mmu levels=4 maxphyaddr=46\n"
#define MAX PW_RMAP_MAX_FRAMES

/* ---- the set ---- */

static void test_set_is_what_was_added(void **state)
{
	static uint8_t in[1 << 16];
	struct pw_frames f = { 0 };
	size_t n = 0, at = 0;

	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t lo = random() % 60000, last = lo + (i % 10 ? 0 : random() % 40);

		assert_int_equal(pw_frames_add(&f, (struct pw_range){ lo, last }, MAX), 0);
		memset(in + lo, 1, last - lo + 1);
	}
	assert_int_equal(pw_frames_ready(&f, MAX), 0);
	for (uint64_t pfn = 0; pfn < sizeof(in); pfn++) {
		assert_int_equal(pw_frames_has(&f, pfn, &at), in[pfn]);
		if (!in[pfn])
			continue;
		assert_int_equal(pw_frames_index(&f, at, pfn), n);
		assert_int_equal(pw_frames_at(&f, n), pfn);
		n++;
	}
	assert_int_equal(f.nframes, n);
	pw_frames_free(&f);
}

static void test_set_has_bounds(void **state)
{
	struct pw_frames f = { 0 };
	size_t at;

	(void)state;
	assert_int_equal(pw_frames_add(&f, (struct pw_range){ 0, UINT64_MAX }, MAX), -E2BIG);
	assert_int_equal(pw_frames_add(&f, (struct pw_range){ 5, 5 + MAX }, MAX), -E2BIG);
	assert_int_equal(pw_frames_add(&f, (struct pw_range){ UINT64_MAX, UINT64_MAX }, MAX), 0);
	assert_int_equal(pw_frames_add(&f, (struct pw_range){ 5, 5 + MAX - 2 }, MAX), 0);
	/* The same ones again and again are no more. */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pw_frames_add(&f, (struct pw_range){ 5, 4 + MAX / 8 }, MAX), 0);
	assert_int_equal(pw_frames_ready(&f, MAX), 0);
	assert_int_equal(f.nframes, MAX);
	assert_true(pw_frames_has(&f, UINT64_MAX, &at));
	assert_false(pw_frames_has(&f, UINT64_MAX - 1, &at));
	assert_false(pw_frames_has(&f, 4, &at));
	pw_frames_free(&f);

	assert_int_equal(pw_frames_add(&f, (struct pw_range){ 1, MAX }, MAX), 0);
	assert_int_equal(pw_frames_add(&f, (struct pw_range){ 2 * MAX, 2 * MAX }, MAX), 0);
	assert_int_equal(pw_frames_ready(&f, MAX), -E2BIG);
	pw_frames_free(&f);
}

static void test_empty_set_has_nothing(void **state)
{
	struct pw_frames f = { 0 };
	size_t at;

	(void)state;
	assert_int_equal(pw_frames_ready(&f, MAX), 0);
	assert_false(pw_frames_has(&f, 0, &at));
	pw_frames_free(&f);
}

/* ---- ways ---- */

struct story {
	char text[8192];
	size_t len;
};

static void tell(struct story *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	s->len += vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, args);
	va_end(args);
	assert_true(s->len < sizeof(s->text));
}

static int on_mapping(void *ctx, const struct pw_mapping *m)
{
	char perm[5];

	tell(ctx, "%llx+%llu at %llx %s %s %s\n", (unsigned long long)m->pa, (unsigned long long)m->frames,
	     (unsigned long long)m->va, pw_level_name(m->level), pw_kind_name(m->kind), pw_perm_text(m->perm, perm));
	return 0;
}

static int on_table(void *ctx, const struct pw_table_page *t)
{
	tell(ctx, "%llx is %s table of %llx-%llx%s\n", (unsigned long long)t->pa, pw_level_name(t->level),
	     (unsigned long long)t->va, (unsigned long long)t->last, t->user_root ? " user" : "");
	return 0;
}

static int on_again(void *ctx, const struct pw_rmap_again *a)
{
	tell(ctx, "%llx-%llx as %llx\n", (unsigned long long)a->va, (unsigned long long)a->last,
	     (unsigned long long)a->alias_va);
	return 0;
}

static int on_same(void *ctx, const struct pw_space *space, pid_t first)
{
	(void)space;
	tell(ctx, "same as %d\n", (int)first);
	return 0;
}

static const struct pw_rmap_visitor visitor = { on_mapping, on_table, on_again, on_same };

static struct pw_rmap *rmap_of(const struct pw_range *pa, size_t n)
{
	struct pw_rmap *r = pw_rmap_new();

	assert_non_null(r);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pw_rmap_add(r, pa[i], NULL), 0);
	return r;
}

static void look(struct pw_rmap *r, const struct pw_space *space, struct story *s)
{
	struct pw_walk_stats stats = { 0 };

	assert_int_equal(pw_rmap_space(r, space, &visitor, s, &stats), 0);
}

/* 4K, 2M and 1G pages, PROT_NONE, a reserved bit, and the same frame at two addresses. */
static const char sizes[] = MMU "page 1000\n0 = 2067\n"
				"page 2000\n0 = 3067\n1 = 80000000800000e7\n"
				"page 3000\n0 = 4067\n1 = 80000000402000e7\n2 = 5067\n"
				"page 4000\n7 = 8000000012345067\n8 = 12346067\n"
				"page 5000\n0 = 12345025\n";

static void test_pages_of_all_sizes_are_found(void **state)
{
	static const struct pw_range pa[] = {
		{ 0x12345000, 0x12345fff },
		{ 0x40203000, 0x40204fff },
		{ 0x403ff000, 0x40400fff },
		{ 0x80123000, 0x80123000 },
	};
	struct machine *m = machine_new(sizes);
	struct pw_rmap *r = rmap_of(pa, 4);
	struct story s = { 0 };
	struct pw_frame f;

	(void)state;
	look(r, &m->space, &s);
	assert_string_equal(s.text, "12345000+1 at 7000 pte leaf rw-u\n"
				    "40203000+2 at 203000 pmd leaf rw-u\n"
				    "403ff000+1 at 3ff000 pmd leaf rw-u\n"
				    "12345000+1 at 400000 pte leaf r-xu\n"
				    "80123000+1 at 40123000 pud leaf rw-u\n");
	pw_rmap_frame(r, 0, &f);
	assert_int_equal(f.pa, 0x12345000);
	assert_int_equal(f.user, 2);
	assert_int_equal(f.kernel, 0);
	pw_rmap_frame(r, 4, &f);
	assert_int_equal(f.pa, 0x40400000);
	assert_int_equal(f.user, 0);
	assert_int_equal(pw_rmap_nframes(r), 6);
	pw_rmap_free(r);
	machine_free(m);
}

static void test_protnone_counts_and_reserved_bits_do_not(void **state)
{
	static const struct pw_range pa = { 0x4000000, 0x4000fff };
	/* ~0x4000000 in the address bits, bit 8; and the plain leaf with bit 46 set, which is beyond MAXPHYADDR. */
	struct machine *m = machine_new(MMU "page 1000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n0 = 4067\n"
					    "page 4000\n1 = 800ffffffbfff160\n2 = 8000400004000067\n");
	struct pw_rmap *r = rmap_of(&pa, 1);
	struct story s = { 0 };

	(void)state;
	look(r, &m->space, &s);
	assert_string_equal(s.text, "4000000+1 at 1000 pte protnone ----\n");
	pw_rmap_free(r);
	machine_free(m);
}

static void test_table_pages_are_told(void **state)
{
	static const struct pw_range pa = { 0x1000, 0x5fff };
	struct machine *m = machine_new(sizes);
	struct pw_rmap *r = rmap_of(&pa, 1);
	struct story s = { 0 };

	(void)state;
	look(r, &m->space, &s);
	assert_string_equal(s.text, "1000 is pgd table of 0-ffffffffffffffff\n"
				    "2000 is pud table of 0-7fffffffff\n"
				    "3000 is pmd table of 0-3fffffff\n"
				    "4000 is pte table of 0-1fffff\n"
				    "5000 is pte table of 400000-5fffff\n");
	pw_rmap_free(r);
	machine_free(m);
}

/* Two roots with one kernel half, but for a slot (272) that the second one has alone; the third is the first again. */
static const char halves[] = MMU "page 1000\n256 = 6067\n"
				 "page 6000\n0 = 7067\npage 7000\n0 = 8067\npage 8000\n0 = 12345063\n"
				 "page a000\n256 = 6067\n272 = 6067\n";

static void test_kernel_half_is_walked_once(void **state)
{
	static const struct pw_range pa = { 0x12345000, 0x12345fff };
	struct machine *m = machine_new(halves);
	struct pw_rmap *r = rmap_of(&pa, 1);
	struct pw_space other = m->space;
	struct story s = { 0 };

	(void)state;
	m->space.pid = 7;
	look(r, &m->space, &s);
	other.piece[0].root = other.piece[1].root = 0xa000;
	look(r, &other, &s);
	look(r, &m->space, &s);
	assert_string_equal(s.text, "12345000+1 at ffff800000000000 pte leaf rwx-\n"
				    "12345000+1 at ffff880000000000 pte leaf rwx-\n"
				    "same as 7\n");
	pw_rmap_free(r);
	machine_free(m);
}

/* With page-table isolation: what a user root has in the kernel's half is found once, by the first. */
static void test_user_roots_have_a_kernel_half(void **state)
{
	static const struct pw_range pa[] = { { 0x12345000, 0x12345fff }, { 0xa000, 0xbfff } };
	struct machine *m = machine_new(MMU "page a000\n256 = 6067\npage b000\n256 = d067\n"
					    "page 6000\n0 = 7067\npage 7000\n0 = 8067\npage 8000\n0 = 12345063\n"
					    "page d000\n0 = e067\npage e000\n0 = f067\npage f000\n0 = 12345061\n");
	struct pw_rmap *r = rmap_of(pa, 2);
	struct story s = { 0 };

	(void)state;
	m->space.piece[0].root = 0xb000;
	m->space.piece[1].root = 0xa000;
	look(r, &m->space, &s);
	assert_string_equal(s.text, "b000 is pgd table of 0-ffffffffffffffff user\n"
				    "12345000+1 at ffff800000000000 pte leaf r-x-\n"
				    "a000 is pgd table of 0-ffffffffffffffff\n"
				    "12345000+1 at ffff800000000000 pte leaf rwx-\n");
	pw_rmap_free(r);
	machine_free(m);
}

/* KASAN's shadow: tables that are there again and again. */
static void test_repeated_kernel_tables_are_told_once(void **state)
{
	static const struct pw_range pa = { 0x12345000, 0x12345fff };
	struct machine *m =
		machine_new(MMU "page 1000\n256-257 = 6067\n"
				"page 6000\n0-511 = 7067\npage 7000\n0-511 = 8067\npage 8000\n3 = 12345063\n");
	struct pw_rmap *r = rmap_of(&pa, 1);
	struct story s = { 0 };
	size_t lines = 0;

	(void)state;
	look(r, &m->space, &s);
	for (const char *p = s.text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 4);
	assert_non_null(strstr(s.text, "12345000+1 at ffff800000003000"));
	assert_non_null(strstr(s.text, "ffff808000000000-ffff80ffffffffff as ffff800000000000"));
	pw_rmap_free(r);
	machine_free(m);
}

static void test_self_map_ends(void **state)
{
	static const struct pw_range pa = { 0x1000, 0x1fff };
	struct machine *m = machine_new(MMU "ram 0-ffff\npage 1000\n0-49 = 1067\n");
	struct pw_rmap *r = rmap_of(&pa, 1);
	static const struct pw_rmap_visitor nobody;
	struct pw_walk_stats stats = { 0 };
	struct pw_frame f;

	(void)state;
	assert_int_equal(pw_rmap_space(r, &m->space, &nobody, NULL, &stats), 0);
	assert_true(stats.truncated);
	pw_rmap_frame(r, 0, &f);
	assert_true(f.tables && f.user);
	pw_rmap_free(r);
	machine_free(m);
}

static void test_frames_of_a_range(void **state)
{
	struct machine *m = machine_new(sizes);
	struct pw_rmap *r = rmap_of(NULL, 0);
	struct pw_error err = { 0 };
	struct pw_frame f;

	(void)state;
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0x7abc, 0x7abc }, &err), 0);
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0x3ff123, 0x400123 }, &err), 0);
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0x40000fff, 0x40001000 }, &err), 0);
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0, 0x6fff }, &err), -ENOENT);
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0, UINT64_MAX }, &err), 0);
	pw_rmap_free(r);

	r = rmap_of(NULL, 0);
	assert_int_equal(pw_rmap_add_mapped(r, &m->space, (struct pw_range){ 0x3ff123, 0x400123 }, &err), 0);
	assert_int_equal(pw_rmap_nframes(r), 2);
	pw_rmap_frame(r, 0, &f);
	assert_int_equal(f.pa, 0x12345000);
	pw_rmap_frame(r, 1, &f);
	assert_int_equal(f.pa, 0x403ff000);
	/* From then on they have their numbers. */
	assert_int_equal(pw_rmap_add(r, (struct pw_range){ 0, 0 }, &err), -EBUSY);
	pw_rmap_free(r);
	machine_free(m);
}

/* Two processes share a table of 2M pages, as with hugetlbfs. */
static void test_shared_tables_are_noticed(void **state)
{
	static const struct pw_range pa = { 0x40200000, 0x405fffff };
	struct machine *m = machine_new(MMU "page 1000\n0 = 2067\npage 2000\n0 = 9067\n"
					    "page a000\n0 = b067\npage b000\n3 = 9067\n"
					    "page 9000\n1 = 80000000402000e7\n2 = 80000000404000e7\n");
	struct pw_rmap *r = rmap_of(&pa, 1);
	struct pw_space other = m->space;
	struct story s = { 0 };
	struct pw_frame f;

	(void)state;
	look(r, &m->space, &s);
	pw_rmap_frame(r, 3, &f);
	assert_int_equal(f.user, 1);
	assert_int_equal(f.shared, 0);
	other.piece[0].root = other.piece[1].root = 0xa000;
	look(r, &other, &s);
	pw_rmap_frame(r, 3, &f);
	assert_int_equal(f.user, 2);
	assert_int_equal(f.shared, 1);
	assert_null(pw_rmap_why(&f, 2, 0));
	assert_non_null(strstr(pw_rmap_why(&f, 1, UINT64_C(1) << 17), "share"));
	pw_rmap_free(r);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_is_what_was_added),
		cmocka_unit_test(test_set_has_bounds),
		cmocka_unit_test(test_empty_set_has_nothing),
		cmocka_unit_test(test_pages_of_all_sizes_are_found),
		cmocka_unit_test(test_protnone_counts_and_reserved_bits_do_not),
		cmocka_unit_test(test_table_pages_are_told),
		cmocka_unit_test(test_kernel_half_is_walked_once),
		cmocka_unit_test(test_user_roots_have_a_kernel_half),
		cmocka_unit_test(test_repeated_kernel_tables_are_told_once),
		cmocka_unit_test(test_self_map_ends),
		cmocka_unit_test(test_frames_of_a_range),
		cmocka_unit_test(test_shared_tables_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
