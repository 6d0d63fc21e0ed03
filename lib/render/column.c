/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "render.h"

#define GAP 2

/* Room for n bytes before what was written since `start`. */
static void move(struct pw_render *r, size_t start, size_t n)
{
	struct pw_out *o = r->out;

	memmove(o->buf + start + n, o->buf + start, o->len - start);
	o->len += n;
	pw_form_moved(r, start, n);
}

static void paint(struct pw_render *r, size_t start, const char *colour)
{
	size_t n = strlen(colour);

	move(r, start, n);
	memcpy(r->out->buf + start, colour, n);
	pw_out_str(r->out, PW_PLAIN);
}

/* The last column needs no blanks after it. */
static inline size_t width_of(const struct pw_columns *c, size_t i)
{
	return i + 1 < c->n || c->col[i]->right ? c->width[i] : 0;
}

/*
 * Aligns the cell that was written since `start` and looks `shown` wide. over: by how much the row is too long
 * already; returns by how much it is now.
 */
static inline size_t align(struct pw_render *r, size_t start, size_t shown, size_t width, size_t over, bool right)
{
	size_t pad;

	if (shown + over >= width)
		return shown + over - width;
	pad = width - shown - over;
	if (right) {
		move(r, start, pad);
		memset(r->out->buf + start, ' ', pad);
	} else {
		pw_out_pad(r->out, pad);
	}
	return 0;
}

static void end_row(struct pw_out *o, size_t row)
{
	while (o->len > row && o->buf[o->len - 1] == ' ')
		o->len--;
	pw_out_char(o, '\n');
}

void pw_row_head(struct pw_render *r)
{
	const struct pw_columns *c = &r->columns;
	struct pw_out *o = r->out;
	size_t row;

	pw_out_room(o, PW_OUT_ROW);
	row = o->len;
	if (r->noheadings)
		return;
	for (size_t i = 0; i < c->n; i++) {
		size_t start = o->len;

		pw_out_str(o, c->col[i]->head);
		align(r, start, o->len - start, width_of(c, i), 0, c->col[i]->right);
		if (i + 1 < c->n)
			pw_out_pad(o, GAP);
	}
	end_row(o, row);
	if (r->colour) {
		o->len--;
		paint(r, row, PW_BOLD);
		pw_out_char(o, '\n');
	}
}

void pw_row(struct pw_render *r, const void *rec)
{
	const struct pw_columns *c = &r->columns;
	struct pw_out *o = r->out;
	size_t row, over = 0;

	pw_out_room(o, PW_OUT_ROW);
	row = o->len;
	for (size_t i = 0; i < c->n; i++) {
		size_t start = o->len, unseen = o->unseen;

		r->cell_colour = NULL;
		c->col[i]->put(r, rec);
		over = align(r, start, o->len - start - (o->unseen - unseen), width_of(c, i), over, c->col[i]->right);
		if (r->colour && r->cell_colour)
			paint(r, start, r->cell_colour);
		if (i + 1 < c->n)
			pw_out_pad(o, GAP);
	}
	end_row(o, row);
}

/* ---- rows that wait ---- */

struct cell {
	size_t at;
	uint32_t len;
	uint16_t width;
	const char *colour;
};

struct pw_table {
	struct pw_out text;
	struct cell *cell;
	size_t rows, room, ncols;
};

struct pw_table *pw_table_new(void)
{
	struct pw_table *t = calloc(1, sizeof(*t));

	if (t && pw_out_init(&t->text, -1)) {
		free(t);
		return NULL;
	}
	return t;
}

void pw_table_free(struct pw_table *t)
{
	if (!t)
		return;
	pw_out_free(&t->text);
	free(t->cell);
	free(t);
}

static struct cell *new_row(struct pw_table *t, size_t ncols)
{
	if (t->rows == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct cell *bigger = reallocarray(t->cell, room, ncols * sizeof(*bigger));

		if (!bigger)
			return NULL;
		t->cell = bigger;
		t->room = room;
	}
	t->ncols = ncols;
	return &t->cell[t->rows++ * ncols];
}

void pw_table_add(struct pw_render *r, struct pw_table *t, const void *rec)
{
	const struct pw_columns *c = &r->columns;
	struct cell *cell = new_row(t, c->n);
	struct pw_out *out = r->out;

	if (!cell) {
		out->error = ENOMEM;
		return;
	}
	pw_out_room(&t->text, PW_OUT_ROW);
	r->out = &t->text;
	for (size_t i = 0; i < c->n; i++) {
		size_t at = t->text.len, unseen = t->text.unseen;

		r->cell_colour = NULL;
		c->col[i]->put(r, rec);
		cell[i].at = at;
		cell[i].len = t->text.len - at;
		cell[i].width = cell[i].len - (t->text.unseen - unseen);
		cell[i].colour = r->cell_colour;
	}
	r->out = out;
	if (t->text.error)
		out->error = t->text.error;
}

static void set_widths(struct pw_columns *c, const struct pw_table *t, bool headings)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t width = headings ? strlen(c->col[i]->head) : 0;

		for (size_t row = 0; row < t->rows; row++)
			if (t->cell[row * c->n + i].width > width)
				width = t->cell[row * c->n + i].width;
		c->width[i] = width < 200 ? width : 200;
	}
}

/* How much of a text of the last column goes into `room` characters: up to a blank, if there is one. */
static size_t line_of(const char *text, size_t len, size_t room)
{
	size_t at = 0, blank = 0;

	for (size_t i = 0; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80 && at++ == room)
			return blank ? blank : i;
		if (text[i] == ' ')
			blank = i;
	}
	return len;
}

/* The rest of a last cell that is too long for its line, below where it began. */
static void print_rest(struct pw_render *r, const char *text, size_t len, size_t indent)
{
	while (len) {
		size_t n;

		while (len && *text == ' ') {
			text++;
			len--;
		}
		n = line_of(text, len, PW_TEXT_WIDTH - indent);
		if (!n)
			return;
		pw_out_room(r->out, PW_OUT_ROW);
		pw_out_pad(r->out, indent);
		pw_out_mem(r->out, text, n);
		pw_out_char(r->out, '\n');
		text += n;
		len -= n;
	}
}

static size_t indent_of(const struct pw_columns *c)
{
	size_t indent = 0;

	for (size_t i = 0; i + 1 < c->n; i++)
		indent += c->width[i] + GAP;
	return indent;
}

static void print_row(struct pw_render *r, const struct pw_table *t, const struct cell *cell)
{
	const struct pw_columns *c = &r->columns;
	struct pw_out *o = r->out;
	size_t row, over = 0, indent = indent_of(c), n = 0;
	const struct cell *tail = &cell[c->n - 1];
	bool wraps = c->col[c->n - 1]->wraps && indent + 20 <= PW_TEXT_WIDTH;

	pw_out_room(o, PW_OUT_ROW);
	row = o->len;
	for (size_t i = 0; i < c->n; i++) {
		size_t start = o->len;

		n = cell[i].len;
		if (wraps && &cell[i] == tail)
			n = line_of(t->text.buf + tail->at, tail->len, PW_TEXT_WIDTH - indent);
		pw_out_mem(o, t->text.buf + cell[i].at, n);
		over = align(r, start, cell[i].width, width_of(c, i), over, c->col[i]->right);
		if (r->colour && cell[i].colour)
			paint(r, start, cell[i].colour);
		if (i + 1 < c->n)
			pw_out_pad(o, GAP);
	}
	end_row(o, row);
	print_rest(r, t->text.buf + tail->at + n, tail->len - n, indent);
}

void pw_table_print(struct pw_render *r, struct pw_table *t)
{
	if (t->rows) {
		set_widths(&r->columns, t, !r->noheadings);
		pw_row_head(r);
	}
	for (size_t row = 0; row < t->rows; row++)
		print_row(r, t, &t->cell[row * t->ncols]);
	t->rows = 0;
	t->text.len = 0;
}
