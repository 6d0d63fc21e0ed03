/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmtables: users of /sys/kernel/debug/pagetables, and processes for them to look at.
 *
 *	vmtables hold                   maps memory at two addresses and does what lines of standard input say:
 *	    read FILE                       a file of that directory, opened anew: "data HEX" or "errno NAME"
 *	    spin                            runs user code until the next line
 *	vmtables own SECONDS            looks at its own tables by descriptors with a selection of their own
 *	vmtables shared SECONDS P Q     one process flips the selection that all share, two read: each read must be the
 *	                                table of one of the four selections of P and Q, both `hold`, and their two addresses
 *	vmtables chase SECONDS          looks at children that exit meanwhile
 *
 * The last three print "reads N wrong N" and what they saw; exit status 1 if anything was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORY "/sys/kernel/debug/pagetables/"
#define PAGE      4096
#define PAGES     64
#define AD        UINT64_C(0x60) /* Accessed and Dirty */
#define FRAME     UINT64_C(0x000ffffffffff000)
#define LEVELS    5

/* No index of the one is that of the other; with five levels the second has bits above 47. */
static uint64_t places[2] = { 0x012345600000, 0x5a9876a00000 };
static const char *const names[LEVELS] = { "pgd", "p4d", "pud", "pmd", "pte" };
static bool five;

static int fd[LEVELS]; /* -1: there is no such level */
static unsigned long reads, wrong;
static uint64_t state = 88172645463325252ULL;

static uint64_t rnd(unsigned int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 33) % n;
}

static void die(const char *what)
{
	perror(what);
	exit(3);
}

static int open_file(const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), DIRECTORY "%.20s", name);
	return open(path, flags | O_CLOEXEC);
}

static void open_tables(void)
{
	for (int i = 0; i < LEVELS; i++)
		fd[i] = open_file(names[i], O_RDWR);
	if (fd[0] < 0 || fd[4] < 0)
		die(DIRECTORY "pgd");
}

static void map_places(void)
{
	for (int i = 0; i < 2; i++) {
		char *p = mmap((void *)places[i], PAGES * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (p == MAP_FAILED)
			die("mmap");
		madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
		for (int k = 0; k < PAGES; k++)
			snprintf(p + k * PAGE, 64, "vmtables %d place %d page %d", (int)getpid(), i, k);
		mlock(p, PAGES * PAGE);
	}
}

/* A whole table in one read or in pieces; 0 or an errno. */
static int read_page(int from, void *to)
{
	size_t piece = rnd(2) ? PAGE : 1 + rnd(1500), at = 0;

	reads++;
	while (at < PAGE) {
		ssize_t got = pread(from, (char *)to + at, piece < PAGE - at ? piece : PAGE - at, at);

		if (got <= 0)
			return got ? errno : ENODATA;
		at += got;
	}
	return 0;
}

static bool same(const uint64_t *a, const uint64_t *b)
{
	for (int i = 0; i < 512; i++)
		if ((a[i] ^ b[i]) & ~AD)
			return false;
	return true;
}

static int index_of(int level, uint64_t va)
{
	return va >> (level == 0 && !five ? 39 : 48 - 9 * level) & 511;
}

static void select_by(int on, int pid, uint64_t va)
{
	char line[128];
	int n;

	if (rnd(2))
		n = snprintf(line, sizeof(line), "pid=%d vaddr=0x%llx", pid, (unsigned long long)va);
	else
		n = snprintf(line, sizeof(line), "pgdindex=%d p4dindex=%d pudindex=%d pmdindex=%d pid=%d\n",
			     index_of(0, va), five ? index_of(1, va) : 0, index_of(2, va), index_of(3, va), pid);
	if (write(on, line, n) != n)
		die(line);
}

static bool over(const char *seconds)
{
	static time_t end;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!end)
		end = now.tv_sec + atoi(seconds);
	return now.tv_sec >= end;
}

static int report(void)
{
	printf("reads %lu wrong %lu\n", reads, wrong);
	return wrong ? 1 : 0;
}

/* -------- hold -------- */

static void answer_read(const char *name)
{
	unsigned char page[PAGE];
	int from = open_file(name, O_RDONLY);
	ssize_t got = from < 0 ? -1 : read(from, page, PAGE);

	if (got < 0)
		printf("errno %s", strerrorname_np(errno));
	else
		printf("data ");
	for (ssize_t i = 0; i < got; i++)
		printf("%02x", page[i]);
	putchar('\n');
	if (from >= 0)
		close(from);
}

static void spin(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	puts("spinning");
	while (!poll(&in, 1, 0))
		for (volatile int i = 0; i < 2000000; i++)
			;
}

static int hold(void)
{
	char line[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	map_places();
	printf("pid %d\nplaces %llx %llx\nready\n", (int)getpid(), (unsigned long long)places[0],
	       (unsigned long long)places[1]);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "read ", 5))
			answer_read(line + 5);
		else if (!strcmp(line, "spin"))
			spin();
		else
			puts("what?");
	}
	return 0;
}

/* -------- own -------- */

/* The frames that pagemap gives are those of the table. */
static void check_frames(const uint64_t *table, uint64_t va, const uint64_t *frames)
{
	for (int k = 0; k < PAGES; k++)
		if ((table[(va >> 12 & 511) + k] & FRAME) != frames[k])
			wrong++;
}

static int own(const char *seconds)
{
	static uint64_t frames[2][PAGES], first[2][LEVELS], page[512];
	int chosen[LEVELS] = { -1, -1, -1, -1, -1 };
	int pagemap = open("/proc/self/pagemap", O_RDONLY);

	map_places();
	open_tables();
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < PAGES; k++) {
			if (pread(pagemap, &frames[i][k], 8, (places[i] / PAGE + k) * 8) != 8)
				die("pagemap");
			frames[i][k] = (frames[i][k] & ((UINT64_C(1) << 55) - 1)) << 12;
		}
	while (!over(seconds)) {
		int level = rnd(LEVELS), i, rc;
		uint64_t word;

		if (fd[level] < 0)
			continue;
		/* A selection lasts for some reads. 0 is the reader, which is the same process. */
		if (chosen[level] < 0 || !rnd(4)) {
			chosen[level] = rnd(2);
			select_by(fd[level], rnd(2) ? getpid() : 0, places[chosen[level]]);
		}
		i = chosen[level];
		rc = read_page(fd[level], page);
		if (rc) {
			printf("%s: %s\n", names[level], strerror(rc));
			wrong++;
			continue;
		}
		if (level == 4)
			check_frames(page, places[i], frames[i]);
		/* What is in the table for that place stays as it was. */
		word = page[index_of(level, places[i])] & ~AD;
		if (!first[i][level])
			first[i][level] = word;
		if (!word || word != first[i][level])
			wrong++;
	}
	return report();
}

/* -------- shared -------- */

static void flip(const int *pid)
{
	int by_pid = open_file("pid", O_WRONLY), by_va = open_file("vaddr", O_WRONLY);
	char line[32];

	for (;;) {
		int n = snprintf(line, sizeof(line), "0x%llx", (unsigned long long)places[rnd(2)]);

		if (write(by_va, line, n) != n)
			die("vaddr");
		n = snprintf(line, sizeof(line), "%d", pid[rnd(2)]);
		if (!rnd(3) && write(by_pid, line, n) != n)
			die("pid");
	}
}

/* A number, a byte at a time, as a shell reads it. */
static void check_number(int from)
{
	char text[32] = "";
	uint64_t va;

	if (lseek(from, 0, SEEK_SET))
		die("lseek");
	for (int n = 0; n < 31 && read(from, text + n, 1) == 1;)
		n++;
	va = strtoull(text, NULL, 0);
	reads++;
	if (va != places[0] && va != places[1]) {
		printf("vaddr: %s", text);
		wrong++;
	}
}

static int look(const char *seconds, uint64_t ref[4][LEVELS][512])
{
	static uint64_t page[512];
	unsigned long seen[4] = { 0 };
	int number = open_file("vaddr", O_RDONLY);

	open_tables(); /* without a selection of their own */
	while (!over(seconds)) {
		int level = rnd(LEVELS), rc, which;

		if (fd[level] < 0) {
			check_number(number);
			continue;
		}
		rc = read_page(fd[level], page);
		if (rc) {
			printf("%s: %s\n", names[level], strerror(rc));
			wrong++;
			continue;
		}
		for (which = 0; which < 4 && !same(page, ref[which][level]); which++)
			;
		if (which == 4)
			wrong++;
		else if (level == 4)
			seen[which]++;
	}
	printf("seen %lu %lu %lu %lu\n", seen[0], seen[1], seen[2], seen[3]);
	return report();
}

static int shared(const char *seconds, const int *pid)
{
	static uint64_t ref[4][LEVELS][512];
	int writer, status = 0, one, by_pid = open_file("pid", O_WRONLY), by_va = open_file("vaddr", O_WRONLY);

	open_tables();
	for (int i = 0; i < 4; i++)
		for (int level = 0; level < LEVELS; level++) {
			if (fd[level] < 0)
				continue;
			select_by(fd[level], pid[i / 2], places[i % 2]);
			if (read_page(fd[level], ref[i][level]))
				die("first look");
		}
	dprintf(by_pid, "%d", pid[0]);
	dprintf(by_va, "0x%llx", (unsigned long long)places[0]);
	writer = fork();
	if (!writer)
		flip(pid);
	reads = 0;
	for (int i = 0; i < 2; i++) {
		state += i + 1;
		if (!fork())
			return look(seconds, ref);
	}
	for (int i = 0; i < 2; i++) {
		wait(&one);
		status |= one;
	}
	kill(writer, SIGKILL);
	return status ? 1 : 0;
}

/* -------- chase -------- */

static void live(void)
{
	map_places();
	usleep(rnd(3000));
	_exit(0);
}

static int chase(const char *seconds)
{
	static uint64_t page[512];
	unsigned long children = 0, gone = 0, found = 0;
	int by_pid = open_file("pid", O_WRONLY), all = open_file("pte", O_RDONLY);

	open_tables();
	dprintf(open_file("vaddr", O_WRONLY), "0x%llx", (unsigned long long)places[0]);
	while (!over(seconds)) {
		char line[64];
		int child, n, rc = 0;

		state += children++;
		child = fork();
		if (!child)
			live();
		dprintf(by_pid, "%d", child);
		n = snprintf(line, sizeof(line), "pid=%d vaddr=0x%llx", child, (unsigned long long)places[1]);
		rc = write(fd[4], line, n) == n ? 0 : errno;
		for (int look = 0; rc != ESRCH && look < 100000; look++) {
			rc = read_page(look % 2 ? all : fd[2 + rnd(3)], page);
			if (rc && rc != ESRCH && rc != ENODATA) {
				printf("%s\n", strerror(rc));
				wrong++;
			}
			found += !rc;
		}
		gone += rc == ESRCH;
		waitpid(child, NULL, 0);
		/* It is not any more, and nobody takes its place. */
		if (read_page(fd[4], page) != ESRCH)
			wrong++;
	}
	printf("children %lu gone %lu found %lu\n", children, gone, found);
	return report();
}

int main(int argc, char **argv)
{
	state += getpid();
	five = !access(DIRECTORY "p4d", F_OK);
	if (five)
		places[1] |= UINT64_C(0xa1) << 48;
	if (argc == 2 && !strcmp(argv[1], "hold"))
		return hold();
	if (argc == 3 && !strcmp(argv[1], "own"))
		return own(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "chase"))
		return chase(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "shared"))
		return shared(argv[2], (int[]){ atoi(argv[3]), atoi(argv[4]) });
	fputs("Usage: vmtables hold | own SECONDS | shared SECONDS PID PID | chase SECONDS\n", stderr);
	return 2;
}
