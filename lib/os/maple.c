// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/maple.h"

#include <errno.h>
#include <stdbool.h>

#define NODE_BYTES 256
#define MAX_NODES  (1 << 22)
#define MAX_DEPTH  16

enum { DENSE, LEAF_64, RANGE_64, ARANGE_64 };

struct level {
	uint64_t node[NODE_BYTES / 8];
	unsigned pivot, slot, n; /* first words of both; number of pivots */
	unsigned i;              /* the slot that comes next */
	uint64_t max;
	bool leaf, done;
};

static unsigned type_of(uint64_t enode)
{
	return enode >> 3 & 15;
}

static int read_node(const struct pw_maple *m, uint64_t enode, uint64_t max, struct level *l)
{
	unsigned type = type_of(enode);
	uint32_t pivot = type == ARANGE_64 ? m->arange_pivot : m->range_pivot;
	uint32_t slot = type == ARANGE_64 ? m->arange_slot : m->range_slot;

	if (type != LEAF_64 && type != RANGE_64 && type != ARANGE_64)
		return -EFAULT;
	if (pivot >= slot || slot % 8 || pivot % 8 || slot + (slot - pivot) + 8 > NODE_BYTES)
		return -EFAULT;
	if (m->read(m->ctx, enode & ~(uint64_t)(NODE_BYTES - 1), l->node, NODE_BYTES))
		return -EFAULT;
	l->pivot = pivot / 8;
	l->slot = slot / 8;
	l->n = l->slot - l->pivot;
	l->i = 0;
	l->max = max;
	l->leaf = type == LEAF_64;
	l->done = false;
	return 0;
}

/* The next slot and the last address that it is for; false behind the last one. */
static bool next_slot(struct level *l, uint64_t *slot, uint64_t *last)
{
	if (l->done)
		return false;
	*last = l->i < l->n ? l->node[l->pivot + l->i] : l->max;
	if ((l->i && !*last) || *last >= l->max) {
		*last = l->max;
		l->done = true;
	}
	*slot = l->node[l->slot + l->i++];
	l->done |= l->i > l->n;
	return true;
}

int pw_maple_each(const struct pw_maple *m, uint64_t tree, int (*each)(void *ctx, uint64_t entry), void *ctx)
{
	struct level level[MAX_DEPTH];
	unsigned nodes = 1, depth = 1;
	uint64_t root, slot, last;
	int rc;

	if (m->root == UINT32_MAX || m->read(m->ctx, tree + m->root, &root, sizeof(root)))
		return -EFAULT;
	/* A single entry is put there itself; but it is that of address 0, which no VMA is of alone. */
	if (!root)
		return 0;
	if ((root & 3) != 2)
		return -EFAULT;
	rc = read_node(m, root, UINT64_MAX, &level[0]);
	while (!rc && depth) {
		struct level *l = &level[depth - 1];

		if (!next_slot(l, &slot, &last)) {
			depth--;
		} else if (l->leaf) {
			if (slot >> 63)
				rc = each(ctx, slot);
		} else if (!(slot >> 63) || depth == MAX_DEPTH || ++nodes > MAX_NODES) {
			rc = slot >> 63 ? -ELOOP : -EFAULT;
		} else {
			rc = read_node(m, slot, last, &level[depth++]);
		}
	}
	return rc;
}
