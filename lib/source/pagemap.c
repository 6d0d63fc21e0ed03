// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pagemap: leaves only, from /proc/PID/pagemap: 8 bytes a page of 4 KiB.
 *
 *   63 present   62 swapped   61 file or shared   58 guard (6.15)   57 uffd-wp   56 mapped once   55 soft-dirty
 *   54-0 frame number, or swap type (4-0) and offset (54-5); zeros without CAP_SYS_ADMIN
 *
 * Reading a hole costs about 4 ns a page and a populated page 14: so where nothing is known to be,
 * PAGEMAP_SCAN is asked for the next populated page, and where pages are, they are simply read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/source.h>

#include "pin.h"
#include "source/pagescan.h"
#include "source/system.h"

#define PAGE	    UINT64_C(4096)
#define CHUNK_WORDS 8192 /* 64 KiB of words a read */
#define SKIP_WORDS  512

#define WORD_PRESENT (UINT64_C(1) << 63)
#define WORD_SWAPPED (UINT64_C(1) << 62)
#define WORD_GUARD   (UINT64_C(1) << 58)
#define WORD_UFFD_WP (UINT64_C(1) << 57)
#define WORD_ANY     (WORD_PRESENT | WORD_SWAPPED | WORD_GUARD | WORD_UFFD_WP)

struct pw_pagemap {
	enum { SCAN_UNTRIED, SCAN_WORKS, SCAN_NONE } scan;
	uint64_t dense; /* address at which a populated stretch goes on: a hint that saves a scan */
};

/* Bit 55 alone is no page: new VMAs have it on their holes too. */
static bool word_empty(uint64_t word)
{
	return !(word & WORD_ANY);
}

/* Reads the words of pages from va on. 0 when the address space ends before va. */
static long read_words(int fd, uint64_t va, uint64_t last, uint64_t *words, size_t max)
{
	uint64_t pages = last / PAGE - va / PAGE + 1;
	size_t want = pages < max ? (size_t)pages : max;
	ssize_t got;

	if (want > CHUNK_WORDS)
		want = CHUNK_WORDS;
	do
		got = pread(fd, words, want * sizeof(*words), (off_t)(va / PAGE * sizeof(*words)));
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got / (ssize_t)sizeof(*words);
}

/* Drops empty words at both ends; va moves along. */
static long trim(uint64_t *words, long n, uint64_t *va)
{
	long skip = 0;

	while (n && word_empty(words[n - 1]))
		n--;
	while (skip < n && word_empty(words[skip]))
		skip++;
	memmove(words, words + skip, (size_t)(n - skip) * sizeof(*words));
	*va += (uint64_t)skip * PAGE;
	return n - skip;
}

static bool scan_works(struct pw_pagemap *p, int fd)
{
	if (p->scan == SCAN_UNTRIED)
		p->scan = pw_pagescan_works(fd) ? SCAN_WORKS : SCAN_NONE;
	return p->scan == SCAN_WORKS;
}

/*
 * Moves *va to where reading may pay and says how far: 1, or 0 when there is nothing up to last. A
 * guard or uffd-wp marker is a swap entry to the scan as well, so that nothing is missed.
 */
static int seek_page(struct pw_pagemap *p, int fd, uint64_t *va, uint64_t last, uint64_t *until)
{
	uint64_t least;
	int rc;

	*until = last;
	if (*va == p->dense || !scan_works(p, fd))
		return 1;
	rc = pw_pagescan_next(fd, *va, last, CHUNK_WORDS, va, until);
	/* A scan costs as much as reading hundreds of words: go on a little over small holes. */
	least = *va + SKIP_WORDS * PAGE - 1;
	if (rc > 0 && *until < least)
		*until = least < last ? least : last;
	return rc;
}

static long pagemap_read_leaves(struct pw_source *src, const struct pw_pin *pin, uint64_t va, uint64_t last,
				uint64_t *words, size_t max, uint64_t *at)
{
	struct pw_pagemap *p = src->priv;
	int fd = pin->pagemap_fd;

	va &= ~(PAGE - 1);
	while (max && va <= last) {
		uint64_t until;
		long got = seek_page(p, fd, &va, last, &until);
		long n;

		if (got > 0)
			got = read_words(fd, va, until, words, max);
		if (got < 0)
			return got;
		if (!got)
			break;
		*at = va;
		n = trim(words, got, at);
		va += (uint64_t)got * PAGE;
		p->dense = n && !word_empty(words[n - 1]) && *at + (uint64_t)n * PAGE == va ? va : 1;
		if (n)
			return n;
	}
	if (pw_pin_gone(pin))
		return -ESRCH;
	*at = last == UINT64_MAX ? last : last + 1;
	return 0;
}

static void pagemap_probe(struct pw_probe *out)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->gives, sizeof(out->gives), "leaves only, no tables");
	if (access("/proc/self/pagemap", R_OK)) {
		out->state = PW_PROBE_ABSENT;
		snprintf(out->why, sizeof(out->why),
			 "no /proc/self/pagemap (CONFIG_PROC_PAGE_MONITOR, or /proc not mounted)");
	} else if (!pw_system_capable(CAP_SYS_ADMIN)) {
		out->state = PW_PROBE_LIMITED;
		snprintf(out->gives, sizeof(out->gives), "leaves of own processes");
		snprintf(out->why, sizeof(out->why), "frame numbers hidden without CAP_SYS_ADMIN");
		snprintf(out->fix, sizeof(out->fix), "%s", pw_system_get_rights());
	}
}

static int pagemap_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pw_pagemap *p;

	if (arg && *arg)
		return pw_error_set(err, -EINVAL, "source pagemap takes no argument: %.64s", arg);
	if (access("/proc/self/pagemap", R_OK))
		return pw_error_set(err, -ENOENT, "pagemap: /proc/self/pagemap: %s", strerror(errno));
	p = calloc(1, sizeof(*p));
	if (!p)
		return pw_error_set(err, -ENOMEM, "out of memory");
	p->dense = 1;
	src->ops = &pw_source_pagemap;
	src->priv = p;
	return 0;
}

static void pagemap_close(struct pw_source *src)
{
	free(src->priv);
	src->priv = NULL;
}

const struct pw_source_ops pw_source_pagemap = {
	.name = "pagemap",
	.caps = PW_CAP_LEAVES,
	.consistency = PW_LEAF_ONLY,
	.probe = pagemap_probe,
	.open = pagemap_open,
	.close = pagemap_close,
	.read_leaves = pagemap_read_leaves,
};
