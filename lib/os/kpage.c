// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /proc/kpagecount and /proc/kpageflags: 64 bits a frame, by its number; beyond the last frame they end.
 * (Documentation/admin-guide/mm/pagemap.rst; the bits in include/uapi/linux/kernel-page-flags.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/live.h>

static int open_file(const char *path, int *fd, struct pw_error *err)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? pw_error_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

int pw_kpages_open(struct pw_kpages *k, struct pw_error *err)
{
	int rc;

	*k = (struct pw_kpages){ -1, -1 };
	rc = open_file("/proc/kpagecount", &k->count_fd, err);
	if (!rc)
		rc = open_file("/proc/kpageflags", &k->flags_fd, err);
	if (rc)
		pw_kpages_close(k);
	return rc;
}

void pw_kpages_close(struct pw_kpages *k)
{
	if (k->count_fd >= 0)
		close(k->count_fd);
	if (k->flags_fd >= 0)
		close(k->flags_fd);
	*k = (struct pw_kpages){ -1, -1 };
}

static size_t words(int fd, uint64_t pfn, size_t n, uint64_t *out)
{
	size_t have = 0, want = n * sizeof(*out);

	if (fd < 0 || pfn > (uint64_t)INT64_MAX / sizeof(*out) - n)
		return 0;
	while (have < want) {
		ssize_t got = pread(fd, (char *)out + have, want - have, (off_t)(pfn * sizeof(*out) + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have / sizeof(*out);
}

size_t pw_kpages_read(const struct pw_kpages *k, uint64_t pfn, size_t n, uint64_t *counts, uint64_t *flags)
{
	size_t told = words(k->count_fd, pfn, n, counts);

	return told ? words(k->flags_fd, pfn, told, flags) : 0;
}

const char *pw_kpage_flag(unsigned bit)
{
	static const char *const names[] = {
		"locked",     "error",         "referenced",    "uptodate",  "dirty",       "lru",      "active",
		"slab",       "writeback",     "reclaim",       "buddy",     "mmap",        "anon",     "swapcache",
		"swapbacked", "compound-head", "compound-tail", "huge",      "unevictable", "hwpoison", "nopage",
		"ksm",        "thp",           "offline",       "zero-page", "idle",        "pgtable",
	};

	return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : NULL;
}
