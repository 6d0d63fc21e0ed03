// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's virtual memory map as it is now. What the kernel's Documentation/arch/x86/x86_64/mm.rst fixes
 * is fixed here; what KASLR moves is read:
 *
 *   direct map  facts.page_offset; as many TiB as RAM addresses reach (the kernel reserves whole TiB)
 *   vmemmap     VMCOREINFO, or the first section's map, which is stored less its own frame number
 *   vmalloc     VMCOREINFO; before v6.9 the kernel's variables page_offset_base, vmalloc_base and
 *               vmemmap_base: three words side by side, of which two are known by then
 *   image       VMCOREINFO (phys_base, KERNEL_IMAGE_SIZE) and the Kernel ... lines of /proc/iomem
 *
 * The module tells the first three itself. A stretch that is not known to be a region is in none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/kernel.h"
#include "source/live.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define CPU_ENTRY_AREA UINT64_C(0xfffffe0000000000)
#define MODULES_END    UINT64_C(0xffffffffff000000)
#define VSYSCALL       UINT64_C(0xffffffffff600000)
#define MAX_REGIONS    24
#define CHUNK          (256 * 1024)

struct map {
	struct pw_area *v;
	size_t n;
};

/* Regions come in ascending order; one that runs into the next is cut there. */
static void add(struct map *map, const char *name, uint64_t lo, uint64_t last)
{
	struct pw_area *before = map->n ? &map->v[map->n - 1] : NULL;

	if (map->n == MAX_REGIONS || lo > last || (before && before->lo >= lo))
		return;
	if (before && before->last >= lo)
		before->last = lo - 1;
	map->v[map->n++] = (struct pw_area){ .lo = lo, .last = last, .name = name };
}

static uint64_t whole_tib(uint64_t last)
{
	return (last | (TIB - 1)) + 1;
}

/* -------- what KASLR moves -------- */

/* mem_section is the array of section roots; a section's low bits are flags. 0: not found. */
static uint64_t find_vmemmap(struct pw_source *src, const struct pw_kernel *k)
{
	uint64_t at = 0;

	if (pw_vmcoreinfo_get(k->info.text, "SYMBOL(vmemmap)", 16, &at))
		return at;
	if (!k->info.mem_section || k->btf.off.section_map == UINT32_MAX)
		return 0;
	if (pw_read_word(src, k->info.mem_section, &at) || pw_read_word(src, at + k->btf.off.section_map, &at))
		return 0;
	at &= ~UINT64_C(0xffff);
	return at >> 63 && !(at % GIB) ? at : 0;
}

/* The one of three words that is neither page_offset nor vmemmap, if the other two are just these. */
static uint64_t third_base(const uint64_t w[3], uint64_t page_offset, uint64_t vmemmap)
{
	uint64_t sum = w[0] + w[1] + w[2], third = sum - page_offset - vmemmap;
	bool has_po = w[0] == page_offset || w[1] == page_offset || w[2] == page_offset;
	bool has_vmemmap = w[0] == vmemmap || w[1] == vmemmap || w[2] == vmemmap;

	return has_po && has_vmemmap && third > page_offset && third < vmemmap && !(third % GIB) ? third : 0;
}

static uint64_t scan_bases(struct pw_source *src, struct pw_range pa, uint64_t page_offset, uint64_t vmemmap)
{
	uint64_t *buf = malloc(CHUNK), found = 0;

	pa.lo &= ~UINT64_C(7);
	for (; buf && !found && pa.lo < pa.last; pa.lo += CHUNK - 16) {
		size_t len = pa.last - pa.lo < CHUNK ? (size_t)(pa.last - pa.lo + 1) : CHUNK;

		if (src->ops->read(src, pa.lo, buf, len))
			break;
		for (size_t i = 0; i + 3 <= len / 8 && !found; i++)
			found = third_base(buf + i, page_offset, vmemmap);
	}
	free(buf);
	return found;
}

static uint64_t find_vmalloc(struct pw_target *t, const struct pw_kernel *k, uint64_t vmemmap)
{
	const struct pw_ram *ram = pw_source_ram(&t->source);
	uint64_t at = 0;

	if (pw_vmcoreinfo_get(k->info.text, "NUMBER(VMALLOC_START)", 16, &at))
		return at;
	for (int part = PW_IMAGE_RODATA; vmemmap && !at && part <= PW_IMAGE_DATA; part++)
		if (ram->image[part].lo <= ram->image[part].last)
			at = scan_bases(&t->source, ram->image[part], t->facts.page_offset, vmemmap);
	return at;
}

/* -------- the parts -------- */

static void add_moving(struct pw_target *t, const struct pw_kernel *k, struct map *map)
{
	uint64_t po = t->facts.page_offset, ram_last = pw_ram_last(pw_source_ram(&t->source));
	uint64_t vmemmap = k->vmemmap ? k->vmemmap : find_vmemmap(&t->source, k);
	uint64_t vmalloc = k->vmalloc ? k->vmalloc : find_vmalloc(t, k, vmemmap);
	uint64_t vmalloc_size = t->facts.mode_depth == 5 ? 12800 * TIB : 32 * TIB;
	uint64_t page_size = 64;

	add(map, "direct map", po, po + whole_tib(ram_last) - 1);
	if (vmalloc > po)
		add(map, "vmalloc", vmalloc, vmalloc + vmalloc_size - 1);
	pw_vmcoreinfo_get(k->info.text, "SIZE(page)", 10, &page_size);
	if (vmemmap > vmalloc && vmemmap < CPU_ENTRY_AREA)
		add(map, "vmemmap", vmemmap, vmemmap + whole_tib(ram_last / 4096 * page_size) - 1);
}

/* Sections of the image by the kernel's own list of resources; between them what has no section of its own. */
static void add_image(struct pw_target *t, const struct pw_kernel *k, struct map *map)
{
	static const char *const names[PW_IMAGE_NPARTS] = {
		"kernel text",
		"kernel rodata",
		"kernel data",
		"kernel bss",
	};
	const struct pw_range *image = pw_source_ram(&t->source)->image;
	uint64_t size = k->info.image_size, end, at = PW_IMAGE_START;

	if (size != GIB && size != GIB / 2)
		return;
	end = PW_IMAGE_START + size;
	for (int i = 0; i < PW_IMAGE_NPARTS; i++) {
		uint64_t lo = (image[i].lo & ~UINT64_C(4095)) - k->info.phys_base + PW_IMAGE_START;
		uint64_t last = (image[i].last | 4095) - k->info.phys_base + PW_IMAGE_START;

		if (image[i].lo > image[i].last || lo < at || last < lo || last >= end)
			continue;
		if (lo > at)
			add(map, "kernel image", at, lo - 1);
		add(map, names[i], lo, last);
		at = last + 1;
	}
	add(map, "kernel image", at, end - 1);
	add(map, "modules", end, MODULES_END - 1);
}

int pw_regions(struct pw_target *t, struct pw_kernel *k, struct pw_areas *out, struct pw_error *err)
{
	struct map map = { .v = calloc(MAX_REGIONS, sizeof(*map.v)) };

	if (!map.v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	if (t->facts.mode_depth == 5)
		add(&map, "LDT", UINT64_C(0xff10000000000000), UINT64_C(0xff10ffffffffffff));
	else
		add(&map, "LDT", UINT64_C(0xffff880000000000), UINT64_C(0xffff887fffffffff));
	add_moving(t, k, &map);
	add(&map, "cpu entry area", CPU_ENTRY_AREA, UINT64_C(0xfffffe7fffffffff));
	add(&map, "espfix", UINT64_C(0xffffff0000000000), UINT64_C(0xffffff7fffffffff));
	add(&map, "EFI", UINT64_C(0xffffffef00000000), UINT64_C(0xfffffffeffffffff));
	add_image(t, k, &map);
	add(&map, "fixmap", MODULES_END, VSYSCALL - 1);
	add(&map, "vsyscall", VSYSCALL, VSYSCALL + 4095);
	out->v = map.v;
	out->n = map.n;
	out->strings = NULL;
	return 0;
}
