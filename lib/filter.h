/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A parsed filter: filter_parse.c makes it, filter.c asks it. */
#ifndef PW_FILTER_H
#define PW_FILTER_H

#include <pagewalk/filter.h>

enum pw_filter_op { PW_F_AND, PW_F_OR, PW_F_NOT, PW_F_TEST };

enum pw_filter_field {
	PW_F_PERM, /* mask: PW_R.. that has to be there */
	PW_F_KIND,
	PW_F_SWAP,
	PW_F_LEVEL,
	PW_F_HUGE,
	PW_F_RESERVED,
	PW_F_ATTR,
	PW_F_SIZE,
	PW_F_KEY,
	PW_F_SWAP_TYPE,
	PW_F_SWAP_OFFSET,
	PW_F_VA,
	PW_F_PA,
	PW_F_NAME,
	PW_F_FILE,
	PW_F_VMA,
	PW_F_MEMTYPE,
};

enum pw_filter_cmp { PW_F_EQ, PW_F_NE, PW_F_LT, PW_F_LE, PW_F_GT, PW_F_GE, PW_F_HAS, PW_F_HAS_NOT };

struct pw_filter_node {
	enum pw_filter_op op;
	uint16_t a, b; /* nodes that it joins */
	/* of a test: */
	enum pw_filter_field field;
	enum pw_filter_cmp cmp;
	uint64_t value, last; /* last: of a range */
	const char *text;     /* a name or a value, in words */
};

struct pw_filter {
	char *text, *words; /* as given; and names and values, each ended by 0 */
	struct pw_filter_node *node;
	uint16_t n, root;
	bool by_address; /* neighbours that are alike can differ in it */
};

#endif
