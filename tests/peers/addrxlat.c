/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addrxlat: pages of an address space translated by libaddrxlat, one by one, for comparison with what pagewalk says.
 *
 *   addrxlat FILE ROOT LEVELS [--raw RANGES] [--time N]
 *
 * ROOT is the physical address of the root table, hexadecimal. Standard input has ranges of addresses, "LO HI" a line, hexadecimal, HI not
 * included. For each page of them a uint64_t is written, host order: its physical address, or all ones where there is none. With --time
 * the N-th loop over all of them is measured, and "PAGES NANOSECONDS" written instead.
 *
 * FILE is a dump that libkdumpfile reads; with --raw it is memory as it is, of RANGES (LO-HI,... with HI included) one after another.
 * Exit status 1: a table was not in the file; 3: could not look.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libkdumpfile/addrxlat.h>
#include <libkdumpfile/kdumpfile.h>

#define PAGE       4096
#define MAX_RANGES 64
#define NO         UINT64_MAX

struct range {
	uint64_t lo, hi;
	const char *bytes; /* of raw memory */
};

struct pages {
	struct range *v;
	size_t n, total;
};

static struct range ram[MAX_RANGES];
static size_t nram;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("addrxlat: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	exit(3);
}

/* -------- what libaddrxlat asks for -------- */

static unsigned long read_caps(const addrxlat_cb_t *cb)
{
	(void)cb;
	return ADDRXLAT_CAPS(ADDRXLAT_MACHPHYSADDR);
}

static void put_nothing(const addrxlat_buffer_t *buf)
{
	(void)buf;
}

static void give_page(addrxlat_buffer_t *buf, uint64_t pa, const char *bytes)
{
	buf->addr.addr = pa;
	buf->ptr = bytes;
	buf->size = PAGE;
	buf->byte_order = ADDRXLAT_LITTLE_ENDIAN;
	buf->put_page = put_nothing;
}

/* -------- raw memory -------- */

static void open_raw(const char *path, const char *text)
{
	const char *map;
	uint64_t at = 0;
	struct stat st;
	int fd = open(path, O_RDONLY), n;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", path, strerror(errno));
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	for (; nram < MAX_RANGES && sscanf(text, "%lx-%lx%n", &ram[nram].lo, &ram[nram].hi, &n) == 2; text += n + 1) {
		ram[nram].hi++;
		ram[nram].bytes = map + at;
		at += ram[nram].hi - ram[nram].lo;
		nram++;
		if (!text[n])
			break;
	}
	if (at != (uint64_t)st.st_size)
		die("%s: not the ranges of it", path);
}

static addrxlat_status get_raw_page(const addrxlat_cb_t *cb, addrxlat_buffer_t *buf)
{
	uint64_t pa = buf->addr.addr & ~(uint64_t)(PAGE - 1);

	(void)cb;
	for (size_t i = 0; i < nram; i++) {
		if (pa < ram[i].lo || pa >= ram[i].hi)
			continue;
		give_page(buf, pa, ram[i].bytes + (pa - ram[i].lo));
		return ADDRXLAT_OK;
	}
	return ADDRXLAT_ERR_NODATA;
}

/* -------- dumps -------- */

static kdump_ctx_t *dump;

static void open_dump(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	dump = kdump_new();
	if (!dump || kdump_open_fd(dump, fd) != KDUMP_OK)
		die("%s: %s", path, dump ? kdump_get_err(dump) : "out of memory");
}

static void free_page(const addrxlat_buffer_t *buf)
{
	free(buf->priv);
}

/* libaddrxlat keeps some pages for its next walks, so each has memory of its own. */
static addrxlat_status get_dump_page(const addrxlat_cb_t *cb, addrxlat_buffer_t *buf)
{
	uint64_t pa = buf->addr.addr & ~(uint64_t)(PAGE - 1);
	char *page = malloc(PAGE);
	size_t len = PAGE;

	(void)cb;
	if (!page)
		return ADDRXLAT_ERR_NOMEM;
	if (kdump_read(dump, KDUMP_MACHPHYSADDR, pa, page, &len) != KDUMP_OK) {
		free(page);
		return ADDRXLAT_ERR_NODATA;
	}
	give_page(buf, pa, page);
	buf->put_page = free_page;
	buf->priv = page;
	return ADDRXLAT_OK;
}

/* libkdumpfile's own context is not had without knowing what system it is; for a walk none is needed. */
static addrxlat_ctx_t *context(addrxlat_get_page_fn *get_page)
{
	addrxlat_ctx_t *ctx = addrxlat_ctx_new();
	addrxlat_cb_t *cb = ctx ? addrxlat_ctx_add_cb(ctx) : NULL;

	if (!cb)
		die("out of memory");
	cb->get_page = get_page;
	cb->read_caps = read_caps;
	return ctx;
}

/* -------- pages -------- */

static struct pages read_pages(void)
{
	struct pages p = { 0 };
	struct range r = { 0 };

	while (scanf("%lx %lx", &r.lo, &r.hi) == 2) {
		if (!(p.n & (p.n - 1)))
			p.v = realloc(p.v, (p.n ? 2 * p.n : 1) * sizeof(*p.v));
		if (!p.v)
			die("out of memory");
		p.v[p.n++] = r;
		p.total += (r.hi - r.lo) / PAGE;
	}
	return p;
}

static addrxlat_meth_t method(uint64_t root, unsigned levels)
{
	addrxlat_meth_t m = { .kind = ADDRXLAT_PGT, .target_as = ADDRXLAT_MACHPHYSADDR };
	addrxlat_paging_form_t *form = &m.param.pgt.pf;

	m.param.pgt.root = (addrxlat_fulladdr_t){ root, ADDRXLAT_MACHPHYSADDR };
	form->pte_format = ADDRXLAT_PTE_X86_64;
	form->nfields = levels + 1;
	form->fieldsz[0] = 12;
	for (unsigned i = 1; i <= levels; i++)
		form->fieldsz[i] = 9;
	return m;
}

/* False: a table could not be read. */
static bool translate(addrxlat_ctx_t *ctx, const addrxlat_meth_t *m, uint64_t va, uint64_t *pa)
{
	addrxlat_step_t step = { .ctx = ctx, .meth = m, .base = { va, ADDRXLAT_NOADDR } };
	addrxlat_status rc = addrxlat_walk(&step);

	*pa = rc == ADDRXLAT_OK ? step.base.addr : NO;
	if (rc == ADDRXLAT_OK)
		return true;
	if (rc != ADDRXLAT_ERR_NOTPRESENT)
		fprintf(stderr, "addrxlat: %lx: %s\n", va, addrxlat_ctx_get_err(ctx));
	addrxlat_ctx_clear_err(ctx);
	return rc == ADDRXLAT_ERR_NOTPRESENT;
}

static bool translate_all(addrxlat_ctx_t *ctx, const addrxlat_meth_t *m, const struct pages *p, uint64_t *out)
{
	bool all = true;

	for (size_t i = 0; i < p->n; i++)
		for (uint64_t va = p->v[i].lo; va < p->v[i].hi; va += PAGE)
			all &= translate(ctx, m, va, out++);
	return all;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
	const char *ranges = NULL;
	struct pages pages;
	addrxlat_ctx_t *ctx;
	addrxlat_meth_t m;
	uint64_t *out, started = 0;
	bool all = true;
	int rounds = 0;

	for (int i = 4; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--raw"))
			ranges = argv[i + 1];
		else if (!strcmp(argv[i], "--time"))
			rounds = atoi(argv[i + 1]);
	}
	if (argc < 4)
		die("usage: addrxlat FILE ROOT LEVELS [--raw RANGES] [--time N]");
	m = method(strtoull(argv[2], NULL, 16), (unsigned)atoi(argv[3]));
	if (ranges)
		open_raw(argv[1], ranges);
	else
		open_dump(argv[1]);
	ctx = context(ranges ? get_raw_page : get_dump_page);
	pages = read_pages();
	out = malloc((pages.total + 1) * sizeof(*out));
	if (!out)
		die("out of memory");
	for (int i = 0; i == 0 || i < rounds; i++) {
		started = now();
		all = translate_all(ctx, &m, &pages, out);
	}
	if (rounds)
		printf("%zu %lu\n", pages.total, now() - started);
	else if (fwrite(out, sizeof(*out), pages.total, stdout) != pages.total)
		die("standard output: %s", strerror(errno));
	return all ? 0 : 1;
}
