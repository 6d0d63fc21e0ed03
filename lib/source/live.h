/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the sources of the running kernel offer to lib/os beyond struct pw_source_ops: finding the
 * direct map and a first task to start from. Each works on any source; -EOPNOTSUPP where it has no such thing.
 */
#ifndef PAGEWALK_SOURCE_LIVE_H
#define PAGEWALK_SOURCE_LIVE_H

#include <pagewalk/source.h>

#include "source/kmod.h"
#include "source/ram.h"

/*
 * bpf addresses physical memory through the kernel's direct map, whose start it cannot know before
 * kernel memory was read. Until it is told, everything physical fails with -ENXIO.
 */
int pw_bpf_set_page_offset(struct pw_source *src, uint64_t page_offset);

/* The caller's task_struct as a kernel address. Changes with the thread and after fork. */
int pw_bpf_current_task(struct pw_source *src, uint64_t *kva);

/* PAGE_OFFSET as /proc/kcore's headers tell it. */
int pw_kcore_page_offset(struct pw_source *src, uint64_t *page_offset);

/* System RAM and the kernel image as an exact source has read them; owned by the source. */
const struct pw_ram *pw_bpf_ram(const struct pw_source *src);
const struct pw_ram *pw_kcore_ram(const struct pw_source *src);

static inline const struct pw_ram *pw_source_ram(const struct pw_source *src)
{
	if (src->ops == &pw_source_kmod)
		return pw_kmod_ram(src);
	return src->ops == &pw_source_bpf ? pw_bpf_ram(src) : pw_kcore_ram(src);
}

#endif
