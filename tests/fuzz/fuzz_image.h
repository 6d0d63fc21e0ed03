/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine made of fuzz input: a few pages of physical memory that hold tables, a source that reads
 * them, fails and changes them as the input says, and the space to walk in it.
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include <pagewalk/walk.h>

#define FUZZ_PAGES     24
#define FUZZ_BASE      UINT64_C(0x100000)
#define FUZZ_MUTATIONS 16
#define FUZZ_AREAS     8
#define FUZZ_WORDS     2048

/* The input, eaten from the front; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *at, *end;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);

/* One word of memory that changes when the source has been asked `when` times. */
struct fuzz_mutation {
	unsigned when, page, slot;
	uint64_t raw;
};

struct fuzz_image {
	uint64_t (*mem)[512];   /* FUZZ_PAGES */
	bool own_memory;        /* hands out memory of its own, which is gone with the next call */
	unsigned again_every;   /* each n-th request: -EAGAIN; 0: none */
	unsigned fail_every;    /* each n-th request: -EFAULT */
	unsigned give_up_after; /* requests, then total failure; 0: never */
	unsigned asked;
	void *scratch;
	struct fuzz_mutation mutation[FUZZ_MUTATIONS];
	unsigned nmutations;

	/* Instead of tables: pagemap words of [words_va, ...). */
	uint64_t *words;
	uint64_t words_va;
	bool skip_holes;
	unsigned most; /* words a read */

	struct pw_source source;
	struct pw_space space;
	struct pw_range ram[4];
	struct pw_area area[FUZZ_AREAS];
	struct pw_walk_opts opts;
};

/* Whether two looks see the same, but for what is reported as unstable. */
bool fuzz_image_is_steady(const struct fuzz_image *image);

void fuzz_image_open(struct fuzz_image *image, struct fuzz_input *in);
void fuzz_image_close(struct fuzz_image *image);

#endif
