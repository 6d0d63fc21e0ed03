/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The 64-bit words of /proc/PID/pagemap, one a page, as an entry format of their own.
 *
 *   63  62  61  60 59  58  57  56  55  54                                            0
 *  +---+---+---+------+---+---+---+---+------------------------------------------------+
 *  | P | S | F |  0   | G | W | E |SD | frame number, or swap type (4:0), offset (54:5) |
 *  +---+---+---+------+---+---+---+---+------------------------------------------------+
 *
 * P present to the kernel: PROT_NONE pages too, which the CPU does not map. S swap, migration, hwpoison
 * or marker. F file page or shared anonymous. G guard region (v6.15). W write-protected by
 * userfaultfd (v5.13). E mapped by this process only (v4.2). SD soft-dirty (v3.11), which is also set
 * for pages that are not there, in a VMA that is soft-dirty as a whole.
 *
 * The frame or swap field is 0 where the reader lacks CAP_SYS_ADMIN (frames since v4.2). Frame 0 is
 * never a page of a process, nor is offset 0 of a swap area (its header), so that 0 is "hidden".
 * (Documentation/admin-guide/mm/pagemap.rst, fs/proc/task_mmu.c)
 */
#include <pagewalk/arch.h>

#define BIT(n) (UINT64_C(1) << (n))

#define PRESENT    BIT(63)
#define SWAP       BIT(62)
#define FILE_PAGE  BIT(61)
#define GUARD      BIT(58)
#define UFFD_WP    BIT(57)
#define EXCLUSIVE  BIT(56)
#define SOFT_DIRTY BIT(55)
#define FRAME      (BIT(55) - 1)

enum { A_FILE, A_GUARD, A_UFFD_WP, A_EXCLUSIVE, A_SOFT_DIRTY, A_COUNT };

#define K(kind) (1u << PW_##kind)
#define IN(kd)  .levels = 1u << PW_PTE, .kinds = (kd), .half = 1u << PW_HALF_USER | 1u << PW_HALF_KERNEL

static const struct pw_attr attrs[A_COUNT] = {
	[A_FILE] = { "file", "file page or shared anonymous memory", "file", FILE_PAGE, IN(K(LEAF) | K(SOFT)) },
	[A_GUARD] = { "guard", "guard region (MADV_GUARD_INSTALL)", "guard", GUARD, IN(K(LEAF) | K(SOFT)) },
	[A_UFFD_WP] = { "uffd-wp", "write-protected by userfaultfd", "uffd-wp", UFFD_WP, IN(K(LEAF) | K(SOFT)) },
	[A_EXCLUSIVE] = { "exclusive", "mapped by this process only", "exclusive", EXCLUSIVE, IN(K(LEAF) | K(SOFT)) },
	[A_SOFT_DIRTY] = { "soft-dirty", "written since clear_refs was last told to forget", "soft-dirty", SOFT_DIRTY,
			   IN(K(LEAF) | K(SOFT) | K(NONE)) },
};

static const struct pw_mode modes[] = { { "pagemap", 1, 64, { { PW_PTE, 12, 9 } } } };
static const char *const memtypes[] = { NULL };

static uint64_t attrs_of(uint64_t raw, uint8_t kind)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < A_COUNT; i++)
		if (raw & attrs[i].mask && attrs[i].kinds & (1u << kind))
			found |= BIT(i);
	return found;
}

static void decode(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw, struct pw_entry *out)
{
	uint64_t frame = raw & FRAME;

	(void)mmu;
	*out = (struct pw_entry){
		.raw = raw,
		.pa = PW_PA_NONE,
		.size = 4096,
		.level = level,
		.kind = PW_NONE,
		.memtype = 0xff,
	};
	if (raw & PRESENT) {
		out->kind = PW_LEAF;
		out->hw = true; /* as far as it can be known */
		out->perm = PW_PERM_UNKNOWN;
		if (frame && frame < BIT(52))
			out->pa = frame << 12;
	} else if (raw & SWAP) {
		out->kind = PW_SOFT;
		out->has_swap = frame != 0;
		out->swap_type = frame & 31;
		out->swap_offset = frame >> 5;
	} else if (raw & (UFFD_WP | GUARD)) {
		out->kind = PW_SOFT; /* a marker: hugetlbfs' have no S */
	}
	out->attrs = attrs_of(raw, out->kind);
}

static uint64_t hw_volatile(enum pw_level level)
{
	(void)level;
	return 0;
}

static void leaf_format(const struct pw_mmu *mmu, enum pw_level level, struct pw_leaf_format *out)
{
	(void)mmu;
	*out = (struct pw_leaf_format){ 0 };
	if (level != PW_PTE)
		return;
	*out = (struct pw_leaf_format){
		.leaf_mask = PRESENT,
		.leaf_value = PRESENT,
		.same = PRESENT,
		.pa_mask = FRAME,
		.pa_step = 1,
	};
}

const struct pw_arch pw_arch_pagemap = {
	.name = "pagemap",
	.modes = modes,
	.nmodes = 1,
	.attrs = attrs,
	.nattrs = A_COUNT,
	.memtypes = memtypes,
	.decode = decode,
	.hw_volatile = hw_volatile,
	.leaf_format = leaf_format,
};
