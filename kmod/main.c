// SPDX-License-Identifier: GPL-2.0-only
/*
 * pagewalk.ko: page tables under the kernel's own locks, physical memory, memory of other processes.
 * This file has the device, the gates and the way from an ioctl to the function that does it; what the
 * calls mean is in include/uapi/pagewalk.h.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "local.h"

bool pw_writable;
module_param_named(writable, pw_writable, bool, 0444);
MODULE_PARM_DESC(writable, "allow writing to physical memory, devices and other processes (default: 0)");

/* -------- gates -------- */

#define GATE_RAWIO  (1 << 0)
#define GATE_PTRACE (1 << 1)
#define GATE_WRITE  (1 << 2)

int pw_may_look(void)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	/* The reason that /proc/kcore gives: forbidden at `confidentiality`. */
	return security_locked_down(LOCKDOWN_KCORE) ? -EPERM : 0;
}
EXPORT_SYMBOL_GPL(pw_may_look);

int pw_may_write(void)
{
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (!pw_writable)
		return -EROFS;
	/* The reason that /dev/mem gives: forbidden from `integrity` on. */
	return security_locked_down(LOCKDOWN_DEV_MEM);
}
EXPORT_SYMBOL_GPL(pw_may_write);

static int pass(unsigned int gates)
{
	int rc = pw_may_look();

	if (rc)
		return rc;
	if ((gates & GATE_RAWIO) && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	if ((gates & GATE_PTRACE) && !capable(CAP_SYS_PTRACE))
		return -EPERM;
	return gates & GATE_WRITE ? pw_may_write() : 0;
}

/* -------- calls -------- */

struct call {
	size_t size;  /* of the struct that the module knows */
	size_t first; /* of its first version */
	unsigned int gates;
	int (*run)(struct pw_file *f, void *arg);
};

#define CALL(type, gates, run)                                       \
	{                                                            \
		sizeof(struct type), sizeof(struct type), gates, run \
	}

static const struct call calls[] = {
	[_IOC_NR(PAGEWALK_INFO)] = CALL(pagewalk_info, 0, pw_info),
	[_IOC_NR(PAGEWALK_ROOT)] = CALL(pagewalk_root, 0, pw_root),
	[_IOC_NR(PAGEWALK_WALK)] = CALL(pagewalk_walk, 0, pw_walk),
	[_IOC_NR(PAGEWALK_READ_TABLES)] = CALL(pagewalk_read_tables, GATE_RAWIO, pw_read_tables),
	[_IOC_NR(PAGEWALK_READ_PHYS)] = CALL(pagewalk_phys, GATE_RAWIO, pw_read_phys),
	[_IOC_NR(PAGEWALK_WRITE_PHYS)] = CALL(pagewalk_phys, GATE_RAWIO | GATE_WRITE, pw_write_phys),
	[_IOC_NR(PAGEWALK_READ_USER)] = CALL(pagewalk_user, GATE_PTRACE, pw_read_user),
	[_IOC_NR(PAGEWALK_WRITE_USER)] = CALL(pagewalk_user, GATE_PTRACE | GATE_WRITE, pw_write_user),
	[_IOC_NR(PAGEWALK_KALLOC)] = CALL(pagewalk_kalloc, 0, pw_kalloc),
};

union args {
	struct pagewalk_info info;
	struct pagewalk_root root;
	struct pagewalk_walk walk;
	struct pagewalk_read_tables read_tables;
	struct pagewalk_phys phys;
	struct pagewalk_user user;
	struct pagewalk_kalloc kalloc;
};

/* A call is known by its number alone: the size that ioctl numbers hold as well is in the struct. */
static long pw_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct call *call;
	void __user *uarg = (void __user *)arg;
	union args args;
	u32 size;
	int rc;

	if (_IOC_TYPE(cmd) != PAGEWALK_IOC || _IOC_NR(cmd) >= ARRAY_SIZE(calls) ||
	    _IOC_DIR(cmd) != (_IOC_READ | _IOC_WRITE))
		return -ENOTTY;
	call = &calls[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(calls))];
	if (!call->run)
		return -ENOTTY;
	rc = pass(call->gates);
	if (rc)
		return rc;
	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < call->first)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	rc = copy_struct_from_user(&args, call->size, uarg, size);
	if (rc)
		return rc;
	rc = call->run(file->private_data, &args);
	if (copy_to_user(uarg, &args, min_t(size_t, size, call->size)))
		return -EFAULT;
	return rc;
}

/* -------- the device -------- */

static int pw_open(struct inode *inode, struct file *file)
{
	struct pw_file *f;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	INIT_LIST_HEAD(&f->allocs);
	file->private_data = f;
	return nonseekable_open(inode, file);
}

static int pw_release(struct inode *inode, struct file *file)
{
	struct pw_file *f = file->private_data;

	pw_kalloc_free_all(f);
	pw_pin_drop_all(f);
	mutex_destroy(&f->lock);
	kfree(f);
	return 0;
}

static const struct file_operations pw_fops = {
	.owner = THIS_MODULE,
	.open = pw_open,
	.release = pw_release,
	.unlocked_ioctl = pw_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice pw_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pagewalk",
	.fops = &pw_fops,
	.mode = 0600,
};

static int __init pw_init(void)
{
	arch_find_kernel_root();
	return misc_register(&pw_device);
}
module_init(pw_init);

static void __exit pw_exit(void)
{
	misc_deregister(&pw_device);
}
module_exit(pw_exit);

MODULE_DESCRIPTION("Page tables under the kernel's own locks, for the pagewalk tool");
MODULE_AUTHOR("The Pagewalk authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
