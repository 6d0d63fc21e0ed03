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

bool pw_why_kpage(struct look *l, uint64_t pa, uint64_t *count, uint64_t *flags)
{
	return l->r->live && pa != PW_PA_NONE && pw_kpages_read(&l->r->kpages, pa >> 12, 1, count, flags) == 1;
}

bool pw_why_kpage_says(struct look *l, uint64_t pa, uint64_t *count, uint64_t *flags)
{
	char text[176];

	if (!l->r->live || pa == PW_PA_NONE)
		return false;
	if (!pw_why_kpage(l, pa, count, flags)) {
		if (l->r->no_kpages.text[0])
			pw_why_says(l, "page flags", "%s", l->r->no_kpages.text);
		else
			pw_why_says(l, "/proc/kpageflags", "does not have this frame");
		return false;
	}
	pw_why_page_flags(*flags, text, sizeof(text));
	pw_why_says(l, "/proc/kpageflags", "%s", text);
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
	uint64_t word = 0, count, flags;
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
	    pw_why_kpage(l, (word & ((UINT64_C(1) << 55) - 1)) << 12, &count, &flags) && flags >> KPF_KSM & 1)
		l->r->ksm_flag = KSM_FLAG_LIES;
	if (fd >= 0)
		close(fd);
	munmap(page, 4096);
	return l->r->ksm_flag == KSM_FLAG_LIES;
}

void pw_why_page_flags(uint64_t flags, char *buf, size_t size)
{
	/* The kernel's own, from bit 32 on, which may move, but have not. */
	static const char *const more[] = {
		"reserved", "mlocked",  "mappedtodisk", "private", "private-2", "owner-private",
		"arch",     "uncached", "softdirty",    "arch-2",  "arch-3",
	};
	size_t len = 0;

	snprintf(buf, size, "no flags");
	for (unsigned i = 0; i < 64 && len < size; i++) {
		const char *known =
			i >= 32 && i - 32 < sizeof(more) / sizeof(more[0]) ? more[i - 32] : pw_kpage_flag(i);

		if (!(flags >> i & 1))
			continue;
		/* The bit of an anonymous page is another one by meaning: since v5.19 (78fbe906cc90). */
		if (i == KPF_MAPPEDTODISK && flags >> KPF_ANON & 1)
			known = "anon-exclusive";
		if (known)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " " : "", known);
		else
			len += (size_t)snprintf(buf + len, size - len, "%sbit-%u", len ? " " : "", i);
	}
}
