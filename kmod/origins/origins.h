/* SPDX-License-Identifier: GPL-2.0-only */
/* The interfaces of the projects that Pagewalk grew from; a file each. */
#ifndef PAGEWALK_ORIGINS_H
#define PAGEWALK_ORIGINS_H

#include "../arch.h"
#include "../compat.h"
#include "../local.h"
#include "../walk.h"

/* /sys/kernel/debug/pagetables */
int vm_hacks_start(void);
void vm_hacks_stop(void);

/* /proc/mtest */
int mtest_start(void);
void mtest_stop(void);

/* ko5204's /proc/pagetable */
int pagetable_start(void);
void pagetable_stop(void);

/* dump-x86_64-pagetable: /sys/kernel/debug/corny/intel_pagetables */
int intel_pagetables_start(void);
void intel_pagetables_stop(void);

#endif
