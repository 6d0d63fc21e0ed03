// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/kcore is an ELF64 core file: one PT_LOAD a stretch of kernel memory. Those of RAM in the direct
 * map carry the physical address too, so that p_vaddr - p_paddr is PAGE_OFFSET; the kernel image's does as
 * well, at its own distance and in the top 2 GiB; vmalloc, vmemmap and modules have -1 or 0 there.
 */
#include "source/kcore.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/system.h"

#define IMAGE_START UINT64_C(0xffffffff80000000)

static int segment_order(const void *a, const void *b)
{
	const struct pw_kcore_segment *x = a, *y = b;

	return (x->va > y->va) - (x->va < y->va);
}

static int check_header(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return -EINVAL;
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || !eh->e_phnum)
		return -EINVAL;
	return 0;
}

static void add_segments(struct pw_kcore_map *map, const Elf64_Phdr *ph, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Kernel addresses only, and none that wraps around. */
		if (ph[i].p_type != PT_LOAD || ph[i].p_vaddr >> 63 == 0 || !ph[i].p_memsz ||
		    ph[i].p_vaddr + (ph[i].p_memsz - 1) < ph[i].p_vaddr || ph[i].p_offset > INT64_MAX - ph[i].p_memsz)
			continue;
		map->v[map->n++] = (struct pw_kcore_segment){
			.va = ph[i].p_vaddr,
			.bytes = ph[i].p_memsz,
			.offset = ph[i].p_offset,
			.pa = ph[i].p_paddr,
		};
	}
	qsort(map->v, map->n, sizeof(*map->v), segment_order);
}

/* The lowest segment is of the direct map: it lies below all else in the kernel half. */
static int find_page_offset(struct pw_kcore_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct pw_kcore_segment *s = &map->v[i];

		if (s->va >= IMAGE_START || s->pa == UINT64_MAX || s->pa > s->va)
			continue;
		map->page_offset = s->va - s->pa;
		return map->page_offset & 0xfff ? -EINVAL : 0;
	}
	return -EINVAL;
}

int pw_kcore_map_read(int fd, struct pw_kcore_map *out, struct pw_error *err)
{
	struct pw_kcore_map map = { 0 };
	Elf64_Phdr *ph = NULL;
	Elf64_Ehdr eh;
	int rc = pw_system_pread(fd, &eh, sizeof(eh), 0);

	if (!rc)
		rc = check_header(&eh);
	if (!rc) {
		ph = calloc(eh.e_phnum, sizeof(*ph));
		map.v = calloc(eh.e_phnum, sizeof(*map.v));
		rc = ph && map.v ? pw_system_pread(fd, ph, eh.e_phnum * sizeof(*ph), eh.e_phoff) : -ENOMEM;
	}
	if (!rc) {
		add_segments(&map, ph, eh.e_phnum);
		rc = find_page_offset(&map);
	}
	free(ph);
	if (rc) {
		free(map.v);
		return pw_error_set(err, rc, "/proc/kcore: %s",
				    rc == -EINVAL ? "not in the expected form" : strerror(-rc));
	}
	*out = map;
	return 0;
}

uint64_t pw_kcore_map_offset(const struct pw_kcore_map *map, uint64_t va, uint64_t len)
{
	size_t lo = 0, hi = map->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct pw_kcore_segment *s = &map->v[mid];

		if (va < s->va)
			hi = mid;
		else if (va - s->va >= s->bytes)
			lo = mid + 1;
		else
			return len <= s->bytes - (va - s->va) ? s->offset + (va - s->va) : UINT64_MAX;
	}
	return UINT64_MAX;
}
