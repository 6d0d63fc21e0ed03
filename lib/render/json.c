/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pagewalk/arch.h>

#include "json.h"

void pw_json_key(struct pw_json *j, const char *key)
{
	struct pw_out *o = j->out;

	if (j->comma)
		pw_out_char(o, ',');
	j->comma = true;
	if (!key)
		return;
	pw_out_char(o, '"');
	pw_out_str(o, key);
	pw_out_mem(o, "\":", 2);
}

/* A byte that is not UTF-8 becomes the text \xNN, which JSON spells "\\xNN". */
static void put_string(struct pw_out *o, const char *s)
{
	static const char digits[] = "0123456789abcdef";
	size_t left = strnlen(s, PW_OUT_NAME);

	pw_out_char(o, '"');
	while (left) {
		unsigned char c = *s;
		size_t n = pw_utf8_len(s, left);

		if (n && c != '"' && c != '\\') {
			pw_out_mem(o, s, n);
		} else if (n) {
			pw_out_char(o, '\\');
			pw_out_char(o, c);
		} else {
			n = 1;
			pw_out_str(o, c < 0x80 ? "\\u00" : "\\\\x");
			pw_out_char(o, digits[c >> 4]);
			pw_out_char(o, digits[c & 15]);
		}
		s += n;
		left -= n;
	}
	pw_out_char(o, '"');
}

void pw_json_open(struct pw_json *j, const char *rec)
{
	pw_out_room(j->out, PW_OUT_ROW);
	pw_out_char(j->out, '{');
	j->comma = false;
	pw_json_str(j, "rec", rec);
}

void pw_json_close(struct pw_json *j)
{
	pw_out_mem(j->out, "}\n", 2);
}

void pw_json_begin(struct pw_json *j, const char *key, char bracket)
{
	pw_json_key(j, key);
	pw_out_char(j->out, bracket);
	j->comma = false;
}

void pw_json_end(struct pw_json *j, char bracket)
{
	pw_out_char(j->out, bracket);
	j->comma = true;
}

void pw_json_str(struct pw_json *j, const char *key, const char *value)
{
	if (!value) {
		pw_json_null(j, key);
		return;
	}
	pw_json_key(j, key);
	put_string(j->out, value);
}

void pw_json_hex(struct pw_json *j, const char *key, uint64_t value)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "\"0x", 3);
	pw_out_hex(j->out, value);
	pw_out_char(j->out, '"');
}

void pw_json_pa(struct pw_json *j, const char *key, uint64_t value)
{
	if (value == PW_PA_NONE)
		pw_json_null(j, key);
	else
		pw_json_hex(j, key, value);
}

void pw_json_end_of(struct pw_json *j, const char *key, uint64_t last)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "\"0x", 3);
	pw_out_hex_end(j->out, last, 1);
	pw_out_char(j->out, '"');
}

void pw_json_num(struct pw_json *j, const char *key, uint64_t value)
{
	pw_json_key(j, key);
	pw_out_dec(j->out, value);
}

void pw_json_bool(struct pw_json *j, const char *key, bool value)
{
	pw_json_key(j, key);
	pw_out_str(j->out, value ? "true" : "false");
}

void pw_json_null(struct pw_json *j, const char *key)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "null", 4);
}
