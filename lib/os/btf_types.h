/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BTF, the kernel's own type information, as it lies in /sys/kernel/btf/vmlinux:
 *
 *   header    magic 0xeb9f, then where the two sections are
 *   types     one after another, numbered from 1: 12 bytes (name, kind and count, size or type), then
 *             what the kind has: members, enumerators, parameters
 *   strings   names, each ended by a 0; a name is an offset in here
 *
 * libbpf has a reader too; this one copies nothing and takes a tenth of the time, which is most of what opening
 * a live target takes: each type has to be read to know where the next one begins, and so whoever looks for
 * something does it on the way. Offsets and counts are checked once, when it is opened.
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
	uint32_t types_len; /* bytes */
	uint32_t *at;       /* of every PW_BTF_STRIDE-th id: offset in types */
	uint32_t n;         /* ids are 1 .. n - 1 */
	uint32_t looks;     /* members that pw_btf_member() may still look at: types that a forger made end as well */
};

#define PW_BTF_STRIDE 8

/* Sees the types in the order of their ids. While they are opened, none can be looked up yet. */
typedef void (*pw_btf_look)(void *ctx, const struct pw_btf *btf, uint32_t id, const struct btf_type *t);

/*
 * data stays the caller's and has to stay. `look` sees all types whose kind is in the mask (1 << BTF_KIND_...).
 * -EINVAL: not BTF, or of a kind that is not known; look may have seen what is before.
 */
int pw_btf_open(struct pw_btf *btf, const char *data, size_t len, uint32_t kinds, pw_btf_look look, void *ctx);
void pw_btf_close(struct pw_btf *btf);

/* Once more, of one that is open. */
void pw_btf_each(const struct pw_btf *btf, uint32_t kinds, pw_btf_look look, void *ctx);

/* NULL for an id that does not exist. */
const struct btf_type *pw_btf_type(const struct pw_btf *btf, uint32_t id);

static inline const char *pw_btf_name(const struct pw_btf *btf, uint32_t off)
{
	return off < btf->nstrings ? btf->strings + off : "";
}

/* Byte offset of a member, also inside anonymous structs and unions; UINT32_MAX when there is none, or too much was looked at. */
uint32_t pw_btf_member(struct pw_btf *btf, uint32_t id, const char *want);

/* The value of an enumerator of an enum. False: there is no such. */
bool pw_btf_enumerator(const struct pw_btf *btf, const struct btf_type *t, const char *want, uint32_t *value);

#endif
