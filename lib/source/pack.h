/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pack: little-endian numbers and strings in a buffer that grows, and their careful reader. */
#ifndef PW_SOURCE_PACK_H
#define PW_SOURCE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pw_pack {
	uint8_t *buf;
	size_t len, room;
	bool failed; /* out of memory: what follows is dropped */
};

void pw_pack_free(struct pw_pack *p);
void pw_pack_mem(struct pw_pack *p, const void *data, size_t len);
void pw_pack_u8(struct pw_pack *p, uint8_t v);
void pw_pack_u32(struct pw_pack *p, uint32_t v);
void pw_pack_u64(struct pw_pack *p, uint64_t v);
/* Length (32 bits), then the bytes; NULL is the length 0xffffffff. */
void pw_pack_str(struct pw_pack *p, const char *s);

void pw_put_le32(uint8_t *at, uint32_t v);
void pw_put_le64(uint8_t *at, uint64_t v);
uint32_t pw_get_le32(const uint8_t *at);
uint64_t pw_get_le64(const uint8_t *at);

/* What is asked for beyond the end is 0 or NULL, and remembered. */
struct pw_unpack {
	const uint8_t *at, *end;
	char *text; /* where strings are copied to, each with a NUL: needs len bytes for a buffer of len */
	bool bad;
};

uint8_t pw_unpack_u8(struct pw_unpack *u);
uint32_t pw_unpack_u32(struct pw_unpack *u);
uint64_t pw_unpack_u64(struct pw_unpack *u);
/* A number of elements, each of which takes at least `least` bytes of what is left. */
uint32_t pw_unpack_count(struct pw_unpack *u, uint32_t most, size_t least);
/* NULL where NULL was put; a string with a NUL in it is bad. */
const char *pw_unpack_str(struct pw_unpack *u);
/* The same where NULL is not allowed: "" then, and bad. */
const char *pw_unpack_text(struct pw_unpack *u);
/* Into an array, cut to its size. */
void pw_unpack_into(struct pw_unpack *u, char *to, size_t size);

#endif
