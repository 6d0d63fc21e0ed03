/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * walkmany SOURCE PID ADDR LEN WALKS: walks the user half of a process that changes all the time, over and over, and judges
 * every walk:
 *
 *   lost        sentinel pages [ADDR, ADDR + LEN) that were not found as plain 4K leaves of the frames that /proc/PID/pagemap
 *               gave for them before
 *   impossible  entries, in what was reported as stable, that no kernel puts into a user half: leaves without the user bit or
 *               outside RAM, reserved bits, table pointers outside RAM
 *
 * Prints "walks N tables N retries N unstable N lost N impossible N"; exit status 1 when something was lost or
 * impossible, 3 when a walk failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/pagewalk.h>

#define PAGE UINT64_C(4096)

struct judge {
	uint64_t addr, len;
	uint64_t *pfn; /* of the sentinel's pages */
	uint64_t found, lost, impossible, shown;
	const struct pw_range *ram;
	size_t nram;
};

static void complain(struct judge *j, const char *what, uint64_t va, uint64_t raw)
{
	j->impossible++;
	if (j->shown++ < 10)
		fprintf(stderr, "%s: 0x%llx: 0x%llx\n", what, (unsigned long long)va, (unsigned long long)raw);
}

static int in_ram(const struct judge *j, uint64_t pa)
{
	for (size_t i = 0; i < j->nram; i++)
		if (j->ram[i].lo <= pa && pa <= j->ram[i].last)
			return 1;
	return j->nram == 0;
}

/* [vvar] and device memory aside, which this process does not map but for [vvar]'s clock pages, all leaves are RAM. */
static void judge_entry(struct judge *j, const struct pw_span *span, uint64_t va, uint64_t raw)
{
	struct pw_entry e;

	span->piece->mmu.arch->decode(&span->piece->mmu, span->level, raw, &e);
	if (e.reserved)
		complain(j, "reserved bits", va, raw);
	else if (e.kind == PW_LEAF && !(e.perm & PW_U))
		complain(j, "a kernel page in the user half", va, raw);
	else if ((e.kind == PW_LEAF || e.kind == PW_PROTNONE) && !in_ram(j, e.pa))
		complain(j, "a page outside RAM", va, raw);
	if (va < j->addr || va - j->addr >= j->len)
		return;
	if (e.kind == PW_LEAF && e.size == PAGE && e.pa / PAGE == j->pfn[(va - j->addr) / PAGE])
		j->found++;
}

static int on_span(void *ctx, const struct pw_span *span)
{
	for (size_t i = 0; i < span->n; i++)
		if (span->raw[i])
			judge_entry(ctx, span, span->va + ((uint64_t)i << span->shift), span->raw[i]);
	return 0;
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	if (hole->reason != PW_HOLE_UNSTABLE)
		complain(ctx, pw_hole_name(hole->reason), hole->va, hole->raw);
	return 0;
}

static int read_sentinel(struct judge *j, const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	fd = open(path, O_RDONLY);
	j->pfn = malloc(j->len / PAGE * 8);
	if (fd < 0 || !j->pfn ||
	    pread(fd, j->pfn, j->len / PAGE * 8, j->addr / PAGE * 8) != (ssize_t)(j->len / PAGE * 8))
		return -1;
	for (uint64_t i = 0; i < j->len / PAGE; i++)
		j->pfn[i] &= (UINT64_C(1) << 55) - 1;
	close(fd);
	return 0;
}

static int one_walk(struct pw_target *t, const struct pw_select *sel, struct judge *j, struct pw_walk_stats *stats,
		    struct pw_error *err)
{
	static const struct pw_visitor visitor = { .span = on_span, .hole = on_hole };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, (UINT64_C(1) << 56) - 1 } };
	struct pw_space space;
	int rc = pw_target_space(t, sel, &space, err);

	if (rc)
		return rc;
	j->found = 0;
	j->ram = space.ram;
	j->nram = space.nram;
	rc = pw_walk(&space, &opts, &visitor, j, stats);
	if (!rc && j->found != j->len / PAGE)
		j->lost += j->len / PAGE - j->found;
	pw_space_free(&space);
	return rc;
}

int main(int argc, char **argv)
{
	struct pw_target_opts opts = { .size = sizeof(opts) };
	struct pw_walk_stats stats = { 0 };
	struct pw_error err = { 0 };
	struct judge j = { 0 };
	struct pw_target *t;
	struct pw_select sel;
	uint64_t tables = 0;
	long walks, done = 0;

	if (argc != 6)
		return 2;
	opts.source = argv[1];
	j.addr = strtoull(argv[3], NULL, 16);
	j.len = strtoull(argv[4], NULL, 16);
	walks = atol(argv[5]);
	if (pw_target_open(&opts, &t, &err) || pw_select_parse(argv[2], &sel, &err) || read_sentinel(&j, argv[2])) {
		fprintf(stderr, "walkmany: %s\n", err.text[0] ? err.text : strerror(errno));
		return 3;
	}
	for (; done < walks; done++) {
		if (one_walk(t, &sel, &j, &stats, &err)) {
			fprintf(stderr, "walkmany: walk %ld: %s\n", done, err.text);
			return 3;
		}
	}
	for (int level = 0; level < PW_NLEVELS; level++)
		tables += stats.tables[level];
	printf("walks %ld tables %llu retries %llu unstable %llu lost %llu impossible %llu\n", done,
	       (unsigned long long)tables, (unsigned long long)stats.retries, (unsigned long long)stats.unstable,
	       (unsigned long long)j.lost, (unsigned long long)j.impossible);
	free(j.pfn);
	pw_target_close(t);
	return j.lost || j.impossible;
}
