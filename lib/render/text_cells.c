/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of small tables whose shape is known: a word, then cells of ten characters to the right. */
#include <stdio.h>

#include "text.h"

void pw_text_first(struct pw_render *r, const char *text)
{
	char cell[32];

	pw_out_room(r->out, PW_OUT_ROW);
	snprintf(cell, sizeof(cell), "%-12s", text);
	pw_out_str(r->out, cell);
}

void pw_text_cell(struct pw_render *r, const char *text)
{
	char cell[32];

	snprintf(cell, sizeof(cell), " %10s", text);
	pw_out_str(r->out, cell);
}

void pw_text_number(struct pw_render *r, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	pw_text_cell(r, text);
}

void pw_text_bytes(struct pw_render *r, uint64_t bytes)
{
	size_t start = r->out->len;
	char text[24] = "";

	pw_out_size(r->out, bytes, r->bytes);
	memcpy(text, r->out->buf + start, r->out->len - start);
	r->out->len = start;
	pw_text_cell(r, text);
}

void pw_text_percent(struct pw_render *r, uint64_t part, uint64_t whole)
{
	char text[24] = "-";

	if (whole)
		snprintf(text, sizeof(text), "%.1f%%", 100.0 * (double)part / (double)whole);
	pw_text_cell(r, text);
}

void pw_text_end_row(struct pw_render *r)
{
	pw_out_char(r->out, '\n');
}
