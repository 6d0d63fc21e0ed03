/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interval: a live target, now and again. */
#ifndef CLI_INTERVAL_H
#define CLI_INTERVAL_H

#include "session.h"

/* "1s", "250ms", "2m", "2": seconds. Milliseconds; 0: no time. */
uint64_t interval_parse(const char *text);

void interval_wait(uint64_t ms);

/*
 * What a space is now, remembered in a file without a name that is opened as a target of its own: the user half of a process
 * unless the kernel's is asked for. A negative errno, with a text in s->err.
 */
int interval_remember(struct session *s, const struct pw_select *sel, struct pw_target **out);

#endif
