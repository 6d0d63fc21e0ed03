/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a target's facts become the pieces of a space: the same for every OS access. */
#ifndef PW_SPACE_H
#define PW_SPACE_H

#include <pagewalk/target.h>

/* With PTI, the user half is what the user root says: the page after the kernel's pgd. */
#define PW_PTI_USER_ROOT UINT64_C(0x1000)

/* First and last address of a half in that mode. */
struct pw_range pw_half_range(const struct pw_mode *mode, enum pw_half half);

/*
 * Title, comm, pid and both pieces. root is the physical address of the kernel's pgd of that process (mm->pgd);
 * with PTI the user half's piece gets the user root.
 */
void pw_space_of_process(const struct pw_target *t, pid_t pid, const char *comm, uint64_t root, struct pw_space *space);

/* Title and the kernel half's piece, from facts.kernel_root. */
void pw_space_of_kernel(const struct pw_target *t, struct pw_space *space);

/* Title and both halves under one root. */
void pw_space_of_root(const struct pw_target *t, uint64_t root, struct pw_space *space);

#endif
