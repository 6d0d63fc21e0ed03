/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What in a smeared image contradicts a process's page tables. Three things are at hand that the kernel keeps beside the tables, and that were
 * copied at other moments than they: struct page, the list of VMAs, and the tables themselves, each of which has one place.
 *
 * Nothing of it is believed because a kernel's source says so, as kernels differ. What a table's struct page is to say (its type, and whether anybody has the page) is
 * what those of most tables of that level of the first processes say; where there is no such thing, a level is not judged. And whether leaves can be judged by their pages is
 * tried on these processes as well: an image is not so far off that most of them contradict their pages.
 *
 * The rules for leaves hold at each instant of a kernel on x86, as it counts a page before it maps it and unmaps it before it lets it go: the page of
 * a present entry that is not "special" (PFN maps, the zero page) has references, no type, is counted as mapped, and if it is anonymous it has the place
 * in the VMA that the address has.
 */
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "os/foreign.h"
#include "space.h"
#include "witness.h"

#define PRESENT  UINT64_C(1)
#define LARGE    (UINT64_C(1) << 7)
#define SPECIAL  (UINT64_C(1) << 9) /* _PAGE_SPECIAL, software bit 1 */
#define VOLATILE (UINT64_C(0x60))   /* Accessed, Dirty: by an erratum also in entries that are empty */
#define ADDRESS  UINT64_C(0x000ffffffffff000)

#define TABLE         512                  /* entries */
#define SAMPLE        24                   /* processes that are looked at */
#define SAMPLE_LEAVES 4096                 /* of each */
#define LEAST_TABLES  4                    /* of a level, for its type to be believed */
#define LEAST_LEAVES  64                   /* for a rule to be believed */
#define MOST_FRAMES   (UINT64_C(64) << 20) /* frames of memory, for tables that are met twice: 256 GiB, in 8 MiB */
#define VMA_ROOM      (UINT64_C(1) << 20)  /* VMAs that are kept: 24 MiB */

#define DOUBT(d) (1u << PW_DOUBT_##d)

struct vma {
	uint64_t lo, last, pgoff;
};

struct vmas {
	struct vma *v;
	size_t n, room;
	bool whole;
};

struct witness {
	struct pw_witness w;
	struct pw_foreign_os *os;
	uint64_t mm; /* 0: of no process */
	uint64_t enc_mask;
	bool pti;
	struct vmas vmas;
	uint8_t *met; /* a bit a frame */
};

static struct witness *witness_of(struct pw_witness *w)
{
	return (struct witness *)w;
}

/* -------- VMAs -------- */

struct vma_collector {
	struct pw_foreign_os *os;
	uint64_t mm;
	struct vmas *to;
};

/* The place of a VMA's first page, as its anonymous pages have it. */
static bool read_pgoff(struct pw_foreign_os *os, uint64_t at, uint64_t *out)
{
	const struct pw_foreign_offsets *off = &os->off;
	uint32_t lo, hi;

	if (off->vma_anon_pgoff_lo == UINT32_MAX || off->vma_anon_pgoff_hi == UINT32_MAX)
		return pw_kmem_u64(&os->mem, at + off->vma_pgoff, out);
	if (!pw_kmem_u32(&os->mem, at + off->vma_anon_pgoff_lo, &lo) ||
	    !pw_kmem_u32(&os->mem, at + off->vma_anon_pgoff_hi, &hi))
		return false;
	*out = (uint64_t)hi << 32 | lo;
	return true;
}

static int add_vma(void *ctx, uint64_t at)
{
	struct vma_collector *c = ctx;
	const struct pw_foreign_offsets *off = &c->os->off;
	struct pw_kmem *mem = &c->os->mem;
	uint64_t mm, lo, end, pgoff;

	if (!pw_kmem_u64(mem, at + off->vma_mm, &mm) || !pw_kmem_u64(mem, at + off->vma_start, &lo) ||
	    !pw_kmem_u64(mem, at + off->vma_end, &end) || !read_pgoff(c->os, at, &pgoff))
		return -1;
	if (mm != c->mm || lo >= end || c->to->n == VMA_ROOM || (c->to->n && lo <= c->to->v[c->to->n - 1].last))
		return -1;
	if (c->to->n == c->to->room) {
		size_t room = c->to->room ? 2 * c->to->room : 64;
		struct vma *v = reallocarray(c->to->v, room, sizeof(*v));

		if (!v)
			return -1;
		c->to->v = v;
		c->to->room = room;
	}
	c->to->v[c->to->n++] = (struct vma){ lo, end - 1, pgoff };
	return 0;
}

static void collect_vmas(struct pw_foreign_os *os, uint64_t mm, struct vmas *to)
{
	struct vma_collector c = { os, mm, to };
	uint32_t n;

	to->whole = !pw_foreign_each_vma(os, mm, add_vma, &c) && to->n &&
		    pw_kmem_u32(&os->mem, mm + os->off.mm_map_count, &n) && n == to->n;
}

/* The first VMA that does not end before va. */
static const struct vma *vma_from(const struct vmas *vmas, uint64_t va)
{
	size_t lo = 0, hi = vmas->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (vmas->v[mid].last < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < vmas->n ? &vmas->v[lo] : NULL;
}

/* -------- leaves -------- */

/* What a large page has against it: nobody has it. */
static enum pw_doubt doubt_large(struct witness *w, uint64_t pa)
{
	struct pw_page_note note;

	return pw_foreign_note(w->os, pa, &note) && note.refcount <= 0 && !note.tail ? PW_DOUBT_PAGE : PW_DOUBT_NONE;
}

static bool is_leaf(const struct pw_span *span, uint64_t raw)
{
	return span->level == PW_PTE || !(raw & PRESENT) || raw & LARGE;
}

/* A page of 4K at va, which a VMA holds if there is one. */
static enum pw_doubt doubt_page(const struct witness *w, uint64_t use, uint64_t va, const struct vma *vma)
{
	if (use == PW_USE_NOBODY)
		return w->w.checked & DOUBT(PAGE) ? PW_DOUBT_PAGE : PW_DOUBT_NONE;
	if (!vma || !(w->w.checked & DOUBT(PLACE)))
		return PW_DOUBT_NONE;
	return (use & (PW_USE_ANON - 1)) == vma->pgoff + ((va - vma->lo) >> 12) ? PW_DOUBT_NONE : PW_DOUBT_PLACE;
}

static enum pw_doubt doubt_entry(struct witness *w, const struct pw_span *span, uint64_t raw, uint64_t va,
				 const struct vma **vma)
{
	uint64_t use, pa = raw & ADDRESS & ~w->enc_mask;
	bool inside;

	while (*vma && (*vma)->last < va)
		*vma = *vma + 1 < w->vmas.v + w->vmas.n ? *vma + 1 : NULL;
	inside = *vma && (*vma)->lo <= va;
	if (!is_leaf(span, raw) || !(raw & ~VOLATILE))
		return PW_DOUBT_NONE;
	if (!inside && w->w.checked & DOUBT(VMA))
		return PW_DOUBT_VMA;
	if ((raw & (PRESENT | SPECIAL)) != PRESENT || !w->os->pages)
		return PW_DOUBT_NONE;
	if (span->level != PW_PTE)
		return w->w.checked & DOUBT(PAGE) ? doubt_large(w, pa & ~((UINT64_C(1) << span->shift) - 1))
						  : PW_DOUBT_NONE;
	use = pw_foreign_use(w->os, pa);
	return use ? doubt_page(w, use, va, inside ? *vma : NULL) : PW_DOUBT_NONE;
}

static size_t witness_entries(struct pw_witness *witness, const struct pw_span *span, enum pw_doubt *doubt)
{
	struct witness *w = witness_of(witness);
	const struct vma *vma = vma_from(&w->vmas, span->va);

	for (size_t i = 0; i < span->n; i++) {
		if (!span->raw[i])
			continue;
		*doubt = doubt_entry(w, span, span->raw[i], span->va + ((uint64_t)i << span->shift), &vma);
		if (*doubt)
			return i;
	}
	return span->n;
}

/* -------- tables -------- */

static enum pw_doubt witness_table(struct pw_witness *witness, enum pw_level level, uint64_t slot_pa, uint64_t pa)
{
	struct witness *w = witness_of(witness);
	struct pw_page_note note;

	(void)slot_pa;
	if (!(w->w.checked & DOUBT(TABLE)) || !w->os->kind_known[level] || !pw_foreign_note(w->os, pa, &note))
		return PW_DOUBT_NONE;
	return note.kind == w->os->table_kind[level] ? PW_DOUBT_NONE : PW_DOUBT_TABLE;
}

static enum pw_doubt witness_root(struct pw_witness *witness, uint64_t pa)
{
	struct witness *w = witness_of(witness);
	enum pw_level level = w->os->mem.space.piece[0].mmu.mode->lv[0].level;
	struct pw_page_note note;
	enum pw_doubt doubt;

	/* The user root is the second page of the two. */
	if (w->pti)
		pa &= ~PW_PTI_USER_ROOT;
	doubt = w->mm ? witness_table(witness, level, PW_PA_NONE, pa) : PW_DOUBT_NONE;
	if (doubt || !(w->w.checked & DOUBT(ROOT)))
		return doubt;
	return pw_foreign_note(w->os, pa, &note) && note.mm != w->mm ? PW_DOUBT_ROOT : PW_DOUBT_NONE;
}

/* Processes share tables of 1 GiB of hugetlbfs, and one process can have the same twice: tables of pmd entries are no evidence. */
static enum pw_doubt witness_met(struct pw_witness *witness, enum pw_level level, uint64_t pa)
{
	struct witness *w = witness_of(witness);
	uint64_t frame = pa >> 12;
	uint8_t bit = 1 << frame % 8;

	if (!w->met || level == PW_PMD || frame >= MOST_FRAMES)
		return PW_DOUBT_NONE;
	if (w->met[frame / 8] & bit)
		return PW_DOUBT_TWICE;
	w->met[frame / 8] |= bit;
	return PW_DOUBT_NONE;
}

static size_t met_bytes(const struct pw_foreign_os *os)
{
	uint64_t frames = os->nranges ? (os->ranges[os->nranges - 1].last >> 12) + 1 : 0;

	return (size_t)((frames < MOST_FRAMES ? frames : MOST_FRAMES) / 8 + 1);
}

static void witness_begin(struct pw_witness *witness)
{
	struct witness *w = witness_of(witness);

	/* From zeros: what is not touched takes no memory. */
	free(w->met);
	w->met = w->w.checked & DOUBT(TWICE) ? calloc(1, met_bytes(w->os)) : NULL;
}

static void witness_free(struct pw_witness *witness)
{
	struct witness *w = witness_of(witness);

	free(w->vmas.v);
	free(w->met);
	free(w);
}

/* -------- what is evidence in this kernel -------- */

struct trial {
	struct pw_target *t;
	struct pw_foreign_os *os;
	struct pw_foreign_known_root known[SAMPLE];
	size_t n;
	struct {
		uint64_t kind;
		unsigned n;
	} seen[PW_NLEVELS][8];
	unsigned tables[PW_NLEVELS];
	/* Of the process that is looked at. */
	struct witness w;
	unsigned leaves, judged[PW_NDOUBTS], doubted[PW_NDOUBTS];
};

static int add_known(void *ctx, const struct pw_foreign_task *task)
{
	struct trial *tr = ctx;
	uint64_t root = task->mm ? pw_foreign_root(tr->os, task->mm) : PW_PA_NONE;

	if (root != PW_PA_NONE)
		tr->known[tr->n++] = (struct pw_foreign_known_root){ task->mm, root };
	return tr->n == SAMPLE;
}

static void see_table(struct trial *tr, enum pw_level level, uint64_t pa)
{
	struct pw_page_note note;

	if (!pw_foreign_note(tr->os, pa, &note))
		return;
	tr->tables[level]++;
	for (unsigned i = 0; i < sizeof(tr->seen[level]) / sizeof(tr->seen[level][0]); i++) {
		if (!tr->seen[level][i].n)
			tr->seen[level][i].kind = note.kind;
		if (tr->seen[level][i].kind == note.kind) {
			tr->seen[level][i].n++;
			return;
		}
	}
}

static int trial_step(void *ctx, const struct pw_step *step)
{
	const struct pw_mode *mode = step->piece->mmu.mode;
	struct pw_entry e;

	step->piece->mmu.arch->decode(&step->piece->mmu, step->level, step->raw, &e);
	see_table(ctx, mode->lv[step->depth + 1].level, e.pa);
	return 0;
}

static int trial_span(void *ctx, const struct pw_span *span)
{
	struct trial *tr = ctx;
	const struct vma *vma = vma_from(&tr->w.vmas, span->va);
	size_t n = span->level != PW_PTE ? 0 : span->n < TABLE ? span->n : TABLE;
	uint64_t raw[TABLE];

	/* The source's memory stays as it is until something is read, as it is for what pages say. */
	memcpy(raw, span->raw, n * sizeof(*raw));
	for (size_t i = 0; i < n; i++) {
		enum pw_doubt doubt;

		if ((raw[i] & (PRESENT | SPECIAL)) != PRESENT)
			continue;
		doubt = doubt_entry(&tr->w, span, raw[i], span->va + ((uint64_t)i << 12), &vma);
		tr->judged[PW_DOUBT_PAGE]++;
		tr->judged[PW_DOUBT_PLACE] +=
			vma && pw_foreign_use(tr->os, raw[i] & ADDRESS & ~tr->w.enc_mask) & PW_USE_ANON;
		tr->doubted[doubt]++;
		tr->leaves++;
	}
	return tr->leaves >= SAMPLE_LEAVES;
}

static void try_process(struct trial *tr, const struct pw_foreign_known_root *known)
{
	static const struct pw_visitor visitor = { .step = trial_step, .span = trial_span };
	struct pw_space space = {
		.source = &tr->t->source, .pin.pagemap_fd = -1, .ram = tr->os->ranges, .nram = tr->os->nranges
	};
	const struct pw_walk_opts opts = { .size = sizeof(opts),
					   .va = pw_half_range(tr->t->mmu[0].mode, PW_HALF_USER) };
	struct pw_walk_stats stats = { 0 };

	pw_space_of_process(tr->t, 1, "", known->root, &space);
	see_table(tr, space.piece[0].mmu.mode->lv[0].level, known->root);
	tr->leaves = 0;
	tr->w.vmas = (struct vmas){ 0 };
	collect_vmas(tr->os, known->mm, &tr->w.vmas);
	pw_walk(&space, &opts, &visitor, tr, &stats);
	free(tr->w.vmas.v);
}

/* The kind that all but a few have. */
static void believe_kinds(const struct trial *tr)
{
	struct pw_foreign_os *os = tr->os;

	for (unsigned level = 0; level < PW_NLEVELS; level++)
		for (unsigned i = 0; i < sizeof(tr->seen[level]) / sizeof(tr->seen[level][0]); i++) {
			if (tr->seen[level][i].n < LEAST_TABLES || tr->seen[level][i].n * 4 < tr->tables[level] * 3)
				continue;
			os->kind_known[level] = true;
			os->table_kind[level] = tr->seen[level][i].kind;
			os->checked |= DOUBT(TABLE);
		}
}

static bool holds(const struct trial *tr, enum pw_doubt rule)
{
	return tr->judged[rule] >= LEAST_LEAVES && tr->doubted[rule] * 4 <= tr->judged[rule];
}

static void try_all(struct pw_target *t, struct pw_foreign_os *os)
{
	struct trial *tr = calloc(1, sizeof(*tr));

	if (!tr)
		return;
	tr->t = t;
	tr->os = os;
	tr->w.os = os;
	tr->w.enc_mask = t->mmu[PW_HALF_USER].enc_mask;
	tr->w.w.checked = DOUBT(PAGE) | DOUBT(PLACE);
	pw_foreign_tasks(os, add_known, tr);
	if (pw_foreign_find_pages(t, os, tr->known, tr->n)) {
		os->checked |= DOUBT(ROOT);
		for (size_t i = 0; i < tr->n; i++)
			try_process(tr, &tr->known[i]);
		believe_kinds(tr);
		os->checked |= holds(tr, PW_DOUBT_PAGE) ? DOUBT(PAGE) : 0;
		os->checked |= holds(tr, PW_DOUBT_PLACE) ? DOUBT(PLACE) : 0;
	}
	os->tried = (unsigned)tr->n;
	free(tr);
}

static void know_evidence(struct pw_target *t, struct pw_foreign_os *os)
{
	if (os->looked_for_pages)
		return;
	os->looked_for_pages = true;
	os->checked = DOUBT(TWICE) | DOUBT(VMA);
	try_all(t, os);
}

struct pw_witness *pw_foreign_witness(struct pw_target *t, uint64_t mm, bool whole_list)
{
	struct pw_foreign_os *os = t->os_priv;
	struct witness *w;

	if (t->source.consistency != PW_SMEARED || os->pending || os->why.code)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	know_evidence(t, os);
	w->w = (struct pw_witness){
		.checked = os->checked,
		.begin = witness_begin,
		.root = witness_root,
		.table = witness_table,
		.met = witness_met,
		.entries = witness_entries,
		.free = witness_free,
	};
	w->os = os;
	w->mm = mm;
	w->enc_mask = t->mmu[PW_HALF_USER].enc_mask;
	w->pti = t->facts.pti;
	if (mm && whole_list)
		collect_vmas(os, mm, &w->vmas);
	if (!mm)
		w->w.checked &= ~(DOUBT(ROOT) | DOUBT(VMA) | DOUBT(PLACE));
	else if (!w->vmas.whole)
		w->w.checked &= ~(DOUBT(VMA) | DOUBT(PLACE));
	return &w->w;
}

/* -------- for info -------- */

static void add_word(char *text, size_t size, const char *word)
{
	size_t len = strlen(text);

	if (len + strlen(word) + 2 < size) {
		strcat(text, len ? " " : "");
		strcat(text, word);
	}
}

void pw_foreign_witness_facts(struct pw_target *t, struct pw_facts_list *list)
{
	struct pw_foreign_os *os = t->os_priv;
	char words[128] = "", levels[64] = "";

	if (t->source.consistency != PW_SMEARED || os->pending || os->why.code)
		return;
	know_evidence(t, os);
	for (unsigned d = PW_DOUBT_NONE + 1; d < PW_NDOUBTS; d++)
		if (os->checked >> d & 1)
			add_word(words, sizeof(words), pw_doubt_name((enum pw_doubt)d));
	for (unsigned level = PW_NLEVELS; level-- > 0;)
		if (os->kind_known[level])
			add_word(levels, sizeof(levels), pw_level_name((enum pw_level)level));
	pw_fact_add(list, "checked", PW_SURE_CERTAIN,
		    os->pages ? "by struct page and the lists of VMAs, as they agree in most of the first processes"
			      : "by the lists of VMAs; struct page was not found",
		    "%s", words);
	pw_fact_add(list, "tables-checked", levels[0] ? PW_SURE_CERTAIN : PW_SURE_NOT,
		    levels[0] ? "levels at which most tables of the first processes are noted alike in struct page"
			      : "struct page was not found, or is not alike for most tables",
		    "%s", levels[0] ? levels : "-");
}
