// SPDX-License-Identifier: LGPL-2.1-or-later
#include "source/chain.h"

#include <errno.h>

#define GAP 8 /* words that nobody asked for between two of one part: reading them is cheaper than another part */

/* Parts by distance from the table. */
struct builder {
	struct pw_chain_part part[PW_CHAIN_DEPTH][PW_CHAIN_PARTS];
	size_t nparts[PW_CHAIN_DEPTH];
	size_t all, words; /* of all distances */
	struct {
		uint8_t part, word;
	} of[PW_CHAIN_REQS][PW_CHAIN_DEPTH];
};

static bool has_room(const struct builder *b)
{
	return b->all + PW_CHAIN_DEPTH <= PW_CHAIN_PARTS && b->words + PW_CHAIN_DEPTH * (GAP + 1) <= PW_CHAIN_WORDS;
}

/* The word of the part that is for pa, which may have to grow; PW_CHAIN_PART when it is too far. */
static size_t word_of(const struct pw_chain_part *part, uint64_t pa)
{
	uint64_t bytes = pa - part->pa;
	size_t word = (size_t)(bytes / sizeof(uint64_t));

	if (pa < part->pa || (pa ^ part->pa) >> 12 || bytes % sizeof(uint64_t) || word > (size_t)part->n + GAP)
		return PW_CHAIN_PART;
	return word;
}

static void add_link(struct builder *b, size_t r, size_t d, uint64_t pa)
{
	struct pw_chain_part *part = b->part[d];
	size_t word = PW_CHAIN_PART, i = b->nparts[d];

	while (i && (word = word_of(&part[i - 1], pa)) >= PW_CHAIN_PART)
		i--;
	if (!i) {
		i = ++b->nparts[d];
		part[i - 1] = (struct pw_chain_part){ .pa = pa };
		b->all++;
		word = 0;
	}
	b->of[r][d].part = (uint8_t)(i - 1);
	b->of[r][d].word = (uint8_t)word;
	if (word >= part[i - 1].n) {
		b->words += word + 1 - part[i - 1].n;
		part[i - 1].n = (uint16_t)(word + 1);
	}
}

static int add_path(struct builder *b, size_t r, const struct pw_link *link)
{
	for (size_t d = 0; link; d++, link = link->up) {
		if (d == PW_CHAIN_DEPTH)
			return -E2BIG;
		add_link(b, r, d, link->pa);
	}
	return 0;
}

/*
 * By distance from the table, so that an entry is never read before one that hangs below it. Words are
 * shared within one distance only: across distances sharing would break that order.
 */
static void lay_out(struct builder *b, const struct pw_table_req *req, struct pw_chain *chain)
{
	uint16_t at = 0;

	chain->nparts = 0;
	for (size_t d = 0; d < PW_CHAIN_DEPTH; d++)
		for (size_t i = 0; i < b->nparts[d]; i++) {
			b->part[d][i].at = at;
			at += b->part[d][i].n;
			chain->part[chain->nparts++] = b->part[d][i];
		}
	for (size_t r = 0; r < chain->n; r++) {
		const struct pw_link *link = req[r].link;

		for (size_t d = 0; link; d++, link = link->up)
			chain->of[r][d] = b->part[d][b->of[r][d].part].at + b->of[r][d].word;
	}
}

int pw_chain_build(struct pw_chain *chain, const struct pw_table_req *req, size_t n)
{
	struct builder b;

	for (size_t d = 0; d < PW_CHAIN_DEPTH; d++)
		b.nparts[d] = 0;
	b.all = b.words = 0;
	for (chain->n = 0; chain->n < n && chain->n < PW_CHAIN_REQS && has_room(&b); chain->n++)
		if (add_path(&b, chain->n, req[chain->n].link))
			return -E2BIG;
	lay_out(&b, req, chain);
	return 0;
}

bool pw_chain_holds(const struct pw_chain *chain, const struct pw_table_req *req, size_t r, const uint64_t *words)
{
	const struct pw_link *link = req[r].link;

	for (size_t d = 0; link; d++, link = link->up) {
		uint64_t word = words[chain->of[r][d]];

		/* No entry that leads to a table is 0. */
		if (!word || (word ^ link->expect) & ~link->ignore)
			return false;
	}
	return true;
}
