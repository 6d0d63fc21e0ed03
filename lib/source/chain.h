/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain: the entries above a batch of tables, in the order in which they have to be checked: nearest first. What lies
 * together in one table is read together: 32 tables that hang side by side have one part of 32 entries above them, and
 * one part a level above that.
 */
#ifndef PAGEWALK_SOURCE_CHAIN_H
#define PAGEWALK_SOURCE_CHAIN_H

#include <pagewalk/source.h>

#define PW_CHAIN_REQS  32
#define PW_CHAIN_DEPTH 4
#define PW_CHAIN_PARTS 64
#define PW_CHAIN_WORDS 256 /* of all parts */
#define PW_CHAIN_PART  64  /* words of one */

struct pw_chain_part {
	uint64_t pa;
	uint16_t n;  /* words */
	uint16_t at; /* index of the first */
};

struct pw_chain {
	size_t n; /* requests that it is for */
	size_t nparts;
	struct pw_chain_part part[PW_CHAIN_PARTS];
	uint16_t of[PW_CHAIN_REQS][PW_CHAIN_DEPTH]; /* of request r's link at distance d: index of its word */
};

/*
 * For the first of n requests: as many as fit (chain->n), one at least. -E2BIG when a path has more than PW_CHAIN_DEPTH links.
 */
int pw_chain_build(struct pw_chain *chain, const struct pw_table_req *req, size_t n);

/* Whether the whole path of req[r] is as expected in words[], which have been read by part[]; a word that could not be read is 0. */
bool pw_chain_holds(const struct pw_chain *chain, const struct pw_table_req *req, size_t r, const uint64_t *words);

#endif
