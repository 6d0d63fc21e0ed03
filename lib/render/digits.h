/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* digits: hexadecimal, all digits of a number at once. Vectors of the compiler's: any CPU's, or plain code where it has none. */
#ifndef PW_RENDER_DIGITS_H
#define PW_RENDER_DIGITS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define PW_DIGITS 16 /* of 64 bits */

/* Writes PW_DIGITS bytes, lower case, the most significant digit first. */
static inline void pw_hex_digits(char *to, uint64_t v)
{
	typedef uint64_t words __attribute__((vector_size(PW_DIGITS)));
	typedef int8_t bytes __attribute__((vector_size(PW_DIGITS)));
	const words w = { htobe64(v) }; /* in memory the first digit is in the first byte */
	const bytes high = (bytes)(w >> 4) & 15, low = (bytes)w & 15;
	bytes digit = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

	digit += '0' + ((digit > 9) & ('a' - '9' - 1));
	memcpy(to, &digit, PW_DIGITS);
}

/* How many digits it has; 0 has one. */
static inline unsigned pw_hex_count(uint64_t v)
{
	return PW_DIGITS - (unsigned)__builtin_clzll(v | 1) / 4;
}

#endif
