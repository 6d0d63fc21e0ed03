/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page tables that are kept of images: what is handed out is right, stays, and is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image_writer.h"
#include "source/image.h"

#define P     WRITER_PAGE
#define PAGES (2 * PW_TABLES + 100)

/* -------- the cache alone -------- */

static void fill(struct pw_tables *t, uint64_t page)
{
	uint64_t *data = pw_tables_add(t, page);

	assert_non_null(data);
	data[0] = data[511] = page;
}

static bool has(struct pw_tables *t, uint64_t page)
{
	const uint64_t *data = pw_tables_find(t, page);

	assert_true(!data || (data[0] == page && data[511] == page));
	return data;
}

static void as_many_as_there_is_room_for_are_kept(void **state)
{
	struct pw_tables *t = pw_tables_new();

	(void)state;
	/* Addresses as they come, in steps, and those with the same low bits. */
	for (uint64_t i = 0; i < PW_TABLES; i++)
		fill(t, i % 3 == 0 ? i : i % 3 == 1 ? i << 20 : (UINT64_C(1) << 39) + i * 512);
	for (uint64_t i = 0; i < PW_TABLES; i++)
		assert_true(has(t, i % 3 == 0 ? i : i % 3 == 1 ? i << 20 : (UINT64_C(1) << 39) + i * 512));
	assert_false(has(t, 1));
	pw_tables_free(t);
}

static void what_a_call_has_handed_out_stays(void **state)
{
	struct pw_tables *t = pw_tables_new();
	const void *at[PW_TABLES];

	(void)state;
	pw_tables_call(t);
	for (uint64_t i = 0; i < PW_TABLES; i++) {
		fill(t, i);
		at[i] = pw_tables_find(t, i);
	}
	for (uint64_t i = 0; i < 100; i++)
		assert_null(pw_tables_add(t, PW_TABLES + i));
	for (uint64_t i = 0; i < PW_TABLES; i++)
		assert_ptr_equal(pw_tables_find(t, i), at[i]);
	/* Found counts as well as added. */
	pw_tables_call(t);
	for (uint64_t i = 0; i < PW_TABLES; i += 2)
		assert_true(has(t, i));
	for (uint64_t i = 0; i < PW_TABLES / 2; i++)
		fill(t, PW_TABLES + i);
	assert_null(pw_tables_add(t, UINT64_C(1) << 30));
	for (uint64_t i = 0; i < PW_TABLES; i++)
		assert_int_equal(has(t, i), i % 2 == 0);
	pw_tables_free(t);
}

static void what_is_asked_for_again_stays_longer(void **state)
{
	struct pw_tables *t = pw_tables_new();

	(void)state;
	for (uint64_t i = 0; i < 100 * PW_TABLES; i++) {
		pw_tables_call(t);
		if (!has(t, i % 7))
			fill(t, i % 7);
		fill(t, 1000 + i);
		assert_true(i < 2 * PW_TABLES || has(t, i % 7));
	}
	pw_tables_free(t);
}

static void what_is_dropped_is_gone_and_its_room_is_used_again(void **state)
{
	struct pw_tables *t = pw_tables_new();

	(void)state;
	for (uint64_t round = 0; round < 5; round++) {
		pw_tables_call(t);
		for (uint64_t i = 0; i < PW_TABLES; i++)
			if (!has(t, i))
				fill(t, i);
		for (uint64_t i = 0; i < PW_TABLES; i += 3)
			pw_tables_drop(t, i);
		pw_tables_drop(t, 1 << 20);
		for (uint64_t i = 0; i < PW_TABLES; i++)
			assert_int_equal(has(t, i), i % 3 != 0);
	}
	pw_tables_free(t);
}

/* Against a list: what is found was put there and not dropped since. */
static void any_order_of_calls_gives_what_was_put_in(void **state)
{
	static bool in[5000];
	struct pw_tables *t = pw_tables_new();
	uint64_t random = 3;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t page;

		random = random * UINT64_C(6364136223846793005) + 1;
		page = (random >> 40) % 5000;
		switch (random >> 33 & 7) {
		case 0:
			pw_tables_call(t);
			break;
		case 1:
			pw_tables_drop(t, page);
			in[page] = false;
			break;
		default:
			if (has(t, page)) {
				assert_true(in[page]);
			} else {
				fill(t, page);
				in[page] = true;
			}
		}
	}
	pw_tables_free(t);
}

/* -------- images -------- */

static const struct pw_range ranges[] = { { 0x1000, 0x8fff }, { 0x100000, 0x100000 + (uint64_t)PAGES *P - 1 } };

static int file_of(const struct bytes *b)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, b->v, b->n, 0), b->n);
	return fd;
}

static struct pw_source open_fd(int fd, const char *list)
{
	struct pw_image_opts opts = { .ranges = list };
	struct pw_error err = { 0 };
	struct pw_source src;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (pw_image_open(path, &opts, &src, &err))
		fail_msg("%s", err.text);
	return src;
}

static void ask(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	assert_int_equal(src->ops->read_tables(src, req, n), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(req[i].status, -EAGAIN);
}

static struct pw_table_req one(struct pw_source *src, uint64_t pa, uint32_t bytes)
{
	static uint64_t buf[8192];
	struct pw_table_req req = { .pa = pa, .bytes = bytes, .status = 1, .buf = buf };

	memset(buf, 0xee, sizeof(buf));
	ask(src, &req, 1);
	return req;
}

static void assert_right(const struct pw_table_req *req)
{
	uint8_t want[P];

	assert_int_equal(req->status, 0);
	writer_page(req->pa & ~UINT64_C(0xfff), want);
	assert_memory_equal(req->data, want + req->pa % P, req->bytes);
}

static void check_twice(struct pw_source *src)
{
	const void *first;

	for (uint64_t pa = 0x100000; pa < 0x140000; pa += P) {
		struct pw_table_req req = one(src, pa, P);

		assert_right(&req);
		first = req.data;
		assert_ptr_equal(src->ops->table(src, pa), first);
		req = one(src, pa, P);
		assert_ptr_equal(req.data, first);
		/* Parts of it are in it. */
		req = one(src, pa + 0x7f8, 8);
		assert_right(&req);
		assert_ptr_equal(req.data, (const char *)first + 0x7f8);
	}
	assert_null(src->ops->table(src, 0x9000));
	assert_null(src->ops->table(src, UINT64_C(1) << 51));
}

static void every_format_hands_out_what_it_keeps(void **state)
{
	static const uint32_t packings[] = { PW_PACK_NONE, PW_PACK_LZO };

	(void)state;
	for (int kind = 0; kind < 6; kind++) {
		struct bytes b = { 0 }, kdump = { 0 };
		struct pw_source src;
		int fd;

		if (kind == 0)
			write_lime(&b, ranges, 2);
		else if (kind == 1)
			write_avml2(&b, ranges, 2);
		else if (kind == 2)
			write_elf(&b, ranges, 2, &(struct writer_elf){ .notes = NOTES_QEMU });
		else
			write_kdump(kind < 5 ? &b : &kdump, ranges, 2,
				    &(struct writer_kdump){ .packing = packings[kind % 2] });
		if (kind == 5)
			write_flattened(&b, &kdump, 100000);
		fd = file_of(&b);
		src = open_fd(fd, NULL);
		close(fd);
		check_twice(&src);
		src.ops->close(&src);
		bytes_free(&kdump);
		bytes_free(&b);
	}
}

static struct bytes lime_bytes(void)
{
	struct bytes b = { 0 };

	write_lime(&b, ranges, 2);
	return b;
}

/* More than there is room for, in one call: what finds no room goes where the caller says. */
static void one_call_can_ask_for_more_than_is_kept(void **state)
{
	struct bytes b = lime_bytes();
	struct pw_table_req *req = calloc(PAGES, sizeof(*req));
	uint8_t *buf = aligned_alloc(P, (size_t)PAGES * P);
	int fd = file_of(&b);
	struct pw_source src = open_fd(fd, NULL);

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		size_t own = 0;

		for (size_t i = 0; i < PAGES; i++)
			req[i] = (struct pw_table_req){
				.pa = 0x100000 + (i * 1009 % PAGES) * P, .bytes = P, .status = 1, .buf = buf + i * P
			};
		ask(&src, req, PAGES);
		for (size_t i = 0; i < PAGES; i++) {
			assert_right(&req[i]);
			own += req[i].data == req[i].buf;
		}
		assert_int_equal(own, PAGES - PW_TABLES);
	}
	src.ops->close(&src);
	close(fd);
	free(buf);
	free(req);
	bytes_free(&b);
}

/* The same page several times, whole and in parts, beside pages that are not there. */
static void a_call_can_ask_twice_and_for_what_is_not_there(void **state)
{
	struct bytes b = lime_bytes();
	static uint64_t buf[6][512];
	struct pw_table_req req[] = {
		{ .pa = 0x3000, .bytes = P }, { .pa = 0x3010, .bytes = 8 },  { .pa = 0x9000, .bytes = P },
		{ .pa = 0x3000, .bytes = P }, { .pa = 0x7ff8, .bytes = 24 }, { .pa = 0x8ff8, .bytes = 16 },
	};
	int fd = file_of(&b);
	struct pw_source src = open_fd(fd, NULL);

	(void)state;
	for (size_t i = 0; i < 6; i++)
		req[i].buf = buf[i];
	ask(&src, req, 6);
	assert_right(&req[0]);
	assert_right(&req[1]);
	assert_int_equal(req[2].status, -ENXIO);
	assert_ptr_equal(req[3].data, req[0].data);
	/* Across two pages, and across the end. */
	assert_int_equal(req[4].status, 0);
	assert_ptr_equal(req[4].data, req[4].buf);
	assert_int_equal(req[5].status, -ENXIO);
	src.ops->close(&src);
	close(fd);
	bytes_free(&b);
}

/* Ranges need not be whole pages: what is there of a page can be had, and is not kept. */
static void parts_of_pages_are_not_kept(void **state)
{
	struct bytes b = { 0 };
	uint8_t page[P];
	struct pw_table_req req;
	struct pw_source src;
	int fd;

	(void)state;
	for (uint64_t pa = 0x1000; pa < 0x4000; pa += P) {
		writer_page(pa, page);
		bytes_add(&b, page, pa == 0x3000 ? 0x800 : P);
	}
	fd = file_of(&b);
	src = open_fd(fd, "1000-37ff");
	req = one(&src, 0x37f8, 8);
	assert_right(&req);
	assert_null(src.ops->table(&src, 0x3000));
	assert_int_equal(one(&src, 0x3000, P).status, -ENXIO);
	assert_int_equal(one(&src, 0x3800, 8).status, -ENXIO);
	/* A table larger than a page. */
	req = one(&src, 0x1000, 2 * P);
	assert_int_equal(req.status, 0);
	assert_ptr_equal(req.data, req.buf);
	req = one(&src, 0x2000, P);
	assert_right(&req);
	assert_ptr_equal(src.ops->table(&src, 0x2000), req.data);
	src.ops->close(&src);
	close(fd);
	bytes_free(&b);
}

static void what_could_not_be_read_is_not_kept(void **state)
{
	struct bytes b = lime_bytes();
	static uint64_t buf[64][512];
	struct pw_table_req req[64];
	int fd = file_of(&b);
	struct pw_source src = open_fd(fd, NULL);

	(void)state;
	for (size_t i = 0; i < 64; i++)
		req[i] = (struct pw_table_req){ .pa = 0x100000 + i / 2 * P + i % 2 * 8,
						.bytes = i % 2 ? 8 : P,
						.buf = buf[i] };
	assert_int_equal(one(&src, 0x100000, P).status, 0);
	assert_int_equal(ftruncate(fd, 32 + 8 * P + 32 + 10 * P + 20), 0);
	ask(&src, req, 64);
	for (size_t i = 0; i < 64; i++) {
		bool there = i / 2 < 10 || (i / 2 == 10 && i % 2);

		assert_int_equal(req[i].status, there ? 0 : -EFAULT);
		if (there)
			assert_right(&req[i]);
		assert_true(!!src.ops->table(&src, req[i].pa & ~UINT64_C(0xfff)) == (i / 2 < 10));
	}
	/* It may come back. */
	assert_int_equal(pwrite(fd, b.v, b.n, 0), b.n);
	ask(&src, req, 64);
	for (size_t i = 0; i < 64; i++)
		assert_right(&req[i]);
	src.ops->close(&src);
	close(fd);
	bytes_free(&b);
}

/* What will be read can be anything. */
static void what_is_told_ahead_changes_nothing(void **state)
{
	static uint64_t pa[3000];
	struct bytes b = lime_bytes();
	int fd = file_of(&b);
	struct pw_source src = open_fd(fd, NULL);
	struct pw_table_req req;

	(void)state;
	for (size_t i = 0; i < 3000; i++)
		pa[i] = i % 3 ? i * P : i * UINT64_C(0x9e3779b97f4a7c15);
	src.ops->will_read(&src, pa, 3000);
	src.ops->will_read(&src, pa, 0);
	req = one(&src, 0x3000, P);
	assert_right(&req);
	src.ops->close(&src);
	close(fd);
	bytes_free(&b);
}

static void two_images_at_once_do_not_mix(void **state)
{
	struct bytes b = lime_bytes(), other = lime_bytes();
	int fd = file_of(&b), fd2;
	struct pw_source src = open_fd(fd, NULL), src2;
	struct pw_table_req req;

	(void)state;
	for (size_t i = 64; i < other.n; i++)
		other.v[i] ^= i >= 32 + 8 * P + 32 ? 0xff : 0;
	fd2 = file_of(&other);
	src2 = open_fd(fd2, NULL);
	for (uint64_t pa = 0x100000; pa < 0x120000; pa += P) {
		req = one(&src, pa, P);
		assert_right(&req);
		req = one(&src2, pa, P);
		assert_int_equal(req.status, 0);
		for (size_t i = 0; i < 512; i++)
			assert_true(((const uint64_t *)req.data)[i] ==
				    ~((const uint64_t *)src.ops->table(&src, pa))[i]);
	}
	src.ops->close(&src);
	src2.ops->close(&src2);
	close(fd);
	close(fd2);
	bytes_free(&other);
	bytes_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_there_is_room_for_are_kept),
		cmocka_unit_test(what_a_call_has_handed_out_stays),
		cmocka_unit_test(what_is_asked_for_again_stays_longer),
		cmocka_unit_test(what_is_dropped_is_gone_and_its_room_is_used_again),
		cmocka_unit_test(any_order_of_calls_gives_what_was_put_in),
		cmocka_unit_test(every_format_hands_out_what_it_keeps),
		cmocka_unit_test(one_call_can_ask_for_more_than_is_kept),
		cmocka_unit_test(a_call_can_ask_twice_and_for_what_is_not_there),
		cmocka_unit_test(parts_of_pages_are_not_kept),
		cmocka_unit_test(what_could_not_be_read_is_not_kept),
		cmocka_unit_test(what_is_told_ahead_changes_nothing),
		cmocka_unit_test(two_images_at_once_do_not_mix),
	};

	return cmocka_run_group_tests_name("image_tables", tests, NULL, NULL);
}
