/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report of dump-x86_64-pagetable, as kmod/origins/intel_pagetables.c makes it: a head on the CPU, then a line for
 * each entry that is present, indented by level; pages that continue each other share a line.
 */
#include <stdio.h>

#include "render.h"
#include "text.h"

#define BIT(n) (UINT64_C(1) << (n))

enum {
	WRITE = BIT(1),
	USER = BIT(2),
	PWT = BIT(3),
	PCD = BIT(4),
	ACCESSED = BIT(5),
	DIRTY = BIT(6),
	PAT_4K = BIT(7),
	GLOBAL = BIT(8),
	PAT_HUGE = BIT(12),
};

#define NX  BIT(63)
#define KEY (UINT64_C(15) << 59)

static void begin(struct pw_render *r)
{
	pw_out_room(r->out, PW_OUT_ROW);
}

/* -------- the head -------- */

static void whose(struct pw_out *o, const struct pw_cpu *c)
{
	pw_out_str(o, "pagewalk: ");
	if (c->has_cpu) {
		pw_out_str(o, "cpu ");
		pw_out_dec(o, c->cpu);
		pw_out_str(o, ", ");
	}
	if (c->owner == PW_OWNER_PROCESS) {
		pw_out_str(o, "tables of pid ");
		pw_out_dec(o, c->pid);
		pw_out_str(o, " (");
		pw_out_name(o, c->comm);
		pw_out_str(o, ")\n");
	} else if (c->owner == PW_OWNER_KERNEL) {
		pw_out_str(o, c->has_cpu ? "the kernel's own tables: it idles, or runs a kernel thread\n"
					 : "the kernel's own tables\n");
	} else {
		pw_out_str(o, "tables of no process that is there now\n");
	}
}

static void cr3_line(struct pw_out *o, const struct pw_cpu *c)
{
	pw_out_str(o, "cr3: 0x");
	pw_out_hex(o, c->registers ? c->cr3 : c->root);
	pw_out_str(o, c->registers ? "\n" : " (where the table is; the register itself takes a CPU and -s kmod)\n");
}

static void paging_line(struct pw_out *o, const struct pw_cpu *c, unsigned levels)
{
	bool pcid = c->cr4 & PW_X86_CR4_PCIDE;

	if (!c->vendor[0])
		pw_out_str(o, "paging: ");
	else if (strcmp(c->vendor, "GenuineIntel"))
		pw_out_str(o, "paging according to 5.3 amd64 manual vol. 2: ");
	else
		pw_out_str(o, !c->registers ? "paging according to Tab 4-12 or 4-13 intel dev manual (vol. 3A): "
			      : pcid        ? "paging according to Tab 4-13 intel dev manual (vol. 3A): "
					    : "paging according to Tab 4-12 intel dev manual (vol. 3A): ");
	pw_out_dec(o, levels);
	pw_out_str(o, " levels");
	if (c->registers) {
		pw_out_str(o, ", CR4.PCIDE = ");
		pw_out_dec(o, pcid);
	}
	if (pcid) {
		pw_out_str(o, ", PCID 0x");
		pw_out_hex(o, c->cr3 & PW_X86_CR3_PCID);
	}
	pw_out_char(o, '\n');
}

static void keys_line(struct pw_out *o, const struct pw_cpu *c)
{
	bool user = c->registers ? c->cr4 & PW_X86_CR4_PKE : c->pku;
	bool supervisor = c->registers && c->cr4 & PW_X86_CR4_PKS;

	if (!user && !supervisor) {
		pw_out_str(o, "No protection keys enabled (this is normal)\n");
		return;
	}
	pw_out_str(o, "Protection keys enabled:");
	pw_out_str(o, user ? " PKE" : "");
	pw_out_str(o, supervisor ? " PKS\n" : "\n");
}

static void cpu(struct pw_render *r, const struct pw_cpu *c)
{
	struct pw_out *o = r->out;

	pw_out_room(o, PW_OUT_ROW);
	whose(o, c);
	pw_out_char(o, '(');
	pw_out_name(o, c->vendor[0] ? c->vendor : "unknown vendor");
	pw_out_str(o, ") x86_phys_bits ");
	pw_out_dec(o, c->phys_bits);
	pw_out_char(o, '\n');
	cr3_line(o, c);
	paging_line(o, c, r->head.space->piece[0].mmu.mode->depth);
	keys_line(o, c);
	if (c->root_va != PW_PA_NONE) {
		pw_out_str(o, "page table in virtual memory at ");
		pw_out_hex16(o, c->root_va);
		pw_out_char(o, '\n');
	}
	if (c->user_root == c->root && c->root != PW_PA_NONE) {
		pw_out_str(o, "page-table isolation: this is user mode's table\n");
	} else if (c->user_root != PW_PA_NONE) {
		pw_out_str(o, "page-table isolation: this is the kernel's table, NX on all that is the user's; user "
			      "mode runs "
			      "on 0x");
		pw_out_hex(o, c->user_root);
		pw_out_char(o, '\n');
	}
}

/* -------- entries -------- */

/* As the origin: a word or nothing in each of the first places, then the words that apply. */
static void bits(struct pw_out *o, const struct pw_entry *e)
{
	uint64_t raw = e->raw;

	pw_out_char(o, raw & WRITE ? 'W' : 'R');
	pw_out_str(o, raw & USER ? " U " : " K ");
	pw_out_str(o, raw & PWT ? "PWT " : " ");
	pw_out_str(o, raw & PCD ? "PCD " : " ");
	pw_out_str(o, raw & ACCESSED ? "A" : "");
	if (e->kind == PW_LEAF) {
		pw_out_str(o, raw & DIRTY ? " D" : "");
		pw_out_str(o, raw & GLOBAL ? " G" : "");
		pw_out_str(o, raw & (e->level == PW_PTE ? PAT_4K : PAT_HUGE) ? " PAT" : "");
		if (raw & KEY) {
			pw_out_str(o, " key=");
			pw_out_dec(o, (raw & KEY) >> 59);
		}
	}
	pw_out_str(o, raw & NX ? " NX" : "");
}

static void remark_reserved(struct pw_out *o, unsigned depth, const struct pw_entry *e)
{
	pw_out_pad(o, 2 * depth);
	pw_out_str(o, "reserved bits ");
	pw_out_hex16(o, e->reserved);
	pw_out_str(o, " are set in entry ");
	pw_out_hex16(o, e->raw);
	pw_out_str(o, ": the CPU does not use it\n");
}

static void entry(struct pw_render *r, unsigned depth, bool leads, uint64_t va, uint64_t last, const struct pw_entry *e)
{
	struct pw_out *o = r->out;

	pw_out_room(o, PW_OUT_ROW);
	if (leads) {
		pw_out_pad(o, 2 * depth);
		pw_out_str(o, "entry ");
		pw_out_hex16(o, e->raw);
		pw_out_char(o, '\n');
	}
	pw_out_pad(o, 2 * depth);
	pw_out_str(o, "v ");
	pw_out_hex16(o, va);
	pw_out_char(o, ' ');
	pw_out_hex16(o, last);
	pw_out_char(o, ' ');
	bits(o, e);
	pw_out_char(o, ' ');
	if (e->kind == PW_LEAF) {
		pw_out_page_size(o, e->size);
		pw_out_str(o, " p ");
	} else {
		pw_out_str(o, "t ");
	}
	pw_out_hex16(o, e->pa);
	pw_out_char(o, '\n');
	if (e->reserved)
		remark_reserved(o, depth, e);
}

static void decode(const struct pw_piece *piece, enum pw_level level, uint64_t raw, struct pw_entry *out)
{
	piece->mmu.arch->decode(&piece->mmu, level, raw, out);
}

static void step(struct pw_render *r, const struct pw_step *step)
{
	struct pw_entry e;

	decode(step->piece, step->level, step->raw, &e);
	entry(r, step->depth, true, step->va, step->va + (e.size - 1), &e);
}

/* Whether page b goes on, in physical memory too, where page a ends. */
static bool continues(const struct pw_entry *a, const struct pw_entry *b)
{
	uint64_t same = WRITE | USER | PWT | PCD | ACCESSED | DIRTY | GLOBAL | KEY | NX |
			(a->level == PW_PTE ? PAT_4K : PAT_HUGE);

	return a->kind == PW_LEAF && b->kind == PW_LEAF && b->pa == a->pa + a->size && !((a->raw ^ b->raw) & same) &&
	       a->reserved == b->reserved;
}

static void span(struct pw_render *r, const struct pw_span *span)
{
	struct pw_entry e, before, next;
	size_t end;

	for (size_t i = 0; i < span->n; i = end) {
		decode(span->piece, span->level, span->raw[i], &e);
		end = i + 1;
		if (!e.hw)
			continue;
		for (before = e; end < span->n; end++, before = next) {
			decode(span->piece, span->level, span->raw[end], &next);
			if (!continues(&before, &next))
				break;
		}
		entry(r, span->depth, false, span->va + ((uint64_t)i << span->shift),
		      span->va + ((uint64_t)end << span->shift) - 1, &e);
	}
}

static const char *why_not(enum pw_hole_reason reason)
{
	switch (reason) {
	case PW_HOLE_UNSTABLE:
		return " kept changing\n";
	case PW_HOLE_NOT_RAM:
		return " is not in RAM\n";
	case PW_HOLE_BUDGET:
		return " and all behind it were not looked at: too many tables\n";
	default:
		return " cannot be read\n";
	}
}

static void hole(struct pw_render *r, const struct pw_hole *hole)
{
	struct pw_out *o = r->out;
	struct pw_entry e = { .pa = hole->raw };

	if (hole->slot_pa != PW_PA_NONE) {
		decode(hole->piece, hole->level, hole->raw, &e);
		entry(r, hole->depth, hole->reason != PW_HOLE_ALIAS, hole->va, hole->va + (e.size - 1), &e);
	}
	if (hole->reason == PW_HOLE_RESERVED)
		return;
	pw_out_room(o, PW_OUT_ROW);
	pw_out_pad(o, 2 * hole->depth);
	if (hole->reason == PW_HOLE_ALIAS) {
		pw_out_str(o, "the same table as before\n");
		return;
	}
	if (hole->doubt && e.pa != PW_PA_NONE) {
		pw_text_doubt(o, hole->doubt, e.pa);
		pw_out_char(o, '\n');
		return;
	}
	pw_out_str(o, "the table at ");
	pw_out_hex16(o, e.pa);
	pw_out_str(o, why_not(hole->reason));
}

static void end(struct pw_render *r, const struct pw_rec_end *e)
{
	(void)r;
	(void)e;
}

const struct pw_render_ops pw_render_cpu = {
	.begin = begin,
	.cpu = cpu,
	.step = step,
	.span = span,
	.hole = hole,
	.end = end,
};
