/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VmFlags of /proc/PID/smaps: two letters each, fs/proc/task_mmu.c, show_smap_vma_flags(). */
#ifndef PAGEWALK_OS_SMAPS_H
#define PAGEWALK_OS_SMAPS_H

#include <stddef.h>

#include <pagewalk/space.h>

struct pw_smaps_flag {
	char name[3];
	enum pw_vma_flag flag;
};

/* Those that are of interest. */
extern const struct pw_smaps_flag pw_smaps_flags[];
extern const size_t pw_smaps_nflags;

/* Of a line "VmFlags: rd wr ..."; PW_VMA_KNOWN is among them. */
uint32_t pw_smaps_flags_of(const char *line);

/* Calls for each VMA that a file of that form has, with its line of flags. */
int pw_smaps_each(const char *path, void (*each)(void *ctx, uint64_t lo, uint64_t end, const char *line), void *ctx);

#endif
