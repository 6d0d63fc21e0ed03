/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_RENDER_JSON_SNAPSHOT_H
#define PW_RENDER_JSON_SNAPSHOT_H

#include "json.h"
#include "render.h"

/* "snapshot_of" and "taken", for what is read from a snapshot. */
void pw_json_taken(struct pw_json *j, const struct pw_taken *taken);

void pw_json_finding(struct pw_render *r, const struct pw_finding *f);
void pw_json_audit(struct pw_render *r, const struct pw_rec_audit *a);
void pw_json_snapshot(struct pw_render *r, const struct pw_rec_snapshot *s);

void pw_json_diff_side(struct pw_render *r, const struct pw_rec_side *s);
void pw_json_diff_pair(struct pw_render *r, const struct pw_rec_pair *p);
void pw_json_diff_lone(struct pw_render *r, const struct pw_rec_lone *l);
void pw_json_change(struct pw_render *r, const struct pw_change *c);
void pw_json_area_change(struct pw_render *r, const struct pw_area_change *c);
void pw_json_diff_unknown(struct pw_render *r, const struct pw_diff_unknown *u);
void pw_json_diff_sums(struct pw_render *r, const struct pw_diff_sums *s);

#endif
