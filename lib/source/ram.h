/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the machine's memory is, by /proc/iomem. */
#ifndef PAGEWALK_SOURCE_RAM_H
#define PAGEWALK_SOURCE_RAM_H

#include <pagewalk/source.h>

/* Parts of the kernel's image, by their physical addresses; lo > last where not told. */
enum pw_image_part { PW_IMAGE_CODE, PW_IMAGE_RODATA, PW_IMAGE_DATA, PW_IMAGE_BSS, PW_IMAGE_NPARTS };

struct pw_ram {
	struct pw_range *v; /* "System RAM" at any depth: ascending, disjoint */
	size_t n;
	struct pw_range image[PW_IMAGE_NPARTS];
};

/*
 * Reads /proc/iomem. -EPERM where its addresses read as zeros (CAP_SYS_ADMIN is missing): then
 * nothing is known and nothing may be followed. *out is untouched on failure.
 */
int pw_ram_read(struct pw_ram *out, struct pw_error *err);

/* The same from text in the format of /proc/iomem. */
int pw_ram_parse(const char *text, struct pw_ram *out, struct pw_error *err);

void pw_ram_free(struct pw_ram *ram);

/* Whether all of len bytes from pa on are RAM. */
bool pw_ram_has(const struct pw_ram *ram, uint64_t pa, uint64_t len);

/* Address of the last byte of RAM, 0 when there is none. */
static inline uint64_t pw_ram_last(const struct pw_ram *ram)
{
	return ram->n ? ram->v[ram->n - 1].last : 0;
}

#endif
