/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pagewalk/arch.h>

#include "json.h"

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* One character that is not plain; how many bytes it has. A byte that is not UTF-8 becomes the text \xNN, which JSON spells "\\xNN". */
static size_t put_special(struct pw_out *o, const char *s, size_t left)
{
	unsigned char c = *s;
	size_t n = pw_utf8_len(s, left);

	if (!n) {
		pw_out_str(o, c < 0x80 ? "\\u00" : "\\\\x");
		pw_out_hexn(o, c, 2);
		return 1;
	}
	if (n == 1)
		pw_out_char(o, '\\');
	pw_out_mem(o, s, n);
	return n;
}

void pw_json_string(struct pw_out *o, const char *s)
{
	size_t left = strnlen(s, PW_OUT_NAME);

	pw_out_char(o, '"');
	while (left) {
		size_t n = 0;

		while (n < left && is_plain(s[n]))
			n++;
		if (n)
			pw_out_mem(o, s, n);
		else
			n = put_special(o, s, left);
		s += n;
		left -= n;
	}
	pw_out_char(o, '"');
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
