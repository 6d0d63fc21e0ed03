/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot's reader. An input is either a file as it is (first byte odd), or changes to the contents of a small snapshot's
 * sections, which are then packed and given right checksums: what is read after these hold is hostile, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pagewalk/diff.h>
#include <pagewalk/runs.h>
#include <pagewalk/snapshot.h>
#include <pagewalk/why.h>

#include "check.h"
#include "source/snapshot_write.h"

static const char machine[] =
	"pagewalk-text 1\nmmu levels=4 maxphyaddr=46 page-offset=0xffff888000000000\nram 0-fffff\n"
	"kernel root=5000\nregion ffff888000000000-ffffc87fffffffff direct map\n"
	"process 2 kthreadd kthread\nprocess 7 a root=1000\nprocess 9 b root=6000\n"
	"vma 7 00000000-00002000 rw-p 00000000 00:00 0 [heap]\nvma 9 00400000-00401000 r-xp 00000000 08:01 7 /bin/b\n"
	"page 1000\n0 = 2067\n1 = 9067\n256 = 2063\npage 2000\n0 = 3067\npage 3000\n0 = 4067\n1 = 402000e7\n"
	"page 4000\n0 = 8000000000010067\n1 = 80000fffffeef160\n2 = 7fffffffffe000\npage 5000\n273 = 2063\n"
	"page 6000\n0 = 2067\nunreadable 9000\n";

#define SECTIONS 16

struct content {
	uint32_t type;
	uint8_t *buf;
	size_t len;
};

static int temp(const void *data, size_t len, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* The small snapshot. */
static int base(char path[64])
{
	struct pw_snapshot_opts opts = { .size = sizeof(opts) };
	struct pw_target_opts text = { .size = sizeof(text) };
	struct pw_snapshot_sums sums;
	struct pw_snapshot *s;
	struct pw_target *t;
	int text_fd = temp(machine, sizeof(machine) - 1, path), fd;

	text.source = path;
	CHECK(!pw_target_open(&text, &t, NULL));
	CHECK(!pw_snapshot_begin(t, &opts, &s, NULL));
	CHECK(!pw_snapshot_add_all(s, NULL));
	CHECK(!pw_snapshot_finish(s, &sums, &fd, NULL));
	pw_target_close(t);
	close(text_fd);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static size_t take_apart(struct content c[SECTIONS])
{
	struct pw_snapshot_file *f;
	char path[64];
	int fd = base(path);
	size_t n = 0;

	CHECK(!pw_snapshot_file_open(path, &f, NULL));
	for (uint32_t nr = 0; n < SECTIONS; nr++) {
		uint32_t type = 0;

		for (type = PW_SNAPSHOT_FACTS; type <= PW_SNAPSHOT_SLOTS; type++)
			if (!pw_snapshot_content(f, nr, (enum pw_snapshot_type)type, &c[n].buf, &c[n].len, NULL))
				break;
		if (type > PW_SNAPSHOT_SLOTS)
			break;
		c[n++].type = type;
	}
	pw_snapshot_file_close(f);
	close(fd);
	return n;
}

/* Six bytes a change: which section, where (16 bits), how, with what (16 bits). */
static void change(struct content *c, size_t n, const uint8_t *data, size_t size)
{
	for (; size >= 6; data += 6, size -= 6) {
		struct content *s = &c[data[0] % n];
		size_t at = data[1] | (size_t)data[2] << 8;
		unsigned value = data[4] | (unsigned)data[5] << 8;

		if (!s->len)
			continue;
		at %= s->len;
		switch (data[3] & 7) {
		case 0:
		case 1:
			s->buf[at] = (uint8_t)value;
			break;
		case 2:
			s->buf[at] ^= (uint8_t)(1u << value % 8);
			break;
		case 3: /* large numbers */
			for (size_t i = at; i < s->len && i < at + 4; i++)
				s->buf[i] = 0xff;
			break;
		case 4:
			s->len = at;
			break;
		case 5:
			s->buf[at] = (uint8_t)(s->buf[at] + value);
			break;
		case 6: /* a piece of it somewhere else */
			for (size_t i = 0; i < 24 && at + i < s->len && value % s->len + i < s->len; i++)
				s->buf[at + i] = s->buf[value % s->len + i];
			break;
		default:
			s->type = 1 + value % PW_SNAPSHOT_SLOTS;
		}
	}
}

static int put_together(const struct content *c, size_t n, char path[64])
{
	struct pw_snapshot_writer *w;
	struct pw_snapshot_sizes sizes;
	int fd;

	CHECK(!pw_snapshot_writer_open(NULL, &w, NULL));
	for (size_t i = 0; i < n; i++) {
		struct pw_pack p = { .buf = c[i].buf, .len = c[i].len };

		CHECK(!pw_snapshot_put(w, (enum pw_snapshot_type)c[i].type, &p, NULL));
	}
	CHECK(!pw_snapshot_writer_finish(w, &sizes, &fd, NULL));
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* ---- all that can be done with one ---- */

static int on_run(void *ctx, const struct pw_run *run)
{
	(void)ctx;
	CHECK(run->va <= run->last);
	return 0;
}

static void use_reasons(struct pw_target *t, struct pw_space *space, const struct pw_translation *found, size_t n)
{
	const struct pw_why_opts opts = { sizeof(opts), pw_snapshot_joins(t), false };
	struct pw_reasoner *r;
	struct pw_why why;

	CHECK(!pw_reasoner_open(t, &opts, &r, NULL));
	for (size_t i = 0; i < n; i++) {
		pw_why(r, space, &found[i], &why);
		CHECK(why.text[0] && why.n <= PW_WHY_MOST);
	}
	pw_reasoner_close(r);
}

static void use_space(struct pw_target *t, struct pw_space *space)
{
	static const uint64_t va[] = { 0, 0x1000, 0x200000, 0x8000000000, 0xffff888000000000, 0x900000000000 };
	const struct pw_walk_opts opts = { sizeof(opts), { 0, UINT64_MAX }, 0, 2000, false, 0 };
	struct pw_runs *runs = pw_runs_new(PW_RUNS_PHYS, &space->areas, on_run, NULL);
	struct pw_translation out[6];
	struct pw_walk_stats stats = { 0 };

	CHECK(runs);
	pw_walk(space, &opts, &pw_runs_visitor, runs, &stats);
	pw_runs_flush(runs);
	pw_runs_free(runs);
	if (!pw_translate(space, va, 6, out))
		use_reasons(t, space, out, 6);
	for (size_t i = 0; i < space->areas.n; i++)
		CHECK(strlen(space->areas.v[i].name) < 1 << 20);
	pw_space_free(space);
}

static void use(const char *path)
{
	const struct pw_target_opts opts = { .size = sizeof(opts), .source = path };
	struct pw_select sel = { .kind = PW_SELECT_KERNEL };
	struct pw_error err = { 0 };
	struct pw_process *list = NULL;
	struct pw_areas layout = { 0 };
	struct pw_space space;
	struct pw_target *t;
	size_t n = 0;

	if (pw_target_open(&opts, &t, &err)) {
		CHECK(err.text[0]);
		return;
	}
	if (!pw_target_space(t, &sel, &space, &err))
		use_space(t, &space);
	if (!pw_target_layout(t, &layout, &err))
		CHECK(layout.n && layout.v[layout.n - 1].last == UINT64_MAX);
	pw_areas_free(&layout);
	CHECK(!pw_target_processes(t, true, &list, &n, &err));
	for (size_t i = 0; i < n; i++) {
		sel = (struct pw_select){ .kind = PW_SELECT_PID, .pid = list[i].pid };
		err.text[0] = 0;
		if (!pw_target_space(t, &sel, &space, &err))
			use_space(t, &space);
		else
			CHECK(err.text[0]);
	}
	free(list);
	pw_target_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content c[SECTIONS];
	size_t n;
	char path[64];
	int fd;

	if (size && data[0] & 1) {
		fd = temp(data + 1, size - 1, path);
	} else {
		n = take_apart(c);
		if (size)
			change(c, n, data + 1, size - 1);
		fd = put_together(c, n, path);
		for (size_t i = 0; i < n; i++)
			free(c[i].buf);
	}
	use(path);
	close(fd);
	return 0;
}
