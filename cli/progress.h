/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* How far a command is, on standard error, when that is a terminal and it takes more than a second: "12 of 345 processes". */
struct progress {
	const char *what;
	uint64_t next; /* when something is said again; 0: not begun */
	bool shown;
};
void progress_show(struct progress *p, uint64_t done, uint64_t all);
void progress_end(struct progress *p);

#endif
