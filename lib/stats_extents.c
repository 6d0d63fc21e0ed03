/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Physical contiguity, and what it means for a TLB. */
#include "stats_parts.h"

#define PAGE_SHIFT 12
#define ORDER_2M   9
#define ORDER_1G   18

static unsigned order_of(uint64_t pages)
{
	unsigned order = 63 - (unsigned)__builtin_clzll(pages);

	return order < PW_ORDERS ? order : PW_ORDERS - 1;
}

/* The largest order at which virtual and physical addresses agree. */
static unsigned order_in_common(uint64_t va, uint64_t pa)
{
	uint64_t differ = (va ^ pa) >> PAGE_SHIFT;
	unsigned order = differ ? (unsigned)__builtin_ctzll(differ) : PW_ORDERS - 1;

	return order < PW_ORDERS ? order : PW_ORDERS - 1;
}

/* Blocks grow up to the largest that there can be, go on like that, and shrink at the end. */
void pw_extent_blocks(const struct pw_extent *e, uint64_t blocks[PW_ORDERS])
{
	uint64_t at = e->va >> PAGE_SHIFT, left = e->bytes >> PAGE_SHIFT;
	unsigned most = order_in_common(e->va, e->pa);

	while (left) {
		unsigned fits = order_of(left), order = at ? (unsigned)__builtin_ctzll(at) : most;
		uint64_t n = 1;

		order = order < most ? order : most;
		order = order < fits ? order : fits;
		if (order == most)
			n = left >> order;
		blocks[order] += n;
		at += n << order;
		left -= n << order;
	}
}

void pw_extents_end_phys(struct pw_extents *x)
{
	struct pw_extent e = x->phys;
	struct pw_contiguity *c = &x->out->contiguity;
	unsigned order;

	x->phys.bytes = 0;
	if (!e.bytes)
		return;
	order = order_of(e.bytes >> PAGE_SHIFT);
	c->extents[order]++;
	c->extent_bytes[order] += e.bytes;
	pw_extent_blocks(&e, c->blocks);
	pw_node_map_bytes(x->nodes, x->out, e.pa, e.bytes);
	if (x->asker && !x->error)
		x->error = pw_page_asker_add(x->asker, e.pa, e.bytes);
}

void pw_extents_end_alike(struct pw_extents *x)
{
	struct pw_tlb *tlb = &x->out->tlb;
	uint64_t blocks[PW_ORDERS] = { 0 };

	if (!x->alike.bytes)
		return;
	/* Most are, where memory is in pieces. */
	if (x->alike.bytes == UINT64_C(1) << PAGE_SHIFT) {
		x->alike.bytes = 0;
		tlb->blocks++;
		tlb->merged[PW_PTE]++;
		return;
	}
	pw_extent_blocks(&x->alike, blocks);
	x->alike.bytes = 0;
	for (unsigned order = 0; order < PW_ORDERS; order++) {
		tlb->blocks += blocks[order];
		if (order < ORDER_2M)
			tlb->merged[PW_PTE] += blocks[order] << order;
		else if (order < ORDER_1G)
			tlb->merged[PW_PMD] += blocks[order] << (order - ORDER_2M);
		else
			tlb->merged[PW_PUD] += blocks[order];
	}
}
