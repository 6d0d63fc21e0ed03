/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The readers of memory images on hostile files: the input is the file. Whatever it is, its extents are in order, what lies
 * outside of them cannot be read, and tables come out as bytes do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "source/image.h"

#define PAGE   4096
#define LOOKED 16

static void check_order(const struct pw_image *im)
{
	uint64_t end = 0, bytes = 0;

	CHECK(im->nextents && im->nextents <= PW_IMAGE_EXTENTS);
	for (size_t i = 0; i < im->nextents; i++) {
		const struct pw_image_extent *e = &im->extent[i];

		CHECK(e->bytes && e->pa >= end && e->bytes <= (UINT64_C(1) << PW_IMAGE_PA_BITS) - e->pa);
		CHECK(im->format->read || e->at + e->bytes <= im->file.size);
		end = e->pa + e->bytes;
		bytes += e->bytes;
	}
	end = 0;
	for (size_t i = 0; i < im->nranges; i++) {
		CHECK(im->range[i].lo <= im->range[i].last && (!i || im->range[i].lo > end));
		end = im->range[i].last + 1;
		bytes -= im->range[i].last - im->range[i].lo + 1;
	}
	CHECK(!bytes);
}

static void check_notes(const struct pw_image *im)
{
	const struct pw_image_notes *n = &im->notes;
	uint64_t known = 0;

	CHECK(!n->frozen_evidence == !n->frozen_how);
	CHECK(!n->ncpus || n->cpu);
	for (size_t i = 0; i < n->ncpus; i++)
		known += n->cpu[i].known;
	CHECK(known <= n->ncpus);
	CHECK(!known || n->frozen_evidence);
	CHECK(!n->vmcoreinfo || strlen(n->vmcoreinfo) <= 64 << 10);
}

/* One address by both ways of reading. */
static void check_at(struct pw_source *src, uint64_t pa, bool there)
{
	static uint64_t one[PAGE / 8], two[PAGE / 8];
	struct pw_table_req req = { .pa = pa, .bytes = PAGE, .buf = two };
	int rc = src->ops->read(src, pa, one, PAGE);

	CHECK(rc == 0 || rc == -ENXIO || rc == -EIO);
	CHECK(src->ops->read_tables(src, &req, 1) == 0);
	CHECK(req.status == (rc == -EIO ? -EFAULT : rc));
	CHECK(rc || !memcmp(req.data, one, PAGE));
	CHECK(there || rc == -ENXIO);
}

static void check_reads(struct pw_source *src)
{
	const struct pw_image *im = pw_image_of(src);
	size_t step = im->nranges / LOOKED + 1;

	for (size_t i = 0; i < im->nranges; i += step) {
		struct pw_range r = im->range[i];

		check_at(src, r.lo, true);
		check_at(src, r.lo + (r.last - r.lo) / 2 / PAGE * PAGE, true);
		check_at(src, r.last - (r.last - r.lo) % PAGE, true);
		check_at(src, r.last, true);
		check_at(src, r.last + 1, i + 1 < im->nranges && im->range[i + 1].lo == r.last + 1);
	}
	check_at(src, UINT64_MAX - 5, false);
}

static void check_tables(struct pw_source *src)
{
	static uint64_t buf[2 * LOOKED][PAGE / 8];
	const struct pw_image *im = pw_image_of(src);
	struct pw_table_req req[2 * LOOKED];
	size_t n = 0;

	/* Backwards, each twice. */
	for (size_t i = im->nextents; i-- && n < 2 * LOOKED; n += 2)
		for (size_t k = 0; k < 2; k++)
			req[n + k] = (struct pw_table_req){
				.pa = im->extent[i].pa, .bytes = PAGE, .status = 1, .buf = buf[n + k]
			};
	CHECK(src->ops->read_tables(src, req, n) == 0);
	for (size_t i = 0; i < n; i += 2) {
		CHECK(req[i].status == 0 || req[i].status == -ENXIO || req[i].status == -EFAULT);
		CHECK(req[i].status == req[i + 1].status);
		CHECK(req[i].status || !memcmp(req[i].data, req[i + 1].data, PAGE));
	}
}

static void check_image(const char *path, const struct pw_image_opts *opts)
{
	struct pw_source src = { 0 };
	struct pw_error err = { 0 };

	if (pw_image_open(path, opts, &src, &err)) {
		CHECK(err.text[0] && !src.priv);
		return;
	}
	check_order(pw_image_of(&src));
	check_notes(pw_image_of(&src));
	check_reads(&src);
	check_tables(&src);
	src.ops->close(&src);
}

/* A list for --ranges; what is none would be the name of a file. */
static void check_list(const char *path, const uint8_t *data, size_t size)
{
	struct pw_image_opts opts = { .raw = true };
	char list[128] = "";

	if (size >= sizeof(list))
		return;
	memcpy(list, data, size);
	opts.ranges = list;
	if (strchr(list, '-') && strspn(list, "0123456789abcdefABCDEFxX-,") == strlen(list))
		check_image(path, &opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_image(path, NULL);
	check_list(path, data, size);
	close(fd);
	return 0;
}
