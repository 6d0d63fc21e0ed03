/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs fuzz_images without a fuzzer, on a corpus that is made here: an image of every format; each whole, cut off at many
 * places, with single bits flipped in its headers, and with random bytes and numbers in random places, the same each time.
 *
 *	replay_images COUNT		COUNT changed ones of each
 *	replay_images --write DIR	the corpus, for a fuzzer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/image_writer.h"
#include "source/image.h"

#define MOST_SAMPLES 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pw_range memory[] = { { 0x1000, 0x2fff }, { 0x8000, 0x8fff }, { 0x20000, 0x20fff } };
#define NMEMORY (sizeof(memory) / sizeof(memory[0]))

struct sample {
	char name[24];
	struct bytes bytes;
};

static struct sample samples[MOST_SAMPLES];
static size_t nsamples;

static struct bytes *new_sample(const char *name, unsigned nr)
{
	struct sample *s = &samples[nsamples++];

	snprintf(s->name, sizeof(s->name), "%s-%u", name, nr);
	return &s->bytes;
}

static void make_samples(void)
{
	static const uint32_t packings[] = { PW_PACK_NONE, PW_PACK_ZLIB, PW_PACK_LZO, PW_PACK_SNAPPY, PW_PACK_ZSTD };
	static const char list[] = "1000-2fff,0x8000-8fff";

	bytes_add(new_sample("ranges", 0), list, strlen(list));
	write_lime(new_sample("lime", 0), memory, NMEMORY);
	write_avml2(new_sample("avml", 0), memory, NMEMORY);
	for (unsigned notes = NOTES_NONE; notes <= NOTES_KCORE; notes++)
		write_elf(new_sample("elf", notes), memory, NMEMORY, &(struct writer_elf){ .notes = notes });
	for (unsigned i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
		write_kdump(new_sample("kdump", packings[i]), memory, NMEMORY,
			    &(struct writer_kdump){ .packing = packings[i], .notes = NOTES_QEMU, .left_out = 0x2000 });
	write_flattened(new_sample("flat", 0), &samples[nsamples - 4].bytes, 1000);
	write_flattened(new_sample("flat", 1), &samples[3].bytes, 4096);
	write_flattened(new_sample("flat", 2), &samples[1].bytes, 300);
}

static uint64_t next_random(void)
{
	static uint64_t state = 0x696d6167;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The target gets exactly as much memory as there is input, so that sanitizers see reads beyond it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static size_t cut(const struct bytes *b)
{
	size_t n = 0;

	for (size_t len = 0; len <= b->n; len += len < 600 ? 7 : 211, n++)
		run(b->v, len);
	return n;
}

static size_t flip(struct bytes *b)
{
	size_t n = 0;

	/* What is no zero is a header, or memory. */
	for (size_t at = 0; at < b->n; at++) {
		if (!b->v[at] && at % 16)
			continue;
		if (at > 1000 && at % 61)
			continue;
		for (unsigned bit = 0; bit < 8; bit += 1 + at % 3, n++) {
			b->v[at] ^= (uint8_t)(1u << bit);
			run(b->v, b->n);
			b->v[at] ^= (uint8_t)(1u << bit);
		}
	}
	return n;
}

/* Numbers of headers are where there is something already, mostly. */
static size_t place(const struct bytes *b)
{
	size_t at = next_random() % b->n;

	for (unsigned tries = 0; tries < 64 && !b->v[at]; tries++)
		at = next_random() % (tries % 2 && b->n > 600 ? 600 : b->n);
	return at;
}

static void change(struct bytes *b, unsigned times)
{
	static const uint64_t numbers[] = { 0, 1, UINT64_MAX, INT64_MAX, UINT32_MAX, INT32_MAX, 4096, 0x1000000000000 };

	while (times--) {
		size_t at = place(b), n = (size_t)1 << next_random() % 4;
		uint64_t value = next_random() % 3 ? next_random() : numbers[next_random() % 8];

		if (n > b->n - at)
			n = 1;
		memcpy(b->v + at, &value, n);
	}
}

static void run_changed(const struct bytes *b, long count)
{
	struct bytes copy = { 0 };

	for (long i = 0; i < count; i++) {
		bytes_at(&copy, 0, b->v, b->n);
		change(&copy, 1 + (unsigned)(next_random() % 4));
		run(copy.v, copy.n);
	}
	bytes_free(&copy);
}

static int write_corpus(const char *dir)
{
	for (size_t i = 0; i < nsamples; i++) {
		char path[4096];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", dir, samples[i].name);
		f = fopen(path, "w");
		if (!f || fwrite(samples[i].bytes.v, samples[i].bytes.n, 1, f) != 1 || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	long count = argc == 2 ? atol(argv[1]) : 0;
	size_t others = 0;
	int rc = 0;

	make_samples();
	if (argc == 3 && !strcmp(argv[1], "--write")) {
		rc = write_corpus(argv[2]);
	} else if (argc != 2) {
		fprintf(stderr, "usage: %s COUNT, or --write DIR\n", argv[0]);
		rc = 2;
	} else {
		for (size_t i = 0; i < nsamples; i++) {
			fprintf(stderr, "%s\n", samples[i].name); /* the last one named is the one that failed */
			others += cut(&samples[i].bytes) + flip(&samples[i].bytes);
			run_changed(&samples[i].bytes, count);
		}
		printf("%zu images, %zu cut off or with a bit flipped, %ld changed ones of each\n", nsamples, others,
		       count);
	}
	for (size_t i = 0; i < nsamples; i++)
		bytes_free(&samples[i].bytes);
	return rc;
}
