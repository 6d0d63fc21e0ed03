/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memio: /dev/mem, by descriptors that are kept open.
 *
 *   memio                   commands from standard input, a line of answer each (numbers are hexadecimal):
 *                             read PA LEN          "ok HEX" (as much as was read) or "err EPERM"
 *                             write PA HEX         "ok N"
 *                             mmap PA LEN r|w      "ok HEX": the first bytes there
 *                             store PA HEX         the same, written through a mapping
 *                             bad PA LEN           a write from memory that is not there
 *                             secret               "ok PA": a page of memfd_secret
 *                             own                  "ok PA...": frames of 16 locked pages of its own
 *   memio loop SECONDS      reads pages of its own memory, of known contents, over and over; "ok N eperm N wrong N"
 *   memio fuzz COUNT SEED [write]
 *                           random reads, writes and mappings. Writes go to RAM above 1 MiB that must refuse them; with
 *                           `write` (su_devmem has writable=1) to memory of its own, where they must succeed and change
 *                           what they name and nothing else, and to the kernel's code and rodata. Prints counts, "wrong N".
 *
 * Exit status 1: something was wrong; 3: could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096UL
#define OWN    16
#define MOST   (64UL << 10)
#define RANGES 64

struct range {
	uint64_t at, end;
};

static int fd;
static unsigned char *own; /* OWN locked pages */
static uint64_t frame[OWN];
static uint64_t state;
static unsigned long wrong;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

/* -------- memory of our own -------- */

static void fill(unsigned seed)
{
	for (size_t i = 0; i < OWN * PAGE; i++)
		own[i] = (unsigned char)(i * 7 + i / PAGE + seed);
}

static uint64_t frame_of(const void *p)
{
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (map < 0 || pread(map, &word, sizeof(word), (off_t)((uintptr_t)p / PAGE * 8)) != sizeof(word))
		word = 0;
	close(map);
	return (word & ((1ULL << 55) - 1)) * PAGE;
}

static int find_own(void)
{
	own = mmap(NULL, OWN * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (own == MAP_FAILED || mlock(own, OWN * PAGE))
		return -1;
	fill((unsigned)getpid());
	for (int i = 0; i < OWN; i++)
		frame[i] = frame_of(own + i * PAGE);
	return frame[0] ? 0 : -1;
}

/* -------- single calls -------- */

static void hex(const unsigned char *p, size_t n)
{
	fputs("ok ", stdout);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
	putchar('\n');
}

static size_t unhex(const char *text, unsigned char *to)
{
	unsigned byte;
	size_t n = 0;

	for (; n < MOST && sscanf(text + 2 * n, "%2x", &byte) == 1; n++)
		to[n] = (unsigned char)byte;
	return n;
}

static void failed(void)
{
	printf("err %s\n", strerrorname_np(errno));
}

static void map_it(uint64_t pa, size_t len, int prot, const unsigned char *data, size_t n)
{
	unsigned char *p = mmap(NULL, len, prot, MAP_SHARED, fd, (off_t)(pa & ~(PAGE - 1)));

	if (p == MAP_FAILED) {
		failed();
		return;
	}
	if (n)
		memcpy(p + pa % PAGE, data, n);
	hex(p + pa % PAGE, 16);
	munmap(p, len);
}

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static void make_secret(void)
{
	int secret = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	void *p = MAP_FAILED;

	if (secret >= 0 && !ftruncate(secret, PAGE))
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
	if (p == MAP_FAILED) {
		failed();
		return;
	}
	memset(p, 0x55, PAGE);
	printf("ok %llx\n", (unsigned long long)frame_of(p));
}

static void command(char *line)
{
	static unsigned char buf[MOST];
	static char text[2 * MOST + 1];
	unsigned long long pa = 0, len = 0;
	ssize_t got;

	if (sscanf(line, "read %llx %llx", &pa, &len) == 2 && len <= MOST) {
		got = pread(fd, buf, len, (off_t)pa);
		got < 0 ? failed() : hex(buf, (size_t)got);
	} else if (sscanf(line, "write %llx %131072s", &pa, text) == 2) {
		got = pwrite(fd, buf, unhex(text, buf), (off_t)pa);
		got < 0 ? failed() : (void)printf("ok %zd\n", got);
	} else if (sscanf(line, "mmap %llx %llx %1s", &pa, &len, text) == 3) {
		map_it(pa, len, *text == 'w' ? PROT_READ | PROT_WRITE : PROT_READ, NULL, 0);
	} else if (sscanf(line, "store %llx %131072s", &pa, text) == 2) {
		map_it(pa, PAGE, PROT_READ | PROT_WRITE, buf, unhex(text, buf));
	} else if (sscanf(line, "bad %llx %llx", &pa, &len) == 2) {
		void *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		got = pwrite(fd, nowhere, len, (off_t)pa);
		got < 0 ? failed() : (void)printf("ok %zd\n", got);
		munmap(nowhere, PAGE);
	} else if (!strncmp(line, "secret", 6)) {
		make_secret();
	} else if (!strncmp(line, "own", 3)) {
		printf("ok");
		for (int i = 0; i < OWN; i++)
			printf(" %llx", (unsigned long long)frame[i]);
		putchar('\n');
	} else {
		puts("err usage");
	}
	fflush(stdout);
}

static int commands(void)
{
	char *line = NULL;
	size_t room = 0;

	puts("open");
	fflush(stdout);
	while (getline(&line, &room, stdin) > 0)
		command(line);
	free(line);
	return 0;
}

/* -------- over and over -------- */

static int loop(unsigned seconds)
{
	static unsigned char buf[PAGE];
	unsigned long ok = 0, eperm = 0;
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		for (int i = 0; i < 64; i++) {
			unsigned page = (unsigned)below(OWN), off = (unsigned)below(PAGE);
			size_t len = 1 + below(PAGE - off);
			ssize_t got;

			memset(buf, 0x5a, sizeof(buf));
			got = pread(fd, buf, len, (off_t)(frame[page] + off));
			if (got == (ssize_t)len && !memcmp(buf, own + page * PAGE + off, len))
				ok++;
			else if (got < 0 && errno == EPERM)
				eperm++;
			else
				wrong++;
		}
	}
	printf("ok %lu eperm %lu wrong %lu\n", ok, eperm, wrong);
	return wrong != 0;
}

/* -------- at random -------- */

static struct range ram[RANGES], image[2]; /* above 1 MiB; code and rodata */
static unsigned nram, nimage;
static unsigned char *in, *out; /* MOST bytes each, and nothing behind them */
static unsigned long count[3], good[3], errnos[200];

static int find_ranges(void)
{
	FILE *f = fopen("/proc/iomem", "re");
	unsigned long long lo, last;
	char line[256], name[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %llx-%llx : %63[^\n]", &lo, &last, name) != 3 || lo < 1 << 20)
			continue;
		if (!strcmp(name, "System RAM") && nram < RANGES)
			ram[nram++] = (struct range){ lo, last + 1 };
		if ((!strcmp(name, "Kernel code") || !strcmp(name, "Kernel rodata")) && nimage < 2)
			image[nimage++] = (struct range){ lo, (last + 1) & ~(PAGE - 1) };
	}
	if (f)
		fclose(f);
	return nram && nimage == 2 ? 0 : -1;
}

static unsigned char *buffer(void)
{
	unsigned char *p = mmap(NULL, MOST + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + MOST, PAGE, PROT_NONE))
		exit(3);
	return p;
}

static size_t length(void)
{
	return below(8) ? below(300) : below(4) ? below(3 * PAGE) : below(MOST + 1);
}

static uint64_t anywhere(void)
{
	static const uint64_t edge[] = { 0,          0x9f000,    0xa0000,    1 << 20,    1ULL << 31,
					 1ULL << 32, 1ULL << 46, 1ULL << 52, 1ULL << 63, -4096ULL };
	const struct range *r = &ram[below(nram)];

	switch (below(4)) {
	case 0:
		return edge[below(sizeof(edge) / sizeof(*edge))] + below(2 * PAGE) - PAGE;
	case 1:
		return (below(2) ? r->at : r->end) + below(4 * PAGE) - 2 * PAGE;
	case 2:
		return rnd() >> below(64);
	default:
		return r->at + below(r->end - r->at);
	}
}

/* Inside one of the ranges, so far as there is room. */
static uint64_t inside(const struct range *r, size_t *len)
{
	if (*len > r->end - r->at)
		*len = r->end - r->at;
	return r->at + below(r->end - r->at - *len + 1);
}

static void note(int what, ssize_t got, size_t len, const char *said)
{
	const char *name = got < 0 ? strerrorname_np(errno) : "";

	count[what]++;
	good[what] += got >= 0;
	if (got < 0)
		errnos[errno < 200 ? errno : 199]++;
	if (got > (ssize_t)len || (got < 0 && !strstr(said, name))) {
		if (wrong++ < 20)
			printf("%s of %zu: %zd %s\n", what ? what > 1 ? "mmap" : "write" : "read", len, got, name);
	}
}

static void complain(const char *what, uint64_t at, size_t len)
{
	if (wrong++ < 20)
		printf("%s at %llx of %zu\n", what, (unsigned long long)at, len);
}

static void read_once(void)
{
	unsigned page = (unsigned)below(OWN), off = (unsigned)below(PAGE);
	int mine = !below(4);
	size_t len = mine ? below(PAGE - off + 1) : length();
	uint64_t pa = mine ? frame[page] + off : anywhere();
	unsigned char *to = below(16) ? in : below(2) ? NULL : in + MOST - len / 2;
	ssize_t got;

	memset(in, 0x5a, MOST);
	if (below(2)) {
		got = lseek(fd, (off_t)pa, SEEK_SET);
		/* Offsets as far up as error codes are refused. */
		if (got == -1 && errno == EOVERFLOW)
			return;
		got = read(fd, to, len);
	} else {
		got = pread(fd, to, len, (off_t)pa);
	}
	note(0, got, len, "EPERM EFAULT EINVAL EOVERFLOW");
	if (mine && to == in && (got != (ssize_t)len || memcmp(in, own + page * PAGE + off, len)))
		complain("own memory misread", pa, len);
	if (to == in && len < MOST && in[len] != 0x5a)
		complain("read too much", pa, len);
}

static void write_refused(void)
{
	size_t len = 1 + length() % (MOST - 1);
	uint64_t pa = inside(&ram[below(nram)], &len);
	ssize_t got = pwrite(fd, below(8) ? out : in + MOST, len, (off_t)pa);

	note(1, got, len, "EPERM EFAULT");
	if (got >= 0)
		complain("written", pa, len);
}

static void write_own(void)
{
	static unsigned char before[OWN * PAGE];
	unsigned page = (unsigned)below(OWN), off = (unsigned)below(PAGE);
	size_t len = 1 + below(PAGE - off);
	int bad = !below(8);
	ssize_t got;

	memcpy(before, own, sizeof(before));
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)rnd();
	got = pwrite(fd, bad ? in + MOST : out, len, (off_t)(frame[page] + off));
	note(1, got, len, "EFAULT");
	if (bad ? got >= 0 : got != (ssize_t)len)
		complain("own memory not written", frame[page] + off, len);
	if (!bad)
		memcpy(before + page * PAGE + off, out, len);
	if (memcmp(before, own, sizeof(before)))
		complain("own memory is not as written", frame[page] + off, len);
}

static void write_image(void)
{
	size_t len = 1 + length() % (MOST - 1);
	uint64_t pa = inside(&image[below(2)], &len);
	ssize_t got = pwrite(fd, out, len, (off_t)pa);

	note(1, got, len, "EFAULT");
	if (got >= 0)
		complain("written to the kernel's image", pa, len);
}

static void map_once(int writing)
{
	size_t len = (1 + below(4)) * PAGE;
	uint64_t pa = inside(writing ? &image[below(2)] : &ram[below(nram)], &len) & ~(PAGE - 1);
	void *p = mmap(NULL, len, below(2) ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)pa);

	note(2, p == MAP_FAILED ? -1 : 0, len, "EPERM");
	if (p == MAP_FAILED)
		return;
	complain("mapped", pa, len);
	munmap(p, len);
}

static int fuzz(unsigned long calls, int writing)
{
	static const char *const names[] = { "read", "write", "mmap" };

	if (find_ranges())
		return 3;
	in = buffer();
	out = buffer();
	while (calls--) {
		switch (below(8)) {
		case 0:
		case 1:
			writing ? below(2) ? write_own() : write_image() : write_refused();
			break;
		case 2:
			map_once(writing);
			break;
		default:
			read_once();
		}
	}
	for (int i = 0; i < 3; i++)
		printf("%s calls %lu ok %lu\n", names[i], count[i], good[i]);
	for (int e = 0; e < 200; e++)
		if (errnos[e])
			printf("%s %lu\n", strerrorname_np(e), errnos[e]);
	printf("wrong %lu\n", wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0 || find_own()) {
		perror("memio");
		return 3;
	}
	state = (argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)getpid()) * 0x9e3779b97f4a7c15ULL | 1;
	if (argc == 1)
		return commands();
	if (argc == 3 && !strcmp(argv[1], "loop"))
		return loop((unsigned)atoi(argv[2]));
	if (argc >= 4 && !strcmp(argv[1], "fuzz"))
		return fuzz(strtoul(argv[2], NULL, 0), argc > 4);
	return 2;
}
