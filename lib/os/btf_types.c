// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/btf_types.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KIND_ENUM64 19        /* not in older headers */
#define MAX_DEPTH   8         /* of anonymous structs in one another */
#define MAX_MEMBERS (1 << 18) /* looked at in all: some 80 names take 20,000 */

#define SIZE(more) (sizeof(struct btf_type) + (more))

/* Bytes of a type, and bytes for each of what it counts. 0: a kind that is not known. */
static const struct {
	uint8_t bytes, each;
} sizes[32] = {
	[BTF_KIND_INT] = { SIZE(4) },
	[BTF_KIND_PTR] = { SIZE(0) },
	[BTF_KIND_ARRAY] = { SIZE(sizeof(struct btf_array)) },
	[BTF_KIND_STRUCT] = { SIZE(0), 12 },
	[BTF_KIND_UNION] = { SIZE(0), 12 },
	[BTF_KIND_ENUM] = { SIZE(0), 8 },
	[BTF_KIND_FWD] = { SIZE(0) },
	[BTF_KIND_TYPEDEF] = { SIZE(0) },
	[BTF_KIND_VOLATILE] = { SIZE(0) },
	[BTF_KIND_CONST] = { SIZE(0) },
	[BTF_KIND_RESTRICT] = { SIZE(0) },
	[BTF_KIND_FUNC] = { SIZE(0) },
	[BTF_KIND_FUNC_PROTO] = { SIZE(0), 8 },
	[BTF_KIND_VAR] = { SIZE(4) },
	[BTF_KIND_DATASEC] = { SIZE(0), 12 },
	[BTF_KIND_FLOAT] = { SIZE(0) },
	[BTF_KIND_DECL_TAG] = { SIZE(4) },
	[BTF_KIND_TYPE_TAG] = { SIZE(0) },
	[KIND_ENUM64] = { SIZE(0), 12 },
};

static inline const struct btf_type *type_at(const struct pw_btf *btf, uint32_t at)
{
	return (const struct btf_type *)(btf->types + at);
}

static inline uint32_t bytes_of(const struct btf_type *t)
{
	uint32_t kind = BTF_INFO_KIND(t->info);

	return sizes[kind].bytes + sizes[kind].each * BTF_INFO_VLEN(t->info);
}

static int number_types(struct pw_btf *btf, uint32_t kinds, pw_btf_look look, void *ctx)
{
	uint32_t at = 0, id = 1;

	/* No type is shorter than 12 bytes. */
	btf->at = malloc((btf->types_len / SIZE(0) / PW_BTF_STRIDE + 1) * sizeof(*btf->at));
	if (!btf->at)
		return -ENOMEM;
	for (; at < btf->types_len; id++) {
		const struct btf_type *t = type_at(btf, at);
		uint32_t bytes;

		if (btf->types_len - at < sizeof(*t))
			return -EINVAL;
		bytes = bytes_of(t);
		if (!bytes || bytes > btf->types_len - at)
			return -EINVAL;
		if (id % PW_BTF_STRIDE == 0)
			btf->at[id / PW_BTF_STRIDE] = at;
		at += bytes;
		if (kinds >> BTF_INFO_KIND(t->info) & 1)
			look(ctx, btf, id, t);
	}
	btf->n = id;
	return 0;
}

void pw_btf_each(const struct pw_btf *btf, uint32_t kinds, pw_btf_look look, void *ctx)
{
	uint32_t at = 0;

	for (uint32_t id = 1; id < btf->n; id++) {
		const struct btf_type *t = type_at(btf, at);

		at += bytes_of(t);
		if (kinds >> BTF_INFO_KIND(t->info) & 1)
			look(ctx, btf, id, t);
	}
}

const struct btf_type *pw_btf_type(const struct pw_btf *btf, uint32_t id)
{
	uint32_t near = id / PW_BTF_STRIDE, at;

	if (!id || id >= btf->n)
		return NULL;
	at = near ? btf->at[near] : 0;
	for (uint32_t i = near ? near * PW_BTF_STRIDE : 1; i < id; i++)
		at += bytes_of(type_at(btf, at));
	return type_at(btf, at);
}

static int open_sections(struct pw_btf *btf, size_t len)
{
	const struct btf_header *h = (const struct btf_header *)btf->data;
	uint64_t types, strings;

	if (len < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h))
		return -EINVAL;
	types = (uint64_t)h->hdr_len + h->type_off;
	strings = (uint64_t)h->hdr_len + h->str_off;
	if (types % 4 || types + h->type_len > len || strings + h->str_len > len || !h->str_len ||
	    btf->data[strings + h->str_len - 1])
		return -EINVAL;
	btf->types = btf->data + types;
	btf->strings = btf->data + strings;
	btf->nstrings = h->str_len;
	btf->types_len = h->type_len;
	return 0;
}

int pw_btf_open(struct pw_btf *btf, const char *data, size_t len, uint32_t kinds, pw_btf_look look, void *ctx)
{
	int rc;

	*btf = (struct pw_btf){ .data = data, .looks = MAX_MEMBERS };
	rc = open_sections(btf, len);
	if (!rc)
		rc = number_types(btf, kinds, look, ctx);
	if (rc)
		pw_btf_close(btf);
	return rc;
}

void pw_btf_close(struct pw_btf *btf)
{
	free(btf->at);
	memset(btf, 0, sizeof(*btf));
}

/* -------- looking things up -------- */

static bool is_modifier(uint32_t kind)
{
	return kind == BTF_KIND_CONST || kind == BTF_KIND_VOLATILE || kind == BTF_KIND_RESTRICT ||
	       kind == BTF_KIND_TYPE_TAG;
}

/* The type behind const and the like; a chain of these that does not end is no type. */
static const struct btf_type *strip(const struct pw_btf *btf, uint32_t id)
{
	const struct btf_type *t = pw_btf_type(btf, id);

	for (int i = 0; t && is_modifier(BTF_INFO_KIND(t->info)); i++)
		t = i < MAX_DEPTH ? pw_btf_type(btf, t->type) : NULL;
	return t;
}

static uint32_t member_offset(struct pw_btf *btf, uint32_t id, const char *want, int depth)
{
	const struct btf_type *t = strip(btf, id);
	const struct btf_member *m;
	uint32_t kind = t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN;

	if ((kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION) || depth > MAX_DEPTH)
		return UINT32_MAX;
	m = (const struct btf_member *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info) && btf->looks; i++) {
		const char *name = pw_btf_name(btf, m[i].name_off);
		/* With the kind flag the upper byte is the width of a bit field. */
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset;
		uint32_t in;

		btf->looks--;
		if (*name) {
			if (!strcmp(name, want))
				return bits / 8;
			continue;
		}
		in = member_offset(btf, m[i].type, want, depth + 1);
		if (in != UINT32_MAX)
			return bits / 8 + in;
	}
	return UINT32_MAX;
}

uint32_t pw_btf_member(struct pw_btf *btf, uint32_t id, const char *want)
{
	return member_offset(btf, id, want, 0);
}

bool pw_btf_enumerator(const struct pw_btf *btf, const struct btf_type *t, const char *want, uint32_t *value)
{
	const struct btf_enum *e = (const struct btf_enum *)(t + 1);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
		if (!strcmp(pw_btf_name(btf, e[i].name_off), want)) {
			*value = (uint32_t)e[i].val;
			return true;
		}
	return false;
}
