/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `snapshot` says when it is done. */
#include <stdio.h>
#include <time.h>

#include "text.h"

const char *pw_time_text(uint64_t seconds, const char *form, char text[PW_TIME_TEXT])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds < (UINT64_C(1) << 37) && gmtime_r(&t, &tm) && strftime(text, PW_TIME_TEXT, form, &tm))
		return text;
	snprintf(text, PW_TIME_TEXT, "%llu s", (unsigned long long)seconds);
	return text;
}

static void number(struct pw_out *o, uint64_t n, const char *one, const char *many)
{
	pw_out_dec(o, n);
	pw_out_str(o, n == 1 ? one : many);
}

/* "a.snapshot: 2 processes and the kernel; 214 tables (856K) in 48K" */
void pw_text_snapshot(struct pw_render *r, const struct pw_rec_snapshot *s)
{
	const struct pw_snapshot_sums *sums = &s->sums;
	struct pw_out *o = r->out;

	pw_out_room(o, PW_OUT_ROW);
	pw_out_name(o, s->file);
	pw_out_str(o, ": ");
	if (sums->processes || !sums->roots)
		number(o, sums->processes, " process", " processes");
	if (sums->processes && sums->roots)
		pw_out_str(o, ", ");
	if (sums->roots)
		number(o, sums->roots, " root", " roots");
	if (sums->kernel)
		pw_out_str(o, " and the kernel");
	pw_out_str(o, "; ");
	if (r->head.target->source.ops->caps & PW_CAP_TABLES)
		number(o, sums->tables, " table (", " tables (");
	else
		number(o, sums->tables, " stretch of leaves (", " stretches of leaves (");
	pw_out_size(o, sums->table_bytes, r->bytes);
	pw_out_str(o, ") in ");
	pw_out_size(o, sums->bytes, r->bytes);
	if (sums->walk.unstable) {
		pw_out_str(o, "; ");
		number(o, sums->walk.unstable, " unstable", " unstable");
	}
	if (sums->walk.unreadable) {
		pw_out_str(o, "; ");
		number(o, sums->walk.unreadable, " unreadable", " unreadable");
	}
	if (sums->walk.inconsistent) {
		pw_out_str(o, "; ");
		number(o, sums->walk.inconsistent, " inconsistent", " inconsistent");
	}
	pw_out_char(o, '\n');
}
