// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/btf_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KIND_ENUM64 19 /* not in older headers */

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
