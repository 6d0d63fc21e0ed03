// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/PID/maps, one VMA a line:
 *
 *   7f3a5c200000-7f3a5c400000 rw-p 00001000 fe:01 131090                     /usr/lib/x y.so (deleted)
 *
 * The path is the rest of the line after blanks, of any bytes; the kernel writes a newline in it as \012
 * and escapes nothing else, not even the backslash.
 */
#include "maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD 128 /* a line without its path is at most 16+1+16+1+4+1+16+1+8+1+8+1+20 long */

struct parser {
	struct pw_areas areas;
	size_t room;
	bool moving;
	char *free_string; /* in areas.strings */
};

/* Copies a path, with \012 as the newline that it stands for. */
static const char *copy_path(struct parser *p, const char *path, size_t len)
{
	char *out = p->free_string, *to = out;

	while (len) {
		if (len >= 4 && !memcmp(path, "\\012", 4)) {
			*to++ = '\n';
			path += 4;
			len -= 4;
		} else {
			*to++ = *path++;
			len--;
		}
	}
	*to++ = 0;
	p->free_string = to;
	return out;
}

static const char *display_name(const char *path)
{
	const char *slash;

	if (!path)
		return "[anon]";
	if (path[0] != '/')
		return path;
	slash = strrchr(path, '/');
	return slash[1] ? slash + 1 : path;
}

/* The part of an area that comes after those that are there; false: none. */
static bool rest_of(const struct pw_areas *a, struct pw_area *area)
{
	uint64_t next = a->v[a->n - 1].last + 1;

	if (!next || area->last < next)
		return false;
	area->offset += area->path ? next - area->lo : 0;
	area->lo = next;
	return true;
}

static int add_area(struct parser *p, struct pw_area *area)
{
	const struct pw_areas *a = &p->areas;
	struct pw_area *v;

	if (area->lo > area->last)
		return -EINVAL;
	if (a->n && a->v[a->n - 1].last >= area->lo) {
		if (!p->moving)
			return -EINVAL;
		if (!rest_of(a, area))
			return 0;
	}
	if (a->n == p->room) {
		size_t want = p->room ? p->room * 2 : 64;

		v = realloc(a->v, want * sizeof(*v));
		if (!v)
			return -ENOMEM;
		p->areas.v = v;
		p->room = want;
	}
	p->areas.v[p->areas.n++] = *area;
	return 0;
}

static int parse_line(struct parser *p, const char *line, size_t len)
{
	struct pw_area area = { 0 };
	char head[MAX_HEAD];
	uint64_t end;
	int used = 0;

	snprintf(head, sizeof(head), "%.*s", (int)(len < sizeof(head) ? len : sizeof(head) - 1), line);
	if (sscanf(head, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32 ":%" SCNx32 " %" SCNu64 "%n", &area.lo,
		   &end, area.perms, &area.offset, &area.dev_major, &area.dev_minor, &area.inode, &used) != 7 ||
	    !end)
		return -EINVAL;
	area.last = end - 1;
	while ((size_t)used < len && line[used] == ' ')
		used++;
	if ((size_t)used < len)
		area.path = copy_path(p, line + used, len - (size_t)used);
	area.name = display_name(area.path);
	return add_area(p, &area);
}

int pw_maps_parse(const char *text, size_t len, bool moving, struct pw_areas *areas, struct pw_error *err)
{
	struct parser p = { .moving = moving };
	int rc = 0;

	/* No path is longer than its line, whose newline makes room for its end. */
	p.areas.strings = malloc(len + 1);
	if (!p.areas.strings)
		return pw_error_set(err, -ENOMEM, "out of memory");
	p.free_string = p.areas.strings;
	while (len && !rc) {
		const char *newline = memchr(text, '\n', len);
		size_t part = newline ? (size_t)(newline - text) : len;

		rc = parse_line(&p, text, part);
		part += newline != NULL;
		text += part;
		len -= part;
	}
	if (rc) {
		pw_areas_free(&p.areas);
		return pw_error_set(err, rc,
				    rc == -EINVAL ? "the list of VMAs is not in the form of /proc/PID/maps"
						  : "out of memory");
	}
	*areas = p.areas;
	return 0;
}
