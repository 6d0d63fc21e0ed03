/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_snapshot.h"

void pw_json_taken(struct pw_json *j, const struct pw_taken *taken)
{
	char when[PW_TIME_TEXT];

	pw_json_str(j, "snapshot_of", taken->source);
	pw_json_str(j, "taken", pw_time_text(taken->time, "%Y-%m-%dT%H:%M:%SZ", when));
}

void pw_json_snapshot(struct pw_render *r, const struct pw_rec_snapshot *s)
{
	const struct pw_snapshot_sums *sums = &s->sums;
	struct pw_json j = { .out = r->out };

	pw_json_open(&j, "snapshot");
	pw_json_str(&j, "file", s->file);
	pw_json_num(&j, "bytes", sums->bytes);
	pw_json_num(&j, "processes", sums->processes);
	pw_json_num(&j, "lost", sums->lost);
	pw_json_bool(&j, "kernel", sums->kernel);
	pw_json_num(&j, "roots", sums->roots);
	pw_json_num(&j, "tables", sums->tables);
	pw_json_num(&j, "table_bytes", sums->table_bytes);
	pw_json_close(&j);
}
