/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a line of an entry or of a translation has to be, put together anew each time and by printf: slow, and in nothing
 * like lib/render but for the tables of columns and the lists of flags.
 */
#ifndef LINE_TEXT_H
#define LINE_TEXT_H

#include "render/render.h"

#define LINE_TEXT (PW_MAX_COLUMNS * 5 * PW_OUT_NAME) /* names can be long, and take four bytes a byte */

struct line {
	const struct pw_render *r;
	const struct pw_span *span;
	uint64_t va, slot_pa, raw;
	unsigned perm;
	struct pw_entry e;
};

/* Entry i of a span. */
void line_init(struct line *l, const struct pw_render *r, const struct pw_span *span, size_t i);

void entry_line(char *row, const struct line *l);
void entry_json(char *row, const struct line *l);
void brief_line(char *row, const struct pw_render *r, const struct pw_translation *t);

/* A string of JSON's, with its quotes. */
void json_string(char *to, const char *s);

#endif
