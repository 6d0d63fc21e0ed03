// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From a task of ours to any process's mm: the mm behind a pagemap that we hold open is
 *
 *   task -> files -> fdt -> fd[n] -> private_data
 *
 * which cannot be another process's, whatever happened to its PID, and is kept alive by the open file.
 * bpf tells the current task. For kcore it is looked for in the list of all tasks, which starts at
 * init_task, which is in the kernel's data and named "swapper". We know ourselves by the addresses of
 * our stack and arguments and by our PID in our own namespace.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/kernel.h"
#include "source/live.h"
#include "source/system.h"

#define CHUNK     (256 * 1024)
#define MAX_TASKS (4 << 20)

/* start_stack and arg_start: fields 28 and 48 of /proc/self/stat. */
struct self {
	uint64_t start_stack, arg_start;
	uint32_t pid;
};

static int read_self(struct self *self)
{
	char *text, *at;
	int rc = pw_system_read("/proc/self/stat", 4096, &text, NULL);
	int field = 2;

	if (rc)
		return rc;
	*self = (struct self){ .pid = (uint32_t)getpid() };
	for (at = strrchr(text, ')'); at; at = strchr(at + 1, ' ')) {
		if (field == 28)
			self->start_stack = strtoull(at, NULL, 10);
		if (field == 48)
			self->arg_start = strtoull(at, NULL, 10);
		field++;
	}
	free(text);
	return self->start_stack && self->arg_start ? 0 : -ENODATA;
}

static bool read_u32(struct pw_source *src, uint64_t kva, uint32_t *out)
{
	return pw_is_kernel(kva) && !src->ops->read_kernel(src, kva, out, sizeof(*out));
}

static bool read_ptr(struct pw_source *src, uint64_t kva, uint64_t *out)
{
	return pw_is_kernel(kva) && !pw_read_word(src, kva, out);
}

static bool task_is_self(struct pw_source *src, const struct pw_kernel *k, uint64_t task, const struct self *self)
{
	const struct pw_offsets *off = &k->btf.off;
	uint64_t mm, word, pid;
	uint32_t level, nr;

	if (!read_ptr(src, task + off->task_mm, &mm) || !mm)
		return false;
	if (!read_ptr(src, mm + off->mm_start_stack, &word) || word != self->start_stack)
		return false;
	if (!read_ptr(src, mm + off->mm_arg_start, &word) || word != self->arg_start)
		return false;
	/* A forked child has all this in common, but not the PID. */
	if (!read_ptr(src, task + off->task_thread_pid, &pid) || !read_u32(src, pid + off->pid_level, &level) ||
	    level > 32)
		return false;
	return read_u32(src, pid + off->pid_numbers + (uint64_t)level * k->btf.upid_size, &nr) && nr == self->pid;
}

/* Backwards from init_task: the youngest first. */
static int find_self(struct pw_source *src, const struct pw_kernel *k, uint64_t init, const struct self *self,
		     uint64_t *task)
{
	uint64_t head = init + k->btf.off.task_tasks, node = head;

	for (int i = 0; i < MAX_TASKS; i++) {
		if (!read_ptr(src, node + 8, &node) || !pw_is_kernel(node))
			return -EAGAIN;
		if (node == head)
			return -ESRCH;
		if (!task_is_self(src, k, node - k->btf.off.task_tasks, self))
			continue;
		*task = node - k->btf.off.task_tasks;
		return 0;
	}
	return -ELOOP;
}

/* Whether the "swapper" at physical address pa is init_task's comm: PID 0 and a list that comes back. */
static bool is_init_task(struct pw_source *src, const struct pw_kernel *k, uint64_t pa, uint64_t *task)
{
	uint64_t at = pa - k->btf.off.task_comm + PW_IMAGE_START - k->info.phys_base;
	uint64_t head = at + k->btf.off.task_tasks, next, back;
	uint32_t pid;

	if (!read_u32(src, at + k->btf.off.task_pid, &pid) || pid)
		return false;
	if (!read_ptr(src, head, &next) || !read_ptr(src, next + 8, &back) || back != head)
		return false;
	*task = at;
	return true;
}

static int scan_chunk(struct pw_source *src, const struct pw_kernel *k, uint64_t pa, const char *buf, size_t len,
		      uint64_t *task)
{
	const char *at = buf;

	while ((at = memmem(at, len - (size_t)(at - buf), "swapper", 7))) {
		if (is_init_task(src, k, pa + (uint64_t)(at - buf), task))
			return 0;
		at++;
	}
	return -ESRCH;
}

static int find_init_task(struct pw_source *src, const struct pw_kernel *k, uint64_t *task)
{
	struct pw_range data = pw_source_ram(src)->image[PW_IMAGE_DATA];
	char *buf = malloc(CHUNK);
	int rc = -ESRCH;

	if (!buf)
		return -ENOMEM;
	for (uint64_t pa = data.lo; rc == -ESRCH && pa < data.last; pa += CHUNK - 16) {
		size_t len = data.last - pa < CHUNK ? (size_t)(data.last - pa + 1) : CHUNK;

		rc = src->ops->read(src, pa, buf, len);
		if (!rc)
			rc = scan_chunk(src, k, pa, buf, len, task);
	}
	free(buf);
	return rc;
}

static int search_tasks(struct pw_source *src, const struct pw_kernel *k, uint64_t *task)
{
	struct self self;
	uint64_t init;
	int rc = read_self(&self);

	if (!rc)
		rc = find_init_task(src, k, &init);
	if (rc)
		return rc;
	/* The list can change under our eyes and lead astray. */
	for (int i = 0; i < 8; i++) {
		rc = find_self(src, k, init, &self, task);
		if (!rc)
			return 0;
	}
	return rc;
}

int pw_own_task(struct pw_source *src, struct pw_kernel *k, uint64_t *task, struct pw_error *err)
{
	int rc = pw_bpf_current_task(src, task);

	if (rc != -EOPNOTSUPP)
		return rc ? pw_error_set(err, rc, "the kernel did not tell the current task: %s", strerror(-rc)) : 0;
	if (k->task_pid != getpid()) {
		rc = search_tasks(src, k, &k->task);
		if (rc)
			return pw_error_set(err, rc, "our own task was not found in kernel memory: %s", strerror(-rc));
		k->task_pid = getpid();
	}
	*task = k->task;
	return 0;
}

int pw_mm_of_pagemap(struct pw_source *src, struct pw_kernel *k, int fd, uint64_t *mm, struct pw_error *err)
{
	const struct pw_offsets *off = &k->btf.off;
	uint64_t task, at;
	int rc = pw_own_task(src, k, &task, err);

	if (rc)
		return rc;
	if (!read_ptr(src, task + off->task_files, &at) || !read_ptr(src, at + off->files_fdt, &at) ||
	    !read_ptr(src, at + off->fdtable_fd, &at) || !read_ptr(src, at + (uint64_t)fd * 8, &at) ||
	    !read_ptr(src, at + off->file_private, mm) || (*mm && !pw_is_kernel(*mm)))
		return pw_error_set(err, -EFAULT, "an open file could not be followed in kernel memory");
	return 0;
}
