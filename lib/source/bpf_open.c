// SPDX-License-Identifier: LGPL-2.1-or-later
/* bpf: loading the program, and saying why it cannot be. */
#include "source/bpf.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tables.skel.h"

#include "source/system.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define SLOTS_BYTES ((size_t)PW_BPF_SLOTS * PW_BPF_PAGE)

int pw_bpf_run(struct pw_bpf *b)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	unsigned int before = b->run->ran;
	int rc = bpf_prog_test_run_opts(b->prog_fd, &opts);

	if (rc)
		return rc < 0 ? rc : -rc;
	/* The kernel skips a run that would nest in another one of the same CPU, and says nothing. */
	return b->run->ran == before ? -EAGAIN : 0;
}

/* Says what is missing of the capabilities. True when something is. */
static bool bpf_denied(char *why, size_t size)
{
	bool admin = pw_system_capable(CAP_SYS_ADMIN);
	const char *missing = NULL;

	if (!admin && !pw_system_capable(CAP_BPF))
		missing = "CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN (ranges of System RAM)";
	else if (!admin && !pw_system_capable(CAP_PERFMON))
		missing = "CAP_PERFMON and CAP_SYS_ADMIN (ranges of System RAM)";
	else if (!admin)
		missing = "CAP_SYS_ADMIN (ranges of System RAM in /proc/iomem)";
	if (!missing)
		return false;
	snprintf(why, size, "needs %s%s", missing,
		 pw_system_capable(CAP_SYS_PTRACE) && pw_system_capable(CAP_DAC_READ_SEARCH) ?
			 "" :
			 "; CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH for other users' processes");
	return true;
}

/* Before v5.11 BPF memory counts as locked memory; libbpf raises the limit where it may. */
static bool memlock_is_low(void)
{
	struct rlimit limit;

	return !pw_system_capable(CAP_SYS_RESOURCE) && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur < 1 << 20;
}

/* Why loading failed with code, in a sentence without a name in front. */
static void bpf_why(int code, char *why, size_t size)
{
	if (bpf_denied(why, size))
		return;
	if (pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY)
		snprintf(why, size, "lockdown=confidentiality forbids reading kernel memory");
	else if (code == -ENOSYS)
		snprintf(why, size, "this kernel has no BPF (CONFIG_BPF_SYSCALL)");
	else if (code == -EINVAL || code == -EACCES)
		snprintf(why, size,
			 "the kernel rejects the program: lockdown, no CONFIG_BPF_EVENTS, or older than 5.10");
	else if (code == -EPERM && memlock_is_low())
		snprintf(why, size, "needs CAP_SYS_RESOURCE, or more locked memory (ulimit -l 1024)");
	else if (code == -EPERM)
		snprintf(why, size,
			 "the kernel refuses BPF here (user namespace, seccomp or lockdown)");
	else
		snprintf(why, size, "loading the program failed: %s", strerror(-code));
}

static int bpf_map_slots(struct pw_bpf *b)
{
	void *at = mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED, bpf_map__fd(b->skel->maps.slots), 0);

	if (at == MAP_FAILED)
		return -errno;
	b->slots = at;
	b->run = &b->skel->bss->run;
	b->prog_fd = bpf_program__fd(b->skel->progs.tables);
	return 0;
}

/* Kernels that check lockdown at run time load the program and then let each read fail. */
static int bpf_try(struct pw_bpf *b)
{
	int rc = pw_bpf_run(b);

	if (rc)
		return rc;
	b->run->ncopies = 1;
	b->run->copy[0] = (struct pw_bpf_copy){ .from = b->run->task, .len = 8 };
	rc = pw_bpf_run(b);
	b->run->ncopies = 0;
	return rc ? rc : b->run->copy[0].status;
}

static int bpf_setup(struct pw_bpf *b)
{
	libbpf_print_fn_t old = libbpf_set_print(NULL);
	int rc = 0;

	b->skel = tables__open_and_load();
	if (!b->skel)
		rc = errno ? -errno : -EINVAL;
	libbpf_set_print(old);
	if (!rc)
		rc = bpf_map_slots(b);
	if (!rc)
		rc = bpf_try(b);
	if (rc)
		pw_bpf_unload(b);
	return rc;
}

int pw_bpf_load(struct pw_bpf *b, struct pw_error *err)
{
	char why[200];
	int rc;

	/* Not everything that is needed later is needed for loading: say all that is missing at once. */
	if (bpf_denied(why, sizeof(why)))
		return pw_error_set(err, -EPERM, "bpf: %s", why);
	if (pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY)
		rc = -EPERM;
	else
		rc = bpf_setup(b);
	if (!rc)
		return 0;
	bpf_why(rc, why, sizeof(why));
	return pw_error_set(err, rc, "bpf: %s", why);
}

void pw_bpf_unload(struct pw_bpf *b)
{
	if (b->slots)
		munmap((void *)(uintptr_t)b->slots, SLOTS_BYTES);
	tables__destroy(b->skel);
	b->slots = NULL;
	b->skel = NULL;
	b->run = NULL;
}

static void bpf_probe_fix(struct pw_probe *out)
{
	if (pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY)
		snprintf(out->fix, sizeof(out->fix), "reboot with lockdown=integrity, or without lockdown=");
	else if (geteuid() || !pw_system_capable(CAP_SYS_ADMIN))
		snprintf(out->fix, sizeof(out->fix), "%s", pw_system_get_rights());
	else if (pw_system_lockdown() == PW_LOCKDOWN_UNKNOWN)
		snprintf(out->fix, sizeof(out->fix),
			 "to see whether it is lockdown: mount -t securityfs none /sys/kernel/security");
}

void pw_bpf_probe(struct pw_probe *out)
{
	struct pw_bpf b = { 0 };
	struct pw_error err = { 0 };
	bool btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	int rc = -EPERM;

	memset(out, 0, sizeof(*out));
	snprintf(out->gives, sizeof(out->gives), "all tables, validated");
	if (bpf_denied(out->why, sizeof(out->why))) {
		out->state = PW_PROBE_DENIED;
		bpf_probe_fix(out);
		return;
	}
	if (pw_system_lockdown() != PW_LOCKDOWN_CONFIDENTIALITY)
		rc = bpf_setup(&b);
	if (!rc)
		pw_bpf_unload(&b);
	if (rc) {
		out->state = rc == -ENOSYS ? PW_PROBE_ABSENT : PW_PROBE_DENIED;
		bpf_why(rc, out->why, sizeof(out->why));
		bpf_probe_fix(out);
	} else if (!btf) {
		out->state = PW_PROBE_ABSENT;
		snprintf(out->why, sizeof(out->why),
			 "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF); pagemap still works");
	} else if (pw_ram_read(&b.ram, &err)) {
		out->state = PW_PROBE_DENIED;
		snprintf(out->why, sizeof(out->why), "%.150s", err.text);
		bpf_probe_fix(out);
	} else {
		pw_ram_free(&b.ram);
		out->state = PW_PROBE_OK;
	}
}
