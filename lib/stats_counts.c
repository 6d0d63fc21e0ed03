/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries by kind and flag. */
#include <string.h>

#include <pagewalk/stats.h>

void pw_counts_add(struct pw_counts *c, const struct pw_entry *e, uint64_t n)
{
	if (e->kind == PW_NONE)
		return;
	c->entries[e->level][e->kind] += n;
	for (uint64_t left = e->attrs; left; left &= left - 1)
		c->flags[__builtin_ctzll(left)][e->level] += n;
}

uint64_t pw_counts_flag(const struct pw_counts *c, const char *name, enum pw_level level)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->mmu->arch->nattrs; i++)
		if (!strcmp(c->mmu->arch->attrs[i].name, name))
			n += c->flags[i][level];
	return n;
}

/* Whether attribute i has the same name as one before it. */
static bool is_repeated(const struct pw_counts *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(c->mmu->arch->attrs[k].name, c->mmu->arch->attrs[i].name))
			return true;
	return false;
}

const char *pw_counts_next_flag(const struct pw_counts *c, size_t *i)
{
	while (*i < c->mmu->arch->nattrs) {
		const char *name = c->mmu->arch->attrs[*i].name;
		uint64_t n = 0;

		for (unsigned level = 0; level < PW_NLEVELS; level++)
			n += pw_counts_flag(c, name, level);
		if (!is_repeated(c, (*i)++) && n)
			return name;
	}
	return NULL;
}
