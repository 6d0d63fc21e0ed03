/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots: each damaged byte and each missing end is noticed; what was unstable, unreadable or changed under the reader's hands
 * is so from the snapshot; two spaces that saw a table differently each keep their own.
 *
 *	test_snapshot MACHINE.TEXT
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <pagewalk/snapshot.h>

#include "machine.h"

static const char *machine_path;

/* ---- taking, and opening again ---- */

static void name_of(int fd, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d", fd);
}

static struct pw_target *opened(const char *path)
{
	const struct pw_target_opts opts = { .size = sizeof(opts), .source = path };
	struct pw_error err = { 0 };
	struct pw_target *t;

	if (pw_target_open(&opts, &t, &err))
		fail_msg("%s", err.text);
	return t;
}

static int snapshot_of(struct pw_target *t)
{
	const struct pw_snapshot_opts opts = { .size = sizeof(opts) };
	struct pw_snapshot_sums sums;
	struct pw_error err = { 0 };
	struct pw_snapshot *s;
	int fd;

	assert_int_equal(pw_snapshot_begin(t, &opts, &s, &err), 0);
	if (pw_snapshot_add_all(s, &err))
		fail_msg("%s", err.text);
	if (pw_snapshot_finish(s, &sums, &fd, &err))
		fail_msg("%s", err.text);
	return fd;
}

/* ---- damage ---- */

struct file {
	uint8_t *bytes;
	size_t len;
	int fd; /* what is tried */
	char path[64];
};

static void read_whole(int fd, struct file *f)
{
	f->len = (size_t)lseek(fd, 0, SEEK_END);
	f->bytes = malloc(f->len + 1);
	assert_non_null(f->bytes);
	assert_int_equal(pread(fd, f->bytes, f->len, 0), f->len);
	close(fd);
	f->fd = memfd_create("damaged", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(pwrite(f->fd, f->bytes, f->len, 0), f->len);
	name_of(f->fd, f->path);
}

static void refused(const struct file *f, size_t at, const char *what)
{
	const struct pw_target_opts opts = { .size = sizeof(opts), .source = f->path };
	struct pw_error err = { 0 };
	struct pw_target *t;

	if (!pw_target_open(&opts, &t, &err))
		fail_msg("byte %zu of %zu %s: not noticed", at, f->len, what);
	if (!err.text[0])
		fail_msg("byte %zu of %zu %s: no text", at, f->len, what);
}

static void snapshot_of_machine(struct file *f)
{
	struct pw_target *t = opened(machine_path);

	read_whole(snapshot_of(t), f);
	pw_target_close(t);
}

static void done_with(struct file *f)
{
	close(f->fd);
	free(f->bytes);
}

static void test_each_damaged_byte_is_noticed(void **state)
{
	struct file f;

	(void)state;
	snapshot_of_machine(&f);
	pw_target_close(opened(f.path));
	for (size_t i = 0; i < f.len; i++) {
		const uint8_t other[] = { f.bytes[i] ^ (uint8_t)(1u << i % 8), (uint8_t)~f.bytes[i] };

		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(pwrite(f.fd, &other[k], 1, (off_t)i), 1);
			refused(&f, i, "changed");
		}
		assert_int_equal(pwrite(f.fd, &f.bytes[i], 1, (off_t)i), 1);
	}
	pw_target_close(opened(f.path));
	done_with(&f);
}

static void test_each_length_but_its_own_is_refused(void **state)
{
	struct file f;

	(void)state;
	snapshot_of_machine(&f);
	assert_int_equal(pwrite(f.fd, "", 1, (off_t)f.len), 1);
	refused(&f, f.len, "too much");
	for (size_t len = f.len; len-- > 0;) {
		assert_int_equal(ftruncate(f.fd, (off_t)len), 0);
		refused(&f, len, "cut off");
	}
	done_with(&f);
}

static void test_damage_after_opening_is_unreadable(void **state)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 4242 };
	const uint64_t va = 0x7f3a5c2d41b8;
	struct pw_translation out;
	struct pw_space space;
	struct pw_target *t;
	struct file f;

	(void)state;
	snapshot_of_machine(&f);
	t = opened(f.path);
	assert_int_equal(pw_target_space(t, &sel, &space, NULL), 0);
	/* Header and table of contents are read already; the rest of the file is lost. */
	assert_int_equal(ftruncate(f.fd, 64), 0);
	assert_int_equal(pw_translate(&space, &va, 1, &out), 0);
	assert_int_equal(out.verdict, PW_V_UNREADABLE);
	pw_space_free(&space);
	assert_int_not_equal(pw_target_space(t, &sel, &space, NULL), 0);
	pw_target_close(t);
	done_with(&f);
}

/* ---- what did not stand still ---- */

/* Walks of one machine and of its snapshot, as text. */
struct log {
	char text[8192];
	size_t len;
};

static void say(struct log *l, const char *what, uint64_t va, uint64_t raw)
{
	l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s %llx %llx\n", what,
				   (unsigned long long)va, (unsigned long long)raw);
	assert_true(l->len < sizeof(l->text));
}

static int on_step(void *ctx, const struct pw_step *s)
{
	say(ctx, "step", s->va, s->raw);
	return 0;
}

static int on_span(void *ctx, const struct pw_span *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->raw[i])
			say(ctx, "entry", s->va + ((uint64_t)i << s->shift), s->raw[i]);
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *h)
{
	say(ctx, pw_hole_name(h->reason), h->va, h->raw);
	return 0;
}

static void walk(const struct pw_space *space, struct log *l)
{
	static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };
	const struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };

	l->len = 0;
	assert_int_equal(pw_walk(space, &opts, &visitor, l, &stats), 0);
}

static const char small[] = "mmu levels=4 maxphyaddr=46\nram 0-fffff\nprocess 7 a root=1000\n"
			    "page 1000\n0 = 2067\n1 = 6067\n"
			    "page 2000\n0 = 3067\npage 3000\n0 = 4067\n1 = 5067\n"
			    "page 4000\n0 = 8000000000010067\npage 5000\n0 = 8000000000011067\n"
			    "unreadable 6000\n";

/* The same, misbehaving in the same way, is walked directly and through a snapshot. */
static void same_from_snapshot(void (*misbehave)(struct machine *m), const char *expected)
{
	const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 7 };
	struct machine *m = machine_new(small), *n = machine_new(small);
	struct log direct, stored;
	struct pw_target *t;
	struct pw_space space;
	char path[64];
	int fd;

	misbehave(m);
	misbehave(n);
	m->space.npieces = n->space.npieces = 2;
	walk(&m->space, &direct);
	fd = snapshot_of(&n->target);
	name_of(fd, path);
	t = opened(path);
	close(fd);
	assert_int_equal(pw_target_space(t, &sel, &space, NULL), 0);
	walk(&space, &stored);
	assert_string_equal(stored.text, direct.text);
	if (!strstr(stored.text, expected))
		fail_msg("no '%s' in:\n%s", expected, stored.text);
	pw_space_free(&space);
	pw_target_close(t);
	machine_free(m);
	machine_free(n);
}

static void stand_still(struct machine *m)
{
	(void)m;
}

static void never_settle(struct machine *m)
{
	m->again_pa = 0x4000;
	m->again = 1u << 30;
}

static void become_a_leaf(struct machine *m)
{
	m->again_pa = 0x5000;
	m->again = 1;
	m->poke_pa = 0x3008;
	m->poke_value = 0x80000000402000e7;
}

static void become_another_table(struct machine *m)
{
	m->again_pa = 0x5000;
	m->again = 1;
	m->poke_pa = 0x3008;
	m->poke_value = 0x4067;
}

static void test_unreadable_is_unreadable(void **state)
{
	(void)state;
	same_from_snapshot(stand_still, "unreadable 8000000000 6067");
}

static void test_unstable_is_unstable(void **state)
{
	(void)state;
	same_from_snapshot(never_settle, "unstable 0 4067");
}

static void test_an_entry_that_changed_is_what_it_became(void **state)
{
	(void)state;
	same_from_snapshot(become_a_leaf, "entry 200000 80000000402000e7");
	same_from_snapshot(become_another_table, "entry 200000 8000000000010067");
}

/* ---- two that saw a table differently ---- */

/* Each read of the table in the middle says something else. */
static int changing(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	static uint64_t count;

	for (size_t i = 0; i < n; i++) {
		req[i].status = src->ops->read(src, req[i].pa, req[i].buf, req[i].bytes);
		req[i].data = req[i].buf;
		if (req[i].pa == 0x4000)
			((uint64_t *)req[i].buf)[7] = 0x8000000000020067 + (++count << 12);
		if (req[i].pa == 0x3000) /* only by a bit that hardware sets */
			((uint64_t *)req[i].buf)[0] ^= count & 1 ? 0x20 : 0;
	}
	return 0;
}

static void test_each_space_keeps_its_own_copy(void **state)
{
	static const char two[] =
		"mmu levels=4 maxphyaddr=46\nram 0-fffff\nprocess 7 a root=1000\nprocess 8 b root=7000\n"
		"page 1000\n0 = 2067\npage 7000\n0 = 2067\npage 2000\n0 = 3067\npage 3000\n0 = 4067\n"
		"page 4000\n0 = 8000000000010067\n";
	struct machine *m = machine_new(two);
	struct pw_source_ops ops = *m->target.source.ops;
	uint64_t raw[2], va = 0x7000;
	struct pw_target *t;
	char path[64];
	int fd;

	(void)state;
	ops.read_tables = changing;
	m->target.source.ops = &ops;
	fd = snapshot_of(&m->target);
	name_of(fd, path);
	t = opened(path);
	close(fd);
	for (int i = 0; i < 2; i++) {
		const struct pw_select sel = { .kind = PW_SELECT_PID, .pid = 7 + i };
		struct pw_translation out;
		struct pw_space space;

		assert_int_equal(pw_target_space(t, &sel, &space, NULL), 0);
		assert_int_equal(pw_translate(&space, &va, 1, &out), 0);
		assert_int_equal(out.verdict, PW_MAPPED);
		raw[i] = out.path[3].raw;
		pw_space_free(&space);
	}
	assert_int_not_equal(raw[0], raw[1]);
	pw_target_close(t);
	machine_free(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_damaged_byte_is_noticed),
		cmocka_unit_test(test_each_length_but_its_own_is_refused),
		cmocka_unit_test(test_damage_after_opening_is_unreadable),
		cmocka_unit_test(test_unreadable_is_unreadable),
		cmocka_unit_test(test_unstable_is_unstable),
		cmocka_unit_test(test_an_entry_that_changed_is_what_it_became),
		cmocka_unit_test(test_each_space_keeps_its_own_copy),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s MACHINE.TEXT\n", argv[0]);
		return 2;
	}
	machine_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
