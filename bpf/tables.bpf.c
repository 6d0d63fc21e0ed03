// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one thing that the bpf source asks of the kernel: read some pages and the entries that lead
 * to them, in one RCU section. It knows no kernel type, so it runs unchanged from 5.10 on; a
 * raw_tracepoint program is used because BPF_PROG_TEST_RUN takes those there already.
 *
 * Verifying is most of what loading costs, and the verifier goes through every turn of a loop. But a function that is not static it looks at once, by
 * itself, for all arguments: so the loops have next to nothing in them. Values are read anew from memory each time, so that it forgets them as soon as
 * they are used.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tables.h"

/* As much as the masks let through. */
struct slots {
	__u8 bytes[(PW_BPF_SLOTS + 1) * PW_BPF_PAGE];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slots);
} slots SEC(".maps");

struct pw_bpf_run run;

#define FRESH(x) (*(volatile typeof(x) *)&(x))

/* Link i in the order of that time. */
__noinline int read_link(__u32 i, __u32 when)
{
	__u32 n = FRESH(run.nlinks);
	const struct pw_bpf_link *l;
	__u64 at, bytes;

	if (i >= n)
		return 0;
	if (when == PW_BPF_BEFORE)
		i = n - 1 - i;
	l = &run.link[i & (PW_BPF_LINKS - 1)];
	at = FRESH(l->at) & (PW_BPF_WORDS - 1);
	bytes = (FRESH(l->n) & (PW_BPF_LINK - 1)) * sizeof(run.words[0][0]);
	return (int)bpf_probe_read_kernel(&run.words[when & 1][at], bytes, (const void *)l->from);
}

__noinline int read_links(__u32 i, __u32 when)
{
#pragma unroll
	for (int k = 0; k < PW_BPF_BLOCK; k++)
		read_link(i + k, when);
	return 0;
}

__noinline int copy_page(__u32 i)
{
	struct pw_bpf_copy *c = &run.copy[i & (PW_BPF_COPIES - 1)];
	__u64 slot = FRESH(c->slot) & (PW_BPF_SLOTS - 1), len = FRESH(c->len) & (2 * PW_BPF_PAGE - 1);
	struct slots *s;
	__u32 key = 0;

	if (i >= FRESH(run.ncopies))
		return 0;
	s = bpf_map_lookup_elem(&slots, &key);
	if (s)
		c->status = (int)bpf_probe_read_kernel(&s->bytes[slot * PW_BPF_PAGE], len, (const void *)c->from);
	return 0;
}

__noinline int copy_pages(__u32 i)
{
#pragma unroll
	for (int k = 0; k < PW_BPF_BLOCK; k++)
		copy_page(i + k);
	return 0;
}

SEC("raw_tracepoint/pagewalk_tables")
int tables(void *ctx)
{
	run.task = bpf_get_current_task();
	for (__u32 i = 0; i < PW_BPF_LINKS && i < FRESH(run.nlinks); i += PW_BPF_BLOCK)
		read_links(i, PW_BPF_BEFORE);
	for (__u32 i = 0; i < PW_BPF_COPIES && i < FRESH(run.ncopies); i += PW_BPF_BLOCK)
		copy_pages(i);
	for (__u32 i = 0; i < PW_BPF_LINKS && i < FRESH(run.nlinks); i += PW_BPF_BLOCK)
		read_links(i, PW_BPF_AFTER);
	run.ran++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
