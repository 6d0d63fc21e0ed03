// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pagewalk/cpu.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/kernel.h"
#include "source/system.h"
#include "space.h"

static bool is_live(const struct pw_target *t)
{
	return t->os && !strcmp(t->os->name, "live");
}

/* The part of /proc/cpuinfo about one CPU; its first one if there is none of that number. */
static const char *section(const char *cpuinfo, unsigned n)
{
	char head[32];
	const char *at;

	snprintf(head, sizeof(head), "processor\t: %u\n", n);
	for (at = cpuinfo; at; at = strstr(at, "\n\n")) {
		at += strspn(at, "\n");
		if (!strncmp(at, head, strlen(head)))
			return at;
	}
	return cpuinfo;
}

static void read_cpuinfo(struct pw_cpu *out)
{
	const char *at, *vendor;
	char *text;
	size_t len;

	if (pw_system_read("/proc/cpuinfo", 16 << 20, &text, &len))
		return;
	at = section(text, out->cpu);
	vendor = strstr(at, "\nvendor_id\t: ");
	if (vendor)
		sscanf(vendor, "\nvendor_id\t: %15[^\n]", out->vendor);
	out->pku = pw_cpu_flag(at, "ospke");
	free(text);
}

static void find_owner(struct pw_target *t, struct pw_cpu *out)
{
	/* With page-table isolation the root can be user mode's, beside the one that is the process's. */
	uint64_t root = out->root == out->user_root ? out->root & ~PW_PTI_USER_ROOT : out->root;
	struct pw_process *v;
	size_t n;

	if (t->facts.kernel_root == root)
		out->owner = PW_OWNER_KERNEL;
	if (pw_target_processes(t, true, &v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (v[i].root != root || root == PW_PA_NONE)
			continue;
		/* Several after vfork(); we ourselves are more likely than our parent. */
		if (out->owner == PW_OWNER_PROCESS && (!is_live(t) || v[i].pid != getpid()))
			continue;
		out->owner = PW_OWNER_PROCESS;
		out->pid = v[i].pid;
		snprintf(out->comm, sizeof(out->comm), "%s", v[i].comm);
	}
	free(v);
}

void pw_cpu_of_root(struct pw_target *t, uint64_t root, struct pw_cpu *out)
{
	*out = (struct pw_cpu){
		.phys_bits = t->mmu[PW_HALF_KERNEL].maxphyaddr,
		.root = root,
		.user_root = t->facts.pti ? root | PW_PTI_USER_ROOT : PW_PA_NONE,
		.root_va = t->facts.page_offset == PW_PA_NONE ? PW_PA_NONE : t->facts.page_offset + root,
	};
	if (is_live(t))
		read_cpuinfo(out);
	find_owner(t, out);
}

int pw_cpu_read(struct pw_target *t, unsigned n, struct pw_cpu *out, struct pw_error *err)
{
	struct pw_registers regs;
	int rc;

	if (!t->os->registers)
		return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: a CPU's root is not known to this source", n);
	rc = t->os->registers(t, n, &regs, err);
	if (rc)
		return rc;
	pw_cpu_of_root(t, regs.root, out);
	out->cpu = n;
	out->has_cpu = true;
	out->registers = regs.known;
	out->has_efer = regs.has_efer;
	out->cr0 = regs.cr0;
	out->cr3 = regs.cr3;
	out->cr4 = regs.cr4;
	out->efer = regs.efer;
	if (is_live(t))
		read_cpuinfo(out);
	return 0;
}
