/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source `snapshot`: the tables in a file that `pagewalk snapshot` has written, as one space saw them. */
#include <errno.h>
#include <stdlib.h>

#include "snapshot.h"

static void snapshot_probe(struct pw_probe *out)
{
	*out = (struct pw_probe){ .state = PW_PROBE_OK, .gives = "what was read when it was taken" };
}

static void snapshot_close(struct pw_source *src)
{
	struct pw_snapshot_view *v = src->priv;

	pw_snapshot_file_close(v->file);
	free(v);
}

static int status_of(uint32_t slot)
{
	if (slot & PW_SNAPSHOT_SLOT_UNSTABLE)
		return -EAGAIN;
	if (slot & PW_SNAPSHOT_SLOT_NOT_RAM)
		return -ENXIO;
	return slot & PW_SNAPSHOT_SLOT_UNREADABLE ? -EFAULT : 0;
}

static int read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	const struct pw_snapshot_view *v = src->priv;

	for (size_t i = 0; i < n; i++) {
		uint64_t slot = req[i].link ? req[i].link->pa : req[i].pa | 1;

		req[i].status = status_of(pw_snapshot_slot(v->file, v->space, slot));
		if (!req[i].status)
			req[i].status = pw_snapshot_table(v->file, v->space, req[i].pa, req[i].buf, req[i].bytes);
		req[i].data = req[i].buf;
	}
	return 0;
}

static long read_leaves(struct pw_source *src, const struct pw_pin *pin, uint64_t va, uint64_t last, uint64_t *words,
			size_t max, uint64_t *at)
{
	const struct pw_snapshot_view *v = src->priv;
	uint64_t key = va >> 12 << 3, chunk, end = last >> 12 << 3, n;
	size_t bytes = v->space ? pw_snapshot_next(v->file, v->space, key, &chunk) : 0;

	(void)pin;
	if (!bytes || chunk > end) {
		*at = last == UINT64_MAX ? last : last + 1;
		return 0;
	}
	if (key < chunk)
		key = chunk;
	n = (chunk + bytes - key) / 8;
	if (n > (end - key) / 8 + 1)
		n = (end - key) / 8 + 1;
	if (n > max)
		n = max;
	if (pw_snapshot_table(v->file, v->space, key, words, n * 8))
		return -EIO;
	*at = key << 9;
	return (long)n;
}

static int ranges(struct pw_source *src, const struct pw_range **out, size_t *n)
{
	const struct pw_snapshot_view *v = src->priv;

	*out = v->ram;
	*n = v->nram;
	return 0;
}

const struct pw_source_ops pw_source_snapshot = {
	.name = "snapshot",
	.caps = PW_CAP_TABLES,
	.consistency = PW_FROZEN,
	.probe = snapshot_probe,
	.close = snapshot_close,
	.read_tables = read_tables,
	.ranges = ranges,
};

const struct pw_source_ops pw_source_snapshot_leaves = {
	.name = "snapshot",
	.caps = PW_CAP_LEAVES,
	.consistency = PW_LEAF_ONLY,
	.probe = snapshot_probe,
	.close = snapshot_close,
	.read_leaves = read_leaves,
	.ranges = ranges,
};
