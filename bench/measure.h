/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmarks have in common: time, and one walk. A line a measurement: WAY COUNT NANOSECONDS. */
#ifndef PAGEWALK_BENCH_MEASURE_H
#define PAGEWALK_BENCH_MEASURE_H

#include <pagewalk/pagewalk.h>

uint64_t now(void);

/* Ends the program: 3, "NAME: what: why". */
__attribute__((noreturn)) void die(const char *what, const char *why);

void measured(const char *way, uint64_t count, uint64_t started);

struct pw_target *open_target(const struct pw_target_opts *opts);

/* The user half of a space, every entry of it, merged and printed to /dev/null; its pages. Dies of what is incomplete. */
uint64_t walk_user(struct pw_target *t, const struct pw_select *sel, enum pw_runs_mode mode);

/* The same, but only counted: its pages, and where runs is not NULL its runs. */
uint64_t count_user(struct pw_target *t, const struct pw_select *sel, enum pw_runs_mode mode, uint64_t *runs);

#endif
