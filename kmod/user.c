// SPDX-License-Identifier: GPL-2.0-only
/* READ_USER and WRITE_USER: memory of a process by its own addresses, as the process would use it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "local.h"

#define MAX_LEN   (16ULL << 20)
#define WHOLE     (64u << 10)             /* up to here all or nothing */
#define MAX_PAGES (WHOLE / PAGE_SIZE + 1) /* that so many bytes can touch */

/* Copies between the pages that begin at va's and a buffer. */
static void copy_pages(struct page **pages, u64 va, u8 *buf, unsigned int len, bool write)
{
	unsigned int at, part;

	for (at = 0; at < len; at += part, pages++) {
		unsigned int in = (va + at) & ~PAGE_MASK;
		u8 *page = page_address(*pages); /* there is no high memory where there are 64 bits */

		part = min_t(unsigned int, len - at, PAGE_SIZE - in);
		if (write)
			memcpy(page + in, buf + at, part);
		else
			memcpy(buf + at, page + in, part);
	}
}

/* Pins all pages first; for writing, that breaks copy-on-write and refuses what may not be written. */
int pw_user_copy(struct mm_struct *mm, u64 va, u8 *buf, unsigned int len, unsigned int gup_flags)
{
	unsigned int n = ((va + len - 1) >> PAGE_SHIFT) - (va >> PAGE_SHIFT) + 1;
	bool write = gup_flags & FOLL_WRITE;
	struct page *pages[MAX_PAGES];
	int locked = 1, rc = 0;
	long got;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	got = compat_pin_pages(mm, va & PAGE_MASK, n, gup_flags, pages, &locked);
	if (locked)
		mmap_read_unlock(mm);
	if (got == n)
		copy_pages(pages, va, buf, len, write);
	else
		rc = fatal_signal_pending(current) ? -EINTR : -EFAULT;
	if (got > 0)
		unpin_user_pages_dirty_lock(pages, got, write && !rc);
	return rc;
}
EXPORT_SYMBOL_GPL(pw_user_copy);

/* One part of at most WHOLE bytes. */
static int copy_part(struct mm_struct *mm, const struct pagewalk_user *u, u8 *buf, unsigned int len,
		     unsigned int gup_flags)
{
	void __user *ubuf = u64_to_user_ptr(u->buf + u->done);
	bool write = gup_flags & FOLL_WRITE;
	int rc;

	if (write && copy_from_user(buf, ubuf, len))
		return -EFAULT;
	/* A part of its own: whoever has exited meanwhile has no memory any more. */
	if (!mmget_not_zero(mm))
		return -ESRCH;
	rc = pw_user_copy(mm, u->va + u->done, buf, len, gup_flags);
	mmput(mm);
	if (!rc && !write && copy_to_user(ubuf, buf, len))
		return -EFAULT;
	return rc;
}

static int transfer(struct mm_struct *mm, struct pagewalk_user *u, unsigned int gup_flags)
{
	u8 *buf = kvmalloc(min_t(u64, u->len, WHOLE), GFP_KERNEL);
	int rc = 0;

	if (!buf)
		return -ENOMEM;
	while (u->done < u->len && !rc) {
		/* To the next boundary, so that a part touches no more pages than it needs. */
		unsigned int part = min_t(u64, u->len - u->done, WHOLE);

		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		rc = copy_part(mm, u, buf, part, gup_flags);
		if (!rc)
			u->done += part;
		cond_resched();
	}
	kvfree(buf);
	/* Of what is longer than a part, the beginning counts. */
	return u->done && rc != -EINTR ? 0 : rc;
}

static int user(struct pagewalk_user *u, unsigned int gup_flags)
{
	struct mm_struct *mm;
	int rc;

	u->done = 0;
	if ((u->flags & ~PAGEWALK_USER_FORCE) || u->reserved || !u->len || u->len > MAX_LEN)
		return -EINVAL;
	if (u->va + u->len < u->va || u->va + u->len > TASK_SIZE_MAX)
		return -EFAULT;
	if (u->flags & PAGEWALK_USER_FORCE)
		gup_flags |= FOLL_FORCE;
	mm = pw_mm_of_pid(u->pid);
	if (!mm)
		return -ESRCH;
	rc = transfer(mm, u, gup_flags);
	mmdrop(mm);
	return rc;
}

void pw_user_log(u32 pid, u64 va, u64 done, u64 len)
{
	pr_info("pid %d (%s) wrote %llu of %llu bytes at %#llx of pid %u\n", task_tgid_nr(current), current->comm, done,
		len, va, pid);
}
EXPORT_SYMBOL_GPL(pw_user_log);

int pw_read_user(struct pw_file *f, void *arg)
{
	return user(arg, 0);
}

int pw_write_user(struct pw_file *f, void *arg)
{
	struct pagewalk_user *u = arg;
	int rc = user(u, FOLL_WRITE);

	if (rc != -EINVAL && rc != -ESRCH)
		pw_user_log(u->pid, u->va, u->done, u->len);
	return rc;
}
