/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "form.h"

struct pw_forms *pw_forms_of(struct pw_render *r)
{
	if (r->forms)
		return r->forms;
	r->forms = calloc(1, sizeof(*r->forms));
	if (r->forms)
		r->forms->last = r->forms->form;
	else
		r->out->error = ENOMEM;
	return r->forms;
}

void pw_forms_forget(struct pw_render *r)
{
	for (size_t i = 0; r->forms && i < PW_NFORMS; i++)
		r->forms->form[i].len = 0;
}

void pw_form_look_up(struct pw_forms *forms, const struct pw_form_key *key)
{
	uint64_t hash = ((uintptr_t)key->area + key->shape + key->more) * UINT64_C(0xff51afd7ed558ccd) + key->bits;

	forms->last = &forms->form[(hash * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
	if (!pw_form_has_key(forms->last, key))
		forms->last->len = 0;
}

static struct pw_form *making(const struct pw_render *r)
{
	return r->forms ? r->forms->making : NULL;
}

/* Room for the row is made before, because its beginning may not move any more. */
void pw_form_begin(struct pw_render *r, struct pw_form *f, const struct pw_form_key *key)
{
	pw_out_room(r->out, PW_OUT_ROW);
	f->key = *key;
	f->len = 0;
	f->hexes = f->decimals = 0;
	r->forms->making = f;
	r->forms->row = r->out->len;
}

/* Digits are added to what is there. */
static void look_behind(struct pw_form *f, struct pw_blank *b)
{
	char rest[PW_DIGITS];

	memcpy(rest, f->text + b->at, PW_DIGITS);
	memset(rest, '0', b->digits);
	memcpy(&b->rest, rest, PW_DIGITS);
}

void pw_form_end(struct pw_render *r)
{
	struct pw_form *f = r->forms->making;
	size_t len = r->out->len - r->forms->row;

	r->forms->making = NULL;
	if (len > PW_FORM_TEXT || f->hexes > PW_FORM_BLANKS || f->decimals > PW_FORM_BLANKS)
		return;
	memcpy(f->text, r->out->buf + r->forms->row, len);
	f->len = len;
	for (unsigned i = 0; i < f->hexes; i++)
		look_behind(f, &f->hex[i]);
}

static void note(struct pw_render *r, struct pw_blank *blanks, unsigned *n, unsigned number, size_t at)
{
	unsigned digits = r->out->len - at;

	if ((*n)++ < PW_FORM_BLANKS)
		blanks[*n - 1] = (struct pw_blank){
			.at = at - r->forms->row,
			.number = number,
			.digits = digits,
			.shift = 64 - 4 * digits,
		};
}

void pw_form_hex(struct pw_render *r, unsigned number, uint64_t v, unsigned digits)
{
	struct pw_form *f = making(r);
	size_t at = r->out->len;

	pw_out_hexn(r->out, v, digits);
	if (f)
		note(r, f->hex, &f->hexes, number, at);
}

void pw_form_hex_end(struct pw_render *r, unsigned number, uint64_t last, unsigned digits)
{
	if (last == UINT64_MAX)
		pw_out_hex_end(r->out, last, digits);
	else
		pw_form_hex(r, number, last + 1, digits);
}

void pw_form_dec(struct pw_render *r, unsigned number, uint64_t v)
{
	struct pw_form *f = making(r);
	size_t at = r->out->len;

	pw_out_dec(r->out, v);
	if (f)
		note(r, f->decimal, &f->decimals, number, at);
}

static void move(struct pw_blank *blanks, unsigned n, size_t start, size_t by)
{
	for (unsigned i = 0; i < n && i < PW_FORM_BLANKS; i++)
		if (blanks[i].at >= start)
			blanks[i].at += by;
}

void pw_form_moved(struct pw_render *r, size_t start, size_t n)
{
	struct pw_form *f = making(r);

	if (!f)
		return;
	move(f->hex, f->hexes, start - r->forms->row, n);
	move(f->decimal, f->decimals, start - r->forms->row, n);
}
