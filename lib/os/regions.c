// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's virtual memory map as it is now. What the kernel's Documentation/arch/x86/x86_64/mm.rst fixes
 * is fixed here; what KASLR moves is read:
 *
 *   direct map  facts.page_offset; as many TiB as RAM addresses reach (the kernel reserves whole TiB, and some
 *               more where memory can be plugged in: CONFIG_RANDOMIZE_MEMORY_PHYSICAL_PADDING)
 *   vmemmap     VMCOREINFO, or the first section's map, which is stored less its own frame number
 *   vmalloc     VMCOREINFO; before v6.9 the kernel's variables page_offset_base, vmalloc_base and
 *               vmemmap_base: three words side by side, of which two are known by then
 *   image       VMCOREINFO (phys_base, KERNEL_IMAGE_SIZE) and the Kernel ... lines of /proc/iomem
 *   KASAN       is there when both ends of its shadow are mapped; it keeps KASLR from moving the others
 *
 * The module tells the first three itself. Where none was moved, each has all the room that mm.rst gives it.
 * Without an exact source only "nokaslr" on the command line says that nothing was moved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/live.h>
#include <pagewalk/walk.h>

#include "os/kernel.h"
#include "os/kmem.h"
#include "os/layout.h"
#include "source/live.h"
#include "source/system.h"
#include "space.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define KASAN_END      UINT64_C(0xfffffbffffffffff)
#define CPU_ENTRY_AREA UINT64_C(0xfffffe0000000000)
#define MODULES_END    UINT64_C(0xffffffffff000000)
#define VSYSCALL       UINT64_C(0xffffffffff600000)
#define CHUNK          (256 * 1024)

/* mm.rst's map: what it is without KASLR, and, but for the three bases, with it. */
struct map {
	unsigned va_bits;
	uint64_t ldt, ldt_bytes;
	uint64_t direct, direct_bytes;
	uint64_t vmalloc, vmalloc_bytes;
	uint64_t vmemmap, vmemmap_bytes;
	uint64_t kasan;
};

static const struct map map_4_level = {
	.va_bits = 48,
	.ldt = UINT64_C(0xffff880000000000),
	.ldt_bytes = TIB / 2,
	.direct = UINT64_C(0xffff888000000000),
	.direct_bytes = 64 * TIB,
	.vmalloc = UINT64_C(0xffffc90000000000),
	.vmalloc_bytes = 32 * TIB,
	.vmemmap = UINT64_C(0xffffea0000000000),
	.vmemmap_bytes = TIB,
	.kasan = UINT64_C(0xffffec0000000000),
};

static const struct map map_5_level = {
	.va_bits = 57,
	.ldt = UINT64_C(0xff10000000000000),
	.ldt_bytes = 256 * TIB,
	.direct = UINT64_C(0xff11000000000000),
	.direct_bytes = 32768 * TIB,
	.vmalloc = UINT64_C(0xffa0000000000000),
	.vmalloc_bytes = 12800 * TIB,
	.vmemmap = UINT64_C(0xffd4000000000000),
	.vmemmap_bytes = 512 * TIB,
	.kasan = UINT64_C(0xffdf000000000000),
};

/* The three that KASLR moves, each 0 where it is not known. */
struct bases {
	uint64_t direct, vmalloc, vmemmap;
	const char *direct_found[2], *vmalloc_found, *vmemmap_found[2]; /* [1]: KASLR moved them */
};

static uint64_t whole_tib(uint64_t last)
{
	return (last | (TIB - 1)) + 1;
}

/* -------- what KASLR moves -------- */

static bool kernel_word(struct pw_source *src, const struct pw_kernel *k, uint64_t kva, uint64_t *out)
{
	return k->mem ? pw_kmem_u64(k->mem, kva, out) : !pw_read_word(src, kva, out);
}

/* mem_section is the array of section roots; a section's low bits are flags. 0: not found. */
static uint64_t find_vmemmap(struct pw_source *src, const struct pw_kernel *k)
{
	uint64_t at = 0;

	if (pw_vmcoreinfo_get(k->info.text, "SYMBOL(vmemmap)", 16, &at))
		return at;
	if (!k->info.mem_section || k->btf.off.section_map == UINT32_MAX)
		return 0;
	if (!kernel_word(src, k, k->info.mem_section, &at) || !kernel_word(src, k, at + k->btf.off.section_map, &at))
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
	const struct pw_ram *ram = k->ram;
	uint64_t at = 0;

	if (pw_vmcoreinfo_get(k->info.text, "NUMBER(VMALLOC_START)", 16, &at))
		return at;
	for (int part = PW_IMAGE_RODATA; vmemmap && !at && part <= PW_IMAGE_DATA; part++)
		if (ram->image[part].lo <= ram->image[part].last)
			at = scan_bases(&t->source, ram->image[part], t->facts.page_offset, vmemmap);
	return at;
}

/* Where those two end is not told: at the least there. */
#define END_BY_RAM "; its end by RAM, in whole TiB"
#define FOUND(how)                  \
	{                           \
		how, how END_BY_RAM \
	}

static void find_bases(struct pw_target *t, const struct pw_kernel *k, struct bases *b)
{
	static const struct bases module = {
		.direct_found = FOUND("page_offset_base, by the module"),
		.vmalloc_found = "vmalloc_base, by the module",
		.vmemmap_found = FOUND("vmemmap_base, by the module"),
	};
	static const struct bases kcore = { .direct_found = FOUND("by the headers of /proc/kcore") };
	static const struct bases bpf = { .direct_found = FOUND("by a page table of our own") };
	static const struct bases image = { .direct_found = FOUND("by what is mapped at one distance") };
	static const struct bases memory = {
		.vmalloc_found = "by VMCOREINFO, or beside the other two bases",
		.vmemmap_found = FOUND("by the first section's map (VMCOREINFO)"),
	};

	*b = k->mem                              ? image
	     : t->source.ops == &pw_source_kmod  ? module
	     : t->source.ops == &pw_source_kcore ? kcore
						 : bpf;
	b->direct = t->facts.page_offset;
	b->vmemmap = k->vmemmap ? k->vmemmap : find_vmemmap(&t->source, k);
	if (!k->vmemmap)
		memcpy(b->vmemmap_found, memory.vmemmap_found, sizeof(b->vmemmap_found));
	b->vmalloc = k->vmalloc ? k->vmalloc : find_vmalloc(t, k, b->vmemmap);
	if (!k->vmalloc)
		b->vmalloc_found = memory.vmalloc_found;
}

/* -------- the parts -------- */

static void add_fixed(struct pw_layout *l, enum pw_region region, const char *name, uint64_t lo, uint64_t last)
{
	pw_layout_add(l, region, name, lo, last, PW_FOUND_FIXED);
}

static bool moved(const struct map *m, const struct bases *b)
{
	return b->direct != m->direct || (b->vmalloc && b->vmalloc != m->vmalloc) ||
	       (b->vmemmap && b->vmemmap != m->vmemmap);
}

/* ram_last: of the last byte of RAM, UINT64_MAX when not known. */
static void add_bases(struct pw_layout *l, const struct map *m, const struct bases *b, uint64_t ram_last,
		      uint64_t struct_page)
{
	uint64_t direct = m->direct_bytes, vmemmap = m->vmemmap_bytes;
	bool by_ram = moved(m, b);

	if (by_ram) {
		direct = whole_tib(ram_last);
		vmemmap = whole_tib(ram_last / 4096 * struct_page);
	}
	pw_layout_add(l, PW_REGION_LOGICAL, "direct map", b->direct, b->direct + direct - 1, b->direct_found[by_ram]);
	/* What is not found may be anywhere behind it. */
	if (!b->vmalloc || !b->vmemmap)
		pw_layout_add(l, PW_REGION_UNKNOWN, "vmalloc and vmemmap", b->direct + direct, CPU_ENTRY_AREA - 1,
			      "not found");
	if (b->vmalloc > b->direct)
		pw_layout_add(l, PW_REGION_VIRTUAL, "vmalloc", b->vmalloc, b->vmalloc + m->vmalloc_bytes - 1,
			      b->vmalloc_found);
	if (b->vmemmap > b->vmalloc && b->vmemmap < CPU_ENTRY_AREA)
		pw_layout_add(l, PW_REGION_VMEMMAP, "vmemmap", b->vmemmap, b->vmemmap + vmemmap - 1,
			      b->vmemmap_found[by_ram]);
}

/* Sections of the image by the kernel's own list of resources; between them what has no section of its own. */
static void add_image(const struct pw_kernel *k, struct pw_layout *l)
{
	static const char *const names[PW_IMAGE_NPARTS] = {
		"kernel text",
		"kernel rodata",
		"kernel data",
		"kernel bss",
	};
	static const char window[] = "by VMCOREINFO (KERNEL_IMAGE_SIZE)";
	const char *part = k->mem ? "by VMCOREINFO and what its pages may" : "by VMCOREINFO and /proc/iomem";
	const struct pw_range *image = k->ram->image;
	uint64_t size = k->info.image_size, end, at = PW_IMAGE_START;

	if (size != GIB && size != GIB / 2) {
		pw_layout_add(l, PW_REGION_UNKNOWN, "kernel image and modules", PW_IMAGE_START, MODULES_END - 1,
			      "no VMCOREINFO");
		return;
	}
	end = PW_IMAGE_START + size;
	for (int i = 0; i < PW_IMAGE_NPARTS; i++) {
		uint64_t lo = (image[i].lo & ~UINT64_C(4095)) - k->info.phys_base + PW_IMAGE_START;
		uint64_t last = (image[i].last | 4095) - k->info.phys_base + PW_IMAGE_START;

		if (image[i].lo > image[i].last || lo < at || last < lo || last >= end)
			continue;
		if (lo > at)
			pw_layout_add(l, PW_REGION_VIRTUAL, "kernel image", at, lo - 1, window);
		pw_layout_add(l, PW_REGION_VIRTUAL, names[i], lo, last, part);
		at = last + 1;
	}
	pw_layout_add(l, PW_REGION_VIRTUAL, "kernel image", at, end - 1, window);
	pw_layout_add(l, PW_REGION_VIRTUAL, "modules", end, MODULES_END - 1, window);
}

/* Of 512 MiB or of 1 GiB, as CONFIG_RANDOMIZE_BASE has it: what is so in both cases. */
static void add_image_of_leaves(struct pw_layout *l)
{
	static const char size[] = "the image's part is 512M or 1G, by CONFIG_RANDOMIZE_BASE";

	pw_layout_add(l, PW_REGION_VIRTUAL, "kernel image", PW_IMAGE_START, PW_IMAGE_START + GIB / 2 - 1,
		      PW_FOUND_FIXED);
	pw_layout_add(l, PW_REGION_UNKNOWN, "kernel image or modules", PW_IMAGE_START + GIB / 2,
		      PW_IMAGE_START + GIB - 1, size);
	pw_layout_add(l, PW_REGION_VIRTUAL, "modules", PW_IMAGE_START + GIB, MODULES_END - 1, PW_FOUND_FIXED);
}

static void add_ldt(struct pw_layout *l, const struct map *m)
{
	uint64_t kernel = ~((UINT64_C(1) << (m->va_bits - 1)) - 1);

	add_fixed(l, PW_REGION_HOLE, "guard hole", kernel, m->ldt - 1);
	add_fixed(l, PW_REGION_VIRTUAL, "LDT", m->ldt, m->ldt + m->ldt_bytes - 1);
}

static void add_middle(struct pw_layout *l)
{
	add_fixed(l, PW_REGION_VIRTUAL, "cpu entry area", CPU_ENTRY_AREA, UINT64_C(0xfffffe7fffffffff));
	add_fixed(l, PW_REGION_VIRTUAL, "espfix", UINT64_C(0xffffff0000000000), UINT64_C(0xffffff7fffffffff));
	add_fixed(l, PW_REGION_VIRTUAL, "EFI", UINT64_C(0xffffffef00000000), UINT64_C(0xfffffffeffffffff));
}

/* FIXADDR_TOP is the last page of the 2 MiB that vsyscall's page is in; FIXADDR_START depends on the configuration. */
static void add_upper(struct pw_layout *l)
{
	add_fixed(l, PW_REGION_VIRTUAL, "fixmap", MODULES_END, VSYSCALL - 1);
	add_fixed(l, PW_REGION_VIRTUAL, "vsyscall", VSYSCALL, VSYSCALL + 4095);
	add_fixed(l, PW_REGION_VIRTUAL, "fixmap", VSYSCALL + 4096, VSYSCALL + 0x1fffff);
}

/* KASAN fills all of its shadow, with one page of zeros where it has nothing to say. */
static bool has_kasan(struct pw_target *t, const struct map *m)
{
	const uint64_t ends[2] = { m->kasan, KASAN_END & ~UINT64_C(0xfff) };
	struct pw_space space = { .source = &t->source, .pin.pagemap_fd = -1 };
	struct pw_translation out[2];

	if (t->facts.kernel_root == PW_PA_NONE || t->source.ops->ranges(&t->source, &space.ram, &space.nram))
		return false;
	pw_space_of_kernel(t, &space);
	return !pw_translate(&space, ends, 2, out) && out[0].verdict == PW_MAPPED && out[1].verdict == PW_MAPPED;
}

static void add_exact(struct pw_target *t, const struct pw_kernel *k, struct pw_layout *l)
{
	const struct map *m = t->facts.mode_depth == 5 ? &map_5_level : &map_4_level;
	struct bases b;

	find_bases(t, k, &b);
	pw_layout_lower(l, m->va_bits);
	add_ldt(l, m);
	add_bases(l, m, &b, pw_ram_last(k->ram), t->facts.struct_page ? t->facts.struct_page : 64);
	if (!moved(m, &b) && has_kasan(t, m))
		pw_layout_add(l, PW_REGION_VIRTUAL, "KASAN shadow", m->kasan, KASAN_END, "it is mapped");
	add_middle(l);
	add_image(k, l);
	add_upper(l);
}

int pw_layout_exact(struct pw_target *t, const struct pw_kernel *k, struct pw_areas *out, struct pw_error *err)
{
	struct pw_layout l;

	if (pw_layout_init(&l, PW_MAX_REGIONS))
		return pw_error_set(err, -ENOMEM, "out of memory");
	add_exact(t, k, &l);
	return pw_layout_finish(&l, out) ? pw_error_set(err, -ENOMEM, "out of memory") : 0;
}

/* -------- without reading kernel memory -------- */

/* The same test as the kernel's: a word of the command line. */
static bool told_nokaslr(void)
{
	char *text, *at;
	bool found = false;

	if (pw_system_read("/proc/cmdline", 1 << 16, &text, NULL))
		return false;
	for (at = strtok(text, " \t\n"); at && !found; at = strtok(NULL, " \t\n"))
		found = !strcmp(at, "nokaslr");
	free(text);
	return found;
}

int pw_layout_of_leaves(struct pw_areas *out, struct pw_error *err)
{
	static const char in_place[] = "nokaslr is on the command line";
	struct pw_live_summary s;
	struct pw_layout l;
	const struct map *m;

	pw_live_summary(&s);
	if (!s.mode[0])
		return pw_error_set(err, -EOPNOTSUPP, "the layout of addresses is known for x86-64 only");
	m = s.mode[0] == '5' ? &map_5_level : &map_4_level;
	if (pw_layout_init(&l, PW_MAX_REGIONS))
		return pw_error_set(err, -ENOMEM, "out of memory");
	pw_layout_lower(&l, m->va_bits);
	add_ldt(&l, m);
	if (told_nokaslr())
		add_bases(&l, m,
			  &(struct bases){ m->direct, m->vmalloc, m->vmemmap, { in_place }, in_place, { in_place } },
			  UINT64_MAX, 0);
	else
		pw_layout_add(&l, PW_REGION_UNKNOWN, "direct map, vmalloc, vmemmap", m->direct, CPU_ENTRY_AREA - 1,
			      "hidden: KASLR moves them, an exact source tells where");
	add_middle(&l);
	add_image_of_leaves(&l);
	add_upper(&l);
	return pw_layout_finish(&l, out) ? pw_error_set(err, -ENOMEM, "out of memory") : 0;
}

/* -------- the regions alone -------- */

int pw_regions(struct pw_target *t, const struct pw_kernel *k, struct pw_areas *out, struct pw_error *err)
{
	int rc = pw_layout_exact(t, k, out, err);
	size_t n = 0;

	if (rc)
		return rc;
	for (size_t i = 0; i < out->n; i++) {
		enum pw_region is = out->v[i].region;

		if (is == PW_REGION_LOGICAL || is == PW_REGION_VIRTUAL || is == PW_REGION_VMEMMAP)
			out->v[n++] = out->v[i];
	}
	out->n = n;
	return 0;
}
