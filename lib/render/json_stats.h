/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_RENDER_JSON_STATS_H
#define PW_RENDER_JSON_STATS_H

#include "json.h"
#include "render.h"

void pw_json_stats(struct pw_render *r, const struct pw_rec_stats *s);
void pw_json_stats_row(struct pw_render *r, const struct pw_rec_stats_row *row);
void pw_json_round(struct pw_render *r, const struct pw_rec_round *round);

/* How many entries of each level have a flag: a record a flag. */
void pw_json_flags(struct pw_render *r, const struct pw_counts *c);

#endif
