/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mem read: rows of bytes or numbers, or the bytes themselves; and what is not there. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "mem.h"

#define USUAL  64 /* bytes that are read when nobody says how many */
#define ENOUGH 1  /* internal: a gap ends it, or the reader of our output is gone */

struct reading {
	struct session *s;
	const struct place *place;
	struct pw_rec_end end;
	uint64_t done;              /* bytes */
	uint64_t gaps, gap_bytes;   /* what is not there */
	struct pw_mem_part gap;     /* the last of them; */
	bool in_gap;                /* it may go on */
	uint8_t row[PW_MEMORY_ROW]; /* what waits for the rest of its row: parts need not end with one */
	uint64_t row_at;
	size_t row_len;
};

/* -------- rows -------- */

static void put_row(struct reading *r, uint64_t at, const uint8_t *bytes, size_t n)
{
	const struct pw_rec_memory rec = {
		.at = at,
		.phys = r->place->phys,
		.bytes = bytes,
		.n = n,
		.width = r->s->args->width,
	};

	if (n)
		r->s->render.ops->memory(&r->s->render, &rec);
}

static void finish_row(struct reading *r)
{
	put_row(r, r->row_at, r->row, r->row_len);
	r->row_len = 0;
}

static void put_rows(struct reading *r, const struct pw_mem_part *part)
{
	size_t len = (size_t)(part->last - part->va) + 1;

	for (size_t i = 0, n; i < len; i += n) {
		n = PW_MEMORY_ROW - r->row_len < len - i ? PW_MEMORY_ROW - r->row_len : len - i;
		if (n == PW_MEMORY_ROW) {
			put_row(r, part->va + i, part->bytes + i, n);
			continue;
		}
		if (!r->row_len)
			r->row_at = part->va + i;
		memcpy(r->row + r->row_len, part->bytes + i, n);
		r->row_len += n;
		if (r->row_len == PW_MEMORY_ROW)
			finish_row(r);
	}
}

/* -------- parts -------- */

static void put_raw(struct reading *r, const struct pw_mem_part *part)
{
	struct pw_out *o = &r->s->out;
	size_t len = (size_t)(part->last - part->va) + 1;

	for (size_t i = 0; i < len; i += PW_OUT_ROW) {
		size_t n = len - i < PW_OUT_ROW ? len - i : PW_OUT_ROW;

		pw_out_room(o, n);
		pw_out_mem(o, (const char *)part->bytes + i, n);
	}
}

/* The gap that waits for its end: its parts are small where each page has to be tried. */
static void finish_gap(struct reading *r)
{
	if (!r->in_gap)
		return;
	r->in_gap = false;
	if (r->s->args->raw) {
		pw_out_hole(&r->s->out, r->gap.last - r->gap.va + 1);
	} else {
		finish_row(r);
		r->s->render.ops->gap(&r->s->render, &r->gap);
	}
}

static void put_gap(struct reading *r, const struct pw_mem_part *part)
{
	r->gap_bytes += part->last - part->va + 1;
	if (r->in_gap && r->gap.last + 1 == part->va && r->gap.why == part->why) {
		r->gap.last = part->last;
		return;
	}
	finish_gap(r);
	r->gaps++;
	r->gap = *part;
	r->in_gap = true;
}

static int on_part(void *ctx, const struct pw_mem_part *part)
{
	struct reading *r = ctx;

	if (!part->bytes && r->place->address) {
		r->gaps++;
		r->gap = *part;
		return ENOUGH;
	}
	if (!part->bytes) {
		put_gap(r, part);
	} else {
		finish_gap(r);
		r->done += part->last - part->va + 1;
		if (r->s->args->raw)
			put_raw(r, part);
		else
			put_rows(r, part);
	}
	return pw_render_alive(&r->s->render) ? 0 : ENOUGH;
}

/* -------- all of it -------- */

static int read_ranges(struct reading *r)
{
	const struct place *p = r->place;
	int rc = 0;

	for (size_t i = 0; i < p->ranges.n && !rc; i++) {
		rc = p->phys ? pw_mem_each_phys(r->s->target, p->ranges.v[i], on_part, r, &r->s->err)
			     : pw_mem_each(&p->space, p->ranges.v[i], on_part, r, &r->s->err);
		finish_gap(r);
		if (!r->s->args->raw)
			finish_row(r);
	}
	return rc;
}

/* What was read of an address is a part of what was asked for; of a range, all there is. */
static void report(struct reading *r, int rc)
{
	struct session *s = r->s;

	pw_out_flush(&s->out);
	if (rc < 0)
		complain("%s", s->err.text);
	else if (r->place->address && r->gaps)
		complain("0x%" PRIx64 " is not there (%s)", r->gap.va, r->gap.why);
	else if (r->gaps && s->args->raw)
		complain("%" PRIu64 " stretches, %" PRIu64 " bytes, are not there: %s", r->gaps, r->gap_bytes,
			 s->out.holes ? "holes in the file" : "left out");
	if (rc < 0 || r->gaps)
		s->status = r->done || !r->place->address ? STATUS_PARTIAL : STATUS_FAILED;
}

static int show(struct reading *r)
{
	struct session *s = r->s;
	const struct ranges *ranges = &r->place->ranges;
	char name[64];
	const struct pw_rec_head head = {
		.command = "mem",
		.space = r->place->phys ? NULL : &r->place->space,
		.name = space_name(&r->place->space, s->args->arg[1], name),
		.what = r->place->phys ? "physical memory" : NULL,
		.va = { ranges->v[0].lo, ranges->v[ranges->n - 1].last },
	};
	int rc;

	if (s->args->raw)
		s->render.noheadings = true;
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	rc = read_ranges(r);
	r->end.complete = !rc && !r->gaps;
	if (!s->args->raw && (!rc || r->done) && pw_render_alive(&s->render))
		session_end(s, &r->end);
	report(r, rc);
	return s->status;
}

int mem_read(struct session *s, struct place *p)
{
	const struct args *args = s->args;
	unsigned width = args->width ? args->width : 1;
	uint64_t len = args->count ? (uint64_t)args->count * width : USUAL;
	struct reading r = { .s = s, .place = p };

	if (args->nargs > 1 + p->words)
		return usage_error(&cmd_mem, "mem read: what is '%s'?", args->arg[1 + p->words]);
	if (!p->address && args->count)
		return usage_error(&cmd_mem, "mem read: a range says itself how much: no --count");
	if (p->address) {
		if (len - 1 > UINT64_MAX - p->ranges.v[0].lo)
			return usage_error(&cmd_mem, "mem read: there are not so many addresses");
		p->ranges.v[0].last = p->ranges.v[0].lo + (len - 1);
	}
	return show(&r);
}
