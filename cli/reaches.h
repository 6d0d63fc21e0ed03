/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reaches: what rmap has found in the order of spaces, kept until it can be told in that of frames. What follows on one another is kept as one; so
 * the memory for it is bounded, and beyond that only counted.
 */
#ifndef CLI_REACHES_H
#define CLI_REACHES_H

#include "render/render.h"

struct held {
	uint64_t pa, va, last, slot_pa;
	uint64_t frames, pages;
	uint64_t size;
	uint32_t who, place; /* indexes of the space's and the name's texts */
	uint8_t level, kind, perm;
	bool is_table, is_root, user_root, kernel;
};

struct who {
	char *target, *title;
	bool kernel; /* told last */
};

struct reaches {
	struct held *v;
	size_t n, room;
	struct who *who;
	size_t nwho, rwho;
	char **name;
	size_t nnames, rnames;
	const void *area;  /* that the last name is of */
	size_t last;       /* the last one that is no table */
	bool any;          /* there is such a one */
	uint64_t left_out; /* for want of room */
	bool failed;       /* out of memory */
};

/* A space comes: what is added from now on is of it. */
void reaches_space(struct reaches *q, const char *target, const char *title, bool kernel);

/* r: as a renderer would get it; target and title are the space's. area: tells names apart. */
void reaches_add(struct reaches *q, const struct pw_rec_reach *r, const void *area);

/* Whether anything was added of that target. */
bool reaches_has(const struct reaches *q, const char *target);

/* Sorts, for reaches_each(). */
void reaches_sort(struct reaches *q);

/* How wide the columns have to be; r: the frames, which are all ready. */
struct pw_rmap_widths reaches_widths(const struct reaches *q, struct pw_rmap *r);

/* Says of frame i what there is to say of it alone. */
typedef void (*reaches_frame_fn)(void *ctx, size_t i, struct pw_rec_frame *out);

/* Hands all frames to the renderer, as many at a time as have the same said of them. */
void reaches_each(const struct reaches *q, struct pw_rmap *r, reaches_frame_fn frame, void *ctx,
		  struct pw_render *render);

void reaches_free(struct reaches *q);

#endif
