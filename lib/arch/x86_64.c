/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x86-64 page-table entries, 4 and 5 levels: what hardware reads in them and what Linux keeps there.
 *
 *          63 62  59 58      52 51        M M-1           13 12 11 10 9  8  7  6  5  4  3  2  1  0
 *         +--+------+----------+-----------+----------------+--------+--+--+--+--+--+--+--+--+--+--+
 *  table  |NX|    ignored      | reserved  |     table >> 12         |ig|* |ig|A |CD|WT|U |W |1 |
 *         +--+------+----------+-----------+----------------+--------+--+--+--+--+--+--+--+--+--+--+
 *  1G, 2M |NX| key  | ignored  | reserved  | page |reserved|P | ign. |G |1 |D |A |CD|WT|U |W |1 |
 *         +--+------+----------+-----------+----------------+--------+--+--+--+--+--+--+--+--+--+--+
 *  4K     |NX| key  | ignored  | reserved  |  page >> 12       | ign. |G |P |D |A |CD|WT|U |W |1 |
 *         +--+------+----------+-----------+----------------+--------+--+--+--+--+--+--+--+--+--+--+
 *  absent |                       ignored: whatever the kernel keeps there                      |0 |
 *         +-------------------------------------------------------------------------------------+--+
 *
 * M is MAXPHYADDR (CPUID 80000008h EAX[7:0], at most 52). P is the PAT bit. * is bit 7, "page size":
 * 0 in a table entry of pud and pmd, reserved in one of pgd and p4d, PAT in a pte. A 2M page has its
 * address in 51:21 with 20:13 reserved, a 1G page in 51:30 with 29:13 reserved. NX is reserved where
 * EFER.NXE is off. The key counts in user pages, and only with CR4.PKE. A table entry's WT and CD are
 * the memory type by which the CPU reads the *next* table.
 * (Intel SDM vol. 3A, 4.5 "4-level paging and 5-level paging", tables 4-14 to 4-20; memory types
 * 4.9.2; AMD APM vol. 2, 5.3, which has encryption's C-bit among the address bits.)
 *
 * Software bits are those "ignored": 11:9 and 58:52 of a page. Linux names some of them (pgtable_types.h
 * in arch/x86/include/asm), not the same in each release, so that their names need the mmu's dialect:
 *
 *   9   special (CPA_TEST under CONFIG_CPA_DEBUG)
 *   10  uffd-wp, user pages
 *   11  soft-dirty in user pages; in kernel pages "stays 4K"
 *       Since Linux kernel commit 41d88484c71c ("x86/mm/pat: restore large ROX pages after
 *       fragmentation") (in v6.15)
 *   57  devmap, v6.6 to v6.16
 *   58  devmap to v6.5; then saved-dirty: the Dirty bit of a page that is not writable
 *       Since Linux kernel commit 0b02a82082c5 ("x86/mm: Introduce _PAGE_SAVED_DIRTY") (in v6.6)
 *       and in pgd and p4d entries of identity maps (kexec, resume) "no PTI shadow"
 *       Since Linux kernel commit d0ceea662d45 ("x86/mm: Add _PAGE_NOPTISHADOW bit to avoid updating
 *       userspace page tables") (in v6.13, and in stable v6.12)
 *   Devmap's bit is gone since Linux kernel commit d438d2734170 ("mm: remove devmap related functions
 *   and page table bits") (in v6.17)
 *
 * Entries with bit 0 clear, by Linux:
 *
 *   63    59 58                                                  9  8  7  6  5  4  3  2  1  0
 *  +--------+------------------------------------------------------+--+--+--+--+--+--+--+--+--+
 *  | type   |  ~offset                                             |0 |0 |  |  |  |E |F |SD|0 |  swap and its kin
 *  +--------+------------------------------------------------------+--+--+--+--+--+--+--+--+--+
 *  | as a page's, its address bits inverted                        |G |S | as a page's       |0 |  protnone
 *  +--------+------------------------------------------------------+--+--+--+--+--+--+--+--+--+
 *
 *  - G (bit 8) set is PROT_NONE or a NUMA hint; S (bit 7) at pmd and pud a huge page that is being
 *    split or invalidated: pte_present() and pmd_present() hold for them.
 *  - Against L1TF the address is stored inverted in all of them (asm/pgtable-invert.h, since v4.18's
 *    stable series), for huge pages in the bits of their own size (pfn_pmd) or, by hugetlbfs, in all
 *    of 51:12 (pte_modify on a huge entry), which then inverts the PAT bit 12 as well.
 *  - The swap layout is asm/pgtable_64.h's; the same at pmd (THP migration) and, for hugetlbfs, at pud.
 *    E, exclusive: since Linux kernel commit 1493a1913e34 ("mm/swap: remember PG_anon_exclusive via a
 *    swp pte bit") (in v5.19).
 *  - Accessed and Dirty alone are nothing: some CPUs set them in absent entries (_PAGE_KNL_ERRATUM_MASK).
 *  - In the kernel half an absent entry that is not empty was taken out of the direct map (set_memory_np,
 *    memfd_secret, debug_pagealloc); CPA clears G there so that it is not taken for PROT_NONE.
 */
#include <pagewalk/arch.h>

#define BIT(n)       (UINT64_C(1) << (n))
#define BITS(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & ~(BIT(lo) - 1))

#define PRESENT   BIT(0)
#define WRITE     BIT(1)
#define USER      BIT(2)
#define PWT       BIT(3)
#define PCD       BIT(4)
#define ACCESSED  BIT(5)
#define DIRTY     BIT(6)
#define PSE       BIT(7)  /* pmd, pud */
#define PAT_4K    BIT(7)  /* pte */
#define GLOBAL    BIT(8)  /* when present */
#define PROTNONE  BIT(8)  /* when not */
#define PAT_HUGE  BIT(12) /* pmd, pud */
#define KEY       BITS(62, 59)
#define KEY_SHIFT 59
#define NX        BIT(63)
#define ADDR      BITS(51, 12)

#define SWP_SOFT_DIRTY   BIT(1)
#define SWP_UFFD_WP      BIT(2)
#define SWP_EXCLUSIVE    BIT(3)
#define SWP_OFFSET_SHIFT 9
#define SWP_TYPE_SHIFT   59

/* Bits that the CPU ignores, by kind of entry; the rest of the bits has one meaning for all kernels. */
#define SOFTWARE_LEAF  (BITS(11, 9) | BITS(58, 52))
#define SOFTWARE_TABLE (DIRTY | BITS(11, 8) | BITS(62, 52))

enum {
	/* The first seven are the bits 0 to 6 in order: decode copies them. */
	A_PRESENT,
	A_WRITE,
	A_USER,
	A_PWT,
	A_PCD,
	A_ACCESSED,
	A_DIRTY,
	A_HUGE,
	A_PAT,
	A_PAT_HUGE,
	A_GLOBAL,
	A_PROTNONE,
	A_NX,
	A_ENCRYPTED,
	A_SHARED,
	A_SPECIAL,
	A_UFFD_WP,
	A_SOFT_DIRTY,
	A_KERNEL_4K,
	A_DEVMAP_57,
	A_DEVMAP_58,
	A_SAVED_DIRTY,
	A_NOPTISHADOW,
	A_SWP_SOFT_DIRTY,
	A_SWP_UFFD_WP,
	A_SWP_EXCLUSIVE,
	A_SW6,
	A_SW8,
	A_SW9,
	A_SW10,
	A_SW11,
	A_SW52,
	A_SW53,
	A_SW54,
	A_SW55,
	A_SW56,
	A_SW57,
	A_SW58,
	A_SW59,
	A_SW60,
	A_SW61,
	A_SW62,
	A_COUNT,
};

#define L(level)    (1u << PW_##level)
#define ANY_LEVEL   (L(PTE) | L(PMD) | L(PUD) | L(P4D) | L(PGD))
#define HUGE_LEVEL  (L(PMD) | L(PUD))
#define LEAF_LEVEL  (L(PTE) | HUGE_LEVEL)
#define TABLE_LEVEL (HUGE_LEVEL | L(P4D) | L(PGD))

#define K(kind)       (1u << PW_##kind)
#define PAGE          (K(LEAF) | K(PROTNONE))
#define PAGE_OR_TABLE (PAGE | K(TABLE))

#define USER_HALF   (1u << PW_HALF_USER)
#define KERNEL_HALF (1u << PW_HALF_KERNEL)
#define BOTH        (USER_HALF | KERNEL_HALF)

#define IN(lv, kd, hf) .levels = (lv), .kinds = (kd), .half = (hf)
#define SW(n, lv, kd)                                                                                          \
	{                                                                                                      \
		"sw" #n, "ignored by the CPU; no known use by this kernel", "sw" #n, BIT(n), IN(lv, kd, BOTH), \
			.unless = true                                                                         \
	}

static const struct pw_attr attrs[A_COUNT] = {
	[A_PRESENT] = { "present", "the CPU uses the entry", NULL, PRESENT, IN(ANY_LEVEL, K(LEAF) | K(TABLE), BOTH) },
	[A_WRITE] = { "write", "writable, if all levels say so", NULL, WRITE, IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_USER] = { "user", "user mode may use it, if all levels say so", NULL, USER,
		     IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_PWT] = { "pwt", "page-level write-through: with pcd and pat, selects the memory type", "pwt", PWT,
		    IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_PCD] = { "pcd", "page-level cache disable: with pwt and pat, selects the memory type", "pcd", PCD,
		    IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_ACCESSED] = { "accessed", "set by the CPU when it uses the entry", "A", ACCESSED,
			 IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_DIRTY] = { "dirty", "set by the CPU when it writes to the page", "D", DIRTY, IN(LEAF_LEVEL, PAGE, BOTH) },
	[A_HUGE] = { "huge", "page size: maps a 2M or 1G page, not a table", NULL, PSE, IN(HUGE_LEVEL, PAGE, BOTH) },
	[A_PAT] = { "pat", "with pwt and pcd, selects the memory type", "pat", PAT_4K, IN(L(PTE), PAGE, BOTH) },
	[A_PAT_HUGE] = { "pat", "with pwt and pcd, selects the memory type (of a huge page)", "pat", PAT_HUGE,
			 IN(HUGE_LEVEL, PAGE, BOTH) },
	[A_GLOBAL] = { "global", "stays in the TLB when the address space changes", "global", GLOBAL,
		       IN(LEAF_LEVEL, K(LEAF), BOTH) },
	[A_PROTNONE] = { "protnone", "PROT_NONE or NUMA hint: present to the kernel only", NULL, PROTNONE,
			 IN(LEAF_LEVEL, K(PROTNONE), BOTH) },
	[A_NX] = { "nx", "not executable", NULL, NX, IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_ENCRYPTED] = { "encrypted", "memory encryption's C-bit (SME, SEV)", "encrypted", 0,
			  IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_SHARED] = { "shared", "TDX's shared bit: memory that the host can read", "shared", 0,
		       IN(ANY_LEVEL, PAGE_OR_TABLE, BOTH) },
	[A_SPECIAL] = { "special", "no struct page is to be used for it", "special", BIT(9), IN(LEAF_LEVEL, PAGE, BOTH),
			.dialect = PW_DIALECT_KNOWN },
	[A_UFFD_WP] = { "uffd-wp", "write-protected by userfaultfd", "uffd-wp", BIT(10),
			IN(LEAF_LEVEL, PAGE, USER_HALF), .dialect = PW_DIALECT_UFFD_WP },
	[A_SOFT_DIRTY] = { "soft-dirty", "written since clear_refs was last told to forget", "soft-dirty", BIT(11),
			   IN(LEAF_LEVEL, PAGE, USER_HALF), .dialect = PW_DIALECT_SOFT_DIRTY },
	[A_KERNEL_4K] = { "kernel-4k", "must not be merged into a huge page", "kernel-4k", BIT(11),
			  IN(LEAF_LEVEL, PAGE, KERNEL_HALF), .dialect = PW_DIALECT_KERNEL_4K },
	[A_DEVMAP_57] = { "devmap", "device memory with struct pages (DAX)", "devmap", BIT(57),
			  IN(LEAF_LEVEL, PAGE, BOTH), .dialect = PW_DIALECT_DEVMAP_57 },
	[A_DEVMAP_58] = { "devmap", "device memory with struct pages (DAX)", "devmap", BIT(58),
			  IN(LEAF_LEVEL, PAGE, BOTH), .dialect = PW_DIALECT_DEVMAP_58 },
	[A_SAVED_DIRTY] = { "saved-dirty", "was dirty when write was taken away", "saved-dirty", BIT(58),
			    IN(LEAF_LEVEL, PAGE, BOTH), .dialect = PW_DIALECT_SAVED_DIRTY },
	[A_NOPTISHADOW] = { "noptishadow", "not to be copied to PTI's user root", "noptishadow", BIT(58),
			    IN(L(PGD) | L(P4D), K(TABLE), BOTH), .dialect = PW_DIALECT_NOPTISHADOW },
	[A_SWP_SOFT_DIRTY] = { "soft-dirty", "written since clear_refs was last told to forget (not in memory)",
			       "soft-dirty", SWP_SOFT_DIRTY, IN(LEAF_LEVEL, K(SOFT), USER_HALF),
			       .dialect = PW_DIALECT_SOFT_DIRTY },
	[A_SWP_UFFD_WP] = { "uffd-wp", "write-protected by userfaultfd (not in memory)", "uffd-wp", SWP_UFFD_WP,
			    IN(LEAF_LEVEL, K(SOFT), USER_HALF), .dialect = PW_DIALECT_UFFD_WP },
	[A_SWP_EXCLUSIVE] = { "exclusive", "an anonymous page of this process only", "exclusive", SWP_EXCLUSIVE,
			      IN(LEAF_LEVEL, K(SOFT), USER_HALF), .dialect = PW_DIALECT_KNOWN },
	[A_SW6] = { "sw6", "ignored by the CPU in table entries; Linux sets it in most of them", NULL, BIT(6),
		    IN(TABLE_LEVEL, K(TABLE), BOTH), .unless = true },
	[A_SW8] = SW(8, TABLE_LEVEL, K(TABLE)),
	[A_SW9] = SW(9, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW10] = SW(10, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW11] = SW(11, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW52] = SW(52, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW53] = SW(53, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW54] = SW(54, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW55] = SW(55, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW56] = SW(56, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW57] = SW(57, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW58] = SW(58, ANY_LEVEL, PAGE_OR_TABLE),
	[A_SW59] = SW(59, TABLE_LEVEL, K(TABLE)),
	[A_SW60] = SW(60, TABLE_LEVEL, K(TABLE)),
	[A_SW61] = SW(61, TABLE_LEVEL, K(TABLE)),
	[A_SW62] = SW(62, TABLE_LEVEL, K(TABLE)),
};

static const uint8_t sw_attr[64] = {
	[6] = A_SW6,   [8] = A_SW8,   [9] = A_SW9,   [10] = A_SW10, [11] = A_SW11, [52] = A_SW52,
	[53] = A_SW53, [54] = A_SW54, [55] = A_SW55, [56] = A_SW56, [57] = A_SW57, [58] = A_SW58,
	[59] = A_SW59, [60] = A_SW60, [61] = A_SW61, [62] = A_SW62,
};

static const struct pw_mode modes[] = {
	{ "4-level", 4, 48, { { PW_PGD, 39, 9 }, { PW_PUD, 30, 9 }, { PW_PMD, 21, 9 }, { PW_PTE, 12, 9 } } },
	{ "5-level",
	  5,
	  57,
	  { { PW_PGD, 48, 9 }, { PW_P4D, 39, 9 }, { PW_PUD, 30, 9 }, { PW_PMD, 21, 9 }, { PW_PTE, 12, 9 } } },
};

/* By the PAT MSR's encoding; 2 and 3 are reserved there. */
static const char *const memtypes[] = { "UC", "WC", "reserved-2", "reserved-3", "WT", "WP", "WB", "UC-", NULL };

static bool five_levels(const struct pw_mmu *mmu)
{
	return mmu->mode && mmu->mode->depth == 5;
}

static unsigned level_shift(const struct pw_mmu *mmu, enum pw_level level)
{
	switch (level) {
	case PW_PTE:
		return 12;
	case PW_PMD:
		return 21;
	case PW_PUD:
		return 30;
	case PW_PGD:
		return five_levels(mmu) ? 48 : 39;
	default:
		return 39;
	}
}

/* Physical address bits of a page of that level. */
static uint64_t page_mask(const struct pw_mmu *mmu, enum pw_level level)
{
	return ADDR & ~(BIT(level_shift(mmu, level)) - 1) & ~mmu->enc_mask;
}

/* Bits for which the CPU faults when they are set in a present entry. */
static uint64_t reserved_mask(const struct pw_mmu *mmu, enum pw_level level, bool huge)
{
	unsigned max = mmu->maxphyaddr >= 32 && mmu->maxphyaddr < 52 ? mmu->maxphyaddr : 52;
	uint64_t mask = ADDR & ~(BIT(max) - 1);

	if (huge)
		mask |= BITS(level_shift(mmu, level) - 1, 13);
	mask &= ~mmu->enc_mask;
	if (level == PW_PGD || level == PW_P4D)
		mask |= PSE;
	if (mmu->no_nx)
		mask |= NX;
	return mask;
}

static uint8_t own_perm(const struct pw_mmu *mmu, uint64_t raw)
{
	uint8_t perm = PW_R;

	if (raw & WRITE)
		perm |= PW_W;
	if (raw & USER)
		perm |= PW_U;
	if (!(raw & NX) || mmu->no_nx)
		perm |= PW_X;
	return perm;
}

static bool pat_bit(enum pw_level level, uint64_t raw)
{
	return raw & (level == PW_PTE ? PAT_4K : PAT_HUGE);
}

static uint8_t memory_type(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw)
{
	unsigned slot = (raw & PWT ? 1 : 0) | (raw & PCD ? 2 : 0) | (pat_bit(level, raw) ? 4 : 0);

	return mmu->pat[slot] & 7;
}

/* -------- attributes: the table above is what they mean, this is how they are found fast -------- */

static uint32_t dialect_of(const struct pw_mmu *mmu)
{
	return mmu->dialect & PW_DIALECT_KNOWN ? mmu->dialect : 0;
}

/* The attribute of a dialect bit, or none. */
static uint64_t if_known(const struct pw_mmu *mmu, uint32_t dialect, unsigned attr)
{
	return dialect_of(mmu) & dialect ? BIT(attr) : 0;
}

static uint64_t page_bit_names(const struct pw_mmu *mmu, unsigned bit)
{
	bool user = mmu->half == PW_HALF_USER;

	switch (bit) {
	case 9:
		return if_known(mmu, PW_DIALECT_KNOWN, A_SPECIAL);
	case 10:
		return user ? if_known(mmu, PW_DIALECT_UFFD_WP, A_UFFD_WP) : 0;
	case 11:
		return user ? if_known(mmu, PW_DIALECT_SOFT_DIRTY, A_SOFT_DIRTY)
			    : if_known(mmu, PW_DIALECT_KERNEL_4K, A_KERNEL_4K);
	case 57:
		return if_known(mmu, PW_DIALECT_DEVMAP_57, A_DEVMAP_57);
	case 58:
		return if_known(mmu, PW_DIALECT_DEVMAP_58, A_DEVMAP_58) |
		       if_known(mmu, PW_DIALECT_SAVED_DIRTY, A_SAVED_DIRTY);
	default:
		return 0;
	}
}

static uint64_t table_bit_names(const struct pw_mmu *mmu, enum pw_level level, unsigned bit)
{
	if (bit == 58 && (level == PW_PGD || level == PW_P4D))
		return if_known(mmu, PW_DIALECT_NOPTISHADOW, A_NOPTISHADOW);
	return 0;
}

static uint64_t software_attrs(const struct pw_mmu *mmu, enum pw_level level, bool table, uint64_t raw)
{
	uint64_t left = raw & (table ? SOFTWARE_TABLE : SOFTWARE_LEAF), found = 0;

	for (; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(left);
		uint64_t names = table ? table_bit_names(mmu, level, bit) : page_bit_names(mmu, bit);

		found |= names ? names : BIT(sw_attr[bit]);
	}
	return found;
}

static uint64_t encryption_attr(const struct pw_mmu *mmu, uint64_t raw)
{
	if (!(raw & mmu->enc_mask))
		return 0;
	return BIT(mmu->enc_shared ? A_SHARED : A_ENCRYPTED);
}

static uint64_t table_attrs(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw)
{
	uint64_t found = raw & (PRESENT | WRITE | USER | PWT | PCD | ACCESSED);

	if (raw & NX && !mmu->no_nx)
		found |= BIT(A_NX);
	return found | encryption_attr(mmu, raw) | software_attrs(mmu, level, true, raw);
}

/* Of leaves and of protnone entries. */
static uint64_t page_attrs(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw)
{
	bool present = raw & PRESENT;
	uint64_t found = raw & (PRESENT | WRITE | USER | PWT | PCD | ACCESSED | DIRTY);

	if (level != PW_PTE && raw & PSE)
		found |= BIT(A_HUGE);
	if (pat_bit(level, raw))
		found |= BIT(level == PW_PTE ? A_PAT : A_PAT_HUGE);
	if (raw & GLOBAL)
		found |= BIT(present ? A_GLOBAL : A_PROTNONE);
	if (raw & NX && !(present && mmu->no_nx))
		found |= BIT(A_NX);
	return found | encryption_attr(mmu, raw) | software_attrs(mmu, level, false, raw);
}

/* -------- decoding -------- */

static void decode_present(const struct pw_mmu *mmu, struct pw_entry *e)
{
	bool huge = (e->level == PW_PMD || e->level == PW_PUD) && e->raw & PSE;

	e->hw = true;
	e->perm = own_perm(mmu, e->raw);
	e->reserved = e->raw & reserved_mask(mmu, e->level, huge);
	if (e->level != PW_PTE && !huge) {
		e->kind = PW_TABLE;
		e->pa = e->raw & ADDR & ~mmu->enc_mask;
		e->attrs = table_attrs(mmu, e->level, e->raw);
		return;
	}
	e->kind = PW_LEAF;
	e->pa = e->raw & page_mask(mmu, e->level);
	e->key = (e->raw & KEY) >> KEY_SHIFT;
	e->memtype = memory_type(mmu, e->level, e->raw);
	e->attrs = page_attrs(mmu, e->level, e->raw);
}

/*
 * hugetlbfs makes PROT_NONE with the pte helpers, which invert bits 20:12 (29:12) too: recognised by the
 * ones in bits that are zero in any huge page. The address is not concerned, the PAT bit is.
 */
static uint64_t straighten_huge(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw)
{
	uint64_t below = BITS(level_shift(mmu, level) - 1, 13) & ~mmu->enc_mask;

	return (raw & below) == below ? raw ^ (below | PAT_HUGE) : raw;
}

static void decode_protnone(const struct pw_mmu *mmu, struct pw_entry *e)
{
	uint64_t raw = e->level == PW_PTE ? e->raw : straighten_huge(mmu, e->level, e->raw);

	e->kind = PW_PROTNONE;
	e->pa = ~raw & page_mask(mmu, e->level);
	e->key = (raw & KEY) >> KEY_SHIFT;
	e->attrs = page_attrs(mmu, e->level, raw);
}

/*
 * Type and offset as pagemap prints them. For entries that hold a PFN (migration, hwpoison, device
 * memory) it cuts the offset to the bits of a PFN, which drops the young and dirty bits kept above:
 * Since Linux kernel commit 0d206b5d2e0d ("mm/swap: add swp_offset_pfn() to fetch PFN from swap entry")
 * and 2e3468778dbe ("mm: remember young/dirty bit for page migrations") (in v6.1). Which types those are
 * depends on the kernel's configuration. But nothing else has bits there: MAX_PHYSMEM_BITS, 46 with 4
 * levels and 52 with 5, leaves 34 and 40 bits, and swap files end at 32. So all are cut.
 */
static void decode_swap(const struct pw_mmu *mmu, struct pw_entry *e)
{
	unsigned pfn_bits = five_levels(mmu) ? 52 - 12 : 46 - 12;

	e->has_swap = true;
	e->swap_type = (uint8_t)(e->raw >> SWP_TYPE_SHIFT);
	e->swap_offset = (~e->raw >> SWP_OFFSET_SHIFT) & (BIT(pfn_bits) - 1);
	if (e->raw & SWP_SOFT_DIRTY)
		e->attrs |= if_known(mmu, PW_DIALECT_SOFT_DIRTY, A_SWP_SOFT_DIRTY);
	if (e->raw & SWP_UFFD_WP)
		e->attrs |= if_known(mmu, PW_DIALECT_UFFD_WP, A_SWP_UFFD_WP);
	if (e->raw & SWP_EXCLUSIVE)
		e->attrs |= if_known(mmu, PW_DIALECT_KNOWN, A_SWP_EXCLUSIVE);
}

static void decode_absent(const struct pw_mmu *mmu, struct pw_entry *e)
{
	bool huge_level = e->level == PW_PMD || e->level == PW_PUD;

	e->kind = PW_SOFT;
	if (e->level > PW_PUD)
		return;
	if (mmu->half == PW_HALF_KERNEL) {
		bool page = !huge_level || e->raw & PSE;

		e->pa = ~e->raw & (page ? page_mask(mmu, e->level) : ADDR & ~mmu->enc_mask);
		return;
	}
	if (e->raw & PROTNONE || (huge_level && e->raw & PSE))
		decode_protnone(mmu, e);
	else
		decode_swap(mmu, e);
}

static void decode(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw, struct pw_entry *out)
{
	*out = (struct pw_entry){
		.raw = raw,
		.pa = PW_PA_NONE,
		.size = BIT(level_shift(mmu, level)),
		.level = level,
		.kind = PW_NONE,
		.memtype = 0xff,
	};
	if (raw & PRESENT)
		decode_present(mmu, out);
	else if (raw & ~(ACCESSED | DIRTY))
		decode_absent(mmu, out);
}

static uint64_t hw_volatile(enum pw_level level)
{
	return level == PW_PGD || level == PW_P4D ? ACCESSED : ACCESSED | DIRTY;
}

static void leaf_format(const struct pw_mmu *mmu, enum pw_level level, struct pw_leaf_format *out)
{
	bool huge = level == PW_PMD || level == PW_PUD;
	uint64_t reserved = reserved_mask(mmu, level, huge);

	*out = (struct pw_leaf_format){ 0 };
	if (level != PW_PTE)
		out->table_pa = ADDR & ~mmu->enc_mask & ~reserved_mask(mmu, level, false);
	if (level > PW_PUD)
		return;
	out->leaf_value = huge ? PRESENT | PSE : PRESENT;
	out->leaf_mask = out->leaf_value | reserved;
	out->same = out->leaf_mask | WRITE | USER | PWT | PCD | (huge ? PAT_HUGE : PAT_4K) | KEY | NX | mmu->enc_mask;
	out->accessed = ACCESSED;
	out->dirty = DIRTY;
	out->pa_mask = page_mask(mmu, level);
	out->pa_step = BIT(level_shift(mmu, level));
}

const struct pw_arch pw_arch_x86_64 = {
	.name = "x86-64",
	.modes = modes,
	.nmodes = sizeof(modes) / sizeof(modes[0]),
	.attrs = attrs,
	.nattrs = A_COUNT,
	.memtypes = memtypes,
	.decode = decode,
	.hw_volatile = hw_volatile,
	.leaf_format = leaf_format,
};

void pw_x86_pat_from_msr(uint64_t msr, uint8_t pat[8])
{
	for (int i = 0; i < 8; i++)
		pat[i] = (msr >> (8 * i)) & 7;
}

/* arch/x86/mm/pat/memtype.c, pat_bp_init() */
void pw_x86_pat_linux(uint8_t pat[8])
{
	pw_x86_pat_from_msr(UINT64_C(0x0407050600070106), pat);
}
