/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu: what a CPU of the running system translates with now. */
#ifndef PAGEWALK_CPU_H
#define PAGEWALK_CPU_H

#include <pagewalk/target.h>

/* The bits of CR3 that are a PCID when CR4.PCIDE is set, and the bits of CR4. */
#define PW_X86_CR3_PCID  UINT64_C(0xfff)
#define PW_X86_CR4_PCIDE (UINT64_C(1) << 17)
#define PW_X86_CR4_PKE   (UINT64_C(1) << 22)
#define PW_X86_CR4_PKS   (UINT64_C(1) << 24)

/* Whose tables a root is. */
enum pw_owner {
	PW_OWNER_UNKNOWN, /* no process's that is there now */
	PW_OWNER_PROCESS,
	PW_OWNER_KERNEL, /* swapper_pg_dir: the CPU idles, or runs a kernel thread */
};

struct pw_cpu {
	unsigned cpu;
	bool has_cpu;    /* it is of a CPU; else of an address space alone */
	char vendor[16]; /* "GenuineIntel"; "" not known */
	unsigned phys_bits;
	bool pku;       /* the kernel has turned protection keys on, by /proc/cpuinfo */
	bool registers; /* the next ones are known; efer: has_efer */
	bool has_efer;
	uint64_t cr0, cr3, cr4, efer;
	uint64_t root; /* physical address of the table that CR3 points to */
	uint64_t
		user_root; /* of the one that user mode runs on with page-table isolation (can be root); else PW_PA_NONE */
	uint64_t root_va; /* in the direct map; PW_PA_NONE: not known */
	enum pw_owner owner;
	pid_t pid; /* one of the processes whose root it is */
	char comm[64];
};

/*
 * What CPU n has in its registers: by the module, QEMU, or the notes of an image. -EOPNOTSUPP: another source; -ENXIO: no such CPU
 * is online. Unless the caller itself keeps the CPU, it has gone on when this returns: a process that was found as the owner can have ended.
 */
PW_API int pw_cpu_read(struct pw_target *t, unsigned n, struct pw_cpu *out, struct pw_error *err);

/* The same about a root that is known otherwise: no registers, no CPU. */
PW_API void pw_cpu_of_root(struct pw_target *t, uint64_t root, struct pw_cpu *out);

#endif
