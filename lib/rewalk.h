/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_REWALK_H
#define PW_REWALK_H

#include <pagewalk/walk.h>

struct pw_rewalk {
	uint64_t slot_pa;         /* where the entry is now */
	uint64_t raw;             /* and what it holds; 0 when a level above has become empty */
	const struct pw_link *up; /* the path to the table that it is in */
};

/*
 * Looks up the entry for va at `depth` from the root, by reads of single entries. links has room for
 * PW_NLEVELS and must live as long as out->up is used. 0; -EAGAIN when it changed again or a level above is a
 * huge page now; -EFAULT, -ENXIO as of pw_table_req.
 */
int pw_rewalk(const struct pw_space *space, const struct pw_piece *piece, uint64_t va, unsigned depth,
	      struct pw_link *links, struct pw_rewalk *out);

#endif
