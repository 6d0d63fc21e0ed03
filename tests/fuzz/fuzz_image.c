/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_image.h"

uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)fuzz_u8(in) << (8 * i);
	return v;
}

/* -------- the source -------- */

static const uint64_t *word_at(const struct fuzz_image *image, uint64_t pa)
{
	uint64_t offset = pa - FUZZ_BASE;

	if (pa < FUZZ_BASE || offset / 4096 >= FUZZ_PAGES || pa % 8)
		return NULL;
	return &image->mem[offset / 4096][offset % 4096 / 8];
}

static void mutate(struct fuzz_image *image)
{
	for (unsigned i = 0; i < image->nmutations; i++)
		if (image->mutation[i].when == image->asked)
			image->mem[image->mutation[i].page][image->mutation[i].slot] = image->mutation[i].raw;
}

static bool chain_holds(const struct fuzz_image *image, const struct pw_link *link)
{
	unsigned n = 0;

	for (; link; link = link->up) {
		const uint64_t *word = word_at(image, link->pa);

		if (++n > PW_NLEVELS)
			abort(); /* a chain is a path from the root */
		if (!word || (*word ^ link->expect) & ~link->ignore)
			return false;
	}
	return true;
}

/* Memory that may not be followed must not even be asked for: it can be a device. */
static bool is_ram(const struct fuzz_image *image, uint64_t pa, uint64_t bytes)
{
	if (!image->space.ram)
		return true;
	for (size_t i = 0; i < image->space.nram; i++)
		if (pa >= image->ram[i].lo && pa + (bytes - 1) <= image->ram[i].last)
			return true;
	return false;
}

static void serve(struct fuzz_image *image, struct pw_table_req *req, uint8_t *own)
{
	const uint64_t *from;

	image->asked++;
	mutate(image);
	if (req->bytes == 0 || req->bytes % 8 || req->bytes > 4096 || req->pa % 8 ||
	    !is_ram(image, req->pa, req->bytes))
		abort();
	from = word_at(image, req->pa);
	if (!from || req->pa % 4096 + req->bytes > 4096) {
		req->status = -EFAULT;
		return;
	}
	if (!chain_holds(image, req->link) || (image->again_every && image->asked % image->again_every == 0)) {
		req->status = -EAGAIN;
		return;
	}
	if (image->fail_every && image->asked % image->fail_every == 0) {
		req->status = -EFAULT;
		return;
	}
	req->data = image->own_memory ? own : req->buf;
	memcpy(image->own_memory ? own : req->buf, from, req->bytes);
	req->status = 0;
}

static int read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	struct fuzz_image *image = src->priv;

	free(image->scratch);
	image->scratch = malloc(n * 4096);
	if (n == 0 || n > PW_LOOKAHEAD || !image->scratch)
		abort();
	if (image->give_up_after && image->asked >= image->give_up_after)
		return -EIO;
	for (size_t i = 0; i < n; i++)
		serve(image, &req[i], (uint8_t *)image->scratch + i * 4096);
	return 0;
}

static long read_leaves(struct pw_source *src, const struct pw_pin *pin, uint64_t va, uint64_t last, uint64_t *words,
			size_t max, uint64_t *at)
{
	struct fuzz_image *image = src->priv;
	size_t n = 0;

	(void)pin;
	if (va % 4096 || va > last || max == 0)
		abort();
	image->asked++;
	if (image->give_up_after && image->asked >= image->give_up_after)
		return -ESRCH;
	for (;; va += 4096) {
		uint64_t i = (va - image->words_va) / 4096;

		if (va < image->words_va || i >= FUZZ_WORDS)
			i = FUZZ_WORDS - 1; /* which is zero */
		if (n == 0 && image->skip_holes && image->words[i] == 0) {
			if (va + 4096 > last || va + 4096 < va || va >= image->words_va + FUZZ_WORDS * 4096) {
				*at = last + 1;
				return 0;
			}
			continue;
		}
		if (n == 0)
			*at = va;
		words[n++] = image->words[i];
		if (n == max || n == image->most || va + 4096 > last || va + 4096 < va)
			return (long)n;
	}
}

static const struct pw_source_ops with_tables = {
	.name = "fuzz", .caps = PW_CAP_TABLES, .consistency = PW_VALIDATED, .read_tables = read_tables
};
static const struct pw_source_ops with_leaves = {
	.name = "fuzz", .caps = PW_CAP_LEAVES, .consistency = PW_LEAF_ONLY, .read_leaves = read_leaves
};

bool fuzz_image_is_steady(const struct fuzz_image *image)
{
	return !image->nmutations && !image->fail_every && !image->give_up_after;
}

/* -------- making it from input -------- */

/* An entry that leads somewhere in the image, or nearly. */
static uint64_t link_to(struct fuzz_input *in)
{
	uint64_t page = fuzz_u8(in) % (FUZZ_PAGES + 2);
	uint8_t flags = fuzz_u8(in);

	return (FUZZ_BASE + page * 4096) | (flags & 0x7f) | (uint64_t)(flags >> 7) << 63;
}

/* Small programs that write memory, so that short inputs make deep tables. */
static void write_memory(struct fuzz_image *image, struct fuzz_input *in, uint8_t op)
{
	unsigned page = fuzz_u8(in) % FUZZ_PAGES, slot = fuzz_u8(in) | (op & 0x80) << 1;
	uint64_t raw, step;
	unsigned n;

	switch (op & 7) {
	case 0:
	case 1:
		image->mem[page][slot] = link_to(in);
		break;
	case 2:
		image->mem[page][slot] = fuzz_u64(in);
		break;
	case 3: /* a run of leaves */
	case 4: /* the same entry over and over: links that alias, leaves that repeat */
		raw = op & 0x40 ? link_to(in) : fuzz_u64(in);
		n = fuzz_u8(in);
		step = (op & 7) == 3 ? UINT64_C(4096) << (op & 0x20 ? 9 : 0) : 0;
		for (; n-- && slot < 512; slot++, raw += step)
			image->mem[page][slot] = raw;
		break;
	case 5: /* a chain down: page, page + 1, ... */
		for (n = 0; n < 4; n++)
			image->mem[(page + n) % FUZZ_PAGES][slot] =
				(FUZZ_BASE + (page + n + 1) % FUZZ_PAGES * 4096) | 0x67;
		break;
	case 6:
		if (image->nmutations == FUZZ_MUTATIONS)
			break;
		image->mutation[image->nmutations++] =
			(struct fuzz_mutation){ fuzz_u8(in), page, slot, op & 0x40 ? link_to(in) : fuzz_u64(in) };
		break;
	default:
		raw = fuzz_u8(in);
		image->mem[page][slot] ^= UINT64_C(1) << (raw & 63);
	}
}

static void write_words(struct fuzz_image *image, struct fuzz_input *in, uint8_t op)
{
	unsigned i = (fuzz_u8(in) | (unsigned)op << 8) % FUZZ_WORDS, n = fuzz_u8(in);
	uint64_t raw = fuzz_u64(in);

	for (; n-- && i < FUZZ_WORDS - 1; i++)
		image->words[i] = op & 0x40 ? raw++ : raw;
}

static void make_areas(struct fuzz_image *image, struct fuzz_input *in, uint64_t va, unsigned n)
{
	struct pw_areas *areas = &image->space.areas;
	bool leaves = !(image->source.ops->caps & PW_CAP_TABLES);
	unsigned shifts = leaves ? 16 : 32; /* an area is read page by page there */

	areas->v = image->area;
	for (unsigned i = 0; i < n; i++) {
		uint64_t lo = va + ((uint64_t)fuzz_u8(in) << (fuzz_u8(in) % shifts));
		uint64_t last = lo + ((uint64_t)fuzz_u8(in) << (fuzz_u8(in) % shifts));

		/* Without tables areas are what is read, and those are VMAs: whole pages. */
		if (leaves) {
			lo &= ~UINT64_C(4095);
			last |= 4095;
		}
		if (lo < va || last < lo || last == UINT64_MAX)
			return;
		image->area[areas->n++] = (struct pw_area){ .lo = lo, .last = last, .name = "area" };
		va = last + 1;
	}
}

static void make_pieces(struct fuzz_image *image, struct fuzz_input *in, const struct pw_arch *arch, uint8_t flags)
{
	struct pw_space *space = &image->space;
	struct pw_mmu mmu = { .arch = arch, .maxphyaddr = 46, .dialect = fuzz_u8(in) };

	mmu.mode = arch == &pw_arch_pagemap ? &arch->modes[0] : pw_arch_mode(arch, flags & 1 ? 5 : 4);
	pw_x86_pat_linux(mmu.pat);
	mmu.no_nx = flags & 2;
	if (flags & 4)
		mmu.enc_mask = UINT64_C(1) << 51;
	space->npieces = arch == &pw_arch_pagemap ? 1 : 2;
	for (unsigned i = 0; i < space->npieces; i++) {
		uint64_t half = mmu.mode->va_bits == 64 ? UINT64_MAX : (UINT64_C(1) << (mmu.mode->va_bits - 1)) - 1;

		mmu.half = i ? PW_HALF_KERNEL : PW_HALF_USER;
		space->piece[i] = (struct pw_piece){
			.va = i ? (struct pw_range){ ~half, UINT64_MAX } : (struct pw_range){ 0, half },
			.root = arch == &pw_arch_pagemap
					? PW_PA_NONE
					: FUZZ_BASE + 4096 * (uint64_t)(fuzz_u8(in) % (FUZZ_PAGES + 1)),
			.mmu = mmu,
			.label = i ? "kernel half" : "user half",
		};
	}
}

static void make_ram(struct fuzz_image *image, uint8_t holes)
{
	unsigned n = 0;

	if (!holes)
		return;
	for (unsigned i = 0; i < 4; i++)
		if (holes >> i & 1)
			image->ram[n++] = (struct pw_range){ FUZZ_BASE + i * 6 * UINT64_C(4096),
							     FUZZ_BASE + (i * 6 + 5) * UINT64_C(4096) + 4095 };
	image->space.ram = image->ram;
	image->space.nram = n;
}

void fuzz_image_open(struct fuzz_image *image, struct fuzz_input *in)
{
	uint8_t flags = fuzz_u8(in), more = fuzz_u8(in), trouble = fuzz_u8(in), areas = fuzz_u8(in);
	bool leaves = (flags & 0x18) == 0x18;
	uint8_t op;

	memset(image, 0, sizeof(*image));
	image->mem = calloc(FUZZ_PAGES, 4096);
	image->words = calloc(FUZZ_WORDS, sizeof(uint64_t));
	if (!image->mem || !image->words)
		abort();
	image->own_memory = flags & 0x20;
	image->skip_holes = flags & 0x20;
	image->most = 1 + (trouble & 0x3f) * 8;
	image->source = (struct pw_source){ leaves ? &with_leaves : &with_tables, image };
	image->space.source = &image->source;
	image->space.pin.pagemap_fd = -1;
	image->opts = (struct pw_walk_opts){
		.size = sizeof(image->opts),
		.va = { 0, UINT64_MAX },
		.attempts = more >> 6,
		.budget = 1 + (uint64_t)(more & 0x3f) * 8,
		.fold_aliases = flags & 0x40,
	};
	if (trouble & 0x80)
		image->again_every = 1 + (trouble & 15);
	if (trouble & 0x40)
		image->fail_every = 1 + (trouble >> 4 & 3) * 7;
	if (trouble == 1)
		image->give_up_after = 1 + fuzz_u8(in);
	make_pieces(image, in, leaves ? &pw_arch_pagemap : &pw_arch_x86_64, flags);
	if (flags & 0x80) {
		uint64_t a = fuzz_u64(in), b = fuzz_u64(in);

		image->opts.va = (struct pw_range){ a < b ? a : b, a < b ? b : a };
	}
	image->words_va = fuzz_u64(in) & ~UINT64_C(0xfff);
	if (image->words_va > UINT64_MAX - 2 * FUZZ_WORDS * UINT64_C(4096))
		image->words_va = 0;
	make_ram(image, areas & 15);
	make_areas(image, in, leaves ? image->words_va : areas & 0x80 ? ~(UINT64_MAX >> 17) : 0, areas >> 4 & 7);
	while (in->at < in->end) {
		op = fuzz_u8(in);
		if (leaves)
			write_words(image, in, op);
		else
			write_memory(image, in, op);
	}
}

void fuzz_image_close(struct fuzz_image *image)
{
	free(image->scratch);
	free(image->words);
	free(image->mem);
}
