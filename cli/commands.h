/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

extern const struct command cmd_doctor, cmd_info, cmd_ps, cmd_translate, cmd_dump, cmd_vmas, cmd_decode, cmd_mem,
	cmd_kalloc, cmd_alloc, cmd_layout, cmd_snapshot, cmd_diff, cmd_rmap, cmd_stats, cmd_audit;
/* Of the origins. */
extern const struct command cmd_pagetables, cmd_cpu, cmd_va2pa, cmd_pagemap_dump, cmd_dev_mem;

#endif
