/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arch: what an entry means. Pure data and pure functions: no I/O, no globals, nothing of the host,
 * so that any architecture's tables are decoded anywhere.
 *
 * To add an architecture: one file in lib/arch/ with a const struct pw_arch, its modes, its attribute
 * table and decode(); its text tables in tests/unit/data/; a line in lib/arch/arch.c.
 */
#ifndef PAGEWALK_ARCH_H
#define PAGEWALK_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagewalk/error.h>

/* An address that is not known (a hidden frame): never printed as a number. */
#define PW_PA_NONE UINT64_MAX

/* The levels by Linux's names, lowest first. With four levels p4d is folded: pgd sits on pud. */
enum pw_level {
	PW_PTE,
	PW_PMD,
	PW_PUD,
	PW_P4D,
	PW_PGD,
	PW_NLEVELS,
};

/* "pte".."pgd" */
PW_API const char *pw_level_name(enum pw_level level);

/* Also accepts pml5 pml4 pdpt pd pt (pml4 is pgd with 4 levels, p4d with 5: pass depth; 0 is 4). Returns -1 if unknown. */
PW_API int pw_level_parse(const char *name, unsigned depth);

enum pw_kind {
	PW_NONE,     /* empty: nothing is, or ever was, here */
	PW_TABLE,    /* points to the next table */
	PW_LEAF,     /* the CPU maps memory by it */
	PW_PROTNONE, /* the kernel calls it present, the CPU does not: PROT_NONE, NUMA hint, huge page being split */
	PW_SOFT,     /* the kernel's own note: swap, migration, hwpoison, marker, taken out of the direct map */
};

/* "none" "table" "leaf" "protnone" "soft" */
PW_API const char *pw_kind_name(enum pw_kind kind);

/* Paging permissions. A leaf that the CPU can use can always be read. */
enum {
	PW_R = 1 << 0,
	PW_W = 1 << 1,
	PW_X = 1 << 2,
	PW_U = 1 << 3, /* user mode may use it */
	PW_RWXU = PW_R | PW_W | PW_X | PW_U,
};

/* "rw-u" style into out; PW_PERM_UNKNOWN (leaf-only sources) gives "????". */
#define PW_PERM_UNKNOWN 0x80
PW_API const char *pw_perm_text(unsigned perm, char out[5]);

struct pw_mode_level {
	enum pw_level level;
	uint8_t shift; /* log2 of the bytes that one entry covers */
	uint8_t bits;  /* log2 of the entries of one table */
};

/* A paging mode as data; lv[0] is the root's level. */
struct pw_mode {
	const char *name; /* "4-level" */
	uint8_t depth;    /* levels in lv[] */
	uint8_t va_bits;  /* a canonical address is sign-extended from this width */
	struct pw_mode_level lv[PW_NLEVELS];
};

/* Which half of the address space a table serves: it decides what software bits mean. */
enum pw_half { PW_HALF_USER, PW_HALF_KERNEL };

/* Software bits that a kernel is known to use (the dialect); a bit of no known use is named swN. */
enum pw_dialect {
	PW_DIALECT_KNOWN = 1 << 0,       /* there is evidence at all; without it all software bits are swN */
	PW_DIALECT_SOFT_DIRTY = 1 << 1,  /* user bit 11 */
	PW_DIALECT_UFFD_WP = 1 << 2,     /* user bit 10 */
	PW_DIALECT_DEVMAP_58 = 1 << 3,   /* to v6.5 */
	PW_DIALECT_DEVMAP_57 = 1 << 4,   /* v6.6 to v6.16 */
	PW_DIALECT_SAVED_DIRTY = 1 << 5, /* bit 58, from v6.6 */
	PW_DIALECT_NOPTISHADOW = 1 << 6, /* bit 58 of a pgd entry, from v6.12 */
	PW_DIALECT_KERNEL_4K = 1 << 7,   /* kernel bit 11 (7.x) */
};

struct pw_arch;

/*
 * What the swap types of soft entries stand for: that many are swap areas', from 0 on, and above them follow, in this order, so many of each.
 * How they are decoded: <pagewalk/soft.h>.
 */
struct pw_soft_types {
	uint8_t areas; /* 0: not known */
	bool known;    /* the rest, too; they are 32 together */
	uint8_t hwpoison, migration, device, marker, swapin_error;
	char how[160]; /* the grounds; "" unknown */
};

/* What a CPU translates with. */
struct pw_registers {
	bool known, has_efer; /* whether the registers are, besides root */
	uint64_t root;        /* physical address of its root table; PW_PA_NONE: not known */
	uint64_t cr0, cr3, cr4, efer;
};

/* What decoding needs to know about one half of one machine. */
struct pw_mmu {
	const struct pw_arch *arch;
	const struct pw_mode *mode;
	enum pw_half half;
	uint8_t maxphyaddr; /* physical address bits of the CPU */
	uint8_t pat[8];     /* x86: memory type number of each PAT slot */
	bool no_nx;         /* EFER.NXE is off: bit 63 is reserved */
	uint32_t dialect;   /* enum pw_dialect bits */
	uint64_t enc_mask;  /* encryption or shared bit(s): no part of the address */
	bool enc_shared;    /* enc_mask is TDX's shared bit (set: shared), not SME/SEV's C-bit (set: encrypted) */
	const char *dialect_evidence; /* one phrase, static or owned by the target; NULL: unknown */
	struct pw_soft_types soft;
};

/*
 * One named bit of an entry. The same name can occur more than once, where the same thing has another
 * bit in another kind of entry (soft-dirty, pat): a filter means all of them.
 */
struct pw_attr {
	const char *name;
	const char *doc;
	const char *brief; /* in a short list of bits: "A", "soft-dirty"; NULL: perm, size or kind say it */
	uint64_t mask;     /* 0: the mmu's enc_mask */
	uint8_t levels;    /* bit n: at enum pw_level n */
	uint8_t kinds;     /* bit n: for enum pw_kind n */
	uint8_t half;      /* bit n: in enum pw_half n */
	uint32_t dialect;  /* all of these dialect bits are needed; 0: always */
	bool unless;       /* the swN fallbacks: only where no other attribute names the bit */
};

/* A decoded entry. Sizes in bytes, addresses physical. */
struct pw_entry {
	uint64_t raw;
	uint64_t pa;       /* of the next table, or of the page; PW_PA_NONE when there is none or it is hidden */
	uint64_t size;     /* bytes that the entry covers */
	uint64_t attrs;    /* bit n: arch->attrs[n] is set */
	uint64_t reserved; /* bits that are set and must not be: the CPU faults on the entry */
	enum pw_level level;
	enum pw_kind kind;
	bool hw;         /* present to the CPU */
	uint8_t perm;    /* own bits, PW_R.. */
	uint8_t key;     /* protection key, 0 when none */
	uint8_t memtype; /* index for arch->memtypes; 0xff: none */
	bool has_swap;   /* kind soft: type and offset as /proc/PID/pagemap gives them */
	uint8_t swap_type;
	uint64_t swap_offset;
};

/*
 * Masks with which leaves of one level are merged without decoding each: a raw value v is a plain
 * leaf when (v & leaf_mask) == leaf_value; it continues the run of leaf u, for a reader, when
 * ((v ^ u) & same) == 0; its frame follows when (v & pa_mask) == (u & pa_mask) + pa_step.
 * A value that fails the first test is decoded; so `same` need not cover other kinds.
 * A format with leaf_mask 0 has no fast path.
 *
 * An entry that leads to a table and one that differs from it in bits of table_pa alone are the same but for pa, which is those bits.
 */
struct pw_leaf_format {
	uint64_t leaf_mask, leaf_value;
	uint64_t same;
	uint64_t accessed, dirty; /* 0 where not known */
	uint64_t pa_mask, pa_step;
	uint64_t table_pa; /* 0: no entry of that level leads to a table */
};

struct pw_arch {
	const char *name; /* "x86-64" */
	const struct pw_mode *modes;
	size_t nmodes;
	const struct pw_attr *attrs; /* at most 64 */
	size_t nattrs;
	const char *const *memtypes; /* names by number, NULL-terminated */

	/* Any raw value of any level, hostile ones too, gives a complete *out. */
	void (*decode)(const struct pw_mmu *mmu, enum pw_level level, uint64_t raw, struct pw_entry *out);
	/* Bits that hardware sets by itself in an entry of that level (Accessed, Dirty). */
	uint64_t (*hw_volatile)(enum pw_level level);
	void (*leaf_format)(const struct pw_mmu *mmu, enum pw_level level, struct pw_leaf_format *out);
};

extern PW_API const struct pw_arch pw_arch_x86_64;

/*
 * /proc/PID/pagemap's words as a one-level format of their own: the same stages (runs, joins,
 * rendering) then serve leaf-only sources. Page sizes and permissions are unknown in it.
 * Its mode has depth 1: lv[0] = { PW_PTE, 12, 9 } (spans of any length occur).
 */
extern PW_API const struct pw_arch pw_arch_pagemap;

/* By name, NULL when there is none. */
PW_API const struct pw_arch *pw_arch_find(const char *name);

/* The mode with that many levels, or NULL. */
PW_API const struct pw_mode *pw_arch_mode(const struct pw_arch *arch, unsigned depth);

/* x86-64's PAT as Linux programs it (WB WC UC- UC WB WP UC- WT). */
PW_API void pw_x86_pat_linux(uint8_t pat[8]);

/* From the value of MSR 0x277. */
PW_API void pw_x86_pat_from_msr(uint64_t msr, uint8_t pat[8]);

/* Whether va is canonical in mode (sign extension of va_bits). */
static inline bool pw_va_canonical(const struct pw_mode *mode, uint64_t va)
{
	unsigned drop = 64u - mode->va_bits;

	return drop == 0 || (uint64_t)((int64_t)(va << drop) >> drop) == va;
}

static inline uint64_t pw_index(const struct pw_mode_level *lv, uint64_t va)
{
	return (va >> lv->shift) & ((UINT64_C(1) << lv->bits) - 1);
}

/*
 * Whether a soft entry's swap type is that of a swap area: the highest types are migration, hwpoison, device memory
 * and markers, how many depends on the kernel's configuration, at most nine (include/linux/swap.h, MAX_SWAPFILES).
 */
static inline bool pw_is_swap_type(unsigned type)
{
	return type < 32 - 9;
}

static inline bool pw_is_swap(const struct pw_entry *e)
{
	return e->has_swap && pw_is_swap_type(e->swap_type);
}

#endif
