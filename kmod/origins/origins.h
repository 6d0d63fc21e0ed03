/* SPDX-License-Identifier: GPL-2.0-only */
/* The interfaces of the projects that Pagewalk grew from; a file each. */
#ifndef PAGEWALK_ORIGINS_H
#define PAGEWALK_ORIGINS_H

#include "../arch.h"
#include "../compat.h"
#include "../local.h"
#include "../walk.h"

#endif
