/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bits: what an entry's attributes look like in text and in JSON. */
#ifndef PW_RENDER_BITS_H
#define PW_RENDER_BITS_H

#include <pagewalk/arch.h>

#include "json.h"
#include "render.h"

/*
 * The first three can be within a row that becomes a form of entries: the swap offset is its number PW_N_OFFSET.
 */

/* "A D soft-dirty key=0 WB": what perm, size and kind do not say already. */
void pw_out_bits(struct pw_render *r, const struct pw_mmu *mmu, const struct pw_entry *e);

/* "present write user accessed dirty nx": every one. */
void pw_out_flags(struct pw_render *r, const struct pw_mmu *mmu, const struct pw_entry *e);

/* "attrs":["present","write",...] plus "key", "memtype", "swap":{"type","offset"}, "reserved" where they apply. */
void pw_json_bits(struct pw_render *r, struct pw_json *j, const struct pw_mmu *mmu, const struct pw_entry *e);

/* "attrs":[...] alone. */
void pw_json_attrs(struct pw_json *j, const struct pw_mmu *mmu, uint64_t attrs);

/* "rwxu", or null. */
void pw_json_perm(struct pw_json *j, const char *key, unsigned perm);

/* NULL when the entry has none. */
const char *pw_memtype_name(const struct pw_mmu *mmu, const struct pw_entry *e);

/* Whether the entry has a protection key that counts: a user page of a format that has keys. */
bool pw_has_key(const struct pw_mmu *mmu, const struct pw_entry *e);

#endif
