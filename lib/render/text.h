/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text: what the files of the text renderer share. */
#ifndef PW_RENDER_TEXT_H
#define PW_RENDER_TEXT_H

#include "render.h"

/* Column tables, by view. */
extern const struct pw_column pw_run_columns[], pw_entry_columns[], pw_tree_columns[], pw_path_columns[],
	pw_brief_columns[], pw_process_columns[], pw_vma_columns[], pw_source_columns[], pw_decode_columns[],
	pw_kpage_columns[], pw_pagetables_columns[], pw_region_columns[], pw_place_columns[], pw_diff_columns[],
	pw_fact_columns[], pw_rmap_columns[], pw_stats_columns[], pw_round_columns[], pw_audit_columns[];
extern const size_t pw_run_ncolumns, pw_entry_ncolumns, pw_tree_ncolumns, pw_path_ncolumns, pw_brief_ncolumns,
	pw_process_ncolumns, pw_vma_ncolumns, pw_source_ncolumns, pw_decode_ncolumns, pw_kpage_ncolumns,
	pw_pagetables_ncolumns, pw_region_ncolumns, pw_place_ncolumns, pw_diff_ncolumns, pw_fact_ncolumns,
	pw_rmap_ncolumns, pw_stats_ncolumns, pw_round_ncolumns, pw_audit_ncolumns;

#define PW_COLUMNS(name, ...)                                           \
	const struct pw_column pw_##name##_columns[] = { __VA_ARGS__ }; \
	const size_t pw_##name##_ncolumns = sizeof(pw_##name##_columns) / sizeof(pw_##name##_columns[0])

void pw_text_run(struct pw_render *r, const struct pw_run *run);
void pw_text_step(struct pw_render *r, const struct pw_step *step);
void pw_text_span(struct pw_render *r, const struct pw_span *span);
void pw_text_hole(struct pw_render *r, const struct pw_hole *hole);
void pw_text_translation(struct pw_render *r, const struct pw_rec_translation *rec);
void pw_text_memory(struct pw_render *r, const struct pw_rec_memory *m);
void pw_text_gap(struct pw_render *r, const struct pw_mem_part *gap);
void pw_text_word(struct pw_render *r, const struct pw_rec_word *w);
void pw_text_kpage(struct pw_render *r, const struct pw_kpage *p);
void pw_text_pagetables(struct pw_render *r, const struct pw_counts *c);
void pw_text_decoded(struct pw_render *r, const struct pw_rec_decoded *d);
void pw_text_diff_side(struct pw_render *r, const struct pw_rec_side *s);
void pw_text_diff_pair(struct pw_render *r, const struct pw_rec_pair *p);
void pw_text_diff_lone(struct pw_render *r, const struct pw_rec_lone *l);
void pw_text_change(struct pw_render *r, const struct pw_change *c);
void pw_text_area_change(struct pw_render *r, const struct pw_area_change *c);
void pw_text_diff_unknown(struct pw_render *r, const struct pw_diff_unknown *u);
void pw_text_diff_sums(struct pw_render *r, const struct pw_diff_sums *s);
void pw_text_snapshot(struct pw_render *r, const struct pw_rec_snapshot *s);
void pw_text_finding(struct pw_render *r, const struct pw_finding *f);
void pw_text_audit_end(struct pw_render *r, const struct pw_rec_end *e);
void pw_text_page(struct pw_render *r, const struct pw_rec_page *p);
void pw_text_reach(struct pw_render *r, const struct pw_rec_reach *rec);
void pw_text_frame(struct pw_render *r, const struct pw_rec_frame *f);
void pw_text_same(struct pw_render *r, const struct pw_rec_same *s);
void pw_text_again(struct pw_render *r, const struct pw_rec_again *a);
void pw_text_stats(struct pw_render *r, const struct pw_rec_stats *s);
void pw_text_stats_row(struct pw_render *r, const struct pw_rec_stats_row *row);
void pw_text_round(struct pw_render *r, const struct pw_rec_round *round);
void pw_text_end(struct pw_render *r, const struct pw_rec_end *e);

/* "bpf, validated", or "snapshot of bpf, validated, 2026-11-26 02:20:11 UTC" */
void pw_text_source(struct pw_out *o, const struct pw_target *t, enum pw_consistency c);
/* What a translation says that leads nowhere. */
void pw_text_why(struct pw_render *r, const struct pw_translation *t);
/* A sentence, broken at blanks before column 100; the lines after the first begin at `indent`, where the first one is already. */
void pw_text_wrapped(struct pw_render *r, const char *text, unsigned indent);
/* "0x1a2f3c1b8" alone: no line where there is none. */
void pw_text_address(struct pw_render *r, const struct pw_translation *t);
/* pagemap_dump: its heading, and a line for each word that is not empty. */
void pw_text_pagemap_head(struct pw_render *r);
void pw_text_pagemap(struct pw_render *r, const struct pw_span *span);
/* Widths of rmap's columns; its last line. */
void pw_text_rmap_begin(struct pw_render *r);
void pw_text_rmap_end(struct pw_render *r, const struct pw_rec_end *e);
/* The last lines of layout and alloc. */
void pw_text_layout_end(struct pw_render *r, const struct pw_rec_end *e);
void pw_text_alloc_end(struct pw_render *r, const struct pw_rec_alloc *a);
void pw_text_alloc_pid(struct pw_render *r, const struct pw_rec_alloc *a);

/* Rows of small tables that are not pw_columns: a word, then cells to the right. first begins a row. */
void pw_text_first(struct pw_render *r, const char *text);
void pw_text_cell(struct pw_render *r, const char *text);
void pw_text_number(struct pw_render *r, uint64_t n);
void pw_text_bytes(struct pw_render *r, uint64_t bytes);
void pw_text_percent(struct pw_render *r, uint64_t part, uint64_t whole); /* "-" of nothing */
void pw_text_end_row(struct pw_render *r);

/* How many entries of each level have which flag. */
void pw_text_flags(struct pw_render *r, const struct pw_counts *c);

/* "7f3a5c200000-7f3a5c400000" */
void pw_text_range(struct pw_render *r, uint64_t lo, uint64_t last);
/* All levels together: what can be written and executed stands out. */
void pw_text_perm(struct pw_render *r, unsigned perm);
/* An entry's own bits. */
void pw_text_own(struct pw_render *r, const struct pw_entry *e);
/* "0x1a2f3c000", or "hidden" and remembers it, or "-" where there is none. */
void pw_text_pa(struct pw_render *r, uint64_t pa, bool hidden);
/* The same as a number of a form. */
void pw_text_form_pa(struct pw_render *r, unsigned number, uint64_t pa, bool hidden);
void pw_text_dash(struct pw_render *r);
/* The reason for a hole, as a sentence. */
void pw_text_reason(struct pw_render *r, const struct pw_hole *hole);

/* What a smeared image has against the page at pa, as a sentence. */
void pw_text_doubt(struct pw_out *o, enum pw_doubt doubt, uint64_t pa);
/* "swap0 (zram)", or "swap0" */
void pw_text_swap(struct pw_render *r, unsigned type);

/* Digits of the highest address that is likely to be shown of a space, and the columns' widths for that. */
unsigned pw_text_digits(const struct pw_space *space, uint64_t last);
void pw_text_stream_widths(struct pw_render *r);

/* The table of the view, made when first needed. NULL when out of memory. */
struct pw_table *pw_text_table(struct pw_render *r);

#endif
