// SPDX-License-Identifier: LGPL-2.1-or-later
/* Source `image`: the physical memory of a system in a file, of any of the formats. */
#include "source/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE      4096
#define LEAST_RAW (1u << 20)

/* By their first bytes; raw has none. */
static const struct pw_image_format *const formats[] = {
	&pw_image_lime,
	&pw_image_avml,
	&pw_image_elf,
	&pw_image_kdump,
};

/* What an image may be wrapped in: taken for raw, it would be nonsense. */
static const struct {
	const char *magic;
	size_t n;
	const char *what;
} wraps[] = {
	{ "\x1f\x8b", 2, "gzip" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd" },
	{ "\xfd"
	  "7zXZ",
	  5, "xz" },
	{ "BZh", 3, "bzip2" },
	{ "\x04\x22\x4d\x18", 4, "lz4" },
	{ "PK\x03\x04", 4, "zip" },
	{ "QFI\xfb", 4, "qcow2" },
};

static void image_probe(struct pw_probe *out)
{
	*out = (struct pw_probe){ .state = PW_PROBE_OK, .gives = "what the image has" };
}

/* -------- opening -------- */

static int open_file(const char *path, struct pw_image_file *file, struct pw_error *err)
{
	struct stat st;
	off_t size;

	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return pw_error_set(err, -errno, "%s", strerror(errno));
	if (fstat(file->fd, &st))
		return pw_error_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return pw_error_set(err, -EINVAL, "neither a file nor a disk: an image is read here and there");
	size = S_ISBLK(st.st_mode) ? lseek(file->fd, 0, SEEK_END) : st.st_size;
	if (size <= 0)
		return pw_error_set(err, -EINVAL, "it is empty");
	file->size = (uint64_t)size;
	return 0;
}

static int no_image(const uint8_t *head, size_t n, uint64_t size, struct pw_error *err)
{
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++)
		if (n >= wraps[i].n && !memcmp(head, wraps[i].magic, wraps[i].n))
			return pw_error_set(err, -EINVAL, "that is %s: unpack or convert it first", wraps[i].what);
	if (size % PAGE || size < LEAST_RAW)
		return pw_error_set(err, -EINVAL,
				    "not a kind of file that pagewalk knows; if it is raw memory, say raw:FILE");
	return 0;
}

static int recognise(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	uint8_t head[16];
	size_t n = im->file.size < sizeof(head) ? im->file.size : sizeof(head);
	int rc = pw_image_file_header(&im->file, head, n, 0);

	if (rc)
		return pw_error_set(err, rc, "%s", strerror(-rc));
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !im->format; i++)
		if (formats[i]->is(head, n))
			im->format = formats[i];
	if (im->format && opts->ranges)
		return pw_error_set(err, -EINVAL,
				    "--ranges is for raw images: this one (%s) says itself where memory is",
				    im->format->name);
	if (im->format)
		return 0;
	im->format = &pw_image_raw;
	/* Who gives ranges says that it is raw; they add up, or not. */
	return opts->ranges ? 0 : no_image(head, n, im->file.size, err);
}

static int unflatten(struct pw_image *im, struct pw_error *err)
{
	uint8_t head[16];
	bool whole;
	int rc;

	if (im->file.size < sizeof(head) || pw_image_file_read(&im->file, head, sizeof(head), 0) ||
	    !pw_flat_is(head, sizeof(head)))
		return 0;
	rc = pw_flat_open(&im->file, &whole, err);
	im->flattened = true;
	im->cut = !whole;
	return rc;
}

static int open_image(const char *path, const struct pw_image_opts *opts, struct pw_image *im, struct pw_error *err)
{
	int rc = open_file(path, &im->file, err);

	if (rc)
		return rc;
	if (opts->raw) {
		im->format = &pw_image_raw;
	} else {
		rc = unflatten(im, err);
		if (!rc)
			rc = recognise(im, opts, err);
	}
	if (!rc)
		rc = im->format->open(im, opts, err);
	if (!rc && !im->nextents)
		rc = pw_error_set(err, -EINVAL, "an image (%s) without any memory in it: truncated or damaged",
				  im->format->name);
	return rc;
}

static void free_image(struct pw_image *im)
{
	if (im->format && im->format->close)
		im->format->close(im);
	pw_flat_close(&im->file);
	if (im->file.fd >= 0)
		close(im->file.fd);
	pw_blocks_free(im->blocks);
	pw_tables_free(im->tables);
	pw_image_free_notes(&im->notes);
	free(im->extent);
	free(im->range);
	free(im);
}

int pw_image_open(const char *path, const struct pw_image_opts *opts, struct pw_source *src, struct pw_error *err)
{
	static const struct pw_image_opts none;
	struct pw_image *im = calloc(1, sizeof(*im));
	int rc;

	if (!im)
		return pw_error_set(err, -ENOMEM, "out of memory");
	im->file.fd = -1;
	im->tables = pw_tables_new();
	if (!im->tables) {
		free_image(im);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	if (!opts)
		opts = &none;
	rc = open_image(path, opts, im, err);
	if (rc) {
		free_image(im);
		pw_error_prefix(err, "%.256s", path);
		return rc;
	}
	src->ops = &pw_source_image;
	src->priv = im;
	src->waits = false;
	src->consistency = opts->frozen || im->notes.frozen_evidence ? PW_FROZEN : PW_SMEARED;
	return 0;
}

static int image_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	return pw_image_open(arg, NULL, src, err);
}

static void image_close(struct pw_source *src)
{
	free_image(src->priv);
	src->priv = NULL;
}

/* -------- reading -------- */

static int read_extent(struct pw_image *im, const struct pw_image_extent *e, uint64_t skip, void *buf, size_t len)
{
	if (im->format->read)
		return im->format->read(im, e, skip, buf, len);
	return pw_image_file_read(&im->file, buf, len, e->at + skip);
}

int pw_image_read(struct pw_image *im, uint64_t pa, void *buf, size_t len)
{
	char *to = buf;

	while (len) {
		const struct pw_image_extent *e = pw_image_find(im, pa);
		uint64_t skip = e ? pa - e->pa : 0;
		size_t part = !e ? 0 : e->bytes - skip < len ? e->bytes - skip : len;
		int rc = e ? read_extent(im, e, skip, to, part) : -ENXIO;

		if (rc)
			return rc;
		to += part;
		pa += part;
		len -= part;
	}
	return 0;
}

static int image_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	return pw_image_read(src->priv, pa, buf, len);
}

static int image_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	src->waits |= pw_image_read_tables(src->priv, req, n);
	return 0;
}

static const void *image_table(struct pw_source *src, uint64_t pa)
{
	struct pw_image *im = src->priv;

	return pw_tables_find(im->tables, pa / PW_TABLES_PAGE);
}

static void image_will_read(struct pw_source *src, const uint64_t *pa, size_t n)
{
	pw_image_will_read(src->priv, pa, n);
}

static int image_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	const struct pw_image *im = src->priv;

	*ranges = im->range;
	*n = im->nranges;
	return 0;
}

const struct pw_image *pw_image_of(const struct pw_source *src)
{
	return src->ops == &pw_source_image ? src->priv : NULL;
}

const struct pw_source_ops pw_source_image = {
	.name = "image",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY,
	.consistency = PW_SMEARED,
	.probe = image_probe,
	.open = image_open,
	.close = image_close,
	.read_tables = image_read_tables,
	.table = image_table,
	.will_read = image_will_read,
	.read = image_read,
	.ranges = image_ranges,
};
