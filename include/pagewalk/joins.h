/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* joins: what a system says beside its tables. */
#ifndef PAGEWALK_JOINS_H
#define PAGEWALK_JOINS_H

#include <stddef.h>
#include <stdint.h>

#define PW_NSWAP 32

struct pw_joins {
	struct {
		uint64_t lo, last;
		unsigned node;
	} * node; /* NUMA nodes' memory, ascending; malloc'ed */
	size_t nnodes;
	char swap[PW_NSWAP][32]; /* "swap0 (zram)" by type; "" unknown */
};

#endif
