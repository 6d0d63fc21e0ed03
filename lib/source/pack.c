/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_STRING UINT32_MAX

void pw_put_le32(uint8_t *at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

void pw_put_le64(uint8_t *at, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

uint32_t pw_get_le32(const uint8_t *at)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)at[i] << 8 * i;
	return v;
}

uint64_t pw_get_le64(const uint8_t *at)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* ---- writing ---- */

void pw_pack_free(struct pw_pack *p)
{
	free(p->buf);
	*p = (struct pw_pack){ 0 };
}

void pw_pack_mem(struct pw_pack *p, const void *data, size_t len)
{
	if (p->failed || !len)
		return;
	if (p->room - p->len < len) {
		size_t want = 2 * p->room + len + 256;
		uint8_t *more = want > len ? realloc(p->buf, want) : NULL;

		if (!more) {
			p->failed = true;
			return;
		}
		p->buf = more;
		p->room = want;
	}
	memcpy(p->buf + p->len, data, len);
	p->len += len;
}

void pw_pack_u8(struct pw_pack *p, uint8_t v)
{
	pw_pack_mem(p, &v, 1);
}

void pw_pack_u32(struct pw_pack *p, uint32_t v)
{
	uint8_t b[4];

	pw_put_le32(b, v);
	pw_pack_mem(p, b, sizeof(b));
}

void pw_pack_u64(struct pw_pack *p, uint64_t v)
{
	uint8_t b[8];

	pw_put_le64(b, v);
	pw_pack_mem(p, b, sizeof(b));
}

void pw_pack_str(struct pw_pack *p, const char *s)
{
	pw_pack_u32(p, s ? (uint32_t)strlen(s) : NO_STRING);
	if (s)
		pw_pack_mem(p, s, strlen(s));
}

/* ---- reading ---- */

static const uint8_t *take(struct pw_unpack *u, size_t n)
{
	const uint8_t *at = u->at;

	if (u->bad || (size_t)(u->end - u->at) < n) {
		u->bad = true;
		return NULL;
	}
	u->at += n;
	return at;
}

uint8_t pw_unpack_u8(struct pw_unpack *u)
{
	const uint8_t *at = take(u, 1);

	return at ? *at : 0;
}

uint32_t pw_unpack_u32(struct pw_unpack *u)
{
	const uint8_t *at = take(u, 4);

	return at ? pw_get_le32(at) : 0;
}

uint64_t pw_unpack_u64(struct pw_unpack *u)
{
	const uint8_t *at = take(u, 8);

	return at ? pw_get_le64(at) : 0;
}

uint32_t pw_unpack_count(struct pw_unpack *u, uint32_t most, size_t least)
{
	uint32_t n = pw_unpack_u32(u);

	if (n > most || n > (size_t)(u->end - u->at) / least)
		u->bad = true;
	return u->bad ? 0 : n;
}

const char *pw_unpack_str(struct pw_unpack *u)
{
	uint32_t len = pw_unpack_u32(u);
	const uint8_t *at;
	char *text = u->text;

	if (len == NO_STRING)
		return NULL;
	at = take(u, len);
	if (!at || memchr(at, 0, len)) {
		u->bad = true;
		return NULL;
	}
	/* The length took four bytes, so that there is room for the NUL. */
	memcpy(text, at, len);
	text[len] = 0;
	u->text += len + 1;
	return text;
}

const char *pw_unpack_text(struct pw_unpack *u)
{
	const char *s = pw_unpack_str(u);

	if (!s)
		u->bad = true;
	return s ? s : "";
}

void pw_unpack_into(struct pw_unpack *u, char *to, size_t size)
{
	snprintf(to, size, "%s", pw_unpack_text(u));
}
