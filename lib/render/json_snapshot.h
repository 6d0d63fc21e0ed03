/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_RENDER_JSON_SNAPSHOT_H
#define PW_RENDER_JSON_SNAPSHOT_H

#include "json.h"
#include "render.h"

/* "snapshot_of" and "taken", for what is read from a snapshot. */
void pw_json_taken(struct pw_json *j, const struct pw_taken *taken);

void pw_json_snapshot(struct pw_render *r, const struct pw_rec_snapshot *s);

#endif
