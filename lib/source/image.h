/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image: the physical memory of a system in a file. Each format is one file, image_*.c, and one struct
 * pw_image_format: it says which physical memory is where in the file; reading is done here for all of them.
 *
 * Images are larger than memory and hostile. They are read by pread, never mapped (a truncated mapping is a
 * SIGBUS); what an image does not have is -ENXIO, never zeros; and whatever is kept of one is bounded.
 */
#ifndef PAGEWALK_SOURCE_IMAGE_H
#define PAGEWALK_SOURCE_IMAGE_H

#include <pagewalk/arch.h>
#include <pagewalk/source.h>

/* Physical addresses of x86-64 have at most that many bits: what lies beyond is absurd. */
#define PW_IMAGE_PA_BITS 52

/* Extents that are kept of an image, at most: 12 MiB. */
#define PW_IMAGE_EXTENTS (1u << 19)

/* Ranges of lost memory that are remembered; all are counted. */
#define PW_IMAGE_LOST 64

/* Memory that is in the file. */
struct pw_image_extent {
	uint64_t pa, bytes;
	uint64_t at; /* where in the file; with a format that has read(): its own affair */
};

/* What a dump says beside the memory. All of it is as hostile as the rest. */
struct pw_image_notes {
	struct pw_registers *cpu; /* in the order of the notes; a kernel's own notes do not have them */
	size_t ncpus;
	char *vmcoreinfo; /* lines KEY=VALUE; NULL: none */
	bool frozen_evidence;
	const char *frozen_how; /* how one knows, a static phrase; NULL without evidence */
};

/* The bytes of a file, in the order in which a format wants them. */
struct pw_image_file {
	int fd;
	uint64_t size;        /* of a flattened file: as it is when it has been put together */
	struct pw_flat *flat; /* NULL: as they lie there */
};

struct pw_image_format;

struct pw_image {
	const struct pw_image_format *format;
	struct pw_image_file file;
	bool flattened;
	struct pw_image_extent *extent; /* ascending, disjoint */
	size_t nextents;
	struct pw_range *range; /* the same with neighbours joined: as physical memory */
	size_t nranges;
	/* What the headers promise and the file does not have. */
	struct pw_range lost[PW_IMAGE_LOST];
	size_t nlost; /* of them all; the first PW_IMAGE_LOST are in lost[] */
	uint64_t lost_bytes;
	bool cut; /* the file ends where more was to come, nobody knows how much */
	struct pw_image_notes notes;

	struct pw_blocks *blocks; /* decoded ones, of a compressed format */
	struct pw_tables *tables; /* page tables that were read */
	void *priv;               /* the format's */
	size_t room;              /* of extent[] */
};

struct pw_image_opts {
	bool raw;           /* do not look what it is */
	const char *ranges; /* of a raw image: where its bytes belong; NULL: offset = physical address */
	bool frozen;        /* the caller knows that the system stood still */
};

struct pw_image_format {
	const char *name; /* "lime" */
	/* By the first bytes; n can be small. */
	bool (*is)(const uint8_t *head, size_t n);
	/* Finds extents, lost ranges and notes; the file is open. What it leaves in im is closed on failure, too. */
	int (*open)(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err);
	/*
	 * NULL: an extent's bytes are in the file one after another, from `at` on. Else: len bytes of e from its byte
	 * `skip` on. 0, -ENXIO, -EIO, -ENOMEM.
	 */
	int (*read)(struct pw_image *im, const struct pw_image_extent *e, uint64_t skip, void *buf, size_t len);
	void (*close)(struct pw_image *im); /* frees priv; may be NULL */
};

extern const struct pw_image_format pw_image_raw;
extern const struct pw_image_format pw_image_lime;
extern const struct pw_image_format pw_image_avml;
extern const struct pw_image_format pw_image_elf;
extern const struct pw_image_format pw_image_kdump;

/* -------- image.c -------- */

extern const struct pw_source_ops pw_source_image;

/*
 * Opens the image at path as a source, which then is frozen or smeared by what is known of it. opts may be NULL.
 * -EINVAL: no image; errors name the file.
 */
int pw_image_open(const char *path, const struct pw_image_opts *opts, struct pw_source *src, struct pw_error *err);

/* Physical memory. 0, -ENXIO, -EIO, -ENOMEM. */
int pw_image_read(struct pw_image *im, uint64_t pa, void *buf, size_t len);

/* The image behind a source, or NULL. */
const struct pw_image *pw_image_of(const struct pw_source *src);

/* -------- image_extents.c -------- */

/* Adds memory, for formats with a read(): at is theirs. */
int pw_image_add(struct pw_image *im, uint64_t pa, uint64_t bytes, uint64_t at, struct pw_error *err);

/* Adds memory whose bytes are in the file at `at`; what the file does not have of them is lost. */
int pw_image_add_stored(struct pw_image *im, uint64_t pa, uint64_t bytes, uint64_t at, struct pw_error *err);

/* Notes memory that is promised and not there. */
void pw_image_lose(struct pw_image *im, uint64_t pa, uint64_t bytes);

/*
 * Puts the extents in order once all are there, and makes range[]. Where two overlap: with `twice_is_well` the one that
 * begins first keeps its bytes (dumps by virtual address show memory more than once), else -EINVAL.
 */
int pw_image_finish(struct pw_image *im, bool twice_is_well, struct pw_error *err);

/* The extent that holds pa, or NULL. */
const struct pw_image_extent *pw_image_find(const struct pw_image *im, uint64_t pa);

/* -------- image_flattened.c -------- */

/* Whether the file begins as makedumpfile's flattened form does. */
bool pw_flat_is(const uint8_t *head, size_t n);

/* Lets file be read as if it had been put together. *whole: its end mark is there. */
int pw_flat_open(struct pw_image_file *file, bool *whole, struct pw_error *err);
void pw_flat_close(struct pw_image_file *file);

/* len bytes from off on, all of them: 0 or a negative errno, -EIO where the file does not have them. */
int pw_image_file_read(const struct pw_image_file *file, void *buf, size_t len, uint64_t off);

/* The same for headers: what lies between the pieces of a flattened file is zeros, as it is in the one put together. */
int pw_image_file_header(const struct pw_image_file *file, void *buf, size_t len, uint64_t off);

/* -------- image_notes.c -------- */

/* Reads ELF notes, which may come in several parts. What is malformed is left out. -ENOMEM. */
int pw_image_read_notes(struct pw_image *im, uint64_t off, uint64_t bytes);

/* Takes over a VMCOREINFO text, unless there is one already. */
int pw_image_set_vmcoreinfo(struct pw_image_notes *notes, const char *text, size_t len);
void pw_image_free_notes(struct pw_image_notes *notes);

/* -------- image_blocks.c: a bounded cache of decoded blocks -------- */

/* Room for `bytes` in all, in blocks of at most block_bytes. NULL: no memory. */
struct pw_blocks *pw_blocks_new(size_t block_bytes, size_t bytes);
void pw_blocks_free(struct pw_blocks *b);

/*
 * The place of the block that is known by key, which must not be UINT64_MAX. *there: its data is in it. If not, the
 * caller decodes into it and then calls pw_blocks_done(), or leaves it. It stays until the next call.
 */
void *pw_blocks_get(struct pw_blocks *b, uint64_t key, bool *there);
void pw_blocks_done(struct pw_blocks *b, uint64_t key);

/* -------- image_tables.c: a bounded cache of page tables -------- */

#define PW_TABLES_PAGE 4096
#define PW_TABLES      2048 /* that are kept: 8 MiB, which are all tables of 4 GiB in pages of 4K */

/* NULL: no memory. */
struct pw_tables *pw_tables_new(void);
void pw_tables_free(struct pw_tables *t);

/* What was handed out before may go from now on. */
void pw_tables_call(struct pw_tables *t);

/* The page with that number, or NULL. It stays, at that place, until the next pw_tables_call(). */
const void *pw_tables_find(struct pw_tables *t, uint64_t page);

/*
 * A place for a page that is not there, which the caller fills; from now on it is found. NULL: this call has handed out all that there is.
 * Who cannot fill it drops it.
 */
void *pw_tables_add(struct pw_tables *t, uint64_t page);
void pw_tables_drop(struct pw_tables *t, uint64_t page);

/* -------- image_batch.c -------- */

/* As read_tables and will_read of a source. True: something was not in this machine's memory. */
bool pw_image_read_tables(struct pw_image *im, struct pw_table_req *req, size_t n);
void pw_image_will_read(struct pw_image *im, const uint64_t *pa, size_t n);

/* -------- image_unpack.c -------- */

/* How a block is packed, by the numbers that kdump-compressed files use. */
enum pw_packing {
	PW_PACK_NONE = 0,
	PW_PACK_ZLIB = 0x1,
	PW_PACK_LZO = 0x2,
	PW_PACK_SNAPPY = 0x4,
	PW_PACK_ZSTD = 0x20,
};

/* Unpacks exactly `want` bytes. -EIO: it is not that, or other than that long. */
int pw_unpack(enum pw_packing how, const void *packed, size_t n, void *out, size_t want);

#endif
