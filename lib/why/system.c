/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/system.h"
#include "why/why.h"

bool pw_why_line(const char *path, char *buf, size_t size)
{
	char *text;
	size_t len;

	if (pw_system_read(path, 64 << 10, &text, &len))
		return false;
	snprintf(buf, size, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return true;
}

bool pw_why_status(struct look *l, const char *name, const char *key, char *buf, size_t size)
{
	char path[64], *text, *at;
	size_t len;

	if (!l->r->live || l->space->pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)l->space->pid, name);
	if (pw_system_read(path, 64 << 10, &text, &len))
		return false;
	at = strncmp(text, key, strlen(key)) ? strstr(text, key) : text;
	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, key);
	if (at) {
		at += strlen(key);
		at += strspn(at, ": \t");
		snprintf(buf, size, "%.*s", (int)strcspn(at, "\n"), at);
	}
	free(text);
	return at;
}

bool pw_why_choice(const char *path, char *buf, size_t size)
{
	char line[128], *open;

	if (!pw_why_line(path, line, sizeof(line)))
		return false;
	open = strchr(line, '[');
	if (!open)
		return false;
	snprintf(buf, size, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
	return true;
}

static bool word_of(int fd, uint64_t pa, uint64_t *out)
{
	return fd >= 0 && pa != PW_PA_NONE && !pw_system_pread(fd, out, sizeof(*out), (pa >> 12) * sizeof(*out));
}

bool pw_why_kpage(struct look *l, uint64_t pa, uint64_t *flags)
{
	return word_of(l->r->kpageflags, pa, flags);
}

bool pw_why_kpageflags(struct look *l, uint64_t pa, uint64_t *flags)
{
	char text[176];

	if (!l->r->live || pa == PW_PA_NONE)
		return false;
	if (!pw_why_kpage(l, pa, flags)) {
		pw_why_says(l, "/proc/kpageflags", "%s",
			    l->r->kpage_error ? strerror(l->r->kpage_error) : "does not have this frame");
		return false;
	}
	pw_why_page_flags(*flags, text, sizeof(text));
	pw_why_says(l, "/proc/kpageflags", "%s", text);
	return true;
}

bool pw_why_kpagecount(struct look *l, uint64_t pa, uint64_t *count)
{
	if (!l->r->live || !word_of(l->r->kpagecount, pa, count))
		return false;
	if (*count == 1)
		pw_why_says(l, "/proc/kpagecount", "mapped once");
	else
		pw_why_says(l, "/proc/kpagecount", "mapped %llu times", (unsigned long long)*count);
	return true;
}

/*
 * From dee3d0bef2b0 ("proc: rewrite stable_page_flags()") (in v6.10) on, kernels had KPF_KSM set for every anonymous page, until that was mended. A page that we
 * have just written has not been merged: so it tells.
 */
bool pw_why_ksm_flag_lies(struct look *l)
{
	char *page;
	uint64_t word = 0, flags;
	int fd;

	if (l->r->ksm_flag != KSM_FLAG_UNTRIED)
		return l->r->ksm_flag == KSM_FLAG_LIES;
	l->r->ksm_flag = KSM_FLAG_TRUE;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	*(volatile char *)page = 1;
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !pw_system_pread(fd, &word, sizeof(word), (uintptr_t)page / 4096 * sizeof(word)) && word << 9 &&
	    pw_why_kpage(l, (word & ((UINT64_C(1) << 55) - 1)) << 12, &flags) && flags >> KPF_KSM & 1)
		l->r->ksm_flag = KSM_FLAG_LIES;
	if (fd >= 0)
		close(fd);
	munmap(page, 4096);
	return l->r->ksm_flag == KSM_FLAG_LIES;
}

void pw_why_page_flags(uint64_t flags, char *buf, size_t size)
{
	/* By bit; those from 32 on are the kernel's own and may move, but have not. */
	static const char *const names[64] = {
		[0] = "locked",         [1] = "error",         [2] = "referenced",   [3] = "uptodate",
		[4] = "dirty",          [5] = "lru",           [6] = "active",       [7] = "slab",
		[8] = "writeback",      [9] = "reclaim",       [10] = "buddy",       [11] = "mmap",
		[12] = "anon",          [13] = "swapcache",    [14] = "swapbacked",  [15] = "compound-head",
		[16] = "compound-tail", [17] = "huge",         [18] = "unevictable", [19] = "hwpoison",
		[20] = "nopage",        [21] = "ksm",          [22] = "thp",         [23] = "offline",
		[24] = "zero-page",     [25] = "idle",         [26] = "pgtable",     [32] = "reserved",
		[33] = "mlocked",       [34] = "mappedtodisk", [35] = "private",     [36] = "private-2",
		[37] = "owner-private", [38] = "arch",         [39] = "uncached",    [40] = "softdirty",
		[41] = "arch-2",        [42] = "arch-3",
	};
	size_t len = 0;

	snprintf(buf, size, "no flags");
	for (unsigned i = 0; i < 64 && len < size; i++) {
		if (!(flags >> i & 1))
			continue;
		/* The bit of an anonymous page is another one by meaning: since v5.19 (78fbe906cc90). */
		if (i == 34 && flags >> KPF_ANON & 1)
			len += (size_t)snprintf(buf + len, size - len, " anon-exclusive");
		else if (names[i])
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " " : "", names[i]);
		else
			len += (size_t)snprintf(buf + len, size - len, "%sbit-%u", len ? " " : "", i);
	}
}
