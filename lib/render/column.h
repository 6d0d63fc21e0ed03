/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * column: rows of text. One table of columns a view drives headings, --columns and the help. Rows either
 * stream, with the columns' own widths, or wait in a pw_table until the widths are known.
 */
#ifndef PW_RENDER_COLUMN_H
#define PW_RENDER_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PW_MAX_COLUMNS 16
#define PW_TEXT_WIDTH  100

struct pw_render;
struct pw_error;

struct pw_column {
	const char *name; /* for --columns */
	const char *head;
	const char *doc;
	uint8_t width; /* when it streams; the put function may write more */
	bool right;
	bool extra; /* shown only when asked for */
	void (*put)(struct pw_render *r, const void *rec);
	bool wraps; /* as the last column of a table that waits: goes on in the next line */
};

struct pw_columns {
	const struct pw_column *col[PW_MAX_COLUMNS];
	uint8_t width[PW_MAX_COLUMNS];
	size_t n;
	bool by_area; /* the area's name is one of them */
};

/* Streaming. */
void pw_row_head(struct pw_render *r);
void pw_row(struct pw_render *r, const void *rec);

/* Waiting. The table takes r->columns; pw_table_print empties it. */
struct pw_table *pw_table_new(void);
void pw_table_free(struct pw_table *t);
void pw_table_add(struct pw_render *r, struct pw_table *t, const void *rec);
void pw_table_print(struct pw_render *r, struct pw_table *t);

#define PW_BOLD   "\033[1m"
#define PW_DIM    "\033[2m"
#define PW_RED    "\033[31m"
#define PW_GREEN  "\033[32m"
#define PW_YELLOW "\033[33m"
#define PW_PLAIN  "\033[0m"

#endif
