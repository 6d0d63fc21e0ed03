/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run: rows of runs. Split at every difference there can be one for every few pages: plain leaves in one piece of physical
 * memory, as many, with the same flags and in the same area, are rows of one form (form.h).
 */
#ifndef PW_RENDER_RUN_H
#define PW_RENDER_RUN_H

#include "form.h"
#include "render.h"

/* The numbers of a row, for pw_form_hex(). The ends are those that follow the last byte, which the last one of 64 bits has not. */
enum pw_run_number { PW_R_VA, PW_R_END, PW_R_PA, PW_R_PA_END, PW_RUN_NUMBERS };

/* A row; fn writes one (a struct pw_run) that is unlike those before. */
void pw_put_run(struct pw_render *r, const struct pw_run *run, pw_row_fn fn);

#endif
