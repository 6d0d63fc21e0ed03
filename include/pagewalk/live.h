/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running system, beyond what a target of any kind offers. */
#ifndef PAGEWALK_LIVE_H
#define PAGEWALK_LIVE_H

#include <pagewalk/target.h>

/* What can be said without opening a source and without any privilege. */
struct pw_live_summary {
	char system[96];     /* "Linux 6.12.48-amd64" */
	char arch[16];       /* "x86-64", or what uname says */
	char mode[16];       /* "4-level", "5-level"; "" when not known */
	bool pti_known, pti; /* kernel page-table isolation */
	char lockdown[20];   /* "none", "integrity", "confidentiality"; "unknown": securityfs cannot be read */
	unsigned uid;        /* effective */
	bool btf;            /* /sys/kernel/btf/vmlinux is there: exact sources need it */
};

/* 0; what cannot be found out is left as its unknown. */
PW_API int pw_live_summary(struct pw_live_summary *out);

/*
 * Sets areas.v[].flags and .pfnmap of a process's space by the VmFlags of /proc/PID/smaps, which the kernel
 * makes a whole walk of the process for: not done unless asked.
 */
PW_API int pw_live_mark_flags(struct pw_space *space, struct pw_error *err);

/* What the kernel says of each frame, by /proc/kpagecount and /proc/kpageflags; root's files. */
struct pw_kpages {
	int count_fd, flags_fd;
};

/* -EACCES: not permitted. Then, and when closed, reading gives nothing. */
PW_API int pw_kpages_open(struct pw_kpages *k, struct pw_error *err);
PW_API void pw_kpages_close(struct pw_kpages *k);

/* Of n frames from pfn on: how often each is mapped by user halves, and its flags. Returns of how many the kernel told. */
PW_API size_t pw_kpages_read(const struct pw_kpages *k, uint64_t pfn, size_t n, uint64_t *counts, uint64_t *flags);

/* "anon", "thp"; NULL: there is no such flag. */
PW_API const char *pw_kpage_flag(unsigned bit);

/*
 * Sets areas.v[].no_thp of a process's space: by VmFlags (nh: MADV_NOHUGEPAGE; no hg, MADV_HUGEPAGE, where the system wants that), by
 * prctl(PR_SET_THP_DISABLE) and by /sys/kernel/mm/transparent_hugepage/enabled. Costs what pw_live_mark_flags() does.
 */
PW_API int pw_live_mark_no_thp(struct pw_space *space, struct pw_error *err);

#endif
