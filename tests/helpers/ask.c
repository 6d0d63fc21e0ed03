/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ask FILE: holds FILE open for reading and writing, and does what standard input says:
 *
 *	w HEX     writes these bytes at once ("w -": none)
 *	p N HEX   the same by pwrite() at offset N
 *	b N       writes N bytes from where there is no memory
 *	r N       reads up to N bytes
 *	a         reads to the end
 *	s N       lseek() to N
 *	d N       gives up capability N
 *
 * "open" or "err ERRNO" first; then, to each, "ok N [HEX]" or "err ERRNO".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST (1 << 20) /* bytes of a line */

static unsigned char data[MOST];

static size_t from_hex(const char *hex)
{
	size_t n = 0;

	while (sscanf(hex + 2 * n, "%2hhx", &data[n]) == 1)
		n++;
	return n;
}

static void answer(ssize_t got, const unsigned char *bytes)
{
	if (got < 0) {
		printf("err %s\n", strerrorname_np(errno));
		return;
	}
	printf("ok %zd ", got);
	for (ssize_t i = 0; bytes && i < got; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

static void read_all(int fd)
{
	ssize_t got = 0, more;
	unsigned char *all = NULL;

	do {
		all = realloc(all, got + MOST);
		if (!all)
			exit(1);
		more = read(fd, all + got, MOST);
		if (more > 0)
			got += more;
	} while (more > 0);
	answer(more < 0 ? more : got, all);
	free(all);
}

static ssize_t drop(unsigned int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &head, sets))
		return -1;
	sets[cap / 32].effective &= ~(1U << cap % 32);
	return syscall(SYS_capset, &head, sets);
}

static void obey(int fd, char *line)
{
	char *rest = line + (line[1] ? 2 : 1);
	unsigned long n = strtoul(rest, &rest, 0);

	switch (line[0]) {
	case 'w':
		answer(write(fd, data, from_hex(line + 2)), NULL);
		break;
	case 'p':
		answer(pwrite(fd, data, from_hex(rest + 1), n), NULL);
		break;
	case 'b':
		answer(write(fd, (void *)(uintptr_t)8, n), NULL);
		break;
	case 'r':
		answer(read(fd, data, n < MOST ? n : MOST), data);
		break;
	case 's':
		answer(lseek(fd, n, SEEK_SET), NULL);
		break;
	case 'd':
		answer(drop(n), NULL);
		break;
	case 'a':
		read_all(fd);
	}
}

int main(int argc, char **argv)
{
	static char line[2 * MOST];
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0) {
		printf("err %s\n", strerrorname_np(errno));
		return 1;
	}
	puts("open");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		obey(fd, line);
		fflush(stdout);
	}
	return 0;
}
