// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a guest's RAM is. `info mtree -f` lists what its physical addresses lead to:
 *
 *   FlatView #1
 *    AS "memory", root: system
 *     0000000000100000-000000007fffffff (prio 0, ram): ram0 @0000000000100000
 *
 * The name is that of a memory backend, whose file QEMU holds open: a link in its /proc/PID/fd, also when it was deleted or never
 * had a name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/qemu.h"

#define MAX_RAM 4096

/* -------- the map -------- */

static bool parse_line(const char *line, struct pw_qemu_ram *r)
{
	uint64_t lo, last, at = 0;
	int used = 0;
	const char *behind;

	*r = (struct pw_qemu_ram){ .fd = -1 };
	if (sscanf(line, " %" SCNx64 "-%" SCNx64 " (prio %*d, ram): %63s%n", &lo, &last, r->backend, &used) != 3 ||
	    !used || last < lo || last == UINT64_MAX || lo % 4096 || (last + 1) % 4096)
		return false;
	behind = line + used;
	sscanf(behind, " @%" SCNx64, &at);
	r->pa = lo;
	r->bytes = last - lo + 1;
	r->at = at;
	return true;
}

/* The lines of the view that is called "memory". */
static const char *find_view(const char *text)
{
	const char *as = strstr(text, "AS \"memory\",");

	return as ? as : strstr(text, "AS \"system\",");
}

int pw_qemu_parse_mtree(const char *text, struct pw_qemu_ram **ram, size_t *n)
{
	const char *line = find_view(text);
	struct pw_qemu_ram *v = calloc(MAX_RAM, sizeof(*v));
	size_t have = 0;

	if (!v)
		return -ENOMEM;
	for (; line && have < MAX_RAM; line = strchr(line, '\n'), line += line != NULL) {
		if (!strncmp(line, "FlatView", 8))
			break;
		if (!parse_line(line, &v[have]))
			continue;
		if (have && v[have - 1].pa + v[have - 1].bytes > v[have].pa) {
			free(v);
			return -EPROTO;
		}
		have++;
	}
	if (!have) {
		free(v);
		return -EPROTO;
	}
	*ram = v;
	*n = have;
	return 0;
}

/* -------- a backend's file -------- */

/* A property of the backend as text; "" when it has none. */
static void property(struct pw_qemu *q, const char *backend, const char *name, char *out, size_t size)
{
	struct json_object *arguments = json_object_new_object(), *value = NULL;
	struct pw_error err = { 0 };
	char path[96];

	snprintf(path, sizeof(path), "/objects/%s", backend);
	json_object_object_add(arguments, "path", json_object_new_string(path));
	json_object_object_add(arguments, "property", json_object_new_string(name));
	*out = 0;
	if (!pw_qmp_run(&q->qmp, "qom-get", arguments, &value, &err) && value)
		snprintf(out, size, "%s", json_object_get_string(value));
	json_object_put(value);
}

/* Whether a descriptor of QEMU's is the backend's file: of that path, or a memfd of that size. */
static bool is_backend(const char *link, const char *path, uint64_t size, const struct stat *st)
{
	size_t n = strlen(path);

	if ((uint64_t)st->st_size < size)
		return false;
	if (*path)
		return !strncmp(link, path, n) && (!link[n] || !strcmp(link + n, " (deleted)"));
	return !strncmp(link, "/memfd:memory-backend-memfd", 27) && (uint64_t)st->st_size == size;
}

/* Opened anew through QEMU's own descriptor. -1: none, or it may not be looked at. */
static int open_by_process(pid_t pid, const char *path, uint64_t size)
{
	char dir[40], link[4096];
	struct dirent *d;
	int fd = -1;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	fds = pid ? opendir(dir) : NULL;
	while (fds && fd < 0 && (d = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), d->d_name, link, sizeof(link) - 1);
		struct stat st;

		if (n <= 0 || fstatat(dirfd(fds), d->d_name, &st, 0) || !S_ISREG(st.st_mode))
			continue;
		link[n] = 0;
		if (is_backend(link, path, size, &st))
			fd = openat(dirfd(fds), d->d_name, O_RDONLY | O_CLOEXEC);
	}
	if (fds)
		closedir(fds);
	return fd;
}

static int open_backend(struct pw_qemu *q, const char *backend)
{
	char path[4096], share[16], size[32];
	struct stat st;
	int fd;

	property(q, backend, "share", share, sizeof(share));
	property(q, backend, "size", size, sizeof(size));
	property(q, backend, "mem-path", path, sizeof(path));
	if (strcmp(share, "true"))
		return -1;
	fd = open_by_process(pw_qmp_peer(&q->qmp), path, strtoull(size, NULL, 10));
	if (fd >= 0 || !*path)
		return fd;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < strtoull(size, NULL, 10))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Parts of one backend share its descriptor. */
static void open_all(struct pw_qemu *q)
{
	for (size_t i = 0; i < q->nram; i++) {
		size_t same = 0;

		while (strcmp(q->ram[same].backend, q->ram[i].backend))
			same++;
		q->ram[i].fd = same < i ? q->ram[same].fd : open_backend(q, q->ram[i].backend);
	}
}

static int join_ranges(struct pw_qemu *q)
{
	q->range = calloc(q->nram, sizeof(*q->range));
	if (!q->range)
		return -ENOMEM;
	for (size_t i = 0; i < q->nram; i++) {
		uint64_t last = q->ram[i].pa + q->ram[i].bytes - 1;

		if (q->nranges && q->range[q->nranges - 1].last + 1 == q->ram[i].pa)
			q->range[q->nranges - 1].last = last;
		else
			q->range[q->nranges++] = (struct pw_range){ q->ram[i].pa, last };
	}
	return 0;
}

int pw_qemu_find_ram(struct pw_qemu *q, struct pw_error *err)
{
	char *text;
	int rc = pw_qmp_human(&q->qmp, "info mtree -f", &text, err);

	if (rc)
		return rc;
	rc = pw_qemu_parse_mtree(text, &q->ram, &q->nram);
	free(text);
	if (!rc)
		rc = join_ranges(q);
	if (rc)
		return pw_error_set(err, rc, rc == -ENOMEM ? "out of memory" : "its map of memory was not understood");
	open_all(q);
	return 0;
}
