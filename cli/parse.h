/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parse: addresses and ranges as people write them. Each returns 0 or -EINVAL (-ENOENT) with a text. */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include <pagewalk/pagewalk.h>

/* Hexadecimal, 0x optional. */
int parse_hex(const char *text, uint64_t *out, struct pw_error *err);

/* Hexadecimal, or the target's symbol[+off]. target may be NULL. */
int parse_address(struct pw_target *target, const char *text, uint64_t *out, struct pw_error *err);

/* Bytes: "64M", "1.5G", "4096": decimal, K M G T of 1024 each; 0 is no size. */
int parse_amount(const char *text, uint64_t *out, struct pw_error *err);

struct ranges {
	struct pw_range *v;
	size_t n;
	bool by_name;
};

/*
 * "A-B" (B excluded), "A+2M", "A" (that byte), or the name of areas of the space ("[heap]", "heap", "libc.so.6", a path,
 * "vmalloc"), which can be several.
 */
int parse_range(const struct pw_space *space, const char *text, struct ranges *out, struct pw_error *err);

#endif
