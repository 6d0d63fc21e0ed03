// SPDX-License-Identifier: GPL-2.0-only
/* Which physical addresses may be touched, and touching them so that nothing can go wrong. */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "local.h"

#define BLOCK_SHIFT 27 /* memory comes and goes by blocks of 128 MiB at least */

static int how(u64 pa, u64 len)
{
	return region_intersects(pa, len, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, IORES_DESC_NONE);
}

static bool page_has(struct pw_ram *ram, u64 pa)
{
	u64 block = pa >> BLOCK_SHIFT;

	if (ram->block == block)
		return true;
	if (how(block << BLOCK_SHIFT, 1ULL << BLOCK_SHIFT) == REGION_INTERSECTS) {
		ram->block = block;
		return pfn_valid(PHYS_PFN(pa));
	}
	return page_is_ram(PHYS_PFN(pa)) && pfn_valid(PHYS_PFN(pa));
}

bool pw_ram_has(struct pw_ram *ram, u64 pa, u64 len)
{
	u64 at;

	if (!len || pa + len - 1 < pa || (pa + len - 1) >> MAX_PHYSMEM_BITS)
		return false;
	for (at = pa & PAGE_MASK; at < pa + len; at += PAGE_SIZE)
		if (!page_has(ram, at))
			return false;
	return true;
}

bool pw_ram_apart(u64 pa, u64 len)
{
	u64 first = pa & PAGE_MASK, end = PAGE_ALIGN(pa + len);

	/* Nor what is no RAM of ours any more or not yet, or somebody's memory by another name. */
	return region_intersects(first, end - first, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) == REGION_DISJOINT &&
	       !pfn_valid(PHYS_PFN(first)) && !pfn_valid(PHYS_PFN(end - 1));
}

int pw_ram_read(u64 pa, void *to, size_t len)
{
	return copy_from_kernel_nofault(to, __va(pa), len) ? -EFAULT : 0;
}
