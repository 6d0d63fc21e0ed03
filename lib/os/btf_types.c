// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/btf_types.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KIND_ENUM64 19    /* not in older headers */
#define MAX_DEPTH   8     /* of anonymous structs in one another */
#define MAX_MEMBERS 65536 /* looked at for one name */

/* Bytes that follow the 12 of a type; UINT32_MAX for a kind that is not known. */
static uint32_t type_extra(uint32_t info)
{
	uint32_t n = BTF_INFO_VLEN(info);

	switch (BTF_INFO_KIND(info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case KIND_ENUM64:
		return n * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return n * 8;
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	}
	return UINT32_MAX;
}

static int index_types(struct pw_btf *btf, uint32_t len)
{
	uint32_t at = 0;

	/* No type is shorter than 12 bytes. */
	btf->at = malloc((len / sizeof(struct btf_type) + 1) * sizeof(*btf->at));
	if (!btf->at)
		return -ENOMEM;
	for (btf->n = 1; at < len; btf->n++) {
		const struct btf_type *t = (const struct btf_type *)(btf->types + at);
		uint32_t extra;

		if (len - at < sizeof(*t))
			return -EINVAL;
		extra = type_extra(t->info);
		if (extra > len - at - sizeof(*t))
			return -EINVAL;
		btf->at[btf->n] = at;
		at += (uint32_t)sizeof(*t) + extra;
	}
	return 0;
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
	return index_types(btf, h->type_len);
}

int pw_btf_open(struct pw_btf *btf, const char *data, size_t len)
{
	int rc;

	*btf = (struct pw_btf){ .data = data };
	rc = open_sections(btf, len);
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

static uint32_t member_offset(const struct pw_btf *btf, uint32_t id, const char *want, int depth, int *budget)
{
	const struct btf_type *t = strip(btf, id);
	const struct btf_member *m;
	uint32_t kind = t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN;

	if ((kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION) || depth > MAX_DEPTH)
		return UINT32_MAX;
	m = (const struct btf_member *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info) && --*budget > 0; i++) {
		const char *name = pw_btf_name(btf, m[i].name_off);
		/* With the kind flag the upper byte is the width of a bit field. */
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset;
		uint32_t in;

		if (*name) {
			if (!strcmp(name, want))
				return bits / 8;
			continue;
		}
		in = member_offset(btf, m[i].type, want, depth + 1, budget);
		if (in != UINT32_MAX)
			return bits / 8 + in;
	}
	return UINT32_MAX;
}

uint32_t pw_btf_member(const struct pw_btf *btf, uint32_t id, const char *want)
{
	int budget = MAX_MEMBERS;

	return member_offset(btf, id, want, 0, &budget);
}

uint32_t pw_btf_struct(const struct pw_btf *btf, const char *name)
{
	for (uint32_t id = 1; id < btf->n; id++) {
		const struct btf_type *t = pw_btf_type(btf, id);

		if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT && !strcmp(pw_btf_name(btf, t->name_off), name))
			return id;
	}
	return 0;
}

bool pw_btf_enumerator(const struct pw_btf *btf, const char *name, const char *want, uint32_t *value)
{
	for (uint32_t id = 1; id < btf->n; id++) {
		const struct btf_type *t = pw_btf_type(btf, id);
		const struct btf_enum *e = (const struct btf_enum *)(t + 1);

		if (BTF_INFO_KIND(t->info) != BTF_KIND_ENUM || strcmp(pw_btf_name(btf, t->name_off), name))
			continue;
		for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
			if (!strcmp(pw_btf_name(btf, e[i].name_off), want)) {
				*value = (uint32_t)e[i].val;
				return true;
			}
	}
	return false;
}
