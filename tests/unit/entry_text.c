/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "entry_text.h"

static const char *size_text(uint64_t size)
{
	static char text[24];
	static const char units[] = "BKMGT";
	unsigned unit = 0;

	while (size >= 1024 && unit < 4) {
		size >>= 10;
		unit++;
	}
	snprintf(text, sizeof(text), "%" PRIu64 "%c", size, units[unit]);
	return text;
}

void entry_text(const struct pw_arch *arch, const struct pw_entry *e, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");
	char perm[5];
	int n = 0;

	fprintf(f, "%s ", pw_kind_name(e->kind));
	if (e->pa == PW_PA_NONE)
		fputc('-', f);
	else
		fprintf(f, "0x%" PRIx64, e->pa);
	fprintf(f, " %s %s ", size_text(e->size), pw_perm_text(e->perm, perm));
	for (size_t i = 0; i < arch->nattrs; i++)
		if (e->attrs >> i & 1)
			fprintf(f, "%s%s", n++ ? "," : "", arch->attrs[i].name);
	if (!n)
		fputc('-', f);
	if (arch == &pw_arch_x86_64 && (e->kind == PW_LEAF || e->kind == PW_PROTNONE))
		fprintf(f, " key=%u", e->key);
	if (e->memtype != 0xff)
		fprintf(f, " %s", arch->memtypes[e->memtype]);
	if (e->has_swap)
		fprintf(f, " swap=%u:0x%" PRIx64, e->swap_type, e->swap_offset);
	if (e->reserved)
		fprintf(f, " reserved=0x%" PRIx64, e->reserved);
	fputc('\0', f);
	fclose(f);
}

long entry_cases(const char *path,
		 void (*fn)(long line, const char *mmu, const char *level, const char *raw, const char *expect))
{
	FILE *f = fopen(path, "r");
	char text[512];
	long line = 0, cases = 0;

	if (!f)
		return -1;
	while (fgets(text, sizeof(text), f)) {
		char *column[4], *at = text;
		int n;

		line++;
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '#' || text[0] == '\0')
			continue;
		for (n = 0; n < 4 && at; n++)
			column[n] = n < 3 ? strsep(&at, "\t") : at;
		if (n < 4) {
			fn(line, "", "", "", "a line has four columns");
			continue;
		}
		fn(line, column[0], column[1], column[2], column[3]);
		cases++;
	}
	fclose(f);
	return cases;
}
