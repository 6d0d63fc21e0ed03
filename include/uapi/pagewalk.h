/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * /dev/pagewalk: page tables and memory as the kernel sees them. The interface of pagewalk.ko; no
 * library is needed:
 *
 *	int fd = open("/dev/pagewalk", O_RDWR | O_CLOEXEC);
 *	struct pagewalk_root r = { .size = sizeof(r), .what = PAGEWALK_ROOT_PID, .id = 4242 };
 *
 *	if (ioctl(fd, PAGEWALK_ROOT, &r) == 0)
 *		printf("pgd at %#llx\n", (unsigned long long)r.root);
 *
 * Every struct starts with its size and flags. `size` is sizeof() as the caller was compiled. It may
 * be smaller than what the module knows (it fills in zeros and gives back no more) but not smaller
 * than the struct's first version (EINVAL); it may be larger if the rest is zeros (else E2BIG). Bits
 * of `flags` that are not listed, and reserved members that are not zero, are EINVAL.
 *
 * Addresses (pa: physical, va: virtual), lengths and sizes are in bytes; a pointer is a __u64 with the
 * address in the caller's own memory. Ranges end with their last byte, not behind it.
 *
 * Each call returns 0, or -1 with errno. What all of them can say:
 *
 *	EPERM   the capability of the call is missing, or the kernel is locked down: at
 *	        `confidentiality` nothing is allowed, at `integrity` no physical or foreign write and no
 *	        MMIO. Asked anew in each call.
 *	EROFS   it would write, and the module was not loaded with writable=1
 *	EINVAL  see above, and where a member says what it takes
 *	E2BIG   see above
 *	EFAULT  a pointer of the caller's is bad, or see the call
 *	EINTR   a fatal signal arrived
 *	ENOMEM  no memory
 *	ENOTTY  no such call
 *
 * To open needs CAP_SYS_ADMIN (EPERM); further capabilities are named with the calls. All of them are
 * wanted in the initial user namespace.
 */
#ifndef _UAPI_PAGEWALK_H
#define _UAPI_PAGEWALK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PAGEWALK_ABI  1
#define PAGEWALK_NONE (~(__u64)0) /* an address that there is none of */

/* -------- INFO: what the machine is --------
 *
 * ENXIO: `cpu` is not online.
 */

#define PAGEWALK_ARCH_X86_64 1

#define PAGEWALK_FEATURE_PTI          (1 << 0) /* kernel page-table isolation: a user root a page above each pgd */
#define PAGEWALK_FEATURE_NX           (1 << 1)
#define PAGEWALK_FEATURE_WRITABLE     (1 << 2) /* writable=1 */
#define PAGEWALK_FEATURE_VMALLOC_HUGE (1 << 3) /* KALLOC knows it */

struct pagewalk_info {
	__u32 size;
	__u32 flags;       /* none */
	__u32 cpu;         /* in: whose registers */
	__u32 abi;         /* out: PAGEWALK_ABI, grows with each addition */
	__u32 arch;        /* PAGEWALK_ARCH_... */
	__u32 levels;      /* of paging: 4 or 5 */
	__u32 phys_bits;   /* MAXPHYADDR */
	__u32 features;    /* PAGEWALK_FEATURE_... */
	__u64 page_offset; /* va of physical address 0 in the direct map */
	__u64 vmalloc_start, vmalloc_last;
	__u64 vmemmap_start;
	__u64 modules_start, modules_last;
	__u64 image_start; /* va of the kernel image's window; pa = va - image_start + phys_base */
	__u64 phys_base;
	__u64 enc_mask;      /* memory encryption bits of an entry: no part of the address */
	__u64 cr0, cr3, cr4; /* of that CPU while it runs the module: cr3 is the kernel's with PTI */
	__u64 efer;
	__u64 pat; /* MSR 0x277 */
};

/* -------- ROOT: where a tree of tables begins --------
 *
 * ESRCH: no such process, or it has no memory (any more): kernel threads, zombies. ENXIO: that CPU is
 * not online. ENODATA: the kernel's root is not known.
 *
 * With PAGEWALK_ROOT_PIN the process's mm stays known to this file descriptor under the number `pin`,
 * whatever becomes of the process and its pid: for WALK and READ_TABLES. It does not keep the
 * process's memory. A descriptor has PAGEWALK_PINS of them; a new one replaces the oldest.
 */

#define PAGEWALK_PINS 64

#define PAGEWALK_ROOT_SELF   0 /* the caller */
#define PAGEWALK_ROOT_PID    1 /* process `id`, in the caller's pid namespace */
#define PAGEWALK_ROOT_KERNEL 2 /* swapper_pg_dir */
#define PAGEWALK_ROOT_CPU    3 /* what CPU `id` runs on now; it cannot be pinned */

#define PAGEWALK_ROOT_PIN (1 << 0) /* flag; SELF and PID only */

struct pagewalk_root {
	__u32 size;
	__u32 flags;
	__u32 what;      /* PAGEWALK_ROOT_... */
	__u32 id;        /* pid or CPU number; else 0 */
	__u64 root;      /* out: pa of the pgd */
	__u64 user_root; /* out: pa of PTI's pgd of user mode; PAGEWALK_NONE without PTI */
	__u64 pin;       /* out: 0 if none was asked for */
};

/* -------- WALK: the tables of a range --------
 *
 * Copies the page tables that serve [va, last], in order of address, each before those below it, in
 * steps: a call fills up to `room` tables and says where it goes on. Pass the struct again until
 * `done`. Each table of a process's user half is copied under its own page-table lock after the
 * entries above it were read again (PAGEWALK_TABLE_LOCKED). Tables of kernel addresses have no lock
 * that a module could take: for these the entries above are read before and after the copy.
 *
 * `pin` chooses the process; with `pin` 0 it is `pid`, which is pinned and whose pin is left in `pin`;
 * with both 0 the kernel's root is walked. The range of a process may lie in either half.
 *
 * ESRCH: no such process, or its memory is gone. ESTALE: the pin is not (any more) of this descriptor.
 * ENODATA: the kernel's root is not known.
 * A table that cannot be copied has a record with `status` and nothing in its page:
 * -EAGAIN it changed at each of several attempts, -EFAULT unreadable, -ENXIO not in RAM.
 */

#define PAGEWALK_LEVEL_PTE 0 /* of the entries in a table; with 4 levels there is no p4d */
#define PAGEWALK_LEVEL_PMD 1
#define PAGEWALK_LEVEL_PUD 2
#define PAGEWALK_LEVEL_P4D 3
#define PAGEWALK_LEVEL_PGD 4

#define PAGEWALK_TABLE_LOCKED (1 << 0)

struct pagewalk_table {
	__u64 va;      /* first address that the table serves */
	__u64 pa;      /* of the table */
	__u64 slot_pa; /* of the entry that points to it; PAGEWALK_NONE for the root */
	__u64 entry;   /* that entry; 0 for the root */
	__u32 level;   /* PAGEWALK_LEVEL_... of its entries */
	__u32 flags;   /* PAGEWALK_TABLE_... */
	__s32 status;
	__u32 reserved;
};

struct pagewalk_walk {
	__u32 size;
	__u32 flags; /* none */
	__u64 pin;   /* in, out */
	__u32 pid;
	__u32 levels;   /* wanted: bit n for level n; 0: all */
	__u64 va, last; /* in; va is moved on by each step */
	__u32 depth;    /* in, out: 0 at first; tables above `va` that are done with */
	__u32 room;     /* 1 to 4096 */
	__u64 tables;   /* pointer: room for `room` struct pagewalk_table */
	__u64 pages;    /* pointer: room for `room` pages of 4096 bytes; page i is of record i */
	__u32 count;    /* out: how many were filled in */
	__u32 done;     /* out: 1 when the range is at its end */
};

/* -------- READ_TABLES: tables by address --------
 *
 * Needs CAP_SYS_RAWIO. Copies `count` pieces of physical memory, each if the entries that lead to it
 * (`link`, nearest first, 0 to 4 of them) hold what is expected, before and after the copy: with
 * interrupts off, so that what hung in the tree both times was not freed and reused between.
 *
 * With `pin` the piece is a table of that process or in one; the links must then start in its root
 * (or PTI's user root) and lead to the piece (EINVAL in status). In the user half it is copied under its lock.
 *
 * The call fails as a whole with ESRCH (the pinned process has no memory any more), ESTALE; else it
 * returns 0 and each request has its status: 0, -EAGAIN an entry has changed, -ENXIO not in RAM,
 * -EFAULT unreadable, -EINVAL.
 */

struct pagewalk_link {
	__u64 pa;     /* of the entry, 8-aligned */
	__u64 expect; /* what it should hold */
	__u64 ignore; /* bits that may differ: Accessed and Dirty; any others are not ignored */
};

struct pagewalk_table_req {
	__u64 pa;    /* 8-aligned */
	__u64 buf;   /* pointer */
	__u32 bytes; /* a multiple of 8, within one page of 4096 */
	__u32 nlinks;
	__s32 status; /* out */
	__u32 flags;  /* out: PAGEWALK_TABLE_... */
	struct pagewalk_link link[4];
};

struct pagewalk_read_tables {
	__u32 size;
	__u32 flags;    /* none */
	__u64 pin;      /* 0: none */
	__u64 reqs;     /* pointer to struct pagewalk_table_req[count] */
	__u32 count;    /* 1 to 1024 */
	__u32 req_size; /* sizeof(struct pagewalk_table_req) */
};

/* -------- READ_PHYS, WRITE_PHYS: physical memory --------
 *
 * READ_PHYS needs CAP_SYS_RAWIO; WRITE_PHYS, and either with PAGEWALK_PHYS_MMIO, needs CAP_SYS_RAWIO
 * and writable=1, and is refused under lockdown=integrity.
 *
 * ENXIO: part of the range is not RAM (with MMIO: part of it is, or it is beyond what the CPU can
 * address, or a page of it is nothing in /proc/iomem, where RAM may be plugged). EFAULT: memory that
 * the kernel itself cannot read or write there: its own text and read-only data, guard and poisoned
 * pages; RAM that has just been unplugged. EBUSY: MMIO cannot be mapped. Each write is logged.
 * On failure `done` says how much was done before.
 */

#define PAGEWALK_PHYS_MMIO (1 << 0) /* device memory, which reading changes too; width must be given */

struct pagewalk_phys {
	__u32 size;
	__u32 flags;
	__u64 pa;
	__u64 len;   /* up to 1 MiB; MMIO: 4096 */
	__u64 buf;   /* pointer */
	__u32 width; /* of each access: 1 2 4 8, pa and len multiples of it; 0: as it suits */
	__u32 reserved;
	__u64 done; /* out */
};

/* -------- READ_USER, WRITE_USER: memory of a process --------
 *
 * Needs CAP_SYS_PTRACE; WRITE_USER also CAP_SYS_RAWIO and writable=1, and is refused under lockdown=integrity.
 * As if the process did it: pages are faulted in, copy-on-write is broken, files' pages become dirty.
 * What its mapping does not allow is refused (EFAULT), with FORCE only what ptrace cannot do either.
 * Up to 64 KiB it is all or nothing; beyond, `done` says how much was done, which can be less than
 * asked. ESRCH: no such process, or it has no memory. Each write is logged.
 */

#define PAGEWALK_USER_FORCE (1 << 0)

struct pagewalk_user {
	__u32 size;
	__u32 flags;
	__u32 pid;
	__u32 reserved;
	__u64 va;
	__u64 len;  /* up to 16 MiB */
	__u64 buf;  /* pointer */
	__u64 done; /* out */
};

/* -------- KALLOC: where the kernel's allocators put memory --------
 *
 * ALLOC gives an id that is this descriptor's own, DESCRIBE says where the pages are, FREE ends it, as
 * closing the descriptor does. The memory is zeroed and used for nothing.
 * ENOMEM: the allocator has none, or the bound is reached: 64 MiB a descriptor, 256 MiB in all.
 * EOPNOTSUPP: this kernel has no such allocation. ENOENT: no such id. ENODATA: the kernel's root is not known.
 */

#define PAGEWALK_KALLOC_ALLOC    1
#define PAGEWALK_KALLOC_DESCRIBE 2
#define PAGEWALK_KALLOC_FREE     3

#define PAGEWALK_KALLOC_KMALLOC      0 /* bytes up to 4 MiB */
#define PAGEWALK_KALLOC_VMALLOC      1 /* bytes up to 64 MiB */
#define PAGEWALK_KALLOC_VMALLOC_HUGE 2 /* the same, by huge pages where the kernel can */
#define PAGEWALK_KALLOC_PAGES        3 /* alloc_pages: bytes a power of two, 4 KiB to 4 MiB */
#define PAGEWALK_KALLOC_PERCPU       4 /* bytes for each possible CPU, up to 32 KiB */

/* One page of 4096 bytes (or the part of it that was allocated), as a walk of the kernel's tables finds it. */
struct pagewalk_kpage {
	__u64 va;     /* first byte of the allocation in it */
	__u64 pa;     /* of that byte, by the tables; PAGEWALK_NONE if they do not map it */
	__u64 api_pa; /* of that byte, by virt_to_phys() or vmalloc_to_page(); PAGEWALK_NONE if these do not know */
	__u64 entry;  /* the last entry read */
	__u32 level;  /* its level */
	__u32 cpu;    /* PERCPU: whose copy; else 0 */
};

struct pagewalk_kalloc {
	__u32 size;
	__u32 flags; /* none */
	__u32 op;    /* PAGEWALK_KALLOC_ALLOC.. */
	__u32 kind;  /* ALLOC: in; else out */
	__u64 bytes; /* ALLOC: in, at least 1; else out */
	__u32 id;    /* ALLOC: out; else in */
	__u32 first; /* DESCRIBE: page to begin with */
	__u64 va;    /* out; of the first CPU's copy */
	__u64 pages; /* DESCRIBE: pointer to struct pagewalk_kpage[room] */
	__u32 room;
	__u32 count; /* DESCRIBE: out, how many were filled in */
	__u32 total; /* out: pages in all */
	__u32 reserved;
};

#define PAGEWALK_IOC 0xb7

#define PAGEWALK_INFO        _IOWR(PAGEWALK_IOC, 1, struct pagewalk_info)
#define PAGEWALK_ROOT        _IOWR(PAGEWALK_IOC, 2, struct pagewalk_root)
#define PAGEWALK_WALK        _IOWR(PAGEWALK_IOC, 3, struct pagewalk_walk)
#define PAGEWALK_READ_TABLES _IOWR(PAGEWALK_IOC, 4, struct pagewalk_read_tables)
#define PAGEWALK_READ_PHYS   _IOWR(PAGEWALK_IOC, 5, struct pagewalk_phys)
#define PAGEWALK_WRITE_PHYS  _IOWR(PAGEWALK_IOC, 6, struct pagewalk_phys)
#define PAGEWALK_READ_USER   _IOWR(PAGEWALK_IOC, 7, struct pagewalk_user)
#define PAGEWALK_WRITE_USER  _IOWR(PAGEWALK_IOC, 8, struct pagewalk_user)
#define PAGEWALK_KALLOC      _IOWR(PAGEWALK_IOC, 9, struct pagewalk_kalloc)

#endif
