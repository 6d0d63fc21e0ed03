/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/kpageflags and /proc/kpagecount: a word of 64 bits a frame, at eight times its number. Flags by
 * include/uapi/linux/kernel-page-flags.h; the count is that of mappings.
 *
 * A read costs some 40 ns a frame, and a system call. So frames are gathered, sorted, and read in stretches; a gap that costs
 * less than a call is read, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/live.h>

#include "stats_parts.h"

#define GATHERED 16384 /* stretches of frames */
#define WORDS    4096  /* frames a read */
#define GAP      16    /* frames */

#define KPF_ANON    (UINT64_C(1) << 12)
#define KPF_HUGE    (UINT64_C(1) << 17)
#define KPF_NOPAGE  (UINT64_C(1) << 20)
#define KPF_KSM     (UINT64_C(1) << 21)
#define KPF_THP     (UINT64_C(1) << 22)
#define KPF_ZERO    (UINT64_C(1) << 24)
#define MOST_FRAMES (UINT64_C(1) << 40) /* 52 bits of address */

struct frames {
	uint64_t first, n;
};

struct pw_page_asker {
	struct pw_kpages kpages;
	struct frames frames[GATHERED];
	size_t n;
	uint64_t flags[WORDS], count[WORDS];
	struct pw_page_stats sums;
};

int pw_page_asker_new(struct pw_page_asker **out, struct pw_error *err)
{
	struct pw_page_asker *a = calloc(1, sizeof(*a));
	struct pw_error why = { 0 };
	int rc;

	if (!a)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = pw_kpages_open(&a->kpages, &why);
	if (rc) {
		pw_page_asker_free(a);
		return pw_error_set(err, rc, "%s: page flags need root, and a kernel with it", why.text);
	}
	*out = a;
	return 0;
}

void pw_page_asker_free(struct pw_page_asker *a)
{
	if (!a)
		return;
	pw_kpages_close(&a->kpages);
	free(a);
}

static int by_first(const void *a, const void *b)
{
	const struct frames *f = a, *g = b;

	return (f->first > g->first) - (f->first < g->first);
}

/* Words of n frames; those that the file does not have are as of no page. */
static int read_words(int fd, uint64_t first, size_t n, uint64_t *words, uint64_t absent)
{
	ssize_t got;

	do
		got = pread(fd, words, n * sizeof(*words), (off_t)(first * sizeof(*words)));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (size_t i = (size_t)got / sizeof(*words); i < n; i++)
		words[i] = absent;
	return 0;
}

static void tally(struct pw_page_stats *s, uint64_t flags, uint64_t count)
{
	s->pages++;
	s->zero += !!(flags & KPF_ZERO);
	s->ksm += !!(flags & KPF_KSM);
	s->anon += !!(flags & KPF_ANON);
	s->thp += !!(flags & KPF_THP);
	s->hugetlb += !!(flags & KPF_HUGE);
	s->none += !!(flags & KPF_NOPAGE);
	s->shared += count > 1 && !(flags & (KPF_ZERO | KPF_NOPAGE));
}

/* Frames [first, first + n) were read, of which those of f[] are asked for; more than one may ask for the same. */
static void tally_all(struct pw_page_asker *a, const struct frames *f, size_t nf, uint64_t first, size_t n)
{
	for (size_t k = 0; k < nf && f[k].first < first + n; k++) {
		uint64_t lo = f[k].first > first ? f[k].first - first : 0;
		uint64_t end = f[k].first + f[k].n;

		end = end <= first ? 0 : end - first < n ? end - first : n;
		for (uint64_t i = lo; i < end; i++)
			tally(&a->sums, a->flags[i], a->count[i]);
	}
}

/* A group of stretches without a large gap between them. */
static int ask_group(struct pw_page_asker *a, const struct frames *f, size_t nf, uint64_t end)
{
	for (uint64_t at = f[0].first; at < end; at += WORDS) {
		size_t n = end - at < WORDS ? (size_t)(end - at) : WORDS;
		int rc = read_words(a->kpages.flags_fd, at, n, a->flags, KPF_NOPAGE);

		if (!rc)
			rc = read_words(a->kpages.count_fd, at, n, a->count, 0);
		if (rc)
			return rc;
		for (; nf && f->first + f->n <= at; nf--)
			f++;
		tally_all(a, f, nf, at, n);
	}
	return 0;
}

static int ask(struct pw_page_asker *a)
{
	int rc = 0;

	qsort(a->frames, a->n, sizeof(a->frames[0]), by_first);
	for (size_t i = 0, k; i < a->n && !rc; i = k) {
		uint64_t end = a->frames[i].first + a->frames[i].n;

		for (k = i + 1; k < a->n && a->frames[k].first <= end + GAP; k++)
			if (a->frames[k].first + a->frames[k].n > end)
				end = a->frames[k].first + a->frames[k].n;
		rc = ask_group(a, &a->frames[i], k - i, end);
	}
	a->n = 0;
	return rc;
}

int pw_page_asker_add(struct pw_page_asker *a, uint64_t pa, uint64_t bytes)
{
	struct frames f = { pa >> 12, bytes >> 12 };

	if (f.first >= MOST_FRAMES || f.n > MOST_FRAMES - f.first)
		return 0;
	a->frames[a->n++] = f;
	return a->n == GATHERED ? ask(a) : 0;
}

int pw_page_asker_finish(struct pw_page_asker *a, struct pw_page_stats *out)
{
	int rc = ask(a);

	if (!rc)
		*out = a->sums;
	return rc;
}
