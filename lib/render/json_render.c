/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON renderer. Keys and the words in "kind", "verdict", "reason", "state" are API: add, never rename. */
#include "bits.h"
#include "form.h"
#include "json_entry.h"
#include "json_origin.h"
#include "json_rmap.h"
#include "json_snapshot.h"
#include "json_stats.h"

static void open_rec(struct pw_render *r, struct pw_json *j, const char *rec)
{
	j->out = r->out;
	pw_json_open(j, rec);
}

static const struct pw_mmu *mmu_of(const struct pw_render *r)
{
	const struct pw_space *space = r->head.space;

	if (r->head.mmu)
		return r->head.mmu;
	if (space && space->npieces)
		return &space->piece[0].mmu;
	return r->head.target && r->head.target->mmu[0].arch ? &r->head.target->mmu[0] : NULL;
}

/* Of a smeared image: which contradictions would be seen. */
static void checked(struct pw_json *j, unsigned doubts)
{
	pw_json_begin(j, "checked", '[');
	for (unsigned d = PW_DOUBT_NONE + 1; d < PW_NDOUBTS; d++)
		if (doubts >> d & 1)
			pw_json_str(j, NULL, pw_doubt_name(d));
	pw_json_end(j, ']');
}

/* One head a stream; further address spaces say so with "space". */
static void begin(struct pw_render *r)
{
	const struct pw_rec_head *h = &r->head;
	const struct pw_mmu *mmu = mmu_of(r);
	struct pw_json j;

	if (!r->any) {
		open_rec(r, &j, "head");
		pw_json_str(&j, "schema", "pagewalk/1");
		pw_json_str(&j, "version", PW_VERSION);
		pw_json_str(&j, "command", h->command);
		pw_json_str(&j, "source", h->by ? h->by : h->target ? h->target->source.ops->name : NULL);
		pw_json_str(&j, "consistency",
			    h->target && !h->by ? pw_consistency_name(pw_head_consistency(h)) : NULL);
		if (h->space && !h->by && pw_head_consistency(h) == PW_SMEARED)
			checked(&j, pw_space_checked(h->space));
		if (h->target && h->target->taken)
			pw_json_taken(&j, h->target->taken);
		pw_json_str(&j, "arch", mmu ? mmu->arch->name : NULL);
		pw_json_str(&j, "mode", mmu && mmu->mode ? mmu->mode->name : NULL);
		pw_json_str(&j, "system", h->target ? h->target->facts.system : NULL);
		if (h->filter)
			pw_json_str(&j, "filter", h->filter);
		pw_json_close(&j);
	}
	r->any = true;
	pw_forms_forget(r);
	r->area = NULL;
	r->hidden = false;
	if (!h->space)
		return;
	open_rec(r, &j, "space");
	pw_json_str(&j, "target", h->name);
	pw_json_str(&j, "title", h->space->title);
	pw_json_begin(&j, "pieces", '[');
	for (size_t i = 0; i < h->space->npieces; i++) {
		const struct pw_piece *p = &h->space->piece[i];

		pw_json_begin(&j, NULL, '{');
		pw_json_str(&j, "label", p->label);
		pw_json_hex(&j, "va", p->va.lo);
		pw_json_end_of(&j, "end", p->va.last);
		pw_json_pa(&j, "root", p->root);
		pw_json_end(&j, '}');
	}
	pw_json_end(&j, ']');
	pw_json_close(&j);
}

static void process(struct pw_render *r, const struct pw_process *p)
{
	struct pw_json j;

	open_rec(r, &j, "process");
	if (p->pid)
		pw_json_num(&j, "pid", p->pid);
	else
		pw_json_null(&j, "pid");
	pw_json_str(&j, "name", p->pid ? p->comm : NULL);
	pw_json_bool(&j, "kthread", p->kthread);
	pw_json_pa(&j, "root", p->root);
	pw_json_close(&j);
}

static void fact(struct pw_render *r, const struct pw_fact *f)
{
	struct pw_json j;

	open_rec(r, &j, "fact");
	pw_json_str(&j, "fact", f->name);
	pw_json_str(&j, "value", f->sure == PW_SURE_NOT ? NULL : f->value);
	pw_json_str(&j, "sure", pw_sure_name(f->sure));
	pw_json_str(&j, "how", f->how && *f->how ? f->how : NULL);
	pw_json_close(&j);
}

static void vma(struct pw_render *r, const struct pw_rec_vma *v)
{
	static const char *const keys[] = { "mapped_4k", "mapped_2m", "mapped_1g" };
	const struct pw_area *a = v->area;
	struct pw_json j;

	open_rec(r, &j, "vma");
	pw_json_str(&j, "target", r->head.name);
	pw_json_hex(&j, "va", a->lo);
	pw_json_end_of(&j, "end", a->last);
	pw_json_str(&j, "vma", a->perms[0] ? a->perms : NULL);
	pw_json_num(&j, "bytes", a->last - a->lo + 1);
	pw_json_num(&j, "mapped", v->bytes[0] + v->bytes[1] + v->bytes[2]);
	for (unsigned i = 0; i < 3; i++) {
		if (v->leaf_only)
			pw_json_null(&j, keys[i]);
		else
			pw_json_num(&j, keys[i], v->bytes[i]);
	}
	pw_json_num(&j, "swapped", v->swapped);
	pw_json_num(&j, "protnone", v->protnone);
	if (v->leaf_only)
		pw_json_null(&j, "pte_tables");
	else
		pw_json_num(&j, "pte_tables", v->tables);
	pw_json_str(&j, "name", a->name);
	pw_json_str(&j, "path", a->path);
	pw_json_hex(&j, "offset", a->offset);
	pw_json_num(&j, "inode", a->inode);
	pw_json_close(&j);
}

static void system_rec(struct pw_render *r, const struct pw_live_summary *s)
{
	struct pw_json j;

	open_rec(r, &j, "system");
	pw_json_str(&j, "system", s->system);
	pw_json_str(&j, "arch", s->arch);
	pw_json_str(&j, "mode", s->mode[0] ? s->mode : NULL);
	if (s->pti_known)
		pw_json_bool(&j, "pti", s->pti);
	else
		pw_json_null(&j, "pti");
	pw_json_str(&j, "lockdown", s->lockdown);
	pw_json_num(&j, "uid", s->uid);
	pw_json_bool(&j, "btf", s->btf);
	pw_json_close(&j);
}

static void source(struct pw_render *r, const struct pw_rec_source *s)
{
	static const char *const states[] = {
		[PW_PROBE_OK] = "ok",
		[PW_PROBE_LIMITED] = "limited",
		[PW_PROBE_DENIED] = "denied",
		[PW_PROBE_ABSENT] = "absent",
	};
	struct pw_json j;

	open_rec(r, &j, "source");
	pw_json_str(&j, "source", s->name);
	pw_json_str(&j, "state", states[s->probe.state]);
	pw_json_str(&j, "gives", s->probe.gives);
	pw_json_str(&j, "why", s->probe.why[0] ? s->probe.why : NULL);
	pw_json_str(&j, "fix", s->probe.fix[0] ? s->probe.fix : NULL);
	pw_json_bool(&j, "exact", s->exact);
	pw_json_bool(&j, "auto", s->picked);
	pw_json_close(&j);
}

static void bits(struct pw_json *j, const struct pw_rec_decoded *d)
{
	const struct pw_arch *arch = d->mmu->arch;

	pw_json_begin(j, "bits", '[');
	for (size_t i = 0; i < arch->nattrs; i++) {
		if (!(d->entry.attrs & UINT64_C(1) << i))
			continue;
		pw_json_begin(j, NULL, '{');
		pw_json_str(j, "name", arch->attrs[i].name);
		pw_json_hex(j, "mask", arch->attrs[i].mask ? arch->attrs[i].mask : d->mmu->enc_mask);
		pw_json_str(j, "doc", arch->attrs[i].doc);
		pw_json_end(j, '}');
	}
	pw_json_end(j, ']');
}

static void decoded(struct pw_render *r, const struct pw_rec_decoded *d)
{
	struct pw_json j;

	open_rec(r, &j, d->explain ? "explanation" : "decoded");
	pw_json_str(&j, "level", pw_level_name(d->entry.level));
	pw_json_hex(&j, "raw", d->entry.raw);
	pw_json_str(&j, "kind", pw_kind_name(d->entry.kind));
	pw_json_bool(&j, "hw", d->entry.hw);
	pw_json_pa(&j, "pa", d->entry.pa);
	pw_json_num(&j, "size", d->entry.size);
	pw_json_bits(r, &j, d->mmu, &d->entry);
	pw_json_perm(&j, "own", d->entry.perm);
	if (d->explain)
		bits(&j, d);
	pw_json_close(&j);
}

static void memory(struct pw_render *r, const struct pw_rec_memory *m)
{
	static const char digit[] = "0123456789abcdef";
	char hex[2 * PW_MEMORY_ROW + 1];
	struct pw_json j;

	for (size_t i = 0; i < m->n; i++) {
		hex[2 * i] = digit[m->bytes[i] >> 4];
		hex[2 * i + 1] = digit[m->bytes[i] & 15];
	}
	hex[2 * m->n] = 0;
	open_rec(r, &j, "memory");
	pw_json_hex(&j, m->phys ? "pa" : "va", m->at);
	pw_json_num(&j, "size", m->n);
	pw_json_str(&j, "hex", hex);
	pw_json_close(&j);
}

static void gap(struct pw_render *r, const struct pw_mem_part *g)
{
	struct pw_json j;

	open_rec(r, &j, "gap");
	pw_json_hex(&j, r->head.space ? "va" : "pa", g->va);
	pw_json_end_of(&j, "end", g->last);
	pw_json_str(&j, "why", g->why);
	pw_json_close(&j);
}

static void word(struct pw_render *r, const struct pw_rec_word *w)
{
	struct pw_json j;

	open_rec(r, &j, "word");
	pw_json_hex(&j, "pa", w->pa);
	pw_json_num(&j, "width", w->width);
	pw_json_hex(&j, "value", w->value);
	pw_json_close(&j);
}

static void kpage(struct pw_render *r, const struct pw_kpage *p)
{
	struct pw_json j;

	open_rec(r, &j, "kpage");
	pw_json_hex(&j, "va", p->va);
	pw_json_pa(&j, "pa", p->pa);
	pw_json_pa(&j, "api_pa", p->api_pa);
	pw_json_str(&j, "level", pw_level_name(p->level));
	pw_json_hex(&j, "raw", p->raw);
	pw_json_num(&j, "cpu", p->cpu);
	pw_json_close(&j);
}

static void pagetables_level(struct pw_render *r, const struct pw_counts *c, enum pw_level level)
{
	struct pw_json j;

	open_rec(r, &j, "level");
	pw_json_str(&j, "target", r->head.name);
	pw_json_str(&j, "level", pw_level_name(level));
	pw_json_num(&j, "tables", c->tables[level]);
	pw_json_begin(&j, "entries", '{');
	for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
		pw_json_num(&j, pw_kind_name(kind), c->entries[level][kind]);
	pw_json_end(&j, '}');
	pw_json_close(&j);
}

static void pagetables_size(struct pw_render *r, const struct pw_counts *c, const struct pw_mode_level *lv)
{
	uint64_t pages = c->entries[lv->level][PW_LEAF];
	struct pw_json j;

	if (lv->level > PW_PUD)
		return;
	open_rec(r, &j, "pagesize");
	pw_json_str(&j, "target", r->head.name);
	pw_json_num(&j, "size", UINT64_C(1) << lv->shift);
	pw_json_num(&j, "pages", pages);
	pw_json_num(&j, "bytes", pages << lv->shift);
	pw_json_close(&j);
}

static void pagetables(struct pw_render *r, const struct pw_counts *c)
{
	const struct pw_mode *mode = c->mmu->mode;

	for (unsigned d = 0; d < c->depth; d++)
		pagetables_level(r, c, mode->lv[d].level);
	for (unsigned d = c->depth; d-- > 0;)
		pagetables_size(r, c, &mode->lv[d]);
	pw_json_flags(r, c);
}

static void cpu(struct pw_render *r, const struct pw_cpu *c)
{
	static const char *const keys[] = { "cr0", "cr3", "cr4", "efer" };
	const uint64_t registers[] = { c->cr0, c->cr3, c->cr4, c->efer };
	struct pw_json j;

	open_rec(r, &j, "cpu");
	if (c->has_cpu)
		pw_json_num(&j, "cpu", c->cpu);
	else
		pw_json_null(&j, "cpu");
	pw_json_str(&j, "vendor", c->vendor[0] ? c->vendor : NULL);
	pw_json_num(&j, "phys_bits", c->phys_bits);
	for (unsigned i = 0; i < 4; i++) {
		if (i < 3 ? c->registers : c->has_efer)
			pw_json_hex(&j, keys[i], registers[i]);
		else
			pw_json_null(&j, keys[i]);
	}
	pw_json_pa(&j, "root", c->root);
	pw_json_pa(&j, "root_va", c->root_va);
	pw_json_pa(&j, "user_root", c->user_root);
	pw_json_str(&j, "owner",
		    c->owner == PW_OWNER_PROCESS  ? "process"
		    : c->owner == PW_OWNER_KERNEL ? "kernel"
						  : "unknown");
	if (c->owner == PW_OWNER_PROCESS) {
		pw_json_num(&j, "pid", c->pid);
		pw_json_str(&j, "name", c->comm);
	}
	pw_json_close(&j);
}

static void kalloc(struct pw_render *r, const struct pw_rec_kalloc *k)
{
	struct pw_json j;

	open_rec(r, &j, "kalloc");
	pw_json_str(&j, "kind", k->kind);
	pw_json_num(&j, "bytes", k->bytes);
	pw_json_num(&j, "pages", k->pages);
	pw_json_num(&j, "extents", k->extents);
	pw_json_num(&j, "differing", k->differing);
	pw_json_close(&j);
}

static void end(struct pw_render *r, const struct pw_rec_end *e)
{
	struct pw_json j;

	if (e->cut || e->of == PW_END_SPACE)
		return;
	if (e->kalloc)
		kalloc(r, e->kalloc);
	if (e->alloc)
		pw_json_alloc(r, e->alloc);
	if (e->rmap)
		pw_json_rmap(r, e->rmap);
	if (e->audit)
		pw_json_audit(r, e->audit);
	if (r->view == PW_VIEW_REGIONS)
		pw_json_layout(r);
	open_rec(r, &j, "end");
	pw_json_bool(&j, "complete", e->complete);
	pw_json_num(&j, "leaves", e->leaves);
	pw_json_num(&j, "unstable", e->walk.unstable);
	pw_json_num(&j, "unreadable", e->walk.unreadable);
	if (r->head.target && !r->head.by && r->head.target->source.consistency == PW_SMEARED)
		pw_json_num(&j, "inconsistent", e->walk.inconsistent);
	pw_json_num(&j, "records", e->records);
	pw_json_bool(&j, "hidden", r->hidden || e->hidden);
	if (e->picked)
		pw_json_str(&j, "auto", e->picked->name);
	if (e->has_walk) {
		pw_json_num(&j, "aliases", e->walk.aliases);
		pw_json_num(&j, "retries", e->walk.retries);
		pw_json_num(&j, "tables", pw_walk_stats_tables(&e->walk));
		pw_json_num(&j, "table_bytes", e->walk.table_bytes);
		pw_json_bool(&j, "truncated", e->walk.truncated);
	}
	pw_json_close(&j);
}

const struct pw_render_ops pw_render_json = {
	.begin = begin,
	.run = pw_json_run,
	.step = pw_json_step,
	.span = pw_json_span,
	.hole = pw_json_hole,
	.translation = pw_json_translation,
	.process = process,
	.vma = vma,
	.system = system_rec,
	.source = source,
	.fact = fact,
	.memory = memory,
	.gap = gap,
	.word = word,
	.kpage = kpage,
	.pagetables = pagetables,
	.cpu = cpu,
	.decoded = decoded,
	.region = pw_json_region,
	.place = pw_json_place,
	.page = pw_json_page,
	.diff_side = pw_json_diff_side,
	.diff_pair = pw_json_diff_pair,
	.diff_lone = pw_json_diff_lone,
	.change = pw_json_change,
	.area_change = pw_json_area_change,
	.diff_unknown = pw_json_diff_unknown,
	.diff_sums = pw_json_diff_sums,
	.snapshot = pw_json_snapshot,
	.finding = pw_json_finding,
	.reach = pw_json_reach,
	.frame = pw_json_frame,
	.same = pw_json_same,
	.again = pw_json_again,
	.stats = pw_json_stats,
	.stats_row = pw_json_stats_row,
	.round = pw_json_round,
	.end = end,
};
