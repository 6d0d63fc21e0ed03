/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain: the entries above a batch of tables, each wanted once, in the order in which they have to be
 * checked: nearest first. Tables of one parent share all but the nearest.
 */
#ifndef PAGEWALK_SOURCE_CHAIN_H
#define PAGEWALK_SOURCE_CHAIN_H

#include <pagewalk/source.h>

#define PW_CHAIN_REQS  16
#define PW_CHAIN_DEPTH 4

struct pw_chain {
	size_t n;
	const struct pw_link *link[PW_CHAIN_REQS * PW_CHAIN_DEPTH];
	uint8_t of[PW_CHAIN_REQS][PW_CHAIN_DEPTH]; /* request r's link at distance d is link[of[r][d]] */
	uint8_t depth[PW_CHAIN_REQS];
};

/* For n requests, at most PW_CHAIN_REQS. -E2BIG when a path has more than PW_CHAIN_DEPTH links. */
int pw_chain_build(struct pw_chain *chain, const struct pw_table_req *req, size_t n);

/* Whether request r's whole path held `now[i]` as expected; now[] is by the index of link[]. */
bool pw_chain_holds(const struct pw_chain *chain, size_t r, const uint64_t *now, size_t stride);

#endif
