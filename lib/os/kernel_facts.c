// SPDX-License-Identifier: LGPL-2.1-or-later
/* The mmu and the roots of the running kernel, each from evidence, cross-checked where two tell it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "os/kernel.h"
#include "source/live.h"
#include "source/system.h"

#define MSR_PAT 0x277

/* -------- what needs no privilege -------- */

static const char *cpu_line(const char *cpuinfo, const char *key)
{
	const char *line = cpuinfo ? strstr(cpuinfo, key) : NULL;

	return line ? strchr(line, ':') : NULL;
}

bool pw_cpu_flag(const char *cpuinfo, const char *flag)
{
	const char *at = cpu_line(cpuinfo, "\nflags\t");
	size_t len = strlen(flag);

	if (!at)
		return false;
	for (at++; *at == ' ';) {
		at++;
		if (!strncmp(at, flag, len) && (at[len] == ' ' || at[len] == '\n'))
			return true;
		at += strcspn(at, " \n");
	}
	return false;
}

static unsigned cpu_maxphyaddr(const char *cpuinfo)
{
	const char *at = cpu_line(cpuinfo, "\naddress sizes\t");
	unsigned bits;

	return at && sscanf(at, ": %u bits physical", &bits) == 1 && bits >= 32 && bits <= 52 ? bits : 52;
}

static void read_pat(uint8_t pat[8])
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	uint64_t msr;

	pw_x86_pat_linux(pat);
	if (fd < 0)
		return;
	if (!pw_system_pread(fd, &msr, sizeof(msr), MSR_PAT))
		pw_x86_pat_from_msr(msr, pat);
	close(fd);
}

static void read_system(struct pw_facts *facts)
{
	struct utsname u;

	if (!uname(&u))
		snprintf(facts->system, sizeof(facts->system), "%.15s %.70s", u.sysname, u.release);
}

static void init_facts(struct pw_facts *facts)
{
	read_system(facts);
	facts->page_offset = PW_PA_NONE;
	facts->kernel_root = PW_PA_NONE;
	facts->image_offset = PW_PA_NONE;
}

static void facts_of_vmcoreinfo(struct pw_facts *facts, const struct pw_kernel *k)
{
	pw_vmcoreinfo_get(k->info.text, "KERNELOFFSET", 16, &facts->image_offset);
	pw_vmcoreinfo_get(k->info.text, "SIZE(page)", 10, &facts->struct_page);
}

void pw_kernel_facts_leaves(struct pw_target *t)
{
	init_facts(&t->facts);
	t->facts.mode_depth = 1;
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++)
		t->mmu[half] = (struct pw_mmu){
			.arch = &pw_arch_pagemap,
			.mode = &pw_arch_pagemap.modes[0],
			.half = (enum pw_half)half,
			.maxphyaddr = 52,
		};
}

/* -------- a look at a page of our own -------- */

/*
 * Whether the kernel tracks soft-dirty: a page of a new mapping that was just written is soft-dirty if
 * there is such a thing (CONFIG_MEM_SOFT_DIRTY), bit 55 of its pagemap word.
 */
static bool has_soft_dirty(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (page != MAP_FAILED) {
		*(volatile char *)page = 1;
		if (fd >= 0 && pw_system_pread(fd, &word, sizeof(word), (uintptr_t)page / 4096 * sizeof(word)))
			word = 0;
		munmap(page, 4096);
	}
	if (fd >= 0)
		close(fd);
	return word >> 55 & 1;
}

/* -------- roots -------- */

static int own_pgd(struct pw_source *src, struct pw_kernel *k, struct pw_error *err)
{
	uint64_t task, mm;
	int rc = pw_own_task(src, k, &task, err);

	if (rc)
		return rc;
	if (pw_read_word(src, task + k->btf.off.task_mm, &mm) || pw_read_word(src, mm + k->btf.off.mm_pgd, &k->own_pgd))
		return pw_error_set(err, -EFAULT, "our own page table was not found in kernel memory");
	return 0;
}

/* The way to other processes' mm must lead to our own for our own pagemap. */
static int check_pagemap_way(struct pw_source *src, struct pw_kernel *k, struct pw_error *err)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t mm, pgd;
	int rc;

	if (fd < 0)
		return pw_error_set(err, -errno, "/proc/self/pagemap: %s", strerror(errno));
	rc = pw_mm_of_pagemap(src, k, fd, &mm, err);
	close(fd);
	if (!rc && (pw_read_word(src, mm + k->btf.off.mm_pgd, &pgd) || pgd != k->own_pgd))
		rc = pw_error_set(err, -EXDEV, "open files in kernel memory are not where BTF says");
	return rc;
}

/*
 * swapper_pg_dir is an address in the kernel's image. It is believed when its entry for the direct map
 * is that of our own pgd: all kernel halves share those tables.
 */
static uint64_t find_kernel_root(struct pw_source *src, const struct pw_kernel *k, const struct pw_mode *mode)
{
	uint64_t slot = pw_index(&mode->lv[0], k->own_pgd) * 8, root, ours, theirs;

	if (k->info.swapper_va < PW_IMAGE_START)
		return PW_PA_NONE;
	root = k->info.swapper_va - PW_IMAGE_START + k->info.phys_base;
	if (root & 0xfff || src->ops->read(src, root + slot, &theirs, sizeof(theirs)) ||
	    pw_read_word(src, k->own_pgd + slot, &ours))
		return PW_PA_NONE;
	return ((ours ^ theirs) & ~pw_arch_x86_64.hw_volatile(mode->lv[0].level)) ? PW_PA_NONE : root;
}

static void fill_mmu(struct pw_target *t, const struct pw_kernel *k, const char *cpuinfo, uint64_t enc_mask)
{
	uint32_t dialect = k->btf.dialect | (has_soft_dirty() ? PW_DIALECT_SOFT_DIRTY : 0);

	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half] = (struct pw_mmu){
			.arch = &pw_arch_x86_64,
			.mode = pw_arch_mode(&pw_arch_x86_64, (unsigned)t->facts.mode_depth),
			.half = (enum pw_half)half,
			.maxphyaddr = (uint8_t)cpu_maxphyaddr(cpuinfo),
			.no_nx = cpuinfo && !pw_cpu_flag(cpuinfo, "nx"),
			.dialect = dialect,
			.enc_mask = enc_mask,
			.dialect_evidence = k->btf.evidence,
			.soft = k->btf.soft,
		};
		read_pat(t->mmu[half].pat);
	}
}

/* Finds the direct map; for kcore, what is needed to find our own task comes before. */
static int find_direct_map(struct pw_target *t, struct pw_kernel *k, uint64_t *enc_mask, struct pw_error *err)
{
	uint64_t known = PW_PA_NONE;
	int rc;

	if (!pw_kcore_page_offset(&t->source, &known))
		pw_vmcoreinfo_read(&t->source, &k->info);
	rc = own_pgd(&t->source, k, err);
	if (!rc)
		rc = pw_direct_map_find(&t->source, k->own_pgd, known, &t->facts, enc_mask, err);
	if (rc)
		return rc;
	pw_bpf_set_page_offset(&t->source, t->facts.page_offset);
	rc = pw_direct_map_confirm(&t->source, err);
	if (!rc && !k->info.text)
		pw_vmcoreinfo_read(&t->source, &k->info);
	return rc;
}

/* Tables of other machines are decoded anywhere, but found in a live kernel on x86-64 only. */
static int check_machine(struct pw_error *err)
{
	struct utsname u;

	if (!uname(&u) && !strcmp(u.machine, "x86_64"))
		return 0;
	return pw_error_set(err, -EOPNOTSUPP,
			    "the tables of a live kernel are read on x86-64 only; '-s pagemap' works here too");
}

/* All but the software bits, which only BTF tells: without it they stay unnamed. */
static int facts_of_module(struct pw_target *t, struct pw_kernel *k, const struct pw_kmod_facts *m,
			   struct pw_error *err)
{
	int rc = 0;

	if (pw_btf_read(&k->btf, NULL))
		k->btf = (struct pw_btf_facts){ .evidence = NULL };
	t->facts.page_offset = m->page_offset;
	t->facts.mode_depth = m->depth;
	t->facts.pti = m->pti;
	t->facts.kernel_root = m->kernel_root;
	k->vmalloc = m->vmalloc;
	k->vmemmap = m->vmemmap;
	fill_mmu(t, k, NULL, m->enc_mask);
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half].maxphyaddr = (uint8_t)m->maxphyaddr;
		t->mmu[half].no_nx = m->no_nx;
		pw_x86_pat_from_msr(m->pat, t->mmu[half].pat);
		if (!k->btf.dialect)
			t->mmu[half].dialect = 0;
	}
	rc = pw_direct_map_confirm(&t->source, err);
	if (!rc)
		pw_vmcoreinfo_read(&t->source, &k->info);
	if (!rc)
		facts_of_vmcoreinfo(&t->facts, k);
	return rc;
}

int pw_kernel_facts(struct pw_target *t, struct pw_kernel *k, struct pw_error *err)
{
	uint64_t enc_mask = 0;
	char *cpuinfo = NULL;
	struct pw_kmod_facts module;
	int rc = check_machine(err);

	init_facts(&t->facts);
	if (!rc && !pw_kmod_facts(&t->source, &module))
		return facts_of_module(t, k, &module, err);
	if (!rc)
		rc = pw_btf_read(&k->btf, err);
	if (!rc)
		rc = find_direct_map(t, k, &enc_mask, err);
	if (!rc)
		rc = check_pagemap_way(&t->source, k, err);
	if (rc)
		return rc;
	pw_system_read("/proc/cpuinfo", 16 << 20, &cpuinfo, NULL);
	t->facts.pti = pw_cpu_flag(cpuinfo, "pti");
	fill_mmu(t, k, cpuinfo, enc_mask | k->info.sme_mask);
	free(cpuinfo);
	t->facts.kernel_root = find_kernel_root(&t->source, k, t->mmu[PW_HALF_KERNEL].mode);
	facts_of_vmcoreinfo(&t->facts, k);
	return 0;
}
