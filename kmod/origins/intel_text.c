// SPDX-License-Identifier: GPL-2.0-only
/* The lines of intel_pagetables. */
#include <linux/seq_file.h>
#include <linux/string.h>
#include <asm/pgtable.h>
#include <asm/processor-flags.h>

#include "intel_report.h"

#define PCID_BITS 0xfffULL

static void show_paging(struct seq_file *m, const struct report *r)
{
	bool pcid = r->info.cr4 & X86_CR4_PCIDE;

	/* Intel's tables are the same for both depths; AMD's manual has one section for all of it. */
	if (!strcmp(arch_vendor(), "GenuineIntel"))
		seq_printf(m, "paging according to Tab 4-%u intel dev manual (vol. 3A)", pcid ? 13 : 12);
	else
		seq_puts(m, "paging according to 5.3 amd64 manual vol. 2");
	seq_printf(m, ": %u levels, CR4.PCIDE = %u", arch_levels(), pcid);
	if (pcid)
		seq_printf(m, ", PCID 0x%llx", r->info.cr3 & PCID_BITS);
	seq_putc(m, '\n');
}

static void show_keys(struct seq_file *m, const struct report *r)
{
	bool user = r->info.cr4 & X86_CR4_PKE;
	/* X86_CR4_PKS has a name in some kernels only. */
	bool supervisor = r->info.cr4 & 1 << 24;

	if (!user && !supervisor)
		seq_puts(m, "No protection keys enabled (this is normal)\n");
	else
		seq_printf(m, "Protection keys enabled:%s%s\n", user ? " PKE" : "", supervisor ? " PKS" : "");
}

void intel_show_head(struct seq_file *m, const struct report *r)
{
	u64 root = arch_root(r->mm), user = arch_user_root(root);

	seq_printf(m, "pagewalk_origins: cpu %u, pid %d (%*pE)\n", r->cpu, r->pid, (int)strlen(r->comm), r->comm);
	seq_printf(m, "(%s) x86_phys_bits %u\n", arch_vendor(), arch_phys_bits());
	seq_printf(m, "cr3: 0x%llx\n", r->info.cr3);
	show_paging(m, r);
	show_keys(m, r);
	seq_printf(m, "page table in virtual memory at %016llx\n", r->info.page_offset + root);
	if (user != PAGEWALK_NONE)
		seq_printf(m,
			   "page-table isolation: this is the kernel's table, NX on all that is the user's; user mode "
			   "runs on 0x%llx\n",
			   user);
}

/* As the origin: a word or nothing in each of the first places, then the words that apply. */
static void show_bits(struct seq_file *m, unsigned int d, u64 raw, bool leaf)
{
	bool pte = arch_level(d) == PAGEWALK_LEVEL_PTE;
	unsigned int key = (raw & (15ULL << _PAGE_BIT_PKEY_BIT0)) >> _PAGE_BIT_PKEY_BIT0;

	seq_printf(m, "%c %c %s %s %s", raw & _PAGE_RW ? 'W' : 'R', raw & _PAGE_USER ? 'U' : 'K',
		   raw & _PAGE_PWT ? "PWT" : "", raw & _PAGE_PCD ? "PCD" : "", raw & _PAGE_ACCESSED ? "A" : "");
	if (leaf) {
		seq_puts(m, raw & _PAGE_DIRTY ? " D" : "");
		seq_puts(m, raw & _PAGE_GLOBAL ? " G" : "");
		seq_puts(m, raw & (pte ? _PAGE_PAT : _PAGE_PAT_LARGE) ? " PAT" : "");
		if (key)
			seq_printf(m, " key=%u", key);
	}
	seq_puts(m, raw & _PAGE_NX ? " NX" : "");
}

static const char *why_not(int status)
{
	return status == -EAGAIN ? "kept changing" : status == -ENXIO ? "is not in RAM" : "cannot be read";
}

void intel_show_entry(struct seq_file *m, const struct piece *p)
{
	static const char *const size[] = { "4K", "2M", "1G" };
	u64 reserved = arch_reserved(p->depth, p->raw), pa;
	bool leaf = arch_is_leaf(p->depth, p->raw, &pa);
	int indent = 2 * p->depth;

	if (p->followed)
		seq_printf(m, "%*sentry %016llx\n", indent, "", p->raw);
	seq_printf(m, "%*sv %016llx %016llx ", indent, "", p->va, p->last);
	show_bits(m, p->depth, p->raw, leaf);
	if (leaf)
		seq_printf(m, " %s p %016llx\n", size[arch_level(p->depth)], pa);
	else if (arch_is_table(p->depth, p->raw, &pa))
		seq_printf(m, " t %016llx\n", pa);
	if (reserved)
		seq_printf(m, "%*sreserved bits %016llx are set in entry %016llx: the CPU does not use it\n", indent,
			   "", reserved, p->raw);
	if (p->repeated)
		seq_printf(m, "%*sthe same table as before\n", indent, "");
	if (p->status)
		seq_printf(m, "%*sthe table at %016llx %s\n", indent, "", pa, why_not(p->status));
}

void intel_show_no_root(struct seq_file *m, const struct piece *p)
{
	seq_printf(m, "the root table %s\n", why_not(p->status));
}
