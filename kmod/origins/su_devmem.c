// SPDX-License-Identifier: GPL-2.0-only
/*
 * su_devmem.ko: while it is loaded, read(2) of /dev/mem reaches all of RAM; with writable=1, write(2) and mmap(2) as
 * well. Needs no other module of ours.
 *
 * The kernel asks devmem_is_allowed(pfn) for every page: 0 no, 1 yes, 2 show zeros (RAM below 1 MiB). A kretprobe
 * turns that answer into 1 if the page is wholly RAM, and the caller is /dev/mem's read function or, with
 * writable=1, its mmap function and the direct map has the page writable. Nothing of the kernel is changed but by
 * kprobes themselves, which know how to do that with other CPUs running. A call that a probe misses (nmissed)
 * gets the answer that it would have got without us.
 *
 * Who the caller is, is told by the return address. Marking the tasks that are in the read function by a second probe
 * would need an instance for as long as each read lasts, and reads beyond their number would be missed; an address needs no
 * memory, and is right on any CPU and after any signal. And which function is meant comes from the file operations of
 * the device, not from a name: read_mem() is static, and there can be others of that name. If somebody else's
 * kretprobe took the return address first, or a compiler moves the call out of line, the answer stays as it was.
 *
 * Reading cannot fault: the kernel copies by copy_from_kernel_nofault(), so that what is missing in the direct map
 * (memfd_secret, poisoned memory) is EFAULT.
 *
 * Writing would fault: the kernel's write function is copy_from_user() to the direct map. For text and slabs that is a BUG
 * (hardened usercopy), for what is read-only an oops, as what was not copied is zeroed; and no look beforehand can say
 * how it will be a moment later. So its answers are left alone. A write to RAM goes to a function of ours
 * instead, whose stores fail where the kernel has no right to write.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "../compat.h"
#include "../nofault.h"

#define DEVICE    "/dev/mem"
#define MINOR_MEM 1

static bool writable;
module_param(writable, bool, 0444);
MODULE_PARM_DESC(writable, "let RAM be written and mapped as well, where the kernel itself may write (default: 0)");

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

/* Whether [pfn, end) was RAM when we were loaded. */
static bool was_ram(unsigned long pfn, unsigned long end)
{
	unsigned int i;

	for (i = 0; i < nram; i++)
		if (pfn >= ram[i].pfn && end <= ram[i].end)
			return pfn < end;
	return false;
}

static bool is_ram(unsigned long pfn)
{
	if (!was_ram(pfn, pfn + 1) || !pfn_valid(pfn) || !online_section_nr(pfn_to_section_nr(pfn)))
		return false;
	/* To touch these can be a machine check, or memory that the hypervisor has taken back. */
	return !PageHWPoison(pfn_to_page(pfn)) && !PageOffline(pfn_to_page(pfn));
}

/* Whether the direct map has the page writable. */
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

/* Descriptors from before a lockdown, and of who had the capability, are still open. In atomic context. */
static bool may(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RAWIO) && !security_locked_down(LOCKDOWN_DEV_MEM);
}

/* -------- reading and mapping -------- */

/* Code of /dev/mem's functions. */
static struct code {
	unsigned long at, end;
} reader, writer, mapper;

/* A second look of mmap()'s, from v6.16 on. */
#define SECOND_LOOK "phys_mem_access_prot_allowed"

static atomic_long_t lifted;

static bool in(const struct code *code, unsigned long address)
{
	return address > code->at && address < code->end;
}

static bool from_mmap(unsigned long caller)
{
	char name[KSYM_SYMBOL_LEN];

	if (in(&mapper, caller))
		return true;
	if (in(&writer, caller))
		return false;
	sprint_symbol_no_offset(name, caller);
	return !strcmp(name, SECOND_LOOK);
}

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

	if ((int)regs_return_value(regs) == 1 || !is_ram(pfn))
		return 0;
	if (!in(&reader, caller) && !(writable && from_mmap(caller) && kernel_may_write(pfn)))
		return 0;
	if (!may())
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

/* -------- writing -------- */

static int put(u64 pa, const u8 *from, unsigned int len)
{
	unsigned int at, width;
	int rc = is_ram(PHYS_PFN(pa)) && may() ? 0 : -EPERM;

	for (at = 0; at < len && !rc; at += width) {
		width = pw_width(pa + at, len - at);
		rc = pw_put_nofault(__va(pa + at), from + at, width);
	}
	return rc;
}

/* In place of the device's own function, in the context of its caller. */
static ssize_t write_ram(struct file *file, const char __user *buf, size_t count, loff_t *ppos)
{
	u8 *page = (void *)__get_free_page(GFP_KERNEL);
	u64 pa = *ppos;
	int rc = page ? 0 : -ENOMEM;
	size_t done = 0;

	while (done < count && !rc && !signal_pending(current)) {
		unsigned int part = min_t(size_t, count - done, PAGE_SIZE - offset_in_page(pa + done));

		rc = copy_from_user(page, buf + done, part) ? -EFAULT : put(pa + done, page, part);
		if (!rc)
			done += part;
		cond_resched();
	}
	if (!done && !rc)
		rc = -EINTR;
	free_page((unsigned long)page);
	*ppos += done;
	pr_info("pid %d (%s) wrote %zu of %zu bytes at physical %#llx\n", task_tgid_nr(current), current->comm, done,
		count, pa);
	/* Of divert(). The few instructions that are left are waited for by synchronize_rcu_tasks(). */
	module_put(THIS_MODULE);
	return done ?: rc;
}

static int divert(struct kprobe *kp, struct pt_regs *regs)
{
	size_t count = regs_get_kernel_argument(regs, 2);
	u64 pa = *(const loff_t *)regs_get_kernel_argument(regs, 3);

	if (!count || pa + count < pa || !was_ram(PHYS_PFN(pa), PHYS_PFN(pa + count - 1) + 1) || !may() ||
	    !try_module_get(THIS_MODULE))
		return 0;
	instruction_pointer_set(regs, (unsigned long)write_ram);
	return 1;
}
NOKPROBE_SYMBOL(divert);

/* What is optimised away of a probe without one is that it may send its caller elsewhere. */
static void after(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(after);

static struct kprobe write_probe = {
	.pre_handler = divert,
	.post_handler = after,
};

/* -------- coming and going -------- */

static unsigned long missed(void)
{
	return probe.nmissed + probe.kp.nmissed + write_probe.nmissed;
}

static int get_nmissed(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%lu\n", missed());
}

static const struct kernel_param_ops nmissed_ops = {
	.get = get_nmissed,
};
module_param_cb(nmissed, &nmissed_ops, NULL, 0444);
__MODULE_PARM_TYPE(nmissed, "ulong");
MODULE_PARM_DESC(nmissed, "calls that the probes missed so far: these got the kernel's own answer");

/* Where a function ends, by the kernel's symbols: "read_mem+0x0/0x1c0". */
static int __init find_code(const void *function, struct code *code)
{
	static char text[KSYM_SYMBOL_LEN] __initdata;
	unsigned long size;
	char *plus;

	sprint_symbol(text, (unsigned long)function);
	plus = strstr(text, "+0x0/");
	if (!function || !plus || kstrtoul(plus + 5, 0, &size))
		return -ENODEV;
	*code = (struct code){ (unsigned long)function, (unsigned long)function + size };
	return 0;
}

static int __init find_functions(void)
{
	struct file *f = filp_open(DEVICE, O_RDONLY, 0);
	int rc = -ENODEV;

	if (IS_ERR(f)) {
		pr_err("not loaded: %s cannot be opened: error %ld\n", DEVICE, PTR_ERR(f));
		return PTR_ERR(f);
	}
	if (S_ISCHR(file_inode(f)->i_mode) && file_inode(f)->i_rdev == MKDEV(MEM_MAJOR, MINOR_MEM))
		rc = find_code(f->f_op->read, &reader) ?: find_code(f->f_op->write, &writer) ?:
		     find_code(compat_mmap_of(f->f_op), &mapper);
	filp_close(f, NULL);
	if (rc)
		pr_err("not loaded: the functions of %s are not to be found\n", DEVICE);
	return rc;
}

static int __init add_probes(void)
{
	int rc;

	probe.maxactive = max(maxactive, 0);
	rc = register_kretprobe(&probe);
	if (!rc && writable) {
		write_probe.addr = (kprobe_opcode_t *)writer.at;
		rc = register_kprobe(&write_probe);
		if (rc)
			unregister_kretprobe(&probe);
	}
	if (rc)
		pr_err("not loaded: no probe of %s: error %d\n", DEVICE, rc);
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
	rc = find_functions() ?: find_ram() ?: add_probes();
	if (rc) {
		kfree(ram);
		return rc;
	}
	pr_notice("on: %s shows all of RAM%s\n", DEVICE,
		  writable ? ", and what of it the kernel itself may write is written and mapped" : "");
	return 0;
}
module_init(su_devmem_init);

static void __exit su_devmem_exit(void)
{
	unregister_kretprobe(&probe);
	if (writable) {
		unregister_kprobe(&write_probe);
		synchronize_rcu_tasks();
	}
	pr_notice("off: %ld pages were let through, %lu calls missed\n", atomic_long_read(&lifted), missed());
	kfree(ram);
}
module_exit(su_devmem_exit);

MODULE_DESCRIPTION("Reads of /dev/mem reach all of RAM");
MODULE_AUTHOR("The Pagewalk authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
