/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_MAPS_H
#define PW_MAPS_H

#include <pagewalk/space.h>

/*
 * Parses the text of /proc/PID/maps (len bytes, not necessarily NUL-terminated, hostile) into areas. Names
 * are unescaped (\012 and the like), area->name is the path's base name for display ("[anon]" where there is
 * no path).
 *
 * moving: it was read of what runs. From 6.17 on the kernel takes the lock of one VMA after the other, and one that is changed meanwhile may be seen in both
 * forms: what has been listed stays, and of the other form that is taken which is not. Else areas that are not ascending are refused.
 *
 * 0 or -EINVAL/-ENOMEM with err set; *areas is untouched on failure.
 */
int pw_maps_parse(const char *text, size_t len, bool moving, struct pw_areas *areas, struct pw_error *err);

#endif
