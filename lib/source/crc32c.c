// SPDX-License-Identifier: LGPL-2.1-or-later
#include "source/crc32c.h"

#include <endian.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

void pw_crc32c_init(struct pw_crc32c *c)
{
	for (unsigned i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		c->t[0][i] = crc;
	}
	/* t[k]: the same byte with k bytes of zeros after it. */
	for (unsigned k = 1; k < 8; k++)
		for (unsigned i = 0; i < 256; i++)
			c->t[k][i] = c->t[k - 1][i] >> 8 ^ c->t[0][c->t[k - 1][i] & 0xff];
}

uint32_t pw_crc32c(const struct pw_crc32c *c, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t crc = ~UINT32_C(0);

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		w = le64toh(w) ^ crc;
		crc = 0;
		for (unsigned k = 0; k < 8; k++)
			crc ^= c->t[7 - k][w >> (8 * k) & 0xff];
	}
	for (; n; n--, p++)
		crc = crc >> 8 ^ c->t[0][(crc ^ *p) & 0xff];
	return ~crc;
}
