/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devmem: physical memory by /dev/mem, and in words why not. What of RAM a kernel leaves readable there differs:
 * nothing above 1 MiB (-EPERM), zeros below it, all of it with su_devmem.ko.
 */
#ifndef CLI_DEVMEM_H
#define CLI_DEVMEM_H

#include <stddef.h>
#include <stdint.h>

#include <pagewalk/error.h>

#define DEVMEM "/dev/mem"

/* *done: bytes before what cannot be read. Zeros that stand for RAM are not read: -EPERM. */
int devmem_read(uint64_t pa, void *buf, size_t len, size_t *done, struct pw_error *err);

/* In one call of the kernel's, all or nothing if it is aligned to its length. */
int devmem_write(uint64_t pa, const void *buf, size_t len, struct pw_error *err);

#endif
