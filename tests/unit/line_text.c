/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line_text.h"
#include "render/bits.h"

#define CELL (LINE_TEXT / PW_MAX_COLUMNS)
#define ULL  unsigned long long

void line_init(struct line *l, const struct pw_render *r, const struct pw_span *span, size_t i)
{
	*l = (struct line){ .r = r, .span = span, .raw = span->raw[i] };
	l->va = span->va + ((uint64_t)i << span->shift);
	l->slot_pa = span->slot_pa == PW_PA_NONE ? PW_PA_NONE : span->slot_pa + 8 * i;
	span->piece->mmu.arch->decode(&span->piece->mmu, span->level, l->raw, &l->e);
	l->perm = !l->e.hw || l->e.reserved ? 0 : l->e.perm & span->perm_above;
	if (l->e.perm == PW_PERM_UNKNOWN)
		l->perm = PW_PERM_UNKNOWN;
}

static unsigned index_of(const struct line *l)
{
	return l->va >> l->span->shift & 511;
}

static void pa_text(char *cell, uint64_t pa, bool hidden)
{
	if (pa == PW_PA_NONE)
		strcpy(cell, hidden ? "hidden" : "-");
	else
		sprintf(cell, "0x%llx", (ULL)pa);
}

/* A cell that the library's own functions write: those that are as they always were. */
static struct pw_out cell_out(char *cell)
{
	return (struct pw_out){ .buf = cell, .cap = CELL, .fd = -1 };
}

static void name_text(char *cell, const struct pw_space *space, uint64_t va)
{
	const struct pw_area *area = pw_areas_find(&space->areas, va);
	struct pw_out out = cell_out(cell);

	pw_out_name(&out, area ? area->name : "-");
	cell[out.len] = 0;
}

static void size_text(char *cell, const struct pw_render *r, uint64_t size)
{
	static const char units[] = "BKMGTPE";
	unsigned unit = 0;

	for (; !r->bytes && size && size % 1024 == 0; size /= 1024)
		unit++;
	sprintf(cell, unit || !r->bytes ? "%llu%c" : "%llu", (ULL)size, units[unit]);
}

static void points_text(char *cell, const struct line *l)
{
	if (l->e.kind == PW_SOFT)
		strcpy(cell, pw_is_swap(&l->e) ? "swap" : "soft");
	else
		pa_text(cell + sprintf(cell, "%s",
				       l->e.kind == PW_TABLE  ? "table "
				       : l->e.kind == PW_NONE ? ""
							      : "page  "),
			l->e.pa, l->e.kind == PW_LEAF);
}

static const char *perm_text(char *cell, const struct line *l)
{
	strcpy(cell, "-");
	if (l->e.kind == PW_SOFT)
		strcpy(cell, pw_is_swap(&l->e) ? "swap" : "soft");
	else if (l->e.kind != PW_NONE)
		pw_perm_text(l->perm, cell);
	if (l->e.kind == PW_NONE || l->e.kind == PW_SOFT || l->perm == PW_PERM_UNKNOWN)
		return NULL;
	return (l->perm & (PW_W | PW_X)) == (PW_W | PW_X) ? PW_RED : NULL;
}

static void bits_text(char *cell, const struct line *l)
{
	struct pw_out out = cell_out(cell);
	struct pw_render r = { .out = &out }; /* without forms */

	if (l->e.kind == PW_PROTNONE && l->r->view != PW_VIEW_PAGETABLES)
		pw_out_str(&out, l->e.attrs ? "protnone " : "protnone");
	if (l->r->view == PW_VIEW_PAGETABLES)
		pw_out_flags(&r, &l->span->piece->mmu, &l->e);
	else
		pw_out_bits(&r, &l->span->piece->mmu, &l->e);
	cell[out.len] = 0;
}

/* Returns the cell's colour. */
static const char *entry_cell(char *cell, const struct line *l, const char *name)
{
	bool has_slot = l->slot_pa != PW_PA_NONE, tree = l->r->view == PW_VIEW_TREE;
	int indent = 2 * l->span->depth;
	char perm[5];

	if (!strcmp(name, "va"))
		sprintf(cell, "%0*llx", (int)l->r->va_digits, (ULL)l->va);
	else if (!strcmp(name, "level") && tree)
		sprintf(cell, "%*s%s %u", indent, "", pw_level_name(l->e.level), index_of(l));
	else if (!strcmp(name, "level"))
		strcpy(cell, pw_level_name(l->e.level));
	else if (!strcmp(name, "index") && l->r->view == PW_VIEW_PAGETABLES)
		sprintf(cell, "%*s%u", indent, "", index_of(l));
	else if (!strcmp(name, "index"))
		sprintf(cell, "%u", index_of(l));
	else if (!strcmp(name, "slot"))
		pa_text(cell, l->slot_pa, false);
	else if (!strcmp(name, "table"))
		pa_text(cell, has_slot ? l->slot_pa & ~UINT64_C(4095) : PW_PA_NONE, false);
	else if (!strcmp(name, "raw"))
		sprintf(cell, "0x%016llx", (ULL)l->raw);
	else if (!strcmp(name, "pa"))
		pa_text(cell, l->e.pa, l->e.kind == PW_LEAF);
	else if (!strcmp(name, "points"))
		points_text(cell, l);
	else if (!strcmp(name, "kind"))
		strcpy(cell, pw_kind_name(l->e.kind));
	else if (!strcmp(name, "size"))
		size_text(cell, l->r, l->e.size);
	else if (!strcmp(name, "own"))
		strcpy(cell, l->e.hw ? pw_perm_text(l->e.perm, perm) : "-");
	else if (!strcmp(name, "bits") || !strcmp(name, "flags"))
		bits_text(cell, l);
	else if (!strcmp(name, "name"))
		name_text(cell, l->r->head.space, l->va);
	else if (!strcmp(name, "perm"))
		return perm_text(cell, l);
	else
		abort(); /* a column that nobody has told this file about */
	return NULL;
}

/* Characters that are seen: no byte but the first of each. */
static size_t width_of(const char *cell)
{
	size_t n = 0;

	for (; *cell; cell++)
		n += (*cell & 0xc0) != 0x80;
	return n;
}

/* One more cell of a row: as wide as its column, less by what those before were too wide; two blanks between. */
static char *put_cell(char *to, const struct pw_render *r, size_t i, const char *cell, const char *colour, size_t *over)
{
	const struct pw_columns *c = &r->columns;
	bool right = c->col[i]->right;
	size_t width = i + 1 < c->n || right ? c->width[i] : 0, shown = width_of(cell) + *over;
	int pad = shown < width ? (int)(width - shown) : 0;

	*over = shown < width ? 0 : shown - width;
	if (!r->colour)
		colour = NULL;
	to += sprintf(to, "%s%*s%s%*s%s", colour ? colour : "", right ? pad : 0, "", cell, right ? 0 : pad, "",
		      colour ? PW_PLAIN : "");
	return i + 1 < c->n ? to + sprintf(to, "  ") : to;
}

static void end_row(char *row, char *to)
{
	while (to > row && to[-1] == ' ')
		to--;
	strcpy(to, "\n");
}

void entry_line(char *row, const struct line *l)
{
	static char cell[CELL];
	size_t over = 0;
	char *to = row;

	for (size_t i = 0; i < l->r->columns.n; i++) {
		const char *colour = entry_cell(cell, l, l->r->columns.col[i]->name);

		to = put_cell(to, l->r, i, cell, colour, &over);
	}
	end_row(row, to);
}

static const char *brief_cell(char *cell, const struct pw_render *r, const struct pw_translation *t, const char *name)
{
	bool mapped = t->verdict == PW_MAPPED;

	strcpy(cell, "-");
	if (!strcmp(name, "va"))
		sprintf(cell, "0x%llx", (ULL)t->va);
	else if (!strcmp(name, "pa"))
		pa_text(cell, t->pa, mapped);
	else if (!strcmp(name, "size") && mapped)
		size_text(cell, r, t->size);
	else if (!strcmp(name, "perm") && mapped)
		pw_perm_text(t->perm, cell);
	else if (!strcmp(name, "verdict"))
		strcpy(cell, pw_verdict_name(t->verdict));
	else if (!strcmp(name, "name"))
		name_text(cell, r->head.space, t->va);
	return !strcmp(name, "perm") && mapped && t->perm != PW_PERM_UNKNOWN && (t->perm & 6) == 6 ? PW_RED : NULL;
}

void brief_line(char *row, const struct pw_render *r, const struct pw_translation *t)
{
	static char cell[CELL];
	size_t over = 0;
	char *to = row;

	for (size_t i = 0; i < r->columns.n; i++) {
		const char *colour = brief_cell(cell, r, t, r->columns.col[i]->name);

		to = put_cell(to, r, i, cell, colour, &over);
	}
	end_row(row, to);
}

/* One character after the other. */
void json_string(char *to, const char *s)
{
	*to++ = '"';
	for (size_t n, left = strlen(s); left; s += n, left -= n) {
		unsigned char c = *s;

		n = pw_utf8_len(s, left);
		if (c == '"' || c == '\\')
			to += sprintf(to, "\\%c", c);
		else if (n)
			to += sprintf(to, "%.*s", (int)n, s);
		else
			to += sprintf(to, c < 0x80 ? "\\u00%02x" : "\\\\x%02x", c);
		n += !n;
	}
	strcpy(to, "\"");
}

static char *json_pa(char *to, const char *key, uint64_t pa)
{
	return to +
	       (pa == PW_PA_NONE ? sprintf(to, ",\"%s\":null", key) : sprintf(to, ",\"%s\":\"0x%llx\"", key, (ULL)pa));
}

static char *json_perm(char *to, const char *key, unsigned perm)
{
	char text[5];

	if (perm == PW_PERM_UNKNOWN)
		return to + sprintf(to, ",\"%s\":null", key);
	return to + sprintf(to, ",\"%s\":\"%s\"", key, pw_perm_text(perm, text));
}

static char *json_bits(char *to, const struct line *l)
{
	const struct pw_mmu *mmu = &l->span->piece->mmu;
	const char *memtype = pw_memtype_name(mmu, &l->e);
	bool first = true;

	to += sprintf(to, ",\"attrs\":[");
	for (size_t i = 0; i < mmu->arch->nattrs; i++) {
		if (!(l->e.attrs >> i & 1))
			continue;
		to += sprintf(to, "%s\"%s\"", first ? "" : ",", mmu->arch->attrs[i].name);
		first = false;
	}
	to += sprintf(to, "]");
	if (pw_has_key(mmu, &l->e))
		to += sprintf(to, ",\"key\":%u", l->e.key);
	if (memtype)
		to += sprintf(to, ",\"memtype\":\"%s\"", memtype);
	if (l->e.has_swap)
		to += sprintf(to, ",\"swap\":{\"type\":%u,\"offset\":%llu}", l->e.swap_type, (ULL)l->e.swap_offset);
	if (l->e.reserved)
		to += sprintf(to, ",\"reserved\":\"0x%llx\"", (ULL)l->e.reserved);
	return to;
}

void entry_json(char *to, const struct line *l)
{
	bool has_slot = l->slot_pa != PW_PA_NONE;

	to += sprintf(to, "{\"rec\":\"entry\",\"target\":\"%s\",\"va\":\"0x%llx\",\"level\":\"%s\"", l->r->head.name,
		      (ULL)l->va, pw_level_name(l->e.level));
	to = json_pa(to, "table", has_slot ? l->slot_pa & ~UINT64_C(4095) : PW_PA_NONE);
	to = json_pa(to, "slot", l->slot_pa);
	to += has_slot ? sprintf(to, ",\"index\":%u", index_of(l)) : sprintf(to, ",\"index\":null");
	to += sprintf(to, ",\"raw\":\"0x%llx\",\"kind\":\"%s\",\"hw\":%s", (ULL)l->raw, pw_kind_name(l->e.kind),
		      l->e.hw ? "true" : "false");
	to = json_pa(to, "pa", l->e.pa);
	to += sprintf(to, ",\"size\":%llu", (ULL)l->e.size);
	to = json_bits(to, l);
	to = json_perm(to, "perm", l->perm);
	to = json_perm(to, "own", l->e.perm);
	strcpy(to, "}\n");
}
