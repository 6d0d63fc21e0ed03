// SPDX-License-Identifier: GPL-2.0-only
/*
 * WALK: the tables of a range, in steps. Between two steps nothing is held but the pin: where to go on
 * is an address and a depth in the caller's hands, and the way down to it is copied anew.
 */
#include <linux/export.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "local.h"
#include "walk.h"

#define MAX_ROOM 4096
#define ATTEMPTS 8
#define MAX_HOLD 64 /* tables looked at in one hold of mmap_lock, recorded or not */

static unsigned int index_of(unsigned int depth, u64 va)
{
	return va >> arch_shift(depth) & 511;
}

/* First and last address that the table at a depth above va serves. */
static u64 first_of(u64 va, unsigned int depth)
{
	return depth ? va & ~((1ULL << arch_shift(depth - 1)) - 1) : 0;
}

static u64 last_of(u64 va, unsigned int depth)
{
	return depth ? va | ((1ULL << arch_shift(depth - 1)) - 1) : ~0ULL;
}

static u64 *slot(struct pw_walk *w, unsigned int depth)
{
	return &w->path[depth].word[index_of(depth, w->va)];
}

static u64 slot_pa(const struct pw_walk *w, unsigned int depth)
{
	return w->path[depth].pa + index_of(depth, w->va) * sizeof(u64);
}

/* The table at a depth above va as a request, by what is in path[]. */
static void request(struct pw_walk *w, unsigned int depth, u64 pa, struct pagewalk_table_req *req)
{
	unsigned int i;

	*req = (struct pagewalk_table_req){ .pa = pa, .bytes = PW_TABLE_BYTES, .nlinks = depth };
	for (i = 0; i < depth; i++)
		req->link[i] = (struct pagewalk_link){
			.pa = slot_pa(w, depth - 1 - i),
			.expect = *slot(w, depth - 1 - i),
			.ignore = arch_volatile(),
		};
}

static void record(struct pw_walk *w, unsigned int depth, const struct pagewalk_table_req *req)
{
	struct pagewalk_table *t = &w->record[w->n];

	*t = (struct pagewalk_table){
		.va = first_of(w->va, depth),
		.pa = req->pa,
		.slot_pa = depth ? req->link[0].pa : PAGEWALK_NONE,
		.entry = depth ? req->link[0].expect : 0,
		.level = arch_level(depth),
		.flags = req->flags,
		.status = req->status,
	};
	if (req->status)
		memset(w->page[w->n], 0, PW_TABLE_BYTES);
	else
		memcpy(w->page[w->n], w->path[depth].word, PW_TABLE_BYTES);
	w->n++;
}

/* On to the address after `last`, keeping what of path[] serves that as well. */
static void move_on(struct pw_walk *w, u64 last)
{
	u64 va = arch_canonical(last + 1);
	unsigned int d;

	if (last >= w->last || va > w->last) {
		w->done = true;
		return;
	}
	for (d = 1; d < w->loaded; d++)
		if (first_of(w->va, d) != first_of(va, d))
			break;
	w->loaded = min(w->loaded, d);
	w->depth = min(w->depth, w->loaded);
	w->va = va;
}

/* Copies the table at depth w->loaded. False: the lock has to be held for writing first. */
static bool load(struct pw_walk *w)
{
	unsigned int depth = w->loaded;
	struct pagewalk_table_req req;
	u64 pa = w->root;

	if (depth)
		arch_is_table(depth - 1, *slot(w, depth - 1), &pa);
	request(w, depth, pa, &req);
	req.status = pw_table_check(&w->ram, &req);
	if (!req.status)
		pw_table_copy(w->mm, &req, w->path[depth].word, w->settled);
	if (req.status == -ELOOP)
		return false;
	if (req.status == -EAGAIN && ++w->failed < ATTEMPTS) {
		w->loaded = 0; /* look again from the root */
		return true;
	}
	if (req.status || depth >= w->depth) {
		if (!w->levels || w->levels & 1 << arch_level(depth))
			record(w, depth, &req);
		w->depth = depth + 1;
		w->failed = 0;
	}
	w->path[depth].pa = pa;
	w->path[depth].child = 0;
	if (depth)
		w->path[depth - 1].child = pa;
	if (!req.status)
		w->loaded = depth + 1;
	else
		move_on(w, last_of(w->va, depth));
	return true;
}

/* Whether tables at a depth have nothing below that is wanted. */
static bool is_lowest(const struct pw_walk *w, unsigned int depth)
{
	return depth + 1 == arch_levels() || arch_level(depth + 1) < w->lowest;
}

/* Whether the entry for va in the lowest loaded table leads further down. */
static bool leads_down(struct pw_walk *w)
{
	unsigned int depth = w->loaded - 1;
	u64 pa;

	if (is_lowest(w, depth) || !arch_is_table(depth, *slot(w, depth), &pa))
		return false;
	return !w->fold || pa != w->path[depth].child;
}

static void next_entry(struct pw_walk *w)
{
	unsigned int depth = w->loaded - 1;

	if (is_lowest(w, depth))
		move_on(w, last_of(w->va, depth));
	else
		move_on(w, w->va | ((1ULL << arch_shift(depth)) - 1));
}

/*
 * Until the stage is full, the range ends, enough was looked at, or the lock has to be held otherwise: that is
 * the return value.
 */
static bool go(struct pw_walk *w)
{
	unsigned int looks = 0;

	while (!w->done && w->n < w->room && looks < MAX_HOLD) {
		if (w->loaded && !leads_down(w)) {
			next_entry(w);
			continue;
		}
		looks++;
		if (!load(w))
			return true;
		if (w->settled)
			return false;
	}
	return false;
}

static int go_with_lock(struct pw_walk *w)
{
	int rc = 0;

	if (!w->mm) {
		go(w);
		return 0;
	}
	if (!mmget_not_zero(w->mm))
		return -ESRCH;
	if (w->settled) {
		rc = mmap_write_lock_killable(w->mm);
		if (!rc) {
			w->settled = go(w);
			mmap_write_unlock(w->mm);
		}
	} else {
		rc = mmap_read_lock_killable(w->mm);
		if (!rc) {
			w->settled = go(w);
			mmap_read_unlock(w->mm);
		}
	}
	mmput(w->mm);
	return rc;
}

u64 pw_walk_root(const struct mm_struct *mm, u64 va)
{
	u64 root = arch_root(mm), user_root = arch_user_root(root);

	return arch_is_user(va) && user_root != PAGEWALK_NONE ? user_root : root;
}
EXPORT_SYMBOL_GPL(pw_walk_root);

struct pw_walk *pw_walk_new(struct mm_struct *mm, u64 root, u64 va, u64 last, unsigned int levels)
{
	struct pw_walk *w = kvmalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return NULL;
	memset(w, 0, offsetof(struct pw_walk, record));
	w->mm = mm;
	w->root = root;
	w->va = va;
	w->last = last;
	w->levels = levels;
	w->lowest = levels ? __ffs(levels) : 0;
	return w;
}
EXPORT_SYMBOL_GPL(pw_walk_new);

int pw_walk_step(struct pw_walk *w, unsigned int room)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	w->n = 0;
	w->room = room;
	return go_with_lock(w);
}
EXPORT_SYMBOL_GPL(pw_walk_step);

void pw_walk_free(struct pw_walk *w)
{
	kvfree(w);
}
EXPORT_SYMBOL_GPL(pw_walk_free);

/* -------- the call -------- */

static int give_back(const struct pw_walk *w, const struct pagewalk_walk *arg)
{
	u64 at = arg->count;

	if (copy_to_user(u64_to_user_ptr(arg->tables + at * sizeof(w->record[0])), w->record,
			 w->n * sizeof(w->record[0])) ||
	    copy_to_user(u64_to_user_ptr(arg->pages + at * PW_TABLE_BYTES), w->page, w->n * PW_TABLE_BYTES))
		return -EFAULT;
	return 0;
}

/* Stage after stage into the caller's room; *arg says how far that came. */
static int fill(struct pw_walk *w, struct pagewalk_walk *arg)
{
	int rc = 0;

	while (!w->done && arg->count < arg->room) {
		rc = pw_walk_step(w, min_t(unsigned int, PW_BATCH, arg->room - arg->count));
		if (!rc)
			rc = give_back(w, arg);
		if (rc)
			return rc;
		arg->count += w->n;
		arg->va = w->va;
		arg->depth = w->depth;
		cond_resched();
	}
	arg->done = w->done;
	return 0;
}

/* Whose tables: the mm by mmgrab in *mm, NULL for the kernel's root. */
static int whose(struct pw_file *f, struct pagewalk_walk *arg, struct mm_struct **mm, u64 *root)
{
	*mm = NULL;
	if (!arg->pin && !arg->pid) {
		*root = arch_kernel_root();
		return *root == PAGEWALK_NONE ? -ENODATA : 0;
	}
	*mm = arg->pin ? pw_pin_get(f, arg->pin) : pw_mm_of_pid(arg->pid);
	if (!*mm)
		return arg->pin ? -ESTALE : -ESRCH;
	if (!arg->pin)
		arg->pin = pw_pin_add(f, *mm);
	*root = pw_walk_root(*mm, arg->va);
	return 0;
}

int pw_walk(struct pw_file *f, void *varg)
{
	struct pagewalk_walk *arg = varg;
	struct mm_struct *mm;
	struct pw_walk *w;
	u64 root;
	int rc;

	if (arg->flags || arg->levels >> PW_DEPTH || !arg->room || arg->room > MAX_ROOM || arg->va > arg->last ||
	    arch_canonical(arg->va) != arg->va || arg->depth > arch_levels())
		return -EINVAL;
	/* A range in both halves would have two roots with PTI. */
	if (arch_is_user(arg->va) != arch_is_user(arg->last) && (arg->pin || arg->pid))
		return -EINVAL;
	arg->count = 0;
	arg->done = 0;
	rc = whose(f, arg, &mm, &root);
	if (rc)
		return rc;
	w = pw_walk_new(mm, root, arg->va, arg->last, arg->levels);
	if (w)
		w->depth = arg->depth;
	rc = w ? fill(w, arg) : -ENOMEM;
	pw_walk_free(w);
	if (mm)
		mmdrop(mm);
	return rc;
}
