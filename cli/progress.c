/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define AFTER UINT64_C(1000000000)
#define EVERY UINT64_C(100000000)

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void progress_show(struct progress *p, uint64_t done, uint64_t all)
{
	uint64_t t = now();

	if (!p->next)
		p->next = t + AFTER;
	if (t < p->next || !isatty(STDERR_FILENO))
		return;
	p->next = t + EVERY;
	p->shown = true;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s\033[K", done, all, p->what);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
