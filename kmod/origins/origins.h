/* SPDX-License-Identifier: GPL-2.0-only */
/* The interfaces of the projects that Pagewalk grew from; a file each. */
#ifndef PAGEWALK_ORIGINS_H
#define PAGEWALK_ORIGINS_H

#include "../arch.h"
#include "../compat.h"
#include "../local.h"
#include "../walk.h"

/* dump-x86_64-pagetable: /sys/kernel/debug/corny/intel_pagetables */
int intel_pagetables_start(void);
void intel_pagetables_stop(void);

#endif
