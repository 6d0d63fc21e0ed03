// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * kdump-compressed files: makedumpfile's, and QEMU's kdump-zlib once image_flattened.c has put it together. In blocks of
 * block_size bytes, which is the size of a page:
 *
 *   block 0           header: "KDUMP   ", version, utsname, and the numbers of struct head below
 *   block 1           sub header of sub_hdr_size blocks; it says where ELF notes and VMCOREINFO are
 *   then              two bitmaps, each half of bitmap_blocks, a bit a page frame: is there in the machine; is in the dump
 *   then              for each bit of the second: offset 8, size 4, flags 4, the page's kernel flags 8
 *   where these say   the pages, packed
 *
 * makedumpfile leaves pages out: of zeros, free ones, caches, what it was told. They are holes here: nothing tells which of
 * them were zeros. Only ranks are kept of the bitmap, a number for each 4096 bytes of it.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>

#include "source/image.h"

#define CACHE              (8u << 20)
#define MAP_BLOCK          4096u
#define MAP_PAGES          (MAP_BLOCK * 8)
#define MOST_PAGES         (UINT64_C(1) << 34)
#define MOST_BLOCK         65536u
#define LONGEST_VMCOREINFO (64u << 10)
#define LAST_PAGES         256

/* Of status, beside how pages are packed. */
#define DUMP_INCOMPLETE 0x8u

/* Where the numbers are, in the order of struct head; 64-bit, so that timestamp is aligned to 8. */
struct head {
	char signature[8];
	uint32_t version;
	char utsname[6][65]; /* sysname nodename release version machine domainname */
	char time[22];
	uint32_t status, block_size, sub_blocks, bitmap_blocks, max_mapnr;
} __attribute__((packed));

struct sub {
	uint64_t phys_base;
	uint32_t dump_level, split;
	uint64_t start_pfn, end_pfn;                     /* from version 2 on */
	uint64_t vmcoreinfo_off, vmcoreinfo_bytes;       /* 3 */
	uint64_t notes_off, notes_bytes;                 /* 4 */
	uint64_t erased_off, erased_bytes;               /* 5 */
	uint64_t start_pfn_64, end_pfn_64, max_mapnr_64; /* 6 */
};

struct desc {
	uint64_t off;
	uint32_t bytes, flags;
	uint64_t page_flags;
};

struct kdump {
	uint32_t block_size;
	uint64_t map_off; /* of the second bitmap */
	uint64_t desc_off;
	uint64_t max_mapnr; /* page frames that the bitmap speaks of */
	uint64_t *rank;     /* bits set before each MAP_BLOCK bytes of the bitmap */
	uint64_t map_at;    /* which of them is in map[]; UINT64_MAX: none */
	uint8_t map[MAP_BLOCK];
	uint8_t packed[MOST_BLOCK];
	uint64_t gap; /* pages left out that do not end an extent, as there are too many of those */
};

static bool kdump_is(const uint8_t *head, size_t n)
{
	return n >= 8 && !memcmp(head, "KDUMP   ", 8);
}

/* -------- headers -------- */

static int check_head(const struct head *h, struct pw_error *err)
{
	uint32_t size = le32toh(h->block_size);

	if (strncmp(h->utsname[4], "x86_64", sizeof(h->utsname[4])))
		return pw_error_set(err, -EINVAL, "a kdump file, but not of x86-64");
	if (size < 4096 || size > MOST_BLOCK || size & (size - 1))
		return pw_error_set(err, -EINVAL, "its kdump header gives blocks of %u bytes: damaged", size);
	return 0;
}

static int read_sub(struct pw_image *im, const struct head *h, struct sub *sub, struct pw_error *err)
{
	uint64_t max_mapnr = le32toh(h->max_mapnr);
	uint32_t version = le32toh(h->version);
	int rc = pw_image_file_header(&im->file, sub, sizeof(*sub), le32toh(h->block_size));

	if (rc)
		return pw_error_set(err, rc, "the file ends within its kdump headers: truncated");
	if (version < 3)
		sub->vmcoreinfo_bytes = 0;
	if (version < 4)
		sub->notes_bytes = 0;
	if (version >= 6)
		max_mapnr = le64toh(sub->max_mapnr_64);
	sub->max_mapnr_64 = max_mapnr;
	if (version >= 1 && le32toh(sub->split))
		return pw_error_set(
			err, -EINVAL,
			"one part of a dump that was split: put it together with makedumpfile --reassemble");
	if (!max_mapnr || max_mapnr > MOST_PAGES)
		return pw_error_set(err, -EINVAL, "its kdump header tells of %" PRIu64 " pages: damaged", max_mapnr);
	return 0;
}

static int take_notes(struct pw_image *im, const struct sub *sub)
{
	uint64_t bytes = le64toh(sub->vmcoreinfo_bytes);
	char *text;
	int rc = pw_image_read_notes(im, le64toh(sub->notes_off), le64toh(sub->notes_bytes));

	if (rc || !bytes)
		return rc;
	if (bytes > LONGEST_VMCOREINFO)
		bytes = LONGEST_VMCOREINFO;
	text = malloc(bytes);
	if (!text)
		return -ENOMEM;
	if (!pw_image_file_read(&im->file, text, bytes, le64toh(sub->vmcoreinfo_off)))
		rc = pw_image_set_vmcoreinfo(&im->notes, text, bytes);
	free(text);
	return rc;
}

/* -------- the bitmap -------- */

static int read_map(struct pw_image *im, uint64_t nr)
{
	struct kdump *k = im->priv;
	uint64_t pages = k->max_mapnr - nr * MAP_PAGES;
	size_t len = pages < MAP_PAGES ? (pages + 7) / 8 : MAP_BLOCK;
	int rc;

	if (k->map_at == nr)
		return 0;
	k->map_at = UINT64_MAX;
	memset(k->map, 0, sizeof(k->map));
	rc = pw_image_file_read(&im->file, k->map, len, k->map_off + nr * MAP_BLOCK);
	if (rc)
		return rc;
	/* Bits beyond the last page mean nothing. */
	if (pages < MAP_PAGES && pages % 8)
		k->map[len - 1] &= (1u << pages % 8) - 1;
	k->map_at = nr;
	return 0;
}

static bool bit(const struct kdump *k, uint64_t i)
{
	return k->map[i / 8] >> (i % 8) & 1;
}

static uint64_t word_of(const struct kdump *k, uint64_t i)
{
	uint64_t w;

	memcpy(&w, k->map + i * 8, sizeof(w));
	return le64toh(w);
}

/* Bits that are set among the first n of the block of the bitmap that is in. */
static uint64_t count_bits(const struct kdump *k, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n / 64; i++)
		sum += (unsigned)__builtin_popcountll(word_of(k, i));
	if (n % 64)
		sum += (unsigned)__builtin_popcountll(word_of(k, n / 64) & ((UINT64_C(1) << n % 64) - 1));
	return sum;
}

/* Joins extents over ever wider gaps until half of the room is free. What is in a gap is still a hole when it is read. */
static void widen_gaps(struct pw_image *im, struct kdump *k)
{
	while (im->nextents > PW_IMAGE_EXTENTS / 2) {
		size_t n = 1;

		k->gap = k->gap ? k->gap * 2 : 1;
		for (size_t i = 1; i < im->nextents; i++) {
			struct pw_image_extent *last = &im->extent[n - 1], *e = &im->extent[i];

			if (e->pa - (last->pa + last->bytes) <= k->gap * k->block_size)
				last->bytes = e->pa + e->bytes - last->pa;
			else
				im->extent[n++] = *e;
		}
		im->nextents = n;
	}
}

/* Pages from `first` on, n of them, are in the dump; in ascending order. */
static int add_pages(struct pw_image *im, uint64_t first, uint64_t n, struct pw_error *err)
{
	struct kdump *k = im->priv;
	struct pw_image_extent *last = im->nextents ? &im->extent[im->nextents - 1] : NULL;
	uint64_t pa = first * k->block_size;

	if (last && pa - (last->pa + last->bytes) <= k->gap * k->block_size) {
		last->bytes = pa + n * k->block_size - last->pa;
		return 0;
	}
	if (im->nextents == PW_IMAGE_EXTENTS)
		widen_gaps(im, k);
	return pw_image_add(im, pa, n * k->block_size, 0, err);
}

/* The runs of bits in the block of the bitmap that is in; its first page is `first`. */
static int add_runs(struct pw_image *im, uint64_t first, struct pw_error *err)
{
	struct kdump *k = im->priv;
	uint64_t run = 0, begin = 0;
	int rc = 0;

	for (uint64_t i = 0; i < MAP_PAGES && !rc; i++) {
		/* Mostly 64 are alike. */
		if (i % 64 == 0 && !run && !word_of(k, i / 64)) {
			i += 63;
		} else if (i % 64 == 0 && word_of(k, i / 64) == UINT64_MAX) {
			begin = run ? begin : i;
			run += 64;
			i += 63;
		} else if (bit(k, i)) {
			begin = run++ ? begin : i;
		} else if (run) {
			rc = add_pages(im, first + begin, run, err);
			run = 0;
		}
	}
	return run && !rc ? add_pages(im, first + begin, run, err) : rc;
}

/* Adds to *pages how many there are. */
static int scan_bitmap(struct pw_image *im, uint64_t *pages, struct pw_error *err)
{
	struct kdump *k = im->priv;
	uint64_t blocks = (k->max_mapnr + MAP_PAGES - 1) / MAP_PAGES;

	k->rank = calloc(blocks, sizeof(*k->rank));
	if (!k->rank)
		return pw_error_set(err, -ENOMEM, "out of memory");
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t n;
		int rc = read_map(im, i);

		if (rc)
			return pw_error_set(err, rc, "the file ends within its bitmaps, or they cannot be read");
		k->rank[i] = *pages;
		n = count_bits(k, MAP_PAGES);
		if (n)
			rc = add_runs(im, i * MAP_PAGES, err);
		if (rc)
			return rc;
		*pages += n;
	}
	return 0;
}

/* -------- opening -------- */

/* Whether the file ends before its pages do, by where the last ones are: they were written in their order. */
static bool is_cut(const struct pw_image *im, uint64_t pages)
{
	const struct kdump *k = im->priv;
	struct desc d[LAST_PAGES];
	uint64_t n = pages < LAST_PAGES ? pages : LAST_PAGES;

	if (pw_image_file_read(&im->file, d, n * sizeof(d[0]), k->desc_off + (pages - n) * sizeof(d[0])))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t off = le64toh(d[i].off);

		if (off > im->file.size || le32toh(d[i].bytes) > im->file.size - off)
			return true;
	}
	return false;
}

static int open_map(struct pw_image *im, const struct head *h, const struct sub *sub, struct pw_error *err)
{
	struct kdump *k = im->priv;
	uint64_t size = k->block_size, blocks = le32toh(h->bitmap_blocks);
	uint64_t first = (UINT64_C(1) + le32toh(h->sub_blocks)) * size, half = blocks / 2 * size;
	uint64_t pages = 0;
	int rc;

	k->max_mapnr = sub->max_mapnr_64;
	k->map_off = first + half;
	k->desc_off = first + blocks * size;
	if (half * 8 < k->max_mapnr)
		return pw_error_set(err, -EINVAL, "its bitmaps are smaller than its %" PRIu64 " pages need: damaged",
				    k->max_mapnr);
	if (k->desc_off > im->file.size)
		return pw_error_set(err, -EINVAL, "the file ends within its bitmaps: truncated");
	rc = scan_bitmap(im, &pages, err);
	if (rc)
		return rc;
	if ((im->file.size - k->desc_off) / sizeof(struct desc) < pages)
		return pw_error_set(err, -EINVAL, "the file ends within the list of its %" PRIu64 " pages: truncated",
				    pages);
	im->cut |= le32toh(h->status) & DUMP_INCOMPLETE || is_cut(im, pages);
	return 0;
}

static int kdump_open(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	struct kdump *k = calloc(1, sizeof(*k));
	struct head h;
	struct sub sub;
	int rc;

	(void)opts;
	if (!k)
		return pw_error_set(err, -ENOMEM, "out of memory");
	im->priv = k;
	k->map_at = UINT64_MAX;
	if (lzo_init() != LZO_E_OK)
		return pw_error_set(err, -EOPNOTSUPP, "the LZO library does not work here");
	rc = pw_image_file_header(&im->file, &h, sizeof(h), 0);
	if (rc)
		return pw_error_set(err, rc, "the file ends within its kdump headers: truncated");
	rc = check_head(&h, err);
	if (!rc)
		rc = read_sub(im, &h, &sub, err);
	if (rc)
		return rc;
	k->block_size = le32toh(h.block_size);
	im->blocks = pw_blocks_new(k->block_size, CACHE);
	if (!im->blocks || take_notes(im, &sub))
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = open_map(im, &h, &sub, err);
	return rc ? rc : pw_image_finish(im, false, err);
}

/* -------- reading -------- */

static int read_page(struct pw_image *im, uint64_t pfn, void *out)
{
	struct kdump *k = im->priv;
	uint64_t nr = pfn / MAP_PAGES;
	struct desc d;
	int rc = pfn < k->max_mapnr ? read_map(im, nr) : -ENXIO;

	if (rc)
		return rc;
	if (!bit(k, pfn % MAP_PAGES))
		return -ENXIO;
	rc = pw_image_file_read(&im->file, &d, sizeof(d),
				k->desc_off + (k->rank[nr] + count_bits(k, pfn % MAP_PAGES)) * sizeof(d));
	if (rc)
		return rc;
	d.bytes = le32toh(d.bytes);
	/* makedumpfile that ran out of room leaves descriptions empty. */
	if (!d.bytes || d.bytes > k->block_size)
		return d.bytes || d.off ? -EIO : -ENXIO;
	rc = pw_image_file_read(&im->file, k->packed, d.bytes, le64toh(d.off));
	return rc ? rc : pw_unpack((enum pw_packing)le32toh(d.flags), k->packed, d.bytes, out, k->block_size);
}

static int kdump_read(struct pw_image *im, const struct pw_image_extent *e, uint64_t skip, void *buf, size_t len)
{
	struct kdump *k = im->priv;
	uint64_t pa = e->pa + skip;
	char *to = buf;

	while (len) {
		uint64_t pfn = pa / k->block_size, at = pa % k->block_size;
		size_t part = k->block_size - at < len ? k->block_size - at : len;
		bool there;
		char *page = pw_blocks_get(im->blocks, pfn, &there);
		int rc = there ? 0 : read_page(im, pfn, page);

		if (rc)
			return rc;
		pw_blocks_done(im->blocks, pfn);
		memcpy(to, page + at, part);
		to += part;
		pa += part;
		len -= part;
	}
	return 0;
}

static void kdump_close(struct pw_image *im)
{
	struct kdump *k = im->priv;

	if (k)
		free(k->rank);
	free(k);
}

const struct pw_image_format pw_image_kdump = {
	.name = "kdump",
	.is = kdump_is,
	.open = kdump_open,
	.read = kdump_read,
	.close = kdump_close,
};
