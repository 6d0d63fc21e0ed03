/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * source: where bytes come from. One const struct pw_source_ops and one file a source; a source knows
 * nothing of page-table formats, of the walker or of printing.
 */
#ifndef PAGEWALK_SOURCE_H
#define PAGEWALK_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/error.h>

enum pw_cap {
	PW_CAP_TABLES = 1 << 0, /* read_tables */
	PW_CAP_LEAVES = 1 << 1, /* read_leaves */
	PW_CAP_MEMORY = 1 << 2, /* read */
	PW_CAP_KERNEL = 1 << 3, /* read_kernel */
};

/* How far what was read can be trusted, best first. */
enum pw_consistency {
	PW_FROZEN,    /* the system stands still */
	PW_LOCKED,    /* each table was copied under its own lock */
	PW_VALIDATED, /* live; the chain of entries above was re-checked after each copy */
	PW_SMEARED,   /* an image that was taken while the system ran */
	PW_LEAF_ONLY, /* no tables: what pagemap says of leaves */
};

/* "frozen" "locked" "validated" "smeared" "leaf-only" */
PW_API const char *pw_consistency_name(enum pw_consistency c);

struct pw_range {
	uint64_t lo, last; /* inclusive, so that the last byte of 64 bits fits */
};

/* One step of the path from the root to a table: the entry at `pa` held `expect`. */
struct pw_link {
	uint64_t pa;
	uint64_t expect;
	uint64_t ignore;          /* bits that may change by themselves (Accessed, Dirty) */
	const struct pw_link *up; /* towards the root; NULL above the root's own entry */
};

/*
 * A wish for one table. A live source copies it and then re-checks the links, nearest first, while
 * the table cannot be freed and reused; a frozen one ignores them.
 */
struct pw_table_req {
	uint64_t pa;
	uint32_t bytes;             /* a multiple of 8, at most 64 KiB */
	int status;                 /* out: 0; -EAGAIN the chain changed; -EFAULT unreadable; -ENXIO no such memory */
	const struct pw_link *link; /* the entry that points here; NULL for a root */
	void *buf;                  /* room for `bytes`, 8-aligned, the caller's */
	const void *data;           /* out, when status is 0: buf, or the source's own memory, which then
				       stays as it is until the next call of the source */
};

struct pw_source;

/* What `doctor` says of a source. */
struct pw_probe {
	enum { PW_PROBE_OK, PW_PROBE_LIMITED, PW_PROBE_DENIED, PW_PROBE_ABSENT } state;
	char gives[48]; /* "all tables, validated" */
	char why[160];  /* why not, and what would open it; "" when nothing is shut */
	char fix[160];  /* the command or setting that opens it, "" when none is known */
};

/* A target process of the live system, pinned: the open pagemap keeps its mm alive and ours to look at. */
struct pw_pin {
	int pagemap_fd; /* -1: none */
	/* Of a process of a guest that runs: whether it has given up its memory. NULL: nothing to ask. */
	bool (*gone)(void *ctx);
	void *ctx; /* malloc'ed, the pin's */
};

struct pw_source_ops {
	const char *name;
	unsigned caps;                   /* enum pw_cap bits */
	enum pw_consistency consistency; /* of what it opens, unless open() knows better */

	/* Cheap and side-effect free; never fails. */
	void (*probe)(struct pw_probe *out);
	/* arg is what follows ':' in -s NAME:ARG, or the file; NULL when there is none. Called by pw_source_open(). */
	int (*open)(const char *arg, struct pw_source *src, struct pw_error *err);
	void (*close)(struct pw_source *src);

	/* Fills in status and data of each request; the return value is for total failures only. */
	int (*read_tables)(struct pw_source *src, struct pw_table_req *req, size_t n);
	/*
	 * Of a source whose bytes do not change: the page of tables at pa, a multiple of 4096, if it is at hand; NULL: it has to
	 * be read. It is whole, and stays until the next read_tables(). May be NULL.
	 */
	const void *(*table)(struct pw_source *src, uint64_t pa);
	/* Of a source that can set `waits`: says ahead which tables are going to be read. */
	void (*will_read)(struct pw_source *src, const uint64_t *pa, size_t n);
	/*
	 * The pagemap words from page `va` on, up to and not beyond page of `last`: returns how many
	 * were stored (1..max), and where the first one belongs in *at (>= va: holes are skipped;
	 * `*at` > last with a return of 0 means: nothing more). Negative errno on failure, -ESRCH when
	 * the process is gone.
	 */
	long (*read_leaves)(struct pw_source *src, const struct pw_pin *pin, uint64_t va, uint64_t last,
			    uint64_t *words, size_t max, uint64_t *at);
	/* Physical memory. 0, or a negative errno with nothing promised about buf. */
	int (*read)(struct pw_source *src, uint64_t pa, void *buf, size_t len);
	/* Kernel virtual memory of the running kernel (for finding facts). */
	int (*read_kernel)(struct pw_source *src, uint64_t kva, void *buf, size_t len);
	/* Physical memory that may be followed, ascending, disjoint; owned by the source. */
	int (*ranges)(struct pw_source *src, const struct pw_range **ranges, size_t *n);
};

struct pw_source {
	const struct pw_source_ops *ops;
	void *priv;
	/* Of what is read from this one: ops->consistency, unless a file says otherwise. */
	enum pw_consistency consistency;
	/* Something that was read had to be waited for: will_read() is worth calling. */
	bool waits;
};

extern const struct pw_source_ops pw_source_kmod;
extern const struct pw_source_ops pw_source_bpf;
extern const struct pw_source_ops pw_source_kcore;
extern const struct pw_source_ops pw_source_pagemap;
extern const struct pw_source_ops pw_source_text;

/* Opens a source, which is as consistent as its ops say. *src is untouched on failure. */
PW_API int pw_source_open(const struct pw_source_ops *ops, const char *arg, struct pw_source *src,
			  struct pw_error *err);

/* All sources of this build that can serve the live system, best first, NULL-terminated. */
PW_API const struct pw_source_ops *const *pw_sources_live(void);

#endif
