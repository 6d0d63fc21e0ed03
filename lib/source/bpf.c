// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bpf: physical memory of the running kernel through its direct map, by a small BPF program (see
 * bpf/tables.h for what it does). Tables are handed out from the memory that the program wrote into.
 */
#include "source/bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/chain.h"
#include "source/live.h"

_Static_assert(PW_CHAIN_REQS == PW_BPF_COPIES && PW_CHAIN_PARTS == PW_BPF_LINKS && PW_CHAIN_WORDS == PW_BPF_WORDS &&
		       PW_CHAIN_PART < PW_BPF_LINK,
	       "one chain is one run");

#define RUN_ATTEMPTS 100

/* A nested run is skipped by the kernel, which cannot last. */
static int bpf_run(struct pw_bpf *b)
{
	int rc = -EAGAIN;

	for (int i = 0; i < RUN_ATTEMPTS && rc == -EAGAIN; i++)
		rc = pw_bpf_run(b);
	return rc;
}

static void bpf_ask(struct pw_bpf *b, const struct pw_table_req *req, const struct pw_chain *chain, size_t slot)
{
	for (size_t i = 0; i < chain->n; i++)
		b->run->copy[i] = (struct pw_bpf_copy){
			.from = b->page_offset + req[i].pa,
			.len = req[i].status ? 0 : req[i].bytes,
			.slot = (unsigned int)(slot + i),
			.status = -EFAULT,
		};
	for (size_t i = 0; i < chain->nparts; i++)
		b->run->link[i] = (struct pw_bpf_link){
			.from = b->page_offset + chain->part[i].pa,
			.n = chain->part[i].n,
			.at = chain->part[i].at,
		};
	b->run->ncopies = (unsigned int)chain->n;
	b->run->nlinks = (unsigned int)chain->nparts;
}

static int bpf_judge(const struct pw_bpf *b, const struct pw_chain *chain, const struct pw_table_req *req, size_t i)
{
	const uint64_t *before = (const uint64_t *)b->run->words[PW_BPF_BEFORE];
	const uint64_t *after = (const uint64_t *)b->run->words[PW_BPF_AFTER];

	if (!b->nocheck && !(pw_chain_holds(chain, req, i, before) && pw_chain_holds(chain, req, i, after)))
		return -EAGAIN;
	return b->run->copy[i].status ? -EFAULT : 0;
}

/* As many of n requests as go into one run, into slots from `slot` on: returns how many. */
static long bpf_batch(struct pw_bpf *b, struct pw_table_req *req, size_t n, size_t slot)
{
	struct pw_chain chain;
	int rc = pw_chain_build(&chain, req, n);

	if (rc)
		return rc;
	for (size_t i = 0; i < chain.n; i++) {
		if (req[i].bytes > PW_BPF_PAGE)
			req[i].status = -EINVAL;
		else
			req[i].status = pw_ram_has(&b->ram, req[i].pa, req[i].bytes) ? 0 : -ENXIO;
	}
	bpf_ask(b, req, &chain, slot);
	rc = bpf_run(b);
	if (rc)
		return rc;
	for (size_t i = 0; i < chain.n; i++) {
		if (!req[i].status)
			req[i].status = bpf_judge(b, &chain, req, i);
		req[i].data = b->slots + (slot + i) * PW_BPF_PAGE;
	}
	return (long)chain.n;
}

static int bpf_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	struct pw_bpf *b = src->priv;

	if (b->page_offset == UINT64_MAX)
		return -ENXIO;
	for (size_t done = 0; done < n;) {
		size_t slot = done % PW_BPF_SLOTS, room = PW_BPF_SLOTS - slot;
		long part = bpf_batch(b, req + done, n - done < room ? n - done : room, slot);

		if (part < 0)
			return (int)part;
		/* Slots are used again: what stands in them has to move out. */
		for (size_t i = done; n > PW_BPF_SLOTS && i < done + (size_t)part; i++)
			if (!req[i].status)
				req[i].data = memcpy(req[i].buf, req[i].data, req[i].bytes);
		done += (size_t)part;
	}
	return 0;
}

/* One run's worth of kernel memory; pieces never cross a page, so that one bad page fails alone. */
static long bpf_read_some(struct pw_bpf *b, uint64_t kva, char *buf, size_t len)
{
	size_t at = 0, i, n;
	int rc;

	for (n = 0; n < PW_BPF_COPIES && at < len; n++) {
		size_t room = PW_BPF_PAGE - (size_t)((kva + at) % PW_BPF_PAGE);
		size_t part = len - at < room ? len - at : room;

		b->run->copy[n] = (struct pw_bpf_copy){
			.from = kva + at, .len = (unsigned int)part, .slot = (unsigned int)n, .status = -EFAULT
		};
		at += part;
	}
	b->run->ncopies = (unsigned int)n;
	b->run->nlinks = 0;
	rc = bpf_run(b);
	if (rc)
		return rc;
	for (at = 0, i = 0; i < n; at += b->run->copy[i++].len) {
		if (b->run->copy[i].status)
			return -EFAULT;
		memcpy(buf + at, b->slots + i * PW_BPF_PAGE, b->run->copy[i].len);
	}
	return (long)at;
}

static int bpf_read_kernel(struct pw_source *src, uint64_t kva, void *buf, size_t len)
{
	struct pw_bpf *b = src->priv;

	/* A user address would be the caller's own memory, or a fault: nothing of the kernel's. */
	if (kva >> 63 == 0 || kva + len < kva)
		return -EFAULT;
	for (size_t done = 0; done < len;) {
		long got = bpf_read_some(b, kva + done, (char *)buf + done, len - done);

		if (got < 0)
			return (int)got;
		done += (size_t)got;
	}
	return 0;
}

static int bpf_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	struct pw_bpf *b = src->priv;

	if (b->page_offset == UINT64_MAX || !len || !pw_ram_has(&b->ram, pa, len))
		return len ? -ENXIO : 0;
	return bpf_read_kernel(src, b->page_offset + pa, buf, len);
}

static int bpf_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	struct pw_bpf *b = src->priv;

	*ranges = b->ram.v;
	*n = b->ram.n;
	return 0;
}

static void bpf_close(struct pw_source *src)
{
	struct pw_bpf *b = src->priv;

	pw_bpf_unload(b);
	pw_ram_free(&b->ram);
	free(b);
	src->priv = NULL;
}

/* arg "nocheck" leaves the chain checks out: the negative control of the churn test, nothing else. */
static int bpf_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pw_bpf *b;
	int rc;

	if (arg && *arg && strcmp(arg, "nocheck"))
		return pw_error_set(err, -EINVAL, "source bpf takes no argument: %.64s", arg);
	b = calloc(1, sizeof(*b));
	if (!b)
		return pw_error_set(err, -ENOMEM, "out of memory");
	b->nocheck = arg && *arg;
	b->page_offset = UINT64_MAX;
	rc = pw_bpf_load(b, err);
	if (!rc)
		rc = pw_ram_read(&b->ram, err);
	if (rc) {
		pw_bpf_unload(b);
		free(b);
		return rc;
	}
	src->ops = &pw_source_bpf;
	src->priv = b;
	return 0;
}

int pw_bpf_set_page_offset(struct pw_source *src, uint64_t page_offset)
{
	if (src->ops != &pw_source_bpf)
		return -EOPNOTSUPP;
	((struct pw_bpf *)src->priv)->page_offset = page_offset;
	return 0;
}

int pw_bpf_current_task(struct pw_source *src, uint64_t *kva)
{
	struct pw_bpf *b = src->priv;
	int rc;

	if (src->ops != &pw_source_bpf)
		return -EOPNOTSUPP;
	b->run->ncopies = 0;
	b->run->nlinks = 0;
	rc = bpf_run(b);
	if (!rc)
		*kva = b->run->task;
	return rc;
}

const struct pw_ram *pw_bpf_ram(const struct pw_source *src)
{
	return &((struct pw_bpf *)src->priv)->ram;
}

const struct pw_source_ops pw_source_bpf = {
	.name = "bpf",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY | PW_CAP_KERNEL,
	.consistency = PW_VALIDATED,
	.probe = pw_bpf_probe,
	.open = bpf_open,
	.close = bpf_close,
	.read_tables = bpf_read_tables,
	.read = bpf_read,
	.read_kernel = bpf_read_kernel,
	.ranges = bpf_ranges,
};
