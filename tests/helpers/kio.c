/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kio: the calls of /dev/pagewalk, one a line of standard input, for as long as that is open; so a test can
 * change the world around an open descriptor. With arguments: these are the one line.
 *
 * Numbers are hexadecimal. Each call answers with one line, "ok NAME=VALUE..." or "err ENAME ..."; a walk
 * prints a line a table before that.
 *
 *	info CPU
 *	root WHAT ID FLAGS
 *	walk PIN PID VA LAST LEVELS ROOM
 *	tables PIN PA BYTES [LINK-PA EXPECT IGNORE]...
 *	rphys PA LEN WIDTH FLAGS        wphys PA DATA WIDTH FLAGS
 *	ruser PID VA LEN FLAGS          wuser PID VA DATA FLAGS
 *	kalloc KIND BYTES    kdesc ID FIRST ROOM    kfree ID
 *	raw NR SIZE BYTES               a call whose struct of SIZE (as it says itself) begins with DATA after that
 *	drop CAP                        gives up a capability (its number)
 *	storm CALL...                   makes one of the calls above until the next line or the end of input; a number
 *	                                N+M is each time another multiple of 8 from N on, below N + M
 *	quit
 *
 * A storm answers how often each outcome was seen (a table's status counts as one), and in how many successes the
 * data was not that of the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uapi/pagewalk.h"

#define MAX_ARGS 32
#define MAX_DATA (1 << 20)

static int fd;
static unsigned char *data;
static uint64_t arg[MAX_ARGS];
static char *word[MAX_ARGS];
static const char *outcome; /* of the last call: "ok", or an errno's name */

static struct {
	int on;
	uint64_t random;
	unsigned long calls, sums, differ; /* answers with data, and those of them that are not like the first */
	uint64_t first;
	struct {
		const char *outcome;
		unsigned long n;
	} tally[16];
} storm;

static void ok_or_err(int rc)
{
	outcome = rc ? strerrorname_np(errno) : "ok";
	if (rc)
		printf("err %s", outcome);
	else
		printf("ok");
}

/* What has no errno, but a status in the answer. */
static void status(int rc)
{
	if (rc)
		outcome = strerrorname_np(-rc);
}

static size_t unhex(const char *text)
{
	size_t n = 0;

	for (; text && text[0] && text[1] && n < MAX_DATA; text += 2) {
		char two[3] = { text[0], text[1], 0 };

		data[n++] = (unsigned char)strtoul(two, NULL, 16);
	}
	return n;
}

static uint64_t sum(const unsigned char *at, size_t n)
{
	uint64_t h = 0xcbf29ce484222325, piece;

	for (; n >= sizeof(piece); n -= sizeof(piece), at += sizeof(piece)) {
		memcpy(&piece, at, sizeof(piece));
		h = (h ^ piece) * 0x100000001b3;
	}
	for (; n; n--)
		h = (h ^ *at++) * 0x100000001b3;
	return h;
}

/* Of n bytes of data, `shown` are printed; in a storm all are compared. */
static void hex(size_t n, size_t shown)
{
	if (storm.on) {
		uint64_t s = sum(data, n);

		storm.first = storm.sums++ ? storm.first : s;
		storm.differ += s != storm.first;
		return;
	}
	printf(" data=");
	for (size_t i = 0; i < shown; i++)
		printf("%02x", data[i]);
}

#define SHOW(s, member) printf(" " #member "=%llx", (unsigned long long)(s).member)

static void do_info(void)
{
	struct pagewalk_info i = { .size = sizeof(i), .cpu = (uint32_t)arg[0] };

	ok_or_err(ioctl(fd, PAGEWALK_INFO, &i));
	SHOW(i, abi), SHOW(i, arch), SHOW(i, levels), SHOW(i, phys_bits), SHOW(i, features), SHOW(i, page_offset);
	SHOW(i, vmalloc_start), SHOW(i, vmalloc_last), SHOW(i, vmemmap_start), SHOW(i, modules_start);
	SHOW(i, modules_last), SHOW(i, image_start), SHOW(i, phys_base), SHOW(i, enc_mask);
	SHOW(i, cr0), SHOW(i, cr3), SHOW(i, cr4), SHOW(i, efer), SHOW(i, pat);
}

static void do_root(void)
{
	struct pagewalk_root r = {
		.size = sizeof(r), .what = (uint32_t)arg[0], .id = (uint32_t)arg[1], .flags = (uint32_t)arg[2]
	};

	ok_or_err(ioctl(fd, PAGEWALK_ROOT, &r));
	SHOW(r, root), SHOW(r, user_root), SHOW(r, pin);
}

static void do_walk(void)
{
	struct pagewalk_walk w = { .size = sizeof(w),
				   .pin = arg[0],
				   .pid = (uint32_t)arg[1],
				   .va = arg[2],
				   .last = arg[3],
				   .levels = (uint32_t)arg[4],
				   .room = (uint32_t)arg[5] };
	struct pagewalk_table *t = calloc(w.room ? w.room : 1, sizeof(*t));
	unsigned char *pages = aligned_alloc(4096, (w.room ? w.room : 1) * 4096UL);
	unsigned long calls = 0, n = 0, locked = 0, bad = 0;
	int rc, first_bad = 0;

	w.tables = (uintptr_t)t;
	w.pages = (uintptr_t)pages;
	do {
		rc = ioctl(fd, PAGEWALK_WALK, &w);
		calls++;
		for (uint32_t i = 0; !rc && i < w.count; i++) {
			printf("t va=%llx pa=%llx slot=%llx entry=%llx level=%x flags=%x status=%d sum=%llx\n", t[i].va,
			       t[i].pa, t[i].slot_pa, t[i].entry, t[i].level, t[i].flags, t[i].status,
			       (unsigned long long)sum(pages + i * 4096UL, 4096));
			locked += t[i].flags & PAGEWALK_TABLE_LOCKED;
			bad += t[i].status != 0;
			first_bad = first_bad ?: t[i].status;
		}
		n += w.count;
	} while (!rc && !w.done);
	ok_or_err(rc);
	status(first_bad);
	printf(" tables=%lx locked=%lx bad=%lx calls=%lx", n, locked, bad, calls);
	SHOW(w, pin);
	free(t);
	free(pages);
}

static void do_tables(int n)
{
	struct pagewalk_table_req req = { .pa = arg[1], .bytes = (uint32_t)arg[2], .buf = (uintptr_t)data };
	struct pagewalk_read_tables r = {
		.size = sizeof(r), .pin = arg[0], .reqs = (uintptr_t)&req, .count = 1, .req_size = sizeof(req)
	};

	for (int i = 3; i + 2 < n && req.nlinks < 4; i += 3)
		req.link[req.nlinks++] = (struct pagewalk_link){ arg[i], arg[i + 1], arg[i + 2] };
	ok_or_err(ioctl(fd, PAGEWALK_READ_TABLES, &r));
	status(req.status);
	printf(" status=%d flags=%x", req.status, req.flags);
	if (!req.status)
		printf(" sum=%llx", (unsigned long long)sum(data, req.bytes));
}

static void do_phys(int write)
{
	size_t len = write ? unhex(word[1]) : arg[1];
	struct pagewalk_phys p = { .size = sizeof(p),
				   .pa = arg[0],
				   .len = len,
				   .buf = (uintptr_t)data,
				   .width = (uint32_t)arg[2],
				   .flags = (uint32_t)arg[3] };
	int rc = ioctl(fd, write ? PAGEWALK_WRITE_PHYS : PAGEWALK_READ_PHYS, &p);

	ok_or_err(rc);
	SHOW(p, done);
	if (!rc && !write)
		hex(len, len);
}

static void do_user(int write)
{
	size_t len = write ? unhex(word[2]) : arg[2];
	struct pagewalk_user u = { .size = sizeof(u),
				   .pid = (uint32_t)arg[0],
				   .va = arg[1],
				   .len = len,
				   .buf = (uintptr_t)data,
				   .flags = (uint32_t)arg[3] };
	int rc = ioctl(fd, write ? PAGEWALK_WRITE_USER : PAGEWALK_READ_USER, &u);

	ok_or_err(rc);
	SHOW(u, done);
	if (!rc && !write)
		hex(len, len < 256 ? len : 256);
}

static void do_kalloc(uint32_t op)
{
	struct pagewalk_kalloc k = { .size = sizeof(k), .op = op };
	struct pagewalk_kpage *pages = NULL;

	if (op == PAGEWALK_KALLOC_ALLOC) {
		k.kind = (uint32_t)arg[0];
		k.bytes = arg[1];
	} else {
		k.id = (uint32_t)arg[0];
		k.first = (uint32_t)arg[1];
		k.room = (uint32_t)arg[2];
		pages = calloc(k.room + 1, sizeof(*pages));
		k.pages = (uintptr_t)pages;
	}
	if (!ioctl(fd, PAGEWALK_KALLOC, &k)) {
		for (uint32_t i = 0; i < k.count; i++)
			printf("p va=%llx pa=%llx api=%llx entry=%llx level=%x cpu=%x\n", pages[i].va, pages[i].pa,
			       pages[i].api_pa, pages[i].entry, pages[i].level, pages[i].cpu);
		errno = 0;
	}
	ok_or_err(errno != 0);
	SHOW(k, id), SHOW(k, kind), SHOW(k, bytes), SHOW(k, va), SHOW(k, count), SHOW(k, total);
	free(pages);
}

static void do_raw(void)
{
	uint32_t size = (uint32_t)arg[1];

	memset(data, 0, MAX_DATA);
	unhex(word[2]);
	memmove(data + 4, data, 4096);
	memcpy(data, &size, 4);
	ok_or_err(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, PAGEWALK_IOC, arg[0], 0), data));
}

static void do_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	int rc = (int)syscall(SYS_capget, &head, caps);

	caps[CAP_TO_INDEX(arg[0])].effective &= ~CAP_TO_MASK(arg[0]);
	ok_or_err(rc || syscall(SYS_capset, &head, caps));
}

static int split(char *line)
{
	int n = 0;
	char *at = strtok(line, " \n");

	memset(arg, 0, sizeof(arg));
	memset(word, 0, sizeof(word));
	while ((at = strtok(NULL, " \n")) && n < MAX_ARGS) {
		word[n] = at;
		arg[n++] = strtoull(at, NULL, 16);
	}
	return n;
}

/* The call by its name, and its n arguments. */
static int call(const char *name, int n)
{
	if (!strcmp(name, "info"))
		do_info();
	else if (!strcmp(name, "root"))
		do_root();
	else if (!strcmp(name, "walk"))
		do_walk();
	else if (!strcmp(name, "tables"))
		do_tables(n);
	else if (!strcmp(name, "rphys") || !strcmp(name, "wphys"))
		do_phys(name[0] == 'w');
	else if (!strcmp(name, "ruser") || !strcmp(name, "wuser"))
		do_user(name[0] == 'w');
	else if (!strcmp(name, "kalloc"))
		do_kalloc(PAGEWALK_KALLOC_ALLOC);
	else if (!strcmp(name, "kdesc"))
		do_kalloc(PAGEWALK_KALLOC_DESCRIBE);
	else if (!strcmp(name, "kfree"))
		do_kalloc(PAGEWALK_KALLOC_FREE);
	else if (!strcmp(name, "raw"))
		do_raw();
	else if (!strcmp(name, "drop"))
		do_drop();
	else
		return 0;
	return 1;
}

/* The arguments anew, with a choice made where there is one. */
static void choose(int n)
{
	for (int i = 0; i < n; i++) {
		char *plus = strchr(word[i], '+');
		uint64_t *r = &storm.random;

		if (!plus)
			continue;
		*r ^= *r << 13;
		*r ^= *r >> 7;
		*r ^= *r << 17;
		arg[i] = strtoull(word[i], NULL, 16) + *r % strtoull(plus, NULL, 16) / 8 * 8;
	}
}

static void count(void)
{
	size_t i = 0;

	while (storm.tally[i].n && strcmp(storm.tally[i].outcome, outcome) && i < 15)
		i++;
	storm.tally[i].outcome = outcome;
	storm.tally[i].n++;
	storm.calls++;
}

static int do_storm(int n)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	FILE *out = stdout, *nowhere = fopen("/dev/null", "w");
	const char *name = word[0];

	if (!nowhere || !name)
		return 0;
	memmove(word, word + 1, sizeof(word) - sizeof(word[0]));
	memmove(arg, arg + 1, sizeof(arg) - sizeof(arg[0]));
	memset(&storm, 0, sizeof(storm));
	storm.random = 0x9e3779b97f4a7c15 ^ (uint64_t)getpid();
	storm.on = 1;
	stdout = nowhere;
	do {
		choose(n - 1);
		if (!call(name, n - 1))
			return 0;
		count();
	} while (!poll(&input, 1, 0));
	stdout = out;
	storm.on = 0;
	fclose(nowhere);
	printf("ok calls=%lx differ=%lx", storm.calls, storm.differ);
	for (size_t i = 0; i < 16 && storm.tally[i].n; i++)
		printf(" %s=%lx", storm.tally[i].outcome, storm.tally[i].n);
	return 1;
}

static int run(char *line)
{
	char name[16] = "";
	int n;

	sscanf(line, "%15s", name);
	n = split(line);
	if (!(strcmp(name, "storm") ? call(name, n) : do_storm(n)))
		return 0;
	printf("\n");
	fflush(stdout);
	return 1;
}

int main(int argc, char **argv)
{
	size_t room = 4 * MAX_DATA;
	char *line = malloc(room);

	fd = open("/dev/pagewalk", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("err %s open\n", strerrorname_np(errno));
		return 1;
	}
	data = aligned_alloc(4096, MAX_DATA + 8192);
	if (!line || !data)
		return 1;
	if (argc > 1) {
		line[0] = 0;
		for (int i = 1; i < argc; i++) {
			strcat(line, argv[i]);
			strcat(line, " ");
		}
		return !run(line);
	}
	printf("open\n");
	fflush(stdout);
	while (getline(&line, &room, stdin) > 0 && run(line))
		;
	return 0;
}
