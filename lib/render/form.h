/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * form: a row that is written once and then repeated with other numbers. In bulk, rows differ in little else. So the
 * usual functions write the first one, and while they do it is noted where its numbers are; each further row is a copy
 * of its text with the numbers put in, a few nanoseconds each.
 *
 *   text    000000400000  pte    0x103575000  0x8000000101021025  0x101021000    4K  r--u  A key=0 WB\n
 *   blanks  ^^^^^^^^^^^^           ^^^^^^^^^    ^^^^^^^^^^^^^^^^    ^^^^^^^^^
 *
 * A form is found by its key. Whoever makes keys sees to it that two rows with the same key have the same text but
 * for the digits in the blanks; so how many digits each number has is part of it.
 */
#ifndef PW_RENDER_FORM_H
#define PW_RENDER_FORM_H

#include "render.h"

#define PW_FORM_TEXT   1024 /* longer rows are written the usual way each time */
#define PW_FORM_STEP   64   /* bytes that are copied at once */
#define PW_FORM_BLANKS 6
#define PW_NFORMS      64

struct pw_form_key {
	const void *piece;
	const struct pw_area *area; /* of which something is shown; else NULL */
	uint64_t bits, shape, more;
};

struct pw_blank {
	uint32_t at; /* in the row */
	uint8_t number;
	uint8_t digits;
	uint8_t shift;  /* of a hexadecimal one: brings its first digit to the top */
	pw_digits rest; /* the text from here on, PW_DIGITS bytes of it, with '0' for each digit */
};

struct pw_form {
	struct pw_form_key key;
	size_t len; /* of the row; 0: there is none yet */
	unsigned hexes, decimals;
	struct pw_blank hex[PW_FORM_BLANKS], decimal[PW_FORM_BLANKS]; /* each in the order of the row */
	char text[PW_FORM_TEXT + PW_FORM_STEP];
};

struct pw_forms {
	struct pw_form *making; /* NULL: none */
	size_t row;             /* where its row begins in the buffer */
	struct pw_form *last;   /* that was found; never NULL */
	struct pw_form form[PW_NFORMS];
};

/* The renderer's, made when first needed. NULL when out of memory. */
struct pw_forms *pw_forms_of(struct pw_render *r);

/* Other names, widths or pieces may stand behind the same keys from now on. */
void pw_forms_forget(struct pw_render *r);

/* The row written between the two becomes f. */
void pw_form_begin(struct pw_render *r, struct pw_form *f, const struct pw_form_key *key);
void pw_form_end(struct pw_render *r);

/* As pw_out_hexn() and pw_out_dec(): number `number` of the values that pw_form_put() takes stands here. */
void pw_form_hex(struct pw_render *r, unsigned number, uint64_t v, unsigned digits);
void pw_form_dec(struct pw_render *r, unsigned number, uint64_t v);
/* The address after `last`; that of 2^64 is no number. */
void pw_form_hex_end(struct pw_render *r, unsigned number, uint64_t last, unsigned digits);

/* Makes it the last one. */
void pw_form_look_up(struct pw_forms *forms, const struct pw_form_key *key);

/* What was written since `start` has moved by n bytes. */
void pw_form_moved(struct pw_render *r, size_t start, size_t n);

static inline bool pw_form_has_key(const struct pw_form *f, const struct pw_form_key *key)
{
	return f->key.bits == key->bits && f->key.shape == key->shape && f->key.more == key->more &&
	       f->key.area == key->area && f->key.piece == key->piece;
}

/* The one with that key, or one that is to be made so (len 0). Neighbours are mostly alike. */
static inline struct pw_form *pw_form_find(struct pw_forms *forms, const struct pw_form_key *key)
{
	if (!pw_form_has_key(forms->last, key))
		pw_form_look_up(forms, key);
	return forms->last;
}

static inline void pw_form_fill_hex(char *row, const struct pw_blank *b, uint64_t v)
{
	const pw_digits text = pw_hex_values(v << b->shift) + b->rest;

	memcpy(row + b->at, &text, PW_DIGITS);
}

static inline void pw_form_fill_decimal(char *row, const struct pw_blank *b, uint64_t v)
{
	for (unsigned i = b->digits; i-- > 0; v /= 10)
		row[b->at + i] = '0' + v % 10;
}

/* Writes a row the usual way. */
typedef void (*pw_row_fn)(struct pw_render *r, const void *rec);

/* A row by form f. Fixed sizes need no call; what is too much is overwritten by what follows. */
static inline void pw_form_put(struct pw_out *o, const struct pw_form *restrict f, const uint64_t *restrict value)
{
	const struct pw_blank *const hex_end = f->hex + f->hexes, *const decimal_end = f->decimal + f->decimals;
	const size_t len = f->len;
	char *restrict row;

	pw_out_room(o, sizeof(f->text));
	row = o->buf + o->len;
	o->len += len;
	for (size_t i = 0; i < len; i += PW_FORM_STEP)
		memcpy(row + i, f->text + i, PW_FORM_STEP);
	for (const struct pw_blank *b = f->hex; b < hex_end; b++)
		pw_form_fill_hex(row, b, value[b->number]);
	for (const struct pw_blank *b = f->decimal; b < decimal_end; b++)
		pw_form_fill_decimal(row, b, value[b->number]);
}

/* A row by the form with that key; without one yet, fn writes rec and that becomes it. */
static inline void pw_form_row(struct pw_render *r, const struct pw_form_key *key, const uint64_t *value, pw_row_fn fn,
			       const void *rec)
{
	struct pw_form *f = pw_form_find(r->forms, key);

	if (f->len) {
		pw_form_put(r->out, f, value);
		return;
	}
	pw_form_begin(r, f, key);
	fn(r, rec);
	pw_form_end(r);
}

#endif
