// SPDX-License-Identifier: LGPL-2.1-or-later
#include "source/chain.h"

#include <errno.h>

/* Index of link among those from `from` on, added when it is new. */
static size_t chain_index(struct pw_chain *chain, size_t from, const struct pw_link *link)
{
	for (size_t i = chain->n; i > from; i--)
		if (chain->link[i - 1] == link)
			return i - 1;
	chain->link[chain->n] = link;
	return chain->n++;
}

/*
 * By distance from the table, so that an entry is never read before one that hangs below it. Links are
 * shared within one distance only: across distances sharing would break that order.
 */
int pw_chain_build(struct pw_chain *chain, const struct pw_table_req *req, size_t n)
{
	const struct pw_link *at[PW_CHAIN_REQS];

	chain->n = 0;
	for (size_t r = 0; r < n; r++) {
		at[r] = req[r].link;
		chain->depth[r] = 0;
	}
	for (size_t d = 0; d < PW_CHAIN_DEPTH; d++) {
		size_t from = chain->n;

		for (size_t r = 0; r < n; r++) {
			if (!at[r])
				continue;
			chain->of[r][d] = (uint8_t)chain_index(chain, from, at[r]);
			chain->depth[r]++;
			at[r] = at[r]->up;
		}
	}
	for (size_t r = 0; r < n; r++)
		if (at[r])
			return -E2BIG;
	return 0;
}

bool pw_chain_holds(const struct pw_chain *chain, size_t r, const uint64_t *now, size_t stride)
{
	for (size_t d = 0; d < chain->depth[r]; d++) {
		size_t i = chain->of[r][d];
		const struct pw_link *link = chain->link[i];
		uint64_t value = *(const uint64_t *)((const char *)now + i * stride);

		if ((value ^ link->expect) & ~link->ignore)
			return false;
	}
	return true;
}
