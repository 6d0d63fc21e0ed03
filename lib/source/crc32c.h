/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C (Castagnoli), as snappy's frames have it. zlib has another polynomial. */
#ifndef PAGEWALK_SOURCE_CRC32C_H
#define PAGEWALK_SOURCE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* For eight bytes at a time. */
struct pw_crc32c {
	uint32_t t[8][256];
};

void pw_crc32c_init(struct pw_crc32c *c);
uint32_t pw_crc32c(const struct pw_crc32c *c, const void *data, size_t n);

#endif
