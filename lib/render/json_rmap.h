/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_RENDER_JSON_RMAP_H
#define PW_RENDER_JSON_RMAP_H

#include "json.h"
#include "render.h"

void pw_json_reach(struct pw_render *r, const struct pw_rec_reach *rec);
void pw_json_frame(struct pw_render *r, const struct pw_rec_frame *f);
void pw_json_same(struct pw_render *r, const struct pw_rec_same *s);
void pw_json_again(struct pw_render *r, const struct pw_rec_again *a);
void pw_json_rmap(struct pw_render *r, const struct pw_rec_rmap *rec);

#endif
