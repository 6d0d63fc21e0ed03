/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats: a record for each line that text has, and the sums. */
#include "json_stats.h"

#include <stdio.h>
#include <stdlib.h>

static void open_rec(struct pw_render *r, struct pw_json *j, const char *rec)
{
	pw_out_room(r->out, PW_OUT_ROW);
	*j = (struct pw_json){ .out = r->out };
	pw_json_open(j, rec);
	pw_json_str(j, "target", r->head.name);
}

static void num_or_null(struct pw_json *j, const char *key, bool known, uint64_t value)
{
	if (known)
		pw_json_num(j, key, value);
	else
		pw_json_null(j, key);
}

static uint64_t levels_of(const uint64_t v[PW_NLEVELS])
{
	return v[PW_PTE] + v[PW_PMD] + v[PW_PUD];
}

static void level(struct pw_render *r, const struct pw_stats *s, enum pw_level lv)
{
	const struct pw_counts *c = &s->counts;
	struct pw_json j;

	open_rec(r, &j, "level");
	pw_json_str(&j, "level", pw_level_name(lv));
	pw_json_num(&j, "tables", c->tables[lv]);
	pw_json_begin(&j, "entries", '{');
	for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
		pw_json_num(&j, pw_kind_name(kind), c->entries[lv][kind]);
	pw_json_end(&j, '}');
	pw_json_num(&j, "slots", s->slots[lv]);
	pw_json_num(&j, "empty_tables", s->empty[lv]);
	pw_json_num(&j, "single_tables", s->single[lv]);
	pw_json_num(&j, "full_tables", s->full[lv]);
	pw_json_close(&j);
}

static void page_size(struct pw_render *r, const struct pw_stats *s, const struct pw_mode_level *lv)
{
	struct pw_json j;

	open_rec(r, &j, "pagesize");
	pw_json_num(&j, "size", UINT64_C(1) << lv->shift);
	pw_json_num(&j, "pages", s->bytes[lv->level] >> lv->shift);
	pw_json_num(&j, "bytes", s->bytes[lv->level]);
	pw_json_num(&j, "accessed", s->accessed[lv->level]);
	pw_json_num(&j, "dirty", s->dirty[lv->level]);
	pw_json_close(&j);
}

static void flag(struct pw_render *r, const struct pw_counts *c, const char *name)
{
	const struct pw_mode *mode = c->mmu->mode;
	struct pw_json j;

	open_rec(r, &j, "flag");
	pw_json_str(&j, "flag", name);
	for (unsigned d = 0; d < c->depth; d++)
		pw_json_num(&j, pw_level_name(mode->lv[d].level), pw_counts_flag(c, name, mode->lv[d].level));
	pw_json_close(&j);
}

void pw_json_flags(struct pw_render *r, const struct pw_counts *c)
{
	const char *name;

	for (size_t i = 0; (name = pw_counts_next_flag(c, &i));)
		flag(r, c, name);
}

static void areas(struct pw_render *r, const struct pw_rec_stats *rec)
{
	const struct pw_area_stats **top;
	size_t n = pw_stats_top(rec->stats, rec->top, &top);
	struct pw_json j;

	for (size_t i = 0; i < n; i++) {
		open_rec(r, &j, "area_tables");
		pw_json_hex(&j, "va", top[i]->area->lo);
		pw_json_end_of(&j, "end", top[i]->area->last);
		pw_json_num(&j, "table_bytes", top[i]->table_bytes);
		pw_json_num(&j, "mapped", top[i]->mapped);
		pw_json_num(&j, "swapped", top[i]->swapped);
		pw_json_str(&j, "name", top[i]->area->name);
		pw_json_close(&j);
	}
	free(top);
}

static void contiguity(struct pw_render *r, const struct pw_contiguity *c)
{
	struct pw_json j;

	for (unsigned order = 0; order < PW_ORDERS; order++) {
		if (!c->blocks[order] && !c->extents[order])
			continue;
		open_rec(r, &j, "contiguity");
		pw_json_num(&j, "order", order);
		pw_json_num(&j, "size", UINT64_C(4096) << order);
		pw_json_num(&j, "blocks", c->blocks[order]);
		pw_json_num(&j, "extents", c->extents[order]);
		pw_json_num(&j, "extent_bytes", c->extent_bytes[order]);
		pw_json_close(&j);
	}
}

static void tlb_sizes(struct pw_json *j, const char *key, const uint64_t n[3])
{
	static const char *const sizes[] = { "4k", "2m", "1g" };

	pw_json_begin(j, key, '{');
	for (unsigned i = 0; i < 3; i++)
		pw_json_num(j, sizes[i], n[i]);
	pw_json_end(j, '}');
}

static void tlb(struct pw_render *r, const struct pw_tlb *t)
{
	struct pw_json j;

	open_rec(r, &j, "tlb");
	tlb_sizes(&j, "now", t->now);
	tlb_sizes(&j, "merged", t->merged);
	pw_json_num(&j, "blocks", t->blocks);
	pw_json_close(&j);
}

static void thp(struct pw_render *r, const struct pw_thp *t)
{
	struct pw_json j;

	open_rec(r, &j, "thp");
	pw_json_num(&j, "ranges", t->ranges);
	pw_json_num(&j, "huge", t->huge);
	pw_json_num(&j, "untouched", t->untouched);
	pw_json_begin(&j, "missed", '{');
	for (unsigned i = 0; i < PW_THP_NCAUSES; i++)
		num_or_null(&j, pw_thp_cause_name(i), i != PW_THP_DISABLED || t->settings_known, t->missed[i]);
	pw_json_end(&j, '}');
	pw_json_num(&j, "missing_pages", t->missing_pages);
	pw_json_close(&j);
}

static void nodes(struct pw_render *r, const struct pw_stats *s)
{
	struct pw_json j;

	for (size_t i = 0; i <= s->nnodes; i++) {
		const struct pw_node_stats *n = i < s->nnodes ? &s->node[i] : &s->elsewhere;

		if (i == s->nnodes && !n->bytes && !n->tables)
			break;
		open_rec(r, &j, "node");
		num_or_null(&j, "node", i < s->nnodes, n->node);
		pw_json_num(&j, "mapped", n->bytes);
		num_or_null(&j, "tables", !s->leaf_only, n->tables);
		pw_json_close(&j);
	}
}

static void pages(struct pw_render *r, const struct pw_page_stats *p)
{
	struct pw_json j;

	open_rec(r, &j, "pages");
	pw_json_num(&j, "pages", p->pages);
	pw_json_num(&j, "anon", p->anon);
	pw_json_num(&j, "shared", p->shared);
	pw_json_num(&j, "zero", p->zero);
	pw_json_num(&j, "ksm", p->ksm);
	pw_json_num(&j, "thp", p->thp);
	pw_json_num(&j, "hugetlb", p->hugetlb);
	pw_json_num(&j, "none", p->none);
	pw_json_close(&j);
}

static void sums(struct pw_render *r, const struct pw_rec_stats *rec)
{
	const struct pw_stats *s = rec->stats;
	bool tables = !s->leaf_only;
	struct pw_json j;

	open_rec(r, &j, "stats");
	pw_json_num(&j, "mapped", pw_stats_mapped(s));
	pw_json_num(&j, "swapped", s->swapped);
	num_or_null(&j, "protnone", tables, s->protnone);
	pw_json_num(&j, "soft", s->soft);
	pw_json_num(&j, "reserved", s->reserved);
	num_or_null(&j, "accessed", tables, levels_of(s->accessed));
	num_or_null(&j, "dirty", tables, levels_of(s->dirty));
	num_or_null(&j, "tables", tables, pw_stats_tables(s));
	num_or_null(&j, "table_bytes", tables, s->table_bytes);
	num_or_null(&j, "kernel_table_bytes", tables && rec->process && !s->filtered, s->kernel_table_bytes);
	pw_json_bool(&j, "hidden", s->hidden);
	pw_json_close(&j);
}

void pw_json_stats(struct pw_render *r, const struct pw_rec_stats *rec)
{
	const struct pw_stats *s = rec->stats;
	const struct pw_counts *c = &s->counts;

	sums(r, rec);
	for (unsigned d = 0; d < c->depth && !s->leaf_only; d++)
		level(r, s, c->mmu->mode->lv[d].level);
	for (unsigned d = c->depth; d-- > 0 && !s->leaf_only;)
		if (c->mmu->mode->lv[d].level <= PW_PUD)
			page_size(r, s, &c->mmu->mode->lv[d]);
	pw_json_flags(r, c);
	if (!s->leaf_only)
		areas(r, rec);
	if (!s->hidden)
		contiguity(r, &s->contiguity);
	if (!s->leaf_only) {
		tlb(r, &s->tlb);
		if (!s->filtered)
			thp(r, &s->thp);
	}
	if (s->nnodes && !s->hidden)
		nodes(r, s);
	if (s->has_pages)
		pages(r, &s->pages);
}

void pw_json_stats_row(struct pw_render *r, const struct pw_rec_stats_row *row)
{
	static const char *const keys[] = { "mapped_4k", "mapped_2m", "mapped_1g" };
	bool tables = !row->leaf_only;
	char name[16];
	struct pw_json j = { .out = r->out };

	pw_out_room(r->out, PW_OUT_ROW);
	snprintf(name, sizeof(name), "%d", (int)row->pid);
	pw_json_open(&j, row->pid ? "process_stats" : "total_stats");
	pw_json_str(&j, "target", row->pid ? name : NULL);
	pw_json_str(&j, "name", row->pid ? row->comm : NULL);
	pw_json_num(&j, "processes", row->processes);
	pw_json_num(&j, "mapped", row->bytes[0] + row->bytes[1] + row->bytes[2]);
	for (unsigned i = 0; i < 3; i++)
		num_or_null(&j, keys[i], tables, row->bytes[i]);
	pw_json_num(&j, "swapped", row->swapped);
	num_or_null(&j, "protnone", tables, row->protnone);
	num_or_null(&j, "accessed", tables, row->accessed);
	num_or_null(&j, "dirty", tables, row->dirty);
	num_or_null(&j, "tables", tables, row->tables);
	num_or_null(&j, "table_bytes", tables, row->table_bytes);
	num_or_null(&j, "kernel_table_bytes", tables && !row->filtered, row->kernel_table_bytes);
	num_or_null(&j, "pte_entries", tables, row->pte_entries);
	num_or_null(&j, "pte_slots", tables, row->pte_slots);
	num_or_null(&j, "tlb_now", tables, row->tlb_now);
	num_or_null(&j, "tlb_merged", tables, row->tlb_merged);
	num_or_null(&j, "tlb_blocks", tables, row->tlb_blocks);
	num_or_null(&j, "thp_huge", tables && !row->filtered, row->thp_huge);
	num_or_null(&j, "thp_touched", tables && !row->filtered, row->thp_touched);
	pw_json_close(&j);
}

/* Whether a leaf-only source could tell. */
static bool is_of_leaves(enum pw_change_what what)
{
	return what == PW_CHANGE_MAPPED || what == PW_CHANGE_UNMAPPED || what == PW_CHANGE_SWAPPED_OUT ||
	       what == PW_CHANGE_SWAPPED_IN || what == PW_CHANGE_MOVED || what == PW_CHANGE_BITS;
}

void pw_json_round(struct pw_render *r, const struct pw_rec_round *round)
{
	const struct pw_stats *s = round->stats;
	struct pw_json j;

	open_rec(r, &j, "round");
	pw_json_num(&j, "round", round->n);
	pw_json_num(&j, "mapped", pw_stats_mapped(s));
	pw_json_num(&j, "swapped", s->swapped);
	num_or_null(&j, "protnone", !s->leaf_only, s->protnone);
	num_or_null(&j, "table_bytes", !s->leaf_only, s->table_bytes);
	num_or_null(&j, "accessed", !s->leaf_only, levels_of(s->accessed));
	num_or_null(&j, "dirty", !s->leaf_only, levels_of(s->dirty));
	if (round->changes) {
		pw_json_begin(&j, "changed", '{');
		for (unsigned i = 0; i < PW_CHANGE_NWHATS; i++)
			num_or_null(&j, pw_change_name(i), !s->leaf_only || is_of_leaves(i), round->changes->bytes[i]);
		pw_json_end(&j, '}');
	} else {
		pw_json_null(&j, "changed");
	}
	pw_json_close(&j);
}
