/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PW_FACTS_H
#define PW_FACTS_H

#include <pagewalk/target.h>

/* Adds one; how is static, or the target's. */
void pw_fact_add(struct pw_facts_list *list, const char *name, enum pw_sure sure, const char *how, const char *fmt, ...)
	PW_PRINTF(5, 6);

#endif
