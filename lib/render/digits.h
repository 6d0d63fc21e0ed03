/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* digits: hexadecimal, all digits of a number at once. Vectors of the compiler's: any CPU's, or plain code where it has none. */
#ifndef PW_RENDER_DIGITS_H
#define PW_RENDER_DIGITS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define PW_DIGITS 16 /* of 64 bits */

typedef int8_t pw_digits __attribute__((vector_size(PW_DIGITS)));

/* The most significant digit first: 0 to 9, and from 'a' - '0' on for those above, so that adding '0' makes characters. */
static inline pw_digits pw_hex_values(uint64_t v)
{
	typedef uint64_t words __attribute__((vector_size(PW_DIGITS)));
	const words w = { htobe64(v) }; /* in memory the first digit is in the first byte */
	const pw_digits high = (pw_digits)(w >> 4) & 15, low = (pw_digits)w & 15;
	const pw_digits digit =
		__builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

	return digit + ((digit > 9) & ('a' - '9' - 1));
}

/* Writes PW_DIGITS bytes, lower case. */
static inline void pw_hex_digits(char *to, uint64_t v)
{
	const pw_digits text = pw_hex_values(v) + '0';

	memcpy(to, &text, PW_DIGITS);
}

/* How many digits it has; 0 has one. */
static inline unsigned pw_hex_count(uint64_t v)
{
	return PW_DIGITS - (unsigned)__builtin_clzll(v | 1) / 4;
}

static inline unsigned pw_dec_count(uint64_t v)
{
	unsigned n = 1;

	for (; v > 9; v /= 10)
		n++;
	return n;
}

#endif
