/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image_writer.h"

#include <elf.h>
#include <endian.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define FRAME 65536

void bytes_at(struct bytes *b, size_t at, const void *data, size_t n)
{
	if (at + n > b->room) {
		size_t room = (at + n) * 2;

		b->v = realloc(b->v, room);
		if (!b->v)
			abort();
		memset(b->v + b->room, 0, room - b->room);
		b->room = room;
	}
	if (n)
		memcpy(b->v + at, data, n);
	if (at + n > b->n)
		b->n = at + n;
}

void bytes_add(struct bytes *b, const void *data, size_t n)
{
	bytes_at(b, b->n, data, n);
}

void bytes_free(struct bytes *b)
{
	free(b->v);
	memset(b, 0, sizeof(*b));
}

void writer_page(uint64_t pa, uint8_t out[WRITER_PAGE])
{
	uint64_t pfn = pa / WRITER_PAGE, x = pfn * UINT64_C(0x9e3779b97f4a7c15) + 1;

	memset(out, 0, WRITER_PAGE);
	if (pfn % 5 == 3)
		return;
	for (size_t i = 0; i < WRITER_PAGE; i += 8) {
		uint64_t w = pa + i;

		if (pfn % 5 == 1) {
			x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
			w = x;
		}
		memcpy(out + i, &w, sizeof(w));
	}
}

static uint64_t size_of(struct pw_range r)
{
	return r.last - r.lo + 1;
}

static void add_memory(struct bytes *b, struct pw_range r)
{
	uint8_t page[WRITER_PAGE];

	for (uint64_t at = 0; at < size_of(r); at += WRITER_PAGE) {
		writer_page(r.lo + at, page);
		bytes_add(b, page, sizeof(page));
	}
}

void write_packed(struct bytes *b, const struct pw_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_memory(b, r[i]);
}

/* -------- LiME, AVML -------- */

static void add_header(struct bytes *b, const char *magic, uint32_t version, struct pw_range r)
{
	uint64_t words[3] = { r.lo, r.last, 0 };

	bytes_add(b, magic, 4);
	bytes_add(b, &version, 4);
	bytes_add(b, words, sizeof(words));
}

void write_lime(struct bytes *b, const struct pw_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_header(b, "EMiL", 1, r[i]);
		add_memory(b, r[i]);
	}
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* Every other frame as it is: as if it could not be packed. */
static void add_frame(struct bytes *b, const uint8_t *data, size_t n, bool packed)
{
	uint32_t crc = crc32c(data, n), sum = (crc >> 15 | crc << 17) + 0xa282ead8u, head;
	size_t len = snappy_max_compressed_length(n);
	char *out = malloc(len);

	if (!out || (packed && snappy_compress((const char *)data, n, out, &len) != SNAPPY_OK))
		abort();
	head = packed ? (uint32_t)(len + 4) << 8 : (uint32_t)(n + 4) << 8 | 1;
	bytes_add(b, &head, 4);
	bytes_add(b, &sum, 4);
	bytes_add(b, packed ? out : (const char *)data, packed ? len : n);
	free(out);
}

void write_avml2(struct bytes *b, const struct pw_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bytes memory = { 0 };
		uint64_t length;
		size_t start;

		add_header(b, "AVML", 2, r[i]);
		start = b->n;
		bytes_add(b, "\xff\x06\0\0sNaPpY", 10);
		add_memory(&memory, r[i]);
		for (size_t at = 0, nr = 0; at < memory.n; at += FRAME, nr++) {
			if (nr == 1)
				bytes_add(b, "\xfe\x03\0\0pad", 7);
			add_frame(b, memory.v + at, memory.n - at < FRAME ? memory.n - at : FRAME, nr % 2 == 0);
		}
		length = b->n - start;
		bytes_add(b, &length, sizeof(length));
		bytes_free(&memory);
	}
}

void write_avml2_frames(struct bytes *b, struct pw_range r, size_t frame)
{
	struct bytes memory = { 0 };
	uint64_t length;
	size_t start;

	add_header(b, "AVML", 2, r);
	start = b->n;
	bytes_add(b, "\xff\x06\0\0sNaPpY", 10);
	add_memory(&memory, r);
	for (size_t at = 0; at < memory.n; at += frame)
		add_frame(b, memory.v + at, memory.n - at < frame ? memory.n - at : frame, false);
	length = b->n - start;
	bytes_add(b, &length, sizeof(length));
	bytes_free(&memory);
}

/* -------- notes -------- */

static void add_note(struct bytes *b, const char *name, uint32_t type, const void *desc, size_t n)
{
	uint32_t head[3] = { (uint32_t)strlen(name) + 1, (uint32_t)n, type };

	bytes_add(b, head, sizeof(head));
	bytes_add(b, name, head[0]);
	bytes_add(b, "\0\0\0", -head[0] & 3);
	bytes_add(b, desc, n);
	bytes_add(b, "\0\0\0", -n & 3);
}

void write_notes(struct bytes *b, enum writer_notes kind)
{
	static const char live[] = "OSRELEASE=6.1.0-test\nNUMBER(pgtable_l5_enabled)=1\n";
	static const char crashed[] = "OSRELEASE=6.1.0-test\nNUMBER(pgtable_l5_enabled)=1\nCRASHTIME=1700000000\n";
	uint64_t prstatus[42] = { 0 }, qemu[55] = { 0 };

	for (unsigned i = 0; i < WRITER_CPUS && kind != NOTES_NONE; i++)
		add_note(b, "CORE", 1, prstatus, sizeof(prstatus));
	for (unsigned i = 0; i < WRITER_CPUS && kind == NOTES_QEMU; i++) {
		qemu[0] = 1 | (uint64_t)sizeof(qemu) << 32;
		qemu[49] = 0x80050033;
		qemu[52] = WRITER_CR3(i);
		qemu[53] = 0x1020;
		add_note(b, "QEMU", 0, qemu, sizeof(qemu));
	}
	if (kind == NOTES_VMCORE)
		add_note(b, "VMCOREINFO", 0, crashed, sizeof(crashed) - 1);
	if (kind == NOTES_KCORE)
		add_note(b, "VMCOREINFO", 0, live, sizeof(live) - 1);
}

/* -------- ELF -------- */

void write_elf(struct bytes *b, const struct pw_range *r, size_t n, const struct writer_elf *how)
{
	size_t phnum = 1 + n + how->empty;
	bool many = phnum >= PN_XNUM;
	Elf64_Ehdr eh = { .e_ident = ELFMAG,
			  .e_type = ET_CORE,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = many ? PN_XNUM : (uint16_t)phnum,
			  .e_phoff = sizeof(eh) + (many ? sizeof(Elf64_Shdr) : 0),
			  .e_shoff = many ? sizeof(eh) : 0,
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = many };
	Elf64_Shdr sh = { .sh_info = (uint32_t)phnum };
	Elf64_Phdr ph = { .p_type = PT_NOTE };
	struct bytes notes = { 0 };
	uint64_t at = eh.e_phoff + phnum * sizeof(ph);

	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	bytes_add(b, &eh, sizeof(eh));
	if (many)
		bytes_add(b, &sh, sizeof(sh));
	write_notes(&notes, how->notes);
	ph.p_offset = at;
	ph.p_filesz = ph.p_memsz = notes.n;
	at += notes.n;
	bytes_add(b, &ph, sizeof(ph));
	for (size_t i = 0; i < how->empty; i++) {
		ph = (Elf64_Phdr){ .p_type = PT_LOAD, .p_memsz = WRITER_PAGE, .p_vaddr = 0x1000, .p_paddr = 0x1000 };
		bytes_add(b, &ph, sizeof(ph));
	}
	for (size_t i = 0; i < n; i++) {
		ph = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_offset = at,
				   .p_filesz = size_of(r[i]),
				   .p_memsz = size_of(r[i]),
				   .p_paddr = r[i].lo,
				   .p_vaddr = r[i].lo + how->va };
		bytes_add(b, &ph, sizeof(ph));
		at += size_of(r[i]);
	}
	bytes_add(b, notes.v, notes.n);
	write_packed(b, r, n);
	bytes_free(&notes);
}

/* -------- kdump -------- */

static size_t pack(uint32_t packing, const uint8_t page[WRITER_PAGE], uint8_t out[3 * WRITER_PAGE])
{
	static char work[LZO1X_1_MEM_COMPRESS];
	size_t n = 3 * WRITER_PAGE;
	uLongf zn = n;
	lzo_uint ln = n;

	switch (packing) {
	case 1:
		return compress(out, &zn, page, WRITER_PAGE) == Z_OK ? zn : 0;
	case 2:
		return lzo1x_1_compress(page, WRITER_PAGE, out, &ln, work) == LZO_E_OK ? ln : 0;
	case 4:
		return snappy_compress((const char *)page, WRITER_PAGE, (char *)out, &n) == SNAPPY_OK ? n : 0;
	case 0x20:
		return ZSTD_compress(out, n, page, WRITER_PAGE, 1);
	default:
		return WRITER_PAGE;
	}
}

static void set_bit(struct bytes *b, size_t at, uint64_t bit)
{
	b->v[at + bit / 8] |= (uint8_t)(1u << bit % 8);
}

void write_kdump(struct bytes *b, const struct pw_range *r, size_t n, const struct writer_kdump *how)
{
	uint64_t max = 0, zero = 0, pages = 0;
	uint32_t version = 6, numbers[5] = { how->packing, WRITER_PAGE, 1, 0, 0 };
	size_t half, map, desc, data;
	struct bytes notes = { 0 };
	uint64_t sub[13] = { 0 };

	if (lzo_init() != LZO_E_OK)
		abort();
	for (size_t i = 0; i < n; i++)
		max = r[i].last / WRITER_PAGE + 1 > max ? r[i].last / WRITER_PAGE + 1 : max;
	half = (max / 8 + WRITER_PAGE) / WRITER_PAGE * WRITER_PAGE;
	numbers[3] = (uint32_t)(2 * half / WRITER_PAGE);
	numbers[4] = (uint32_t)max;
	bytes_add(b, "KDUMP   ", 8);
	bytes_add(b, &version, 4);
	bytes_at(b, 12 + 2 * 65, "6.1.0-test", 10);
	bytes_at(b, 12 + 4 * 65, "x86_64", 6);
	bytes_at(b, 424, numbers, sizeof(numbers));
	write_notes(&notes, how->notes);
	sub[6] = WRITER_PAGE + 512;
	sub[7] = notes.n;
	sub[12] = max;
	bytes_at(b, WRITER_PAGE, sub, sizeof(sub));
	bytes_at(b, WRITER_PAGE + 512, notes.v, notes.n);
	bytes_free(&notes);
	map = 2 * WRITER_PAGE;
	desc = map + 2 * half;
	bytes_at(b, desc, NULL, 0);
	bytes_at(b, desc - 1, "", 1);
	for (size_t i = 0; i < n; i++)
		for (uint64_t pa = r[i].lo; pa < r[i].last; pa += WRITER_PAGE) {
			set_bit(b, map, pa / WRITER_PAGE);
			if (how->left_out && pa == how->left_out)
				continue;
			set_bit(b, map + half, pa / WRITER_PAGE);
			pages++;
		}
	data = desc + pages * 24;
	/* In the order of the bitmap, which is that of the addresses. */
	for (uint64_t pfn = 0, nr = 0; pfn < max; pfn++) {
		uint8_t page[WRITER_PAGE], out[3 * WRITER_PAGE];
		uint32_t sizes[2];
		uint64_t off;
		size_t len;

		if (!(b->v[map + half + pfn / 8] >> pfn % 8 & 1))
			continue;
		writer_page(pfn * WRITER_PAGE, page);
		len = pack(how->packing, page, out);
		sizes[0] = len && len < WRITER_PAGE ? (uint32_t)len : WRITER_PAGE;
		sizes[1] = len && len < WRITER_PAGE ? how->packing : 0;
		off = b->n > data ? b->n : data;
		/* One page of zeros serves for all, as QEMU has it. */
		if (pfn % 5 == 3 && zero)
			off = zero;
		else
			bytes_at(b, off, sizes[1] ? out : page, sizes[0]);
		if (pfn % 5 == 3)
			zero = off;
		bytes_at(b, desc + nr * 24, &off, 8);
		bytes_at(b, desc + nr * 24 + 8, sizes, 8);
		nr++;
	}
}

/* -------- flattened -------- */

void write_flat_head(struct bytes *b)
{
	uint64_t words[2] = { htobe64(1), htobe64(1) };

	bytes_add(b, "makedumpfile\0\0\0\0", 16);
	bytes_add(b, words, sizeof(words));
	bytes_at(b, 4095, "", 1);
}

void write_piece(struct bytes *b, uint64_t off, const void *data, size_t n)
{
	uint64_t head[2] = { htobe64(off), htobe64(n) };

	bytes_add(b, head, sizeof(head));
	bytes_add(b, data, n);
}

void write_flat_end(struct bytes *b)
{
	uint64_t head[2] = { UINT64_MAX, UINT64_MAX };

	bytes_add(b, head, sizeof(head));
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

void write_flattened(struct bytes *b, const struct bytes *file, size_t piece)
{
	write_flat_head(b);
	for (size_t pair = 0; pair < file->n; pair += 2 * piece)
		for (int second = 1; second >= 0; second--) {
			size_t at = pair + (second ? piece : 0), n = file->n > at ? file->n - at : 0;

			if (n > piece)
				n = piece;
			/* Of headers only: memory and bitmaps are written whole. */
			if (n && !(at < 2 * WRITER_PAGE && is_zero(file->v + at, n)))
				write_piece(b, at, file->v + at, n);
		}
	write_flat_end(b);
}
