/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_RANGES_H
#define PW_RANGES_H

#include <pagewalk/source.h>

/*
 * Whether [lo, lo + bytes) lies in one of the ranges (ascending, disjoint). ranges NULL with n 0 means
 * that nothing is known to be forbidden: true.
 */
bool pw_ranges_hold(const struct pw_range *ranges, size_t n, uint64_t lo, uint64_t bytes);

#endif
