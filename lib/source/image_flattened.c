// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * makedumpfile's flattened form, which QEMU writes, too: a dump for pipes, in pieces that say where they belong.
 *
 *   0     "makedumpfile", padded to 16 with zeros; type 1; version 1
 *   4096  pieces: offset, size, that many bytes; and so on
 *   end   offset -1, size -1
 *
 * All numbers are 8 bytes, big-endian and signed. A later piece overwrites an earlier one. Between pieces the dump that is put
 * together has holes, which read as zeros: that serves headers, but never memory.
 *
 * A dump has a piece for every few KiB. Only each 32nd is remembered, and from there one goes on from piece to piece.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/image.h"
#include "source/system.h"

#define FIRST_PIECE   4096
#define RUN_PIECES    32
#define MOST_RUNS     (1u << 19)
#define MOST_OVERLAPS 256

/* Pieces that follow one another in the file and in the dump. [lo, lo + bytes) of it is not overwritten. */
struct run {
	uint64_t lo, bytes;
	uint64_t base; /* where its first piece belongs */
	uint64_t at;   /* the first piece's header in the file */
};

struct pw_flat {
	struct run *run; /* ascending, disjoint by lo */
	size_t n, room;
	uint64_t file_size;
};

struct piece {
	uint64_t offset, size;
};

bool pw_flat_is(const uint8_t *head, size_t n)
{
	static const uint8_t signature[16] = "makedumpfile";

	return n >= sizeof(signature) && !memcmp(head, signature, sizeof(signature));
}

static int read_piece(int fd, uint64_t at, struct piece *p)
{
	int rc = pw_system_pread(fd, p, sizeof(*p), at);

	p->offset = be64toh(p->offset);
	p->size = be64toh(p->size);
	return rc;
}

static struct run *add_run(struct pw_flat *flat)
{
	if (flat->n == flat->room) {
		size_t want = flat->room ? flat->room * 2 : 64;
		struct run *v = want > MOST_RUNS ? NULL : reallocarray(flat->run, want, sizeof(*v));

		if (!v)
			return NULL;
		flat->run = v;
		flat->room = want;
	}
	return &flat->run[flat->n++];
}

/* Goes through all pieces. A file that ends early is what it has. */
static int scan(struct pw_flat *flat, int fd, bool *whole, struct pw_error *err)
{
	uint64_t at = FIRST_PIECE, left;
	unsigned pieces = 0;
	struct piece p;

	for (; at <= flat->file_size && flat->file_size - at >= sizeof(p); at += sizeof(p) + p.size) {
		struct run *last = flat->n ? &flat->run[flat->n - 1] : NULL;
		int rc = read_piece(fd, at, &p);

		if (rc)
			return pw_error_set(err, rc, "flattened: cannot be read at %#" PRIx64 ": %s", at,
					    strerror(-rc));
		*whole = p.offset == UINT64_MAX && p.size == UINT64_MAX;
		if (*whole)
			return 0;
		if (!p.size || p.size > INT64_MAX || p.offset > INT64_MAX - p.size)
			return pw_error_set(err, -EINVAL, "flattened: no sane piece at offset %#" PRIx64 ": damaged",
					    at);
		left = flat->file_size - at - sizeof(p);
		if (p.size > left)
			p.size = left;
		if (!p.size)
			break;
		if (last && pieces < RUN_PIECES && p.offset == last->lo + last->bytes) {
			last->bytes += p.size;
			pieces++;
			continue;
		}
		last = add_run(flat);
		if (!last)
			return pw_error_set(err, -EFBIG,
					    "flattened: too many pieces; put it together with makedumpfile -R");
		*last = (struct run){ p.offset, p.size, p.offset, at };
		pieces = 1;
	}
	return 0;
}

static int run_order(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static void drop(struct pw_flat *flat, size_t i)
{
	memmove(&flat->run[i], &flat->run[i + 1], (flat->n - i - 1) * sizeof(flat->run[0]));
	flat->n--;
}

/* Puts r where it belongs, from place i on. */
static int insert(struct pw_flat *flat, size_t i, struct run r)
{
	if (!add_run(flat))
		return -EFBIG;
	while (i < flat->n - 1 && run_order(&flat->run[i], &r) < 0)
		i++;
	memmove(&flat->run[i + 1], &flat->run[i], (flat->n - 1 - i) * sizeof(r));
	flat->run[i] = r;
	return 0;
}

/* Run i reaches into the next one: the later in the file keeps what both have. */
static int settle(struct pw_flat *flat, size_t i)
{
	struct run *a = &flat->run[i], *b = a + 1, rest = *a;
	uint64_t a_end = a->lo + a->bytes, b_end = b->lo + b->bytes;

	if (b->at > a->at) {
		a->bytes = b->lo - a->lo;
		rest.lo = b_end;
		rest.bytes = a_end > b_end ? a_end - b_end : 0;
		if (!a->bytes)
			drop(flat, i);
	} else {
		rest = *b;
		rest.lo = a_end;
		rest.bytes = b_end > a_end ? b_end - a_end : 0;
		drop(flat, i + 1);
	}
	return rest.bytes ? insert(flat, i, rest) : 0;
}

static int put_in_order(struct pw_flat *flat, struct pw_error *err)
{
	unsigned overlaps = 0;

	if (flat->n)
		qsort(flat->run, flat->n, sizeof(flat->run[0]), run_order);
	for (size_t i = 0; i + 1 < flat->n;) {
		if (flat->run[i].lo + flat->run[i].bytes <= flat->run[i + 1].lo) {
			i++;
			continue;
		}
		if (++overlaps > MOST_OVERLAPS || settle(flat, i))
			return pw_error_set(err, -EINVAL, "flattened: too many pieces overwrite others: damaged");
		i -= i > 0;
	}
	return 0;
}

int pw_flat_open(struct pw_image_file *file, bool *whole, struct pw_error *err)
{
	struct pw_flat *flat = calloc(1, sizeof(*flat));
	int rc;

	*whole = false;
	if (!flat)
		return pw_error_set(err, -ENOMEM, "out of memory");
	flat->file_size = file->size;
	rc = scan(flat, file->fd, whole, err);
	if (!rc)
		rc = put_in_order(flat, err);
	if (!rc && !flat->n)
		rc = pw_error_set(err, -EINVAL, "flattened: nothing is in it");
	if (rc) {
		free(flat->run);
		free(flat);
		return rc;
	}
	file->flat = flat;
	file->size = flat->run[flat->n - 1].lo + flat->run[flat->n - 1].bytes;
	return 0;
}

void pw_flat_close(struct pw_image_file *file)
{
	if (file->flat)
		free(file->flat->run);
	free(file->flat);
	file->flat = NULL;
}

/* The run that holds off, or the first one after it, or NULL. */
static const struct run *find(const struct pw_flat *flat, uint64_t off)
{
	size_t lo = 0, hi = flat->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (off - flat->run[mid].lo < flat->run[mid].bytes && off >= flat->run[mid].lo)
			return &flat->run[mid];
		if (off < flat->run[mid].lo)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < flat->n ? &flat->run[lo] : NULL;
}

/* Up to len bytes from off on, which run r has; returns how many, or a negative errno. */
static int64_t read_of_run(const struct pw_flat *flat, int fd, const struct run *r, void *buf, size_t len, uint64_t off)
{
	uint64_t at = r->at, base = r->base, end = r->lo + r->bytes;
	size_t done = 0;

	if (len > end - off)
		len = end - off;
	while (done < len) {
		struct piece p;
		uint64_t skip, part;
		int rc = read_piece(fd, at, &p);

		/* The file may have changed since. */
		if (!rc && (p.offset != base || !p.size || p.size > INT64_MAX))
			rc = -EIO;
		if (rc)
			return rc;
		skip = off + done - base;
		if (skip < p.size) {
			part = p.size - skip < len - done ? p.size - skip : len - done;
			rc = pw_system_pread(fd, (char *)buf + done, part, at + sizeof(p) + skip);
			if (rc)
				return rc;
			done += part;
		}
		base += p.size;
		at += sizeof(p) + p.size;
		if (at > flat->file_size && done < len)
			return -EIO;
	}
	return (int64_t)done;
}

static int flat_read(const struct pw_image_file *file, void *buf, size_t len, uint64_t off, bool holes)
{
	char *to = buf;

	while (len) {
		const struct run *r = find(file->flat, off);
		int64_t n;

		if (r && off >= r->lo) {
			n = read_of_run(file->flat, file->fd, r, to, len, off);
			if (n < 0)
				return (int)n;
		} else if (holes && r) {
			n = (int64_t)(r->lo - off < len ? r->lo - off : len);
			memset(to, 0, (size_t)n);
		} else {
			return -EIO;
		}
		to += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int pw_image_file_read(const struct pw_image_file *file, void *buf, size_t len, uint64_t off)
{
	/* off_t is signed. */
	if (off > INT64_MAX - len)
		return -EIO;
	return file->flat ? flat_read(file, buf, len, off, false) : pw_system_pread(file->fd, buf, len, off);
}

int pw_image_file_header(const struct pw_image_file *file, void *buf, size_t len, uint64_t off)
{
	if (file->flat && off <= INT64_MAX - len)
		return flat_read(file, buf, len, off, true);
	return pw_image_file_read(file, buf, len, off);
}
