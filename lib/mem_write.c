// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing memory: by the module. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <pagewalk/mem.h>
#include <pagewalk/walk.h>

#include "source/kmod.h"
#include "uapi/pagewalk.h"

#define PAGE     UINT64_C(4096)
#define MAX_PHYS ((size_t)1 << 20) /* bytes of a call */
#define MAX_USER ((size_t)16 << 20)

/* Where va is, for as long as nobody moves it. */
static int find(const struct pw_space *space, uint64_t va, uint64_t *pa, struct pw_error *err)
{
	struct pw_translation t;
	int rc = pw_translate(space, &va, 1, &t);

	if (rc)
		return pw_error_set(err, rc, "0x%llx: %s", (unsigned long long)va, strerror(-rc));
	if (t.verdict != PW_MAPPED || t.pa == PW_PA_NONE)
		return pw_error_set(err, -EFAULT, "0x%llx is not mapped (%s)", (unsigned long long)va,
				    t.verdict == PW_MAPPED ? "frame hidden" : pw_verdict_name(t.verdict));
	*pa = t.pa;
	return 0;
}

static size_t in_page(uint64_t va, size_t left)
{
	size_t room = (size_t)(PAGE - va % PAGE);

	return left < room ? left : room;
}

static const char *why_not(int code)
{
	switch (code) {
	case EROFS:
		return "the module was not loaded with writable=1";
	case EPERM:
		return "needs CAP_SYS_RAWIO (and CAP_SYS_PTRACE for processes), and no lockdown";
	case EFAULT:
		return "it may not be written there";
	case ENXIO:
		return "not all of it is RAM";
	case ESRCH:
		return "the process is gone";
	}
	return strerror(code);
}

static int module_of(struct pw_target *t, struct pw_error *err)
{
	int fd = pw_kmod_fd(&t->source);

	return fd >= 0 ? fd
		       : pw_error_set(err, -EOPNOTSUPP, "source %s cannot do this: it needs the module (-s kmod)",
				      t->source.ops->name);
}

int pw_mem_write_phys(struct pw_target *t, uint64_t pa, const void *buf, size_t len, unsigned width,
		      struct pw_error *err)
{
	int fd = module_of(t, err);

	if (fd < 0)
		return fd;
	while (len) {
		size_t part = len < MAX_PHYS ? len : MAX_PHYS;
		struct pagewalk_phys p = {
			.size = sizeof(p), .pa = pa, .len = part, .buf = (uintptr_t)buf, .width = width
		};

		if (ioctl(fd, PAGEWALK_WRITE_PHYS, &p))
			return pw_error_set(err, -errno, "physical 0x%llx: %s", (unsigned long long)(pa + p.done),
					    why_not(errno));
		pa += part;
		buf = (const char *)buf + part;
		len -= part;
	}
	return 0;
}

static int write_user(int fd, pid_t pid, uint64_t va, const char *buf, size_t len, struct pw_error *err)
{
	while (len) {
		struct pagewalk_user u = { .size = sizeof(u),
					   .pid = (uint32_t)pid,
					   .va = va,
					   .buf = (uintptr_t)buf,
					   .len = len < MAX_USER ? len : MAX_USER };

		if (ioctl(fd, PAGEWALK_WRITE_USER, &u))
			return pw_error_set(err, -errno, "0x%llx: %s", (unsigned long long)va, why_not(errno));
		va += u.done;
		buf += u.done;
		len -= u.done;
	}
	return 0;
}

int pw_mem_write(struct pw_target *t, const struct pw_space *space, uint64_t va, const void *buf, size_t len,
		 unsigned width, struct pw_error *err)
{
	int fd = module_of(t, err), rc = 0;

	if (fd < 0)
		return fd;
	if (!(va >> 63) && space->pid)
		return write_user(fd, space->pid, va, buf, len, err);
	if (!(va >> 63))
		return pw_error_set(err, -EINVAL, "user addresses are written by PID");
	for (size_t done = 0, part; done < len && !rc; done += part) {
		uint64_t pa = PW_PA_NONE;

		part = in_page(va + done, len - done);
		rc = find(space, va + done, &pa, err);
		if (!rc)
			rc = pw_mem_write_phys(t, pa, (const char *)buf + done, part, width, err);
	}
	return rc;
}
