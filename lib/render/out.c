/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "out.h"

int pw_out_init(struct pw_out *o, int fd)
{
	*o = (struct pw_out){ .fd = fd, .cap = PW_OUT_BUF };
	o->buf = malloc(o->cap);
	return o->buf ? 0 : -ENOMEM;
}

void pw_out_free(struct pw_out *o)
{
	free(o->buf);
	o->buf = NULL;
	o->len = o->cap = 0;
}

int pw_out_flush(struct pw_out *o)
{
	size_t done = 0;

	while (done < o->len && !o->error && o->fd >= 0) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n > 0)
			done += n;
		else if (n < 0 && errno != EINTR)
			o->error = errno;
	}
	if (o->fd >= 0)
		o->len = 0;
	return -o->error;
}

/* The file is made longer at once, as nothing may follow. */
void pw_out_hole(struct pw_out *o, uint64_t bytes)
{
	struct stat st;
	off_t at;

	if (pw_out_flush(o) || o->fd < 0 || fstat(o->fd, &st) || !S_ISREG(st.st_mode) ||
	    fcntl(o->fd, F_GETFL) & O_APPEND)
		return;
	o->holes = true;
	at = bytes > INT64_MAX ? (errno = EFBIG, -1) : lseek(o->fd, (off_t)bytes, SEEK_CUR);
	if (at < 0 || (at > st.st_size && ftruncate(o->fd, at)))
		o->error = errno;
}

void pw_out_make_room(struct pw_out *o, size_t n)
{
	char *bigger;

	if (o->fd >= 0) {
		pw_out_flush(o);
		return;
	}
	bigger = realloc(o->buf, 2 * o->cap + n);
	if (bigger) {
		o->buf = bigger;
		o->cap = 2 * o->cap + n;
		return;
	}
	o->error = ENOMEM;
	o->len = 0;
}

/* All 16 are written, those that are wanted first: what is too much is overwritten. */
void pw_out_hexn(struct pw_out *o, uint64_t v, unsigned digits)
{
	unsigned need = pw_hex_count(v);

	if (need < digits)
		need = digits;
	pw_hex_digits(o->buf + o->len, v << (64 - 4 * need));
	o->len += need;
}

void pw_out_hex(struct pw_out *o, uint64_t v)
{
	pw_out_hexn(o, v, 1);
}

void pw_out_hex16(struct pw_out *o, uint64_t v)
{
	pw_hex_digits(o->buf + o->len, v);
	o->len += 16;
}

void pw_out_hex_end(struct pw_out *o, uint64_t last, unsigned digits)
{
	if (last == UINT64_MAX)
		pw_out_char(o, '1');
	pw_out_hexn(o, last + 1, last == UINT64_MAX ? 16 : digits);
}

void pw_out_dec(struct pw_out *o, uint64_t v)
{
	char digits[20];
	unsigned at = sizeof(digits);

	do {
		digits[--at] = '0' + v % 10;
		v /= 10;
	} while (v);
	pw_out_mem(o, digits + at, sizeof(digits) - at);
}

static const char units[] = "KMGTPE";

void pw_out_size(struct pw_out *o, uint64_t bytes, bool as_bytes)
{
	unsigned unit = 0;

	if (as_bytes || (bytes && bytes < 1024)) {
		pw_out_dec(o, bytes);
		if (!as_bytes)
			pw_out_char(o, 'B');
		return;
	}
	for (bytes >>= 10; bytes > 9999 && units[unit + 1]; bytes >>= 10)
		unit++;
	pw_out_dec(o, bytes);
	pw_out_char(o, units[unit]);
}

void pw_out_page_size(struct pw_out *o, uint64_t bytes)
{
	unsigned unit = 0;

	if (bytes == 0 || bytes & 1023) {
		pw_out_dec(o, bytes);
		pw_out_char(o, 'B');
		return;
	}
	for (bytes >>= 10; !(bytes & 1023) && units[unit + 1]; bytes >>= 10)
		unit++;
	pw_out_dec(o, bytes);
	pw_out_char(o, units[unit]);
}

size_t pw_utf8_len(const char *s, size_t left)
{
	const unsigned char *b = (const unsigned char *)s;
	uint32_t code;
	size_t len;

	if (b[0] < 0x80)
		return b[0] >= 0x20 && b[0] != 0x7f;
	len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	if (b[0] < 0xc2 || b[0] > 0xf4 || len > left)
		return 0;
	code = b[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (b[i] & 0x3f);
	}
	if ((len == 3 && code < 0x800) || (len == 4 && (code < 0x10000 || code > 0x10ffff)) || code < 0xa0 ||
	    (code >= 0xd800 && code < 0xe000))
		return 0; /* overlong, surrogates, C1 controls */
	return len;
}

void pw_out_name(struct pw_out *o, const char *s)
{
	size_t left = strnlen(s, PW_OUT_NAME);

	while (left) {
		size_t n = pw_utf8_len(s, left);

		if (n) {
			pw_out_mem(o, s, n);
			o->unseen += n - 1;
		} else {
			n = 1;
			pw_out_mem(o, "\\x", 2);
			pw_out_hexn(o, (unsigned char)*s, 2);
		}
		s += n;
		left -= n;
	}
}
