/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * debugfs: a process's tables through /sys/kernel/debug/pagetables of pagewalk_origins.ko. It has tables and nothing else, so
 * that it serves a space whose root and facts some other source has found: it is none that -s auto could take.
 */
#ifndef PAGEWALK_SOURCE_DEBUGFS_H
#define PAGEWALK_SOURCE_DEBUGFS_H

#include <pagewalk/space.h>

extern const struct pw_source_ops pw_source_debugfs;

/* For the process of that space. -ENOENT, -EACCES, -EOPNOTSUPP with a text. */
PW_API int pw_debugfs_open(const struct pw_space *space, struct pw_source *out, struct pw_error *err);

#endif
