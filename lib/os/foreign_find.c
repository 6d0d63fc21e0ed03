// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's half of the address space, found in memory that nothing else is known of. Places to look, in this order: what the
 * user says; VMCOREINFO from the image's header; the roots that the CPUs had; VMCOREINFO in memory, which is a page of its own that
 * begins with "OSRELEASE="; each page that could be a root table. None is believed for its looks: a root must map
 *
 *   - the kernel's image, in its window at the end of addresses, and
 *   - itself, at the one distance between virtual and physical addresses at which most memory is mapped, whole GiB:
 *     the direct map
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/foreign.h"
#include "os/scan.h"
#include "ranges.h"
#include "space.h"

#define GIB        (UINT64_C(1) << 30)
#define ADDRESS    UINT64_C(0x000ffffffffff000)
#define MAX_DELTAS 64
#define WINDOW     UINT64_C(0x3fffffff) /* of the image: 1 GiB at most */
#define BUDGET     (1 << 16)            /* tables of a kernel half: more is not believed */

static int scan_all(const struct pw_foreign_os *os, pw_scan_fn each, void *ctx)
{
	const struct pw_scan scan = {
		.src = os->mem.space.source,
		.ranges = os->ranges,
		.nranges = os->nranges,
		.progress = os->opts.progress,
		.progress_ctx = os->opts.progress_ctx,
	};

	return pw_scan_pages(&scan, each, ctx);
}

/* -------- what a root maps -------- */

struct survey {
	struct pw_kernel_half *half;
	struct {
		uint64_t delta, bytes;
		bool has_root;
	} d[MAX_DELTAS];
	size_t n;
};

static void count_distance(struct survey *s, const struct pw_entry *e, uint64_t va)
{
	uint64_t delta = va - e->pa;
	size_t i = 0;

	if (delta % GIB)
		return;
	while (i < s->n && s->d[i].delta != delta)
		i++;
	if (i == s->n) {
		if (s->n == MAX_DELTAS)
			return;
		s->d[s->n++].delta = delta;
	}
	s->d[i].bytes += e->size;
	s->d[i].has_root |= s->half->root - e->pa < e->size;
}

static void add_to_image(struct pw_kernel_half *h, const struct pw_entry *e, uint64_t va, uint8_t perm)
{
	struct pw_extent *x = h->nextents ? &h->extent[h->nextents - 1] : NULL;

	if (x && x->va + x->bytes == va && x->pa + x->bytes == e->pa && x->perm == perm) {
		x->bytes += e->size;
		return;
	}
	/* Behind that many there are modules. */
	if (h->nextents < PW_MAX_EXTENTS)
		h->extent[h->nextents++] = (struct pw_extent){ .va = va, .bytes = e->size, .pa = e->pa, .perm = perm };
}

static int look_at_span(void *ctx, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct survey *s = ctx;

	for (size_t i = 0; i < span->n; i++) {
		uint64_t va = span->va + ((uint64_t)i << span->shift);
		struct pw_entry e;

		if (!span->raw[i])
			continue;
		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		if (e.kind != PW_LEAF || e.reserved)
			continue;
		if (va >= PW_IMAGE_START)
			add_to_image(s->half, &e, va, e.perm & span->perm_above);
		else
			count_distance(s, &e, va);
	}
	return 0;
}

static void half_mmu(unsigned depth, uint64_t enc_mask, struct pw_mmu *mmu)
{
	*mmu = (struct pw_mmu){
		.arch = &pw_arch_x86_64,
		.mode = pw_arch_mode(&pw_arch_x86_64, depth),
		.half = PW_HALF_KERNEL,
		.maxphyaddr = 52,
		.enc_mask = enc_mask,
	};
}

/* Whether root is a kernel's root table of that many levels; fills in half. */
static bool root_fits(struct pw_foreign_os *os, uint64_t root, unsigned depth, struct pw_kernel_half *half)
{
	static const struct pw_visitor visitor = { .span = look_at_span };
	struct pw_walk_opts opts = { .size = sizeof(opts),
				     .budget = BUDGET,
				     .fold_aliases = true,
				     .va = { PW_IMAGE_START, PW_IMAGE_START + WINDOW } };
	struct pw_walk_stats stats = { 0 };
	struct pw_kernel_half h = { .root = root, .depth = depth };
	struct survey s = { .half = &h };
	struct pw_mmu mmu;
	size_t best = 0;

	if (root & 0xfff || !pw_ranges_hold(os->ranges, os->nranges, root, 4096))
		return false;
	half_mmu(depth, os->k.info.sme_mask, &mmu);
	pw_kmem_init(&os->mem, os->mem.space.source, &mmu, root, os->ranges, os->nranges);
	if (pw_walk(&os->mem.space, &opts, &visitor, &s, &stats) || !h.nextents)
		return false;
	opts.va = (struct pw_range){ 0, PW_IMAGE_START - 1 };
	if (pw_walk(&os->mem.space, &opts, &visitor, &s, &stats) || !s.n)
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (os->opts.page_offset ? s.d[i].delta == os->opts.page_offset : s.d[i].bytes > s.d[best].bytes)
			best = i;
	if (os->opts.page_offset && s.d[best].delta != os->opts.page_offset)
		return false;
	if (!s.d[best].has_root)
		return false;
	h.page_offset = s.d[best].delta;
	h.direct_bytes = s.d[best].bytes;
	*half = h;
	return true;
}

/* With both numbers of levels, unless it is known; the five first: a root of four has no place where five have the direct map. */
static bool root_fits_some(struct pw_foreign_os *os, uint64_t root, unsigned depth)
{
	for (unsigned d = 5; d >= 4; d--)
		if ((!depth || depth == d) && root_fits(os, root, d, &os->half))
			return true;
	return false;
}

/* -------- VMCOREINFO -------- */

static bool read_info(const char *text, size_t len, struct pw_vmcoreinfo *v)
{
	*v = (struct pw_vmcoreinfo){ .text = strndup(text, len) };
	if (v->text)
		pw_vmcoreinfo_values(v);
	return v->text;
}

/* In memory it is a page of its own. */
static bool info_in_page(const char *page, struct pw_vmcoreinfo *v)
{
	return !memcmp(page, "OSRELEASE=", 10) && read_info(page, 4096, v);
}

/* Physical address of the root that it names. */
static uint64_t info_root(const struct pw_vmcoreinfo *v)
{
	return v->swapper_va >= PW_IMAGE_START ? v->swapper_va - PW_IMAGE_START + v->phys_base : PW_PA_NONE;
}

/* Takes over v when the root that it names is one, else frees it. */
static bool believe(struct pw_foreign_os *os, struct pw_vmcoreinfo v, unsigned depth)
{
	uint64_t l5 = 0;

	if (!depth && pw_vmcoreinfo_get(v.text, "NUMBER(pgtable_l5_enabled)", 10, &l5)) {
		depth = l5 ? 5 : 4;
		os->how_mode = "VMCOREINFO (pgtable_l5_enabled)";
	}
	os->k.info = v;
	if (root_fits_some(os, info_root(&v), depth))
		return true;
	free(v.text);
	os->k.info = (struct pw_vmcoreinfo){ 0 };
	return false;
}

struct search {
	struct pw_foreign_os *os;
	unsigned depth;
};

static int vmcoreinfo_in_page(void *ctx, uint64_t pa, const void *page)
{
	const struct search *s = ctx;
	struct pw_vmcoreinfo v;

	(void)pa;
	return info_in_page(page, &v) && believe(s->os, v, s->depth);
}

/* -------- roots by their looks -------- */

/*
 * Cheap things that are so for every kernel's root: the last entry leads on; what there is in the kernel's half leads
 * on, into RAM; and it is not full.
 */
static bool like_a_root(const struct pw_foreign_os *os, const uint64_t *word)
{
	unsigned n = 0;

	if ((word[511] & 0x81) != 0x01)
		return false;
	for (unsigned i = 256; i < 512; i++) {
		if (!word[i])
			continue;
		if ((word[i] & 0x81) != 0x01 || !pw_ranges_hold(os->ranges, os->nranges, word[i] & ADDRESS, 4096))
			return false;
		n++;
	}
	return n >= 2 && n < 256;
}

/* But for bits that the CPU sets. */
static bool same_half(const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 256; i < 512; i++)
		if ((a[i] ^ b[i]) & ~pw_arch_x86_64.hw_volatile(PW_PGD))
			return false;
	return true;
}

static int read_page(struct pw_foreign_os *os, uint64_t pa, uint64_t word[512])
{
	struct pw_source *src = os->mem.space.source;

	return src->ops->read(src, pa, word, 4096);
}

struct own_root {
	struct pw_foreign_os *os;
	uint64_t met[512];
};

static int own_root_in_page(void *ctx, uint64_t pa, const void *page)
{
	const struct own_root *o = ctx;

	if (!like_a_root(o->os, page) || !same_half(o->met, page))
		return 0;
	o->os->half.root = pa;
	o->os->how_root = "the root table in the kernel's image: it maps the kernel, and itself in the direct map";
	return 1;
}

/*
 * The kernel's own root is in its image; the one that was met is a process's, perhaps, and goes with it. False: none there has the half that
 * the one that was met has now.
 */
static bool prefer_own_root(struct pw_foreign_os *os)
{
	struct own_root o = { .os = os };

	if (read_page(os, os->half.root, o.met))
		return false;
	for (size_t i = 0; i < os->half.nextents; i++) {
		const struct pw_extent *x = &os->half.extent[i];
		const struct pw_range r = { x->pa, x->pa + x->bytes - 1 };
		const struct pw_scan part = { .src = os->mem.space.source, .ranges = &r, .nranges = 1 };

		if (x->perm & PW_W && pw_scan_pages(&part, own_root_in_page, &o) > 0)
			return true;
	}
	return false;
}

/* Goes over from the root that was met to the kernel's own. False: in a guest that runs it has meanwhile become something else. */
static bool settle(struct pw_foreign_os *os)
{
	return prefer_own_root(os) || os->mem.space.source->consistency != PW_VALIDATED;
}

static int root_in_page(void *ctx, uint64_t pa, const void *page)
{
	const struct search *s = ctx;

	return like_a_root(s->os, page) && root_fits_some(s->os, pa, s->depth) && settle(s->os);
}

/* -------- the roots of all processes -------- */

#define USER_TABLE UINT64_C(0x5) /* present, and user mode may go there */

struct roots {
	const struct pw_foreign_os *os;
	uint64_t own[512];
	unsigned slot; /* of the direct map */
	int (*each)(void *ctx, uint64_t root);
	void *ctx;
};

static bool has_user_half(const struct pw_foreign_os *os, const uint64_t *word)
{
	for (unsigned i = 0; i < 256; i++)
		if ((word[i] & USER_TABLE) == USER_TABLE &&
		    pw_ranges_hold(os->ranges, os->nranges, word[i] & ADDRESS, 4096))
			return true;
	return false;
}

static int process_root_in_page(void *ctx, uint64_t pa, const void *page)
{
	const struct roots *r = ctx;
	const uint64_t *word = page;

	if ((word[r->slot] ^ r->own[r->slot]) & ~pw_arch_x86_64.hw_volatile(PW_PGD) || pa == r->os->half.root ||
	    !same_half(r->own, word) || !has_user_half(r->os, word))
		return 0;
	return r->each(r->ctx, pa);
}

int pw_foreign_roots(struct pw_foreign_os *os, int (*each)(void *ctx, uint64_t root), void *ctx)
{
	struct roots r = { .os = os, .each = each, .ctx = ctx };
	int rc = read_page(os, os->half.root, r.own);

	r.slot = (unsigned)pw_index(&os->mem.space.piece[0].mmu.mode->lv[0], os->half.page_offset);
	return rc ? rc : scan_all(os, process_root_in_page, &r);
}

/* -------- all of it -------- */

/* By what is told: a few roots are looked at. */
static bool find_at_hand(struct pw_foreign_os *os)
{
	unsigned depth = os->opts.paging;
	struct pw_vmcoreinfo v;

	os->given_depth = depth;
	os->how_mode = depth ? "--paging" : "of 4 and 5 levels the one in which a root maps itself";
	if (os->opts.root) {
		os->how_root = "--root";
		os->given_root = true;
		return root_fits_some(os, os->opts.root & ADDRESS, depth);
	}
	os->how_root = "VMCOREINFO, from the file's header";
	if (os->hints->vmcoreinfo && read_info(os->hints->vmcoreinfo, strlen(os->hints->vmcoreinfo), &v) &&
	    believe(os, v, depth))
		return true;
	os->how_root = "a CPU's CR3: it maps the kernel, and itself in the direct map";
	for (size_t i = 0; i < os->hints->ncpus; i++)
		if (os->hints->cpu[i].known && root_fits_some(os, os->hints->cpu[i].root, depth) && settle(os))
			return true;
	return false;
}

/* By a look at every page. */
static bool find_anywhere(struct pw_foreign_os *os)
{
	struct search s = { .os = os, .depth = os->opts.paging };

	os->how_root = "VMCOREINFO, found in memory";
	os->searched = true;
	if (scan_all(os, vmcoreinfo_in_page, &s) > 0)
		return true;
	os->how_root = "a page that is a root table: it maps the kernel, and itself in the direct map";
	return scan_all(os, root_in_page, &s) > 0;
}

int pw_foreign_find(struct pw_foreign_os *os, bool everywhere, struct pw_error *err)
{
	if (everywhere ? find_anywhere(os) : find_at_hand(os))
		return 0;
	if (os->opts.root)
		return pw_error_set(err, -ENODATA, "--root: 0x%llx is no root table of a Linux kernel on x86-64",
				    (unsigned long long)os->opts.root);
	return pw_error_set(err, -ENODATA,
			    "no kernel was found: no page is a root table of Linux on x86-64 that maps itself; "
			    "tables can be looked at as root:PA, with --paging");
}

bool pw_foreign_find_as(struct pw_foreign_os *os, uint64_t root)
{
	os->how_root = "the root that is looked at: it maps the kernel, and itself in the direct map";
	return root_fits_some(os, root, os->opts.paging) && settle(os);
}

unsigned pw_foreign_levels_of(struct pw_foreign_os *os, uint64_t root)
{
	return root_fits_some(os, root, os->opts.paging) ? os->half.depth : 0;
}

/* Of the kernel that was found: its root is the same half. */
static int vmcoreinfo_of_kernel(void *ctx, uint64_t pa, const void *page)
{
	struct pw_foreign_os *os = ctx;
	uint64_t met[512], own[512];
	struct pw_vmcoreinfo v;

	(void)pa;
	if (!info_in_page(page, &v))
		return 0;
	if (read_page(os, os->half.root, met) || read_page(os, info_root(&v), own) || !same_half(met, own)) {
		free(v.text);
		return 0;
	}
	os->k.info = v;
	return 1;
}

void pw_foreign_vmcoreinfo(struct pw_foreign_os *os)
{
	if (os->searched || os->k.info.text)
		return;
	os->searched = true;
	scan_all(os, vmcoreinfo_of_kernel, os);
}
