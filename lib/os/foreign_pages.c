/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel notes of each page of memory: the array of struct page (vmemmap), one for each frame from 0 on.
 *
 * Where it is, no symbol is needed for: it begins with one of the gigabytes that the kernel's tables map, and x86 writes into the struct page of
 * each root table whose it is (pt_mm). The one place from which the notes on processes' roots name just these processes is the right one.
 *
 *   flags      PG_head: the first page of a large one
 *   mapping    bits 0, 1: anonymous (1), merged by KSM (3); index: its place, as vm_pgoff counts
 *   tail bit   bit 0 of compound_head: not the first page of a large one. Since "mm: rework compound_head() for power-of-2 sizeof(struct
 *              page)" (in v7.0) the member is compound_info, with the same bit
 *   page_type  shares its place with _mapcount, so that types are far below -1: free (buddy), slab, page table. What they are, differs
 *   _refcount  0: nobody has it, but for a tail
 */
#include <stdlib.h>
#include <string.h>

#include "os/foreign.h"
#include "ranges.h"

#define GIB        (UINT64_C(1) << 30)
#define CANDIDATES 1024 /* gigabytes of the kernel's half that are mapped, beside the direct map */
#define MAX_BYTES  256  /* of a struct page */
#define BLOCK      512  /* frames whose uses are kept together, 4 KiB of them: a read of 32 KiB */
#define SLOTS      2048
#define NO_TYPE    (-128) /* below are types: PAGE_MAPCOUNT_RESERVE */

struct block {
	uint64_t tag; /* 1 + number of the block; 0: empty */
	uint64_t use[BLOCK];
};

struct pw_foreign_pages {
	uint64_t base;
	struct block *block; /* SLOTS of them */
	char *buf;           /* a block of struct pages */
};

/* -------- one struct page -------- */

static uint32_t get32(const char *page, uint32_t at)
{
	uint32_t v;

	memcpy(&v, page + at, sizeof(v));
	return v;
}

static uint64_t get64(const char *page, uint32_t at)
{
	uint64_t v;

	memcpy(&v, page + at, sizeof(v));
	return v;
}

static uint32_t either(uint32_t a, uint32_t b)
{
	return a != UINT32_MAX ? a : b;
}

static uint32_t head_at(const struct pw_foreign_offsets *off)
{
	return either(off->page_head, off->page_info);
}

static uint32_t mm_at(const struct pw_foreign_offsets *off)
{
	return either(off->ptdesc_mm, off->page_mm);
}

/* Whether this kernel's struct page has what is needed, where it can be. */
static bool is_known(const struct pw_foreign_offsets *off)
{
	const uint32_t words[] = { head_at(off), mm_at(off), off->page_type, off->page_refcount };

	if (off->page_bytes < 32 || off->page_bytes > MAX_BYTES)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i] > off->page_bytes - sizeof(uint64_t))
			return false;
	return true;
}

static bool has(const struct pw_foreign_offsets *off, uint32_t member)
{
	return member <= off->page_bytes - sizeof(uint64_t);
}

static uint64_t use_of(const struct pw_foreign_offsets *off, const char *page)
{
	int32_t type = (int32_t)get32(page, off->page_type);
	uint32_t index = either(off->page_index, off->page_folio_index);

	if (get64(page, head_at(off)) & 1)
		return 0;
	if ((int32_t)get32(page, off->page_refcount) <= 0 || type < NO_TYPE)
		return PW_USE_NOBODY;
	/* Large pages may not count how often each page of theirs is mapped. */
	if (type == -1 && off->pg_head < 64 && has(off, off->page_flags) &&
	    !(get64(page, off->page_flags) >> off->pg_head & 1))
		return PW_USE_NOBODY;
	if (has(off, off->page_mapping) && has(off, index) && (get64(page, off->page_mapping) & 3) == 1)
		return PW_USE_ANON | (get64(page, index) & (PW_USE_ANON - 1));
	return 0;
}

static bool note_at(struct pw_foreign_os *os, uint64_t base, uint64_t pa, struct pw_page_note *out)
{
	const struct pw_foreign_offsets *off = &os->off;
	char page[MAX_BYTES];

	if (pw_kmem_read(&os->mem, base + (pa >> 12) * off->page_bytes, page, off->page_bytes))
		return false;
	out->refcount = (int32_t)get32(page, off->page_refcount);
	out->kind = get32(page, off->page_type) | (uint64_t)(out->refcount > 0) << 32;
	out->tail = get64(page, head_at(off)) & 1;
	out->mm = get64(page, mm_at(off));
	return true;
}

bool pw_foreign_note(struct pw_foreign_os *os, uint64_t pa, struct pw_page_note *out)
{
	return os->pages && note_at(os, os->pages->base, pa, out);
}

/* -------- many of them -------- */

static void fill(struct pw_foreign_os *os, struct block *b, uint64_t nr)
{
	const struct pw_foreign_offsets *off = &os->off;
	const char *page = os->pages->buf;
	uint64_t at = os->pages->base + nr * BLOCK * off->page_bytes;

	b->tag = nr + 1;
	memset(b->use, 0, sizeof(b->use));
	if (pw_kmem_read(&os->mem, at, os->pages->buf, BLOCK * off->page_bytes))
		return;
	for (unsigned i = 0; i < BLOCK; i++)
		b->use[i] = use_of(off, page + i * off->page_bytes);
}

uint64_t pw_foreign_use(struct pw_foreign_os *os, uint64_t pa)
{
	uint64_t frame = pa >> 12, nr = frame / BLOCK;
	struct block *b = &os->pages->block[nr % SLOTS];

	if (b->tag != nr + 1) {
		if (!pw_ranges_hold(os->ranges, os->nranges, pa, 1))
			return 0;
		fill(os, b, nr);
	}
	return b->use[frame % BLOCK];
}

/* -------- finding the array -------- */

struct candidates {
	const struct pw_foreign_os *os;
	uint64_t va[CANDIDATES];
	size_t n;
};

static int add_span(void *ctx, const struct pw_span *span)
{
	struct candidates *c = ctx;
	const struct pw_kernel_half *half = &c->os->half;

	for (size_t i = 0; i < span->n && span->shift == 30; i++) {
		uint64_t va = span->va + i * GIB;

		if (span->raw[i] & 1 && va - half->page_offset >= half->direct_bytes && c->n < CANDIDATES)
			c->va[c->n++] = va;
	}
	return 0;
}

/* All but a few: in a smeared image some of them can have ended. */
static bool is_base(struct pw_foreign_os *os, uint64_t base, const struct pw_foreign_known_root *known, size_t n)
{
	size_t good = 0;

	for (size_t i = 0; i < n; i++) {
		struct pw_page_note note;

		good += note_at(os, base, known[i].root, &note) && note.mm == known[i].mm;
	}
	return good && good * 4 >= n * 3;
}

static uint64_t find_base(struct pw_target *t, struct pw_foreign_os *os, const struct pw_foreign_known_root *known,
			  size_t n)
{
	static const struct pw_visitor visitor = { .span = add_span };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true };
	struct candidates c = { .os = os };
	struct pw_walk_stats stats = { 0 };

	/* Down to the entries of a gigabyte each. */
	opts.depth = t->mmu[PW_HALF_KERNEL].mode->depth - 2;
	if (pw_walk(&os->mem.space, &opts, &visitor, &c, &stats))
		return 0;
	for (size_t i = 0; i < c.n; i++)
		if (is_base(os, c.va[i], known, n))
			return c.va[i];
	return 0;
}

bool pw_foreign_find_pages(struct pw_target *t, struct pw_foreign_os *os, const struct pw_foreign_known_root *known,
			   size_t n)
{
	uint64_t base = n && is_known(&os->off) ? find_base(t, os, known, n) : 0;
	struct pw_foreign_pages *p = base ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return false;
	p->base = base;
	p->block = calloc(SLOTS, sizeof(*p->block));
	p->buf = malloc((size_t)BLOCK * os->off.page_bytes);
	if (!p->block || !p->buf) {
		pw_foreign_pages_free(p);
		return false;
	}
	os->pages = p;
	return true;
}

void pw_foreign_pages_free(struct pw_foreign_pages *p)
{
	if (!p)
		return;
	free(p->block);
	free(p->buf);
	free(p);
}
