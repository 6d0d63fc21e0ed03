/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_LIVE_H
#define PW_LIVE_H

#include <pagewalk/target.h>

/* Fills in os, os_priv, mmu[] and facts of a target whose source reads the running system. */
int pw_live_attach(struct pw_target *t, struct pw_error *err);

#endif
