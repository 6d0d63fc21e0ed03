/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small memory images in every format, for tests: written from descriptions of the formats, sharing nothing with what reads
 * them. What memory holds at an address follows from the address.
 */
#ifndef IMAGE_WRITER_H
#define IMAGE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include <pagewalk/source.h>

#define WRITER_PAGE 4096

/* Bytes that grow at their end. */
struct bytes {
	uint8_t *v;
	size_t n, room;
};

void bytes_add(struct bytes *b, const void *data, size_t n);
void bytes_at(struct bytes *b, size_t at, const void *data, size_t n); /* grows to it, with zeros */
void bytes_free(struct bytes *b);

/* The page at pa: some are zeros, some can be packed well, some cannot. */
void writer_page(uint64_t pa, uint8_t out[WRITER_PAGE]);

/* Memory is given as ranges of whole pages. */
void write_packed(struct bytes *b, const struct pw_range *r, size_t n);
void write_lime(struct bytes *b, const struct pw_range *r, size_t n);
void write_avml2(struct bytes *b, const struct pw_range *r, size_t n);

/* One range of whole pages, in plain frames of `frame` bytes. */
void write_avml2_frames(struct bytes *b, struct pw_range r, size_t frame);

enum writer_notes { NOTES_NONE, NOTES_QEMU, NOTES_VMCORE, NOTES_KCORE };

/* CR3 of CPU i in QEMU's notes. */
#define WRITER_CR3(i) (UINT64_C(0x1234000) + 0x1000 * (i))
#define WRITER_CPUS   3

void write_notes(struct bytes *b, enum writer_notes kind);

struct writer_elf {
	enum writer_notes notes;
	size_t empty; /* further program headers without anything */
	uint64_t va;  /* p_vaddr less p_paddr */
};

void write_elf(struct bytes *b, const struct pw_range *r, size_t n, const struct writer_elf *how);

struct writer_kdump {
	enum writer_notes notes;
	uint32_t packing;  /* enum pw_packing */
	uint64_t left_out; /* this page is in the machine and not in the dump; 0: none */
};

void write_kdump(struct bytes *b, const struct pw_range *r, size_t n, const struct writer_kdump *how);

/* A file in flattened form, in pieces of `piece` bytes, the second half of each two first; those of zeros only are left out. */
void write_flattened(struct bytes *b, const struct bytes *file, size_t piece);
void write_piece(struct bytes *b, uint64_t off, const void *data, size_t n);
void write_flat_head(struct bytes *b);
void write_flat_end(struct bytes *b);

#endif
