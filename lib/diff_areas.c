/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMAs are compared by address, so that one that was cut in two by mprotect() is what it is: a part with other permissions. */
#include "diff_areas.h"

#include <string.h>

const char *pw_area_what_name(enum pw_area_what what)
{
	static const char *const names[PW_AREA_NWHATS] = {
		[PW_AREA_APPEARED] = "appeared", [PW_AREA_VANISHED] = "vanished", [PW_AREA_GREW] = "grew",
		[PW_AREA_SHRANK] = "shrank",     [PW_AREA_PERM] = "perm",         [PW_AREA_REPLACED] = "replaced",
	};

	return (unsigned)what < PW_AREA_NWHATS ? names[what] : "?";
}

/* Of the same thing: file or name. */
static bool alike(const struct pw_area *a, const struct pw_area *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       !strcmp(a->path ? a->path : a->name, b->path ? b->path : b->name);
}

/* And the same part of it at the same address. */
static bool same_place(const struct pw_area *a, const struct pw_area *b)
{
	return alike(a, b) && (!a->inode || a->offset - a->lo == b->offset - b->lo);
}

/* Whether some area of `others` that overlaps area is of the same thing. */
static bool goes_on(const struct pw_area *area, const struct pw_areas *others)
{
	for (const struct pw_area *o = pw_areas_from(others, area->lo); o && o < others->v + others->n; o++) {
		if (o->lo > area->last)
			return false;
		if (same_place(o, area))
			return true;
	}
	return false;
}

/* False: nothing has changed. */
static bool judge(const struct pw_diff_areas *d, struct pw_area_change *c)
{
	if (c->before && c->after) {
		if (!same_place(c->before, c->after))
			c->what = PW_AREA_REPLACED;
		else if (strcmp(c->before->perms, c->after->perms))
			c->what = PW_AREA_PERM;
		else
			return false;
	} else if (c->after) {
		c->what = goes_on(c->after, d->a) ? PW_AREA_GREW : PW_AREA_APPEARED;
	} else if (c->before) {
		c->what = goes_on(c->before, d->b) ? PW_AREA_SHRANK : PW_AREA_VANISHED;
	} else {
		return false;
	}
	return true;
}

/* The area at va, or NULL; *last: up to where that holds. */
static const struct pw_area *at(const struct pw_areas *areas, size_t *i, uint64_t va, uint64_t *last)
{
	while (*i < areas->n && areas->v[*i].last < va)
		++*i;
	if (*i == areas->n)
		return NULL;
	if (areas->v[*i].lo > va) {
		if (*last > areas->v[*i].lo - 1)
			*last = areas->v[*i].lo - 1;
		return NULL;
	}
	if (*last > areas->v[*i].last)
		*last = areas->v[*i].last;
	return &areas->v[*i];
}

bool pw_diff_areas_next(struct pw_diff_areas *d, struct pw_area_change *out)
{
	while (!d->done) {
		*out = (struct pw_area_change){ .va = d->va, .last = UINT64_MAX };
		out->before = at(d->a, &d->i, d->va, &out->last);
		out->after = at(d->b, &d->j, d->va, &out->last);
		d->done = out->last == UINT64_MAX;
		d->va = out->last + 1;
		if (judge(d, out))
			return true;
	}
	return false;
}
