// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * readstay FILE: reads a file that says something of the process that reads it, and stays as it was then.
 *
 * Prints "idle ADDR", a page of its own that is touched once and never again, and "ready"; obeys lines of
 * standard input, and runs in user mode between them:
 *
 *	read N      reads FILE from its beginning to its end, N bytes at a time; answers "report BYTES ERRNO" and BYTES bytes
 *	seek AT     the same by one pread() at that offset
 *	spread N    touches every other page of 2N, so that no two are neighbours; answers "spread ADDR"
 *	key         gives the idle page a protection key; answers "key N", 0 if there are none
 *	churn       from now on a second thread maps, touches and unmaps memory between ADDR and END; answers "churn ADDR END"
 *
 * All memory that it uses is touched before the first read. The idle page is far from all else: its tables are its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM  (8 << 20)
#define PAGE  4096ul
#define ALONE 0x10000200000UL
#define CHURN (8ul << 30)

static char report[ROOM], line[128], head[64];

static void put(const char *s, size_t n)
{
	while (n) {
		ssize_t done = write(1, s, n);

		if (done <= 0)
			exit(1);
		s += done;
		n -= done;
	}
}

/* One line, by no library: its buffers would come and go. False: there is none any more. */
static int take_line(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	size_t n = 0;

	for (;;) {
		for (volatile int i = 0; i < 1000000; i++)
			;
		if (!poll(&in, 1, 0))
			continue;
		if (n + 1 == sizeof(line) || read(0, line + n, 1) != 1)
			return 0;
		while (line[n] != '\n')
			if (++n + 1 == sizeof(line) || read(0, line + n, 1) != 1)
				return 0;
		line[n] = 0;
		return 1;
	}
}

static void answer(size_t got, int error)
{
	int n = snprintf(head, sizeof(head), "report %zu %d\n", got, error);

	put(head, n);
	put(report, got);
}

static void read_all(int fd, size_t chunk)
{
	size_t got = 0;
	ssize_t n = lseek(fd, 0, SEEK_SET);

	while (n >= 0 && got < ROOM) {
		n = read(fd, report + got, chunk < ROOM - got ? chunk : ROOM - got);
		if (n <= 0)
			break;
		got += n;
	}
	answer(got, n < 0 ? errno : 0);
}

static unsigned long spread(size_t n)
{
	char *p = mmap(NULL, 2 * n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	madvise(p, 2 * n * PAGE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++)
		p[2 * i * PAGE] = 1;
	return (unsigned long)p;
}

static int give_key(char *page)
{
	int key = pkey_alloc(0, 0);

	return key > 0 && !pkey_mprotect(page, PAGE, PROT_READ | PROT_WRITE, key) ? key : 0;
}

/* Pieces of all sizes, so that tables of each level come and go. */
static void *churn(void *arg)
{
	char *from = arg;

	for (size_t i = 0;; i++) {
		size_t at = (i * 7919 % 61) << 27, len = PAGE << i % 12;

		if (mmap(from + at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED)
			exit(1);
		for (size_t b = 0; b < len; b += 16 * PAGE)
			from[at + b] = 1;
		mmap(from + at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		if (i % 3 == 0)
			munmap(from + at, len);
	}
	return NULL;
}

static unsigned long start_churn(void)
{
	char *from = mmap(NULL, CHURN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_t thread;

	if (from == MAP_FAILED || pthread_create(&thread, NULL, churn, from))
		exit(1);
	return (unsigned long)from;
}

static int obey(int fd, char *idle)
{
	ssize_t got;
	unsigned long at;

	if (!strncmp(line, "read ", 5)) {
		read_all(fd, strtoul(line + 5, NULL, 10));
	} else if (!strncmp(line, "seek ", 5)) {
		got = pread(fd, report, ROOM, strtoll(line + 5, NULL, 10));
		answer(got < 0 ? 0 : got, got < 0 ? errno : 0);
	} else if (!strncmp(line, "spread ", 7)) {
		put(head, snprintf(head, sizeof(head), "spread %lx\n", spread(strtoul(line + 7, NULL, 10))));
	} else if (!strcmp(line, "key")) {
		put(head, snprintf(head, sizeof(head), "key %d\n", give_key(idle)));
	} else if (!strcmp(line, "churn")) {
		at = start_churn();
		put(head, snprintf(head, sizeof(head), "churn %lx %lx\n", at, at + CHURN));
	} else {
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1, n;
	char *idle = mmap((void *)ALONE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || idle == MAP_FAILED) {
		perror(argc == 2 ? argv[1] : "readstay FILE");
		return 1;
	}
	*idle = 1;
	memset(report, 1, sizeof(report));
	memset(line, 1, sizeof(line));
	memset(head, 1, sizeof(head));
	n = snprintf(head, sizeof(head), "idle %lx\nready\n", (unsigned long)idle);
	put(head, n);
	while (take_line())
		if (!obey(fd, idle))
			return 2;
	return 0;
}
