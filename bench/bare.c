/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define PRESENT    1u
#define WRITE      (1u << 1)
#define USER       (1u << 2)
#define PAT        (1u << 7) /* of a PTE; above: a large page */
#define ADDRESS    0x000ffffffffff000
#define BUFFER     (64u << 10)
#define LINE       256
#define SOFT_DIRTY (UINT64_C(1) << 11)
#define NX         (UINT64_C(1) << 63)

struct walk {
	const struct bare_image *im;
	int fd;
	uint64_t lines;
	size_t len;
	char buf[BUFFER];
};

bool bare_open(struct bare_image *im, int fd, size_t bytes, const char *ranges)
{
	if (!ranges_parse(&im->ranges, ranges))
		return false;
	im->map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	return im->map != MAP_FAILED;
}

const uint64_t *bare_table(const struct bare_image *im, uint64_t pa)
{
	int64_t at = ranges_place(&im->ranges, pa);

	if (at >= 0)
		return (const uint64_t *)(im->map + at);
	die("ranges", "a table is in none of them");
}

static void flush(struct walk *w)
{
	if (write(w->fd, w->buf, w->len) != (ssize_t)w->len)
		die("write", strerror(errno));
	w->len = 0;
}

static char *text(char *to, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n);
	return to + n;
}

static char *hex(char *to, uint64_t v, unsigned digits)
{
	for (unsigned i = digits; i-- > 0; v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
	return to + digits;
}

/* "0x12345", with blanks up to so many characters. */
static char *address(char *to, uint64_t v, int width)
{
	unsigned digits = 1;

	while (digits < 16 && v >> (4 * digits))
		digits++;
	to = hex(text(to, "0x"), v, digits);
	for (width -= 2 + digits; width > 0; width--)
		*to++ = ' ';
	return to;
}

/* As a kernel of today uses them. */
static char *flags(char *to, uint64_t e)
{
	static const char *const types[] = { "WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT" };

	if (e & 1u << 5)
		to = text(to, "A ");
	if (e & 1u << 6)
		to = text(to, "D ");
	if (e & SOFT_DIRTY)
		to = text(to, "soft-dirty ");
	if (e & UINT64_C(1) << 58)
		to = text(to, "saved-dirty ");
	to = text(to, "key=");
	if ((e >> 59 & 15) > 9)
		*to++ = '1';
	*to++ = '0' + (e >> 59 & 15) % 10;
	*to++ = ' ';
	return text(to, types[(e >> 3 & 3) | (e & PAT ? 4 : 0)]);
}

static void line(struct walk *w, uint64_t va, uint64_t slot_pa, uint64_t e, bool writable, bool executable)
{
	char *to = w->buf + w->len;

	to = text(hex(to, va, 12), "  pte    ");
	to = text(address(to, slot_pa, 11), "  0x");
	to = text(hex(to, e, 16), "  ");
	to = text(address(to, e & ADDRESS & ~NX, 11), "    4K  r");
	*to++ = writable ? 'w' : '-';
	*to++ = executable ? 'x' : '-';
	to = flags(text(to, "u  "), e);
	*to++ = '\n';
	w->len = to - w->buf;
	w->lines++;
	if (w->len > BUFFER - LINE)
		flush(w);
}

static void table(struct walk *w, uint64_t pa, unsigned level, uint64_t base, bool writable, bool executable)
{
	const uint64_t *entry = bare_table(w->im, pa);
	unsigned n = level == w->im->levels ? 256 : 512; /* the user half */

	for (unsigned i = 0; i < n; i++) {
		uint64_t e = entry[i], va = base + ((uint64_t)i << (12 + 9 * (level - 1)));
		bool may_write = writable && e & WRITE, may_execute = executable && !(e & NX);

		if (!e)
			continue;
		if (!(e & PRESENT) || !(e & USER) || (level > 1 && e & PAT))
			die("bare walker", "only user pages of 4K are expected");
		if (level > 1)
			table(w, e & ADDRESS, level - 1, va, may_write, may_execute);
		else
			line(w, va, pa + 8 * i, e, may_write, may_execute);
	}
}

uint64_t bare_print(const struct bare_image *im, int fd)
{
	static struct walk w;

	w.im = im;
	w.fd = fd;
	w.lines = 0;
	table(&w, im->root, im->levels, 0, true, true);
	flush(&w);
	return w.lines;
}
