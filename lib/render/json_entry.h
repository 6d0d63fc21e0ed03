/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is in tables, as JSON. */
#ifndef PW_RENDER_JSON_ENTRY_H
#define PW_RENDER_JSON_ENTRY_H

#include "render.h"

void pw_json_run(struct pw_render *r, const struct pw_run *run);
void pw_json_step(struct pw_render *r, const struct pw_step *step);
void pw_json_span(struct pw_render *r, const struct pw_span *span);
void pw_json_hole(struct pw_render *r, const struct pw_hole *hole);
void pw_json_translation(struct pw_render *r, const struct pw_rec_translation *rec);

#endif
