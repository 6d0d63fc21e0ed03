/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words' set for CPUs with AVX2, four words a vector. What is left over at the end is covered by a last vector that ends there, and so
 * may ask about some words twice: answers are or-ed together, which does not mind.
 */
#include "words.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2  __attribute__((target("avx2")))
#define LANES 4
#define BLOCK 16

AVX2 static inline __m256i load(const uint64_t *word)
{
	return _mm256_loadu_si256((const __m256i *)word);
}

AVX2 static inline __m256i all_lanes(uint64_t value)
{
	return _mm256_broadcastq_epi64(_mm_cvtsi64_si128((long long)value));
}

/* A bit a lane: those that are equal. */
AVX2 static inline uint64_t lanes(__m256i a, __m256i b)
{
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(a, b)));
}

/*
 * What is to come is worked out from word[0]: so each word is loaded once, and aligned ones where the first one is. Only if a word of
 * BLOCK is another one it is asked which.
 */
AVX2 static size_t follow(const uint64_t *word, size_t n, uint64_t step)
{
	const __m256i four = all_lanes(LANES * step), many = all_lanes(BLOCK * step);
	__m256i next[BLOCK / LANES];
	size_t i = 0;

	next[0] = _mm256_add_epi64(all_lanes(word[0]), _mm256_setr_epi64x(0, (long long)step, (long long)(2 * step),
									  (long long)(3 * step)));
	for (size_t k = 1; k < BLOCK / LANES; k++)
		next[k] = _mm256_add_epi64(next[k - 1], four);
	for (; i + BLOCK <= n + 1; i += BLOCK) {
		__m256i differ = _mm256_setzero_si256();

#pragma GCC unroll 4
		for (size_t k = 0; k < BLOCK / LANES; k++)
			differ = _mm256_or_si256(differ, _mm256_xor_si256(next[k], load(word + i + LANES * k)));
		if (!_mm256_testz_si256(differ, differ))
			break;
#pragma GCC unroll 4
		for (size_t k = 0; k < BLOCK / LANES; k++)
			next[k] = _mm256_add_epi64(next[k], many);
	}
	for (; i + LANES <= n + 1; i += LANES) {
		uint64_t others = lanes(next[0], load(word + i)) ^ 15;

		if (others)
			return i + (size_t)__builtin_ctzll(others) - 1;
		next[0] = _mm256_add_epi64(next[0], four);
	}
	for (i -= i > 0; i < n && word[i + 1] == word[i] + step;)
		i++;
	return i;
}

AVX2 static inline uint64_t follow4(const uint64_t *word, __m256i mask, __m256i step)
{
	return lanes(_mm256_and_si256(load(word + 1), mask),
		     _mm256_add_epi64(_mm256_and_si256(load(word), mask), step));
}

AVX2 static inline uint64_t follow_few(const uint64_t *word, size_t n, uint64_t mask, uint64_t step)
{
	uint64_t follow = 0;

	for (size_t i = 0; i < n; i++)
		follow |= (uint64_t)((word[i + 1] & mask) == (word[i] & mask) + step) << i;
	return follow;
}

AVX2 static void jumps(const uint64_t *word, size_t n, uint64_t mask, uint64_t step, uint64_t *found)
{
	const __m256i m = all_lanes(mask), s = all_lanes(step);
	uint64_t follow;

	for (; n >= PW_WORDS; n -= PW_WORDS, word += PW_WORDS) {
		follow = 0;
#pragma GCC unroll 16
		for (size_t i = 0; i < PW_WORDS; i += LANES)
			follow |= follow4(word + i, m, s) << i;
		*found++ = ~follow;
	}
	if (n == 0)
		return;
	if (n < LANES) {
		follow = follow_few(word, n, mask, step);
	} else {
		follow = follow4(word + n - LANES, m, s) << (n - LANES);
		for (size_t i = 0; i < n - LANES; i += LANES)
			follow |= follow4(word + i, m, s) << i;
	}
	*found = ~follow & pw_ones(n);
}

AVX2 static inline uint64_t equal4(const uint64_t *word, __m256i mask, __m256i value)
{
	return lanes(_mm256_and_si256(load(word), mask), value);
}

AVX2 static uint64_t equal(const uint64_t *word, size_t n, uint64_t mask, uint64_t value)
{
	const __m256i m = all_lanes(mask), v = all_lanes(value);
	uint64_t found = 0;

	if (n < LANES) {
		for (size_t i = 0; i < n; i++)
			found |= (uint64_t)((word[i] & mask) == value) << i;
		return found;
	}
	for (size_t i = 0; i < n - LANES; i += LANES)
		found |= equal4(word + i, m, v) << i;
	return found | equal4(word + n - LANES, m, v) << (n - LANES);
}

AVX2 static void fold(const uint64_t *word, size_t n, uint64_t *all, uint64_t *any)
{
	__m256i both = all_lanes(*all), either = all_lanes(*any);
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		both = _mm256_and_si256(both, load(word + i));
		either = _mm256_or_si256(either, load(word + i));
	}
	for (; i < n; i++) {
		both = _mm256_and_si256(both, all_lanes(word[i]));
		either = _mm256_or_si256(either, all_lanes(word[i]));
	}
	*all = (uint64_t)(both[0] & both[1] & both[2] & both[3]);
	*any = (uint64_t)(either[0] | either[1] | either[2] | either[3]);
}

const struct pw_words pw_words_avx2 = { "avx2", follow, jumps, equal, fold };
#endif
