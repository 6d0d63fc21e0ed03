/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a snapshot's file (snapshot.h). It streams: tables are compressed and written a block at a time; what stays in
 * memory is a record of 32 bytes a table. The file has no name until it is whole and on the disk.
 */
#ifndef PW_SNAPSHOT_WRITE_H
#define PW_SNAPSHOT_WRITE_H

#include "pack.h"
#include "snapshot.h"

struct pw_snapshot_writer;

/* path NULL: a file without a name that only pw_snapshot_writer_finish() gives out. */
int pw_snapshot_writer_open(const char *path, struct pw_snapshot_writer **out, struct pw_error *err);

/* Puts a section; its number in *nr, which may be NULL. */
int pw_snapshot_put(struct pw_snapshot_writer *w, enum pw_snapshot_type type, const struct pw_pack *content,
		    uint32_t *nr);

/*
 * A table as a space (1...) saw it; alone: it is for no other. Bits of `ignore` make no other copy of it. 0 or a negative
 * errno, with a text for pw_snapshot_writer_finish().
 */
int pw_snapshot_put_table(struct pw_snapshot_writer *w, uint32_t space, bool alone, uint64_t pa, const uint64_t *words,
			  size_t bytes, uint64_t ignore);

/* The flags are added to what was noted of that slot before. */
int pw_snapshot_put_slot(struct pw_snapshot_writer *w, uint32_t space, uint64_t address, uint32_t flags, uint64_t raw);

struct pw_snapshot_sizes {
	uint64_t tables, table_bytes; /* that are in the file, each once */
	uint64_t bytes;               /* of the file */
};

/*
 * Finishes the file and gives it its name; a file that was there is replaced in one step. fd NULL, or where the descriptor
 * goes. Frees the writer in any case.
 */
int pw_snapshot_writer_finish(struct pw_snapshot_writer *w, struct pw_snapshot_sizes *sizes, int *fd,
			      struct pw_error *err);
void pw_snapshot_writer_abort(struct pw_snapshot_writer *w);

#endif
