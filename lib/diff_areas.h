/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_DIFF_AREAS_H
#define PW_DIFF_AREAS_H

#include <pagewalk/diff.h>

/* Goes through the areas of two spaces, address by address. */
struct pw_diff_areas {
	const struct pw_areas *a, *b;
	size_t i, j;
	uint64_t va;
	bool done;
};

/* The next change at or after va. False: there is none. */
bool pw_diff_areas_next(struct pw_diff_areas *d, struct pw_area_change *out);

#endif
