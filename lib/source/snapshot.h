/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot: page tables of address spaces in a file, with all that commands print beside them. Little-endian.
 * docs/snapshot-format.md says the same at more length.
 *
 *   0     header, 64 bytes
 *   64    sections, one after the other without gaps, each one zstd frame that says how long its content is
 *         the table of contents: 24 bytes a section, in the order of the file
 *   end
 *
 *   header                                    a section in the table of contents
 *   0   "pagewalk-snap\r\n\x1a"               0   u32 type (enum pw_snapshot_type)
 *   16  u32 version: 1                        4   u32 CRC-32 of its bytes in the file
 *   20  u32 sections                          8   u64 offset in the file
 *   24  u64 bytes of the file                 16  u32 bytes in the file
 *   32  u64 offset of the table of contents   20  u32 bytes of content
 *   40  u32 CRC-32 of the table of contents
 *   44  zeros
 *   60  u32 CRC-32 of the 60 bytes before
 *
 * So each byte is under a CRC-32, which no change of up to 32 neighbouring bits passes. All of them are checked when a file of
 * up to PW_SNAPSHOT_VERIFY bytes is opened; a section is checked again whenever it is read.
 *
 * Tables are stored by physical address. Two spaces can have seen the same table at different times: the first copy counts for
 * all whose copies differ at most in bits that hardware sets by itself; another copy is stored for its space alone. Within one
 * space the first copy counts. An entry that the walker looked up again, because it had changed, and an entry below which
 * nothing could be read are noted by the address of the entry ("slots"), so that a walk of the snapshot says the same.
 *
 * With a leaf-only source the "tables" are 512 words of pagemap each, by the virtual address of their first page.
 */
#ifndef PW_SNAPSHOT_FILE_H
#define PW_SNAPSHOT_FILE_H

#include <pagewalk/joins.h>
#include <pagewalk/target.h>

#define PW_SNAPSHOT_MAGIC        "pagewalk-snap\r\n\x1a"
#define PW_SNAPSHOT_VERSION      1
#define PW_SNAPSHOT_HEADER       64
#define PW_SNAPSHOT_TOC_ENTRY    24
#define PW_SNAPSHOT_VERIFY       (UINT64_C(1) << 30)
#define PW_SNAPSHOT_MAX_SECTIONS (1u << 18)
#define PW_SNAPSHOT_MAX_TABLES   (1u << 19)
#define PW_SNAPSHOT_MAX_SLOTS    (1u << 17)
#define PW_SNAPSHOT_MAX_AREAS    (100u << 10) /* of a space */
#define PW_SNAPSHOT_MAX_SPACES   (64u << 10)
#define PW_SNAPSHOT_BLOCK        (256u << 10) /* content of a section of tables */
#define PW_SNAPSHOT_RECORD       24           /* of the index, of the slots */

enum pw_snapshot_type {
	PW_SNAPSHOT_FACTS = 1, /* what it is of: mmu, RAM, joins, when */
	PW_SNAPSHOT_SPACES,    /* processes, the kernel */
	PW_SNAPSHOT_AREAS,     /* VMAs or regions of one space */
	PW_SNAPSHOT_LAYOUT,    /* the layout of the kernel's addresses */
	PW_SNAPSHOT_TABLES,    /* tables; each word is stored as its difference to the one before */
	PW_SNAPSHOT_INDEX, /* u32 space (0: all), u32 section, u64 address, u32 offset in it, u32 bytes; ascending */
	PW_SNAPSHOT_SLOTS, /* u32 space, u32 flags, u64 address, u64 raw; ascending */
};

/* Flags of a slot. Its address is that of the entry; that of a root, which no entry leads to, has bit 0 set. */
enum {
	PW_SNAPSHOT_SLOT_RAW = 1 << 0, /* the entry was found to hold raw */
	PW_SNAPSHOT_SLOT_UNSTABLE = 1 << 1,
	PW_SNAPSHOT_SLOT_UNREADABLE = 1 << 2,
	PW_SNAPSHOT_SLOT_NOT_RAM = 1 << 3,
	PW_SNAPSHOT_SLOT_CHECKED_SHIFT = 16, /* of a root: 1 << enum pw_doubt each, what was looked for */
};

/* The image that was read contradicts what is here. */
#define PW_SNAPSHOT_SLOT_DOUBT(doubt) (1u << (8 + (doubt)))

struct pw_snapshot_section {
	uint32_t type, crc;
	uint64_t offset;
	uint32_t stored, raw;
};

/* Bytes of content that a section can have: so few that no file takes more than 64 MiB of memory. */
static inline uint32_t pw_snapshot_most(uint32_t type)
{
	switch (type) {
	case PW_SNAPSHOT_TABLES:
		return PW_SNAPSHOT_BLOCK;
	case PW_SNAPSHOT_INDEX:
		return PW_SNAPSHOT_MAX_TABLES * PW_SNAPSHOT_RECORD;
	case PW_SNAPSHOT_SLOTS:
		return PW_SNAPSHOT_MAX_SLOTS * PW_SNAPSHOT_RECORD;
	case PW_SNAPSHOT_AREAS:
	case PW_SNAPSHOT_LAYOUT:
		return 10u << 20;
	case PW_SNAPSHOT_SPACES:
		return 8u << 20;
	default:
		return 1u << 20;
	}
}

struct pw_snapshot_file; /* one that is open for reading */

/* Whether the first bytes of a file are those of this format. */
bool pw_snapshot_is(const char *head, size_t len);

int pw_snapshot_file_open(const char *path, struct pw_snapshot_file **out, struct pw_error *err);
void pw_snapshot_file_close(struct pw_snapshot_file *f);

/* "PATH: is damaged (WHAT): ..." */
int pw_snapshot_damaged(const struct pw_snapshot_file *f, const char *what, struct pw_error *err);

/* The only section of that type, or -ENOENT. */
int pw_snapshot_only(const struct pw_snapshot_file *f, enum pw_snapshot_type type, uint32_t *nr);

/* The content of a section of that type, malloc'ed; -EINVAL with a text. */
int pw_snapshot_content(struct pw_snapshot_file *f, uint32_t nr, enum pw_snapshot_type type, uint8_t **buf, size_t *len,
			struct pw_error *err);

/* Bytes of a table as a space saw it. 0, -EFAULT. */
int pw_snapshot_table(struct pw_snapshot_file *f, uint32_t space, uint64_t pa, void *buf, size_t len);

/* The flags of the slot at that address; 0: none. */
uint32_t pw_snapshot_slot(const struct pw_snapshot_file *f, uint32_t space, uint64_t address);

/* The first slot of that space from *address on, which is moved there. False: none. */
bool pw_snapshot_slot_from(const struct pw_snapshot_file *f, uint32_t space, uint64_t *address, uint32_t *flags);

/* The first table of that space alone that ends after address: where it is, in *at. 0: none. */
size_t pw_snapshot_next(const struct pw_snapshot_file *f, uint32_t space, uint64_t address, uint64_t *at);

/* What a source of this kind has as priv: the file as one space saw it. */
struct pw_snapshot_view {
	struct pw_snapshot_file *file;
	uint32_t space; /* 0: none of them */
	const struct pw_range *ram;
	size_t nram;
};

/* ops of such a source: with tables, or leaf-only. */
extern const struct pw_source_ops pw_source_snapshot, pw_source_snapshot_leaves;

/* Opens the file and fills in source, os, mmu and facts of a target. */
int pw_snapshot_attach(struct pw_target *t, const char *path, struct pw_error *err);

/* What was doubted of a space when it was taken (lib/os/snapshot_witness.c). NULL: nothing was looked for. */
struct pw_witness *pw_snapshot_witness(struct pw_snapshot_file *f, uint32_t id, const struct pw_space *space);

#endif
