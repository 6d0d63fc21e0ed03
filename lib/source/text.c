/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source `text`: the tables written down in a text file (text.h). It stands still. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define PAGE     4096
#define MAX_TEXT (64u << 20)

static void text_probe(struct pw_probe *out)
{
	*out = (struct pw_probe){ .state = PW_PROBE_OK, .gives = "what the file says" };
}

static char *slurp(const char *path, size_t *len, struct pw_error *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;

	if (!f) {
		pw_error_set(err, -errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	text = malloc(MAX_TEXT + 1);
	*len = text ? fread(text, 1, MAX_TEXT + 1, f) : 0;
	if (!text || ferror(f) || *len > MAX_TEXT) {
		pw_error_set(err, -EFBIG, "%s: cannot be read, or is larger than 64 MiB", path);
		free(text);
		text = NULL;
	} else {
		text[*len] = 0;
	}
	fclose(f);
	return text;
}

static int text_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pw_text *t = calloc(1, sizeof(*t));
	size_t len;
	char *text;
	int rc;

	if (!t)
		return pw_error_set(err, -ENOMEM, "out of memory");
	text = slurp(arg, &len, err);
	rc = text ? pw_text_parse(text, len, t, err) : err ? err->code : -EIO;
	if (text && rc)
		pw_error_prefix(err, "%s", arg);
	free(text);
	if (rc) {
		free(t);
		return rc;
	}
	src->ops = &pw_source_text;
	src->priv = t;
	return 0;
}

static void text_close(struct pw_source *src)
{
	pw_text_free(src->priv);
	free(src->priv);
}

static const struct pw_text_page *find(const struct pw_text *t, uint64_t pa)
{
	size_t lo = 0, hi = t->npages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->page[mid].pa + PAGE - 1 < pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->npages && t->page[lo].pa <= pa ? &t->page[lo] : NULL;
}

/* A page that the text does not have is not readable, rather than zero. */
static int text_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		size_t at = pa % PAGE, n = len < PAGE - at ? len : PAGE - at;
		const struct pw_text_page *p = find(src->priv, pa);

		if (!p || p->unreadable)
			return -EFAULT;
		memcpy(to, (const uint8_t *)p->words + at, n);
		to += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static int text_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		req[i].status = text_read(src, req[i].pa, req[i].buf, req[i].bytes);
		req[i].data = req[i].buf;
	}
	return 0;
}

static int text_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	const struct pw_text *t = src->priv;

	*ranges = t->ram;
	*n = t->nram;
	return 0;
}

const struct pw_source_ops pw_source_text = {
	.name = "text",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY,
	.consistency = PW_FROZEN,
	.probe = text_probe,
	.open = text_open,
	.close = text_close,
	.read_tables = text_read_tables,
	.read = text_read,
	.ranges = text_ranges,
};
