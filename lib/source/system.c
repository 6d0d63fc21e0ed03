// SPDX-License-Identifier: LGPL-2.1-or-later
#include "source/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int pw_system_read_fd(int fd, size_t max, char **text, size_t *len)
{
	size_t have = 0, room = 0;
	char *buf = NULL;

	for (;;) {
		ssize_t got;

		if (room - have < 2) {
			size_t want = room ? room * 2 : 8192;
			char *more = have >= max ? NULL : realloc(buf, want);

			if (!more) {
				free(buf);
				return have >= max ? -EFBIG : -ENOMEM;
			}
			buf = more;
			room = want;
		}
		got = read(fd, buf + have, room - have - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int rc = -errno;

			free(buf);
			return rc;
		}
		if (!got)
			break;
		have += (size_t)got;
	}
	buf[have] = 0;
	*text = buf;
	if (len)
		*len = have;
	return 0;
}

int pw_system_read_at(int dir, const char *name, size_t max, char **text, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = pw_system_read_fd(fd, max, text, len);
	close(fd);
	return rc;
}

int pw_system_read(const char *path, size_t max, char **text, size_t *len)
{
	return pw_system_read_at(AT_FDCWD, path, max, text, len);
}

int pw_system_pread(int fd, void *buf, size_t len, uint64_t off)
{
	char *to = buf;

	while (len) {
		ssize_t got = pread(fd, to, len, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -EIO;
		to += got;
		off += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

enum pw_lockdown pw_system_lockdown(void)
{
	enum pw_lockdown state = PW_LOCKDOWN_UNKNOWN;
	char *text;

	if (pw_system_read("/sys/kernel/security/lockdown", 4096, &text, NULL))
		return state;
	if (strstr(text, "[none]"))
		state = PW_LOCKDOWN_NONE;
	else if (strstr(text, "[integrity]"))
		state = PW_LOCKDOWN_INTEGRITY;
	else if (strstr(text, "[confidentiality]"))
		state = PW_LOCKDOWN_CONFIDENTIALITY;
	free(text);
	return state;
}

bool pw_system_capable(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return false;
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

const char *pw_system_get_rights(void)
{
	return geteuid() ? "run as root: sudo pagewalk ..." : "root without them (a container?): give it those capabilities";
}
