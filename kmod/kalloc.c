// SPDX-License-Identifier: GPL-2.0-only
/* KALLOC: memory of the kernel's allocators, to see where they put it. */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "arch.h"
#include "compat.h"
#include "local.h"

#define MAX_FILE   (64ULL << 20)
#define MAX_ALL    (256LL << 20)
#define MAX_PERCPU PCPU_MIN_UNIT_SIZE
#define GFP        (GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_NORETRY)

struct alloc {
	struct list_head list;
	u32 id, kind;
	u64 bytes;
	void *at;
	void __percpu *percpu;
};

static atomic64_t all_bytes;

/* -------- allocating -------- */

static bool valid(u32 kind, u64 bytes)
{
	switch (kind) {
	case PAGEWALK_KALLOC_KMALLOC:
		return bytes <= KMALLOC_MAX_SIZE;
	case PAGEWALK_KALLOC_VMALLOC:
	case PAGEWALK_KALLOC_VMALLOC_HUGE:
		return bytes <= MAX_FILE;
	case PAGEWALK_KALLOC_PAGES:
		return bytes >= PAGE_SIZE && bytes <= KMALLOC_MAX_SIZE && !(bytes & (bytes - 1));
	case PAGEWALK_KALLOC_PERCPU:
		return bytes <= MAX_PERCPU;
	}
	return false;
}

/* What an allocation takes of the bound. */
static u64 cost(const struct alloc *a)
{
	return PAGE_ALIGN(a->bytes) * (a->kind == PAGEWALK_KALLOC_PERCPU ? num_possible_cpus() : 1);
}

static void get_memory(struct alloc *a)
{
	switch (a->kind) {
	case PAGEWALK_KALLOC_KMALLOC:
		a->at = kmalloc(a->bytes, GFP);
		break;
	case PAGEWALK_KALLOC_VMALLOC:
		a->at = __vmalloc(a->bytes, GFP);
		break;
	case PAGEWALK_KALLOC_VMALLOC_HUGE:
		a->at = compat_vmalloc_huge(a->bytes, GFP);
		break;
	case PAGEWALK_KALLOC_PAGES:
		a->at = (void *)__get_free_pages(GFP, get_order(a->bytes));
		break;
	case PAGEWALK_KALLOC_PERCPU:
		a->percpu = __alloc_percpu_gfp(a->bytes, sizeof(u64), GFP_KERNEL | __GFP_NOWARN);
		break;
	}
}

static void put_memory(struct alloc *a)
{
	switch (a->kind) {
	case PAGEWALK_KALLOC_KMALLOC:
		kfree(a->at);
		break;
	case PAGEWALK_KALLOC_VMALLOC:
	case PAGEWALK_KALLOC_VMALLOC_HUGE:
		vfree(a->at);
		break;
	case PAGEWALK_KALLOC_PAGES:
		free_pages((unsigned long)a->at, get_order(a->bytes));
		break;
	case PAGEWALK_KALLOC_PERCPU:
		free_percpu(a->percpu);
		break;
	}
}

static bool reserve(const struct alloc *a)
{
	if (atomic64_add_return(cost(a), &all_bytes) <= MAX_ALL)
		return true;
	atomic64_sub(cost(a), &all_bytes);
	return false;
}

static void unreserve(const struct alloc *a)
{
	atomic64_sub(cost(a), &all_bytes);
}

static void release(struct pw_file *f, struct alloc *a)
{
	list_del(&a->list);
	f->alloc_bytes -= cost(a);
	unreserve(a);
	put_memory(a);
	kfree(a);
}

static struct alloc *find(struct pw_file *f, u32 id)
{
	struct alloc *a;

	list_for_each_entry(a, &f->allocs, list) if (a->id == id) return a;
	return NULL;
}

static unsigned int pages_of_one(const struct alloc *a)
{
	unsigned long at = (unsigned long)a->at;

	/* per-cpu copies of one allocation are all alike within their pages */
	if (a->kind == PAGEWALK_KALLOC_PERCPU)
		at = (unsigned long)per_cpu_ptr(a->percpu, cpumask_first(cpu_possible_mask));
	return (PAGE_ALIGN(at + a->bytes) - (at & PAGE_MASK)) >> PAGE_SHIFT;
}

static unsigned int total_pages(const struct alloc *a)
{
	return pages_of_one(a) * (a->kind == PAGEWALK_KALLOC_PERCPU ? num_possible_cpus() : 1);
}

static void tell(const struct alloc *a, struct pagewalk_kalloc *k)
{
	k->kind = a->kind;
	k->bytes = a->bytes;
	k->id = a->id;
	k->total = total_pages(a);
	if (a->kind == PAGEWALK_KALLOC_PERCPU)
		k->va = (u64)(unsigned long)per_cpu_ptr(a->percpu, cpumask_first(cpu_possible_mask));
	else
		k->va = (u64)(unsigned long)a->at;
}

/* Takes its part of both bounds; the descriptor's lock is held. */
static bool reserve_of_file(struct pw_file *f, const struct alloc *a)
{
	if (f->alloc_bytes + cost(a) > MAX_FILE || !reserve(a))
		return false;
	f->alloc_bytes += cost(a);
	return true;
}

static int allocate(struct pw_file *f, struct pagewalk_kalloc *k)
{
	struct alloc *a;

	if (k->id || !k->bytes || !valid(k->kind, k->bytes))
		return -EINVAL;
	if (k->kind == PAGEWALK_KALLOC_VMALLOC_HUGE && !compat_has_vmalloc_huge())
		return -EOPNOTSUPP;
	if (f->last_alloc == U32_MAX)
		return -ENOMEM;
	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;
	a->kind = k->kind;
	a->bytes = k->bytes;
	a->id = f->last_alloc + 1;
	INIT_LIST_HEAD(&a->list);
	if (!reserve_of_file(f, a)) {
		kfree(a);
		return -ENOMEM;
	}
	get_memory(a);
	list_add_tail(&a->list, &f->allocs);
	if (!a->at && !a->percpu) {
		release(f, a);
		return -ENOMEM;
	}
	f->last_alloc = a->id;
	tell(a, k);
	return 0;
}

/* -------- for other modules -------- */

void *pw_kmem_new(u32 kind, u64 bytes)
{
	struct alloc a = { .kind = kind, .bytes = bytes };

	if (kind == PAGEWALK_KALLOC_PERCPU || !bytes || !valid(kind, bytes))
		return ERR_PTR(-EINVAL);
	if (!reserve(&a))
		return ERR_PTR(-ENOMEM);
	get_memory(&a);
	if (!a.at)
		unreserve(&a);
	return a.at ? a.at : ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(pw_kmem_new);

void pw_kmem_free(u32 kind, u64 bytes, void *at)
{
	struct alloc a = { .kind = kind, .bytes = bytes, .at = at };

	unreserve(&a);
	put_memory(&a);
}
EXPORT_SYMBOL_GPL(pw_kmem_free);

/* -------- describing -------- */

/* Walks the kernel's tables, which nothing holds still but that the memory is in use. */
static int walk_to(u64 va, struct pagewalk_kpage *out)
{
	u64 table = arch_kernel_root(), entry, pa;
	struct pw_ram ram = {};
	unsigned int depth;

	if (table == PAGEWALK_NONE)
		return -ENODATA;
	for (depth = 0; depth < arch_levels(); depth++) {
		u64 slot = table + (va >> arch_shift(depth) & 511) * sizeof(entry);

		if (!pw_ram_has(&ram, slot, sizeof(entry)) || pw_ram_read(slot, &entry, sizeof(entry)))
			break;
		out->entry = entry;
		out->level = arch_level(depth);
		if (arch_is_leaf(depth, entry, &pa)) {
			out->pa = pa + (va & ((1ULL << arch_shift(depth)) - 1));
			break;
		}
		if (!arch_is_table(depth, entry, &table))
			break;
	}
	return 0;
}

static u64 api_pa(void *at)
{
	struct page *page;

	if (virt_addr_valid(at))
		return virt_to_phys(at);
	if (!is_vmalloc_addr(at))
		return PAGEWALK_NONE;
	page = vmalloc_to_page(at);
	return page ? page_to_phys(page) + offset_in_page(at) : PAGEWALK_NONE;
}

int pw_kpage_at(u64 va, struct pagewalk_kpage *out)
{
	*out = (struct pagewalk_kpage){ .va = va, .pa = PAGEWALK_NONE };
	out->api_pa = api_pa((void *)(unsigned long)va);
	return walk_to(va, out);
}
EXPORT_SYMBOL_GPL(pw_kpage_at);

/* Page n of all, counted through the CPUs' copies. */
static int describe_page(const struct alloc *a, unsigned int n, struct pagewalk_kpage *out)
{
	unsigned int each = pages_of_one(a), skip = n / each, cpu = 0;
	void *at = a->at;
	u64 va;
	int rc;

	if (a->kind == PAGEWALK_KALLOC_PERCPU) {
		for_each_possible_cpu(cpu) if (!skip--) break;
		at = per_cpu_ptr(a->percpu, cpu);
	}
	va = (unsigned long)at;
	if (n % each)
		va = (va & PAGE_MASK) + (u64)(n % each) * PAGE_SIZE;
	rc = pw_kpage_at(va, out);
	out->cpu = cpu;
	return rc;
}

static int describe(const struct alloc *a, struct pagewalk_kalloc *k)
{
	struct pagewalk_kpage __user *upages = u64_to_user_ptr(k->pages);
	struct pagewalk_kpage page;
	unsigned int total = total_pages(a), n;
	int rc;

	tell(a, k);
	k->count = 0;
	for (n = k->first; n < total && k->count < k->room; n++, k->count++) {
		rc = describe_page(a, n, &page);
		if (rc)
			return rc;
		if (copy_to_user(upages + k->count, &page, sizeof(page)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/* -------- the call -------- */

static int with_alloc(struct pw_file *f, struct pagewalk_kalloc *k)
{
	struct alloc *a = find(f, k->id);

	if (!a)
		return -ENOENT;
	if (k->op == PAGEWALK_KALLOC_DESCRIBE)
		return describe(a, k);
	tell(a, k);
	release(f, a);
	return 0;
}

int pw_kalloc(struct pw_file *f, void *arg)
{
	struct pagewalk_kalloc *k = arg;
	int rc = -EINVAL;

	if (k->flags || k->reserved)
		return -EINVAL;
	if (mutex_lock_killable(&f->lock))
		return -EINTR;
	if (k->op == PAGEWALK_KALLOC_ALLOC)
		rc = allocate(f, k);
	else if (k->op == PAGEWALK_KALLOC_DESCRIBE || k->op == PAGEWALK_KALLOC_FREE)
		rc = with_alloc(f, k);
	mutex_unlock(&f->lock);
	return rc;
}

void pw_kalloc_free_all(struct pw_file *f)
{
	struct alloc *a, *next;

	list_for_each_entry_safe(a, next, &f->allocs, list) release(f, a);
}
