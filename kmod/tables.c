// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying one table while it cannot become something else; and READ_TABLES, which does that for a list.
 *
 * A table of a process's user half is stable while all of this holds:
 *
 *   mm_users        exit_mmap() has not begun
 *   mmap_lock       is held for reading and a VMA reaches into the span of the table: munmap() frees a
 *                   table only if no VMA is left in its span. A table without one may be in the hands of a
 *                   munmap() that went on with the lock downgraded; then the lock is taken for writing,
 *                   once, which waits for that.
 *   rcu_read_lock   who frees a table without mmap_lock held for writing (khugepaged, and MADV_DONTNEED
 *                   where the kernel reclaims empty tables) does so after a grace period
 *   i_mmap_rwsem    for hugetlb files: tables that several processes share are unshared under it
 *   its own lock    what is written into it; taken after the entries above were read, which are read
 *                   again with it held: who unhooks the table has to take it first
 *
 * That is what the kernel's own pte_offset_map_lock() relies on. Nothing is believed of the addresses:
 * they come from the caller, must be RAM, must follow from one another and from the pgd of that mm, and
 * are read by a copy that cannot fault.
 *
 * Other tables (kernel half, roots given by address) have no lock. Interrupts are off from the first
 * look at the entries above to the last, nearest last: a table is freed only after all CPUs were
 * interrupted to drop their translations, or after a grace period.
 */
#include <linux/fs.h>
#include <linux/hugetlb_inline.h>
#include <linux/irqflags.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "local.h"

#define MAX_REQS 1024

static bool link_holds(const struct pagewalk_link *link)
{
	u64 now;

	if (pw_ram_read(link->pa, &now, sizeof(now)))
		return false;
	return !((now ^ link->expect) & ~(link->ignore & arch_volatile()));
}

/* From the root down, so that each address comes from an entry that was just seen. */
static bool links_hold(const struct pagewalk_table_req *req)
{
	unsigned int i;

	for (i = req->nlinks; i > 0; i--)
		if (!link_holds(&req->link[i - 1]))
			return false;
	return true;
}

static bool links_still_hold(const struct pagewalk_table_req *req)
{
	unsigned int i;

	for (i = 0; i < req->nlinks; i++)
		if (!link_holds(&req->link[i]))
			return false;
	return true;
}

static int copy_between_looks(const struct pagewalk_table_req *req, void *to)
{
	unsigned long flags;
	int rc = -EAGAIN;

	local_irq_save(flags);
	if (links_hold(req)) {
		rc = pw_ram_read(req->pa, to, req->bytes);
		if (!links_still_hold(req))
			rc = -EAGAIN;
	}
	local_irq_restore(flags);
	return rc;
}

/* The address that a request's table serves, if it hangs in mm's tree as its links say. */
static int span_of(const struct mm_struct *mm, const struct pagewalk_table_req *req, u64 *va)
{
	u64 root = arch_root(mm), user_root = arch_user_root(root);
	u64 top = (req->nlinks ? req->link[req->nlinks - 1].pa : req->pa) & PAGE_MASK;
	unsigned int i, depth = 0;
	u64 at = 0, pa, below;

	if ((top != root && top != user_root) || req->nlinks >= arch_levels())
		return -EINVAL;
	for (i = req->nlinks; i > 0; i--, depth++) {
		const struct pagewalk_link *link = &req->link[i - 1];

		below = i > 1 ? req->link[i - 2].pa : req->pa;
		if (!arch_is_table(depth, link->expect, &pa) || pa != (below & PAGE_MASK))
			return -EINVAL;
		at |= (link->pa & ~PAGE_MASK) / sizeof(u64) << arch_shift(depth);
	}
	*va = arch_canonical(at);
	return 0;
}

/* The lock of a table; entry: the one that points to it. */
static spinlock_t *lock_of(struct mm_struct *mm, unsigned int level, u64 entry, u64 pa)
{
	pmd_t pmd = __pmd(entry);

	if (level == PAGEWALK_LEVEL_PTE)
		return pte_lockptr(mm, &pmd);
	if (level == PAGEWALK_LEVEL_PMD)
		return pmd_lockptr(mm, __va(pa & PAGE_MASK));
	return &mm->page_table_lock;
}

#ifdef PAGEWALK_CHECK
/*
 * A build for tests: looks a second time with the lock still held, and counts what has changed besides the
 * bits that hardware sets. Entries above the lowest level that went to 0 count apart: munmap() that goes on
 * with mmap_lock downgraded clears those without the lock, outside any VMA.
 */
#include <linux/moduleparam.h>

static ulong check_copies, check_changed, check_cleared;
module_param(check_copies, ulong, 0444);
module_param(check_changed, ulong, 0444);
module_param(check_cleared, ulong, 0444);

static void check_copy(const struct pagewalk_table_req *req, unsigned int level, const u64 *copy)
{
	unsigned int i;
	u64 now;

	WRITE_ONCE(check_copies, check_copies + 1);
	for (i = 0; i < req->bytes / sizeof(now); i++) {
		if (pw_ram_read(req->pa + i * sizeof(now), &now, sizeof(now)) || !((now ^ copy[i]) & ~arch_volatile()))
			continue;
		if (!now && level != PAGEWALK_LEVEL_PTE)
			WRITE_ONCE(check_cleared, check_cleared + 1);
		else
			WRITE_ONCE(check_changed, check_changed + 1);
	}
}
#else
static void check_copy(const struct pagewalk_table_req *req, unsigned int level, const u64 *copy)
{
}
#endif

static int copy_with_lock(struct mm_struct *mm, const struct pagewalk_table_req *req, void *to)
{
	unsigned int level = arch_level(req->nlinks);
	int rc = -EAGAIN;
	spinlock_t *ptl;

	rcu_read_lock();
	if (!links_hold(req))
		goto out;
	ptl = lock_of(mm, level, req->nlinks ? req->link[0].expect : 0, req->pa);
	spin_lock(ptl);
	if (links_still_hold(req))
		rc = pw_ram_read(req->pa, to, req->bytes);
	if (!rc)
		check_copy(req, level, to);
	spin_unlock(ptl);
out:
	rcu_read_unlock();
	return rc;
}

/* A VMA in the span of a table, or NULL. */
static struct vm_area_struct *vma_in_span(struct mm_struct *mm, u64 va, unsigned int nlinks)
{
	u64 last = va + (1ULL << arch_shift(nlinks - 1)) - 1;
	struct vm_area_struct *vma = find_vma(mm, va);

	return vma && vma->vm_start <= last ? vma : NULL;
}

static int copy_of_process(struct mm_struct *mm, struct pagewalk_table_req *req, void *to, bool settled)
{
	struct address_space *shared = NULL;
	struct vm_area_struct *vma = NULL;
	u64 va;
	int rc = span_of(mm, req, &va);

	if (rc)
		return rc;
	if (!arch_is_user(va))
		return copy_between_looks(req, to);
	if (req->nlinks) {
		vma = vma_in_span(mm, va, req->nlinks);
		if (!vma && !settled)
			return -ELOOP;
	}
	if (vma && is_vm_hugetlb_page(vma))
		shared = vma->vm_file->f_mapping;
	if (shared)
		i_mmap_lock_read(shared);
	rc = copy_with_lock(mm, req, to);
	if (shared)
		i_mmap_unlock_read(shared);
	if (!rc)
		req->flags = PAGEWALK_TABLE_LOCKED;
	return rc;
}

void pw_table_copy(struct mm_struct *mm, struct pagewalk_table_req *req, void *to, bool settled)
{
	req->flags = 0;
	if (mm)
		req->status = copy_of_process(mm, req, to, settled);
	else
		req->status = copy_between_looks(req, to);
}

int pw_table_check(struct pw_ram *ram, const struct pagewalk_table_req *req)
{
	unsigned int i;

	if (req->pa % 8 || !req->bytes || req->bytes % 8 || req->bytes > PW_TABLE_BYTES ||
	    (req->pa & ~PAGE_MASK) + req->bytes > PW_TABLE_BYTES || req->nlinks > ARRAY_SIZE(req->link))
		return -EINVAL;
	for (i = 0; i < req->nlinks; i++)
		if (req->link[i].pa % 8)
			return -EINVAL;
	if (!pw_ram_has(ram, req->pa, req->bytes))
		return -ENXIO;
	for (i = 0; i < req->nlinks; i++)
		if (!pw_ram_has(ram, req->link[i].pa, 8))
			return -ENXIO;
	return 0;
}

/* -------- READ_TABLES -------- */

struct batch {
	struct pagewalk_table_req req[PW_BATCH];
	u8 page[PW_BATCH][PW_TABLE_BYTES];
};

/* Those whose addresses were found good have status 0 so far; `settled`: those of -ELOOP. */
static void copy_all(struct mm_struct *mm, struct batch *b, unsigned int n, bool settled)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (b->req[i].status == (settled ? -ELOOP : 0))
			pw_table_copy(mm, &b->req[i], b->page[i], settled);
}

static bool any_unsettled(const struct batch *b, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (b->req[i].status == -ELOOP)
			return true;
	return false;
}

static int copy_all_of_process(struct mm_struct *mm, struct batch *b, unsigned int n)
{
	int rc = 0;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	if (mmap_read_lock_killable(mm)) {
		rc = -EINTR;
		goto out;
	}
	copy_all(mm, b, n, false);
	mmap_read_unlock(mm);
	if (!any_unsettled(b, n))
		goto out;
	if (mmap_write_lock_killable(mm)) {
		rc = -EINTR;
		goto out;
	}
	copy_all(mm, b, n, true);
	mmap_write_unlock(mm);
out:
	mmput(mm);
	return rc;
}

static int give_back(struct pagewalk_table_req __user *ureq, const struct batch *b, unsigned int i)
{
	const struct pagewalk_table_req *req = &b->req[i];

	if (!req->status && copy_to_user(u64_to_user_ptr(req->buf), b->page[i], req->bytes))
		return -EFAULT;
	if (put_user(req->status, &ureq->status) || put_user(req->flags, &ureq->flags))
		return -EFAULT;
	return 0;
}

static int read_batch(struct mm_struct *mm, struct pagewalk_table_req __user *ureq, struct batch *b, unsigned int n)
{
	struct pw_ram ram = {};
	unsigned int i;
	int rc = 0;

	if (copy_from_user(b->req, ureq, n * sizeof(*ureq)))
		return -EFAULT;
	for (i = 0; i < n; i++) {
		b->req[i].flags = 0;
		b->req[i].status = pw_table_check(&ram, &b->req[i]);
	}
	if (mm)
		rc = copy_all_of_process(mm, b, n);
	else
		copy_all(NULL, b, n, false);
	for (i = 0; i < n && !rc; i++)
		rc = give_back(ureq + i, b, i);
	return rc;
}

int pw_read_tables(struct pw_file *f, void *arg)
{
	struct pagewalk_read_tables *r = arg;
	struct pagewalk_table_req __user *ureq = u64_to_user_ptr(r->reqs);
	struct mm_struct *mm = NULL;
	struct batch *b = NULL;
	unsigned int at, n;
	int rc = 0;

	if (r->flags || !r->count || r->count > MAX_REQS || r->req_size != sizeof(*ureq))
		return -EINVAL;
	if (r->pin) {
		mm = pw_pin_get(f, r->pin);
		if (!mm)
			return -ESTALE;
	}
	b = kvmalloc(sizeof(*b), GFP_KERNEL);
	if (!b) {
		rc = -ENOMEM;
		goto out;
	}
	for (at = 0; at < r->count && !rc; at += n) {
		n = min_t(unsigned int, r->count - at, PW_BATCH);
		rc = fatal_signal_pending(current) ? -EINTR : read_batch(mm, ureq + at, b, n);
		cond_resched();
	}
out:
	kvfree(b);
	if (mm)
		mmdrop(mm);
	return rc;
}
