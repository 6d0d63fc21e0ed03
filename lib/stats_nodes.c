/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NUMA nodes: whose memory is mapped, and whose holds the tables. */
#include <errno.h>
#include <stdlib.h>

#include "stats_parts.h"

#define MOST_NODES 1024 /* MAX_NUMNODES of x86-64; what a file claims beyond is nowhere */

static int by_lo(const void *a, const void *b)
{
	const struct pw_node_map_part *p = a, *q = b;

	return (p->lo > q->lo) - (p->lo < q->lo);
}

/* Where the node is in out->node, which it is added to; SIZE_MAX: there are too many. */
static size_t place_of(struct pw_stats *out, unsigned node)
{
	for (size_t i = 0; i < out->nnodes; i++)
		if (out->node[i].node == node)
			return i;
	if (out->nnodes == MOST_NODES)
		return SIZE_MAX;
	out->node[out->nnodes].node = node;
	return out->nnodes++;
}

/* A file's ranges may overlap: then memory is that one's which begins first. */
static void make_disjoint(struct pw_node_map *map)
{
	size_t kept = 0;

	qsort(map->v, map->n, sizeof(*map->v), by_lo);
	for (size_t i = 0; i < map->n; i++) {
		struct pw_node_map_part p = map->v[i];

		if (kept && p.lo <= map->v[kept - 1].last)
			p.lo = map->v[kept - 1].last + 1;
		if (p.lo <= p.last && (p.lo || !kept)) /* 0: behind the end of 64 bits */
			map->v[kept++] = p;
	}
	map->n = kept;
}

int pw_node_map_init(struct pw_node_map *map, const struct pw_joins *joins, struct pw_stats *out)
{
	size_t n = joins ? joins->nnodes : 0;

	*map = (struct pw_node_map){ 0 };
	if (!n)
		return 0;
	map->v = calloc(n, sizeof(*map->v));
	out->node = calloc(n < MOST_NODES ? n : MOST_NODES, sizeof(*out->node));
	if (!map->v || !out->node)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t at = place_of(out, joins->node[i].node);

		if (at != SIZE_MAX)
			map->v[map->n++] = (struct pw_node_map_part){ joins->node[i].lo, joins->node[i].last, at };
	}
	make_disjoint(map);
	return 0;
}

void pw_node_map_free(struct pw_node_map *map)
{
	free(map->v);
	map->v = NULL;
}

/* The first part that does not end before pa. */
static size_t part_from(const struct pw_node_map *map, uint64_t pa)
{
	size_t lo = 0, hi = map->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (map->v[mid].last < pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void pw_node_map_bytes(const struct pw_node_map *map, struct pw_stats *out, uint64_t pa, uint64_t bytes)
{
	uint64_t last = pa + (bytes - 1), left = bytes;

	for (size_t i = part_from(map, pa); i < map->n && map->v[i].lo <= last; i++) {
		const struct pw_node_map_part *p = &map->v[i];
		uint64_t lo = p->lo > pa ? p->lo : pa, end = p->last < last ? p->last : last;

		out->node[p->at].bytes += end - lo + 1;
		left -= end - lo + 1;
	}
	out->elsewhere.bytes += left;
}

void pw_node_map_table(const struct pw_node_map *map, struct pw_stats *out, uint64_t pa)
{
	size_t i = part_from(map, pa);

	if (i < map->n && map->v[i].lo <= pa)
		out->node[map->v[i].at].tables++;
	else
		out->elsewhere.tables++;
}
