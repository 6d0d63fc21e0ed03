/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoded entries as one line of text, and files of cases: what the decoder tests are made of. */
#ifndef ENTRY_TEXT_H
#define ENTRY_TEXT_H

#include <stdint.h>

#include <pagewalk/arch.h>

/* "leaf 0x1000 4K r-xu present,user key=0 WB reserved=0x..." */
void entry_text(const struct pw_arch *arch, const struct pw_entry *e, char *out, size_t size);

/* Calls fn with the columns of each line (mmu, level, raw, the rest); returns how many there were, -1 without file. */
long entry_cases(const char *path,
		 void (*fn)(long line, const char *mmu, const char *level, const char *raw, const char *expect));

/* Reproducible random numbers (xorshift64*). */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
