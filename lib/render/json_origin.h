/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of alloc, pagemap_dump and layout as JSON. */
#ifndef PW_RENDER_JSON_ORIGIN_H
#define PW_RENDER_JSON_ORIGIN_H

#include "json.h"
#include "render.h"

void pw_json_region(struct pw_render *r, const struct pw_rec_region *region);
void pw_json_place(struct pw_render *r, const struct pw_rec_place *place);
void pw_json_page(struct pw_render *r, const struct pw_rec_page *page);
void pw_json_pagemap(struct pw_render *r, const struct pw_span *span);
void pw_json_alloc(struct pw_render *r, const struct pw_rec_alloc *a);
/* What KASLR did. */
void pw_json_layout(struct pw_render *r);

#endif
