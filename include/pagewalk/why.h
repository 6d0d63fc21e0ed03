/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * why: what is behind a translation, as a person wants it: why an address does not translate, or what page it leads to and why that is no larger. The
 * entry says some of it; the VMA, the page's flags, the swap areas and the kernel's settings say the rest, where they can be had (they are the
 * running system's; an image or a snapshot has less). Each thing that was looked at is kept with what it said.
 */
#ifndef PAGEWALK_WHY_H
#define PAGEWALK_WHY_H

#include <pagewalk/joins.h>
#include <pagewalk/soft.h>
#include <pagewalk/target.h>
#include <pagewalk/walk.h>

enum pw_reason {
	PW_WHY_UNKNOWN, /* not enough is known to say */
	/* It does not translate. The user half: */
	PW_WHY_UNTOUCHED,
	PW_WHY_FILE_NOT_READ,
	PW_WHY_PAST_END_OF_FILE,
	PW_WHY_UFFD_MISSING,
	PW_WHY_RESERVED,
	PW_WHY_GUARD_PAGE,
	PW_WHY_PFNMAP_HIDDEN,
	PW_WHY_SWAPPED,
	PW_WHY_HIDDEN,
	PW_WHY_MIGRATION,
	PW_WHY_DEVICE_PRIVATE,
	PW_WHY_DEVICE_EXCLUSIVE,
	PW_WHY_HWPOISON,
	PW_WHY_POISONED,
	PW_WHY_UFFD_WP,
	PW_WHY_GUARD_REGION,
	PW_WHY_SOFT_UNKNOWN,
	PW_WHY_MPROTECT,
	PW_WHY_NUMA_HINT,
	PW_WHY_SPLITTING,
	PW_WHY_PROTNONE_UNKNOWN,
	PW_WHY_OUTSIDE,
	PW_WHY_STACK_GROWTH,
	PW_WHY_STACK_GUARD_GAP,
	PW_WHY_NON_CANONICAL,
	PW_WHY_TAGGED,
	/* The kernel's: */
	PW_WHY_PTI,
	PW_WHY_KERNEL_UNMAPPED,
	PW_WHY_KERNEL_REMOVED,
	PW_WHY_VSYSCALL,
	/* Either: */
	PW_WHY_RESERVED_BITS,
	PW_WHY_OTHER_HALF,
	PW_WHY_UNSTABLE,
	PW_WHY_UNREADABLE,
	PW_WHY_NOT_RAM,
	PW_WHY_INCONSISTENT,
	/* It translates; what page that is: */
	PW_WHY_ANON,
	PW_WHY_FILE,
	PW_WHY_SHMEM,
	PW_WHY_THP,
	PW_WHY_HUGETLB,
	PW_WHY_ZERO_PAGE,
	PW_WHY_HUGE_ZERO_PAGE,
	PW_WHY_KSM,
	PW_WHY_SECRET,
	PW_WHY_DEVICE,
	PW_WHY_SPECIAL,
	PW_WHY_USER_PAGE,
	PW_WHY_KERNEL_PAGE,
	PW_WHY_NREASONS,
};

/* "untouched" "file-not-read" ...: these are API; pagewalk-translate(1) has the list. */
PW_API const char *pw_reason_name(enum pw_reason reason);

/* Why a page of a user half is one of 4K and not a larger one. */
enum pw_small {
	PW_SMALL_NONE, /* not asked: it is larger, or the kernel's, or does not translate */
	PW_SMALL_UNKNOWN,
	PW_SMALL_MISALIGNED,
	PW_SMALL_SPECIAL,
	PW_SMALL_FILE,
	PW_SMALL_OFF,
	PW_SMALL_MADVISE,
	PW_SMALL_NOHUGEPAGE,
	PW_SMALL_PROCESS,
	PW_SMALL_PERMISSIONS,
	PW_SMALL_HOLES,
	PW_SMALL_SPLIT,
	PW_SMALL_NOT_COLLAPSED,
	PW_SMALL_NREASONS,
};

/* "unknown" "misaligned" ...; NULL for none. */
PW_API const char *pw_small_name(enum pw_small small);

#define PW_WHY_MOST 24

struct pw_evidence {
	char from[72];  /* what was looked at: "/proc/kpageflags", "pte entry" */
	char says[176]; /* what it said */
};

struct pw_why {
	enum pw_reason reason;
	enum pw_small small;
	char text[400]; /* one sentence, without a full stop; bytes of names are escaped by who prints it */
	struct pw_evidence evidence[PW_WHY_MOST];
	size_t n;
};

struct pw_why_opts {
	size_t size;                  /* sizeof(struct pw_why_opts) */
	const struct pw_joins *joins; /* NULL: none */
	bool quick; /* nothing for which the kernel would go through a process (smaps), and no neighbours */
};

struct pw_reasoner;

/* What it looks at is that of t; t and the joins have to stay. */
PW_API int pw_reasoner_open(struct pw_target *t, const struct pw_why_opts *opts, struct pw_reasoner **out,
			    struct pw_error *err);
PW_API void pw_reasoner_close(struct pw_reasoner *r);

/* Never fails: what cannot be found out is missing in the evidence. VMA flags are noted in space's areas. */
PW_API void pw_why(struct pw_reasoner *r, struct pw_space *space, const struct pw_translation *t, struct pw_why *out);

#endif
