/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_RUNS_H
#define FUZZ_RUNS_H

#include <stddef.h>
#include <stdint.h>

/* Checks the words that the input stands for; how many they were. */
size_t fuzz_runs(const uint8_t *data, size_t size);

#endif
