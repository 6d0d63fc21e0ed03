// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel mappings that no kernel should have, one for each rule that `pagewalk audit` has to find out, from load to unload. Where each is
 * can be read from its parameter. Nobody uses any of them.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include <asm/processor.h>

/* Made of a page of its own, by other bits in its entry. */
struct odd {
	void *page;
	pte_t *entry;
	pteval_t before;
};

static unsigned long wx, exec, user, reserved, alias, code, table, leak;
module_param(wx, ulong, 0444);
MODULE_PARM_DESC(wx, "a page that can be written and executed");
module_param(exec, ulong, 0444);
MODULE_PARM_DESC(exec, "a page that can be executed where there is no code");
module_param(user, ulong, 0444);
MODULE_PARM_DESC(user, "a page that user mode may use");
module_param(reserved, ulong, 0444);
MODULE_PARM_DESC(reserved, "a page with a reserved bit in its entry");
module_param(alias, ulong, 0444);
MODULE_PARM_DESC(alias, "a page of the kernel's code, writable");
module_param(code, ulong, 0444);
MODULE_PARM_DESC(code, "a page of this module's code, writable");
module_param(table, ulong, 0444);
MODULE_PARM_DESC(table, "a page table, writable");
module_param(leak, ulong, 0444);
MODULE_PARM_DESC(leak, "with PTI: an address of the kernel that init's user root maps");

static struct odd odd[4];
static void *aliased, *aliased_code, *mapped_table;
static pgd_t *leaking;
static pgdval_t leaking_before;

static void flush_here(void *address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static void write_entry(struct odd *o, pteval_t value)
{
	WRITE_ONCE(o->entry->pte, value);
	on_each_cpu(flush_here, o->page, 1);
}

/* 0: out of memory. */
static unsigned long make_odd(struct odd *o, pteval_t set, pteval_t clear)
{
	unsigned int level;

	o->page = vmalloc(PAGE_SIZE);
	if (!o->page)
		return 0;
	o->entry = lookup_address((unsigned long)o->page, &level);
	if (!o->entry || level != PG_LEVEL_4K) {
		o->entry = NULL;
		return 0;
	}
	o->before = READ_ONCE(o->entry->pte);
	write_entry(o, (o->before | set) & ~clear);
	return (unsigned long)o->page;
}

static void undo_odd(struct odd *o)
{
	if (o->entry)
		write_entry(o, o->before);
	vfree(o->page);
}

/* Entries that lead to tables have the U bit, as Linux makes them; else the page is not user mode's. */
static bool user_above(unsigned long va)
{
	pgd_t *pgd = pgd_offset(current->mm, va);
	p4d_t *p4d = p4d_offset(pgd, va);
	pud_t *pud = pud_offset(p4d, va);
	pmd_t *pmd = pmd_offset(pud, va);

	return (!pgtable_l5_enabled() || pgd_val(*pgd) & _PAGE_USER) && p4d_val(*p4d) & _PAGE_USER &&
	       pud_val(*pud) & _PAGE_USER && pmd_val(*pmd) & _PAGE_USER;
}

static void *map_writable(struct page *page)
{
	return vmap(&page, 1, VM_MAP, PAGE_KERNEL);
}

/* All of vmalloc's first part, to init's user root. */
static void make_leak(void)
{
	struct task_struct *init = get_pid_task(find_pid_ns(1, &init_pid_ns), PIDTYPE_PID);
	struct mm_struct *mm = init ? get_task_mm(init) : NULL;

	if (mm && boot_cpu_has(X86_FEATURE_PTI)) {
		pgd_t *kernel = pgd_offset(mm, wx);

		leaking = (pgd_t *)((unsigned long)kernel | PAGE_SIZE);
		leaking_before = pgd_val(*leaking);
		WRITE_ONCE(leaking->pgd, pgd_val(*kernel));
		leak = wx;
	}
	if (mm)
		mmput(mm);
	if (init)
		put_task_struct(init);
}

static void undo(void)
{
	size_t i;

	/* init's user root stays as long as init. */
	if (leaking)
		WRITE_ONCE(leaking->pgd, leaking_before);
	vunmap(mapped_table);
	vunmap(aliased_code);
	vunmap(aliased);
	for (i = 0; i < ARRAY_SIZE(odd); i++)
		undo_odd(&odd[i]);
}

static int __init unsound_init(void)
{
	wx = make_odd(&odd[0], 0, _PAGE_NX);
	exec = make_odd(&odd[1], 0, _PAGE_NX | _PAGE_RW);
	user = make_odd(&odd[2], _PAGE_USER, 0);
	reserved = make_odd(&odd[3], BIT_ULL(51), 0);
	aliased = map_writable(virt_to_page((unsigned long)&kfree));
	alias = (unsigned long)aliased;
	aliased_code = map_writable(vmalloc_to_page((void *)undo));
	code = (unsigned long)aliased_code;
	if (odd[0].entry)
		mapped_table = map_writable(virt_to_page(odd[0].entry));
	table = (unsigned long)mapped_table;
	if (!wx || !exec || !user || !reserved || !alias || !code || !table || !user_above(user) ||
	    boot_cpu_data.x86_phys_bits > 51) {
		undo();
		return -EINVAL;
	}
	make_leak();
	return 0;
}

static void __exit unsound_exit(void)
{
	undo();
}

module_init(unsound_init);
module_exit(unsound_exit);
MODULE_DESCRIPTION("Mappings that an audit must find out; for tests in guests only");
MODULE_LICENSE("GPL");
