/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a snapshot says beside its tables, to and from bytes: docs/snapshot-format.md has them in this order. The readers check
 * what they read; what is out of order makes u->bad.
 */
#ifndef PW_OS_PACK_SPACE_H
#define PW_OS_PACK_SPACE_H

#include <pagewalk/joins.h>
#include <pagewalk/target.h>

#include "source/pack.h"

void pw_pack_facts(struct pw_pack *p, const struct pw_target *t, const struct pw_taken *taken);
/* Fills in mmu[] and facts of t, and whether its source was leaf-only; texts go to u->text, which then is the target's. */
void pw_unpack_facts(struct pw_unpack *u, struct pw_target *t, struct pw_taken *taken, bool *leaf_only);

/* NULL stands for "anything may be followed". *ranges is malloc'ed. */
void pw_pack_ranges(struct pw_pack *p, const struct pw_range *ranges, size_t n);
void pw_unpack_ranges(struct pw_unpack *u, struct pw_range **ranges, size_t *n);

void pw_pack_soft(struct pw_pack *p, const struct pw_soft_types *soft);
void pw_unpack_soft(struct pw_unpack *u, struct pw_soft_types *soft);
void pw_pack_joins(struct pw_pack *p, const struct pw_joins *joins);
void pw_unpack_joins(struct pw_unpack *u, struct pw_joins *joins);

/* Its strings are one buffer, areas->strings. 0, -ENOMEM, or -EINVAL. */
void pw_pack_areas(struct pw_pack *p, const struct pw_areas *areas);
int pw_unpack_areas(const uint8_t *buf, size_t len, uint32_t most, struct pw_areas *areas);

/* id: its number in the snapshot; areas: the section that has them. */
void pw_pack_space(struct pw_pack *p, const struct pw_space *space, uint32_t id, uint32_t areas);
/* Fills in pid, title, comm and pieces of a space of t. */
void pw_unpack_space(struct pw_unpack *u, const struct pw_target *t, struct pw_space *space, uint32_t *id,
		     uint32_t *areas);

#endif
