// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one thing that the bpf source asks of the kernel: read up to 16 pages and the entries that lead
 * to them, in one RCU section. It knows no kernel type, so it runs unchanged from 5.10 on; a
 * raw_tracepoint program is used because BPF_PROG_TEST_RUN takes those there already.
 *
 * Everything is unrolled, and the counts are read anew from memory each time, so that the verifier
 * sees one straight line: it forgets a count as soon as it is used.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tables.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PW_BPF_SLOTS);
	__type(key, __u32);
	__type(value, __u8[PW_BPF_PAGE]);
} slots SEC(".maps");

struct pw_bpf_run run;

#define FRESH(x) (*(volatile typeof(x) *)&(x))

static __always_inline void read_link(unsigned int i, unsigned long long *out)
{
	if (i < FRESH(run.nlinks))
		bpf_probe_read_kernel(out, sizeof(*out), (const void *)run.link[i].at);
}

static __always_inline void copy_page(unsigned int i)
{
	struct pw_bpf_copy *c = &run.copy[i];
	__u32 key = FRESH(run.slot) + i;
	__u64 len = FRESH(c->len);
	void *to;

	if (i >= FRESH(run.ncopies))
		return;
	to = bpf_map_lookup_elem(&slots, &key);
	if (!to || len > PW_BPF_PAGE)
		return;
	c->status = bpf_probe_read_kernel(to, len, (const void *)c->from);
}

SEC("raw_tracepoint/pagewalk_tables")
int tables(void *ctx)
{
	run.task = bpf_get_current_task();
#pragma unroll
	for (int i = PW_BPF_LINKS - 1; i >= 0; i--)
		read_link(i, &run.link[i].before);
#pragma unroll
	for (int i = 0; i < PW_BPF_COPIES; i++)
		copy_page(i);
#pragma unroll
	for (int i = 0; i < PW_BPF_LINKS; i++)
		read_link(i, &run.link[i].after);
	run.ran++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
