/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small facts about the running system that sources and lib/os share. */
#ifndef PAGEWALK_SOURCE_SYSTEM_H
#define PAGEWALK_SOURCE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole small file (of /proc, /sys: no known size) as malloc'ed text, a 0 after it. -EFBIG beyond max bytes. */
int pw_system_read(const char *path, size_t max, char **text, size_t *len);
/* The same below an open directory. */
int pw_system_read_at(int dir, const char *name, size_t max, char **text, size_t *len);
int pw_system_read_fd(int fd, size_t max, char **text, size_t *len);

/* Reads exactly len bytes at off: 0, or a negative errno, -EIO for a short read. */
int pw_system_pread(int fd, void *buf, size_t len, uint64_t off);

enum pw_lockdown { PW_LOCKDOWN_UNKNOWN, PW_LOCKDOWN_NONE, PW_LOCKDOWN_INTEGRITY, PW_LOCKDOWN_CONFIDENTIALITY };

/* By /sys/kernel/security/lockdown; unknown where securityfs is not mounted or the LSM is not built in. */
enum pw_lockdown pw_system_lockdown(void);

/* Whether a capability (CAP_SYS_ADMIN, ...) is effective. */
bool pw_system_capable(int cap);

/* What a person does about missing capabilities: a static text. */
const char *pw_system_get_rights(void);

#endif
