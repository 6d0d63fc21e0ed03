// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tables of an image that were read before: its bytes do not change, so they are handed out where they are kept. Whatever page is kept is found by
 * its address: a chain a hash value; what is longest in goes first, unless it was asked for since the last time around.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "source/image.h"

#define SLOTS  PW_TABLES
#define CHAINS 4096
#define AHEAD  64 /* slots whose memory is had at once: fewer page faults */
#define NOBODY UINT16_MAX

struct slot {
	uint64_t page; /* its number */
	uint32_t call; /* the last one that it was handed out in */
	uint16_t next; /* of the chain */
	bool asked;
};

struct pw_tables {
	uint16_t chain[CHAINS]; /* the first slot of each */
	struct slot slot[SLOTS];
	uint32_t call;
	unsigned n, hand;
	char *data; /* a page a slot, NULL before the first is needed; what was never used takes no memory */
};

struct pw_tables *pw_tables_new(void)
{
	struct pw_tables *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	t->data = NULL;
	memset(t->chain, 0xff, sizeof(t->chain));
	t->call = 0;
	t->n = t->hand = 0;
	return t;
}

void pw_tables_free(struct pw_tables *t)
{
	if (t)
		free(t->data);
	free(t);
}

void pw_tables_call(struct pw_tables *t)
{
	t->call++;
}

static uint16_t *chain_of(struct pw_tables *t, uint64_t page)
{
	return &t->chain[page * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

static char *data_of(const struct pw_tables *t, unsigned slot)
{
	return t->data + (size_t)slot * PW_TABLES_PAGE;
}

const void *pw_tables_find(struct pw_tables *t, uint64_t page)
{
	for (unsigned i = *chain_of(t, page); i != NOBODY; i = t->slot[i].next) {
		struct slot *s = &t->slot[i];

		if (s->page != page)
			continue;
		s->asked = true;
		s->call = t->call;
		return data_of(t, i);
	}
	return NULL;
}

void pw_tables_drop(struct pw_tables *t, uint64_t page)
{
	uint16_t *at = chain_of(t, page);

	while (*at != NOBODY && t->slot[*at].page != page)
		at = &t->slot[*at].next;
	if (*at == NOBODY)
		return;
	/* It is found no more; its slot comes up in its turn. */
	t->slot[*at].page = UINT64_MAX;
	t->slot[*at].asked = false;
	*at = t->slot[*at].next;
}

static unsigned unused_slot(struct pw_tables *t)
{
	if (!t->data)
		t->data = aligned_alloc(PW_TABLES_PAGE, (size_t)SLOTS * PW_TABLES_PAGE);
	if (!t->data)
		return NOBODY;
	/* Kernels before v5.14 cannot; then each page is had when it is written to. */
	if (t->n % AHEAD == 0)
		madvise(data_of(t, t->n), (size_t)AHEAD * PW_TABLES_PAGE, MADV_POPULATE_WRITE);
	return t->n++;
}

/* A slot that nothing is in, or nothing that this call has handed out; or NOBODY. */
static unsigned free_slot(struct pw_tables *t)
{
	if (t->n < SLOTS)
		return unused_slot(t);
	for (unsigned tries = 0; tries < 2 * SLOTS; tries++) {
		unsigned i = t->hand;
		struct slot *s = &t->slot[i];

		t->hand = (t->hand + 1) % SLOTS;
		if (s->call == t->call)
			continue;
		if (!s->asked) {
			pw_tables_drop(t, s->page);
			return i;
		}
		s->asked = false;
	}
	return NOBODY;
}

void *pw_tables_add(struct pw_tables *t, uint64_t page)
{
	unsigned i = free_slot(t);
	uint16_t *first = chain_of(t, page);

	if (i == NOBODY)
		return NULL;
	t->slot[i] = (struct slot){ .page = page, .call = t->call, .next = *first };
	*first = (uint16_t)i;
	return data_of(t, i);
}
