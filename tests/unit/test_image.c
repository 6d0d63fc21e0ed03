/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory images: every format gives back all bytes and nothing else; what is damaged or cut off is said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image_writer.h"
#include "source/image.h"

#define P WRITER_PAGE

/* The second range is longer than a frame of snappy's, the last two touch, and there is a hole at 0. */
static const struct pw_range ranges[] = {
	{ 0x1000, 0x8fff },
	{ 0x100000, 0x128fff },
	{ 0x100000000, 0x100002fff },
	{ 0x100003000, 0x100003fff },
};
#define NRANGES (sizeof(ranges) / sizeof(ranges[0]))
#define LIST    "1000-8fff,0x100000-0x128fff,100000000-100002fff,100003000-100003fff"

static int fd_of(const struct bytes *b)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, b->v, b->n, 0), b->n);
	return fd;
}

static int open_bytes(const struct bytes *b, const struct pw_image_opts *opts, struct pw_source *src,
		      struct pw_error *err)
{
	char path[32];
	int fd = fd_of(b), rc;

	memset(err, 0, sizeof(*err));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = pw_image_open(path, opts, src, err);
	close(fd);
	/* What fails says why, and of what. */
	if (rc)
		assert_true(!strncmp(err->text, path, strlen(path)) && strlen(err->text) > strlen(path) + 4);
	return rc;
}

static struct pw_source must_open(const struct bytes *b, const struct pw_image_opts *opts)
{
	struct pw_source src = { 0 };
	struct pw_error err;

	if (open_bytes(b, opts, &src, &err))
		fail_msg("%s", err.text);
	return src;
}

static void must_refuse(const struct bytes *b, const struct pw_image_opts *opts, const char *why)
{
	struct pw_source src;
	struct pw_error err;

	if (!open_bytes(b, opts, &src, &err))
		fail_msg("opened, but should say: %s", why);
	if (!strstr(err.text, why))
		fail_msg("'%s' should be in: %s", why, err.text);
}

static bool has(uint64_t pa)
{
	for (size_t i = 0; i < NRANGES; i++)
		if (ranges[i].lo <= pa && pa <= ranges[i].last)
			return true;
	return false;
}

/* Whether the page is there, and right if it is. */
static bool check_page(struct pw_source *src, uint64_t pa)
{
	uint8_t want[P], got[P];
	int rc = src->ops->read(src, pa, got, P);

	writer_page(pa, want);
	if (!rc)
		assert_memory_equal(got, want, P);
	return !rc;
}

/* As check_page(), all pages; how many are there. */
static size_t check_pages(struct pw_source *src)
{
	size_t n = 0;

	for (size_t i = 0; i < NRANGES; i++)
		for (uint64_t pa = ranges[i].lo; pa < ranges[i].last; pa += P)
			n += check_page(src, pa);
	return n;
}

static void check_holes(struct pw_source *src)
{
	uint8_t buf[2 * P];

	for (size_t i = 0; i < NRANGES; i++) {
		if (!has(ranges[i].lo - 1)) {
			assert_int_equal(src->ops->read(src, ranges[i].lo - P, buf, P), -ENXIO);
			assert_int_equal(src->ops->read(src, ranges[i].lo - 1, buf, 2), -ENXIO);
		}
		if (!has(ranges[i].last + 1)) {
			assert_int_equal(src->ops->read(src, ranges[i].last + 1, buf, 1), -ENXIO);
			assert_int_equal(src->ops->read(src, ranges[i].last, buf, 2), -ENXIO);
		}
	}
	assert_int_equal(src->ops->read(src, UINT64_MAX, buf, 1), -ENXIO);
	assert_int_equal(src->ops->read(src, UINT64_MAX - 7, buf, 16), -ENXIO);
}

/* Bytes across pages and extents, at odd places. */
static void check_odd(struct pw_source *src)
{
	uint8_t want[3 * P], got[3 * P];

	for (uint64_t pa = 0x100001ffd; pa < 0x100001ffd + 8; pa++) {
		for (size_t i = 0; i < 3; i++)
			writer_page(0x100001000 + i * P, want + i * P);
		assert_int_equal(src->ops->read(src, pa, got, P + 100), 0);
		assert_memory_equal(got, want + (pa - 0x100001000), P + 100);
	}
}

/* The page tables' way: many at once, in any order, with some that are not there. */
static void check_tables(struct pw_source *src)
{
	static uint8_t buf[150][P] __attribute__((aligned(8)));
	struct pw_table_req req[150];
	uint8_t want[P];
	size_t n = 0;

	for (; n < 150; n++) {
		uint64_t pa = n % 3 == 0   ? 0x1000 + n % 10 * P
			      : n % 3 == 1 ? 0x100000 + (n * 7 % 45) * P
					   : 0x100003000 - n * P;

		req[n] = (struct pw_table_req){ .pa = pa, .bytes = P, .status = 1, .buf = buf[n] };
	}
	assert_int_equal(src->ops->read_tables(src, req, n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(req[i].status, has(req[i].pa) ? 0 : -ENXIO);
		writer_page(req[i].pa, want);
		if (!req[i].status)
			assert_memory_equal(req[i].data, want, P);
	}
}

static void check_ranges(struct pw_source *src)
{
	const struct pw_range *r;
	size_t n;

	assert_int_equal(src->ops->ranges(src, &r, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(r, ranges, 2 * sizeof(*r));
	assert_true(r[2].lo == 0x100000000 && r[2].last == 0x100003fff);
}

static void check_all(const struct bytes *b, const struct pw_image_opts *opts, const char *format)
{
	struct pw_source src = must_open(b, opts);
	const struct pw_image *im = pw_image_of(&src);

	assert_string_equal(im->format->name, format);
	assert_int_equal(check_pages(&src), 8 + 0x29 + 4);
	/* Once more, from the cache and backwards. */
	for (uint64_t pa = 0x128000; pa >= 0x100000; pa -= P)
		assert_true(check_page(&src, pa));
	check_holes(&src);
	check_odd(&src);
	check_tables(&src);
	check_ranges(&src);
	assert_int_equal(im->nlost, 0);
	assert_false(im->cut);
	src.ops->close(&src);
}

/* -------- every format, whole -------- */

static void raw_has_its_holes_in_the_file(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	uint8_t page[P], zeros[P] = { 0 };

	(void)state;
	for (uint64_t pa = 0x100000; pa < 0x129000; pa += P) {
		writer_page(pa, page);
		bytes_at(&b, pa, page, P);
	}
	src = must_open(&b, NULL);
	assert_string_equal(pw_image_of(&src)->format->name, "raw");
	for (uint64_t pa = 0x100000; pa < 0x129000; pa += P)
		assert_true(check_page(&src, pa));
	/* Nobody can tell this hole from memory. */
	assert_int_equal(src.ops->read(&src, 0x5000, page, P), 0);
	assert_memory_equal(page, zeros, P);
	assert_int_equal(src.ops->read(&src, 0x129000, page, 1), -ENXIO);
	assert_int_equal(src.consistency, PW_SMEARED);
	src.ops->close(&src);
	bytes_free(&b);
}

static void raw_goes_by_its_ranges(void **state)
{
	static const char iomem[] = "00000000-00000fff : Reserved\n00001000-00008fff : System RAM\n"
				    "00100000-00128fff : System RAM\n  00100000-00101fff : Kernel code\n"
				    "100000000-100003fff : System RAM\n";
	struct bytes b = { 0 }, text = { 0 };
	char path[32];
	int fd;

	(void)state;
	write_packed(&b, ranges, NRANGES);
	check_all(&b, &(struct pw_image_opts){ .ranges = LIST }, "raw");
	bytes_add(&text, iomem, strlen(iomem));
	fd = fd_of(&text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_all(&b, &(struct pw_image_opts){ .raw = true, .ranges = path }, "raw");
	close(fd);
	bytes_free(&text);
	bytes_free(&b);
}

static void raw_ranges_must_be_the_files(void **state)
{
	struct bytes b = { 0 }, lime = { 0 };

	(void)state;
	write_packed(&b, ranges, NRANGES);
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "1000-8fff" }, "add up to 32768 bytes");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "1000-8fff," }, "expected LO-HI");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "9000-8fff" }, "expected LO-HI");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "1000-0xzz" }, "neither LO-HI");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "0-ffffffffffffffff" }, "expected LO-HI");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "0-fffffffffffffff" }, "no machine has");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "0-7fff,4000-3ffffff" }, "is in it twice");
	must_refuse(&b, &(struct pw_image_opts){ .ranges = "/nowhere" }, "neither LO-HI");
	write_lime(&lime, ranges, NRANGES);
	must_refuse(&lime, &(struct pw_image_opts){ .ranges = LIST }, "--ranges is for raw");
	bytes_free(&lime);
	bytes_free(&b);
}

static void lime_gives_all_bytes(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	write_lime(&b, ranges, NRANGES);
	check_all(&b, NULL, "lime");
	bytes_free(&b);
}

static void lime_ranges_can_stand_in_any_order(void **state)
{
	const struct pw_range mixed[] = { ranges[3], ranges[1], ranges[0], ranges[2] };
	struct bytes b = { 0 };

	(void)state;
	write_lime(&b, mixed, NRANGES);
	check_all(&b, NULL, "lime");
	bytes_free(&b);
}

static void avml_gives_all_bytes(void **state)
{
	const struct pw_range mixed[] = { ranges[3], ranges[1], ranges[0], ranges[2] };
	struct bytes b = { 0 };

	(void)state;
	write_avml2(&b, ranges, NRANGES);
	check_all(&b, NULL, "avml");
	bytes_free(&b);
	write_avml2(&b, mixed, NRANGES);
	check_all(&b, NULL, "avml");
	bytes_free(&b);
}

static void elf_gives_all_bytes(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	write_elf(&b, ranges, NRANGES, &(struct writer_elf){ .notes = NOTES_QEMU });
	check_all(&b, NULL, "elf");
	bytes_free(&b);
}

static void elf_can_have_more_headers_than_16_bits_count(void **state)
{
	static const size_t numbers[] = { PN_XNUM - NRANGES - 2, PN_XNUM - NRANGES - 1, 100000 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct bytes b = { 0 };

		write_elf(&b, ranges, NRANGES, &(struct writer_elf){ .empty = numbers[i] });
		check_all(&b, NULL, "elf");
		bytes_free(&b);
	}
}

static void kdump_gives_all_bytes(void **state)
{
	static const uint32_t packings[] = { PW_PACK_NONE, PW_PACK_ZLIB, PW_PACK_LZO, PW_PACK_SNAPPY, PW_PACK_ZSTD };

	(void)state;
	for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++) {
		struct bytes b = { 0 };

		write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .packing = packings[i] });
		check_all(&b, NULL, "kdump");
		bytes_free(&b);
	}
}

static void flattened_is_read_as_if_put_together(void **state)
{
	static const size_t pieces[] = { 64, 1000, 4096, 100000, 100000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct bytes kdump = { 0 }, elf = { 0 }, flat = { 0 };

		write_kdump(&kdump, ranges, NRANGES, &(struct writer_kdump){ .packing = PW_PACK_ZLIB });
		write_flattened(&flat, &kdump, pieces[i]);
		check_all(&flat, NULL, "kdump");
		bytes_free(&flat);
		write_elf(&elf, ranges, NRANGES, &(struct writer_elf){ .notes = NOTES_QEMU });
		write_flattened(&flat, &elf, pieces[i]);
		check_all(&flat, NULL, "elf");
		bytes_free(&flat);
		bytes_free(&kdump);
		bytes_free(&elf);
	}
}

/* -------- what notes say -------- */

static void frozen_only_with_evidence(void **state)
{
	static const struct {
		enum writer_notes notes;
		bool frozen;
	} cases[] = { { NOTES_NONE, false }, { NOTES_QEMU, true }, { NOTES_VMCORE, true }, { NOTES_KCORE, false } };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (int kind = 0; kind < 2; kind++) {
			struct bytes b = { 0 };
			struct pw_source src;
			const struct pw_image_notes *notes;

			if (kind)
				write_elf(&b, ranges, NRANGES, &(struct writer_elf){ .notes = cases[i].notes });
			else
				write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .notes = cases[i].notes });
			src = must_open(&b, NULL);
			notes = &pw_image_of(&src)->notes;
			assert_int_equal(src.consistency, cases[i].frozen ? PW_FROZEN : PW_SMEARED);
			assert_int_equal(notes->frozen_evidence, cases[i].frozen);
			assert_int_equal(!!notes->frozen_how, cases[i].frozen);
			assert_int_equal(notes->ncpus, cases[i].notes == NOTES_NONE ? 0 : WRITER_CPUS);
			assert_int_equal(!!notes->vmcoreinfo, cases[i].notes > NOTES_QEMU);
			for (size_t cpu = 0; cpu < notes->ncpus; cpu++) {
				assert_int_equal(notes->cpu[cpu].known, cases[i].notes == NOTES_QEMU);
				if (notes->cpu[cpu].known)
					assert_true(notes->cpu[cpu].cr3 == WRITER_CR3(cpu) &&
						    notes->cpu[cpu].cr4 == 0x1020 && notes->cpu[cpu].cr0 == 0x80050033);
			}
			src.ops->close(&src);
			src = must_open(&b, &(struct pw_image_opts){ .frozen = true });
			assert_int_equal(src.consistency, PW_FROZEN);
			src.ops->close(&src);
			bytes_free(&b);
		}
}

static void notes_can_be_damaged_anywhere(void **state)
{
	(void)state;
	for (int kind = NOTES_QEMU; kind <= NOTES_KCORE; kind++) {
		struct writer_elf how = { .notes = kind };
		struct bytes b = { 0 }, notes = { 0 };
		size_t at = sizeof(Elf64_Ehdr) + (1 + NRANGES) * sizeof(Elf64_Phdr);

		write_elf(&b, ranges, NRANGES, &how);
		write_notes(&notes, kind);
		for (size_t i = 0; i < notes.n; i++) {
			struct pw_source src;

			b.v[at + i] ^= 0xff;
			src = must_open(&b, NULL);
			assert_true(check_page(&src, 0x1000));
			src.ops->close(&src);
			b.v[at + i] ^= 0xff;
		}
		bytes_free(&notes);
		bytes_free(&b);
	}
}

/* -------- cut off -------- */

/* What opens is right as far as it goes, and tells what it lost; what does not open says why (open_bytes() looks). */
static void cut_at(const struct bytes *whole, size_t n, const struct pw_image_opts *opts, bool noticed, bool counts)
{
	struct bytes b = { whole->v, n, n };
	struct pw_source src;
	struct pw_error err;
	const struct pw_image *im;
	uint64_t there = 0;
	size_t pages;

	if (open_bytes(&b, opts, &src, &err))
		return;
	im = pw_image_of(&src);
	pages = check_pages(&src);
	for (size_t i = 0; i < im->nranges; i++)
		there += im->range[i].last - im->range[i].lo + 1;
	/* Each page that is there whole can be read. */
	if (counts)
		assert_true(pages >= there / P - (im->nextents < there / P ? im->nextents : there / P));
	if (n < whole->n && noticed)
		assert_true(im->cut || im->nlost);
	for (size_t i = 0; i < im->nlost; i++)
		assert_false(check_page(&src, im->lost[i].lo & ~UINT64_C(0xfff)));
	src.ops->close(&src);
}

/* At every byte of the headers, and then in strides. */
static void cut_everywhere(const struct bytes *b, const struct pw_image_opts *opts, size_t headers, bool noticed,
			   bool counts)
{
	for (size_t n = 1; n < b->n; n += n < headers ? 1 : 977)
		cut_at(b, n, opts, noticed, counts);
	for (size_t n = b->n - 40; n < b->n; n++)
		cut_at(b, n, opts, noticed, counts);
}

static void truncated_images_give_what_they_have(void **state)
{
	static const struct pw_image_opts list = { .ranges = LIST };
	struct bytes b = { 0 }, flat = { 0 };

	(void)state;
	write_packed(&b, ranges, NRANGES);
	cut_everywhere(&b, &list, 0, true, true);
	bytes_free(&b);
	write_elf(&b, ranges, NRANGES, &(struct writer_elf){ .notes = NOTES_QEMU });
	cut_everywhere(&b, NULL, 4000, true, true);
	bytes_free(&b);
	write_avml2(&b, ranges, NRANGES);
	cut_everywhere(&b, NULL, 200, false, false);
	bytes_free(&b);
	write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .packing = PW_PACK_ZLIB });
	cut_everywhere(&b, NULL, 500, true, false);
	write_flattened(&flat, &b, 4096);
	cut_everywhere(&flat, NULL, 40, true, false);
	bytes_free(&flat);
	bytes_free(&b);
}

static void lime_that_ends_between_ranges_is_not_noticed_and_elsewhere_is(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	size_t second = 32 + 8 * P;

	(void)state;
	write_lime(&b, ranges, NRANGES);
	for (size_t n = 1; n < b.n; n += n < 40 || (n > second - 40 && n < second + 40) ? 1 : 977)
		cut_at(&b, n, NULL, n != second && n != second + 32 + 0x29 * P, true);
	b.n = second + 32 + 5 * P + 100;
	src = must_open(&b, NULL);
	assert_int_equal(pw_image_of(&src)->nlost, 1);
	assert_true(pw_image_of(&src)->lost_bytes == 0x24 * P - 100);
	assert_true(pw_image_of(&src)->lost[0].lo == 0x105000 + 100);
	assert_int_equal(check_pages(&src), 8 + 5);
	src.ops->close(&src);
	bytes_free(&b);
}

/* -------- damaged -------- */

static void put64(struct bytes *b, size_t at, uint64_t value)
{
	memcpy(b->v + at, &value, 8);
}

static void lime_headers_are_checked(void **state)
{
	const struct pw_range twice[] = { { 0x1000, 0x4fff }, { 0x4000, 0x7fff } };
	struct bytes b = { 0 };

	(void)state;
	write_lime(&b, ranges, NRANGES);
	b.v[32 + 8 * P] ^= 1;
	must_refuse(&b, NULL, "no LiME header of version 1 at offset 0x8020");
	b.v[32 + 8 * P] ^= 1;
	b.v[4] = 2;
	must_refuse(&b, NULL, "no LiME header of version 1 at offset 0:");
	b.v[4] = 1;
	put64(&b, 16, 0xfff);
	must_refuse(&b, NULL, "no sane range");
	put64(&b, 16, UINT64_MAX);
	must_refuse(&b, NULL, "no sane range");
	put64(&b, 16, UINT64_MAX >> 2);
	must_refuse(&b, NULL, "no machine has");
	put64(&b, 8, UINT64_MAX - P);
	put64(&b, 16, UINT64_MAX - 1);
	must_refuse(&b, NULL, "no machine has");
	bytes_free(&b);
	write_lime(&b, twice, 2);
	must_refuse(&b, NULL, "memory at 0x4000 is in it twice");
	bytes_free(&b);
}

static void avml_streams_are_checked(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	uint8_t page[P];
	uint64_t length;
	size_t changed = 0, spoilt = 0;
	int rc;

	(void)state;
	write_avml2(&b, ranges, NRANGES);
	b.v[32 + 4] ^= 1; /* sNaPpY */
	must_refuse(&b, NULL, "no sane snappy frame");
	b.v[32 + 4] ^= 1;
	b.v[42] = 2; /* a type that may not be skipped */
	must_refuse(&b, NULL, "no sane snappy frame");
	b.v[42] = 0;
	b.v[42 + 8] ^= 0x80; /* the block's own length */
	must_refuse(&b, NULL, "no sane snappy frame");
	b.v[42 + 8] ^= 0x80;
	length = b.v[43] | b.v[44] << 8 | b.v[45] << 16;
	b.v[42 + 4 + length] ^= 1; /* the stream's length */
	must_refuse(&b, NULL, "not as long as it says");
	b.v[42 + 4 + length] ^= 1;
	put64(&b, 16, UINT64_MAX);
	must_refuse(&b, NULL, "no sane range");
	put64(&b, 16, 0x8fff);
	/* A changed byte of the data, or of its sum, spoils its frame and no other; or changes nothing (a copy from elsewhere). */
	for (size_t at = 46; at < 46 + 4 + length; at += at < 50 ? 1 : 50) {
		if (at > 49 && at < 54)
			continue;
		b.v[at] ^= 0x10;
		src = must_open(&b, NULL);
		rc = src.ops->read(&src, 0x1000, page, P);
		assert_true(rc == -EIO || rc == 0);
		assert_int_equal(check_pages(&src), (rc ? 0 : 8) + 0x29 + 4);
		src.ops->close(&src);
		b.v[at] ^= 0x10;
		spoilt += !!rc;
		changed++;
	}
	assert_true(spoilt > changed / 2);
	bytes_free(&b);
}

static void avml_keeps_its_marks_bounded(void **state)
{
	/* More frames than are remembered, so that there are steps from one to the next in between. */
	struct pw_range r = { 0x1000, 0x1000 + 1250 * P - 1 };
	struct bytes b = { 0 };
	struct pw_source src;

	(void)state;
	write_avml2_frames(&b, r, 8);
	src = must_open(&b, NULL);
	for (uint64_t pa = r.lo; pa < r.last; pa += P)
		assert_true(check_page(&src, pa));
	for (uint64_t i = 1250; i-- > 37; i -= 37)
		assert_true(check_page(&src, r.lo + i * P));
	src.ops->close(&src);
	bytes_free(&b);
}

static void elf_headers_are_checked(void **state)
{
	struct bytes b = { 0 };
	size_t load = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	struct pw_source src;

	(void)state;
	write_elf(&b, ranges, NRANGES, &(struct writer_elf){ .notes = NOTES_QEMU });
	b.v[EI_CLASS] = ELFCLASS32;
	must_refuse(&b, NULL, "not of 64 bits");
	b.v[EI_CLASS] = ELFCLASS64;
	b.v[EI_DATA] = ELFDATA2MSB;
	must_refuse(&b, NULL, "not of x86-64");
	b.v[EI_DATA] = ELFDATA2LSB;
	b.v[offsetof(Elf64_Ehdr, e_machine)] = EM_AARCH64;
	must_refuse(&b, NULL, "not of x86-64");
	b.v[offsetof(Elf64_Ehdr, e_machine)] = EM_X86_64;
	b.v[offsetof(Elf64_Ehdr, e_type)] = ET_DYN;
	must_refuse(&b, NULL, "not a core dump");
	b.v[offsetof(Elf64_Ehdr, e_type)] = ET_CORE;
	put64(&b, offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 10);
	must_refuse(&b, NULL, "within its 5 program headers");
	put64(&b, offsetof(Elf64_Ehdr, e_phoff), sizeof(Elf64_Ehdr));
	memset(b.v + offsetof(Elf64_Ehdr, e_phnum), 0xff, 2);
	must_refuse(&b, NULL, "section header that counts");
	put64(&b, offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX - 10);
	must_refuse(&b, NULL, "section header that counts");
	memset(b.v + offsetof(Elf64_Ehdr, e_phnum), 0, 2);
	must_refuse(&b, NULL, "without any program header");
	b.v[offsetof(Elf64_Ehdr, e_phnum)] = 1 + NRANGES;
	put64(&b, load + offsetof(Elf64_Phdr, p_paddr), UINT64_MAX - P);
	must_refuse(&b, NULL, "no machine has");
	/* Without a physical address it is no memory. */
	put64(&b, load + offsetof(Elf64_Phdr, p_paddr), UINT64_MAX);
	src = must_open(&b, NULL);
	assert_int_equal(check_pages(&src), 0x29 + 4);
	src.ops->close(&src);
	put64(&b, load + offsetof(Elf64_Phdr, p_paddr), 0x1000);
	put64(&b, load + offsetof(Elf64_Phdr, p_offset), UINT64_MAX - P);
	src = must_open(&b, NULL);
	assert_true(pw_image_of(&src)->lost_bytes == 8 * P);
	assert_int_equal(check_pages(&src), 0x29 + 4);
	src.ops->close(&src);
	bytes_free(&b);
}

static void elf_can_show_memory_more_than_once(void **state)
{
	const struct pw_range r[] = { { 0x100000, 0x10ffff }, { 0x1000, 0x8fff },           { 0x104000, 0x104fff },
				      { 0x10c000, 0x128fff }, { 0x100000000, 0x100003fff }, { 0x100000, 0x101fff } };
	struct bytes b = { 0 };

	(void)state;
	write_elf(&b, r, 6, &(struct writer_elf){ .va = UINT64_C(0xffff888000000000) });
	check_all(&b, NULL, "elf");
	bytes_free(&b);
}

static void cores_of_processes_are_refused(void **state)
{
	const struct pw_range r[] = { { 0, 0xfff }, { 0, 0xfff } };
	struct bytes b = { 0 };

	(void)state;
	write_elf(&b, r, 2, &(struct writer_elf){ .va = 0x400000 });
	must_refuse(&b, NULL, "a core dump of a process");
	bytes_free(&b);
}

static void kdump_headers_are_checked(void **state)
{
	struct bytes b = { 0 };
	uint32_t many = UINT32_MAX;

	(void)state;
	write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .packing = PW_PACK_ZLIB });
	b.v[12 + 4 * 65] = 'i';
	must_refuse(&b, NULL, "not of x86-64");
	b.v[12 + 4 * 65] = 'x';
	b.v[428] = 1;
	must_refuse(&b, NULL, "blocks of");
	b.v[428] = 0;
	b.v[P + 12] = 1;
	must_refuse(&b, NULL, "split");
	b.v[P + 12] = 0;
	put64(&b, P + 96, UINT64_C(1) << 60);
	must_refuse(&b, NULL, "damaged");
	put64(&b, P + 96, UINT64_C(1) << 33);
	must_refuse(&b, NULL, "bitmaps are smaller");
	put64(&b, P + 96, 0x100004);
	memcpy(b.v + 432, &many, 4);
	must_refuse(&b, NULL, "truncated");
	many = 1;
	memcpy(b.v + 432, &many, 4);
	memcpy(b.v + 436, &(uint32_t){ UINT32_MAX }, 4);
	must_refuse(&b, NULL, "truncated");
	memcpy(b.v + 436, &(uint32_t){ 2 }, 4);
	must_refuse(&b, NULL, "bitmaps are smaller");
	bytes_free(&b);
}

static void kdump_pages_that_are_left_out_are_holes(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	uint8_t page[P];

	(void)state;
	write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .packing = PW_PACK_ZSTD, .left_out = 0x105000 });
	src = must_open(&b, NULL);
	assert_int_equal(src.ops->read(&src, 0x105000, page, P), -ENXIO);
	assert_int_equal(check_pages(&src), 8 + 0x28 + 4);
	assert_int_equal(pw_image_of(&src)->nranges, 4);
	src.ops->close(&src);
	bytes_free(&b);
}

/* The list of pages of such a file: offset, size, flags of one of them. */
static void kdump_descriptions_are_checked(void **state)
{
	static const struct {
		uint64_t off;
		uint32_t size, flags;
		int rc;
	} bad[] = {
		{ 0, 0, 0, -ENXIO },        { 4096, 0, 0, -EIO },          { 4096, P + 1, 1, -EIO },
		{ UINT64_MAX, P, 0, -EIO }, { INT64_MAX - 1, 8, 1, -EIO }, { 4096, 100, 1, -EIO },
		{ 4096, 100, 2, -EIO },     { 4096, 100, 4, -EIO },        { 4096, 100, 0x20, -EIO },
		{ 4096, 100, 0, -EIO },     { 4096, 100, 0x40, -EIO },     { 4096, UINT32_MAX, 0, -EIO },
	};
	struct bytes b = { 0 };
	size_t half = (0x100004 / 8 + P) / P * P, desc = 2 * P + 2 * half;

	(void)state;
	write_kdump(&b, ranges, NRANGES, &(struct writer_kdump){ .packing = PW_PACK_ZLIB });
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pw_source src;
		uint8_t page[P];

		memcpy(b.v + desc, &bad[i].off, 8);
		memcpy(b.v + desc + 8, &bad[i].size, 4);
		memcpy(b.v + desc + 12, &bad[i].flags, 4);
		src = must_open(&b, NULL);
		assert_int_equal(src.ops->read(&src, 0x1000, page, P), bad[i].rc);
		assert_int_equal(check_pages(&src), 7 + 0x29 + 4);
		src.ops->close(&src);
	}
	bytes_free(&b);
}

static void scattered_kdump_keeps_its_extents_bounded(void **state)
{
	/* Every other of 4 million pages: more runs than are kept. All share one page of zeros. */
	uint64_t max = 1 << 22, half = max / 8, at = 2 * P + 2 * half;
	struct writer_kdump how = { .packing = PW_PACK_ZLIB };
	struct pw_range one = { 0, 0xfff };
	struct bytes b = { 0 };
	struct pw_source src;
	uint32_t blocks = 2 * half / P, len;
	uint64_t off;
	uint8_t *map, page[P];

	(void)state;
	write_kdump(&b, &one, 1, &how);
	memcpy(&off, b.v + 4 * P, 8);
	memcpy(&len, b.v + 4 * P + 8, 4);
	bytes_at(&b, 436, &blocks, 4);
	bytes_at(&b, P + 96, &max, 8);
	map = malloc(half);
	assert_non_null(map);
	memset(map, 0x55, half);
	memcpy(page, b.v + off, len);
	bytes_at(&b, 2 * P, map, half);
	bytes_at(&b, 2 * P + half, map, half);
	off = at + max / 2 * 24;
	for (uint64_t i = 0; i < max / 2; i++) {
		uint64_t words[3] = { off, len | UINT64_C(1) << 32, 0 };

		bytes_at(&b, at + i * 24, words, sizeof(words));
	}
	bytes_at(&b, off, page, len);
	free(map);
	src = must_open(&b, NULL);
	assert_true(pw_image_of(&src)->nextents <= PW_IMAGE_EXTENTS);
	for (uint64_t pfn = 0; pfn < max; pfn += 10007)
		assert_int_equal(src.ops->read(&src, pfn * P, page, P), pfn % 2 ? -ENXIO : 0);
	src.ops->close(&src);
	bytes_free(&b);
}

static void later_pieces_overwrite_earlier_ones(void **state)
{
	struct bytes lime = { 0 }, flat = { 0 };
	uint8_t junk[3 * P];

	(void)state;
	memset(junk, 0xa5, sizeof(junk));
	write_lime(&lime, ranges, NRANGES);
	write_flat_head(&flat);
	write_piece(&flat, 100, junk, sizeof(junk));
	write_piece(&flat, 0x9000, junk, 10);
	write_piece(&flat, 0, lime.v, 0x5000);
	write_piece(&flat, 0x4000, junk, 0x2000);
	write_piece(&flat, 0x4100, lime.v + 0x4100, 0x100);
	write_piece(&flat, 0x4000, lime.v + 0x4000, 0x100);
	write_piece(&flat, 0x4200, lime.v + 0x4200, lime.n - 0x4200);
	write_flat_end(&flat);
	check_all(&flat, NULL, "lime");
	bytes_free(&flat);
	bytes_free(&lime);
}

static void flattened_pieces_are_checked(void **state)
{
	struct bytes lime = { 0 }, flat = { 0 };
	struct pw_source src;
	size_t second = 4096 + 16 + 1000;
	uint8_t old;

	(void)state;
	write_lime(&lime, ranges, NRANGES);
	write_flat_head(&flat);
	must_refuse(&flat, NULL, "nothing is in it");
	for (size_t at = 0; at < lime.n; at += 1000)
		write_piece(&flat, at, lime.v + at, lime.n - at < 1000 ? lime.n - at : 1000);
	/* No end mark. */
	src = must_open(&flat, NULL);
	assert_true(pw_image_of(&src)->cut);
	src.ops->close(&src);
	write_flat_end(&flat);
	old = flat.v[second];
	flat.v[second] = 0x80;
	must_refuse(&flat, NULL, "no sane piece");
	flat.v[second] = old;
	memset(flat.v + second + 8, 0, 8);
	must_refuse(&flat, NULL, "no sane piece");
	bytes_free(&flat);
	/* A hole in the data is no zeros. */
	write_flat_head(&flat);
	write_piece(&flat, 0, lime.v, 0x3000);
	write_piece(&flat, 0x4000, lime.v + 0x4000, lime.n - 0x4000);
	write_flat_end(&flat);
	src = must_open(&flat, NULL);
	assert_int_equal(check_pages(&src), 8 + 0x29 + 4 - 2);
	src.ops->close(&src);
	bytes_free(&flat);
	/* The same piece again and again. */
	write_flat_head(&flat);
	for (size_t i = 0; i < 2000; i++)
		write_piece(&flat, i % 7, "12345678", 8);
	write_flat_end(&flat);
	must_refuse(&flat, NULL, "too many pieces");
	bytes_free(&flat);
	bytes_free(&lime);
}

static void what_is_no_image_is_refused(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	struct pw_error err = { 0 };
	uint8_t *big = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(big);
	must_refuse(&b, NULL, "it is empty");
	bytes_add(&b, "hello, world", 12);
	must_refuse(&b, NULL, "not a kind of file");
	must_refuse(&b, &(struct pw_image_opts){ .raw = true, .ranges = "0-7" }, "add up to 8");
	src = must_open(&b, &(struct pw_image_opts){ .raw = true });
	src.ops->close(&src);
	bytes_free(&b);
	bytes_add(&b, big, 1 << 20);
	memcpy(b.v, "\x1f\x8b", 2);
	must_refuse(&b, NULL, "that is gzip");
	memcpy(b.v, "QFI\xfb", 4);
	must_refuse(&b, NULL, "that is qcow2");
	src = must_open(&b, &(struct pw_image_opts){ .raw = true });
	src.ops->close(&src);
	assert_int_equal(pw_image_open("/", NULL, &src, &err), -EINVAL);
	assert_int_equal(pw_image_open("/dev/null", NULL, &src, &err), -EINVAL);
	assert_int_equal(pw_image_open("/nowhere", NULL, &src, &err), -ENOENT);
	assert_int_equal(pw_image_open("/nowhere", NULL, &src, NULL), -ENOENT);
	bytes_free(&b);
	free(big);
}

static void file_that_shrinks_later_is_an_error(void **state)
{
	struct bytes b = { 0 };
	struct pw_source src;
	struct pw_table_req req[3];
	static uint8_t buf[3][P];
	char path[32];
	int fd;

	(void)state;
	write_lime(&b, ranges, NRANGES);
	fd = fd_of(&b);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(pw_image_open(path, NULL, &src, NULL), 0);
	assert_int_equal(ftruncate(fd, 32 + 2 * P + 10), 0);
	for (size_t i = 0; i < 3; i++)
		req[i] = (struct pw_table_req){ .pa = 0x1000 + i * P, .bytes = P, .buf = buf[i] };
	assert_int_equal(src.ops->read_tables(&src, req, 3), 0);
	assert_int_equal(req[0].status, 0);
	assert_int_equal(req[1].status, 0);
	assert_int_equal(req[2].status, -EFAULT);
	src.ops->close(&src);
	close(fd);
	bytes_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_has_its_holes_in_the_file),
		cmocka_unit_test(raw_goes_by_its_ranges),
		cmocka_unit_test(raw_ranges_must_be_the_files),
		cmocka_unit_test(lime_gives_all_bytes),
		cmocka_unit_test(lime_ranges_can_stand_in_any_order),
		cmocka_unit_test(avml_gives_all_bytes),
		cmocka_unit_test(elf_gives_all_bytes),
		cmocka_unit_test(elf_can_have_more_headers_than_16_bits_count),
		cmocka_unit_test(kdump_gives_all_bytes),
		cmocka_unit_test(flattened_is_read_as_if_put_together),
		cmocka_unit_test(frozen_only_with_evidence),
		cmocka_unit_test(notes_can_be_damaged_anywhere),
		cmocka_unit_test(truncated_images_give_what_they_have),
		cmocka_unit_test(lime_that_ends_between_ranges_is_not_noticed_and_elsewhere_is),
		cmocka_unit_test(lime_headers_are_checked),
		cmocka_unit_test(avml_streams_are_checked),
		cmocka_unit_test(avml_keeps_its_marks_bounded),
		cmocka_unit_test(elf_headers_are_checked),
		cmocka_unit_test(elf_can_show_memory_more_than_once),
		cmocka_unit_test(cores_of_processes_are_refused),
		cmocka_unit_test(kdump_headers_are_checked),
		cmocka_unit_test(kdump_pages_that_are_left_out_are_holes),
		cmocka_unit_test(kdump_descriptions_are_checked),
		cmocka_unit_test(scattered_kdump_keeps_its_extents_bounded),
		cmocka_unit_test(later_pieces_overwrite_earlier_ones),
		cmocka_unit_test(flattened_pieces_are_checked),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(file_that_shrinks_later_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
