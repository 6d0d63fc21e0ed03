// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the factories of mkmaps share: mapping, touching, recording, and asking /proc/self. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "mkmaps.h"

bool mk_has_soft_dirty;

int mk_absent(struct mk_state *st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->reason, sizeof(st->reason), fmt, ap);
	va_end(ap);
	st->n = 0;
	return -1;
}

int mk_absent_errno(struct mk_state *st, const char *what)
{
	return mk_absent(st, "%s: %s", what, strerror(errno));
}

void *mk_map(size_t len, size_t align, int prot, int flags, int fd, off_t off)
{
	size_t room = len + align + 2 * MK_PAGE;
	uintptr_t base, start;
	void *p;
	int err;

	p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	base = (uintptr_t)p;
	start = (base + MK_PAGE + align - 1) & ~(align - 1);

	p = mmap((void *)start, len, prot, flags | MAP_FIXED, fd, off);
	if (p == MAP_FAILED) {
		err = errno;
		munmap((void *)base, room);
		errno = err;
		return NULL;
	}
	if (start - MK_PAGE > base)
		munmap((void *)base, start - MK_PAGE - base);
	if (base + room > start + len + MK_PAGE)
		munmap((void *)(start + len + MK_PAGE), base + room - start - len - MK_PAGE);
	if (align < MK_2M)
		madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

void *mk_anon(size_t pages)
{
	return mk_map(pages * MK_PAGE, MK_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void mk_write(void *p, size_t len)
{
	volatile unsigned char *c = p;

	for (size_t i = 0; i < len; i += MK_PAGE)
		c[i] = 0xc3;
}

void mk_read(const void *p, size_t len)
{
	const volatile unsigned char *c = p;

	for (size_t i = 0; i < len; i += MK_PAGE)
		(void)c[i];
}

void mk_fill(void *p, size_t len, int byte)
{
	memset(p, byte, len);
}

/* Copy a list of attributes without the ones this kernel cannot have. */
static void copy_attrs(char *to, size_t size, const char *attrs)
{
	char buf[128], *save = NULL;

	snprintf(buf, sizeof(buf), "%s", attrs);
	for (char *a = strtok_r(buf, ",", &save); a; a = strtok_r(NULL, ",", &save)) {
		size_t used = strlen(to);

		if (!mk_has_soft_dirty && strstr(a, "soft-dirty"))
			continue;
		snprintf(to + used, size - used, "%s%s", used ? "," : "", a);
	}
}

static void add_range(struct mk_state *st, const struct mk_range *r)
{
	struct mk_range *last = st->n ? &st->r[st->n - 1] : NULL;

	if (last && last->addr + last->len == r->addr && last->page == r->page && last->kind == r->kind &&
	    !strcmp(last->expect, r->expect) && !strcmp(last->note, r->note) && !strcmp(last->perm, r->perm)) {
		last->len += r->len;
		return;
	}
	if (st->n == MK_RANGES) {
		fprintf(stderr, "mkmaps: %s has too many ranges\n", st->name);
		exit(1);
	}
	st->r[st->n++] = *r;
}

void mk_leaf(struct mk_state *st, const void *p, size_t len, size_t page, const char *perm, const char *attrs,
	     const char *note)
{
	struct mk_range r = { .addr = (uintptr_t)p, .len = len, .page = page, .kind = MK_LEAF };

	snprintf(r.perm, sizeof(r.perm), "%.3su", perm);
	snprintf(r.expect, sizeof(r.expect), "present,user,%s,%s%s", perm[1] == 'w' ? "write" : "!write",
		 perm[2] == 'x' ? "!nx" : "nx", page > MK_PAGE ? ",huge" : "");
	copy_attrs(r.expect, sizeof(r.expect), attrs);
	if (note)
		snprintf(r.note, sizeof(r.note), "%s", note);
	add_range(st, &r);
}

void mk_range(struct mk_state *st, const void *p, size_t len, size_t page, enum mk_kind kind, const char *attrs,
	      const char *note)
{
	struct mk_range r = { .addr = (uintptr_t)p, .len = len, .page = page, .kind = kind };

	copy_attrs(r.expect, sizeof(r.expect), attrs);
	if (note)
		snprintf(r.note, sizeof(r.note), "%s", note);
	add_range(st, &r);
}

uint64_t mk_pagemap(uintptr_t va)
{
	static int fd = -1;
	uint64_t e = 0;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &e, sizeof(e), (off_t)(va / MK_PAGE * sizeof(e))) != sizeof(e))
		return 0;
	return e;
}

bool mk_all_present(const void *p, size_t len)
{
	for (size_t i = 0; i < len; i += MK_PAGE)
		if (!(mk_pagemap((uintptr_t)p + i) >> 63))
			return false;
	return true;
}

bool mk_smaps(uintptr_t va, const char *field, char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	bool in = false, found = false;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long lo, hi;

		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2) {
			in = lo <= va && va < hi;
		} else if (in && !strncmp(line, field, strlen(field))) {
			snprintf(buf, size, "%s", line + strlen(field));
			found = true;
			break;
		}
	}
	if (f)
		fclose(f);
	return found;
}

unsigned long mk_smaps_kb(uintptr_t va, const char *field)
{
	char buf[128];

	return mk_smaps(va, field, buf, sizeof(buf)) ? strtoul(buf, NULL, 10) : 0;
}

bool mk_find_vma(const char *name, uintptr_t *lo, uintptr_t *hi)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (!found && f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, '[');

		if (!at || strncmp(at, name, strlen(name)))
			continue;
		found = sscanf(line, "%lx-%lx ", lo, hi) == 2;
	}
	if (f)
		fclose(f);
	return found;
}

int mk_ram_file(size_t len)
{
	static const char *const dirs[] = { "/dev/shm", "/tmp", "/run", "/" };
	int fd = -1;

	/* Writeback would take Dirty and the write permission away again after a while. */
	for (size_t i = 0; fd < 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[64];
		struct statfs fs;

		if (statfs(dirs[i], &fs) || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC))
			continue;
		snprintf(path, sizeof(path), "%s/mkmaps.XXXXXX", dirs[i]);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		fd = memfd_create("mkmaps", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)len)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void mk_setup(void)
{
	void *p = mmap(NULL, MK_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	mk_write(p, MK_PAGE);
	mk_has_soft_dirty = mk_pagemap((uintptr_t)p) >> 55 & 1;
	munmap(p, MK_PAGE);
}
