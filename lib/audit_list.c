// SPDX-License-Identifier: LGPL-2.1-or-later
/* Findings: what is alike is one. Names come from outside, so that their number has a bound. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

#define MOST_BYTES (16u << 20)
#define LOOK_BACK  16 /* exact: neighbours in the address space are that near in the list */

static uint32_t hash_text(uint32_t h, const char *s)
{
	do
		h = (h ^ (uint8_t)*s) * 16777619u;
	while (*s++);
	return h;
}

static uint32_t hash_key(const struct pw_finding *f)
{
	uint32_t h = hash_text(hash_text(2166136261u, f->space), f->path);

	return (h ^ (uint32_t)(f->rule - pw_audit_rule_table) ^ (uint32_t)f->perm << 8) * 16777619u;
}

static bool same_key(const struct pw_finding *a, const struct pw_finding *b)
{
	return a->hash == b->hash && a->rule == b->rule && a->perm == b->perm && !strcmp(a->path, b->path) &&
	       !strcmp(a->space, b->space);
}

static void free_strings(struct pw_finding *f)
{
	free((char *)f->space);
	free((char *)f->name);
	free((char *)f->path);
}

/* -------- the index -------- */

static void index_one(struct pw_findings *list, size_t i)
{
	size_t at = list->v[i].hash & (list->slots - 1);

	while (list->index[at])
		at = (at + 1) & (list->slots - 1);
	list->index[at] = (uint32_t)i + 1;
}

/* At most half of it is used. */
static int index_grow(struct pw_findings *list, size_t room)
{
	uint32_t *index = calloc(2 * room, sizeof(*index));

	if (!index)
		return -ENOMEM;
	free(list->index);
	list->index = index;
	list->slots = 2 * room;
	for (size_t i = 0; i < list->n; i++)
		index_one(list, i);
	return 0;
}

static struct pw_finding *find(const struct pw_findings *list, const struct pw_finding *f)
{
	for (size_t at = f->hash; list->slots; at++) {
		uint32_t i = list->index[at & (list->slots - 1)];

		if (!i)
			break;
		if (same_key(&list->v[i - 1], f))
			return &list->v[i - 1];
	}
	return NULL;
}

/* -------- the list -------- */

static int make_room(struct pw_findings *list)
{
	size_t want = list->room ? 2 * list->room : 32;
	struct pw_finding *v;

	if (list->n < list->room)
		return 0;
	v = reallocarray(list->v, want, sizeof(*v));
	if (!v)
		return -ENOMEM;
	list->v = v;
	if (!list->exact && index_grow(list, want))
		return -ENOMEM;
	list->room = want;
	return 0;
}

/* A copy of f at the end of the list. */
static int append(struct pw_findings *list, const struct pw_finding *f)
{
	size_t bytes = sizeof(*f) + strlen(f->space) + strlen(f->name) + strlen(f->path) + 3;
	struct pw_finding *v;

	if (list->bytes + bytes > MOST_BYTES) {
		list->lost++;
		return 0;
	}
	if (make_room(list))
		return -ENOMEM;
	v = &list->v[list->n];
	*v = *f;
	v->space = strdup(f->space);
	v->name = strdup(f->name);
	v->path = strdup(f->path);
	if (!v->space || !v->name || !v->path) {
		free_strings(v);
		return -ENOMEM;
	}
	if (!list->exact)
		index_one(list, list->n);
	list->n++;
	list->bytes += bytes;
	return 0;
}

/* The piece that f goes on. */
static struct pw_finding *find_neighbour(const struct pw_findings *list, const struct pw_finding *f)
{
	for (size_t i = list->n, left = LOOK_BACK; i-- > 0 && left--;)
		if (same_key(&list->v[i], f) && list->v[i].end_of_piece + 1 == f->va)
			return &list->v[i];
	return NULL;
}

int pw_findings_add(struct pw_findings *list, const struct pw_finding *f)
{
	struct pw_finding new = *f, *to;

	new.hash = hash_key(f);
	new.end_of_piece = f->last;
	new.last_pid = f->pid;
	to = list->exact ? find_neighbour(list, &new) : find(list, &new);
	if (!to)
		return append(list, &new);
	to->pieces += to->end_of_piece + 1 != f->va;
	to->end_of_piece = f->last;
	if (f->last > to->last)
		to->last = f->last;
	to->pages += f->pages;
	to->bytes += f->bytes;
	return 0;
}

int pw_findings_merge(struct pw_findings *list, const struct pw_findings *more)
{
	int rc = 0;

	list->lost += more->lost;
	for (size_t i = 0; i < more->n && !rc; i++) {
		const struct pw_finding *f = &more->v[i];
		struct pw_finding *to = list->exact ? NULL : find(list, f);

		if (!to) {
			rc = append(list, f);
			continue;
		}
		if (to->last_pid != f->pid)
			to->spaces++;
		else if (to->spaces == 1 && f->last > to->last)
			to->last = f->last;
		to->last_pid = f->pid;
		to->pieces += f->pieces;
		to->pages += f->pages;
		to->bytes += f->bytes;
	}
	return rc;
}

static bool like(const struct pw_finding *a, const struct pw_finding *b)
{
	return same_key(a, b) && a->va <= b->last && b->va <= a->last;
}

/* hint: where the last one was found; both lists are in the same order for the most part. */
static bool has_like(const struct pw_findings *list, const struct pw_finding *f, size_t *hint)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t at = (*hint + i) % list->n;

		if (like(&list->v[at], f)) {
			*hint = at;
			return true;
		}
	}
	return false;
}

void pw_findings_confirm(struct pw_findings *list, const struct pw_findings *first)
{
	size_t n = 0, hint = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (has_like(first, &list->v[i], &hint))
			list->v[n++] = list->v[i];
		else
			free_strings(&list->v[i]);
	}
	list->n = n;
	free(list->index);
	list->index = NULL;
	list->slots = list->room = 0;
}

bool pw_findings_have(const struct pw_findings *list, uint32_t rules)
{
	for (size_t i = 0; i < list->n; i++)
		if (rules >> (list->v[i].rule - pw_audit_rule_table) & 1)
			return true;
	return false;
}

static int by_severity(const void *x, const void *y)
{
	const struct pw_finding *a = x, *b = y;
	int c;

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	if (!a->pid != !b->pid)
		return a->pid ? 1 : -1;
	c = strcmp(a->space, b->space);
	if (c)
		return c;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->va > b->va) - (a->va < b->va);
}

void pw_findings_sort(struct pw_findings *list)
{
	if (list->n)
		qsort(list->v, list->n, sizeof(*list->v), by_severity);
	/* Numbers have changed: the next addition makes a new index. */
	free(list->index);
	list->index = NULL;
	list->slots = list->room = 0;
}

void pw_findings_free(struct pw_findings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free_strings(&list->v[i]);
	free(list->v);
	free(list->index);
	*list = (struct pw_findings){ .exact = list->exact };
}
