// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/pagetable of ko5204: where two of the kernel's allocators put memory, page by page as a walk of the kernel's tables
 * finds it; answer.h has what all such files do.
 *
 *	vmalloc [SIZE]
 *	kmalloc [SIZE]
 *
 * SIZE is in bytes, or with K or M behind it in KiB or MiB; without one it is 1M. The memory is zeroed, used for nothing, and
 * the descriptor's until its next command that gets any, or until it is closed: so long the answer is true.
 *
 * Errnos besides: ERANGE not from 1 byte to 64M (vmalloc) or 4M (kmalloc), ENOMEM the allocator has none, or all that
 * such descriptors and /dev/pagewalk's hold together would be more than 256M, ENODATA the kernel's root is not known.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "answer.h"
#include "origins.h"

#define USUAL SZ_1M

static const struct kind {
	const char *name, *title;
	u32 kind;
	u64 most;
} kinds[] = {
	{ "vmalloc", "Vmalloc", PAGEWALK_KALLOC_VMALLOC, SZ_64M },
	{ "kmalloc", "Kmalloc", PAGEWALK_KALLOC_KMALLOC, KMALLOC_MAX_SIZE },
};

/* What a descriptor holds. */
struct memory {
	const struct kind *kind;
	u64 bytes;
	void *at;
};

static void memory_free(void *kept)
{
	struct memory *m = kept;

	pw_kmem_free(m->kind->kind, m->bytes, m->at);
	kfree(m);
}

static struct memory *memory_new(const struct kind *kind, u64 bytes)
{
	struct memory *m = kmalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	void *at;

	if (!m)
		return ERR_PTR(-ENOMEM);
	at = pw_kmem_new(kind->kind, bytes);
	if (IS_ERR(at)) {
		kfree(m);
		return at;
	}
	*m = (struct memory){ kind, bytes, at };
	return m;
}

static int add_page(struct answer *a, const char *title, u64 va)
{
	struct pagewalk_kpage page;
	int rc = pw_kpage_at(va, &page);

	if (rc)
		return rc;
	if (page.pa == PAGEWALK_NONE)
		answer_add(a, "%s: VA=0x%016llx -> not mapped\n", title, va);
	else
		answer_add(a, "%s: VA=0x%016llx -> PA=0x%016llx\n", title, va, page.pa);
	return 0;
}

static int describe(struct answer *a, const struct memory *m)
{
	u64 va = (unsigned long)m->at, end = va + m->bytes;
	int rc = 0;

	for (; va < end && !rc && !answer_full(a); va = (va & PAGE_MASK) + PAGE_SIZE) {
		rc = fatal_signal_pending(current) ? -EINTR : add_page(a, m->kind->title, va);
		cond_resched();
	}
	if (rc == -ENODATA)
		return answer_fail(a, rc, "the kernel's tables are not known\n");
	return rc ? answer_fail(a, rc, "%s", "") : 0;
}

static int get_size(char *word, u64 *bytes)
{
	size_t n = strlen(word);
	unsigned int shift = word[n - 1] == 'K' ? 10 : word[n - 1] == 'M' ? 20 : 0;
	int rc;

	if (shift)
		word[n - 1] = 0;
	rc = kstrtou64(word, 10, bytes);
	if (rc)
		return rc;
	if (*bytes > ~0ULL >> shift)
		return -ERANGE;
	*bytes <<= shift;
	return 0;
}

static const struct kind *find_kind(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static int pagetable_run(char *words[ANSWER_WORDS], struct answer *a, void **kept)
{
	const struct kind *kind = find_kind(words[0]);
	u64 bytes = USUAL;
	struct memory *m;
	int rc = 0;

	if (!kind || words[2])
		return -EINVAL;
	if (words[1])
		rc = get_size(words[1], &bytes);
	if (rc)
		return rc;
	if (!bytes || bytes > kind->most)
		return -ERANGE;
	if (*kept)
		memory_free(*kept);
	*kept = NULL;
	m = memory_new(kind, bytes);
	if (IS_ERR(m))
		return answer_fail(a, PTR_ERR(m), "%s: %llu bytes cannot be had\n", kind->title, bytes);
	*kept = m;
	return describe(a, m);
}

static struct answer_file pagetable = { .name = "pagetable", .run = pagetable_run, .forget = memory_free };

int pagetable_start(void)
{
	return answer_file_start(&pagetable);
}

void pagetable_stop(void)
{
	answer_file_stop(&pagetable);
}
