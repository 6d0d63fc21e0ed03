/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_SUMS_H
#define CLI_SUMS_H

#include "render/render.h"

/* Adds a run to the sums of the last line. */
void sums_add(struct pw_rec_end *end, const struct pw_run *run);

/* Each half was walked from its root, which often is one table: counts it once. */
void sums_root_once(const struct pw_space *space, struct pw_walk_stats *walk);

/* Adds the sums of one space to those of all. */
void sums_total(struct pw_rec_end *total, const struct pw_rec_end *one);

#endif
