// SPDX-License-Identifier: GPL-2.0-only
/*
 * su_devmem.ko: while it is loaded, read(2) of /dev/mem reaches all of RAM. Needs no other module of ours.
 *
 * The kernel asks devmem_is_allowed(pfn) for every page: 0 no, 1 yes, 2 show zeros (RAM below 1 MiB). A kretprobe
 * turns that answer into 1, if the page is RAM, wholly, and
 *
 *   the caller is /dev/mem's read function; or
 *   writable=1, and the kernel itself may write to the page by its direct map.
 *
 * Nothing of the kernel is changed but by kprobes themselves, which know how to do that with other CPUs running. A call
 * that the probe misses (nmissed) has the answer that it would have had without us.
 *
 * Who the caller is, is told by the return address. Marking the tasks that are in read_mem() by a second probe would
 * need an instance for as long as each read lasts, and each read beyond those would be missed; an address needs no
 * memory, is right on any CPU and after any signal. And which function is meant comes from the file operations of
 * the device, not from a name: `read_mem` is a static function, of which there can be others. If somebody else's
 * kretprobe took the return address first, or a compiler moves the call out of line, the answer stays as it was.
 *
 * Reading cannot fault: read_mem() copies by copy_from_kernel_nofault(), so that what is missing in the direct map
 * (memfd_secret, poisoned memory, guard pages) is EFAULT. Writing is copy_from_user() to the direct map, which is why
 * read-only pages (text, rodata, BPF programs) are refused before. A page that turns read-only in between is caught by the
 * exception table on x86 and ends as EFAULT, too. mmap() is judged like a write whatever its protection, as it can be
 * changed afterwards, and a mapping of the page stays when the page becomes something else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/slab.h>

#include "../compat.h"

#define DEVICE    "/dev/mem"
#define MINOR_MEM 1

static bool writable;
module_param(writable, bool, 0444);
MODULE_PARM_DESC(writable, "let writes and mmap through as well, where the kernel itself may write (default: 0)");

static int maxactive;
module_param(maxactive, int, 0444);
MODULE_PARM_DESC(maxactive, "calls that the probe follows at a time (default: 0, the kernel's choice)");

/* -------- what is RAM -------- */

/*
 * As of loading, so that the probe takes no lock; memory that is added later is not reached. What is taken away is
 * known by its section. Whole pages only: for others the kernel's own mapping function warns.
 */
static struct extent {
	unsigned long pfn, end;
} * ram;
static unsigned int nram;

static int add_extent(struct resource *res, void *arg)
{
	struct extent e = { PFN_UP(res->start), PFN_DOWN(res->end + 1) }, *more;

	if (e.pfn >= e.end)
		return 0;
	if (nram && ram[nram - 1].end == e.pfn) {
		ram[nram - 1].end = e.end;
		return 0;
	}
	more = krealloc(ram, (nram + 1) * sizeof(*ram), GFP_KERNEL);
	if (!more)
		return -ENOMEM;
	ram = more;
	ram[nram++] = e;
	return 0;
}

static int find_ram(void)
{
	int rc = walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0,
				     (1ULL << MAX_PHYSMEM_BITS) - 1, NULL, add_extent);

	return rc ?: nram ? 0 : -ENODATA;
}

static bool is_ram(unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < nram && pfn >= ram[i].end; i++)
		;
	if (i == nram || pfn < ram[i].pfn)
		return false;
	if (!pfn_valid(pfn) || !online_section_nr(pfn_to_section_nr(pfn)))
		return false;
	/* To touch these can be a machine check, or memory that the hypervisor has taken back. */
	return !PageHWPoison(pfn_to_page(pfn)) && !PageOffline(pfn_to_page(pfn));
}

/* Whether the direct map has the page writable now. */
static bool kernel_may_write(unsigned long pfn)
{
	bool may = false;
#ifdef CONFIG_X86_64
	unsigned long flags;
	unsigned int level;
	pte_t *pte;

	/* Tables of the direct map are freed after all CPUs were interrupted. */
	local_irq_save(flags);
	pte = lookup_address((unsigned long)pfn_to_kaddr(pfn), &level);
	if (pte)
		may = (pte_flags(*pte) & (_PAGE_PRESENT | _PAGE_RW)) == (_PAGE_PRESENT | _PAGE_RW);
	local_irq_restore(flags);
#endif
	return may;
}

/* -------- the probe -------- */

/* The code of /dev/mem's read function. */
static unsigned long reader, reader_end;

static atomic_long_t lifted;

struct call {
	unsigned long pfn;
};

static int on_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct call *call = (struct call *)ri->data;

	call->pfn = regs_get_kernel_argument(regs, 0);
	return 0;
}
NOKPROBE_SYMBOL(on_entry);

static int on_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long pfn = ((struct call *)ri->data)->pfn, caller = compat_kretprobe_retaddr(ri);
	bool is_read = caller > reader && caller < reader_end;

	if ((int)regs_return_value(regs) == 1 || !(is_read || writable) || !is_ram(pfn))
		return 0;
	if (!is_read && !kernel_may_write(pfn))
		return 0;
	/* Descriptors from before a lockdown are still open. */
	if (security_locked_down(LOCKDOWN_DEV_MEM))
		return 0;
	regs_set_return_value(regs, 1);
	atomic_long_inc(&lifted);
	return 0;
}
NOKPROBE_SYMBOL(on_return);

static struct kretprobe probe = {
	.kp.symbol_name = "devmem_is_allowed",
	.entry_handler = on_entry,
	.handler = on_return,
	.data_size = sizeof(struct call),
};

static unsigned long missed(void)
{
	return probe.nmissed + probe.kp.nmissed;
}

static int get_nmissed(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%lu\n", missed());
}

static const struct kernel_param_ops nmissed_ops = {
	.get = get_nmissed,
};
module_param_cb(nmissed, &nmissed_ops, NULL, 0444);
MODULE_PARM_DESC(nmissed, "calls that the probe missed so far: these had the kernel's own answer");

/* -------- coming and going -------- */

/* Where a function ends, by the kernel's symbols: "read_mem+0x0/0x1c0". */
static unsigned long __init end_of(unsigned long function)
{
	static char text[KSYM_SYMBOL_LEN] __initdata;
	unsigned long size;
	char *plus;

	sprint_symbol(text, function);
	plus = strstr(text, "+0x0/");
	return plus && !kstrtoul(plus + 5, 0, &size) ? function + size : 0;
}

static int __init find_reader(void)
{
	struct file *f = filp_open(DEVICE, O_RDONLY, 0);
	int rc = -ENODEV;

	if (IS_ERR(f)) {
		pr_err("not loaded: %s cannot be opened: error %ld\n", DEVICE, PTR_ERR(f));
		return PTR_ERR(f);
	}
	if (S_ISCHR(file_inode(f)->i_mode) && file_inode(f)->i_rdev == MKDEV(MEM_MAJOR, MINOR_MEM)) {
		reader = (unsigned long)f->f_op->read;
		reader_end = reader ? end_of(reader) : 0;
	}
	filp_close(f, NULL);
	if (reader_end)
		rc = 0;
	else
		pr_err("not loaded: where %s is read is not to be found\n", DEVICE);
	return rc;
}

static int __init su_devmem_init(void)
{
	int rc;

	if (security_locked_down(LOCKDOWN_DEV_MEM)) {
		pr_err("not loaded: the kernel is locked down\n");
		return -EPERM;
	}
	if (compat_is_encrypted_guest()) {
		pr_err("not loaded: this is a confidential guest\n");
		return -EOPNOTSUPP;
	}
	rc = find_reader();
	if (rc)
		return rc;
	rc = find_ram();
	if (!rc) {
		probe.maxactive = max(maxactive, 0);
		rc = register_kretprobe(&probe);
		if (rc)
			pr_err("not loaded: no probe on %s: error %d\n", probe.kp.symbol_name, rc);
	}
	if (rc) {
		kfree(ram);
		return rc;
	}
	pr_notice("on: %s shows all of RAM%s\n", DEVICE,
		  writable ? ", and lets all of it be written and mapped that the kernel itself may write" : "");
	return 0;
}
module_init(su_devmem_init);

static void __exit su_devmem_exit(void)
{
	unregister_kretprobe(&probe);
	pr_notice("off: %ld pages were let through, %lu calls missed\n", atomic_long_read(&lifted), missed());
	kfree(ram);
}
module_exit(su_devmem_exit);

MODULE_DESCRIPTION("Reads of /dev/mem reach all of RAM");
MODULE_AUTHOR("The Pagewalk authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
