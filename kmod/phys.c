// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ_PHYS and WRITE_PHYS. RAM is reached through the direct map, by copies that end with an error
 * where the kernel has no right to read or write: nothing is remapped and no protection is lifted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "local.h"
#include "nofault.h"

#define MAX_RAM  (1ULL << 20)
#define MAX_MMIO 4096ULL

/* -------- devices, by one access of a width -------- */

static void mmio_get(void *to, const void __iomem *from, unsigned int width)
{
	switch (width) {
	case 1:
		*(u8 *)to = readb(from);
		break;
	case 2:
		*(u16 *)to = readw(from);
		break;
	case 4:
		*(u32 *)to = readl(from);
		break;
	default:
		*(u64 *)to = readq(from);
	}
}

static void mmio_put(void __iomem *to, const void *from, unsigned int width)
{
	switch (width) {
	case 1:
		writeb(*(const u8 *)from, to);
		break;
	case 2:
		writew(*(const u16 *)from, to);
		break;
	case 4:
		writel(*(const u32 *)from, to);
		break;
	default:
		writeq(*(const u64 *)from, to);
	}
}

/* -------- RAM, by page -------- */

static int ram_page(const struct pagewalk_phys *p, u64 pa, u8 *buf, unsigned int len, bool write)
{
	unsigned int at, width;
	int rc = 0;

	if (!write && !p->width)
		return pw_ram_read(pa, buf, len);
	for (at = 0; at < len && !rc; at += width) {
		width = p->width ?: pw_width(pa + at, len - at);
		rc = write ? pw_put_nofault(__va(pa + at), buf + at, width)
			   : pw_get_nofault(buf + at, __va(pa + at), width);
	}
	return rc;
}

static int ram(struct pagewalk_phys *p, u8 *page, bool write)
{
	struct pw_ram known = {};
	int rc = 0;

	if (!pw_ram_has(&known, p->pa, p->len))
		return -ENXIO;
	while (p->done < p->len && !rc) {
		void __user *ubuf = u64_to_user_ptr(p->buf + p->done);
		u64 pa = p->pa + p->done;
		unsigned int part = min_t(u64, p->len - p->done, PAGE_SIZE - (pa & ~PAGE_MASK));

		if (fatal_signal_pending(current))
			return -EINTR;
		if (write && copy_from_user(page, ubuf, part))
			return -EFAULT;
		rc = ram_page(p, pa, page, part, write);
		if (!rc && !write && copy_to_user(ubuf, page, part))
			return -EFAULT;
		if (!rc)
			p->done += part;
		cond_resched();
	}
	return rc;
}

/* -------- devices -------- */

static int mmio(struct pagewalk_phys *p, u8 *page, bool write)
{
	void __user *ubuf = u64_to_user_ptr(p->buf);
	void __iomem *at;
	int rc = 0;

	if (p->len > MAX_MMIO || !p->width)
		return -EINVAL;
	if (write && copy_from_user(page, ubuf, p->len))
		return -EFAULT;
	/* ioremap() warns, with a backtrace, of RAM and of addresses that no CPU has. */
	if ((p->pa + p->len - 1) >> arch_phys_bits() || !pw_ram_apart(p->pa, p->len))
		return -ENXIO;
	at = ioremap(p->pa, p->len);
	if (!at)
		return -EBUSY;
	for (; p->done < p->len; p->done += p->width) {
		if (write)
			mmio_put(at + p->done, page + p->done, p->width);
		else
			mmio_get(page + p->done, at + p->done, p->width);
	}
	iounmap(at);
	if (!write && copy_to_user(ubuf, page, p->len))
		rc = -EFAULT;
	return rc;
}

/* -------- the calls -------- */

static int check(const struct pagewalk_phys *p)
{
	if ((p->flags & ~PAGEWALK_PHYS_MMIO) || p->reserved || !p->len || p->len > MAX_RAM ||
	    p->pa + p->len - 1 < p->pa || p->width > 8)
		return -EINVAL;
	if (p->width && (!is_power_of_2(p->width) || p->pa % p->width || p->len % p->width))
		return -EINVAL;
	return 0;
}

static int transfer(struct pagewalk_phys *p, bool write)
{
	void *page = (void *)__get_free_page(GFP_KERNEL);
	int rc;

	if (!page)
		return -ENOMEM;
	rc = p->flags & PAGEWALK_PHYS_MMIO ? mmio(p, page, write) : ram(p, page, write);
	free_page((unsigned long)page);
	return rc;
}

int pw_read_phys(struct pw_file *f, void *arg)
{
	struct pagewalk_phys *p = arg;
	int rc = check(p);

	p->done = 0;
	if (!rc && p->flags & PAGEWALK_PHYS_MMIO)
		rc = pw_may_write();
	return rc ?: transfer(p, false);
}

int pw_write_phys(struct pw_file *f, void *arg)
{
	struct pagewalk_phys *p = arg;
	int rc = check(p);

	p->done = 0;
	if (rc)
		return rc;
	rc = transfer(p, true);
	pr_info("pid %d (%s) wrote %llu of %llu bytes at physical %#llx%s\n", task_tgid_nr(current), current->comm,
		p->done, p->len, p->pa, p->flags & PAGEWALK_PHYS_MMIO ? " (MMIO)" : "");
	return rc;
}
