/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounded lists: ps, vmas, doctor, info. */
#include "text.h"

/* ---- processes ---- */

static void p_pid(struct pw_render *r, const void *rec)
{
	const struct pw_process *p = rec;

	if (p->pid)
		pw_out_dec(r->out, p->pid);
	else
		pw_text_dash(r);
}

static void p_root(struct pw_render *r, const void *rec)
{
	const struct pw_process *p = rec;

	pw_text_pa(r, p->root, false);
}

static void p_kind(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, ((const struct pw_process *)rec)->kthread ? "kernel" : "user");
}

static void p_name(struct pw_render *r, const void *rec)
{
	const struct pw_process *p = rec;

	if (!p->pid)
		pw_out_str(r->out, "(no task has it)");
	if (p->kthread)
		pw_out_char(r->out, '[');
	pw_out_name(r->out, p->comm);
	if (p->kthread)
		pw_out_char(r->out, ']');
}

PW_COLUMNS(process, { "pid", "PID", "process", 0, true, .put = p_pid },
	   { "root", "ROOT", "physical address of its root table", 0, .put = p_root },
	   { "name", "NAME", "command name; [in brackets]: a kernel thread", 0, .put = p_name },
	   { "kind", "KIND", "user, or kernel: a kernel thread, which has no user half", 0, false, true, p_kind });

/* ---- VMAs ---- */

static const struct pw_area *area_of(const void *rec)
{
	return ((const struct pw_rec_vma *)rec)->area;
}

static void v_bytes(struct pw_render *r, uint64_t bytes)
{
	if (bytes)
		pw_out_size(r->out, bytes, r->bytes);
	else
		pw_text_dash(r);
}

static void v_range(struct pw_render *r, const void *rec)
{
	pw_text_range(r, area_of(rec)->lo, area_of(rec)->last);
}

static void v_perms(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, area_of(rec)->perms[0] ? area_of(rec)->perms : "-");
}

static void v_size(struct pw_render *r, const void *rec)
{
	v_bytes(r, area_of(rec)->last - area_of(rec)->lo + 1);
}

static void v_4k(struct pw_render *r, const void *rec)
{
	const struct pw_rec_vma *v = rec;

	if (v->leaf_only)
		pw_out_char(r->out, '?');
	else
		v_bytes(r, v->bytes[0]);
}

static void v_2m(struct pw_render *r, const void *rec)
{
	const struct pw_rec_vma *v = rec;

	if (v->leaf_only)
		pw_out_char(r->out, '?');
	else
		v_bytes(r, v->bytes[1]);
}

static void v_1g(struct pw_render *r, const void *rec)
{
	const struct pw_rec_vma *v = rec;

	if (v->leaf_only)
		pw_out_char(r->out, '?');
	else
		v_bytes(r, v->bytes[2]);
}

static void v_mapped(struct pw_render *r, const void *rec)
{
	const struct pw_rec_vma *v = rec;

	v_bytes(r, v->bytes[0] + v->bytes[1] + v->bytes[2]);
}

static void v_swap(struct pw_render *r, const void *rec)
{
	v_bytes(r, ((const struct pw_rec_vma *)rec)->swapped);
}

static void v_protnone(struct pw_render *r, const void *rec)
{
	v_bytes(r, ((const struct pw_rec_vma *)rec)->protnone);
}

static void v_tables(struct pw_render *r, const void *rec)
{
	const struct pw_rec_vma *v = rec;

	if (v->leaf_only)
		pw_out_char(r->out, '?');
	else
		v_bytes(r, v->tables);
}

static void v_name(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, area_of(rec)->name);
}

static void v_path(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, area_of(rec)->path ? area_of(rec)->path : area_of(rec)->name);
}

static void v_offset(struct pw_render *r, const void *rec)
{
	pw_out_mem(r->out, "0x", 2);
	pw_out_hex(r->out, area_of(rec)->offset);
}

static void v_inode(struct pw_render *r, const void *rec)
{
	pw_out_dec(r->out, area_of(rec)->inode);
}

PW_COLUMNS(vma, { "range", "RANGE", "addresses, the end excluded", 0, .put = v_range },
	   { "vma", "VMA", "the VMA's own permissions", 0, .put = v_perms },
	   { "size", "SIZE", "bytes of address space", 0, true, .put = v_size },
	   { "4k", "4K", "mapped in 4K pages", 0, true, .put = v_4k },
	   { "2m", "2M", "mapped in 2M pages", 0, true, .put = v_2m },
	   { "1g", "1G", "mapped in 1G pages", 0, true, .put = v_1g },
	   { "swap", "SWAP", "swapped out", 0, true, .put = v_swap },
	   { "tables", "PTE-TABLES", "PTE tables; a shared one counts for its lowest VMA", 0, true, .put = v_tables },
	   { "name", "NAME", "the VMA's or region's name", 0, .put = v_name },
	   { "mapped", "MAPPED", "mapped in pages of any size", 0, true, true, v_mapped },
	   { "protnone", "PROTNONE", "held by the kernel, out of the CPU's reach", 0, true, true, v_protnone },
	   { "path", "PATH", "the mapped file", 0, false, true, v_path },
	   { "offset", "OFFSET", "in that file", 0, true, true, v_offset },
	   { "inode", "INODE", "of that file", 0, true, true, v_inode });

/* ---- sources ---- */

static const struct pw_probe *probe_of(const void *rec)
{
	return &((const struct pw_rec_source *)rec)->probe;
}

static void s_name(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, ((const struct pw_rec_source *)rec)->name);
}

static void s_state(struct pw_render *r, const void *rec)
{
	static const char *const names[] = {
		[PW_PROBE_OK] = "ok",
		[PW_PROBE_LIMITED] = "limited",
		[PW_PROBE_DENIED] = "denied",
		[PW_PROBE_ABSENT] = "absent",
	};
	static const char *const colours[] = {
		[PW_PROBE_OK] = PW_GREEN,
		[PW_PROBE_LIMITED] = PW_YELLOW,
		[PW_PROBE_DENIED] = PW_RED,
		[PW_PROBE_ABSENT] = PW_DIM,
	};

	pw_out_str(r->out, names[probe_of(rec)->state]);
	r->cell_colour = colours[probe_of(rec)->state];
}

static void s_gives(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, probe_of(rec)->gives);
}

static void s_why(struct pw_render *r, const void *rec)
{
	const struct pw_probe *p = probe_of(rec);

	pw_out_name(r->out, p->why[0] || p->fix[0] ? p->why : "-");
	if (p->fix[0]) {
		pw_out_str(r->out, p->why[0] ? ": " : "");
		pw_out_name(r->out, p->fix);
	}
}

PW_COLUMNS(source, { "source", "SOURCE", "name, for -s", 0, .put = s_name },
	   { "state", "STATE", "ok, limited, denied or absent", 0, .put = s_state },
	   { "gives", "GIVES", "what can be had from it", 0, .put = s_gives },
	   { "why", "WHY, AND WHAT OPENS IT", "why not, and what to do about it", 0, .put = s_why, .wraps = true });

/* ---- facts ---- */

static void f_name(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, ((const struct pw_fact *)rec)->name);
}

static void f_value(struct pw_render *r, const void *rec)
{
	pw_out_name(r->out, ((const struct pw_fact *)rec)->value);
}

static void f_sure(struct pw_render *r, const void *rec)
{
	pw_out_str(r->out, pw_sure_name(((const struct pw_fact *)rec)->sure));
}

static void f_how(struct pw_render *r, const void *rec)
{
	const struct pw_fact *f = rec;

	pw_out_name(r->out, f->how && *f->how ? f->how : "-");
}

PW_COLUMNS(fact, { "fact", "FACT", "what it is", 0, .put = f_name },
	   { "value", "VALUE", "- where it is not known", 0, .put = f_value },
	   { "sure", "SURE", "given, certain, likely or unknown", 0, .put = f_sure },
	   { "how", "HOW", "how it was found", 0, .put = f_how, .wraps = true });
