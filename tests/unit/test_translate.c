/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single addresses: each verdict, the path, many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

static const char machine_text[] = "mmu levels=4 maxphyaddr=46\nram 0-fffff\n"
				   "page 1000\n0 = 2067\n1 = 8000000000002065\n2 = fff000067\n3 = 6067\n256 = 2063\n"
				   "page 2000\n0 = 3067\n1 = 80000000400000e7\n2 = 400000003067\n"
				   "page 3000\n0 = 4067\n1 = 402000e7\n2 = 402020e7\n"
				   "page 4000\n0 = 8000000000010067\n1 = 80000fffffeef160\n2 = 7fffffffffe000\n"
				   "5 = 8000000000011067\n6 = 12025\n7 = 8000000000013063\n8 = 80000000000141e7\n"
				   "9 = 400000011067\n10 = 8000000000015067\n11 = 8000000000016047\n"
				   "unreadable 6000\n";

static struct pw_translation one(struct machine *m, uint64_t va)
{
	struct pw_translation t;

	assert_int_equal(pw_translate(&m->space, &va, 1, &t), 0);
	assert_int_equal(t.va, va);
	return t;
}

static void test_every_verdict(void **state)
{
	static const struct {
		uint64_t va;
		enum pw_verdict verdict;
		unsigned npath, perm;
		uint64_t pa, size;
	} cases[] = {
		{ 0x123, PW_MAPPED, 4, PW_R | PW_W | PW_U, 0x10123, 0x1000 },
		{ 0x200fff, PW_MAPPED, 3, PW_RWXU, 0x40200fff, 0x200000 },
		{ 0x40000001, PW_MAPPED, 2, PW_R | PW_W | PW_U, 0x40000001, 0x40000000 },
		{ 0x8000000000, PW_MAPPED, 4, PW_R | PW_U, 0x10000, 0x1000 },
		{ 0xffff800000000000, PW_MAPPED, 4, PW_R | PW_W, 0x10000, 0x1000 },
		{ 0x1000, PW_V_PROTNONE, 4, 0, PW_PA_NONE, 0x1000 },
		{ 0x2000, PW_V_SOFT, 4, 0, PW_PA_NONE, 0x1000 },
		{ 0x3000, PW_V_NONE, 4, 0, PW_PA_NONE, 0x1000 },
		{ 0x600000, PW_V_NONE, 3, 0, PW_PA_NONE, 0x200000 },
		{ 0x400000, PW_V_RESERVED, 3, PW_RWXU, PW_PA_NONE, 0x200000 },
		{ 0x80000000, PW_V_RESERVED, 2, 0, PW_PA_NONE, 0x40000000 },
		{ 0x10000000000, PW_V_NOT_RAM, 1, 0, PW_PA_NONE, 0 },
		{ 0x18000000000, PW_V_UNREADABLE, 1, 0, PW_PA_NONE, 0 },
		{ 0x800000000000, PW_V_NON_CANONICAL, 0, 0, PW_PA_NONE, 0 },
		{ 0xffff7fffffffffff, PW_V_NON_CANONICAL, 0, 0, PW_PA_NONE, 0 },
	};
	struct machine *m = machine_new(machine_text);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pw_translation t = one(m, cases[i].va);

		if (t.verdict != cases[i].verdict || t.npath != cases[i].npath || t.pa != cases[i].pa ||
		    t.perm != cases[i].perm || (cases[i].size && t.size != cases[i].size))
			fail_msg("0x%llx: %s, %u levels, perm %x, pa 0x%llx, size 0x%llx", (unsigned long long)t.va,
				 pw_verdict_name(t.verdict), t.npath, t.perm, (unsigned long long)t.pa,
				 (unsigned long long)t.size);
	}
	machine_free(m);
}

static void test_path_says_where_each_entry_is(void **state)
{
	struct machine *m = machine_new(machine_text);
	struct pw_translation t = one(m, 0x123);

	(void)state;
	assert_int_equal(t.path[0].slot_pa, 0x1000);
	assert_int_equal(t.path[3].slot_pa, 0x4000);
	assert_int_equal(t.path[3].raw, 0x8000000000010067);
	assert_int_equal(t.path[3].level, PW_PTE);
	machine_free(m);
}

static void test_many_share_their_reads(void **state)
{
	struct machine *m = machine_new(machine_text);
	struct pw_translation out[1000];
	uint64_t va[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		va[i] = i;
	assert_int_equal(pw_translate(&m->space, va, 1000, out), 0);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(out[i].pa, 0x10000 + i);
	assert_int_equal(m->calls, 4 * 16);
	machine_free(m);
}

static bool same(const struct pw_translation *a, const struct pw_translation *b)
{
	if (a->va != b->va || a->piece != b->piece || a->verdict != b->verdict || a->doubt != b->doubt ||
	    a->npath != b->npath || a->perm != b->perm || a->pa != b->pa || a->size != b->size)
		return false;
	for (unsigned i = 0; i < a->npath; i++)
		if (a->path[i].slot_pa != b->path[i].slot_pa || a->path[i].raw != b->path[i].raw ||
		    a->path[i].level != b->path[i].level || a->path[i].index != b->path[i].index)
			return false;
	return true;
}

/* Addresses of which many share tables, in any order: those of the machine's entries, and what lies around. */
static uint64_t some_address(uint64_t *random)
{
	static const uint64_t slots[] = { 0, 1, 2, 3, 4, 256, 511 };
	uint64_t va = 0;

	for (unsigned shift = 12; shift <= 39; shift += 9) {
		*random = *random * UINT64_C(6364136223846793005) + 1;
		va |= (shift == 12 ? (*random >> 33) % 12 : slots[(*random >> 33) % (shift == 39 ? 7 : 5)]) << shift;
	}
	va |= *random >> 52;
	return va >> 47 && *random >> 40 & 3 ? va | UINT64_C(0xffff000000000000) : va;
}

static void test_tables_at_hand_say_the_same(void **state)
{
	struct machine *m = machine_new(machine_text);
	static struct pw_translation read[300], at_hand[300];
	uint64_t va[300], random = 7;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		size_t n = 1 + round;

		for (size_t i = 0; i < n; i++)
			va[i] = some_address(&random);
		m->at_hand = false;
		assert_int_equal(pw_translate(&m->space, va, n, read), 0);
		memset(m->kept, 0, sizeof(m->kept[0]) * (round % (MACHINE_KEPT + 1)));
		memset(at_hand, 0xee, sizeof(at_hand));
		m->at_hand = true;
		assert_int_equal(pw_translate(&m->space, va, n, at_hand), 0);
		for (size_t i = 0; i < n; i++)
			if (!same(&read[i], &at_hand[i]))
				fail_msg("0x%llx: %s, at hand %s", (unsigned long long)va[i],
					 pw_verdict_name(read[i].verdict), pw_verdict_name(at_hand[i].verdict));
	}
	machine_free(m);
}

static void test_what_is_at_hand_is_not_read(void **state)
{
	struct machine *m = machine_new(machine_text);
	static struct pw_translation out[1000];
	static uint64_t va[1000];

	(void)state;
	m->at_hand = true;
	for (size_t i = 0; i < 1000; i++)
		va[i] = i;
	/* The first addresses find nothing at hand. */
	assert_int_equal(pw_translate(&m->space, va, 1000, out), 0);
	assert_int_equal(m->calls, 4);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(out[i].pa, 0x10000 + i);
	machine_free(m);
}

static void test_changed_chain_starts_again(void **state)
{
	struct machine *m = machine_new(machine_text);

	(void)state;
	m->again_pa = 0x4000;
	m->again = 3;
	m->poke_pa = 0x3000;
	m->poke_value = 0x402000e7;
	assert_int_equal(one(m, 0x123).pa, 0x40200123);
	machine_free(m);
}

static void test_chain_that_never_holds_is_unstable(void **state)
{
	struct machine *m = machine_new(machine_text);

	(void)state;
	m->again_pa = 0x4000;
	m->again = 1000;
	assert_int_equal(one(m, 0x123).verdict, PW_V_UNSTABLE);
	assert_true(m->calls < 100);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verdict),
		cmocka_unit_test(test_path_says_where_each_entry_is),
		cmocka_unit_test(test_many_share_their_reads),
		cmocka_unit_test(test_tables_at_hand_say_the_same),
		cmocka_unit_test(test_what_is_at_hand_is_not_read),
		cmocka_unit_test(test_changed_chain_starts_again),
		cmocka_unit_test(test_chain_that_never_holds_is_unstable),
	};

	return cmocka_run_group_tests_name("translate", tests, NULL, NULL);
}
