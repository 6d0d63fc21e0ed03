// SPDX-License-Identifier: LGPL-2.1-or-later
/* What follows for a target from the kernel that was found in its memory, or from there being none. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/foreign.h"

#define VM_SOFTDIRTY UINT64_C(0x08000000) /* 0 in kernels that have no such bit in their page tables */
#define SAMPLE       16                   /* processes that are looked at for evidence */

/* -------- evidence that processes give -------- */

struct evidence {
	struct pw_foreign_os *os;
	bool pti, soft_dirty;
	unsigned n;
};

/* With page-table isolation, entries for user addresses have NX in the root that the kernel runs on. */
static bool root_has_nx(struct pw_foreign_os *os, uint64_t root)
{
	uint64_t word[256];

	if (root == PW_PA_NONE || os->mem.space.source->ops->read(os->mem.space.source, root, word, sizeof(word)))
		return false;
	for (unsigned i = 0; i < 256; i++)
		if (word[i] & 1 && word[i] >> 63)
			return true;
	return false;
}

static int vma_is_soft_dirty(void *ctx, uint64_t vma)
{
	struct evidence *e = ctx;
	uint64_t flags;

	if (pw_kmem_u64(&e->os->mem, vma + e->os->off.vma_flags, &flags) && flags & VM_SOFTDIRTY)
		e->soft_dirty = true;
	return e->soft_dirty;
}

static int look_at_task(void *ctx, const struct pw_foreign_task *task)
{
	struct evidence *e = ctx;
	uint64_t vma;

	if (!task->mm)
		return 0;
	e->pti |= root_has_nx(e->os, pw_foreign_root(e->os, task->mm));
	if (e->os->off.mm_mt != UINT32_MAX)
		pw_foreign_each_vma(e->os, task->mm, vma_is_soft_dirty, e);
	else if (e->os->off.mm_mmap != UINT32_MAX && pw_kmem_u64(&e->os->mem, task->mm + e->os->off.mm_mmap, &vma) &&
		 vma)
		vma_is_soft_dirty(e, vma);
	return ++e->n == SAMPLE;
}

/* -------- the target -------- */

/* The image's parts, by what its pages may, in the order in which they follow one another: text, rodata, what is written. */
static int make_ram(struct pw_foreign_os *os)
{
	static const uint8_t rights[] = { PW_X, 0, PW_W };
	static const enum pw_image_part parts[] = { PW_IMAGE_CODE, PW_IMAGE_RODATA, PW_IMAGE_DATA };
	struct pw_range *part = os->ram.image;
	unsigned next = 0;

	os->ram.v = malloc((os->nranges ? os->nranges : 1) * sizeof(*os->ram.v));
	if (!os->ram.v)
		return -ENOMEM;
	memcpy(os->ram.v, os->ranges, os->nranges * sizeof(*os->ram.v));
	os->ram.n = os->nranges;
	for (int i = 0; i < PW_IMAGE_NPARTS; i++)
		part[i] = (struct pw_range){ 1, 0 };
	for (size_t i = 0; i < os->half.nextents && next < 3; i++) {
		const struct pw_extent *x = &os->half.extent[i];

		if ((x->perm & (PW_W | PW_X)) == rights[next])
			part[parts[next++]] = (struct pw_range){ x->pa, x->pa + x->bytes - 1 };
	}
	return 0;
}

static void fill_mmu(struct pw_target *t, const struct pw_foreign_os *os, uint32_t dialect)
{
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half] = (struct pw_mmu){
			.arch = &pw_arch_x86_64,
			.mode = pw_arch_mode(&pw_arch_x86_64, os->half.depth),
			.half = (enum pw_half)half,
			.maxphyaddr = 52,
			.dialect = dialect,
			.enc_mask = os->k.info.sme_mask,
			.dialect_evidence = os->k.btf.evidence,
			.soft = os->k.btf.soft,
		};
		pw_x86_pat_linux(t->mmu[half].pat);
	}
}

/* By VMCOREINFO, or the third word of "Linux version 6.12.48-amd64 (...". */
static void name_system(struct pw_target *t, const struct pw_foreign_os *os)
{
	const char *line = os->k.info.text ? strstr(os->k.info.text, "OSRELEASE=") : NULL;
	const char *release = line ? line + 10 : os->banner[0] ? os->banner + 14 : NULL;

	if (release)
		snprintf(t->facts.system, sizeof(t->facts.system), "Linux %.*s", (int)strcspn(release, " \n"), release);
	else
		snprintf(t->facts.system, sizeof(t->facts.system), "Linux");
}

static void fill_facts(struct pw_target *t, struct pw_foreign_os *os)
{
	struct pw_extent *text = os->half.extent;

	t->facts.page_offset = os->half.page_offset;
	t->facts.kernel_root = os->half.root;
	t->facts.mode_depth = os->half.depth;
	t->facts.image_offset = PW_PA_NONE;
	if (!os->k.info.text)
		os->k.info.phys_base = text->pa - (text->va - PW_IMAGE_START);
	if (!pw_vmcoreinfo_get(os->k.info.text, "KERNELOFFSET", 16, &t->facts.image_offset))
		t->facts.image_offset = text->va - PW_IMAGE_START - UINT64_C(0x1000000);
	pw_vmcoreinfo_get(os->k.info.text, "SIZE(page)", 10, &t->facts.struct_page);
}

/* What the kernel's half holds: types and tasks, and what follows from them. */
static int learn(struct pw_target *t, struct pw_foreign_os *os)
{
	struct evidence e = { .os = os };
	int rc = pw_foreign_kernel(os, &os->why);

	if (rc)
		return rc;
	pw_foreign_tasks(os, look_at_task, &e);
	t->facts.pti = e.pti;
	os->looked_at = e.n;
	name_system(t, os);
	fill_mmu(t, os, os->k.btf.dialect | (e.soft_dirty ? PW_DIALECT_SOFT_DIRTY : 0));
	return 0;
}

int pw_foreign_know(struct pw_target *t, struct pw_foreign_os *os)
{
	fill_facts(t, os);
	fill_mmu(t, os, 0);
	pw_kmem_init(&os->mem, &t->source, &t->mmu[PW_HALF_KERNEL], os->half.root, os->ranges, os->nranges);
	os->k.mem = &os->mem;
	if (make_ram(os))
		return pw_error_set(&os->why, -ENOMEM, "out of memory");
	os->k.ram = &os->ram;
	os->unlearned = os->lean;
	return os->lean ? 0 : learn(t, os);
}

void pw_foreign_know_levels(struct pw_target *t, struct pw_foreign_os *os, uint64_t root)
{
	os->met = root;
	if (os->opts.paging || !pw_foreign_levels_of(os, root))
		return;
	fill_mmu(t, os, 0);
	t->facts.mode_depth = os->half.depth;
}

void pw_foreign_know_nothing(struct pw_target *t, struct pw_foreign_os *os)
{
	os->half.depth = os->opts.paging ? os->opts.paging : os->hints->depth ? os->hints->depth : 4;
	os->how_mode = os->opts.paging ? "--paging" : os->hints->depth ? "a CPU's CR4" : "a guess";
	fill_mmu(t, os, 0);
	t->facts.page_offset = PW_PA_NONE;
	t->facts.kernel_root = PW_PA_NONE;
	t->facts.image_offset = PW_PA_NONE;
	t->facts.mode_depth = os->half.depth;
	snprintf(t->facts.system, sizeof(t->facts.system), "unknown system");
}

int pw_foreign_need_kernel(struct pw_target *t, struct pw_error *err)
{
	struct pw_foreign_os *os = t->os_priv;

	os->lean = false;
	if (os->unlearned) {
		os->unlearned = false;
		os->why.code = learn(t, os);
	}
	if (os->pending) {
		int rc = os->met && pw_foreign_find_as(os, os->met) ? 0 : pw_foreign_find(os, true, &os->why);

		os->pending = false;
		os->why.code = rc ? rc : pw_foreign_know(t, os);
		if (os->why.code && !os->half.nextents)
			pw_foreign_know_nothing(t, os);
	}
	return os->why.code ? pw_error_set(err, os->why.code, "%s", os->why.text) : 0;
}

void pw_foreign_need_vmcoreinfo(struct pw_target *t)
{
	struct pw_foreign_os *os = t->os_priv;

	pw_foreign_vmcoreinfo(os);
	fill_facts(t, os);
}
