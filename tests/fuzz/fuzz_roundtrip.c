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

#include <pagewalk/snapshot.h>

#include "fuzz_image.h"

#define BUDGET 600

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

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
		close(fd);
	}
	fuzz_image_close(&image);
	return 0;
}
