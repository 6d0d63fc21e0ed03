// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AVML, version 2. (Version 1 is LiME's.) Ranges of memory, each packed:
 *
 *   0  magic "AVML"        4  version 2
 *   8  first address      16  last address, included
 *  24  8 bytes of zeros   32  a snappy stream; then its length, 8 bytes
 *
 * A stream is frames: 1 byte type, 3 bytes length, that many bytes.
 *
 *   0xff  "sNaPpY": the stream begins
 *   0x00  4 bytes CRC-32C of what comes out (rotated right by 15, plus 0xa282ead8), then a snappy block
 *   0x01  the same with the bytes themselves
 *   0x80..0xfe  may be skipped;  0x02..0x7f  may not
 *
 * A frame holds at most 64 KiB of memory. Since a snappy block begins with its length, frames are found by going from one to
 * the next without unpacking. AVML leaves out ranges of zeros only: they are holes here, as nothing tells them from others.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/crc32c.h"
#include "source/image.h"

#define FRAME     65536
#define MOST_DATA (FRAME + FRAME / 6 + 32) /* snappy's own bound of what it makes of a frame */
#define CACHE     (8u << 20)
#define MARKS     (1u << 19)
#define WINDOW    4096
#define MOST_IDLE 1024 /* frames without memory, one after another */

enum { FRAME_PACKED = 0x00, FRAME_PLAIN = 0x01, FRAME_SKIP = 0x80, FRAME_BEGIN = 0xff };

struct avml_header {
	uint8_t magic[4];
	uint32_t version;
	uint64_t first, last, zero;
};

/* A place to start from: the frame at `off` gives the memory from `pa` on. */
struct mark {
	uint64_t pa, off;
};

struct frame {
	unsigned type;
	uint32_t length; /* without its own 4 bytes */
	uint64_t off;    /* of the frame */
	uint32_t bytes;  /* of memory; 0: none */
};

struct avml {
	struct mark *mark; /* ascending by pa, once all are there */
	size_t nmarks, room;
	uint64_t stride, since; /* frames from mark to mark */
	struct pw_crc32c crc;
	uint8_t window[WINDOW];
	uint64_t window_off;
	size_t window_len;
	uint8_t packed[MOST_DATA + 4];
};

static bool avml_is(const uint8_t *head, size_t n)
{
	return n >= 4 && !memcmp(head, "AVML", 4);
}

/* -------- frames -------- */

/* Up to 16 bytes from off on; those beyond the end of the file are zeros. *have: how many are there. */
static int peek(struct pw_image *im, uint64_t off, uint8_t out[16], size_t *have)
{
	struct avml *a = im->priv;
	uint64_t left = off < im->file.size ? im->file.size - off : 0;

	memset(out, 0, 16);
	*have = left < 16 ? left : 16;
	if (!*have)
		return 0;
	if (off < a->window_off || off + *have > a->window_off + a->window_len) {
		size_t len = left < WINDOW ? left : WINDOW;
		int rc;

		a->window_len = 0;
		rc = pw_image_file_read(&im->file, a->window, len, off);
		if (rc)
			return rc;
		a->window_off = off;
		a->window_len = len;
	}
	memcpy(out, a->window + (off - a->window_off), *have);
	return 0;
}

/* The length that a snappy block begins with: 7 bits a byte, lowest first. False: not one of a frame. */
static bool block_length(const uint8_t *p, size_t n, uint32_t *out)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n && i < 3; i++) {
		v |= (uint32_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*out = v;
			return v <= FRAME;
		}
	}
	return false;
}

/* 0; -ENODATA: the file ends before the frame does; -EINVAL: no frame. */
static int read_frame(struct pw_image *im, uint64_t off, struct frame *f)
{
	uint8_t head[16];
	size_t have;
	int rc = peek(im, off, head, &have);

	if (rc)
		return rc;
	if (have < 4)
		return -ENODATA;
	f->type = head[0];
	f->length = head[1] | (uint32_t)head[2] << 8 | (uint32_t)head[3] << 16;
	f->off = off;
	f->bytes = 0;
	if (f->type > FRAME_PLAIN && f->type < FRAME_SKIP)
		return -EINVAL;
	if (f->type == FRAME_BEGIN && (f->length != 6 || (have >= 10 && memcmp(head + 4, "sNaPpY", 6))))
		return -EINVAL;
	if (f->type <= FRAME_PLAIN && (f->length <= 4 || f->length > MOST_DATA + 4))
		return -EINVAL;
	if (f->length > im->file.size - off - 4)
		return -ENODATA;
	if (f->type == FRAME_PLAIN)
		f->bytes = f->length - 4;
	else if (f->type == FRAME_PACKED && !block_length(head + 8, f->length - 4, &f->bytes))
		return -EINVAL;
	return f->bytes > FRAME || (f->type <= FRAME_PLAIN && !f->bytes) ? -EINVAL : 0;
}

static uint64_t after(const struct frame *f)
{
	return f->off + 4 + f->length;
}

/* The next frame with memory in it, from off on. */
static int next_frame(struct pw_image *im, uint64_t off, struct frame *f)
{
	for (unsigned idle = 0; idle < MOST_IDLE; idle++) {
		int rc = read_frame(im, off, f);

		if (rc || f->bytes)
			return rc;
		off = after(f);
	}
	return -EINVAL;
}

/* -------- marks -------- */

/* Every other one goes, and from now on they are set half as often. A range's beginning is known to its extent. */
static void thin_out(struct avml *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nmarks; i += 2)
		a->mark[n++] = a->mark[i];
	a->nmarks = n;
	a->stride *= 2;
}

static int set_mark(struct avml *a, uint64_t pa, uint64_t off)
{
	if (a->nmarks == a->room) {
		size_t want = a->room ? a->room * 2 : 256;
		struct mark *v = reallocarray(a->mark, want, sizeof(*v));

		if (!v)
			return -ENOMEM;
		a->mark = v;
		a->room = want;
	}
	a->mark[a->nmarks++] = (struct mark){ pa, off };
	return 0;
}

static int note_frame(struct avml *a, uint64_t pa, uint64_t off)
{
	if (++a->since < a->stride)
		return 0;
	a->since = 0;
	if (a->nmarks >= MARKS)
		thin_out(a);
	return set_mark(a, pa, off);
}

static int mark_order(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return (x->pa > y->pa) - (x->pa < y->pa);
}

/* -------- opening -------- */

static int bad_frame(struct pw_error *err, int rc, uint64_t off)
{
	if (rc == -ENOMEM)
		return pw_error_set(err, rc, "out of memory");
	return pw_error_set(err, rc, "no sane snappy frame at offset %#" PRIx64 ": damaged", off);
}

/* The frames of one range; *off is behind its stream's length afterwards. Less than the range: the file is cut off. */
static int scan_range(struct pw_image *im, const struct avml_header *h, uint64_t *off, struct pw_error *err)
{
	struct avml *a = im->priv;
	uint64_t begin = *off, at = *off, pa = h->first, end = h->last + 1, length;
	struct frame f = { 0 };
	int rc = 0;

	while (pa < end) {
		rc = next_frame(im, at, &f);
		if (!rc && f.bytes > end - pa)
			rc = -EINVAL;
		if (!rc)
			rc = note_frame(a, pa, f.off);
		if (rc)
			break;
		pa += f.bytes;
		at = after(&f);
	}
	if (rc && rc != -ENODATA)
		return bad_frame(err, rc, at);
	pw_image_lose(im, pa, end - pa);
	if (rc || pw_image_file_read(&im->file, &length, sizeof(length), at)) {
		im->cut = true;
		*off = im->file.size;
	} else if (le64toh(length) != at - begin) {
		return pw_error_set(err, -EINVAL,
				    "the stream before offset %#" PRIx64 " is not as long as it says: damaged", at);
	} else {
		*off = at + sizeof(length);
	}
	return pw_image_add(im, h->first, pa - h->first, begin, err);
}

static int open_range(struct pw_image *im, uint64_t *off, struct pw_error *err)
{
	struct avml_header h;
	int rc = pw_image_file_read(&im->file, &h, sizeof(h), *off);

	if (rc)
		return pw_error_set(err, rc, "the header at offset %#" PRIx64 " cannot be read: %s", *off,
				    strerror(-rc));
	if (!avml_is(h.magic, sizeof(h.magic)) || le32toh(h.version) != 2)
		return pw_error_set(err, -EINVAL, "no AVML header of version 2 at offset %#" PRIx64 ": damaged", *off);
	h.first = le64toh(h.first);
	h.last = le64toh(h.last);
	if (h.last < h.first || h.last >> PW_IMAGE_PA_BITS)
		return pw_error_set(err, -EINVAL, "the AVML header at offset %#" PRIx64 " has no sane range: damaged",
				    *off);
	*off += sizeof(h);
	return scan_range(im, &h, off, err);
}

static int avml_open(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	struct avml *a = calloc(1, sizeof(*a));
	uint64_t off = 0;
	int rc = 0;

	(void)opts;
	if (!a)
		return pw_error_set(err, -ENOMEM, "out of memory");
	im->priv = a;
	a->stride = 1;
	pw_crc32c_init(&a->crc);
	im->blocks = pw_blocks_new(FRAME, CACHE);
	if (!im->blocks)
		return pw_error_set(err, -ENOMEM, "out of memory");
	while (!rc && off < im->file.size && im->file.size - off >= sizeof(struct avml_header))
		rc = open_range(im, &off, err);
	if (rc)
		return rc;
	im->cut |= off < im->file.size;
	if (a->nmarks)
		qsort(a->mark, a->nmarks, sizeof(a->mark[0]), mark_order);
	return pw_image_finish(im, false, err);
}

/* -------- reading -------- */

/* Where to begin looking for pa, which e has. */
static struct mark start_of(const struct avml *a, const struct pw_image_extent *e, uint64_t pa)
{
	size_t lo = 0, hi = a->nmarks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->mark[mid].pa <= pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo && a->mark[lo - 1].pa >= e->pa)
		return a->mark[lo - 1];
	return (struct mark){ e->pa, e->at };
}

static int unpack_frame(struct pw_image *im, const struct frame *f, void *out)
{
	struct avml *a = im->priv;
	uint32_t sum, crc;
	int rc = pw_image_file_read(&im->file, a->packed, f->length, f->off + 4);

	if (!rc)
		rc = pw_unpack(f->type == FRAME_PLAIN ? PW_PACK_NONE : PW_PACK_SNAPPY, a->packed + 4, f->length - 4,
			       out, f->bytes);
	if (rc)
		return rc;
	memcpy(&sum, a->packed, sizeof(sum));
	crc = pw_crc32c(&a->crc, out, f->bytes);
	return le32toh(sum) == (crc >> 15 | crc << 17) + 0xa282ead8u ? 0 : -EIO;
}

static int avml_read(struct pw_image *im, const struct pw_image_extent *e, uint64_t skip, void *buf, size_t len)
{
	const struct avml *a = im->priv;
	struct mark m = start_of(a, e, e->pa + skip);
	uint64_t pa = e->pa + skip;
	char *to = buf;

	while (len) {
		struct frame f;
		uint64_t part;
		int rc = next_frame(im, m.off, &f);

		if (rc)
			return -EIO;
		if (pa - m.pa < f.bytes) {
			bool there;
			char *block = pw_blocks_get(im->blocks, f.off, &there);

			rc = there ? 0 : unpack_frame(im, &f, block);
			if (rc)
				return rc;
			pw_blocks_done(im->blocks, f.off);
			part = f.bytes - (pa - m.pa) < len ? f.bytes - (pa - m.pa) : len;
			memcpy(to, block + (pa - m.pa), part);
			to += part;
			pa += part;
			len -= part;
		}
		m = (struct mark){ m.pa + f.bytes, after(&f) };
	}
	return 0;
}

static void avml_close(struct pw_image *im)
{
	struct avml *a = im->priv;

	if (a)
		free(a->mark);
	free(a);
}

const struct pw_image_format pw_image_avml = {
	.name = "avml",
	.is = avml_is,
	.open = avml_open,
	.read = avml_read,
	.close = avml_close,
};
