/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats: a line a process, or a line a round. */
#include <stdio.h>

#include "text.h"

/* ---- a process ---- */

static const struct pw_rec_stats_row *row_of(const void *rec)
{
	return rec;
}

static void size_or_dash(struct pw_render *r, uint64_t bytes)
{
	if (bytes)
		pw_out_size(r->out, bytes, r->bytes);
	else
		pw_text_dash(r);
}

static void if_tables(struct pw_render *r, const void *rec, uint64_t bytes)
{
	if (row_of(rec)->leaf_only)
		pw_out_char(r->out, '?');
	else
		size_or_dash(r, bytes);
}

static void number_if_tables(struct pw_render *r, const void *rec, uint64_t n)
{
	if (row_of(rec)->leaf_only)
		pw_out_char(r->out, '?');
	else
		pw_out_dec(r->out, n);
}

static void percent_if_tables(struct pw_render *r, const void *rec, uint64_t part, uint64_t whole)
{
	char text[16];

	if (row_of(rec)->leaf_only || !whole) {
		pw_out_char(r->out, row_of(rec)->leaf_only ? '?' : '-');
		return;
	}
	snprintf(text, sizeof(text), "%.1f", 100.0 * (double)part / (double)whole);
	pw_out_str(r->out, text);
}

static void r_pid(struct pw_render *r, const void *rec)
{
	if (row_of(rec)->pid)
		pw_out_dec(r->out, (uint64_t)row_of(rec)->pid);
	else
		pw_out_str(r->out, "all");
}

static uint64_t mapped(const struct pw_rec_stats_row *row)
{
	return row->bytes[0] + row->bytes[1] + row->bytes[2];
}

static void r_mapped(struct pw_render *r, const void *rec)
{
	size_or_dash(r, mapped(row_of(rec)));
}

static void r_4k(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->bytes[0]);
}

static void r_2m(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->bytes[1]);
}

static void r_1g(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->bytes[2]);
}

static void r_swap(struct pw_render *r, const void *rec)
{
	size_or_dash(r, row_of(rec)->swapped);
}

static void r_protnone(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->protnone);
}

static void r_accessed(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->accessed);
}

static void r_dirty(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->dirty);
}

static void r_tables(struct pw_render *r, const void *rec)
{
	if_tables(r, rec, row_of(rec)->table_bytes);
}

static void r_share(struct pw_render *r, const void *rec)
{
	percent_if_tables(r, rec, row_of(rec)->table_bytes, mapped(row_of(rec)));
}

static void r_fill(struct pw_render *r, const void *rec)
{
	percent_if_tables(r, rec, row_of(rec)->pte_entries, row_of(rec)->pte_slots);
}

static void r_tlb(struct pw_render *r, const void *rec)
{
	number_if_tables(r, rec, row_of(rec)->tlb_now);
}

static void r_merged(struct pw_render *r, const void *rec)
{
	number_if_tables(r, rec, row_of(rec)->tlb_merged);
}

static void r_blocks(struct pw_render *r, const void *rec)
{
	number_if_tables(r, rec, row_of(rec)->tlb_blocks);
}

static void r_thp(struct pw_render *r, const void *rec)
{
	if (row_of(rec)->filtered) {
		pw_text_dash(r);
		return;
	}
	percent_if_tables(r, rec, row_of(rec)->thp_huge, row_of(rec)->thp_touched);
}

static void r_vmpte(struct pw_render *r, const void *rec)
{
	if (row_of(rec)->filtered) {
		pw_text_dash(r);
		return;
	}
	if_tables(r, rec, row_of(rec)->kernel_table_bytes);
}

static void r_name(struct pw_render *r, const void *rec)
{
	if (row_of(rec)->pid) {
		pw_out_name(r->out, row_of(rec)->comm);
		return;
	}
	pw_out_dec(r->out, row_of(rec)->processes);
	pw_out_str(r->out, row_of(rec)->processes == 1 ? " process" : " processes");
}

PW_COLUMNS(stats, { "pid", "PID", "process; the last line is the sum", 0, true, .put = r_pid },
	   { "mapped", "MAPPED", "mapped in pages of any size; shared memory counts for each process", 0, true,
	     .put = r_mapped },
	   { "2m", "2M", "of it in 2M pages", 0, true, .put = r_2m },
	   { "1g", "1G", "of it in 1G pages", 0, true, .put = r_1g },
	   { "swap", "SWAP", "swapped out", 0, true, .put = r_swap },
	   { "tables", "TABLES", "bytes of page tables", 0, true, .put = r_tables },
	   { "share", "SHARE%", "these in percent of what they map", 0, true, .put = r_share },
	   { "fill", "FILL%", "used entries of PTE tables, in percent", 0, true, .put = r_fill },
	   { "tlb", "TLB", "TLB entries for all that is mapped", 0, true, .put = r_tlb },
	   { "merged", "MERGED", "the same if what is contiguous were in larger pages", 0, true, .put = r_merged },
	   { "thp", "THP%", "of the 2M ranges of anonymous memory with pages: in huge pages", 0, true, .put = r_thp },
	   { "name", "NAME", "command name", 0, .put = r_name },
	   { "4k", "4K", "mapped in 4K pages", 0, true, true, r_4k },
	   { "protnone", "PROTNONE", "held by the kernel, out of the CPU's reach", 0, true, true, r_protnone },
	   { "accessed", "ACCESSED", "bytes of pages with the Accessed bit", 0, true, true, r_accessed },
	   { "dirty", "DIRTY", "bytes of pages with the Dirty bit", 0, true, true, r_dirty },
	   { "blocks", "BLOCKS", "TLB entries if blocks of any power of two had one", 0, true, true, r_blocks },
	   { "vmpte", "VMPTE", "bytes of page tables as the kernel counts them", 0, true, true, r_vmpte });

void pw_text_stats_row(struct pw_render *r, const struct pw_rec_stats_row *row)
{
	if (pw_text_table(r))
		pw_table_add(r, r->table, row);
}

/* ---- a round ---- */

static const struct pw_rec_round *round_of(const void *rec)
{
	return rec;
}

static uint64_t changed(const void *rec, enum pw_change_what what)
{
	return round_of(rec)->changes ? round_of(rec)->changes->bytes[what] : 0;
}

static void o_round(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, round_of(rec)->n);
}

static void o_mapped(struct pw_render *r, const void *rec)
{
	size_or_dash(r, pw_stats_mapped(round_of(rec)->stats));
}

static void o_swap(struct pw_render *r, const void *rec)
{
	size_or_dash(r, round_of(rec)->stats->swapped);
}

/* Of what leaf-only sources do not tell. */
static void if_known(struct pw_render *r, const void *rec, uint64_t bytes)
{
	if (round_of(rec)->stats->leaf_only)
		pw_out_char(r->out, '?');
	else
		size_or_dash(r, bytes);
}

static void o_tables(struct pw_render *r, const void *rec)
{
	if_known(r, rec, round_of(rec)->stats->table_bytes);
}

static uint64_t levels_of(const uint64_t v[PW_NLEVELS])
{
	return v[PW_PTE] + v[PW_PMD] + v[PW_PUD];
}

static void o_young(struct pw_render *r, const void *rec)
{
	if_known(r, rec, levels_of(round_of(rec)->stats->accessed));
}

static void o_dirty(struct pw_render *r, const void *rec)
{
	if_known(r, rec, levels_of(round_of(rec)->stats->dirty));
}

#define CHANGE(name, put)                                          \
	static void o_##name(struct pw_render *r, const void *rec) \
	{                                                          \
		put;                                               \
	}
#define ALWAYS(name, what)   CHANGE(name, size_or_dash(r, changed(rec, what)))
#define IF_KNOWN(name, what) CHANGE(name, if_known(r, rec, changed(rec, what)))

ALWAYS(new, PW_CHANGE_MAPPED)
ALWAYS(gone, PW_CHANGE_UNMAPPED)
IF_KNOWN(accessed, PW_CHANGE_ACCESSED)
IF_KNOWN(dirtied, PW_CHANGE_DIRTIED)
IF_KNOWN(aged, PW_CHANGE_AGED)
IF_KNOWN(cleaned, PW_CHANGE_CLEANED)
ALWAYS(out, PW_CHANGE_SWAPPED_OUT)
ALWAYS(in, PW_CHANGE_SWAPPED_IN)
ALWAYS(moved, PW_CHANGE_MOVED)
IF_KNOWN(collapsed, PW_CHANGE_COLLAPSED)
IF_KNOWN(split, PW_CHANGE_SPLIT)

PW_COLUMNS(round, { "round", "ROUND", "0: before the first interval", 5, true, .put = o_round },
	   { "mapped", "MAPPED", "what is mapped", 8, true, .put = o_mapped },
	   { "swap", "SWAP", "what is swapped out", 8, true, .put = o_swap },
	   { "tables", "TABLES", "bytes of page tables", 8, true, .put = o_tables },
	   { "has-a", "HAS A", "bytes with the Accessed bit", 8, true, .put = o_young },
	   { "has-d", "HAS D", "bytes with the Dirty bit", 8, true, .put = o_dirty },
	   { "new", "+NEW", "mapped since the round before", 8, true, .put = o_new },
	   { "gone", "-GONE", "unmapped since", 8, true, .put = o_gone },
	   { "accessed", "+A", "whose Accessed bit was set since", 8, true, .put = o_accessed },
	   { "dirtied", "+D", "whose Dirty bit was set since", 8, true, .put = o_dirtied },
	   { "aged", "-A", "whose Accessed bit was cleared by the kernel since", 8, true, true, o_aged },
	   { "cleaned", "-D", "whose Dirty bit was cleared by the kernel since", 8, true, true, o_cleaned },
	   { "out", "OUT", "swapped out since", 8, true, true, o_out },
	   { "in", "IN", "swapped in since", 8, true, true, o_in },
	   { "moved", "MOVED", "in another frame since", 8, true, true, o_moved },
	   { "collapsed", "COLLAPSED", "in larger pages since", 9, true, true, o_collapsed },
	   { "split", "SPLIT", "in smaller pages since", 8, true, true, o_split });

void pw_text_round(struct pw_render *r, const struct pw_rec_round *round)
{
	pw_row(r, round);
}
