/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats_parts: what pw_stats() is made of. */
#ifndef PW_STATS_PARTS_H
#define PW_STATS_PARTS_H

#include <pagewalk/stats.h>

/* Physical memory that belongs to nodes, ascending and disjoint. */
struct pw_node_map {
	struct pw_node_map_part {
		uint64_t lo, last;
		size_t at; /* in out->node */
	} * v;
	size_t n;
};

/* Makes out->node as well. -ENOMEM. */
int pw_node_map_init(struct pw_node_map *map, const struct pw_joins *joins, struct pw_stats *out);
void pw_node_map_free(struct pw_node_map *map);

/* Shares out bytes of mapped memory, or a table. */
void pw_node_map_bytes(const struct pw_node_map *map, struct pw_stats *out, uint64_t pa, uint64_t bytes);
void pw_node_map_table(const struct pw_node_map *map, struct pw_stats *out, uint64_t pa);

/* Frames about which the kernel is asked, many at a time. */
struct pw_page_asker;

/* -errno with a text. */
int pw_page_asker_new(struct pw_page_asker **out, struct pw_error *err);
void pw_page_asker_free(struct pw_page_asker *a);
/* -errno; finish: asks about all that is left. */
int pw_page_asker_add(struct pw_page_asker *a, uint64_t pa, uint64_t bytes);
int pw_page_asker_finish(struct pw_page_asker *a, struct pw_page_stats *out);

/* A stretch of addresses over memory that follows itself. */
struct pw_extent {
	uint64_t va, pa, bytes; /* bytes 0: none */
};

struct pw_extents {
	struct pw_extent phys;  /* whatever the permissions */
	struct pw_extent alike; /* of one translation */
	uint64_t rights;        /* of alike */
	struct pw_stats *out;
	const struct pw_node_map *nodes;
	struct pw_page_asker *asker; /* NULL: none */
	int error;                   /* the asker's */
};

/* Counts what is there, and begins anew. */
void pw_extents_end_phys(struct pw_extents *x);
void pw_extents_end_alike(struct pw_extents *x);

/* Cuts an extent into blocks. */
void pw_extent_blocks(const struct pw_extent *e, uint64_t blocks[PW_ORDERS]);

static inline bool pw_extent_goes_on(const struct pw_extent *e, uint64_t va, uint64_t pa)
{
	return e->bytes && e->va + e->bytes == va && e->pa + e->bytes == pa;
}

/* A page of that many bytes; in VA order. rights: equal for pages that translate alike. */
static inline void pw_extents_add(struct pw_extents *x, uint64_t va, uint64_t pa, uint64_t bytes, uint64_t rights)
{
	bool follows = pw_extent_goes_on(&x->phys, va, pa);

	if (follows && rights == x->rights) {
		x->phys.bytes += bytes;
		x->alike.bytes += bytes;
		return;
	}
	pw_extents_end_alike(x);
	x->alike = (struct pw_extent){ va, pa, bytes };
	x->rights = rights;
	if (follows) {
		x->phys.bytes += bytes;
		return;
	}
	pw_extents_end_phys(x);
	x->phys = (struct pw_extent){ va, pa, bytes };
}

/* What was found in one range of 2M, or in the part of it that is one VMA's. */
struct pw_thp_range {
	unsigned leaves, soft, protnone; /* of 512 */
	bool mixed;                      /* not all leaves translate alike */
	bool contiguous;                 /* all leaves are one block */
};

/* Why it is no huge page; the area holds all of it. -1: nothing is there. */
int pw_thp_judge(const struct pw_area *area, const struct pw_thp_range *r);

/* Ranges in anonymous areas that the space's pieces hold. */
uint64_t pw_thp_ranges(const struct pw_space *space);

#endif
