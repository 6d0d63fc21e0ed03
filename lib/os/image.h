/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system in a memory image (lib/source/image.h) as the OS of a target. */
#ifndef PAGEWALK_OS_IMAGE_H
#define PAGEWALK_OS_IMAGE_H

#include <pagewalk/target.h>

/* Fills in os, mmu and facts of a target whose source is an image. */
int pw_image_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err);

/* What the file itself is, and what is missing in it. */
void pw_image_facts(const struct pw_target *t, struct pw_facts_list *list);

#endif
