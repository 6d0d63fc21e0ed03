/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BTF, the kernel's own type information, as it lies in /sys/kernel/btf/vmlinux:
 *
 *   header    magic 0xeb9f, then where the two sections are
 *   types     one after another, numbered from 1: 12 bytes (name, kind and count, size or type), then
 *             what the kind has: members, enumerators, parameters
 *   strings   names, each ended by a 0; a name is an offset in here
 *
 * libbpf has a reader too; this one copies nothing and takes a quarter of the time, which is most of what
 * opening a live target takes. Offsets and counts are checked once, when it is opened.
 */
#ifndef PAGEWALK_OS_BTF_TYPES_H
#define PAGEWALK_OS_BTF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/btf.h>

struct pw_btf {
	const char *data; /* the caller's */
	const char *strings;
	uint32_t nstrings; /* bytes; the last one is 0 */
	const char *types;
	uint32_t *at; /* by id: offset in types; [0] is not used */
	uint32_t n;   /* ids are 1 .. n - 1 */
};

/* data stays the caller's and has to stay. -EINVAL: not BTF, or of a kind that is not known. */
int pw_btf_open(struct pw_btf *btf, const char *data, size_t len);
void pw_btf_close(struct pw_btf *btf);

/* NULL for an id that does not exist. */
static inline const struct btf_type *pw_btf_type(const struct pw_btf *btf, uint32_t id)
{
	return id && id < btf->n ? (const struct btf_type *)(btf->types + btf->at[id]) : NULL;
}

static inline const char *pw_btf_name(const struct pw_btf *btf, uint32_t off)
{
	return off < btf->nstrings ? btf->strings + off : "";
}

/* The first struct of that name; 0: none. It looks at all types: for a handful of names. */
uint32_t pw_btf_struct(const struct pw_btf *btf, const char *name);

/* Byte offset of a member, also inside anonymous structs and unions; UINT32_MAX when there is none. */
uint32_t pw_btf_member(const struct pw_btf *btf, uint32_t id, const char *want);

/* The value of an enumerator of the enum of that name. False: there is no such. */
bool pw_btf_enumerator(const struct pw_btf *btf, const char *name, const char *want, uint32_t *value);

#endif
