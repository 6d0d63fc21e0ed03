/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stats: what is in an address space, in numbers: one walk, nothing kept a page. Sums are as of the entries themselves, so that
 * they equal those of a dump of every entry; what a source cannot tell is said by leaf_only and hidden, and not by a zero.
 */
#ifndef PAGEWALK_STATS_H
#define PAGEWALK_STATS_H

#include <pagewalk/filter.h>
#include <pagewalk/joins.h>
#include <pagewalk/walk.h>

/* -------- entries -------- */

#define PW_MAX_ATTRS 64

/* How many tables, and entries of what kind and with which flags, by level. */
struct pw_counts {
	const struct pw_mmu *mmu; /* of either half: only its mode and the names of its flags count */
	unsigned depth;           /* levels from the root that were looked at */
	uint64_t tables[PW_NLEVELS];
	uint64_t entries[PW_NLEVELS][PW_SOFT + 1]; /* by enum pw_kind; those that are empty are not counted */
	uint64_t flags[PW_MAX_ATTRS][PW_NLEVELS];  /* by mmu->arch->attrs */
};

/* Counts n entries like that one. */
PW_API void pw_counts_add(struct pw_counts *c, const struct pw_entry *e, uint64_t n);

/*
 * Flags by name, as some stand for more than one bit: the next one that some entry has, *i beginning at 0, or NULL; and
 * how many entries of a level have it.
 */
PW_API const char *pw_counts_next_flag(const struct pw_counts *c, size_t *i);
PW_API uint64_t pw_counts_flag(const struct pw_counts *c, const char *name, enum pw_level level);

/* -------- physical contiguity, TLB -------- */

#define PW_ORDERS 19 /* 4 KiB << 18 is 1 GiB */

/*
 * An extent is a stretch of addresses that maps physical memory of which each page follows the one before it, as long as it goes on;
 * permissions and VMAs do not end it. Its order is that of the largest power of two of pages which is not larger than it.
 *
 * A block is a power of two of pages, at most 1 GiB, within an extent, whose first address is a multiple of its size, in virtual and in
 * physical memory: what one larger page could map. Extents are cut into as few of them as there can be.
 */
struct pw_contiguity {
	uint64_t extents[PW_ORDERS], extent_bytes[PW_ORDERS]; /* from 1 GiB on: the last */
	uint64_t blocks[PW_ORDERS];
};

/*
 * Entries that a TLB needs for all that is mapped: by the level of the page, PW_PTE to PW_PUD. Merged: if neighbours that
 * translate alike (permissions of all levels, protection key, memory type) and lie in physical memory as they would in a larger
 * page were mapped by it; nothing is moved for that. blocks: if it had an entry for blocks of each power of two.
 */
struct pw_tlb {
	uint64_t now[3], merged[3];
	uint64_t blocks;
};

/* -------- transparent huge pages -------- */

/*
 * Why a 2M range of an anonymous VMA in which there are pages is not mapped by a huge page: the first one that holds.
 */
enum pw_thp_cause {
	PW_THP_MISALIGNED, /* the VMA does not hold the whole range from one multiple of 2M to the next */
	PW_THP_DISABLED,   /* madvise(MADV_NOHUGEPAGE), prctl() or the system's setting forbid it; as far as known */
	PW_THP_SWAPPED,    /* at least one page is swapped out, or is a marker or moves */
	PW_THP_PROTNONE,   /* at least one page is PROT_NONE or a NUMA hint */
	PW_THP_HOLES,      /* not every page is there */
	PW_THP_MIXED,      /* permissions, keys or memory types differ */
	PW_THP_COPY,       /* all is there, in frames that are not one aligned block: it would have to be copied */
	PW_THP_SPLIT,      /* all is there, in one aligned block: only the entry is missing */
	PW_THP_NCAUSES,
};

/* "misaligned" "disabled" "swapped" "protnone" "holes" "mixed" "copy" "split" */
PW_API const char *pw_thp_cause_name(enum pw_thp_cause cause);

struct pw_thp {
	uint64_t ranges;    /* aligned ranges of 2M that lie wholly within an anonymous VMA */
	uint64_t huge;      /* of these: mapped by a huge page, PROT_NONE too */
	uint64_t untouched; /* nothing is there */
	uint64_t missed[PW_THP_NCAUSES];
	uint64_t missing_pages; /* of PW_THP_HOLES: pages of 4K that are not there */
	bool settings_known;    /* whether PW_THP_DISABLED could be told */
};

/* Whether the VMA is anonymous memory, which can have transparent huge pages: by what /proc/PID/maps has of it. */
PW_API bool pw_area_is_anon(const struct pw_area *area);

/* -------- what the kernel knows of pages -------- */

/* Pages of 4 KiB, each as often as it is mapped. */
struct pw_page_stats {
	uint64_t pages;  /* that were looked at */
	uint64_t zero;   /* the zero page, huge ones too */
	uint64_t ksm;    /* merged by KSM */
	uint64_t anon;   /* anonymous memory */
	uint64_t shared; /* mapped more than once, by /proc/kpagecount */
	uint64_t thp, hugetlb;
	uint64_t none; /* no struct page, or none that is told of */
};

/* -------- all -------- */

struct pw_node_stats {
	unsigned node;
	uint64_t bytes; /* mapped, or in PROT_NONE: NUMA balancing takes pages from the CPU for a while */
	uint64_t tables;
};

struct pw_area_stats {
	const struct pw_area *area;
	uint64_t mapped, swapped;
	uint64_t table_bytes; /* a table that more than one area shares is the lowest one's; the root is nobody's */
};

struct pw_stats {
	struct pw_counts counts;
	bool leaf_only; /* no tables: page sizes, tables, TLB and huge pages are not known, all is in bytes[PW_PTE] */
	bool hidden;    /* frames were: contiguity and nodes are not known */
	bool filtered; /* only some entries were counted: what the kernel counts, and missed huge pages, are not known */
	uint64_t slots
		[PW_NLEVELS]; /* entries that the tables of a level have room for, of the half that was looked at */
	uint64_t empty[PW_NLEVELS], single[PW_NLEVELS], full[PW_NLEVELS]; /* tables with no entry, one, all */
	uint64_t table_bytes;
	uint64_t bytes[PW_NLEVELS]; /* mapped, by the level of the leaf; those with reserved bits are not */
	uint64_t accessed[PW_NLEVELS], dirty[PW_NLEVELS]; /* bytes of these */
	uint64_t reserved;                                /* leaves for which the CPU faults */
	uint64_t protnone, swapped, soft;                 /* bytes; soft: of what else is no page */
	struct pw_contiguity contiguity;
	struct pw_tlb tlb;
	struct pw_thp thp;
	/*
	 * Bytes of page tables as the kernel counts them for this process (VmPTE of /proc/PID/status): tables of pte, pmd and pud
	 * level, not of p4d and pgd, and for each transparent huge page of anonymous memory one more, put aside for the day it is split.
	 */
	uint64_t kernel_table_bytes;
	struct pw_node_stats *node; /* malloc'ed */
	size_t nnodes;
	struct pw_node_stats elsewhere; /* in none of them */
	struct pw_area_stats *area;     /* malloc'ed, one an area */
	size_t nareas;
	bool has_pages;
	struct pw_page_stats pages;
	struct pw_walk_stats walk;
};

struct pw_stats_opts {
	size_t size;                  /* sizeof(struct pw_stats_opts) */
	const struct pw_joins *joins; /* NULL: nodes are not known */
	bool pages;      /* asks /proc/kpageflags and kpagecount: 40 ns a page; the running system's only */
	uint64_t budget; /* as pw_walk_opts has it */
	const struct pw_filter
		*filter; /* entries that do not match are as if they were empty; tables count all; NULL: all */
};

/*
 * Of all of a space. Free *out with pw_stats_free(), which is untouched on failure. 0, or a negative errno as of pw_walk, with a
 * text where there is more to say than that.
 */
PW_API int pw_stats(const struct pw_space *space, const struct pw_stats_opts *opts, struct pw_stats *out,
		    struct pw_error *err);
PW_API void pw_stats_free(struct pw_stats *s);

/* Adds up: all but nodes and areas. */
PW_API void pw_stats_add(struct pw_stats *total, const struct pw_stats *one);

/* Sums over levels. */
PW_API uint64_t pw_stats_mapped(const struct pw_stats *s);
PW_API uint64_t pw_stats_tables(const struct pw_stats *s);

#endif
