/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_AREA_CURSOR_H
#define PW_AREA_CURSOR_H

#include <pagewalk/space.h>

/* For asking about ascending addresses. */
struct pw_area_cursor {
	const struct pw_areas *areas; /* NULL: none */
	size_t at;                    /* the first area that does not end before what comes */
};

/* The area of va, and the last address up to which that answer holds. */
static inline const struct pw_area *pw_area_at(struct pw_area_cursor *c, uint64_t va, uint64_t *until)
{
	const struct pw_area *a;

	*until = UINT64_MAX;
	if (!c->areas)
		return NULL;
	while (c->at < c->areas->n && c->areas->v[c->at].last < va)
		c->at++;
	if (c->at == c->areas->n)
		return NULL;
	a = &c->areas->v[c->at];
	if (va < a->lo) {
		*until = a->lo - 1;
		return NULL;
	}
	*until = a->last;
	return a;
}

#endif
