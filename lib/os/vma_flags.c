// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/vma_flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/kernel.h"
#include "os/maple.h"
#include "os/smaps.h"
#include "source/system.h"

#define PAGE        4096
#define MANY_PAGES  4096    /* a process with so many costs more by smaps than learning does */
#define MAX_VMAS    1048576 /* of our own */
#define MAX_STRETCH 512     /* from the first to the last member of a VMA that is wanted */
#define FEW         8       /* examples from which nothing is learned */

/* -------- learning -------- */

void pw_vma_lesson_begin(struct pw_vma_lesson *lesson)
{
	memset(lesson, 0, sizeof(*lesson));
	memset(lesson->always, 0xff, sizeof(lesson->always));
}

/* -1: no two small letters. */
static int index_of(const char *name)
{
	if (name[0] < 'a' || name[0] > 'z' || name[1] < 'a' || name[1] > 'z')
		return -1;
	return (name[0] - 'a') * 26 + (name[1] - 'a');
}

static void keep_example(struct pw_vma_bits *bits, uint64_t word, uint32_t flags)
{
	for (size_t i = 0; i < bits->n; i++) {
		if (bits->example[i].word != word)
			continue;
		/* The letters do not follow from the word alone. */
		if (bits->example[i].flags != flags)
			bits->state = PW_VMA_BITS_HOPELESS;
		return;
	}
	if (bits->n == PW_VMA_EXAMPLES)
		return;
	bits->example[bits->n].word = word;
	bits->example[bits->n++].flags = flags;
}

void pw_vma_lesson_add(struct pw_vma_lesson *lesson, struct pw_vma_bits *bits, uint64_t word, const char *line)
{
	bool has[PW_VMA_NAMES] = { false };
	const char *at = strchr(line, ':');

	for (at = at ? at + 1 : ""; *at; at += strcspn(at, " \n")) {
		int i;

		at += strspn(at, " \n");
		i = index_of(at);
		if (i >= 0)
			has[i] = lesson->met[i] = true;
	}
	for (size_t i = 0; i < PW_VMA_NAMES; i++)
		lesson->always[i] &= has[i] ? word : ~word;
	lesson->n++;
	keep_example(bits, word, pw_smaps_flags_of(line));
}

static uint32_t wanted(size_t name)
{
	for (size_t i = 0; i < pw_smaps_nflags; i++)
		if (index_of(pw_smaps_flags[i].name) == (int)name)
			return pw_smaps_flags[i].flag;
	return 0;
}

/*
 * Bits that always came together with a name are that name's, or those of others that came with it each time. If one of these is of interest, it has
 * to be alone, or it is not known which bit is which.
 */
void pw_vma_lesson_end(const struct pw_vma_lesson *lesson, struct pw_vma_bits *bits)
{
	uint64_t unclear = 0;

	for (size_t i = 0; i < PW_VMA_NAMES; i++) {
		uint64_t own = lesson->always[i];
		uint32_t flag = wanted(i);

		if (!lesson->met[i])
			continue;
		bits->understood |= own;
		if (!flag)
			continue;
		for (size_t k = 0; k < PW_VMA_NAMES; k++)
			if (k != i && lesson->met[k] && lesson->always[k] & own)
				unclear |= own;
		bits->bit[__builtin_ctz(flag)] |= own;
	}
	bits->understood &= ~unclear;
	if (bits->state != PW_VMA_BITS_HOPELESS)
		bits->state = lesson->n < FEW ? PW_VMA_BITS_HOPELESS : PW_VMA_BITS_LEARNED;
}

uint32_t pw_vma_flags_of_word(const struct pw_vma_bits *bits, uint64_t word)
{
	uint32_t flags = PW_VMA_KNOWN;

	if (bits->state != PW_VMA_BITS_LEARNED)
		return 0;
	for (size_t i = 0; i < bits->n; i++)
		if (bits->example[i].word == word)
			return bits->example[i].flags;
	if (word & ~bits->understood)
		return 0;
	for (size_t i = 0; i < sizeof(bits->bit) / sizeof(bits->bit[0]); i++)
		if (word & bits->bit[i])
			flags |= UINT32_C(1) << i;
	return flags;
}

/* -------- VMAs in kernel memory -------- */

struct vma {
	uint64_t lo, end, word;
};

struct vmas {
	struct pw_source *src;
	const struct pw_offsets *off;
	uint64_t mm;
	uint32_t first, bytes; /* of struct vm_area_struct: what is read */
	/* Called for each, ascending. */
	int (*each)(struct vmas *v, const struct vma *vma);
	/* what it is for: */
	struct vma *list;
	size_t n, room;
	struct pw_space *space;
	const struct pw_vma_bits *bits;
	uint32_t *flags;
};

static int read_kernel(void *ctx, uint64_t kva, void *buf, size_t len)
{
	struct pw_source *src = ctx;

	return pw_is_kernel(kva) ? src->ops->read_kernel(src, kva, buf, len) : -EFAULT;
}

static uint64_t word_at(const char *buf, uint32_t at)
{
	uint64_t word;

	memcpy(&word, buf + at, sizeof(word));
	return word;
}

/* No lock holds it still: it may have become another one meanwhile, which then has other addresses or another mm. */
static int look_at_vma(void *ctx, uint64_t at)
{
	struct vmas *v = ctx;
	const struct pw_offsets *off = v->off;
	char buf[MAX_STRETCH];
	struct vma vma;

	if (read_kernel(v->src, at + v->first, buf, v->bytes) || word_at(buf, off->vma_mm - v->first) != v->mm)
		return -EFAULT;
	vma.lo = word_at(buf, off->vma_start - v->first);
	vma.end = word_at(buf, off->vma_end - v->first);
	vma.word = word_at(buf, off->vma_flags - v->first);
	return v->each(v, &vma);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static int each_vma(struct vmas *v)
{
	const struct pw_offsets *off = v->off;
	const struct pw_maple maple = {
		.read = read_kernel,
		.ctx = v->src,
		.root = off->maple_root,
		.range_pivot = off->range_pivot,
		.range_slot = off->range_slot,
		.arange_pivot = off->arange_pivot,
		.arange_slot = off->arange_slot,
	};
	uint32_t last = most(most(off->vma_start, off->vma_end), most(off->vma_mm, off->vma_flags));

	v->first = least(least(off->vma_start, off->vma_end), least(off->vma_mm, off->vma_flags));
	/* Without BTF all members are at 0. */
	if (off->mm_mt == UINT32_MAX || last == UINT32_MAX || off->vma_start == off->vma_end ||
	    last - v->first > MAX_STRETCH - sizeof(uint64_t))
		return -EOPNOTSUPP;
	v->bytes = last - v->first + (uint32_t)sizeof(uint64_t);
	return pw_maple_each(&maple, v->mm + off->mm_mt, look_at_vma, v);
}

/* -------- our own -------- */

static int keep_vma(struct vmas *v, const struct vma *vma)
{
	if (v->n == v->room) {
		size_t want = v->room ? v->room * 2 : 128;
		struct vma *more = want > MAX_VMAS ? NULL : realloc(v->list, want * sizeof(*more));

		if (!more)
			return -ENOMEM;
		v->list = more;
		v->room = want;
	}
	v->list[v->n++] = *vma;
	return 0;
}

struct pupil {
	struct pw_vma_lesson lesson;
	struct pw_vma_bits *bits;
	const struct vmas *own;
	size_t at;
};

/* Both lists ascend; what is in one of them only has come or gone in between. */
static void take_example(void *ctx, uint64_t lo, uint64_t end, const char *line)
{
	struct pupil *p = ctx;
	const struct vmas *own = p->own;

	while (p->at < own->n && own->list[p->at].lo < lo)
		p->at++;
	if (p->at < own->n && own->list[p->at].lo == lo && own->list[p->at].end == end)
		pw_vma_lesson_add(&p->lesson, p->bits, own->list[p->at].word, line);
}

/* VMAs with flags that others have and we have not. Those that cannot be made are no examples. */
struct examples {
	void *at[5];
};

static void make_examples(struct examples *x)
{
	static const struct {
		int flags, advice;
	} how[] = {
		{ MAP_PRIVATE, MADV_NOHUGEPAGE }, { MAP_PRIVATE, MADV_HUGEPAGE },
		{ MAP_PRIVATE, MADV_DONTDUMP },   { MAP_PRIVATE | MAP_NORESERVE, MADV_NORMAL },
		{ MAP_SHARED, MADV_NORMAL },
	};

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		x->at[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, how[i].flags | MAP_ANONYMOUS, -1, 0);
		if (x->at[i] != MAP_FAILED)
			(void)madvise(x->at[i], PAGE, how[i].advice);
	}
}

static void end_examples(struct examples *x)
{
	for (size_t i = 0; i < sizeof(x->at) / sizeof(x->at[0]); i++)
		if (x->at[i] != MAP_FAILED)
			munmap(x->at[i], PAGE);
}

static int own_vmas(struct pw_kernel *k, struct pw_source *src, struct vmas *own)
{
	uint64_t task;
	int rc = pw_own_task(src, k, &task, NULL);

	if (!rc)
		rc = pw_read_word(src, task + k->btf.off.task_mm, &own->mm);
	return rc ? rc : each_vma(own);
}

static void learn(struct pw_kernel *k, struct pw_source *src)
{
	struct vmas own = { .src = src, .off = &k->btf.off, .each = keep_vma };
	struct pupil *p = calloc(1, sizeof(*p));
	struct examples x;

	make_examples(&x);
	k->vma_bits.state = PW_VMA_BITS_HOPELESS;
	if (p && !own_vmas(k, src, &own)) {
		k->vma_bits.state = PW_VMA_BITS_UNTRIED;
		p->bits = &k->vma_bits;
		p->own = &own;
		pw_vma_lesson_begin(&p->lesson);
		if (pw_smaps_each("/proc/self/smaps", take_example, p))
			k->vma_bits.state = PW_VMA_BITS_HOPELESS;
		else
			pw_vma_lesson_end(&p->lesson, &k->vma_bits);
	}
	end_examples(&x);
	free(own.list);
	free(p);
}

/* -------- a process's -------- */

/* The list of areas was read before: each has to be there, as it was then. */
static int mark_area(struct vmas *v, const struct vma *vma)
{
	const struct pw_areas *areas = &v->space->areas;

	if (v->n == areas->n || areas->v[v->n].lo != vma->lo || areas->v[v->n].last != vma->end - 1)
		return -EAGAIN;
	v->flags[v->n] = pw_vma_flags_of_word(v->bits, vma->word);
	return v->flags[v->n++] ? 0 : -EAGAIN;
}

static uint64_t resident_pages(pid_t pid)
{
	unsigned long long size, resident = 0;
	char path[40], *text;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (pw_system_read(path, 4096, &text, NULL))
		return 0;
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	free(text);
	return resident;
}

/* Only the first process, and only a small one, is not worth it. */
static bool pays(struct pw_kernel *k, const struct pw_space *space)
{
	if (k->vma_bits.state == PW_VMA_BITS_UNTRIED && (k->vma_asked++ || resident_pages(space->pid) >= MANY_PAGES))
		learn(k, space->source);
	return k->vma_bits.state == PW_VMA_BITS_LEARNED;
}

int pw_vma_flags_read(struct pw_kernel *k, struct pw_space *space)
{
	struct pw_areas *areas = &space->areas;
	struct vmas v = {
		.src = space->source, .off = &k->btf.off, .each = mark_area, .space = space, .bits = &k->vma_bits
	};
	int rc;

	if (!space->source->ops->read_kernel || !areas->n || !pays(k, space))
		return -EOPNOTSUPP;
	rc = pw_mm_of_pagemap(space->source, k, space->pin.pagemap_fd, &v.mm, NULL);
	if (rc || !v.mm)
		return -ESRCH;
	v.flags = calloc(areas->n, sizeof(*v.flags));
	if (!v.flags)
		return -ENOMEM;
	rc = each_vma(&v);
	/* Above are regions of the kernel, and the page of the old system calls, which is no process's own. */
	for (; !rc && v.n < areas->n && areas->v[v.n].lo >> 63; v.n++)
		v.flags[v.n] = areas->v[v.n].perms[0] ? PW_VMA_KNOWN : 0;
	if (!rc && v.n < areas->n)
		rc = -EAGAIN;
	for (size_t i = 0; i < areas->n && !rc; i++) {
		areas->v[i].flags = v.flags[i];
		areas->v[i].pfnmap = v.flags[i] & PW_VMA_PFNMAP;
	}
	free(v.flags);
	return rc;
}
