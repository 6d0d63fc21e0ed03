// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/maps.h"
#include "source/system.h"

#define MAX_MAPS (512u << 20)

static int gone(pid_t pid, struct pw_error *err)
{
	return pw_error_set(err, -ESRCH, "no process %d", (int)pid);
}

/* "PID (comm) state ppid pgrp session tty tpgid flags ..."; the comm may hold any bytes, ')' too. */
static int parse_stat(const char *text, struct pw_proc *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned int flags;
	char state;

	if (!open || !close || close < open || sscanf(close + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return -EINVAL;
	snprintf(p->comm, sizeof(p->comm), "%.*s", (int)(close - open - 1), open + 1);
	p->kthread = flags & PW_PF_KTHREAD;
	p->zombie = state == 'Z' || state == 'X';
	return 0;
}

/* Takes p's place by thread tid if that one lives. */
static bool take_thread(struct pw_proc *p, const char *tid)
{
	struct pw_proc thread = *p;
	char path[32], *text;

	snprintf(path, sizeof(path), "task/%.20s", tid);
	thread.dir = openat(p->dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (thread.dir < 0)
		return false;
	if (!pw_system_read_at(thread.dir, "stat", 1 << 16, &text, NULL)) {
		if (parse_stat(text, &thread))
			thread.zombie = true;
		free(text);
	}
	if (thread.zombie) {
		close(thread.dir);
		return false;
	}
	memcpy(thread.comm, p->comm, sizeof(thread.comm));
	close(p->dir);
	*p = thread;
	return true;
}

/* The main thread may have ended while others go on: these have the memory. */
static void find_live_thread(struct pw_proc *p)
{
	int fd = openat(p->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && take_thread(p, d->d_name))
			break;
	closedir(dir);
}

int pw_proc_open(pid_t pid, struct pw_proc *out, struct pw_error *err)
{
	struct pw_proc p = { .pid = pid };
	char path[32], *text;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	p.dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p.dir < 0)
		return errno == ENOENT ? gone(pid, err) : pw_error_set(err, -errno, "%s: %s", path, strerror(errno));
	rc = pw_system_read_at(p.dir, "stat", 1 << 16, &text, NULL);
	if (!rc) {
		rc = parse_stat(text, &p);
		free(text);
	}
	if (rc) {
		close(p.dir);
		return rc == -ENOENT || rc == -ESRCH ? gone(pid, err)
						     : pw_error_set(err, rc, "%s/stat: %s", path, strerror(-rc));
	}
	if (p.zombie)
		find_live_thread(&p);
	*out = p;
	return 0;
}

void pw_proc_close(struct pw_proc *p)
{
	close(p->dir);
	p->dir = -1;
}

static int no_memory(const struct pw_proc *p, struct pw_error *err)
{
	if (p->kthread)
		return pw_error_set(err, -EINVAL, "%d (%s) is a kernel thread: it has no user memory; use 'kernel'",
				    (int)p->pid, p->comm);
	return pw_error_set(err, -ESRCH, "%d (%s) has exited: no memory is left of it", (int)p->pid, p->comm);
}

/* Reading another user's file of mode 0400, and then looking at its process, take a capability each. */
static const char *why_denied(void)
{
	if (pw_system_capable(CAP_SYS_PTRACE) && pw_system_capable(CAP_DAC_READ_SEARCH))
		return "a security module or sandbox protects it";
	return "it is another user's or protected; needs root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
}

int pw_proc_pagemap(const struct pw_proc *p, struct pw_error *err)
{
	int fd, rc;

	if (p->kthread || p->zombie)
		return no_memory(p, err);
	fd = openat(p->dir, "pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	rc = -errno;
	if (rc == -ESRCH || rc == -ENOENT)
		return no_memory(p, err);
	if (rc == -EACCES || rc == -EPERM)
		return pw_error_set(err, rc, "%d (%s) may not be looked at: %s", (int)p->pid, p->comm, why_denied());
	return pw_error_set(err, rc, "/proc/%d/pagemap: %s", (int)p->pid, strerror(-rc));
}

int pw_proc_areas(const struct pw_proc *p, struct pw_areas *areas, struct pw_error *err)
{
	char *text;
	size_t len;
	int rc = pw_system_read_at(p->dir, "maps", MAX_MAPS, &text, &len);

	if (rc == -ESRCH || rc == -ENOENT)
		return gone(p->pid, err);
	if (rc)
		return pw_error_set(err, rc, "/proc/%d/maps: %s", (int)p->pid, strerror(-rc));
	rc = pw_maps_parse(text, len, true, areas, err);
	free(text);
	return rc;
}

static int pid_order(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int pw_proc_pids(pid_t **pids, size_t *n, struct pw_error *err)
{
	DIR *dir = opendir("/proc");
	size_t have = 0, room = 0;
	struct dirent *d;
	pid_t *v = NULL;

	if (!dir)
		return pw_error_set(err, -errno, "/proc: %s", strerror(errno));
	while ((d = readdir(dir))) {
		long pid = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? strtol(d->d_name, NULL, 10) : 0;

		if (pid <= 0 || pid > INT32_MAX)
			continue;
		if (have == room) {
			pid_t *more = realloc(v, (room ? room * 2 : 256) * sizeof(*v));

			if (!more) {
				free(v);
				closedir(dir);
				return pw_error_set(err, -ENOMEM, "out of memory");
			}
			v = more;
			room = room ? room * 2 : 256;
		}
		v[have++] = (pid_t)pid;
	}
	closedir(dir);
	if (have)
		qsort(v, have, sizeof(*v), pid_order);
	*pids = v;
	*n = have;
	return 0;
}
