/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words' plain set, which any machine has, and the choice between the sets. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/runs.h>

#include "words.h"

#define FEW 8

static size_t follow(const uint64_t *word, size_t n, uint64_t step)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		uint64_t differ = 0;

		for (size_t k = i; k < i + 16; k++)
			differ |= word[k + 1] ^ (word[k] + step);
		if (differ)
			break;
	}
	while (i < n && word[i + 1] == word[i] + step)
		i++;
	return i;
}

/* Mostly there is none among a few words, which takes no branch a word to find out. */
static inline uint64_t jumps_in_few(const uint64_t *word, size_t n, uint64_t mask, uint64_t step)
{
	uint64_t differ = 0, found = 0;

	for (size_t i = 0; i < n; i++)
		differ |= (word[i + 1] & mask) ^ ((word[i] & mask) + step);
	for (size_t i = 0; i < n && differ; i++)
		found |= (uint64_t)((word[i + 1] & mask) != (word[i] & mask) + step) << i;
	return found;
}

static uint64_t jumps64(const uint64_t *word, size_t n, uint64_t mask, uint64_t step)
{
	uint64_t found = 0;
	size_t i = 0;

	for (; i + FEW <= n; i += FEW)
		found |= jumps_in_few(word + i, FEW, mask, step) << i;
	return i < n ? found | jumps_in_few(word + i, n - i, mask, step) << i : found;
}

static void jumps(const uint64_t *word, size_t n, uint64_t mask, uint64_t step, uint64_t *found)
{
	for (; n > PW_WORDS; n -= PW_WORDS, word += PW_WORDS)
		*found++ = jumps64(word, PW_WORDS, mask, step);
	*found = jumps64(word, n, mask, step);
}

static uint64_t equal(const uint64_t *word, size_t n, uint64_t mask, uint64_t value)
{
	uint64_t found = 0;

	for (size_t i = 0; i < n; i++)
		found |= (uint64_t)((word[i] & mask) == value) << i;
	return found;
}

static void fold(const uint64_t *word, size_t n, uint64_t *all, uint64_t *any)
{
	uint64_t both = *all, either = *any;

	for (size_t i = 0; i < n; i++) {
		both &= word[i];
		either |= word[i];
	}
	*all = both;
	*any = either;
}

const struct pw_words pw_words_plain = { "plain", follow, jumps, equal, fold };

#ifdef __x86_64__
static const struct pw_words *avx2(void)
{
	return __builtin_cpu_supports("avx2") ? &pw_words_avx2 : NULL;
}
#else
static const struct pw_words *avx2(void)
{
	return NULL;
}
#endif

const struct pw_words *pw_words_find(const char *name)
{
	return !strcmp(name, "avx2") ? avx2() : !strcmp(name, "plain") ? &pw_words_plain : NULL;
}

const struct pw_words *pw_words_choose(void)
{
	const char *name = getenv("PAGEWALK_SIMD");
	const struct pw_words *words = name ? pw_words_find(name) : NULL;

	if (!words)
		words = avx2();
	return words ? words : &pw_words_plain;
}

int pw_simd_check(struct pw_error *err)
{
	const char *name = getenv("PAGEWALK_SIMD");

	if (!name || !*name || pw_words_find(name))
		return 0;
	if (!strcmp(name, "avx2"))
		return pw_error_set(
			err, -ENOTSUP,
			"PAGEWALK_SIMD is avx2, which this CPU does not have: unset it, or set it to plain");
	return pw_error_set(err, -EINVAL, "PAGEWALK_SIMD is '%.20s': there are plain and avx2", name);
}

size_t pw_words_empty(const struct pw_words *words, const uint64_t *word, size_t n)
{
	size_t i = 0;

	while (i < n && i < 8 && word[i] == 0) /* mostly few */
		i++;
	while (i < n && word[i] == 0) {
		size_t m = n - i < PW_WORDS ? n - i : PW_WORDS;
		uint64_t filled = ~words->equal(word + i, m, ~UINT64_C(0), 0) & pw_ones(m);

		if (filled)
			return i + (size_t)__builtin_ctzll(filled);
		i += m;
	}
	return i;
}
