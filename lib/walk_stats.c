/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What walks have counted. */
#include <pagewalk/walk.h>

void pw_walk_stats_add(struct pw_walk_stats *total, const struct pw_walk_stats *one)
{
	for (unsigned i = 0; i < PW_NLEVELS; i++)
		total->tables[i] += one->tables[i];
	total->table_bytes += one->table_bytes;
	total->retries += one->retries;
	total->unstable += one->unstable;
	total->unreadable += one->unreadable;
	total->inconsistent += one->inconsistent;
	total->aliases += one->aliases;
	total->truncated |= one->truncated;
}

uint64_t pw_walk_stats_tables(const struct pw_walk_stats *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PW_NLEVELS; i++)
		n += s->tables[i];
	return n;
}
