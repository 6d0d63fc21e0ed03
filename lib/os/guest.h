/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system in a QEMU guest (lib/source/qemu.h) as the OS of a target. */
#ifndef PAGEWALK_OS_GUEST_H
#define PAGEWALK_OS_GUEST_H

#include <pagewalk/target.h>

/* Fills in os, mmu and facts of a target whose source is a guest. */
int pw_guest_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err);

#endif
