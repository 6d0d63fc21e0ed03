/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_PIN_H
#define PW_PIN_H

#include <pagewalk/source.h>

/*
 * True when the memory that pin holds was given up meanwhile, by exit or by exec: its tables are being, or were, taken
 * down, so that what was found empty in them says nothing.
 */
bool pw_pin_gone(const struct pw_pin *pin);

#endif
