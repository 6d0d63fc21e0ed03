/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats: what is counted, by tables made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"
#include "stats_parts.h"

#define MMU "mmu levels=4 maxphyaddr=46 dialect=soft-dirty,uffd-wp\n"
/* A PMD table at 0x3000; PTE tables follow. */
#define PMDS MMU "page 1000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n"
#define PTES PMDS "0 = 4067\npage 4000\n"

#define M2 UINT64_C(0x200000)

static struct pw_stats stats_with(const char *text, struct pw_area *areas, size_t n, const struct pw_joins *joins)
{
	struct machine *m = machine_new(text);
	const struct pw_stats_opts opts = { .size = sizeof(opts), .joins = joins };
	struct pw_error err = { 0 };
	struct pw_stats s;

	m->space.areas = (struct pw_areas){ .v = areas, .n = n };
	assert_int_equal(pw_stats(&m->space, &opts, &s, &err), 0);
	m->space.areas = (struct pw_areas){ 0 };
	/* The names of flags are not needed, and the mmu goes with the machine. */
	s.counts.mmu = NULL;
	machine_free(m);
	return s;
}

static struct pw_stats stats_of(const char *text)
{
	return stats_with(text, NULL, 0, NULL);
}

/* ---- blocks ---- */

/* "order:blocks ..." */
static const char *blocks(uint64_t va, uint64_t pa, uint64_t bytes)
{
	static char text[512];
	struct pw_extent e = { va, pa, bytes };
	uint64_t n[PW_ORDERS] = { 0 };
	int len = 0;

	pw_extent_blocks(&e, n);
	text[0] = 0;
	for (unsigned order = 0; order < PW_ORDERS; order++)
		if (n[order])
			len += snprintf(text + len, sizeof(text) - len, "%s%u:%llu", len ? " " : "", order,
					(unsigned long long)n[order]);
	return text;
}

static void test_blocks_are_naturally_aligned_in_both(void **state)
{
	(void)state;
	assert_string_equal(blocks(0x1000, 0x1000, 0x1000), "0:1");
	assert_string_equal(blocks(0, 0, 0x8000), "3:1");
	assert_string_equal(blocks(0x1000, 0x1000, 0x8000), "0:2 1:1 2:1"); /* 1, 2-3, 4-7, 8 */
	assert_string_equal(blocks(0x8000, 0x10000, 0x10000), "3:2");       /* agree modulo 32K only */
	assert_string_equal(blocks(0x1000, 0x2000, 0x100000), "0:256");     /* agree in nothing */
	assert_string_equal(blocks(0x3000, 0x5000, 0x5000), "0:1 1:2");     /* modulo 8K: 3, 4-5, 6-7 */
}

static void test_blocks_of_a_gib_are_the_largest(void **state)
{
	const uint64_t g = UINT64_C(1) << 30;

	(void)state;
	assert_string_equal(blocks(4 * g, 8 * g, 5 * g), "18:5");
	assert_string_equal(blocks(4 * g + M2, g + M2, 3 * g), "9:2 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1 18:2");
	assert_string_equal(blocks(UINT64_MAX - g + 1, 0, g), "18:1"); /* up to the last byte */
	assert_string_equal(blocks(0, 0, UINT64_C(1) << 62), "18:4294967296");
}

/* Whatever the extent: the blocks are all of it, and there is no pair left that could be one. */
static void test_blocks_add_up(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct pw_extent e;
		uint64_t n[PW_ORDERS] = { 0 }, pages = 0;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		e.va = (seed >> 20 & 0xfffff) << 12;
		e.pa = e.va + ((seed >> 40 & 0xff) << (12 + (seed >> 50 & 15)));
		e.bytes = ((seed >> 3 & 0xffff) + 1) << 12;
		pw_extent_blocks(&e, n);
		for (unsigned order = 0; order < PW_ORDERS; order++)
			pages += n[order] << order;
		assert_int_equal(pages, e.bytes >> 12);
		for (unsigned order = 0; order + 1 < PW_ORDERS; order++)
			/* Two at either end, or all of the largest order that the addresses agree in. */
			assert_true(n[order] <= 2 || ((e.va ^ e.pa) >> 12 & ((2u << order) - 1)));
	}
}

/* ---- contiguity ---- */

static void test_extents_go_over_tables_and_sizes(void **state)
{
	/* The last page of a table, the first of the next, then a 2M page, all one after the other. */
	struct pw_stats s = stats_of(PMDS "0 = 4067\n1 = 5067\n2 = 80000000008000e7\npage 4000\n"
					  "511 = 80000000005ff067\npage 5000\n0-511 = 8000000000600067 step 1000\n");

	(void)state;
	assert_int_equal(s.contiguity.extents[10], 1);
	assert_int_equal(s.contiguity.extent_bytes[10], 2 * M2 + 0x1000);
	assert_int_equal(s.contiguity.blocks[0], 1);
	assert_int_equal(s.contiguity.blocks[9] + 2 * s.contiguity.blocks[10], 2);
	pw_stats_free(&s);
}

static void test_permissions_do_not_end_an_extent_but_a_merge(void **state)
{
	struct pw_stats s = stats_of(PTES "0-7 = 8000000000010067 step 1000\n8-15 = 8000000000018065 step 1000\n");

	(void)state;
	assert_int_equal(s.contiguity.extents[4], 1);
	assert_int_equal(s.contiguity.blocks[4], 1);
	assert_int_equal(s.tlb.now[PW_PTE], 16);
	assert_int_equal(s.tlb.blocks, 2);
	pw_stats_free(&s);
}

static void test_accessed_and_dirty_do_not_end_a_merge(void **state)
{
	struct pw_stats s = stats_of(PTES "0-7 = 8000000000010067 step 1000\n8-15 = 8000000000018007 step 1000\n");

	(void)state;
	assert_int_equal(s.tlb.blocks, 1);
	assert_int_equal(s.accessed[PW_PTE], 8 * 4096);
	assert_int_equal(s.dirty[PW_PTE], 8 * 4096);
	pw_stats_free(&s);
}

static void test_permission_above_ends_a_merge(void **state)
{
	/* Two tables, the second below a read-only entry. */
	struct pw_stats s = stats_of(PMDS "0 = 4067\n1 = 5065\npage 4000\n508-511 = 80000000001fc067 step 1000\n"
					  "page 5000\n0-3 = 8000000000200067 step 1000\n");

	(void)state;
	assert_int_equal(s.contiguity.extents[3], 1);
	assert_int_equal(s.tlb.blocks, 2);
	pw_stats_free(&s);
}

/* ---- TLB ---- */

static void test_full_aligned_table_merges_into_one_entry(void **state)
{
	struct pw_stats s = stats_of(PTES "0-511 = 8000000000400067 step 1000\n"),
			off = stats_of(PTES "0-511 = 8000000000401067 step 1000\n");

	(void)state;
	assert_int_equal(s.tlb.now[PW_PTE], 512);
	assert_int_equal(s.tlb.merged[PW_PTE], 0);
	assert_int_equal(s.tlb.merged[PW_PMD], 1);
	assert_int_equal(off.tlb.merged[PW_PTE], 512);
	assert_int_equal(off.tlb.merged[PW_PMD], 0);
	assert_int_equal(off.tlb.blocks, 512);
	pw_stats_free(&s);
	pw_stats_free(&off);
}

static void test_512_huge_pages_merge_into_one_of_a_gib(void **state)
{
	struct pw_stats s = stats_of(PMDS "0-511 = 80000000400000e7 step 200000\n");

	(void)state;
	assert_int_equal(s.tlb.now[PW_PMD], 512);
	assert_int_equal(s.tlb.merged[PW_PMD], 0);
	assert_int_equal(s.tlb.merged[PW_PUD], 1);
	assert_int_equal(s.tlb.blocks, 1);
	pw_stats_free(&s);
}

/* ---- tables ---- */

static void test_empty_single_and_full_tables(void **state)
{
	struct pw_stats s = stats_of(PMDS "0 = 4067\n1 = 5067\n2 = 6067\n3 = 7067\npage 4000\npage 5000\n9 = 10067\n"
					  "page 6000\n0-511 = 10067\npage 7000\n1 = 60\n2 = 10067\n3 = "
					  "7fffffffffe000\n");

	(void)state;
	assert_int_equal(s.counts.tables[PW_PTE], 4);
	assert_int_equal(s.empty[PW_PTE], 1);
	assert_int_equal(s.single[PW_PTE], 1);
	assert_int_equal(s.full[PW_PTE], 1);
	assert_int_equal(s.slots[PW_PTE], 4 * 512);
	assert_int_equal(s.counts.entries[PW_PTE][PW_LEAF], 514);
	assert_int_equal(s.counts.entries[PW_PTE][PW_SOFT], 1); /* Accessed and Dirty alone are nothing */
	assert_int_equal(s.single[PW_PUD], 1);
	assert_int_equal(s.counts.tables[PW_PGD], 1); /* of both halves, once */
	assert_int_equal(s.slots[PW_PGD], 512);
	assert_int_equal(s.table_bytes, 7 * 4096);
	pw_stats_free(&s);
}

static void test_what_cannot_be_read_is_an_entry_and_no_table(void **state)
{
	struct pw_stats s = stats_of(PMDS "0 = 4067\n1 = 9067\nunreadable 9000\npage 4000\n0 = 10067\n");

	(void)state;
	assert_int_equal(s.counts.entries[PW_PMD][PW_TABLE], 2);
	assert_int_equal(s.counts.tables[PW_PTE], 1);
	assert_int_equal(s.walk.unreadable, 1);
	pw_stats_free(&s);
}

static void test_reserved_leaf_is_counted_and_not_mapped(void **state)
{
	struct pw_stats s = stats_of(PTES "0 = 8004000012345867\n1 = 8000000012346867\n");

	(void)state;
	assert_int_equal(s.counts.entries[PW_PTE][PW_LEAF], 2);
	assert_int_equal(s.reserved, 1);
	assert_int_equal(pw_stats_mapped(&s), 4096);
	assert_int_equal(s.tlb.now[PW_PTE], 1);
	pw_stats_free(&s);
}

static void test_shared_table_is_charged_to_the_lowest_area(void **state)
{
	struct pw_area v[] = {
		{ .lo = 0x1000, .last = 0x2fff, .name = "a", .perms = "rw-p" },
		{ .lo = 0x3000, .last = M2 + 0xfff, .name = "b", .perms = "rw-p" },
	};
	struct pw_stats s =
		stats_with(PMDS "0 = 4067\n1 = 5067\npage 4000\n1-4 = 10067\npage 5000\n0 = 10067\n", v, 2, NULL);

	(void)state;
	assert_int_equal(s.area[0].table_bytes, 3 * 4096); /* pud, pmd and the first pte table */
	assert_int_equal(s.area[0].mapped, 2 * 4096);
	assert_int_equal(s.area[1].table_bytes, 4096);
	assert_int_equal(s.area[1].mapped, 3 * 4096);
	pw_stats_free(&s);
}

/* ---- huge pages ---- */

/* One range of 2M in an anonymous area of its own: the cause, or "huge" "untouched". */
static const char *cause_in(const char *ptes, struct pw_area area)
{
	struct pw_stats s;
	char text[4096];
	const char *found = NULL;

	snprintf(text, sizeof(text), PMDS "1 = %s", ptes);
	area.perms[0] = 'r';
	area.perms[3] = 'p';
	area.name = "[anon]";
	s = stats_with(text, &area, 1, NULL);
	for (unsigned i = 0; i < PW_THP_NCAUSES; i++) {
		if (!s.thp.missed[i])
			continue;
		assert_null(found);
		assert_int_equal(s.thp.missed[i], 1);
		found = pw_thp_cause_name(i);
	}
	if (s.thp.huge)
		found = found ? "both" : "huge";
	assert_int_equal(s.thp.ranges, s.thp.huge + s.thp.untouched + (found && !s.thp.huge && !s.thp.missed[0]));
	pw_stats_free(&s);
	return found ? found : "untouched";
}

static const char *cause(const char *ptes)
{
	return cause_in(ptes, (struct pw_area){ .lo = M2, .last = 2 * M2 - 1 });
}

static void test_why_there_is_no_huge_page(void **state)
{
	const struct pw_area part = { .lo = M2 + 0x1000, .last = 2 * M2 - 1 },
			     off = { .lo = M2, .last = 2 * M2 - 1, .no_thp = true };

	(void)state;
	assert_string_equal(cause("80000000004000e7\n"), "huge");
	assert_string_equal(cause("800ffffe5d0001e0\n"), "huge"); /* PROT_NONE, still a huge page */
	assert_string_equal(cause("4067\npage 4000\n"), "untouched");
	assert_string_equal(cause("4067\npage 4000\n3 = 10067\n"), "holes");
	assert_string_equal(cause("4067\npage 4000\n0-510 = 8000000000400067 step 1000\n"), "holes");
	assert_string_equal(cause("4067\npage 4000\n0-511 = 8000000000400067 step 1000\n"), "split");
	assert_string_equal(cause("4067\npage 4000\n0-511 = 8000000000401067 step 1000\n"), "copy");
	assert_string_equal(cause("4067\npage 4000\n0-511 = 8000000000400067 step 2000\n"), "copy");
	assert_string_equal(cause("4067\npage 4000\n0-510 = 8000000000400067 step 1000\n511 = 80000000005ff065\n"),
			    "mixed");
	assert_string_equal(cause("4067\npage 4000\n0-510 = 8000000000400067 step 1000\n511 = 7fffffffffe000\n"),
			    "swapped");
	assert_string_equal(cause("4067\npage 4000\n0-510 = 8000000000400067 step 1000\n511 = 800ffffe5d0b0160\n"),
			    "protnone");
	assert_string_equal(cause("7fffffffffe000\n"), "swapped"); /* a huge page that moves */
	assert_string_equal(cause_in("4067\npage 4000\n1 = 10067\n", part), "misaligned");
	assert_string_equal(cause_in("4067\npage 4000\n0 = 10067\n", part), "untouched"); /* not in the area */
	assert_string_equal(cause_in("4067\npage 4000\n1 = 10067\n", off), "disabled");
}

static void test_two_areas_in_one_range_are_misaligned_once(void **state)
{
	struct pw_area v[] = {
		{ .lo = 0x1000, .last = 0x1fff, .name = "[anon]", .perms = "rw-p" },
		{ .lo = 0x3000, .last = 0x3fff, .name = "[anon]", .perms = "r--p" },
	};
	struct pw_stats s = stats_with(PTES "1 = 10067\n3 = 10065\n", v, 2, NULL);

	(void)state;
	assert_int_equal(s.thp.missed[PW_THP_MISALIGNED], 1);
	assert_int_equal(s.thp.ranges, 0);
	pw_stats_free(&s);
}

static void test_which_areas_are_anonymous(void **state)
{
	static const struct {
		const char *path, *perms;
		uint64_t inode;
		bool anon;
	} cases[] = {
		{ NULL, "rw-p", 0, true },
		{ "[heap]", "rw-p", 0, true },
		{ "[stack]", "rw-p", 0, true },
		{ "[anon:glibc]", "rw-p", 0, true },
		{ "/dev/zero", "rw-p", 5, true },
		{ "/dev/zero", "rw-s", 5, false },
		{ "/dev/zero (deleted)", "rw-s", 9, false },
		{ "/usr/bin/x", "rw-p", 7, false },
		{ "[vdso]", "r-xp", 0, false },
		{ "[vvar]", "r--p", 0, false },
		{ "/anon_hugepage (deleted)", "rw-p", 8, false },
		{ NULL, "", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pw_area a = { .path = cases[i].path, .inode = cases[i].inode };

		strcpy(a.perms, cases[i].perms);
		assert_int_equal(pw_area_is_anon(&a), cases[i].anon);
	}
}

/* A table put aside for each huge page, what is above pud not counted. */
static void test_tables_as_the_kernel_counts_them(void **state)
{
	struct pw_area anon = { .lo = 0, .last = 4 * M2 - 1, .name = "[anon]", .perms = "rw-p" },
		       file = { .lo = 0, .last = 4 * M2 - 1, .name = "x", .path = "/x", .inode = 1, .perms = "rw-p" };
	static const char text[] = PMDS "0 = 4067\n1 = 80000000004000e7\n2 = 800ffffe5d0001e0\npage 4000\n";
	struct pw_stats s = stats_with(text, &anon, 1, NULL), t = stats_with(text, &file, 1, NULL);

	(void)state;
	assert_int_equal(s.kernel_table_bytes, (3 + 2) * 4096);
	assert_int_equal(t.kernel_table_bytes, 3 * 4096);
	pw_stats_free(&s);
	pw_stats_free(&t);
}

/* ---- nodes ---- */

static void test_memory_and_tables_of_nodes(void **state)
{
	struct pw_joins joins = { .nnodes = 3 };
	struct pw_stats s;

	(void)state;
	joins.node = calloc(3, sizeof(*joins.node));
	joins.node[0].lo = 0x12000;
	joins.node[0].last = 0x1ffff;
	joins.node[0].node = 1;
	joins.node[1].lo = 0;
	joins.node[1].last = 0x11fff;
	joins.node[2].lo = 0x11000; /* claims what others have: who begins first has it */
	joins.node[2].last = 0x12fff;
	joins.node[2].node = 7;
	s = stats_with(PTES "0-15 = 8000000000010067 step 1000\n16-17 = 10000067\n", NULL, 0, &joins);
	assert_int_equal(s.nnodes, 3);
	assert_int_equal(s.node[0].node, 1);
	assert_int_equal(s.node[0].bytes, 13 * 4096);
	assert_int_equal(s.node[0].tables, 0);
	assert_int_equal(s.node[1].bytes, 2 * 4096);
	assert_int_equal(s.node[1].tables, 4);
	assert_int_equal(s.node[2].bytes, 4096);
	assert_int_equal(s.elsewhere.bytes, 2 * 4096);
	pw_stats_free(&s);
	free(joins.node);
}

/* Labels are few: whatever the bits of leaves, all are counted. */
static void test_more_kinds_of_leaves_than_labels(void **state)
{
	char text[65536];
	size_t n = (size_t)snprintf(text, sizeof(text), PTES);
	struct pw_stats s;
	uint64_t accessed = 0;

	(void)state;
	for (unsigned i = 0; i < 512; i++) {
		uint64_t raw = 5 | (uint64_t)(i & 1) << 1 | (uint64_t)(i >> 1 & 63) << 3 | (uint64_t)(i >> 4 & 7) << 9 |
			       (uint64_t)(i % 13) << 59 | UINT64_C(0x10000) * i;

		accessed += raw >> 5 & 1;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u = %llx\n", i, (unsigned long long)raw);
	}
	s = stats_of(text);
	assert_int_equal(s.counts.entries[PW_PTE][PW_LEAF], 512);
	assert_int_equal(s.accessed[PW_PTE], accessed * 4096);
	assert_int_equal(s.tlb.now[PW_PTE], 512);
	pw_stats_free(&s);
}

static void test_sums_of_two(void **state)
{
	struct pw_stats a = stats_of(PTES "0-7 = 8000000000010067 step 1000\n9 = 7fffffffffe000\n"),
			b = stats_of(PMDS "0-3 = 80000000004000e7 step 200000\n"), sum = { 0 };

	(void)state;
	pw_stats_add(&sum, &a);
	pw_stats_add(&sum, &b);
	assert_int_equal(pw_stats_mapped(&sum), 8 * 4096 + 4 * M2);
	assert_int_equal(pw_stats_tables(&sum), 4 + 3);
	assert_int_equal(sum.swapped, 4096);
	assert_int_equal(sum.contiguity.extents[3], 1);
	assert_int_equal(sum.contiguity.blocks[11], b.contiguity.blocks[11]);
	assert_int_equal(sum.walk.tables[PW_PMD], 2);
	pw_stats_free(&a);
	pw_stats_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_naturally_aligned_in_both),
		cmocka_unit_test(test_blocks_of_a_gib_are_the_largest),
		cmocka_unit_test(test_blocks_add_up),
		cmocka_unit_test(test_extents_go_over_tables_and_sizes),
		cmocka_unit_test(test_permissions_do_not_end_an_extent_but_a_merge),
		cmocka_unit_test(test_accessed_and_dirty_do_not_end_a_merge),
		cmocka_unit_test(test_permission_above_ends_a_merge),
		cmocka_unit_test(test_full_aligned_table_merges_into_one_entry),
		cmocka_unit_test(test_512_huge_pages_merge_into_one_of_a_gib),
		cmocka_unit_test(test_empty_single_and_full_tables),
		cmocka_unit_test(test_what_cannot_be_read_is_an_entry_and_no_table),
		cmocka_unit_test(test_reserved_leaf_is_counted_and_not_mapped),
		cmocka_unit_test(test_shared_table_is_charged_to_the_lowest_area),
		cmocka_unit_test(test_why_there_is_no_huge_page),
		cmocka_unit_test(test_two_areas_in_one_range_are_misaligned_once),
		cmocka_unit_test(test_which_areas_are_anonymous),
		cmocka_unit_test(test_tables_as_the_kernel_counts_them),
		cmocka_unit_test(test_memory_and_tables_of_nodes),
		cmocka_unit_test(test_more_kinds_of_leaves_than_labels),
		cmocka_unit_test(test_sums_of_two),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
