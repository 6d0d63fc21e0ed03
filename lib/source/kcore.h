/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/kcore's headers: which kernel addresses are at which file offset. */
#ifndef PAGEWALK_SOURCE_KCORE_H
#define PAGEWALK_SOURCE_KCORE_H

#include <pagewalk/source.h>

struct pw_kcore_segment {
	uint64_t va, bytes, offset;
	uint64_t pa; /* UINT64_MAX: not told */
};

struct pw_kcore_map {
	struct pw_kcore_segment *v; /* ascending by va */
	size_t n;
	uint64_t page_offset; /* of the direct map */
};

/* Reads and checks the ELF headers of an open /proc/kcore. *out is untouched on failure. */
int pw_kcore_map_read(int fd, struct pw_kcore_map *out, struct pw_error *err);

/* File offset of kernel address va if `len` bytes from it on are there; UINT64_MAX if not. */
uint64_t pw_kcore_map_offset(const struct pw_kcore_map *map, uint64_t va, uint64_t len);

#endif
