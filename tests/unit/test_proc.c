/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel writes for others to read: iomem, maps, kcore's headers, BTF, VMCOREINFO. Each with invalid twins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/btf_types.h"
#include "os/kernel.h"
#include "os/maps.h"
#include "source/chain.h"
#include "source/kcore.h"
#include "source/ram.h"

/* -------- /proc/iomem -------- */

static void iomem_finds_ram_at_any_depth(void **state)
{
	struct pw_ram ram;

	(void)state;
	assert_int_equal(pw_ram_parse("00000000-00000fff : Reserved\n"
				      "00001000-0009fbff : System RAM\n"
				      "100000000-1ffffffff : Soft Reserved\n"
				      "  140000000-17fffffff : dax0.0\n"
				      "    140000000-17fffffff : System RAM (kmem)\n"
				      "00100000-bfffffff : System RAM\n"
				      "  01000000-01ffffff : Kernel code\n",
				      &ram, NULL),
			 0);
	assert_int_equal(ram.n, 3);
	assert_int_equal(ram.v[1].lo, 0x100000);
	assert_int_equal(pw_ram_last(&ram), 0x17fffffff);
	assert_true(pw_ram_has(&ram, 0x1000, 4096));
	assert_false(pw_ram_has(&ram, 0x9f000, 4096));
	assert_false(pw_ram_has(&ram, 0x100000000, 8));
	assert_false(pw_ram_has(&ram, UINT64_MAX - 7, 4096));
	assert_int_equal(ram.image[PW_IMAGE_CODE].lo, 0x1000000);
	assert_true(ram.image[PW_IMAGE_DATA].lo > ram.image[PW_IMAGE_DATA].last);
	pw_ram_free(&ram);
}

static void iomem_joins_ram_inside_ram(void **state)
{
	struct pw_ram ram;

	(void)state;
	assert_int_equal(
		pw_ram_parse("1000-1fff : System RAM\n  1800-1fff : System RAM\n2000-2fff : System RAM\n", &ram, NULL),
		0);
	assert_int_equal(ram.n, 1);
	assert_int_equal(ram.v[0].last, 0x2fff);
	pw_ram_free(&ram);
}

static void iomem_of_zeros_is_refused(void **state)
{
	struct pw_error err = { 0 };
	struct pw_ram ram;

	(void)state;
	assert_int_equal(pw_ram_parse("00000000-00000000 : System RAM\n00000000-00000000 : System RAM\n", &ram, &err),
			 -EPERM);
	assert_non_null(strstr(err.text, "CAP_SYS_ADMIN"));
}

static void iomem_without_ram_is_refused(void **state)
{
	struct pw_ram ram;

	(void)state;
	assert_int_equal(pw_ram_parse("", &ram, NULL), -ENODATA);
	assert_int_equal(pw_ram_parse("\n\n-:\n2000-1000 : System RAM\nzz : System RAM", &ram, NULL), -ENODATA);
}

/* -------- /proc/PID/maps -------- */

static int parse_maps(const char *text, struct pw_areas *areas)
{
	return pw_maps_parse(text, strlen(text), false, areas, NULL);
}

static void maps_with_any_bytes_in_names(void **state)
{
	struct pw_areas a;

	(void)state;
	assert_int_equal(
		parse_maps("1000-2000 r-xp 00003000 fe:01 77                  /a dir/x\\012y  z\xff.so (deleted)\n"
			   "2000-4000 rw-p 00000000 00:00 0 \n"
			   "5000-6000 rw-p 00000000 00:00 0                   [anon:a/b]\n"
			   "7000-8000 ---s 00000000 00:01 5   /odd/\n"
			   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
			   &a),
		0);
	assert_int_equal(a.n, 5);
	assert_string_equal(a.v[0].path, "/a dir/x\ny  z\xff.so (deleted)");
	assert_string_equal(a.v[0].name, "x\ny  z\xff.so (deleted)");
	assert_int_equal(a.v[0].offset, 0x3000);
	assert_int_equal(a.v[0].dev_major, 0xfe);
	assert_int_equal(a.v[0].inode, 77);
	assert_null(a.v[1].path);
	assert_string_equal(a.v[1].name, "[anon]");
	assert_string_equal(a.v[2].name, "[anon:a/b]");
	assert_string_equal(a.v[3].name, "/odd/");
	assert_string_equal(a.v[3].perms, "---s");
	assert_int_equal(a.v[4].last, 0xffffffffff600fff);
	pw_areas_free(&a);
}

static void maps_that_are_not_maps(void **state)
{
	static const char *const bad[] = {
		"1000-2000 r-xp 0 fe:01\n",
		"2000-1000 r-xp 00003000 fe:01 77 /x\n",
		"1000-0 r-xp 00003000 fe:01 77 /x\n",
		"1000-3000 r-xp 0 0:0 0\n2000-4000 r-xp 0 0:0 0\n",
		"5000-6000 r-xp 0 0:0 0\n1000-2000 r-xp 0 0:0 0\n",
		"\n",
		"rubbish",
	};
	struct pw_areas a = { .n = 42 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_maps(bad[i], &a), -EINVAL);
	assert_int_equal(a.n, 42);
	assert_int_equal(pw_maps_parse("1000-2000 r-xp 0 0:0 0\0/x\n", 25, false, &a, NULL), 0);
	pw_areas_free(&a);
}

static void maps_that_changed_meanwhile(void **state)
{
	static const char text[] = "1000-3000 r-xp 0 0:1 7 /x\n"
				   "2000-4000 rw-p 1000 0:1 7 /x\n" /* grown by what was listed before */
				   "3000-4000 rw-p 0 0:0 0\n"       /* what it was */
				   "1000-2000 r--p 0 0:0 0\n"
				   "3000-6000 rw-p 0 0:0 0\n"
				   "ffffffffffff0000-ffffffffffffffff r--p 0 0:0 0\n";
	struct pw_areas a = { .n = 42 };

	(void)state;
	assert_int_equal(pw_maps_parse(text, strlen(text), false, &a, NULL), -EINVAL);
	assert_int_equal(pw_maps_parse(text, strlen(text), true, &a, NULL), 0);
	assert_int_equal(a.n, 4);
	assert_int_equal(a.v[0].last, 0x2fff);
	assert_int_equal(a.v[1].lo, 0x3000);
	assert_int_equal(a.v[1].last, 0x3fff);
	assert_int_equal(a.v[1].offset, 0x2000);
	assert_string_equal(a.v[1].perms, "rw-p");
	assert_int_equal(a.v[2].lo, 0x4000);
	assert_int_equal(a.v[2].last, 0x5fff);
	assert_int_equal(a.v[2].offset, 0);
	pw_areas_free(&a);
	assert_int_equal(pw_maps_parse("2000-1000 r-xp 0 0:0 0\n", 23, true, &a, NULL), -EINVAL);
}

/* -------- /proc/kcore -------- */

struct core {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
};

static const struct core good_core = {
	.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB }, .e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4 },
	.ph = {
		{ .p_type = PT_NOTE },
		{ .p_type = PT_LOAD, .p_vaddr = 0xffffffff81000000, .p_paddr = 0x1000000, .p_memsz = 0x1000000,
		  .p_offset = 0x9000000 },
		{ .p_type = PT_LOAD, .p_vaddr = 0xffffc90000000000, .p_paddr = UINT64_MAX, .p_memsz = 1UL << 45,
		  .p_offset = 0x1000000000 },
		{ .p_type = PT_LOAD, .p_vaddr = 0xffff888000100000, .p_paddr = 0x100000, .p_memsz = 0x10000,
		  .p_offset = 0x4000 },
	},
};

static int read_core(const struct core *core, size_t len, struct pw_kcore_map *map)
{
	int fd = memfd_create("core", 0), rc;

	assert_int_equal(write(fd, core, len), len);
	rc = pw_kcore_map_read(fd, map, NULL);
	close(fd);
	return rc;
}

static void kcore_gives_page_offset_and_file_offsets(void **state)
{
	struct pw_kcore_map map;

	(void)state;
	assert_int_equal(read_core(&good_core, sizeof(good_core), &map), 0);
	assert_int_equal(map.n, 3);
	assert_int_equal(map.page_offset, 0xffff888000000000);
	assert_int_equal(pw_kcore_map_offset(&map, 0xffff888000101000, 4096), 0x5000);
	assert_int_equal(pw_kcore_map_offset(&map, 0xffff88800010f008, 4096), UINT64_MAX);
	assert_int_equal(pw_kcore_map_offset(&map, 0xffff888000000000, 8), UINT64_MAX);
	assert_int_equal(pw_kcore_map_offset(&map, UINT64_MAX, 8), UINT64_MAX);
	free(map.v);
}

static void kcore_that_is_not_kcore(void **state)
{
	struct pw_kcore_map map;
	struct core c = good_core;

	(void)state;
	assert_int_equal(read_core(&c, 40, &map), -EIO);
	assert_int_equal(read_core(&c, 200, &map), -EIO);
	c.eh.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_core(&c, sizeof(c), &map), -EINVAL);
	c = good_core;
	c.eh.e_phnum = 0;
	assert_int_equal(read_core(&c, sizeof(c), &map), -EINVAL);
	c = good_core;
	c.ph[3].p_vaddr = 0x1000; /* user addresses, and so no direct map */
	assert_int_equal(read_core(&c, sizeof(c), &map), -EINVAL);
	c = good_core;
	c.ph[3].p_memsz = UINT64_MAX;
	assert_int_equal(read_core(&c, sizeof(c), &map), -EINVAL);
}

/* -------- BTF -------- */

struct btf_blob {
	struct btf_header h;
	struct btf_type type[2];
	char strings[8];
};

static const struct btf_blob good_btf = {
	.h = { .magic = BTF_MAGIC,
	       .version = 1,
	       .hdr_len = sizeof(struct btf_header),
	       .type_len = 2 * sizeof(struct btf_type),
	       .str_off = 2 * sizeof(struct btf_type),
	       .str_len = 8 },
	.type = { { .name_off = 1, .info = BTF_KIND_TYPEDEF << 24, .type = 2 },
		  { .name_off = 99, .info = BTF_KIND_STRUCT << 24 } },
	.strings = "\0pfn_t",
};

static void nothing(void *ctx, const struct pw_btf *btf, uint32_t id, const struct btf_type *t)
{
	(void)ctx, (void)btf, (void)id, (void)t;
}

static int open_btf(struct pw_btf *btf, const struct btf_blob *b, size_t len)
{
	return pw_btf_open(btf, (const char *)b, len, 0, nothing, NULL);
}

static void btf_types_are_numbered_from_1(void **state)
{
	struct pw_btf btf;

	(void)state;
	assert_int_equal(open_btf(&btf, &good_btf, sizeof(good_btf)), 0);
	assert_int_equal(btf.n, 3);
	assert_null(pw_btf_type(&btf, 0));
	assert_null(pw_btf_type(&btf, 3));
	assert_string_equal(pw_btf_name(&btf, pw_btf_type(&btf, 1)->name_off), "pfn_t");
	assert_string_equal(pw_btf_name(&btf, pw_btf_type(&btf, 2)->name_off), "");
	pw_btf_close(&btf);
}

static void btf_that_leads_outside(void **state)
{
	struct btf_blob b;
	struct pw_btf btf;

	(void)state;
	for (size_t len = 0; len < sizeof(good_btf); len++)
		assert_int_equal(open_btf(&btf, &good_btf, len), -EINVAL);
#define REFUSED(change)                                                   \
	do {                                                              \
		b = good_btf;                                             \
		change;                                                   \
		assert_int_equal(open_btf(&btf, &b, sizeof(b)), -EINVAL); \
	} while (0)
	REFUSED(b.h.magic = 0);
	REFUSED(b.h.hdr_len = UINT32_MAX);
	REFUSED(b.h.type_off = UINT32_MAX - 3);
	REFUSED(b.h.type_len = UINT32_MAX);
	REFUSED(b.h.type_len -= 4);
	REFUSED(b.h.str_len = 0);
	REFUSED(b.h.str_off = UINT32_MAX);
	REFUSED(b.strings[7] = 'x');
	REFUSED(b.type[1].info = BTF_KIND_STRUCT << 24 | 0xffff);
	REFUSED(b.type[1].info = 31 << 24);
#undef REFUSED
}

struct seen {
	const struct btf_type *t[64];
	size_t n, known;
};

static void see(void *ctx, const struct pw_btf *btf, uint32_t id, const struct btf_type *t)
{
	struct seen *s = ctx;

	assert_true(s->n < 64);
	s->t[s->n++] = t;
	s->known += pw_btf_type(btf, id) == t;
}

/* Types of three lengths, over some strides. */
static void btf_types_are_found_by_number(void **state)
{
	static const struct {
		uint32_t info, words;
	} kinds[] = { { BTF_KIND_INT << 24, 4 }, { BTF_KIND_STRUCT << 24 | 1, 6 }, { BTF_KIND_FLOAT << 24, 3 } };
	const uint32_t n = 5 * PW_BTF_STRIDE + 3;
	struct {
		struct btf_header h;
		uint32_t words[6 * 64];
	} many = { .h = { .magic = BTF_MAGIC, .version = 1, .hdr_len = sizeof(struct btf_header), .str_len = 4 } };
	struct seen opened = { 0 }, again = { 0 }, floats = { 0 };
	const struct btf_type *type[64];
	struct pw_btf btf;
	uint32_t at = 0;

	(void)state;
	for (uint32_t id = 1; id <= n; id++) {
		type[id] = (const struct btf_type *)&many.words[at];
		many.words[at + 1] = kinds[id * id / 2 % 3].info;
		at += kinds[id * id / 2 % 3].words;
	}
	many.h.type_len = many.h.str_off = at * 4;
	assert_int_equal(pw_btf_open(&btf, (const char *)&many, sizeof(many), UINT32_MAX, see, &opened), 0);
	assert_int_equal(btf.n, n + 1);
	assert_int_equal(opened.n, n);
	assert_int_equal(opened.known, 0);
	pw_btf_each(&btf, UINT32_MAX, see, &again);
	assert_int_equal(again.n, n);
	assert_int_equal(again.known, n);
	for (uint32_t id = 1; id <= n; id++) {
		assert_ptr_equal(pw_btf_type(&btf, id), type[id]);
		assert_ptr_equal(opened.t[id - 1], type[id]);
		floats.n += BTF_INFO_KIND(type[id]->info) == BTF_KIND_FLOAT;
	}
	again.n = 0;
	pw_btf_each(&btf, 1u << BTF_KIND_FLOAT, see, &again);
	assert_int_equal(again.n, floats.n);
	assert_true(floats.n > 5 && floats.n < n);
	pw_btf_close(&btf);
}

/* However many members there are to look at, it ends: here a struct that contains itself without a name, over and over. */
static void btf_members_are_looked_at_within_bounds(void **state)
{
	struct {
		struct btf_header h;
		struct btf_type t;
		struct btf_member m[1000];
		char strings[8];
	} self = {
		.h = { .magic = BTF_MAGIC,
		       .version = 1,
		       .hdr_len = sizeof(struct btf_header),
		       .type_len = sizeof(struct btf_type) + sizeof(self.m),
		       .str_off = sizeof(struct btf_type) + sizeof(self.m),
		       .str_len = 8 },
		.t = { .info = BTF_KIND_STRUCT << 24 | 1000 },
		.strings = "\0last",
	};
	struct pw_btf btf;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		self.m[i].type = 1;
	self.m[999].name_off = 1;
	assert_int_equal(pw_btf_open(&btf, (const char *)&self, sizeof(self), 0, nothing, NULL), 0);
	assert_int_equal(pw_btf_member(&btf, 1, "none"), UINT32_MAX);
	assert_int_equal(btf.looks, 0);
	assert_int_equal(pw_btf_member(&btf, 1, "last"), UINT32_MAX);
	pw_btf_close(&btf);
}

/* -------- VMCOREINFO, cpuinfo -------- */

static void vmcoreinfo_keys_are_whole(void **state)
{
	const char *text = "XNUMBER(phys_base)=1\nNUMBER(phys_base)=-4096\nSYMBOL(a)=ffff\nBAD=\n";
	uint64_t v = 7;

	(void)state;
	assert_true(pw_vmcoreinfo_get(text, "NUMBER(phys_base)", 10, &v));
	assert_int_equal(v, -4096);
	assert_true(pw_vmcoreinfo_get(text, "SYMBOL(a)", 16, &v));
	assert_int_equal(v, 0xffff);
	assert_false(pw_vmcoreinfo_get(text, "BAD", 10, &v));
	assert_false(pw_vmcoreinfo_get(text, "SYMBOL", 16, &v));
	assert_false(pw_vmcoreinfo_get(NULL, "SYMBOL(a)", 16, &v));
	assert_int_equal(v, 0xffff);
}

static void cpu_flags_are_whole_words(void **state)
{
	const char *text = "processor\t: 0\nflags\t\t: fpu pti2 nx\nbugs\t\t: pti\n";

	(void)state;
	assert_true(pw_cpu_flag(text, "fpu"));
	assert_true(pw_cpu_flag(text, "nx"));
	assert_false(pw_cpu_flag(text, "pti"));
	assert_false(pw_cpu_flag("flags: x", "x"));
	assert_false(pw_cpu_flag(NULL, "x"));
}

/* -------- chains -------- */

/* What a source reads by the parts of a chain out of a memory of 8 KiB. */
static void chain_read(const struct pw_chain *chain, const uint64_t *memory, uint64_t *words)
{
	size_t at = 0;

	for (size_t i = 0; i < chain->nparts; i++) {
		const struct pw_chain_part *part = &chain->part[i];

		assert_int_equal(part->at, at);
		assert_true(part->n && part->n <= PW_CHAIN_PART && part->pa / 8 + part->n <= 1024);
		assert_int_equal(part->pa / 4096, (part->pa + part->n * 8 - 1) / 4096);
		memcpy(&words[at], &memory[part->pa / 8], part->n * 8);
		at += part->n;
	}
	assert_true(at <= PW_CHAIN_WORDS);
}

static void chain_reads_no_entry_before_one_below_it(void **state)
{
	struct pw_link top = { .pa = 8, .expect = 10, .ignore = 1 }, mid = { .pa = 4096, .expect = 20, .up = &top };
	struct pw_link low = { .pa = 24, .expect = 30, .up = &mid };
	struct pw_table_req req[3] = { { .link = &mid }, { .link = &low }, { .link = NULL } };
	uint64_t memory[1024] = { [1] = 10, [512] = 20, [3] = 30 }, words[PW_CHAIN_WORDS];
	struct pw_chain chain;

	(void)state;
	assert_int_equal(pw_chain_build(&chain, req, 3), 0);
	assert_int_equal(chain.n, 3);
	/* mid is wanted twice: for itself, and once more after low */
	assert_int_equal(chain.nparts, 5);
	assert_true(chain.of[0][0] < chain.of[1][1]);
	chain_read(&chain, memory, words);
	for (size_t r = 0; r < 3; r++)
		assert_true(pw_chain_holds(&chain, req, r, words));
	memory[1] ^= 1; /* an ignored bit */
	chain_read(&chain, memory, words);
	assert_true(pw_chain_holds(&chain, req, 1, words));
	memory[3]++;
	chain_read(&chain, memory, words);
	assert_true(pw_chain_holds(&chain, req, 0, words));
	assert_false(pw_chain_holds(&chain, req, 1, words));
	memory[3] = 0;
	low.expect = 0;
	chain_read(&chain, memory, words);
	assert_false(pw_chain_holds(&chain, req, 1, words)); /* not read, or empty */
}

static void chain_of_neighbours_is_read_together(void **state)
{
	struct pw_link top = { .pa = 8, .expect = 10 }, link[PW_CHAIN_REQS];
	struct pw_table_req req[PW_CHAIN_REQS];
	uint64_t memory[1024] = { [1] = 10 }, words[PW_CHAIN_WORDS];
	struct pw_chain chain;

	(void)state;
	for (size_t i = 0; i < PW_CHAIN_REQS; i++) {
		link[i] = (struct pw_link){ .pa = 4096 + i * 16, .expect = i + 1, .up = &top };
		req[i] = (struct pw_table_req){ .link = &link[i] };
		memory[512 + i * 2] = i + 1;
	}
	assert_int_equal(pw_chain_build(&chain, req, PW_CHAIN_REQS), 0);
	assert_int_equal(chain.n, PW_CHAIN_REQS);
	assert_int_equal(chain.nparts, 2);
	for (size_t changed = 0; changed < PW_CHAIN_REQS; changed++) {
		memory[512 + changed * 2] ^= 1 << 12;
		chain_read(&chain, memory, words);
		for (size_t r = 0; r < PW_CHAIN_REQS; r++)
			assert_int_equal(pw_chain_holds(&chain, req, r, words), r != changed);
		memory[512 + changed * 2] ^= 1 << 12;
	}
}

/* Entries all over memory, in any order, some of them at odd addresses: each request's word is where it is looked for. */
static void chain_of_strangers_goes_in_parts(void **state)
{
	struct pw_link link[200][PW_CHAIN_DEPTH];
	struct pw_table_req req[200];
	uint64_t memory[1024], words[PW_CHAIN_WORDS], seed = 1;
	struct pw_chain chain;

	(void)state;
	for (size_t i = 0; i < 1024; i++)
		memory[i] = i + 1;
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 200; i++) {
			for (size_t d = 0; d < PW_CHAIN_DEPTH; d++) {
				uint64_t word = (seed = seed * UINT64_C(6364136223846793005) + 1) >> 40;

				word %= round % 2 ? 1024 : 64;
				link[i][d] = (struct pw_link){ .pa = word * 8, .expect = word + 1 };
				link[i][d].up = d + 1 < (seed >> 33) % 5 ? &link[i][d + 1] : NULL;
			}
			req[i] = (struct pw_table_req){ .link = (seed >> 50) % 8 ? link[i] : NULL };
		}
		for (size_t done = 0; done < 200; done += chain.n) {
			assert_int_equal(pw_chain_build(&chain, req + done, 200 - done), 0);
			assert_true(chain.n);
			chain_read(&chain, memory, words);
			for (size_t r = 0; r < chain.n; r++)
				assert_true(pw_chain_holds(&chain, req + done, r, words));
		}
	}
	link[0][0] = (struct pw_link){ .pa = 4092 };
	link[1][0] = (struct pw_link){ .pa = 4088 };
	req[0].link = link[0];
	req[1].link = link[1];
	assert_int_equal(pw_chain_build(&chain, req, 2), 0);
	assert_int_equal(chain.nparts, 2);
}

static void chain_that_is_too_long(void **state)
{
	struct pw_link l[PW_CHAIN_DEPTH + 1] = { 0 };
	struct pw_table_req req = { .link = l };
	struct pw_chain chain;

	(void)state;
	for (int i = 0; i < PW_CHAIN_DEPTH - 1; i++)
		l[i].up = &l[i + 1];
	assert_int_equal(pw_chain_build(&chain, &req, 1), 0);
	l[PW_CHAIN_DEPTH - 1].up = &l[PW_CHAIN_DEPTH];
	assert_int_equal(pw_chain_build(&chain, &req, 1), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iomem_finds_ram_at_any_depth),
		cmocka_unit_test(iomem_joins_ram_inside_ram),
		cmocka_unit_test(iomem_of_zeros_is_refused),
		cmocka_unit_test(iomem_without_ram_is_refused),
		cmocka_unit_test(maps_with_any_bytes_in_names),
		cmocka_unit_test(maps_that_are_not_maps),
		cmocka_unit_test(maps_that_changed_meanwhile),
		cmocka_unit_test(kcore_gives_page_offset_and_file_offsets),
		cmocka_unit_test(kcore_that_is_not_kcore),
		cmocka_unit_test(btf_types_are_numbered_from_1),
		cmocka_unit_test(btf_types_are_found_by_number),
		cmocka_unit_test(btf_members_are_looked_at_within_bounds),
		cmocka_unit_test(btf_that_leads_outside),
		cmocka_unit_test(vmcoreinfo_keys_are_whole),
		cmocka_unit_test(cpu_flags_are_whole_words),
		cmocka_unit_test(chain_reads_no_entry_before_one_below_it),
		cmocka_unit_test(chain_of_neighbours_is_read_together),
		cmocka_unit_test(chain_of_strangers_goes_in_parts),
		cmocka_unit_test(chain_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
