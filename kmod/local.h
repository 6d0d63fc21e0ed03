/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module's files know of each other. */
#ifndef PAGEWALK_LOCAL_H
#define PAGEWALK_LOCAL_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/types.h>

#include "include/uapi/pagewalk.h"

#define PW_TABLE_BYTES 4096
#define PW_DEPTH       5  /* of tables at most */
#define PW_BATCH       16 /* tables copied in one hold of mmap_lock */

/* An open /dev/pagewalk. */
struct pw_file {
	struct mutex lock; /* of all below */
	struct {
		u64 id; /* 0: free */
		struct mm_struct *mm;
	} pin[PAGEWALK_PINS];
	u64 last_pin;
	struct list_head allocs;
	u64 alloc_bytes;
	u32 last_alloc;
};

/* -------- main.c -------- */

extern bool pw_writable;

/* What every call needs: 0, -EPERM. */
int pw_may_look(void);

/* What a write of any kind needs beside that: 0, -EPERM, -EROFS. */
int pw_may_write(void);

/* -------- ram.c -------- */

/* Remembers two pieces of RAM, as most questions are about neighbours: below 4 GiB and above, or of two nodes. */
struct pw_ram {
	struct pw_extent {
		u64 start, end; /* behind its last byte; zeros: none yet */
	} known[2];
};

/* Whether all of len bytes from pa are RAM that the kernel uses. */
bool pw_ram_has(struct pw_ram *ram, u64 pa, u64 len);

/* Whether none of them is, nor can be while it is mapped: all of them are something else's. */
bool pw_ram_apart(u64 pa, u64 len);

/* Copies from RAM through the direct map; never faults: -EFAULT. The caller has checked that it is RAM. */
int pw_ram_read(u64 pa, void *to, size_t len);

/* -------- pin.c -------- */

/* The mm of process pid in the caller's namespace, by mmgrab: -ESRCH. */
struct mm_struct *pw_mm_of_pid(u32 pid);

/* That of a task, by mmgrab; NULL: it has none. */
struct mm_struct *pw_mm_of_task(struct task_struct *task);

/* Keeps a reference of its own; the new pin's number. */
u64 pw_pin_add(struct pw_file *f, struct mm_struct *mm);

/* The pinned mm, by mmgrab; NULL: no such pin. */
struct mm_struct *pw_pin_get(struct pw_file *f, u64 id);

void pw_pin_drop_all(struct pw_file *f);

/* -------- tables.c -------- */

/*
 * Copies req->bytes of a table to `to`, when the request's links hold; fills in status and flags.
 * mm: NULL, or whose table it is, with an mm_users reference and mmap_lock held: for reading, or
 * for writing if `settled`. -ELOOP in status: ask again with it settled.
 */
void pw_table_copy(struct mm_struct *mm, struct pagewalk_table_req *req, void *to, bool settled);

/* The call's own part of a request is well-formed and all its addresses are RAM: 0, -EINVAL, -ENXIO. */
int pw_table_check(struct pw_ram *ram, const struct pagewalk_table_req *req);

/* -------- user.c -------- */

/*
 * Copies up to 64 KiB between a process's memory and a buffer of the kernel's, all or nothing; FOLL_WRITE: into
 * the process, FOLL_FORCE: as ptrace may. The caller has an mm_users reference. 0, -EFAULT, -EINTR.
 */
int pw_user_copy(struct mm_struct *mm, u64 va, u8 *buf, unsigned int len, unsigned int gup_flags);

/* Each write into a process goes to the log by this. */
void pw_user_log(u32 pid, u64 va, u64 done, u64 len);

/* -------- kalloc.c -------- */

/* Where an address of the kernel's leads, by its tables and by its own functions: 0, -ENODATA. */
int pw_kpage_at(u64 va, struct pagewalk_kpage *out);

/* Zeroed memory of one of KALLOC's kinds, but PERCPU; errors are those of KALLOC. It counts for the bound of all descriptors. */
void *pw_kmem_new(u32 kind, u64 bytes);
void pw_kmem_free(u32 kind, u64 bytes, void *at);

/* -------- the calls -------- */

int pw_info(struct pw_file *f, void *arg);
int pw_root(struct pw_file *f, void *arg);
int pw_walk(struct pw_file *f, void *arg);
int pw_read_tables(struct pw_file *f, void *arg);
int pw_read_phys(struct pw_file *f, void *arg);
int pw_write_phys(struct pw_file *f, void *arg);
int pw_read_user(struct pw_file *f, void *arg);
int pw_write_user(struct pw_file *f, void *arg);
int pw_kalloc(struct pw_file *f, void *arg);

void pw_kalloc_free_all(struct pw_file *f);

#endif
