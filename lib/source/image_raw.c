// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * raw: memory as it is, without a word about it. Either the offset in the file is the physical address, holes being part
 * of the file; or, with ranges, the file has only these, one after another.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/image.h"
#include "source/ram.h"
#include "source/system.h"

#define LONGEST_IOMEM (1u << 20)

/* "LO-HI" with or without 0x; the text after it, or NULL. */
static const char *parse_range(const char *p, struct pw_range *r)
{
	char *end;

	if (!isxdigit((unsigned char)*p))
		return NULL;
	errno = 0;
	r->lo = strtoull(p, &end, 16);
	if (*end != '-' || !isxdigit((unsigned char)end[1]))
		return NULL;
	r->last = strtoull(end + 1, &end, 16);
	return errno || r->last < r->lo || r->last == UINT64_MAX ? NULL : end;
}

static bool is_list(const char *text)
{
	return *text && strspn(text, "0123456789abcdefABCDEFxX-,") == strlen(text) && strchr(text, '-');
}

static int add_packed(struct pw_image *im, struct pw_range r, uint64_t *at, struct pw_error *err)
{
	uint64_t bytes = r.last - r.lo + 1;
	int rc = pw_image_add_stored(im, r.lo, bytes, *at, err);

	if (!rc)
		*at += bytes;
	return rc;
}

static int open_list(struct pw_image *im, const char *text, uint64_t *at, struct pw_error *err)
{
	struct pw_range r;
	int rc = 0;

	for (const char *p = text; p && !rc; p = *p ? p + 1 : NULL) {
		p = parse_range(p, &r);
		if (!p || (*p && *p != ','))
			return pw_error_set(err, -EINVAL, "--ranges %.64s: expected LO-HI,... in hexadecimal", text);
		rc = add_packed(im, r, at, err);
	}
	return rc;
}

static int open_iomem(struct pw_image *im, const char *path, uint64_t *at, struct pw_error *err)
{
	struct pw_ram ram;
	char *text;
	int rc = pw_system_read(path, LONGEST_IOMEM, &text, NULL);

	if (rc)
		return pw_error_set(err, rc, "--ranges %.200s: neither LO-HI,... nor a file: %s", path, strerror(-rc));
	rc = pw_ram_parse(text, &ram, err);
	free(text);
	if (rc) {
		pw_error_prefix(err, "--ranges %.200s", path);
		return rc;
	}
	for (size_t i = 0; i < ram.n && !rc; i++)
		rc = add_packed(im, ram.v[i], at, err);
	pw_ram_free(&ram);
	return rc;
}

static int raw_open(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	uint64_t at = 0;
	int rc;

	if (!opts->ranges)
		rc = pw_image_add_stored(im, 0, im->file.size, 0, err);
	else if (is_list(opts->ranges))
		rc = open_list(im, opts->ranges, &at, err);
	else
		rc = open_iomem(im, opts->ranges, &at, err);
	if (!rc && opts->ranges && at < im->file.size)
		rc = pw_error_set(err, -EINVAL,
				  "the ranges add up to %" PRIu64 " bytes and the file has %" PRIu64 ": not its ranges",
				  at, im->file.size);
	return rc ? rc : pw_image_finish(im, false, err);
}

const struct pw_image_format pw_image_raw = {
	.name = "raw",
	.open = raw_open,
};
