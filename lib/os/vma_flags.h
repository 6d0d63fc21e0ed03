/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VmFlags of a process's VMAs without smaps, for which the kernel walks all of the process's memory: 60 ns a page. An exact source reads
 * vm_flags of each VMA where the kernel keeps it. What its bits mean is in no type; it is learned from ourselves, whose VMAs have both, a word in
 * kernel memory and a line of letters in /proc/self/smaps, which is small.
 */
#ifndef PAGEWALK_OS_VMA_FLAGS_H
#define PAGEWALK_OS_VMA_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pw_kernel;
struct pw_space;

#define PW_VMA_EXAMPLES 128 /* at most are kept */
#define PW_VMA_NAMES    (26 * 26)

/* What is known of the bits; all zeros: nothing yet. */
struct pw_vma_bits {
	enum { PW_VMA_BITS_UNTRIED, PW_VMA_BITS_LEARNED, PW_VMA_BITS_HOPELESS } state;
	/* A VMA with one of these words has what that example had. */
	size_t n;
	struct {
		uint64_t word;
		uint32_t flags; /* enum pw_vma_flag */
	} example[PW_VMA_EXAMPLES];
	uint64_t understood; /* bits of which it is known which of our flags, if any, they are */
	uint64_t bit[32];    /* that are flag 1 << i; 0: not known */
};

/* -------- learning, of what was read -------- */

struct pw_vma_lesson {
	uint64_t always
		[PW_VMA_NAMES]; /* by two letters: bits set in all examples that have them, and in none that have not */
	bool met[PW_VMA_NAMES];
	unsigned n;
};

void pw_vma_lesson_begin(struct pw_vma_lesson *lesson);

/* One more VMA: its word, and the line "VmFlags: rd wr ..." of smaps. */
void pw_vma_lesson_add(struct pw_vma_lesson *lesson, struct pw_vma_bits *bits, uint64_t word, const char *line);

/* What follows from all of them. */
void pw_vma_lesson_end(const struct pw_vma_lesson *lesson, struct pw_vma_bits *bits);

/* The flags that a word stands for; 0: it has bits that were never met. */
uint32_t pw_vma_flags_of_word(const struct pw_vma_bits *bits, uint64_t word);

/* -------- asking -------- */

/*
 * Sets flags and pfnmap of all areas of a process. Not 0: it cannot be said in this way, for whatever reason, and areas are as they were; smaps tells.
 */
int pw_vma_flags_read(struct pw_kernel *k, struct pw_space *space);

#endif
