/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the command mem share. */
#ifndef CLI_MEM_H
#define CLI_MEM_H

#include "parse.h"
#include "session.h"

/* Where: physical memory, or addresses of a space. */
struct place {
	struct pw_space space; /* without pieces: physical */
	struct ranges ranges;
	bool phys;
	bool address; /* one address, nothing said about the end */
	size_t words; /* of the command line that name it */
};

/* mem read: a status. */
int mem_read(struct session *s, struct place *p);

#endif
