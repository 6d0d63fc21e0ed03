/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "interval.h"

uint64_t interval_parse(const char *text)
{
	char *after;
	unsigned long n;

	errno = 0;
	n = isdigit((unsigned char)*text) ? strtoul(text, &after, 10) : 0;
	if (!n || errno || n > 1000000)
		return 0;
	if (!strcmp(after, "ms"))
		return n;
	if (!*after || !strcmp(after, "s"))
		return n * 1000;
	return !strcmp(after, "m") ? n * 60000 : 0;
}

void interval_wait(uint64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

int interval_remember(struct session *s, const struct pw_select *sel, struct pw_target **out)
{
	struct pw_snapshot_opts opts = { .size = sizeof(opts), .joins = &s->joins };
	struct pw_target_opts again = { .size = sizeof(again) };
	struct pw_snapshot *snapshot;
	struct pw_snapshot_sums sums;
	char path[32];
	int fd, rc;

	if ((sel->kind == PW_SELECT_PID || sel->kind == PW_SELECT_NAME) && !s->args->kernel &&
	    sel->pick == PW_PICK_DEFAULT)
		opts.half = PW_SNAPSHOT_USER;
	s->err.text[0] = 0;
	rc = pw_snapshot_begin(s->target, &opts, &snapshot, &s->err);
	if (rc)
		return rc;
	rc = pw_snapshot_add(snapshot, sel, &s->err);
	if (rc) {
		pw_snapshot_abort(snapshot);
		return rc;
	}
	rc = pw_snapshot_finish(snapshot, &sums, &fd, &s->err);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again.source = path;
	rc = pw_target_open(&again, out, &s->err);
	close(fd);
	return rc;
}
