/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole machine as text: tables, processes, VMAs. For lessons, tests and bug reports.
 *
 *   pagewalk-text 1
 *   system Linux 6.12.0-example
 *   mmu arch=x86-64 levels=4 maxphyaddr=46 page-offset=0xffff888000000000 pti=0 dialect=soft-dirty,uffd-wp
 *   soft hwpoison=1 migration=3 device=0 marker=1 swapin-error=0   (how many swap types are none; see <pagewalk/soft.h>)
 *   ram 0x0-0xffffffff                        (last byte included; none given: everything may be followed)
 *   kernel root=0x2000
 *   region ffff888000000000-ffffc87fffffffff direct map
 *   process 4242 dbtest root=0x1000           (the rest of a comm may hold blanks: comm="a b")
 *   vma 4242 55d0c6a00000-55d0c6aa7000 r--p 00000000 08:01 1234 /usr/bin/dbtest
 *   page 0x1000                               (one table page; entries not given are 0)
 *     254 = 0x3067
 *     0-511 = 0x200000067 step 0x1000
 *   unreadable 0x5000                         (a page that cannot be read)
 *   # to the end of the line is a comment
 */
#ifndef PW_TEXT_H
#define PW_TEXT_H

#include <pagewalk/target.h>

struct pw_text_page {
	uint64_t pa;
	bool unreadable;
	uint64_t *words; /* 512 */
};

struct pw_text_vma {
	pid_t pid;
	char *line; /* as /proc/PID/maps has it */
};

struct pw_text_region {
	struct pw_range va;
	char *name;
};

struct pw_text {
	char system[96];
	unsigned levels, maxphyaddr;
	bool pti;
	uint32_t dialect;
	struct pw_soft_types soft;
	uint64_t page_offset, kernel_root, enc_mask;
	struct pw_range *ram;
	size_t nram;
	struct pw_text_page *page; /* ascending by pa */
	size_t npages;
	struct pw_process *process; /* ascending by pid */
	size_t nprocesses;
	struct pw_text_vma *vma;
	size_t nvmas;
	struct pw_text_region *region;
	size_t nregions;
};

/* Whether the first bytes of a file are those of this format. */
bool pw_text_is(const char *head, size_t len);

/* Parses the text (NUL-terminated at len); errors name the line. */
int pw_text_parse(char *text, size_t len, struct pw_text *out, struct pw_error *err);
void pw_text_free(struct pw_text *t);

/* Fills in os, mmu and facts of a target whose source is this one. */
int pw_text_attach(struct pw_target *t, struct pw_error *err);

#endif
