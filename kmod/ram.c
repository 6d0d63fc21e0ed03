// SPDX-License-Identifier: GPL-2.0-only
/* Which physical addresses may be touched, and touching them so that nothing can go wrong. */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "local.h"

#define RAM_FLAGS (IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY)

static bool in(const struct pw_extent *e, u64 pa)
{
	return pa >= e->start && pa < e->end;
}

/* What see_extent() is asked, and its answer. */
struct lookup {
	u64 pa;
	struct pw_extent found;
};

static int see_extent(struct resource *res, void *arg)
{
	struct lookup *l = arg;

	if (res->end < l->pa)
		return 0;
	/* Whole pages: of another the rest is something else. */
	l->found = (struct pw_extent){ PAGE_ALIGN(res->start), (res->end + 1) & PAGE_MASK };
	return 1;
}

/*
 * Asks for the extent itself: region_intersects() of a range also says "RAM" when there is nothing at all
 * in a part of it.
 */
static bool page_has(struct pw_ram *ram, u64 pa)
{
	struct lookup l = { .pa = pa };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ram->known); i++)
		if (in(&ram->known[i], pa))
			return pfn_valid(PHYS_PFN(pa));
	if (walk_iomem_res_desc(IORES_DESC_NONE, RAM_FLAGS, 0, (1ULL << MAX_PHYSMEM_BITS) - 1, &l, see_extent) != 1 ||
	    !in(&l.found, pa))
		return false;
	ram->known[1] = ram->known[0];
	ram->known[0] = l.found;
	return pfn_valid(PHYS_PFN(pa));
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

static bool page_apart(u64 page)
{
	/*
	 * Where no resource is, a DIMM may be plugged while the page is mapped. iounmap() then takes it for RAM, which
	 * it marks in a struct page that is not there yet. Within a resource RAM can appear only if that is a window
	 * made for memory (CXL, soft reserved), at the user's command.
	 */
	if (region_intersects(page, PAGE_SIZE, IORESOURCE_MEM, IORES_DESC_NONE) == REGION_DISJOINT)
		return false;
	/* Nor what is no RAM of ours any more or not yet, or somebody's memory by another name. */
	return region_intersects(page, PAGE_SIZE, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) == REGION_DISJOINT &&
	       !pfn_valid(PHYS_PFN(page));
}

bool pw_ram_apart(u64 pa, u64 len)
{
	u64 at;

	for (at = pa & PAGE_MASK; at < pa + len; at += PAGE_SIZE)
		if (!page_apart(at))
			return false;
	return true;
}

int pw_ram_read(u64 pa, void *to, size_t len)
{
	return copy_from_kernel_nofault(to, __va(pa), len) ? -EFAULT : 0;
}
