/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * render: commands hand records over, a renderer makes lines of them; commands print nothing themselves.
 * There are two: text (for people, 100 columns) and json (one object a line; keys are API).
 *
 * Order: begin, any number of records, end. A renderer streams: what it holds back is bounded by the
 * number of sources, processes or VMAs, never by that of pages.
 */
#ifndef PW_RENDER_H
#define PW_RENDER_H

#include <pagewalk/audit.h>
#include <pagewalk/cpu.h>
#include <pagewalk/joins.h>
#include <pagewalk/live.h>
#include <pagewalk/pagewalk.h>

#include "column.h"
#include "out.h"

struct pw_rmap_widths;

/* What a command does, and with what: the first record. */
struct pw_rec_head {
	const char *command;
	const struct pw_target *target;      /* NULL: offline, or by */
	const char *by;                      /* a source that is no target's: "/dev/mem" */
	const struct pw_mmu *mmu;            /* of an offline command */
	const struct pw_space *space;        /* NULL: not about one address space */
	const char *name;                    /* of the space in records: "4242", "kernel", "root:0x1000" */
	const char *what;                    /* "user half"; NULL: nothing to add */
	const char *filter;                  /* by which entries were chosen; NULL: all */
	struct pw_range va;                  /* that is shown */
	const struct pw_range *read;         /* what of va is really looked at; NULL: all of it */
	const struct pw_joins *joins;        /* NULL: not the running system */
	const struct pw_rmap_widths *widths; /* of rmap's text */
};

/* Of an answer from a target. */
static inline enum pw_consistency pw_head_consistency(const struct pw_rec_head *h)
{
	return h->space ? pw_space_consistency(h->space, h->read ? *h->read : h->va) : h->target->source.consistency;
}

/* doctor: one source. */
struct pw_rec_source {
	const char *name;
	struct pw_probe probe;
	bool exact; /* gives tables */
	bool picked;
};

/* A VMA or region with what is mapped in it. */
struct pw_rec_vma {
	const struct pw_area *area;
	bool leaf_only;    /* page sizes and tables are not known: all is in bytes[0] */
	uint64_t bytes[3]; /* mapped in pages of PTE, PMD, PUD level */
	uint64_t swapped;
	uint64_t protnone; /* bytes the kernel has and the CPU does not */
	uint64_t tables;   /* bytes of PTE tables */
};

#define PW_MEMORY_ROW 16

/* mem: a row of bytes. */
struct pw_rec_memory {
	uint64_t at; /* address of the first */
	bool phys;   /* at is physical */
	const uint8_t *bytes;
	size_t n;       /* at most PW_MEMORY_ROW */
	unsigned width; /* as numbers of so many bytes, little-endian; 0: one */
};

/* dev_mem: a number in physical memory. */
struct pw_rec_word {
	uint64_t pa, value;
	unsigned width; /* bytes */
};

/* decode: one way to read a raw value. */
struct pw_rec_decoded {
	const struct pw_mmu *mmu;
	struct pw_entry entry;
	bool explain; /* bit by bit */
	bool guessed; /* nobody said that it is of that level */
};

/* translate: one address. */
struct pw_rec_translation {
	const struct pw_translation *t;
	const struct pw_why *why; /* NULL: was not asked */
	bool evidence;            /* and what was looked at for it */
};

/* kalloc: an allocation as a whole. */
struct pw_rec_kalloc {
	const char *kind;
	uint64_t bytes;
	size_t pages;
	size_t extents;   /* physically contiguous stretches */
	size_t differing; /* pages of which the kernel's own functions say otherwise */
};

/* layout: a stretch of the address space, and what is mapped in it. */
struct pw_rec_region {
	const struct pw_area *area;
	bool walked;       /* what follows is filled in: it was looked at */
	uint64_t bytes[3]; /* mapped in pages of PTE, PMD, PUD level */
	uint64_t tables, table_bytes;
};

/* layout: what an address is. */
struct pw_rec_place {
	uint64_t va;
	const struct pw_area *area;
	uint64_t pa;                    /* by the direct map's distance, or where it is mapped; PW_PA_NONE */
	uint64_t frame;                 /* that the struct page there is of; PW_PA_NONE */
	const struct pw_translation *t; /* NULL: was not looked up */
};

/* alloc: one page of 4 KiB. */
struct pw_rec_page {
	uint64_t va, pa; /* pa PW_PA_NONE: hidden, or none */
	uint64_t size;   /* of the page that maps it; 0: not known */
	enum pw_kind kind;
	bool swapped;
};

/* alloc: an allocation as a whole. */
struct pw_rec_alloc {
	bool one_block;
	uint64_t bytes, blocks;
	uint64_t pages, absent;    /* of 4 KiB; of these not in memory */
	uint64_t extents, longest; /* physically contiguous stretches, and the pages of the longest; 0: hidden */
	uint64_t mapped[3];        /* bytes by the level of the page that maps them; sizes_known */
	bool sizes_known;
	int pid; /* that stays alive; 0: none */
};

struct pw_rec_rmap;

/* audit: how much was found, known findings apart. */
struct pw_rec_audit {
	uint64_t spaces;
	uint64_t found[PW_AUDIT_NLEVELS];
	uint64_t known, lost;
};

/* What the sums are of: all there is, one space of several, or, at the end, these together. */
enum pw_end_of { PW_END_ALL, PW_END_SPACE, PW_END_STREAM };

/* Sums for the last line. */
struct pw_rec_end {
	enum pw_end_of of;
	bool complete; /* all was looked at, and nothing was unstable or unreadable */
	bool cut;      /* it broke off: what was put is not the whole answer */
	uint64_t leaves;
	uint64_t bytes[PW_NLEVELS]; /* mapped, by the level of the leaf */
	uint64_t swapped, protnone;
	uint64_t records; /* processes, VMAs, addresses */
	uint64_t area_bytes;
	const struct pw_rec_kalloc *kalloc; /* kalloc: what the pages are together */
	const struct pw_rec_alloc *alloc;   /* alloc: the same */
	const struct pw_rec_rmap *rmap;     /* rmap: the same of frames */
	const struct pw_rec_audit *audit;   /* audit: its sums */
	bool hidden;                        /* frame numbers were asked for and not given */
	const struct pw_source_ops *picked; /* doctor: what auto takes; NULL: nothing works */
	bool has_walk;                      /* walk is filled in */
	struct pw_walk_stats walk;
};

/* diff: one side. */
struct pw_rec_side {
	const char *name; /* "A", "B" */
	const char *file; /* NULL: the running system */
	const struct pw_target *target;
};

/* diff: one pair of spaces. */
struct pw_rec_pair {
	const struct pw_space *a, *b;
	const char *name; /* in records */
	const char *what; /* "user half" */
};

/* diff: a space that only one side has. */
struct pw_rec_lone {
	const char *title, *name;
	const char *side; /* that has it */
};

/* snapshot: what was written. */
struct pw_rec_snapshot {
	const char *file;
	struct pw_snapshot_sums sums;
};

/* rmap: frames that follow one another and of which the same is to be said. */
struct pw_rec_frame {
	struct pw_frame first;
	uint64_t frames;
	bool has_count; /* the next ones are known */
	uint64_t count, flags;
	const char *why; /* it is not what was found; NULL: it is, or nobody knows */
};

/* rmap: what reaches frames that follow one another. */
struct pw_rec_reach {
	const struct pw_rec_frame *frame; /* text: these frames; NULL: that is told later */
	bool first;                       /* of those that do */
	const char *target, *title;       /* "4242", "4242 (dbtest)" */
	const char *name;                 /* of the VMA or region; NULL: in none */
	uint64_t pa, frames, va;          /* of the first one */
	bool is_table; /* it is a page of a page table, for va to last, and what follows is not filled in but level */
	bool is_root, user_root;
	uint64_t last;
	enum pw_level level;
	uint64_t size;  /* of the page */
	uint64_t pages; /* that follow one another and are all the same frame */
	enum pw_kind kind;
	uint8_t perm;
	uint64_t slot_pa;
};

/* rmap: a process that was not looked at, as it has the same memory as another one. */
struct pw_rec_same {
	const char *target, *title, *as;
};

/* rmap: tables that are there once more. */
struct pw_rec_again {
	const char *target, *title;
	uint64_t va, last, alias_va;
};

/* rmap: all frames. */
struct pw_rec_rmap {
	uint64_t frames, reached;
	uint64_t user, kernel, tables; /* as in struct pw_frame, of all frames */
	uint64_t spaces;               /* that were looked at */
	uint64_t ended;                /* of these, processes that ended meanwhile */
	uint64_t left_out;             /* text: so many more pages or tables were found than it can show */
};

/* rmap, as text: how wide the columns are. */
struct pw_rmap_widths {
	uint8_t frames, target, va;
};

/* stats: one space in full. */
struct pw_rec_stats {
	const struct pw_stats *stats;
	unsigned top; /* so many areas, those with the most tables */
	bool process; /* of one, so that there is something that the kernel counts */
};

/* stats: one process of many in a line, or all of them. */
struct pw_rec_stats_row {
	pid_t pid; /* 0: all */
	char comm[64];
	uint64_t processes;
	bool leaf_only, filtered;
	uint64_t bytes[3]; /* mapped, by the level of the page */
	uint64_t swapped, protnone, accessed, dirty;
	uint64_t tables, table_bytes, kernel_table_bytes;
	uint64_t pte_entries, pte_slots;
	uint64_t tlb_now, tlb_merged, tlb_blocks;
	uint64_t thp_huge, thp_touched; /* ranges of 2M that could be huge pages, and have pages */
};

/* stats --watch: what became of a space from one round to the next. */
struct pw_rec_round {
	unsigned n; /* 0: the first one, nothing to compare with */
	const struct pw_stats *stats;
	const struct pw_diff_sums *changes;
};

struct pw_render;

struct pw_render_ops {
	void (*begin)(struct pw_render *r);
	void (*run)(struct pw_render *r, const struct pw_run *run);
	void (*step)(struct pw_render *r, const struct pw_step *step);
	void (*span)(struct pw_render *r, const struct pw_span *span);
	void (*hole)(struct pw_render *r, const struct pw_hole *hole);
	void (*translation)(struct pw_render *r, const struct pw_rec_translation *rec);
	void (*process)(struct pw_render *r, const struct pw_process *p);
	void (*vma)(struct pw_render *r, const struct pw_rec_vma *v);
	void (*system)(struct pw_render *r, const struct pw_live_summary *s);
	void (*source)(struct pw_render *r, const struct pw_rec_source *s);
	void (*fact)(struct pw_render *r, const struct pw_fact *f);
	void (*memory)(struct pw_render *r, const struct pw_rec_memory *m);
	void (*gap)(struct pw_render *r, const struct pw_mem_part *gap);
	void (*word)(struct pw_render *r, const struct pw_rec_word *w);
	void (*kpage)(struct pw_render *r, const struct pw_kpage *p);
	void (*pagetables)(struct pw_render *r, const struct pw_counts *c);
	void (*cpu)(struct pw_render *r, const struct pw_cpu *c);
	void (*decoded)(struct pw_render *r, const struct pw_rec_decoded *d);
	void (*region)(struct pw_render *r, const struct pw_rec_region *region);
	void (*place)(struct pw_render *r, const struct pw_rec_place *place);
	void (*page)(struct pw_render *r, const struct pw_rec_page *page);
	void (*diff_side)(struct pw_render *r, const struct pw_rec_side *s);
	void (*diff_pair)(struct pw_render *r, const struct pw_rec_pair *p);
	void (*diff_lone)(struct pw_render *r, const struct pw_rec_lone *l);
	void (*change)(struct pw_render *r, const struct pw_change *c);
	void (*area_change)(struct pw_render *r, const struct pw_area_change *c);
	void (*diff_unknown)(struct pw_render *r, const struct pw_diff_unknown *u);
	void (*diff_sums)(struct pw_render *r, const struct pw_diff_sums *s);
	void (*snapshot)(struct pw_render *r, const struct pw_rec_snapshot *s);
	void (*reach)(struct pw_render *r, const struct pw_rec_reach *rec);
	void (*frame)(struct pw_render *r, const struct pw_rec_frame *f);
	void (*same)(struct pw_render *r, const struct pw_rec_same *s);
	void (*again)(struct pw_render *r, const struct pw_rec_again *a);
	void (*stats)(struct pw_render *r, const struct pw_rec_stats *s);
	void (*stats_row)(struct pw_render *r, const struct pw_rec_stats_row *row);
	void (*round)(struct pw_render *r, const struct pw_rec_round *round);
	void (*finding)(struct pw_render *r, const struct pw_finding *f);
	void (*end)(struct pw_render *r, const struct pw_rec_end *end);
};

extern const struct pw_render_ops pw_render_text;
extern const struct pw_render_ops pw_render_json;
/* The form of dump-x86_64-pagetable: begin, cpu, step, span, hole and end only. */
extern const struct pw_render_ops pw_render_cpu;

/* The forms that text has more than one of; the columns of each are in columns[]. */
enum pw_view {
	PW_VIEW_NONE,
	PW_VIEW_RUNS,
	PW_VIEW_ENTRIES,
	PW_VIEW_TREE,
	PW_VIEW_TRANSLATE,
	PW_VIEW_BRIEF,
	PW_VIEW_PROCESSES,
	PW_VIEW_VMAS,
	PW_VIEW_SOURCES,
	PW_VIEW_FACTS,
	PW_VIEW_DECODE,
	PW_VIEW_KPAGES,
	PW_VIEW_PAGETABLES,
	PW_VIEW_REGIONS,
	PW_VIEW_PLACES,
	PW_VIEW_DIFF,
	PW_VIEW_RMAP,
	PW_VIEW_STATS,
	PW_VIEW_ROUNDS,
	PW_VIEW_AUDIT,
	PW_VIEW_ALLOC,   /* "VA=0x... -> PA=0x..." */
	PW_VIEW_ADDRESS, /* the physical address and nothing else */
	PW_VIEW_PAGEMAP, /* one word of /proc/PID/pagemap a line */
	PW_NVIEWS,
};

struct pw_render {
	const struct pw_render_ops *ops;
	struct pw_out *out; /* where cells go: file, or a table's own memory */
	struct pw_rec_head head;
	enum pw_view view;
	bool colour, bytes, noheadings;
	struct pw_columns columns; /* of the view; pw_render_columns() */
	struct pw_table *table;    /* rows that wait for their widths */

	/* text's own */
	const char *cell_colour;
	unsigned va_digits;
	const struct pw_area *area; /* a hint: where the last address was */
	struct pw_forms *forms;
	bool any;           /* something was put before: the next block starts with an empty line */
	bool hidden;        /* a frame was hidden */
	uint64_t rules_met; /* bit n: a finding of rule n was put */
	bool between;       /* a block was put: the next one starts with an empty line */
};

/* The areas with the most bytes of tables, at most so many: how many there are in *out, which is malloc'ed (NULL: out of memory). */
size_t pw_stats_top(const struct pw_stats *s, size_t most, const struct pw_area_stats ***out);

#define PW_TIME_TEXT 32

/* A time (seconds since 1970, UTC) by strftime's form; what no calendar has is left in seconds. */
const char *pw_time_text(uint64_t time, const char *form, char text[PW_TIME_TEXT]);

/* Chooses the columns of view: list NULL means the usual ones. -EINVAL with a text. */
int pw_render_columns(struct pw_render *r, enum pw_view view, const char *list, struct pw_error *err);

/* All columns of a view, for help and checks. */
const struct pw_column *pw_view_columns(enum pw_view view, size_t *n);

void pw_render_free(struct pw_render *r);

/* The area of va in the head's space. */
const struct pw_area *pw_render_area(struct pw_render *r, uint64_t va);

/* False when output failed (a closed pipe): stop. */
static inline bool pw_render_alive(const struct pw_render *r)
{
	return !r->out->error;
}

#endif
