/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * out: a large-buffer writer with its own number formatters, because output is a line an entry and
 * there can be millions of entries. A row first makes room for its longest form and then writes
 * without further checks; what is written since the row began can so still be moved (alignment).
 */
#ifndef PW_RENDER_OUT_H
#define PW_RENDER_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "digits.h"

#define PW_OUT_BUF  (256u << 10)
#define PW_OUT_ROW  (64u << 10) /* no row is longer; what names can take in one is bounded by PW_OUT_NAME */
#define PW_OUT_NAME 4096u       /* bytes of a name that are shown; escaped they take up to four times that */

struct pw_out {
	char *buf;
	size_t len, cap;
	size_t unseen; /* bytes so far that take no room on a line: all but the first of a UTF-8 character */
	int fd;        /* -1: grows in memory instead of being written */
	int error;     /* errno of the first failure; from then on everything is dropped */
	bool holes;    /* pw_out_hole() has made some: it is a file */
};

int pw_out_init(struct pw_out *o, int fd);
void pw_out_free(struct pw_out *o);

/* Writes out what is there. 0, or the negative errno of the first failure. */
int pw_out_flush(struct pw_out *o);

/* Leaves out so many bytes: a hole in a file; in what is no file, nothing. */
void pw_out_hole(struct pw_out *o, uint64_t bytes);

/* Makes room for n more bytes, at most PW_OUT_ROW. Call it at the start of a row only. */
void pw_out_make_room(struct pw_out *o, size_t n);

static inline void pw_out_room(struct pw_out *o, size_t n)
{
	if (o->cap - o->len < n)
		pw_out_make_room(o, n);
}

static inline void pw_out_mem(struct pw_out *o, const char *s, size_t n)
{
	memcpy(o->buf + o->len, s, n);
	o->len += n;
}

static inline void pw_out_str(struct pw_out *o, const char *s)
{
	pw_out_mem(o, s, strlen(s));
}

static inline void pw_out_char(struct pw_out *o, char c)
{
	o->buf[o->len++] = c;
}

static inline void pw_out_pad(struct pw_out *o, size_t n)
{
	/* Mostly few: a fixed size needs no call, and what is too much is overwritten. */
	if (n <= 16)
		memset(o->buf + o->len, ' ', 16);
	else
		memset(o->buf + o->len, ' ', n);
	o->len += n;
}

/* Lower-case hexadecimal without prefix: as many digits as needed, or all 16. */
void pw_out_hex(struct pw_out *o, uint64_t v);
void pw_out_hex16(struct pw_out *o, uint64_t v);
/* At least `digits` of them. */
void pw_out_hexn(struct pw_out *o, uint64_t v, unsigned digits);
/* The address after `last`: one past the end of 64 bits is 0x10000000000000000. */
void pw_out_hex_end(struct pw_out *o, uint64_t last, unsigned digits);
void pw_out_dec(struct pw_out *o, uint64_t v);

/* "668K", "7340K", "256M": at most four digits and the smallest unit for that; rounded down. As bytes when asked. */
void pw_out_size(struct pw_out *o, uint64_t bytes, bool as_bytes);
/* "4K" "2M" "1G": the largest unit that divides it. */
void pw_out_page_size(struct pw_out *o, uint64_t bytes);

/* A name from outside: control bytes, and bytes that are not UTF-8, as \xNN. */
void pw_out_name(struct pw_out *o, const char *s);

/* Length of the well-formed UTF-8 sequence at s (printable, 1 to 4 bytes), 0 when there is none. */
size_t pw_utf8_len(const char *s, size_t left);

#endif
