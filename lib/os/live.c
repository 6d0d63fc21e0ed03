// SPDX-License-Identifier: LGPL-2.1-or-later
/* The running Linux as the OS of a target: processes from /proc, their page tables from kernel memory. */
#include "os/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/kernel.h"
#include "os/process.h"
#include "source/live.h"
#include "source/system.h"
#include "space.h"

static bool has_tables(const struct pw_target *t)
{
	return t->source.ops->caps & PW_CAP_TABLES;
}

/*
 * The module goes by PID. It was still this process's if the process's directory in /proc, which is held
 * open, is alive afterwards.
 */
static int root_by_module(struct pw_target *t, const struct pw_proc *p, bool pin, uint64_t *root)
{
	int rc = pw_kmod_root_of_pid(&t->source, p->pid, pin, root);

	return rc ? rc : faccessat(p->dir, "stat", F_OK, 0) ? -ESRCH : 0;
}

/* Physical address of the pgd behind a pagemap that is held open. -ESRCH when it has no mm. */
static int root_of_pagemap(struct pw_target *t, int fd, uint64_t *root, struct pw_error *err)
{
	struct pw_kernel *k = t->os_priv;
	uint64_t mm, pgd;
	int rc = pw_mm_of_pagemap(&t->source, k, fd, &mm, err);

	if (rc)
		return rc;
	if (!mm)
		return -ESRCH;
	if (pw_read_word(&t->source, mm + k->btf.off.mm_pgd, &pgd))
		return pw_error_set(err, -EFAULT, "the process's page table was not found in kernel memory");
	if (pgd < t->facts.page_offset || pgd & 0xfff)
		return pw_error_set(err, -EINVAL, "the process's page table is not in the direct map");
	*root = pgd - t->facts.page_offset;
	return 0;
}

/* pin: it is going to be walked. */
static int root_of_process(struct pw_target *t, const struct pw_proc *p, int fd, bool pin, uint64_t *root,
			   struct pw_error *err)
{
	int rc = root_by_module(t, p, pin, root);

	if (rc != -EOPNOTSUPP)
		return rc && rc != -ESRCH ? pw_error_set(err, rc, "the module did not tell the root of %d: %s",
							 (int)p->pid, strerror(-rc))
					  : rc;
	return root_of_pagemap(t, fd, root, err);
}

/* -------- processes -------- */

static uint64_t process_root(struct pw_target *t, const struct pw_proc *p)
{
	uint64_t root = PW_PA_NONE;
	int fd = p->kthread || p->zombie ? -1 : pw_proc_pagemap(p, NULL);

	if (fd < 0)
		return PW_PA_NONE;
	if (root_of_process(t, p, fd, false, &root, NULL))
		root = PW_PA_NONE;
	close(fd);
	return root;
}

static int live_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			  struct pw_error *err)
{
	struct pw_process *v;
	size_t npids, have = 0;
	pid_t *pids;
	int rc = pw_proc_pids(&pids, &npids, err);

	if (rc)
		return rc;
	v = calloc(npids + 1, sizeof(*v));
	for (size_t i = 0; v && i < npids; i++) {
		struct pw_proc p;

		/* Those that end meanwhile are not there. */
		if (pw_proc_open(pids[i], &p, NULL))
			continue;
		v[have].pid = p.pid;
		v[have].kthread = p.kthread;
		v[have].root = with_roots && has_tables(t) ? process_root(t, &p) : PW_PA_NONE;
		memcpy(v[have].comm, p.comm, sizeof(p.comm));
		have++;
		pw_proc_close(&p);
	}
	free(pids);
	if (!v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	*list = v;
	*n = have;
	return 0;
}

/* -------- spaces -------- */

static void space_of_leaves(const struct pw_target *t, const struct pw_proc *p, struct pw_space *space)
{
	space->pid = p->pid;
	snprintf(space->comm, sizeof(space->comm), "%s", p->comm);
	snprintf(space->title, sizeof(space->title), "%d (%.40s)", (int)p->pid, p->comm);
	space->npieces = 1;
	space->piece[0] = (struct pw_piece){
		.va = { 0, (UINT64_C(1) << 56) - 4097 },
		.root = PW_PA_NONE,
		.mmu = t->mmu[PW_HALF_USER],
		.label = "user half",
	};
}

static int fill_process(struct pw_target *t, const struct pw_proc *p, struct pw_space *space, struct pw_error *err)
{
	uint64_t root;
	int rc;

	space->pin.pagemap_fd = pw_proc_pagemap(p, err);
	if (space->pin.pagemap_fd < 0) {
		rc = space->pin.pagemap_fd;
		space->pin.pagemap_fd = -1;
		return rc;
	}
	rc = pw_proc_areas(p, &space->areas, err);
	if (rc)
		return rc;
	if (!has_tables(t)) {
		space_of_leaves(t, p, space);
		return 0;
	}
	rc = root_of_process(t, p, space->pin.pagemap_fd, true, &root, err);
	if (rc == -ESRCH)
		return pw_error_set(err, rc, "%d (%s) has exited: no memory is left of it", (int)p->pid, p->comm);
	if (!rc)
		pw_space_of_process(t, p->pid, p->comm, root, space);
	/* By the module our own task, which leads to the others' memory, would have to be searched for. */
	space->kernel = t->source.ops == &pw_source_kmod ? NULL : t->os_priv;
	return rc;
}

static int live_process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	struct pw_proc p;
	int rc = pw_proc_open(pid, &p, err);

	if (rc)
		return rc;
	rc = fill_process(t, &p, space, err);
	pw_proc_close(&p);
	return rc;
}

static int live_kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	int rc;

	if (!has_tables(t))
		return pw_error_set(
			err, -EOPNOTSUPP,
			"the kernel's tables need an exact source, %s has leaves only: see 'pagewalk doctor'",
			t->source.ops->name);
	if (t->facts.kernel_root == PW_PA_NONE)
		return pw_error_set(
			err, -ENOENT,
			"the kernel's root table was not found (no VMCOREINFO); 'self:kernel' has its mappings too");
	rc = pw_regions(t, t->os_priv, &space->areas, err);
	if (!rc)
		pw_space_of_kernel(t, space);
	return rc;
}

static int live_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err)
{
	return has_tables(t) ? pw_layout_exact(t, t->os_priv, out, err) : pw_layout_of_leaves(out, err);
}

static int live_registers(struct pw_target *t, unsigned cpu, struct pw_registers *out, struct pw_error *err)
{
	int rc = pw_kmod_registers(&t->source, cpu, out);

	if (rc == -EOPNOTSUPP)
		return pw_error_set(err, rc,
				    "cpu:%u: a running CPU's CR3 is read by the module only (-s kmod); or give the PID "
				    "that runs on it",
				    cpu);
	if (rc)
		return pw_error_set(err, rc, "cpu:%u: %s", cpu, rc == -ENXIO ? "no such CPU is online" : strerror(-rc));
	return 0;
}

/* -------- symbols -------- */

/* Lines "ffffffff81000000 T name"; zeros where the kernel hides them. A convenience: nothing relies on it. */
static int live_symbol(struct pw_target *t, const char *name, uint64_t *va)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long at;
	char line[768], type, is[512];
	int rc = -ENOENT;

	(void)t;
	if (!f)
		return -ENOENT;
	while (rc && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %c %511s", &at, &type, is) == 3 && at && !strcmp(is, name)) {
			*va = at;
			rc = 0;
		}
	fclose(f);
	return rc;
}

/* -------- how it is known -------- */

static const char *live_how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure)
{
	static const char *const module[PW_FACT_NUM] = {
		[PW_FACT_PAGING] = "pagewalk.ko: CR4",
		[PW_FACT_MAXPHYADDR] = "pagewalk.ko: CPUID",
		[PW_FACT_PAGE_OFFSET] = "pagewalk.ko; a page of our own was found there",
		[PW_FACT_KERNEL_ROOT] = "pagewalk.ko",
		[PW_FACT_PTI] = "pagewalk.ko",
	};
	static const char *const found[PW_FACT_NUM] = {
		[PW_FACT_PAGING] = "the number with which our own page table maps itself",
		[PW_FACT_MAXPHYADDR] = "/proc/cpuinfo",
		[PW_FACT_PAGE_OFFSET] = "where our own page table maps itself; a page of our own was found there",
		[PW_FACT_KERNEL_ROOT] = "VMCOREINFO; its direct map is that of our own page table",
		[PW_FACT_PTI] = "/proc/cpuinfo",
	};

	(void)sure;
	if (id == PW_FACT_SYSTEM)
		return "uname";
	if (id == PW_FACT_KASLR)
		return "VMCOREINFO (KERNELOFFSET)";
	if (t->source.ops == &pw_source_kmod)
		return module[id];
	return found[id];
}

static void live_close(struct pw_target *t)
{
	struct pw_kernel *k = t->os_priv;

	if (k)
		free(k->info.text);
	free(k);
	t->os_priv = NULL;
}

static const struct pw_os_ops live_os = {
	.name = "live",
	.processes = live_processes,
	.process_space = live_process_space,
	.kernel_space = live_kernel_space,
	.registers = live_registers,
	.layout = live_layout,
	.symbol = live_symbol,
	.how = live_how,
	.close = live_close,
};

int pw_live_attach(struct pw_target *t, struct pw_error *err)
{
	struct pw_kernel *k;
	int rc;

	if (!has_tables(t)) {
		pw_kernel_facts_leaves(t);
		t->os = &live_os;
		return 0;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return pw_error_set(err, -ENOMEM, "out of memory");
	t->os_priv = k;
	k->ram = pw_source_ram(&t->source);
	rc = pw_kernel_facts(t, k, err);
	if (rc) {
		live_close(t);
		return rc;
	}
	t->os = &live_os;
	return 0;
}
