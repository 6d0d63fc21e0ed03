/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devmem.h"
#include "source/ram.h"

#define PAGE UINT64_C(4096)
#define LOW  (UINT64_C(1) << 20)

/* What su_devmem.ko does, if it is loaded. */
static enum { SU_ABSENT, SU_READS, SU_WRITES } su_devmem(void)
{
	int fd = open("/sys/module/su_devmem/parameters/writable", O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (fd < 0)
		return SU_ABSENT;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == 'Y' ? SU_WRITES : SU_READS;
}

/* Whether a page of [pa, pa + len) is RAM below 1 MiB for which the kernel gives zeros and drops what is written. */
static bool is_blind(uint64_t pa, size_t len, bool writing)
{
	uint64_t first = pa & -PAGE, end = (pa + len + PAGE - 1) & -PAGE;
	bool lifted = su_devmem() >= (writing ? SU_WRITES : SU_READS), blind = false;
	struct pw_ram ram;

	if (first >= LOW || pw_ram_read(&ram, NULL))
		return false;
	for (size_t i = 0; i < ram.n; i++) {
		uint64_t lo = ram.v[i].lo & -PAGE, last = ram.v[i].last | (PAGE - 1);

		if (last < first || lo >= end || lo >= LOW)
			continue;
		/* A page that is RAM in part alone is not lifted. */
		blind |= !lifted || (lo < ram.v[i].lo && lo >= first) || (last > ram.v[i].last && last < end);
	}
	pw_ram_free(&ram);
	return blind;
}

static int open_it(int flags, struct pw_error *err)
{
	int fd = open(DEVMEM, flags | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EACCES:
		return pw_error_set(err, -errno, DEVMEM ": not permitted: needs root");
	case EPERM:
		return pw_error_set(err, -errno, DEVMEM ": not permitted: needs CAP_SYS_RAWIO, and no lockdown");
	case ENOENT:
	case ENXIO:
		return pw_error_set(err, -errno, DEVMEM ": there is none: use -s kmod, bpf or kcore");
	}
	return pw_error_set(err, -errno, DEVMEM ": %s", strerror(errno));
}

static int refused(uint64_t pa, bool writing, struct pw_error *err)
{
	if (su_devmem() >= (writing ? SU_WRITES : SU_READS))
		return pw_error_set(err, -EPERM,
				    DEVMEM
				    ": 0x%llx is refused although su_devmem is loaded: a driver's, not wholly RAM, "
				    "or the kernel is locked down",
				    (unsigned long long)pa);
	if (writing)
		return pw_error_set(err, -EPERM,
				    DEVMEM
				    ": 0x%llx is RAM, which is not written here: modprobe su_devmem writable=1, or "
				    "use -s kmod with pagewalk's writable=1",
				    (unsigned long long)pa);
	return pw_error_set(err, -EPERM,
			    DEVMEM
			    ": 0x%llx is RAM, which is not shown here: modprobe su_devmem, or use -s kmod, bpf or "
			    "kcore",
			    (unsigned long long)pa);
}

static int explain(int code, uint64_t pa, bool writing, struct pw_error *err)
{
	switch (code) {
	case EPERM:
		return refused(pa, writing, err);
	case EFAULT:
		return pw_error_set(
			err, -code, DEVMEM ": 0x%llx: %s", (unsigned long long)pa,
			writing ? "the kernel has nothing there, or only to read"
				: "the kernel has nothing there: behind the end of RAM, or taken out of its "
				  "direct map");
	}
	return pw_error_set(err, -code, DEVMEM ": 0x%llx: %s", (unsigned long long)pa,
			    code ? strerror(code) : "it ends here");
}

static size_t in_page(uint64_t pa, size_t left)
{
	size_t room = (size_t)(PAGE - pa % PAGE);

	return left < room ? left : room;
}

/* By page: the kernel drops what it has already if a later page fails. */
int devmem_read(uint64_t pa, void *buf, size_t len, size_t *done, struct pw_error *err)
{
	int fd = open_it(O_RDONLY, err), rc = 0;

	*done = 0;
	if (fd < 0)
		return fd;
	while (*done < len && !rc) {
		size_t part = in_page(pa + *done, len - *done);
		bool blind = is_blind(pa + *done, part, false);
		ssize_t got = blind ? -1 : pread(fd, (char *)buf + *done, part, (off_t)(pa + *done));

		if (got <= 0)
			rc = explain(blind ? EPERM : got ? errno : 0, pa + *done, false, err);
		else
			*done += (size_t)got;
	}
	close(fd);
	return rc;
}

int devmem_write(uint64_t pa, const void *buf, size_t len, struct pw_error *err)
{
	bool blind = is_blind(pa, len, true);
	int fd = open_it(O_WRONLY, err), rc = 0;
	ssize_t got;

	if (fd < 0)
		return fd;
	got = blind ? -1 : pwrite(fd, buf, len, (off_t)pa);
	if (got != (ssize_t)len)
		rc = explain(blind ? EPERM : got < 0 ? errno : EIO, pa, true, err);
	close(fd);
	return rc;
}
