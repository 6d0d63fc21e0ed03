/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * words: questions about many words of a table at once. Answers are bits, a word each, so that what asks goes from one set bit to the
 * next and looks at nothing between them. Every set of functions gives the same answers; one is chosen when a walk or a stage begins.
 */
#ifndef PW_WORDS_H
#define PW_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define PW_WORDS 64 /* an answer's bits */

struct pw_words {
	const char *name;
	/* How many of the n words after word[0] are, each, the one before it plus step, from the first one on. */
	size_t (*follow)(const uint64_t *word, size_t n, uint64_t step);
	/* Bit i of found[0], found[1]...: word[i + 1] & mask is not (word[i] & mask) + step. Looks at n + 1 words; bits from n on are 0. */
	void (*jumps)(const uint64_t *word, size_t n, uint64_t mask, uint64_t step, uint64_t *found);
	/* Bit i: word[i] & mask is value. n is at most PW_WORDS. */
	uint64_t (*equal)(const uint64_t *word, size_t n, uint64_t mask, uint64_t value);
	/* The bits that all of the n words have are left in *all, those that any has are added to *any. */
	void (*fold)(const uint64_t *word, size_t n, uint64_t *all, uint64_t *any);
};

extern const struct pw_words pw_words_plain;
extern const struct pw_words pw_words_avx2; /* x86-64 only */

/* The set by that name, NULL: there is none, or this CPU does not have it. */
const struct pw_words *pw_words_find(const char *name);

/* The set that PAGEWALK_SIMD names, else the fastest one of this CPU. */
const struct pw_words *pw_words_choose(void);

/* The n lowest bits. */
static inline uint64_t pw_ones(size_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* The first bit from `from` on that is set in n bits; n: none. */
static inline size_t pw_next_bit(const uint64_t *bits, size_t from, size_t n)
{
	size_t k = from / 64;
	uint64_t left;

	if (from >= n)
		return n;
	left = bits[k] >> (from % 64);
	if (left)
		return from + (size_t)__builtin_ctzll(left);
	while (++k < (n + 63) / 64)
		if (bits[k])
			return k * 64 + (size_t)__builtin_ctzll(bits[k]);
	return n;
}

/* How many words, from the first on, are 0. */
size_t pw_words_empty(const struct pw_words *words, const uint64_t *word, size_t n);

#endif
