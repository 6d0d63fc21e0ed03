// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/iomem: one resource a line, children indented by two blanks more than their parent:
 *
 *   100000000-63fffffff : System RAM
 *     100000000-100dfffff : Kernel code
 *
 * System RAM can itself be a child (of "Soft Reserved", a CXL window, ...) and has names such as
 * "System RAM (kmem)". Without CAP_SYS_ADMIN all addresses are zeros.
 */
#include "source/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranges.h"
#include "source/system.h"

static const char *const image_names[PW_IMAGE_NPARTS] = {
	[PW_IMAGE_CODE] = "Kernel code",
	[PW_IMAGE_RODATA] = "Kernel rodata",
	[PW_IMAGE_DATA] = "Kernel data",
	[PW_IMAGE_BSS] = "Kernel bss",
};

static int ram_add(struct pw_ram *ram, size_t *room, struct pw_range r)
{
	struct pw_range *v;

	if (ram->n == *room) {
		size_t want = *room ? *room * 2 : 16;

		v = realloc(ram->v, want * sizeof(*v));
		if (!v)
			return -ENOMEM;
		ram->v = v;
		*room = want;
	}
	ram->v[ram->n++] = r;
	return 0;
}

static int range_order(const void *a, const void *b)
{
	const struct pw_range *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Sorts, and joins what touches or overlaps (a RAM resource inside another). */
static void ram_join(struct pw_ram *ram)
{
	size_t n = 0;

	if (!ram->n)
		return;
	qsort(ram->v, ram->n, sizeof(*ram->v), range_order);
	for (size_t i = 1; i < ram->n; i++) {
		struct pw_range *to = &ram->v[n];

		if (to->last == UINT64_MAX || ram->v[i].lo <= to->last + 1) {
			if (ram->v[i].last > to->last)
				to->last = ram->v[i].last;
		} else {
			ram->v[++n] = ram->v[i];
		}
	}
	ram->n = n + 1;
}

/* One line; text after the end of the name is not looked at. */
static int ram_line(struct pw_ram *ram, size_t *room, const char *line, size_t len)
{
	struct pw_range r;
	char name[32] = "";

	if (len > 256 || sscanf(line, " %" SCNx64 "-%" SCNx64 " : %31[^\n]", &r.lo, &r.last, name) != 3 ||
	    r.lo > r.last)
		return 0;
	if (!strncmp(name, "System RAM", 10))
		return ram_add(ram, room, r);
	for (int i = 0; i < PW_IMAGE_NPARTS; i++)
		if (!strcmp(name, image_names[i]) && ram->image[i].lo > ram->image[i].last)
			ram->image[i] = r;
	return 0;
}

int pw_ram_parse(const char *text, struct pw_ram *out, struct pw_error *err)
{
	struct pw_ram ram = { 0 };
	size_t room = 0;
	int rc = 0;

	for (int i = 0; i < PW_IMAGE_NPARTS; i++)
		ram.image[i] = (struct pw_range){ 1, 0 };
	while (*text && !rc) {
		size_t len = strcspn(text, "\n");

		rc = ram_line(&ram, &room, text, len);
		text += len + (text[len] == '\n');
	}
	ram_join(&ram);
	if (rc)
		rc = pw_error_set(err, rc, "out of memory");
	else if (!ram.n)
		rc = pw_error_set(err, -ENODATA, "/proc/iomem names no System RAM: nothing may be followed");
	else if (!pw_ram_last(&ram))
		rc = pw_error_set(err, -EPERM, "/proc/iomem hides the ranges of System RAM: needs CAP_SYS_ADMIN");
	if (rc) {
		pw_ram_free(&ram);
		return rc;
	}
	*out = ram;
	return 0;
}

int pw_ram_read(struct pw_ram *out, struct pw_error *err)
{
	char *text;
	int rc = pw_system_read("/proc/iomem", 1 << 20, &text, NULL);

	if (rc)
		return pw_error_set(err, rc, "/proc/iomem: %s", strerror(-rc));
	rc = pw_ram_parse(text, out, err);
	free(text);
	return rc;
}

void pw_ram_free(struct pw_ram *ram)
{
	free(ram->v);
	ram->v = NULL;
	ram->n = 0;
}

bool pw_ram_has(const struct pw_ram *ram, uint64_t pa, uint64_t len)
{
	return ram->n && pw_ranges_hold(ram->v, ram->n, pa, len);
}
