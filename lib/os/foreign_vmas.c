// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A process's VMAs, written as the lines that /proc/PID/maps would have, so that one parser serves all. The heap is what reaches into
 * [start_brk, brk): kernels before 6.6 also called a mapping so that merely touches it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/foreign.h"
#include "os/maple.h"
#include "os/maps.h"

#define VM_READ     0x01
#define VM_WRITE    0x02
#define VM_EXEC     0x04
#define VM_MAYSHARE 0x80

#define MAX_VMAS      (1 << 22)
#define MAX_VMA_BYTES 1024
#define VSYSCALL      UINT64_C(0xffffffffff600000)

struct writer {
	struct pw_foreign_os *os;
	FILE *to;
	uint64_t mm, start_brk, brk, start_stack;
	uint64_t end;  /* of the VMA before */
	uint64_t file; /* that was looked up last */
	bool known;    /* and could be */
	struct pw_foreign_file found;
	unsigned n;
};

static uint64_t word(const char *vma, uint32_t at)
{
	uint64_t v;

	memcpy(&v, vma + at, sizeof(v));
	return v;
}

/* Of mappings that the kernel itself made, [vdso] and the like: a struct vm_special_mapping begins with the name. */
static bool special_name(struct writer *w, const char *vma, char name[64])
{
	uint64_t private = word(vma, w->os->off.vma_private), at;

	return word(vma, w->os->off.vma_ops) && private >> 63 && pw_kmem_u64(&w->os->mem, private, &at) &&
	       pw_kmem_string(&w->os->mem, at, name, 64) && name[0] == '[' && strchr(name, ']');
}

/* Before 6.2 the name is where a file's mapping has its place in that file's tree. */
static bool anon_name(struct writer *w, const char *vma, char name[128])
{
	const struct pw_foreign_offsets *off = &w->os->off;
	uint64_t at;

	if (off->vma_anon_name == UINT32_MAX || off->anon_name_text == UINT32_MAX ||
	    (off->vma_anon_name == off->vma_shared && word(vma, off->vma_file)))
		return false;
	at = word(vma, off->vma_anon_name);
	return at >> 63 && pw_kmem_string(&w->os->mem, at + off->anon_name_text, name, 128);
}

static void put_path(FILE *to, const char *path)
{
	for (; *path; path++) {
		if (*path == '\n')
			fputs("\\012", to);
		else
			fputc(*path, to);
	}
}

static void put_name(struct writer *w, const char *vma, uint64_t start, uint64_t end)
{
	char name[128];

	if (word(vma, w->os->off.vma_file)) {
		if (anon_name(w, vma, name))
			fprintf(w->to, "[anon_shmem:%s]", name);
		else
			put_path(w->to, w->known ? w->found.path : "[file that cannot be followed]");
	} else if (special_name(w, vma, name)) {
		fputs(name, w->to);
	} else if (start < w->brk && end > w->start_brk) {
		fputs("[heap]", w->to);
	} else if (start <= w->start_stack && end >= w->start_stack) {
		fputs("[stack]", w->to);
	} else if (anon_name(w, vma, name)) {
		fprintf(w->to, "[anon:%s]", name);
	}
}

static void look_up_file(struct writer *w, uint64_t file)
{
	if (file == w->file)
		return;
	w->file = file;
	w->known = pw_foreign_file(w->os, file, &w->found);
	if (!w->known)
		w->found = (struct pw_foreign_file){ .inode = 0 };
}

static int put_vma(void *ctx, uint64_t at)
{
	struct writer *w = ctx;
	const struct pw_foreign_offsets *off = &w->os->off;
	uint64_t start, end, flags, file;
	char vma[MAX_VMA_BYTES];

	if (++w->n > MAX_VMAS || pw_kmem_read(&w->os->mem, at, vma, off->vma_bytes))
		return -EFAULT;
	start = word(vma, off->vma_start);
	end = word(vma, off->vma_end);
	flags = word(vma, off->vma_flags);
	file = word(vma, off->vma_file);
	if (word(vma, off->vma_mm) != w->mm || start >= end || start < w->end || (start | end) & 0xfff)
		return -EFAULT;
	w->end = end;
	if (file)
		look_up_file(w, file);
	fprintf(w->to, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64 " ", start, end,
		flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-', flags & VM_EXEC ? 'x' : '-',
		flags & VM_MAYSHARE ? 's' : 'p', file ? word(vma, off->vma_pgoff) << 12 : 0,
		file ? w->found.dev >> 20 : 0, file ? w->found.dev & 0xfffff : 0, file ? w->found.inode : 0);
	put_name(w, vma, start, end);
	fputc('\n', w->to);
	return 0;
}

/* Before 6.1: a list. */
static int each_in_list(struct pw_foreign_os *os, uint64_t mm, int (*each)(void *ctx, uint64_t vma), void *ctx)
{
	uint64_t vma;
	int rc;

	if (!pw_kmem_u64(&os->mem, mm + os->off.mm_mmap, &vma))
		return -EFAULT;
	for (unsigned n = 0; vma; n++) {
		if (!(vma >> 63))
			return -EFAULT;
		if (n == MAX_VMAS)
			return -ELOOP;
		rc = each(ctx, vma);
		if (rc)
			return rc;
		if (!pw_kmem_u64(&os->mem, vma + os->off.vma_next, &vma))
			return -EFAULT;
	}
	return 0;
}

static int read_kmem(void *ctx, uint64_t kva, void *buf, size_t len)
{
	return pw_kmem_read(ctx, kva, buf, len);
}

int pw_foreign_each_vma(struct pw_foreign_os *os, uint64_t mm, int (*each)(void *ctx, uint64_t vma), void *ctx)
{
	const struct pw_foreign_offsets *off = &os->off;
	const struct pw_maple maple = {
		.read = read_kmem,
		.ctx = &os->mem,
		.root = off->maple_root,
		.range_pivot = off->range_pivot,
		.range_slot = off->range_slot,
		.arange_pivot = off->arange_pivot,
		.arange_slot = off->arange_slot,
	};

	if (off->mm_mt != UINT32_MAX)
		return pw_maple_each(&maple, mm + off->mm_mt, each, ctx);
	if (off->mm_mmap != UINT32_MAX && off->vma_next != UINT32_MAX)
		return each_in_list(os, mm, each, ctx);
	return -ENODATA;
}

/* The page of the old system calls, which is in no list. */
static void put_gate(struct writer *w)
{
	uint64_t left, flags = pw_foreign_gate_flags(w->os);
	bool mapped = pw_kmem_pa(&w->os->mem, VSYSCALL, &left) != PW_PA_NONE;

	if (flags == VM_EXEC || (flags == (VM_READ | VM_EXEC) && mapped))
		fprintf(w->to, "%" PRIx64 "-%" PRIx64 " %c-xp 00000000 00:00 0 [vsyscall]\n", VSYSCALL, VSYSCALL + 4096,
			flags & VM_READ ? 'r' : '-');
}

/* A part of a smeared image's list can lead past the rest of it, and to its end. Elsewhere the count may just be about to change. */
static bool count_is(struct writer *w, uint64_t mm)
{
	uint32_t n;

	return w->os->mem.space.source->consistency != PW_SMEARED ||
	       (pw_kmem_u32(&w->os->mem, mm + w->os->off.mm_map_count, &n) && n == w->n);
}

static int put_all(struct writer *w, uint64_t mm)
{
	const struct pw_foreign_offsets *off = &w->os->off;
	int rc;

	if (off->vma_bytes > MAX_VMA_BYTES || !pw_kmem_u64(&w->os->mem, mm + off->mm_start_brk, &w->start_brk) ||
	    !pw_kmem_u64(&w->os->mem, mm + off->mm_brk, &w->brk) ||
	    !pw_kmem_u64(&w->os->mem, mm + w->os->k.btf.off.mm_start_stack, &w->start_stack))
		return -EFAULT;
	rc = pw_foreign_each_vma(w->os, mm, put_vma, w);
	if (!rc && !count_is(w, mm))
		rc = -EFAULT;
	if (!rc)
		put_gate(w);
	return rc;
}

int pw_foreign_areas(struct pw_foreign_os *os, uint64_t mm, struct pw_areas *out)
{
	char *text = NULL;
	size_t len = 0;
	struct writer *w = calloc(1, sizeof(*w));
	int rc;

	if (w)
		w->to = open_memstream(&text, &len);
	if (!w || !w->to) {
		free(w);
		return -ENOMEM;
	}
	w->os = os;
	w->mm = mm;
	rc = put_all(w, mm);
	if (fclose(w->to) && !rc)
		rc = -ENOMEM;
	if (rc != -ENOMEM) {
		bool moving = os->mem.space.source->consistency == PW_VALIDATED;
		int parsed = pw_maps_parse(text, len, moving, out, NULL);

		rc = parsed ? parsed : rc;
	}
	free(text);
	free(w);
	return rc;
}
