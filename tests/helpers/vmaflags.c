/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmaflags SOURCE [PID]...: compares VmFlags of processes (all, if none is given) as read from kernel memory with those of /proc/PID/smaps. A line each:
 *
 *   PID same VMAS | PID smaps (kernel memory does not tell) | PID gone | PID different LO KERNEL SMAPS
 *
 * Exits with 1 when one differs. A process that changes in between may: stop it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pagewalk/target.h>

#include "os/kernel.h"
#include "os/smaps.h"
#include "os/vma_flags.h"

struct check {
	const struct pw_space *space;
	size_t same;
	bool differs;
};

static void compare(void *ctx, uint64_t lo, uint64_t end, const char *line)
{
	struct check *c = ctx;
	const struct pw_area *area = pw_areas_find(&c->space->areas, lo);
	uint32_t flags = pw_smaps_flags_of(line);

	if (!area || area->lo != lo || area->last != end - 1 || c->differs)
		return;
	if (area->flags == flags) {
		c->same++;
		return;
	}
	c->differs = true;
	printf("%d different %llx %x %x\n", (int)c->space->pid, (unsigned long long)lo, area->flags, flags);
}

static int look_at(struct pw_target *t, pid_t pid)
{
	struct pw_select select = { .kind = PW_SELECT_PID, .pid = pid };
	struct pw_error err = { 0 };
	struct pw_space space;
	struct check check = { .space = &space };
	char path[40];

	if (pw_target_space(t, &select, &space, &err)) {
		printf("%d gone\n", (int)pid);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	if (!space.kernel || pw_vma_flags_read(space.kernel, &space))
		printf("%d smaps\n", (int)pid);
	else if (pw_smaps_each(path, compare, &check))
		printf("%d gone\n", (int)pid);
	else if (!check.differs)
		printf("%d same %zu\n", (int)pid, check.same);
	pw_space_free(&space);
	return check.differs;
}

int main(int argc, char **argv)
{
	struct pw_target_opts opts = { .size = sizeof(opts), .source = argc > 1 ? argv[1] : NULL };
	struct pw_process *list = NULL;
	struct pw_error err = { 0 };
	struct pw_target *t;
	int rc = 0;
	size_t n;

	if (pw_target_open(&opts, &t, &err) || (argc < 3 && pw_target_processes(t, false, &list, &n, &err))) {
		fprintf(stderr, "vmaflags: %s\n", err.text);
		return 3;
	}
	for (int i = 2; i < argc; i++)
		rc |= look_at(t, atoi(argv[i]));
	for (size_t i = 0; list && i < n; i++)
		if (!list[i].kthread)
			rc |= look_at(t, list[i].pid);
	free(list);
	pw_target_close(t);
	return rc;
}
