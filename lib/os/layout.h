/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the layouts of a live kernel and of a text file have in common: from regions to areas without gaps. */
#ifndef PW_OS_LAYOUT_H
#define PW_OS_LAYOUT_H

#include <pagewalk/space.h>

#define PW_MAX_REGIONS 64 /* of a live kernel; a text file has as many as it has */

#define PW_FOUND_FIXED "fixed by the kernel (mm.rst)"
#define PW_FOUND_CPU   "by the number of levels"

struct pw_layout {
	struct pw_area *v;
	size_t n, room;
};

/* room: for so many areas. -ENOMEM. */
int pw_layout_init(struct pw_layout *map, size_t room);

/* Areas come in ascending order; one that runs into the next is cut there, what comes too low is left out. */
void pw_layout_add(struct pw_layout *map, enum pw_region region, const char *name, uint64_t lo, uint64_t last,
		   const char *found);

/* User space and the hole of what is not canonical, from the width of virtual addresses: to be added first. */
void pw_layout_lower(struct pw_layout *map, unsigned va_bits);

/* Puts holes where nothing is, up to the last address. The areas are then out's. -ENOMEM frees them. */
int pw_layout_finish(struct pw_layout *map, struct pw_areas *out);

#endif
