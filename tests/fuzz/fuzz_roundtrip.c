/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machines of fuzz_walk, through a snapshot: a walk of it says what a walk of the machine said; where the machine does not
 * stand still, nothing crashes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/diff.h>
#include <pagewalk/snapshot.h>

#include "check.h"
#include "fuzz_image.h"

#define BUDGET 600

/* All that a walk told of, as one number. */
struct told {
	uint64_t sum, events;
};

static void tell(struct told *t, uint64_t v)
{
	t->sum = (t->sum ^ v) * UINT64_C(0x100000001b3);
	t->sum ^= t->sum >> 31;
	t->events++;
}

static int on_step(void *ctx, const struct pw_step *s)
{
	tell(ctx, s->va);
	tell(ctx, s->level);
	tell(ctx, s->slot_pa);
	tell(ctx, s->raw);
	return 0;
}

static int on_span(void *ctx, const struct pw_span *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->raw[i])
			continue;
		tell(ctx, s->va + ((uint64_t)i << s->shift));
		tell(ctx, s->raw[i]);
		tell(ctx, s->perm_above);
		tell(ctx, s->slot_pa == PW_PA_NONE ? s->slot_pa : s->slot_pa + i * 8);
	}
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *h)
{
	tell(ctx, h->va);
	tell(ctx, h->last);
	tell(ctx, h->reason);
	tell(ctx, h->raw);
	return 0;
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static int walk(const struct pw_space *space, struct told *t, bool *cut)
{
	const struct pw_walk_opts opts = { sizeof(opts), { 0, UINT64_MAX }, 0, BUDGET, true, 0 };
	struct pw_walk_stats stats = { 0 };
	int rc = pw_walk(space, &opts, &visitor, t, &stats);

	*cut = stats.truncated;
	return rc;
}

static int process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	const struct fuzz_image *image = t->os_priv;
	size_t bytes = image->space.areas.n * sizeof(struct pw_area);

	(void)err;
	*space = image->space;
	space->pid = pid;
	space->ram = image->space.ram;
	strcpy(space->title, "1 (fuzz)");
	strcpy(space->comm, "fuzz");
	space->areas.v = malloc(bytes + 1);
	CHECK(space->areas.v);
	memcpy(space->areas.v, image->area, bytes);
	return 0;
}

static int kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	(void)t;
	(void)space;
	return pw_error_set(err, -2, "no kernel");
}

static const struct pw_os_ops os = { .name = "fuzz", .process_space = process_space, .kernel_space = kernel_space };

static int ranges(struct pw_source *src, const struct pw_range **out, size_t *n)
{
	const struct fuzz_image *image = src->priv;

	*out = image->space.ram;
	*n = image->space.nram;
	return 0;
}

/* Two spaces that are the same differ in nothing. */
static void check_diff(const struct pw_space *a, const struct pw_space *b)
{
	const struct pw_diff_opts opts = { .size = sizeof(opts), .budget = 4 * BUDGET };
	static const struct pw_diff_visitor none;
	struct pw_diff_sums sums = { 0 };

	CHECK(pw_diff(a, b, &opts, &none, NULL, &sums, NULL) == 0);
	CHECK(sums.changes == 0);
}

/* ---- diff against a plain comparison, address by address ---- */

#define MOST 3000

struct piece {
	uint64_t va, last;
	struct pw_entry e;
	uint8_t perm;
};

struct list {
	struct piece *v;
	size_t n;
	bool other; /* too long, or with something that is no entry */
};

static int list_span(void *ctx, const struct pw_span *s)
{
	struct list *l = ctx;

	for (size_t i = 0; i < s->n; i++) {
		struct piece *p = &l->v[l->n];

		if (!s->raw[i])
			continue;
		s->piece->mmu.arch->decode(&s->piece->mmu, s->level, s->raw[i], &p->e);
		if (p->e.kind == PW_NONE || p->e.kind == PW_TABLE)
			continue;
		p->va = s->va + ((uint64_t)i << s->shift);
		p->last = p->va + (p->e.size - 1);
		p->perm = p->e.kind == PW_LEAF ? p->e.perm & s->perm_above : 0;
		l->other |= ++l->n == MOST;
		if (l->other)
			return 1;
	}
	return 0;
}

static int list_hole(void *ctx, const struct pw_hole *h)
{
	(void)h;
	((struct list *)ctx)->other = true;
	return 1;
}

static void list_of(const struct pw_space *space, struct list *l)
{
	static const struct pw_visitor lister = { .span = list_span, .hole = list_hole };
	const struct pw_walk_opts opts = { sizeof(opts), { 0, UINT64_MAX }, 0, BUDGET, true, 0 };
	struct pw_walk_stats stats = { 0 };

	*l = (struct list){ .v = malloc(MOST * sizeof(*l->v)) };
	CHECK(l->v);
	pw_walk(space, &opts, &lister, l, &stats);
}

static bool in_memory(const struct piece *p)
{
	return p->e.kind != PW_SOFT;
}

/* What has become of [va, last], which no entry of either side crosses. */
static void add(const struct piece *p, const struct piece *q, uint64_t va, uint64_t last, uint64_t bytes[])
{
	uint64_t n = last - va + 1;

	if (!p || !q) {
		bytes[p ? PW_CHANGE_UNMAPPED : PW_CHANGE_MAPPED] += p || q ? n : 0;
		return;
	}
	if (!in_memory(p) || !in_memory(q))
		return; /* what a note was of takes the same thoughts as in diff */
	if (p->e.pa == PW_PA_NONE ? q->e.pa != PW_PA_NONE
				  : q->e.pa == PW_PA_NONE || p->e.pa + (va - p->va) != q->e.pa + (va - q->va))
		bytes[PW_CHANGE_MOVED] += n;
	if (p->e.kind != q->e.kind || p->perm != q->perm)
		bytes[PW_CHANGE_PERM] += n;
	if (p->e.size != q->e.size)
		bytes[p->e.size > q->e.size ? PW_CHANGE_SPLIT : PW_CHANGE_COLLAPSED] += n;
}

static void sweep(const struct list *a, const struct list *b, uint64_t bytes[])
{
	size_t i = 0, j = 0;
	uint64_t va = 0;

	while (i < a->n || j < b->n) {
		const struct piece *p = i < a->n && a->v[i].va <= va ? &a->v[i] : NULL;
		const struct piece *q = j < b->n && b->v[j].va <= va ? &b->v[j] : NULL;
		uint64_t last = UINT64_MAX;

		if (i < a->n)
			last = p ? p->last : a->v[i].va - 1;
		if (j < b->n && (q ? q->last : b->v[j].va - 1) < last)
			last = q ? q->last : b->v[j].va - 1;
		add(p, q, va, last, bytes);
		i += i < a->n && a->v[i].last == last;
		j += j < b->n && b->v[j].last == last;
		if (last == UINT64_MAX)
			break;
		va = last + 1;
	}
}

static bool has_notes(const struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].e.kind == PW_SOFT)
			return true;
	return false;
}

static void check_against_sweep(const struct pw_space *a, const struct pw_space *b)
{
	static const enum pw_change_what plain[] = { PW_CHANGE_MAPPED, PW_CHANGE_UNMAPPED, PW_CHANGE_MOVED,
						     PW_CHANGE_SPLIT, PW_CHANGE_COLLAPSED };
	const struct pw_diff_opts opts = { .size = sizeof(opts), .budget = 1 << 20 };
	static const struct pw_diff_visitor none;
	uint64_t bytes[PW_CHANGE_NWHATS] = { 0 };
	struct pw_diff_sums sums = { 0 };
	struct list l, m;

	list_of(a, &l);
	list_of(b, &m);
	if (!l.other && !m.other) {
		sweep(&l, &m, bytes);
		CHECK(pw_diff(a, b, &opts, &none, NULL, &sums, NULL) == 0);
		/* An entry of 256 TiB has more windows than the budget. */
		CHECK(!sums.unknown || sums.walk.truncated);
		CHECK(sums.unknown || sums.bytes[PW_CHANGE_PERM] == bytes[PW_CHANGE_PERM]);
		for (unsigned i = 0; i < 5 && !sums.unknown && !has_notes(&l) && !has_notes(&m); i++)
			CHECK(sums.bytes[plain[i]] == bytes[plain[i]]);
	}
	free(l.v);
	free(m.v);
}

/* A few words of the machine's memory become others, by what the input holds. */
static void alter(struct fuzz_image *image, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 3 < size && i < 32; i += 4) {
		uint64_t *word = &image->mem[data[i] % FUZZ_PAGES][data[i + 1] | (data[i + 2] & 1) << 8];

		switch (data[i + 2] >> 1 & 3) {
		case 0:
			*word = 0;
			break;
		case 1:
			*word ^= UINT64_C(1) << (data[i + 3] & 63);
			break;
		case 2:
			*word += UINT64_C(4096) * data[i + 3];
			break;
		default:
			*word = image->mem[data[i + 3] % FUZZ_PAGES][data[i + 1]];
		}
	}
}

static struct pw_target *opened(const char *path)
{
	const struct pw_target_opts opts = { .size = sizeof(opts), .source = path };
	struct pw_target *t;

	CHECK(pw_target_open(&opts, &t, NULL) == 0);
	return t;
}

static void diff_later(struct pw_target *machine, struct fuzz_image *image, const char *path, const uint8_t *data,
		       size_t size)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 1 };
	struct pw_target *t = opened(path);
	struct pw_space before, now;

	alter(image, data, size);
	CHECK(pw_target_space(t, &sel, &before, NULL) == 0);
	CHECK(process_space(machine, 1, &now, NULL) == 0);
	check_against_sweep(&before, &now);
	pw_space_free(&before);
	pw_space_free(&now);
	pw_target_close(t);
}

static void replay(const struct fuzz_image *image, const char *path, const struct told *before, bool whole)
{
	const struct pw_target_opts opts = { .size = sizeof(opts), .source = path };
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 1 };
	struct pw_error err = { 0 };
	struct pw_target *t;
	struct pw_space space;
	struct told after = { 0 };
	bool cut;

	if (pw_target_open(&opts, &t, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	CHECK(pw_target_space(t, &sel, &space, &err) == 0);
	CHECK(walk(&space, &after, &cut) == 0);
	CHECK(space.areas.n == image->space.areas.n);
	if (whole)
		CHECK(after.sum == before->sum && after.events == before->events);
	if (!cut) {
		struct pw_space again;

		CHECK(pw_target_space(t, &sel, &again, &err) == 0);
		check_diff(&space, &again);
		pw_space_free(&again);
	}
	pw_space_free(&space);
	pw_target_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 1 };
	struct pw_snapshot_opts opts = { .size = sizeof(opts), .budget = BUDGET };
	struct pw_snapshot_sums sums;
	struct pw_source_ops ops;
	struct pw_snapshot *s;
	struct fuzz_image image;
	struct told before = { 0 };
	struct pw_target t = { .os = &os };
	bool steady, cut = false;
	char path[64];
	int fd;

	fuzz_image_open(&image, &input);
	steady = fuzz_image_is_steady(&image) && !image.again_every;
	ops = *image.source.ops;
	ops.ranges = ranges;
	image.source.ops = &ops;
	image.source.consistency = ops.consistency;
	t.source = image.source;
	t.os_priv = &image;
	t.mmu[0] = t.mmu[1] = image.space.piece[0].mmu;
	t.mmu[1].half = PW_HALF_KERNEL;
	if (steady)
		CHECK(walk(&image.space, &before, &cut) == 0);
	CHECK(pw_snapshot_begin(&t, &opts, &s, NULL) == 0);
	if (pw_snapshot_add(s, &sel, NULL)) {
		CHECK(image.give_up_after);
		pw_snapshot_abort(s);
	} else {
		CHECK(pw_snapshot_finish(s, &sums, &fd, NULL) == 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		replay(&image, path, &before, steady);
		if (steady && !cut && image.source.ops->caps & PW_CAP_TABLES)
			diff_later(&t, &image, path, data, size);
		close(fd);
	}
	fuzz_image_close(&image);
	return 0;
}
