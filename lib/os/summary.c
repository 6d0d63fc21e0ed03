// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pagewalk/live.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "os/kernel.h"
#include "source/system.h"

static const char *lockdown_name(enum pw_lockdown state)
{
	switch (state) {
	case PW_LOCKDOWN_NONE:
		return "none";
	case PW_LOCKDOWN_INTEGRITY:
		return "integrity";
	case PW_LOCKDOWN_CONFIDENTIALITY:
		return "confidentiality";
	case PW_LOCKDOWN_UNKNOWN:
		break;
	}
	return "unknown";
}

/* The kernel takes la57 out of the flags when it does not use it (Documentation/arch/x86/cpuinfo.rst). */
static void read_cpu(struct pw_live_summary *s)
{
	char *cpuinfo;

	if (pw_system_read("/proc/cpuinfo", 16 << 20, &cpuinfo, NULL))
		return;
	if (pw_cpu_flag(cpuinfo, "lm")) {
		snprintf(s->mode, sizeof(s->mode), "%s", pw_cpu_flag(cpuinfo, "la57") ? "5-level" : "4-level");
		s->pti_known = true;
		s->pti = pw_cpu_flag(cpuinfo, "pti");
	}
	free(cpuinfo);
}

int pw_live_summary(struct pw_live_summary *out)
{
	struct pw_live_summary s = { 0 };
	struct utsname u;

	if (!uname(&u)) {
		snprintf(s.system, sizeof(s.system), "%.15s %.70s", u.sysname, u.release);
		snprintf(s.arch, sizeof(s.arch), "%.15s", strcmp(u.machine, "x86_64") ? u.machine : "x86-64");
	}
	read_cpu(&s);
	snprintf(s.lockdown, sizeof(s.lockdown), "%s", lockdown_name(pw_system_lockdown()));
	s.uid = geteuid();
	s.btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	*out = s;
	return 0;
}
