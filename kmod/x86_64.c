// SPDX-License-Identifier: GPL-2.0-only
/* x86-64: AMD64 manual volume 2, chapter 5; Intel SDM volume 3, chapter 4. */
#include <linux/cpufeature.h>
#include <linux/export.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <asm/msr.h>
#include <asm/pgtable.h>
#include <asm/special_insns.h>

#include "arch.h"
#include "compat.h"
#include "local.h"

static u64 kernel_root = PAGEWALK_NONE;

unsigned int arch_levels(void)
{
	return pgtable_l5_enabled() ? 5 : 4;
}
EXPORT_SYMBOL_GPL(arch_levels);

unsigned int arch_shift(unsigned int depth)
{
	return PAGE_SHIFT + 9 * (arch_levels() - 1 - depth);
}
EXPORT_SYMBOL_GPL(arch_shift);

unsigned int arch_level(unsigned int depth)
{
	return depth ? arch_levels() - 1 - depth : PAGEWALK_LEVEL_PGD;
}
EXPORT_SYMBOL_GPL(arch_level);

/* Bit 7 of a pmd or pud entry makes it a leaf; of a pte it is PAT, higher up it must be 0. */
static bool is_huge(unsigned int level, u64 raw)
{
	return (level == PAGEWALK_LEVEL_PMD || level == PAGEWALK_LEVEL_PUD) && (raw & _PAGE_PSE);
}

bool arch_is_table(unsigned int depth, u64 raw, u64 *pa)
{
	unsigned int level = arch_level(depth);

	if (!(raw & _PAGE_PRESENT) || level == PAGEWALK_LEVEL_PTE || is_huge(level, raw))
		return false;
	*pa = raw & PTE_PFN_MASK;
	return true;
}
EXPORT_SYMBOL_GPL(arch_is_table);

bool arch_is_leaf(unsigned int depth, u64 raw, u64 *pa)
{
	unsigned int level = arch_level(depth);

	if (!(raw & _PAGE_PRESENT) || !(level == PAGEWALK_LEVEL_PTE || is_huge(level, raw)))
		return false;
	/* Below a huge leaf's own bits there are PAT and reserved ones. */
	*pa = raw & PTE_PFN_MASK & ~((1ULL << arch_shift(depth)) - 1);
	return true;
}
EXPORT_SYMBOL_GPL(arch_is_leaf);

enum arch_absent arch_absent(unsigned int depth, u64 raw)
{
	unsigned int level = arch_level(depth);

	/* Some CPUs set Accessed and Dirty in what is empty. */
	if (!(raw & ~arch_volatile()))
		return ARCH_EMPTY;
	if ((raw & _PAGE_PRESENT) || level > PAGEWALK_LEVEL_PUD)
		return ARCH_OTHER;
	if (raw & _PAGE_PROTNONE)
		return ARCH_PROT_NONE;
	if (is_huge(level, raw))
		return ARCH_SPLITTING;
	return __swp_type(__pte_to_swp_entry(__pte(raw))) < MAX_SWAPFILES ? ARCH_SWAPPED : ARCH_NOTE;
}
EXPORT_SYMBOL_GPL(arch_absent);

u64 arch_volatile(void)
{
	return _PAGE_ACCESSED | _PAGE_DIRTY;
}

u64 arch_canonical(u64 va)
{
	unsigned int drop = 64 - (arch_shift(0) + 9);

	return (u64)((s64)(va << drop) >> drop);
}
EXPORT_SYMBOL_GPL(arch_canonical);

bool arch_is_user(u64 va)
{
	return !(va >> 63);
}
EXPORT_SYMBOL_GPL(arch_is_user);

u64 arch_root(const struct mm_struct *mm)
{
	return __pa(mm->pgd);
}
EXPORT_SYMBOL_GPL(arch_root);

u64 arch_user_root(u64 root)
{
	return boot_cpu_has(X86_FEATURE_PTI) ? root | PAGE_SIZE : PAGEWALK_NONE;
}
EXPORT_SYMBOL_GPL(arch_user_root);

u64 arch_kernel_root(void)
{
	return kernel_root;
}
EXPORT_SYMBOL_GPL(arch_kernel_root);

/* The direct map hangs in all pgds by the same entry. */
static bool is_kernel_root(u64 root)
{
	unsigned int slot = pgd_index(PAGE_OFFSET);
	struct pw_ram ram = {};
	u64 entry;

	if (!PAGE_ALIGNED(root) || !pw_ram_has(&ram, root, PAGE_SIZE) ||
	    pw_ram_read(root + slot * sizeof(entry), &entry, sizeof(entry)))
		return false;
	return !((entry ^ pgd_val(current->active_mm->pgd[slot])) & ~arch_volatile());
}

/*
 * swapper_pg_dir is not exported. The note that is kept for crash dumps names it, as an address in the
 * kernel's image.
 */
void arch_find_kernel_root(void)
{
	static const char key[] = "SYMBOL(swapper_pg_dir)=";
	char *note = kmalloc(VMCOREINFO_NOTE_SIZE + 1, GFP_KERNEL);
	unsigned int at;
	u64 va;

	if (!note || pw_ram_read(paddr_vmcoreinfo_note(), note, VMCOREINFO_NOTE_SIZE))
		goto out;
	note[VMCOREINFO_NOTE_SIZE] = 0;
	for (at = 0; at + sizeof(key) + 16 <= VMCOREINFO_NOTE_SIZE; at++) {
		if (memcmp(note + at, key, sizeof(key) - 1))
			continue;
		note[at + sizeof(key) - 1 + 16] = 0;
		if (kstrtou64(note + at + sizeof(key) - 1, 16, &va) || va < __START_KERNEL_map)
			break;
		va = va - __START_KERNEL_map + phys_base;
		if (is_kernel_root(va))
			kernel_root = va;
		break;
	}
out:
	kfree(note);
}

static void read_cpu(void *arg)
{
	struct pagewalk_info *info = arg;
	u64 value;

	info->cr0 = native_read_cr0();
	info->cr3 = __native_read_cr3();
	info->cr4 = native_read_cr4();
	compat_rdmsr(MSR_EFER, value);
	info->efer = value;
	compat_rdmsr(MSR_IA32_CR_PAT, value);
	info->pat = value;
}

static int on_cpu(unsigned int cpu, struct pagewalk_info *info)
{
	if (cpu >= nr_cpu_ids)
		return -ENXIO;
	return smp_call_function_single(cpu, read_cpu, info, 1) ? -ENXIO : 0;
}

int arch_cpu_root(unsigned int cpu, u64 *root)
{
	struct pagewalk_info info;
	int rc = on_cpu(cpu, &info);

	if (!rc)
		*root = info.cr3 & PTE_PFN_MASK;
	return rc;
}

unsigned int arch_phys_bits(void)
{
	return boot_cpu_data.x86_phys_bits;
}
EXPORT_SYMBOL_GPL(arch_phys_bits);

int arch_info(struct pagewalk_info *info)
{
	info->arch = PAGEWALK_ARCH_X86_64;
	info->levels = arch_levels();
	info->phys_bits = arch_phys_bits();
	if (boot_cpu_has(X86_FEATURE_PTI))
		info->features |= PAGEWALK_FEATURE_PTI;
	if (boot_cpu_has(X86_FEATURE_NX))
		info->features |= PAGEWALK_FEATURE_NX;
	info->page_offset = PAGE_OFFSET;
	info->vmalloc_start = VMALLOC_START;
	info->vmalloc_last = VMALLOC_END;
	info->vmemmap_start = VMEMMAP_START;
	info->modules_start = MODULES_VADDR;
	info->modules_last = MODULES_END - 1;
	info->image_start = __START_KERNEL_map;
	info->phys_base = phys_base;
	info->enc_mask = sme_me_mask;
	return on_cpu(info->cpu, info);
}
EXPORT_SYMBOL_GPL(arch_info);

u64 arch_reserved(unsigned int depth, u64 raw)
{
	unsigned int level = arch_level(depth), bits = min(arch_phys_bits(), 52U);
	u64 mask = ((1ULL << 52) - 1) & ~((1ULL << bits) - 1);

	if (is_huge(level, raw))
		mask |= ((1ULL << arch_shift(depth)) - 1) & ~(_PAGE_PAT_LARGE | (_PAGE_PAT_LARGE - 1));
	if (level > PAGEWALK_LEVEL_PUD || (level == PAGEWALK_LEVEL_PUD && !boot_cpu_has(X86_FEATURE_GBPAGES)))
		mask |= _PAGE_PSE;
	if (!boot_cpu_has(X86_FEATURE_NX))
		mask |= _PAGE_NX;
	return raw & mask & ~sme_me_mask;
}
EXPORT_SYMBOL_GPL(arch_reserved);

const char *arch_vendor(void)
{
	return boot_cpu_data.x86_vendor_id;
}
EXPORT_SYMBOL_GPL(arch_vendor);
