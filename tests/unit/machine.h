/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine made of text (lib/source/text.h) for unit tests, behind a source that can misbehave: it can say
 * that a chain changed, and swap an entry under the reader's hands.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <pagewalk/walk.h>

#include "source/text.h"

#define MACHINE_KEPT 4

struct machine {
	struct pw_target target;
	struct pw_space space;
	struct pw_text text;
	/* Each read of this table says -EAGAIN, that many times (a very large number: always). */
	uint64_t again_pa;
	unsigned again;
	/* When `again` runs out, this entry gets that value. */
	uint64_t poke_pa, poke_value;
	/* Pages of tables that are at hand, if any are to be: those that were read. */
	bool at_hand;
	uint64_t kept[MACHINE_KEPT];
	unsigned nkept;
	bool zero_copy; /* hand out own memory that the next call overwrites */
	uint64_t own[PW_LOOKAHEAD][512];
	unsigned calls, reads;
	uint64_t visited; /* a visitor's own */
};

/* The text after the first line; fails the test when it does not parse. The space is of a root 0x1000. */
struct machine *machine_new(const char *text);
void machine_free(struct machine *m);

#endif
