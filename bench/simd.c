/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench simd: one round of walks over page tables that are in this program's own memory, so that nothing is measured but the walker and the merging
 * of runs; and the limit beside it.
 *
 *   simd ROUNDS
 *
 * A line a measurement: SHAPE-WAY LEAVES NANOSECONDS. The shapes are made of random numbers, the same each time.
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES   891 /* of 512 leaves: as many as the image of `bench images` has */
#define SLOTS    512
#define FIRST    UINT64_C(0x100000000) /* physical address of table[0], the root */
#define NOT_LEAF 4                     /* root, pud, pmds */
#define LEAF     UINT64_C(0x8000000000000867)
#define ACCESSED UINT64_C(0x20)
#define DIRTY    UINT64_C(0x40)

static uint64_t table[NOT_LEAF + TABLES][SLOTS] __attribute__((aligned(4096)));
static uint64_t seed;

static uint64_t chance(uint64_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * UINT64_C(0x2545f4914f6cdd1d) >> 32) % below;
}

/* -------- shapes -------- */

struct shape {
	const char *name;
	unsigned piece;  /* leaves from one break of physical memory to the next, on average; 0: there is none */
	unsigned change; /* leaves from one change of Accessed or Dirty to the next, on average; 0: none */
	unsigned every;  /* one of so many slots is a leaf */
};

static const struct shape shapes[] = {
	{ "one", 0, 0, 1 },       { "pieces", 66, 0, 1 }, { "touched", 66, 8, 1 },
	{ "scattered", 1, 0, 1 }, { "sparse", 1, 0, 8 },
};

static uint64_t entry_to(unsigned t)
{
	return (FIRST + (uint64_t)t * sizeof(table[0])) | 0x67;
}

static void make(const struct shape *s)
{
	uint64_t pa = 0x1000000, bits = LEAF;

	seed = 0x73696d64;
	memset(table, 0, sizeof(table));
	table[0][0] = entry_to(1);
	for (unsigned i = 0; i < TABLES; i++) {
		table[1][i / SLOTS] = entry_to(2 + i / SLOTS);
		table[2 + i / SLOTS][i % SLOTS] = entry_to(NOT_LEAF + i);
		for (unsigned k = 0; k < SLOTS; k++, pa += 4096) {
			if (s->piece && chance(s->piece) == 0)
				pa = (1 + chance(1 << 22)) << 12;
			if (s->change && chance(s->change) == 0)
				bits ^= chance(2) ? ACCESSED : DIRTY;
			if (chance(s->every) == 0)
				table[NOT_LEAF + i][k] = pa | bits;
		}
	}
}

/* -------- a source that hands out the tables where they are -------- */

static int read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	(void)src;
	for (size_t i = 0; i < n; i++) {
		req[i].data = table[(req[i].pa - FIRST) / sizeof(table[0])];
		req[i].status = 0;
	}
	return 0;
}

static const struct pw_source_ops ops = { .name = "own", .caps = PW_CAP_TABLES, .read_tables = read_tables };

static int count(void *ctx, const struct pw_run *run)
{
	*(uint64_t *)ctx += run->pages;
	return 0;
}

static uint64_t walk(enum pw_runs_mode mode)
{
	static struct pw_source source = { .ops = &ops };
	struct pw_space space = { .npieces = 1, .source = &source, .pin.pagemap_fd = -1 };
	struct pw_walk_opts opts = { .size = sizeof(opts), .va = { 0, UINT64_MAX } };
	struct pw_walk_stats stats = { 0 };
	uint64_t pages = 0;
	struct pw_runs *runs = pw_runs_new(mode, NULL, count, &pages);

	space.piece[0] = (struct pw_piece){
		.va = { 0, (UINT64_C(1) << 47) - 1 },
		.root = FIRST,
		.mmu = { .arch = &pw_arch_x86_64, .mode = pw_arch_mode(&pw_arch_x86_64, 4), .maxphyaddr = 46 },
	};
	if (!runs || pw_walk(&space, &opts, &pw_runs_visitor, runs, &stats) || pw_runs_flush(runs))
		die("walk", "failed");
	pw_runs_free(runs);
	return pages;
}

/* -------- ways -------- */

/* Nobody can be faster: each slot is looked at, once, where it is. In eight sums, so that no addition waits for the one before. */
static uint64_t sum_tables(void)
{
	uint64_t sum[8] = { 0 }, all = 0;

	for (unsigned i = 0; i < TABLES; i++)
		for (unsigned k = 0; k < SLOTS; k += 8)
			for (unsigned j = 0; j < 8; j++)
				sum[j] += table[NOT_LEAF + i][k + j];
	for (unsigned j = 0; j < 8; j++)
		all += sum[j];
	return all;
}

static void round_of(const struct shape *s, uint64_t leaves)
{
	static const char *const modes[] = { "read", "phys", "exact" }, *const sets[] = { "plain", "avx2" };
	volatile uint64_t sum;
	char way[64];
	uint64_t at = now();

	sum = sum_tables();
	(void)sum;
	snprintf(way, sizeof(way), "%s-sum", s->name);
	measured(way, leaves, at);
	for (unsigned set = 0; set < 2; set++) {
		setenv("PAGEWALK_SIMD", sets[set], 1);
		if (pw_simd_check(NULL))
			continue;
		for (unsigned mode = 0; mode < 3; mode++) {
			snprintf(way, sizeof(way), "%s-%s-%s", s->name, modes[mode], sets[set]);
			at = now(), leaves = walk(mode), measured(way, leaves, at);
		}
	}
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint64_t leaves;

		make(&shapes[i]);
		leaves = walk(PW_RUNS_READ);
		for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--)
			round_of(&shapes[i], leaves);
	}
	return 0;
}
