/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the bits of a VMA's word mean, learned from words and letters that belong together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pagewalk/space.h>

#include "os/vma_flags.h"

/* A kernel's table: which letters stand for which bit. */
static const struct {
	char name[3];
	unsigned bit;
} letters[] = {
	{ "rd", 0 },  { "wr", 1 },  { "ex", 2 },  { "sh", 3 },  { "mr", 4 },  { "mw", 5 },  { "me", 6 },
	{ "ms", 7 },  { "gd", 8 },  { "um", 9 },  { "pf", 10 }, { "lo", 13 }, { "io", 14 }, { "ac", 20 },
	{ "dd", 26 }, { "mm", 28 }, { "hg", 29 }, { "nh", 30 }, { "mg", 31 }, { "de", 18 },
};

static void line_of(uint64_t word, char *line, size_t size)
{
	size_t at = (size_t)snprintf(line, size, "VmFlags:");

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (word >> letters[i].bit & 1)
			at += (size_t)snprintf(line + at, size - at, " %s", letters[i].name);
	snprintf(line + at, size - at, " \n");
}

#define B(n) (UINT64_C(1) << (n))
#define DATA (B(0) | B(1) | B(4) | B(5) | B(6))
#define TEXT (B(0) | B(2) | B(4) | B(5) | B(6))

static const uint64_t usual[] = {
	DATA | B(20),
	DATA | B(20) | B(8),
	TEXT,
	TEXT & ~B(2),
	DATA,
	DATA | B(20) | B(30),
	DATA | B(20) | B(29),
	DATA | B(20) | B(26),
	DATA | B(3) | B(7),
	B(0) | B(4) | B(10) | B(14) | B(18) | B(26), /* [vvar] */
	B(0) | B(2) | B(4) | B(5) | B(6) | B(18),
};

static void learn(struct pw_vma_bits *bits, const uint64_t *words, size_t n)
{
	struct pw_vma_lesson lesson;
	char line[256];

	memset(bits, 0, sizeof(*bits));
	pw_vma_lesson_begin(&lesson);
	for (size_t i = 0; i < n; i++) {
		line_of(words[i], line, sizeof(line));
		pw_vma_lesson_add(&lesson, bits, words[i], line);
	}
	pw_vma_lesson_end(&lesson, bits);
}

static void known_bits_are_told_in_any_company(void **state)
{
	struct pw_vma_bits bits;

	(void)state;
	learn(&bits, usual, sizeof(usual) / sizeof(usual[0]));
	assert_int_equal(bits.state, PW_VMA_BITS_LEARNED);
	assert_int_equal(pw_vma_flags_of_word(&bits, DATA | B(20)), PW_VMA_KNOWN);
	assert_int_equal(pw_vma_flags_of_word(&bits, TEXT | B(30)), PW_VMA_KNOWN | PW_VMA_NOHUGEPAGE);
	assert_int_equal(pw_vma_flags_of_word(&bits, DATA | B(8) | B(29)),
			 PW_VMA_KNOWN | PW_VMA_HUGEPAGE | PW_VMA_GROWSDOWN);
	assert_int_equal(pw_vma_flags_of_word(&bits, DATA | B(3) | B(7) | B(29)), PW_VMA_KNOWN | PW_VMA_HUGEPAGE);
}

static void a_bit_that_was_never_met_is_not_guessed(void **state)
{
	struct pw_vma_bits bits;

	(void)state;
	learn(&bits, usual, sizeof(usual) / sizeof(usual[0]));
	for (unsigned bit = 0; bit < 64; bit++) {
		uint32_t flags = pw_vma_flags_of_word(&bits, DATA | B(20) | B(bit));
		uint64_t met = 0;

		for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
			met |= usual[i];
		if (!(met >> bit & 1))
			assert_int_equal(flags, 0);
	}
}

/* pf and io came together only: which is which is open, but where all is as in the example the answer is the example's. */
static void bits_that_came_together_are_told_together(void **state)
{
	struct pw_vma_bits bits;
	uint64_t vvar = usual[9];

	(void)state;
	learn(&bits, usual, sizeof(usual) / sizeof(usual[0]));
	assert_int_equal(pw_vma_flags_of_word(&bits, vvar), PW_VMA_KNOWN | PW_VMA_PFNMAP);
	assert_int_equal(pw_vma_flags_of_word(&bits, vvar & ~B(26)), 0);
	assert_int_equal(pw_vma_flags_of_word(&bits, DATA | B(14)), 0);
	assert_int_equal(pw_vma_flags_of_word(&bits, DATA | B(10)), 0);
}

static void letters_that_do_not_follow_from_words_teach_nothing(void **state)
{
	struct pw_vma_bits bits;
	struct pw_vma_lesson lesson;

	(void)state;
	learn(&bits, usual, 4);
	assert_int_equal(bits.state, PW_VMA_BITS_HOPELESS); /* too few */
	assert_int_equal(pw_vma_flags_of_word(&bits, usual[0]), 0);

	memset(&bits, 0, sizeof(bits));
	pw_vma_lesson_begin(&lesson);
	for (int i = 0; i < 20; i++)
		pw_vma_lesson_add(&lesson, &bits, DATA, i == 7 ? "VmFlags: rd wr nh \n" : "VmFlags: rd wr \n");
	pw_vma_lesson_end(&lesson, &bits);
	assert_int_equal(bits.state, PW_VMA_BITS_HOPELESS);
}

/* Whatever stands there: no crash, and nothing known of words that were not met. */
static void hostile_lines(void **state)
{
	static const char *const lines[] = {
		"", "VmFlags:", "VmFlags:\n", "VmFlags: ?? ?? r", "no colon", "VmFlags: nhnh \xff\xff z"
	};
	struct pw_vma_lesson lesson;
	struct pw_vma_bits bits = { 0 };

	(void)state;
	pw_vma_lesson_begin(&lesson);
	for (uint64_t i = 0; i < 1000; i++)
		pw_vma_lesson_add(&lesson, &bits, i * UINT64_C(0x9e3779b97f4a7c15), lines[i % 6]);
	pw_vma_lesson_end(&lesson, &bits);
	assert_true(bits.n <= PW_VMA_EXAMPLES);
	assert_int_equal(pw_vma_flags_of_word(&bits, 1), 0);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 20 ^ *seed << 40;
}

/* All words that can be made of the kernel's bits: what is said is what the kernel would say, or nothing. */
static void what_is_said_is_true(void **state)
{
	uint64_t seed = 1, said = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct pw_vma_bits bits;
		uint64_t words[40];

		for (size_t i = 0; i < 40; i++) {
			words[i] = 0;
			for (size_t k = 0; k < sizeof(letters) / sizeof(letters[0]); k++)
				if (next_random(&seed) >> 61 < 2)
					words[i] |= B(letters[k].bit);
		}
		learn(&bits, words, (size_t)(8 + round % 32));
		for (int i = 0; i < 500; i++) {
			struct pw_vma_bits truth = { .state = PW_VMA_BITS_LEARNED };
			struct pw_vma_lesson lesson;
			char line[256];
			uint64_t word = next_random(&seed) & next_random(&seed);
			uint32_t flags;

			for (unsigned bit = 0; bit < 64; bit++) {
				bool has = false;

				for (size_t k = 0; k < sizeof(letters) / sizeof(letters[0]); k++)
					has |= letters[k].bit == bit;
				word &= has ? ~UINT64_C(0) : ~B(bit);
			}
			line_of(word, line, sizeof(line));
			pw_vma_lesson_begin(&lesson);
			pw_vma_lesson_add(&lesson, &truth, word, line);
			flags = pw_vma_flags_of_word(&bits, word);
			said += flags != 0;
			if (flags)
				assert_int_equal(flags, truth.example[0].flags);
		}
	}
	assert_true(said > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bits_are_told_in_any_company),
		cmocka_unit_test(a_bit_that_was_never_met_is_not_guessed),
		cmocka_unit_test(bits_that_came_together_are_told_together),
		cmocka_unit_test(letters_that_do_not_follow_from_words_teach_nothing),
		cmocka_unit_test(hostile_lines),
		cmocka_unit_test(what_is_said_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
