// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Decoded blocks of compressed images: page tables lie scattered, and their neighbours are asked for again. A key has one
 * place only, so that there is nothing to keep in order.
 */
#include <stdlib.h>
#include <string.h>

#include "source/image.h"

struct pw_blocks {
	size_t block_bytes, n;
	uint64_t *key; /* UINT64_MAX: nothing in it */
	char *data;
};

struct pw_blocks *pw_blocks_new(size_t block_bytes, size_t bytes)
{
	struct pw_blocks *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->block_bytes = block_bytes;
	b->n = bytes / block_bytes;
	b->key = malloc(b->n * sizeof(*b->key));
	b->data = malloc(b->n * block_bytes);
	if (!b->key || !b->data) {
		pw_blocks_free(b);
		return NULL;
	}
	memset(b->key, 0xff, b->n * sizeof(*b->key));
	return b;
}

void pw_blocks_free(struct pw_blocks *b)
{
	if (!b)
		return;
	free(b->key);
	free(b->data);
	free(b);
}

static size_t place(const struct pw_blocks *b, uint64_t key)
{
	return (key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % b->n;
}

void *pw_blocks_get(struct pw_blocks *b, uint64_t key, bool *there)
{
	size_t at = place(b, key);

	*there = b->key[at] == key;
	if (!*there)
		b->key[at] = UINT64_MAX;
	return b->data + at * b->block_bytes;
}

void pw_blocks_done(struct pw_blocks *b, uint64_t key)
{
	b->key[place(b, key)] = key;
}
