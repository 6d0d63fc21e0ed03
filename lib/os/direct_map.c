// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the direct map starts, from a page table of our own: its pgd is known by its kernel address,
 * which lies in the direct map. A candidate start X is right when the walk of that pgd for that very
 * address, each table read at X + its physical address, ends at the page that X itself says: X + result
 * is the pgd. KASLR moves the start by whole GiB, and the pgd is in RAM, so there are as many candidates
 * as there are GiB of RAM addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "os/kernel.h"
#include "source/live.h"
#include "source/system.h"

#define GIB		(UINT64_C(1) << 30)
#define MAX_CANDIDATES	(1 << 20)
#define CONFIRM_RETRIES 4

/* All addresses up to the highest RAM, and no more: bits above are encryption or shared bits. */
static uint64_t ram_mask(const struct pw_ram *ram)
{
	uint64_t mask = pw_ram_last(ram);

	for (unsigned shift = 1; shift < 64; shift *= 2)
		mask |= mask >> shift;
	return mask;
}

struct attempt {
	struct pw_source *src;
	struct pw_mmu mmu;
	uint64_t mask;
	uint64_t pgd;
	uint64_t enc;
};

/* Walks our pgd for its own address under the candidate. True when that fits. */
static bool candidate_fits(struct attempt *a, uint64_t page_offset, uint64_t root_raw)
{
	const struct pw_mode *mode = a->mmu.mode;
	uint64_t raw = root_raw;

	a->enc = 0;
	for (unsigned d = 0;; d++) {
		struct pw_entry e;
		uint64_t slot;

		a->mmu.arch->decode(&a->mmu, mode->lv[d].level, raw, &e);
		if (e.kind != PW_TABLE && e.kind != PW_LEAF)
			return false;
		a->enc |= e.pa & ~a->mask;
		if (e.kind == PW_LEAF)
			return page_offset + (e.pa & a->mask) + (a->pgd & (e.size - 1)) == a->pgd;
		if (d + 1 >= mode->depth)
			return false;
		slot = page_offset + (e.pa & a->mask) + pw_index(&mode->lv[d + 1], a->pgd) * sizeof(raw);
		if (pw_read_word(a->src, slot, &raw))
			return false;
	}
}

static bool search(struct attempt *a, const struct pw_ram *ram, uint64_t known, uint64_t *page_offset)
{
	uint64_t first = known, root_raw;
	uint64_t n = 1;

	if (pw_read_word(a->src, a->pgd + pw_index(&a->mmu.mode->lv[0], a->pgd) * sizeof(root_raw), &root_raw))
		return false;
	if (known == PW_PA_NONE) {
		first = (a->pgd - pw_ram_last(ram)) & ~(GIB - 1);
		n = (a->pgd - first) / GIB + 1;
	}
	for (uint64_t i = 0; i < n && i < MAX_CANDIDATES; i++) {
		uint64_t x = first + i * GIB;

		if (!pw_ram_has(ram, a->pgd - x, 4096) || !candidate_fits(a, x, root_raw))
			continue;
		*page_offset = x;
		return true;
	}
	return false;
}

int pw_direct_map_find(struct pw_source *src, uint64_t pgd, uint64_t known, struct pw_facts *facts, uint64_t *enc_mask,
		       struct pw_error *err)
{
	const struct pw_ram *ram = pw_source_ram(src);

	for (unsigned depth = 4; depth <= 5; depth++) {
		struct attempt a = { .src = src, .mask = ram_mask(ram), .pgd = pgd };

		a.mmu.arch = &pw_arch_x86_64;
		a.mmu.mode = pw_arch_mode(a.mmu.arch, depth);
		a.mmu.half = PW_HALF_KERNEL;
		a.mmu.maxphyaddr = 52;
		if (!a.mmu.mode || !pw_va_canonical(a.mmu.mode, pgd) || !search(&a, ram, known, &facts->page_offset))
			continue;
		facts->mode_depth = depth;
		*enc_mask = a.enc;
		return 0;
	}
	return pw_error_set(err, -ENODATA, "the start of the kernel's direct map was not found");
}

/* Frame of one of our pages; 0 when hidden or not there. */
static uint64_t frame_of(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (fd < 0)
		return 0;
	if (pw_system_pread(fd, &word, sizeof(word), (uintptr_t)page / 4096 * sizeof(word)))
		word = 0;
	close(fd);
	return word >> 63 ? word & ((UINT64_C(1) << 55) - 1) : 0;
}

static int confirm_page(struct pw_source *src, uint64_t *page)
{
	uint64_t want[4] = { 0 }, got[4], frame;

	if (getrandom(want, sizeof(want), GRND_NONBLOCK) != (ssize_t)sizeof(want))
		want[0] = (uintptr_t)page * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(page, want, sizeof(want));
	frame = frame_of(page);
	if (!frame)
		return -EPERM;
	if (src->ops->read(src, frame * 4096, got, sizeof(got)))
		return -EXDEV;
	return memcmp(want, got, sizeof(want)) ? -EXDEV : 0;
}

int pw_direct_map_confirm(struct pw_source *src, struct pw_error *err)
{
	int rc = -EXDEV;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return pw_error_set(err, -ENOMEM, "out of memory");
	/* The page may move to another frame between the two looks at it. */
	for (int i = 0; i < CONFIRM_RETRIES && rc == -EXDEV; i++)
		rc = confirm_page(src, page);
	munmap(page, 4096);
	if (rc == -EPERM)
		return pw_error_set(err, rc, "frame numbers are hidden: needs CAP_SYS_ADMIN");
	if (rc)
		return pw_error_set(err, rc, "a page of our own was not found where the direct map should have it");
	return 0;
}
