/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libpagewalk: everything at once. */
#ifndef PAGEWALK_H
#define PAGEWALK_H

#include <pagewalk/audit.h>
#include <pagewalk/arch.h>
#include <pagewalk/cpu.h>
#include <pagewalk/diff.h>
#include <pagewalk/error.h>
#include <pagewalk/filter.h>
#include <pagewalk/joins.h>
#include <pagewalk/live.h>
#include <pagewalk/mem.h>
#include <pagewalk/rmap.h>
#include <pagewalk/runs.h>
#include <pagewalk/snapshot.h>
#include <pagewalk/soft.h>
#include <pagewalk/source.h>
#include <pagewalk/space.h>
#include <pagewalk/stats.h>
#include <pagewalk/target.h>
#include <pagewalk/walk.h>
#include <pagewalk/why.h>

#endif
