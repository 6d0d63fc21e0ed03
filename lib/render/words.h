/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of /proc/PID/pagemap as pagemap_dump shows them, bit by bit; lib/arch/pagemap.c has the picture. */
#ifndef PW_RENDER_WORDS_H
#define PW_RENDER_WORDS_H

#include <stdint.h>

#define PW_WORD_PRESENT    (UINT64_C(1) << 63)
#define PW_WORD_SWAPPED    (UINT64_C(1) << 62)
#define PW_WORD_FILE       (UINT64_C(1) << 61)
#define PW_WORD_GUARD      (UINT64_C(1) << 58)
#define PW_WORD_UFFD_WP    (UINT64_C(1) << 57)
#define PW_WORD_SOFT_DIRTY (UINT64_C(1) << 55)
#define PW_WORD_FRAME      (PW_WORD_SOFT_DIRTY - 1)

/* A word without any of these is a hole, which can be soft-dirty as a part of its VMA. */
#define PW_WORD_ANY (PW_WORD_PRESENT | PW_WORD_SWAPPED | PW_WORD_GUARD | PW_WORD_UFFD_WP)

#endif
