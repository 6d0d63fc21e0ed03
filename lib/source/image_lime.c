// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * LiME, version 1, which AVML writes as well. Ranges of memory, each after a header:
 *
 *   0  magic "EMiL"        4  version 1
 *   8  first address      16  last address, included
 *  24  8 bytes of zeros   32  the memory
 *
 * LiME's other forms have no header: "padded" is raw, with zeros where there is no memory; "raw" has the ranges one after
 * another.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "source/image.h"

struct lime_header {
	uint8_t magic[4];
	uint32_t version;
	uint64_t first, last, zero;
};

static bool lime_is(const uint8_t *head, size_t n)
{
	return n >= 4 && !memcmp(head, "EMiL", 4);
}

static int lime_range(struct pw_image *im, uint64_t *off, struct pw_error *err)
{
	struct lime_header h;
	uint64_t bytes;
	int rc = pw_image_file_read(&im->file, &h, sizeof(h), *off);

	if (rc)
		return pw_error_set(err, rc, "the header at offset %#" PRIx64 " cannot be read: %s", *off,
				    strerror(-rc));
	if (!lime_is(h.magic, sizeof(h.magic)) || le32toh(h.version) != 1)
		return pw_error_set(err, -EINVAL, "no LiME header of version 1 at offset %#" PRIx64 ": damaged", *off);
	h.first = le64toh(h.first);
	h.last = le64toh(h.last);
	if (h.last - h.first >= UINT64_MAX >> 1) /* backwards, too */
		return pw_error_set(err, -EINVAL, "the LiME header at offset %#" PRIx64 " has no sane range: damaged",
				    *off);
	bytes = h.last - h.first + 1;
	rc = pw_image_add_stored(im, h.first, bytes, *off + sizeof(h), err);
	*off += sizeof(h) + bytes;
	return rc;
}

static int lime_open(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	uint64_t off = 0;
	int rc = 0;

	(void)opts;
	while (!rc && off < im->file.size && im->file.size - off >= sizeof(struct lime_header))
		rc = lime_range(im, &off, err);
	if (rc)
		return rc;
	/* The beginning of another header. */
	im->cut |= off < im->file.size;
	return pw_image_finish(im, false, err);
}

const struct pw_image_format pw_image_lime = {
	.name = "lime",
	.is = lime_is,
	.open = lime_open,
};
