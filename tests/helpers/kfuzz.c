/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kfuzz CALLS SEED [write|drop]: random and mutated calls of /dev/pagewalk. Without `write` the module has writable=0 and
 * everything is tried. With it, what a write may reach is limited to memory of our own that is locked (by PID, and by
 * the physical frames that the module itself names for it) or to what has to be refused: other sources of targets would
 * be damage, not findings.
 *
 * Every struct starts out valid; then, in half of the calls, members are replaced by random or nasty values. What
 * comes back is judged: an errno that the call's documentation does not name is wrong. With `drop` the device is
 * opened first, then all privilege given up: whatever is asked then, EPERM is the only right answer. Prints a line a call,
 * "CALL calls N ok N" with the counts of each errno, and "wrong N"; exit status 1 if anything was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "uapi/pagewalk.h"

#define PAGE  4096UL
#define OWN   16 /* pages that writes may reach */
#define ROOM  64
#define CALLS 10

static const char *const names[CALLS] = { "other",     "INFO",       "ROOT",      "WALK",       "READ_TABLES",
					  "READ_PHYS", "WRITE_PHYS", "READ_USER", "WRITE_USER", "KALLOC" };
static const uint32_t sizes[CALLS] = { 64,
				       sizeof(struct pagewalk_info),
				       sizeof(struct pagewalk_root),
				       sizeof(struct pagewalk_walk),
				       sizeof(struct pagewalk_read_tables),
				       sizeof(struct pagewalk_phys),
				       sizeof(struct pagewalk_phys),
				       sizeof(struct pagewalk_user),
				       sizeof(struct pagewalk_user),
				       sizeof(struct pagewalk_kalloc) };
/* What each may say besides EPERM EINVAL E2BIG EFAULT EINTR ENOMEM. */
static const int said[CALLS][6] = { { ENOTTY },
				    { ENXIO },
				    { ESRCH, ENXIO, ENODATA },
				    { ESRCH, ESTALE, ENODATA },
				    { ESRCH, ESTALE },
				    { ENXIO, EROFS, EBUSY },
				    { ENXIO, EROFS, EBUSY },
				    { ESRCH },
				    { ESRCH, EROFS },
				    { EOPNOTSUPP, ENOENT, ENODATA } };

/* Any call's struct. */
union args {
	uint64_t word[32];
	uint32_t half[64];
	struct pagewalk_root root;
	struct pagewalk_walk walk;
	struct pagewalk_read_tables tables;
	struct pagewalk_phys phys;
	struct pagewalk_user user;
	struct pagewalk_kalloc kalloc;
};

static uint64_t state;
static int fd, writing, dropped;
static unsigned char *own; /* OWN locked pages */
static uint64_t frame[OWN];
static uint64_t self_root, kernel_root, pin;
static pid_t child;
static char room[1 << 20] __attribute__((aligned(4096)));
static struct pagewalk_table_req reqs[ROOM];
static uint32_t alloc_id;
static unsigned long count[CALLS][200], wrong;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t nasty(void)
{
	static const uint64_t values[] = {
		0,
		1,
		7,
		8,
		4095,
		4096,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7ffffffff000,
		0x800000000000,
		0xffff800000000000,
		0xffffffff80000000,
		0xffffffffffffffff,
		0xfffffffffffff000,
		1ull << 40,
		1ull << 52,
		0xfed00000,
		0x100000,
		1ull << 63,
		0xfff,
		0x1000000,
	};

	switch (rnd() % 5) {
	case 0:
		return values[rnd() % (sizeof(values) / sizeof(values[0]))];
	case 1:
		return rnd();
	case 2:
		return rnd() >> rnd() % 64;
	case 3:
		return (uintptr_t)own + rnd() % (OWN * PAGE);
	default:
		return self_root + rnd() % PAGE;
	}
}

/* -------- valid ones -------- */

static uint32_t some_pid(void)
{
	switch (rnd() % 4) {
	case 0:
		return 1;
	case 1:
		return (uint32_t)child;
	default:
		return (uint32_t)getpid();
	}
}

static void make_root(struct pagewalk_root *r)
{
	r->what = rnd() % 4;
	if (r->what == PAGEWALK_ROOT_PID)
		r->id = some_pid();
	if (r->what <= PAGEWALK_ROOT_PID)
		r->flags = rnd() % 2;
}

static void make_walk(struct pagewalk_walk *w)
{
	w->room = 1 + rnd() % ROOM;
	w->tables = (uintptr_t)room;
	w->pages = (uintptr_t)room + 65536;
	w->levels = rnd() % 4 ? 0 : rnd() % 32;
	if (rnd() % 4 == 0) {
		w->va = 0xffff800000000000;
		w->last = UINT64_MAX;
		return;
	}
	w->va = rnd() % 2 ? 0 : (uintptr_t)own;
	w->last = 0x7fffffffffff;
	if (rnd() % 2)
		w->pin = pin;
	else
		w->pid = some_pid();
}

static void make_tables(struct pagewalk_read_tables *r)
{
	r->count = 1 + rnd() % ROOM;
	r->reqs = (uintptr_t)reqs;
	r->req_size = sizeof(reqs[0]);
	r->pin = rnd() % 2 ? pin : 0;
	for (uint32_t i = 0; i < r->count; i++) {
		reqs[i] = (struct pagewalk_table_req){ .pa = rnd() % 2 ? self_root : kernel_root,
						       .bytes = PAGE,
						       .buf = (uintptr_t)room + i * PAGE };
		if (rnd() % 4 == 0)
			reqs[i].pa = nasty() & ~7ull;
		if (rnd() % 4 == 0)
			reqs[i].nlinks = rnd() % 6;
		for (uint32_t l = 0; l < reqs[i].nlinks && l < 4; l++)
			reqs[i].link[l] = (struct pagewalk_link){ rnd() % 2 ? self_root + rnd() % 512 * 8 : nasty(),
								  nasty(), nasty() };
		if (rnd() % 8 == 0)
			reqs[i].bytes = (uint32_t)nasty();
	}
}

/* Where nothing is lost: our own frames, or what is refused. */
static uint64_t safe_pa(void)
{
	switch (rnd() % 8) {
	case 0:
		return UINT64_MAX - rnd() % PAGE;
	case 1:
		return (1ull << 52) + rnd() % PAGE;
	default:
		return frame[rnd() % OWN] + rnd() % 64 * 8;
	}
}

static void make_phys(struct pagewalk_phys *p)
{
	static const uint32_t widths[] = { 0, 1, 2, 4, 8 };

	p->pa = safe_pa();
	p->len = 8 * (1 + rnd() % 256);
	p->buf = (uintptr_t)room;
	p->width = widths[rnd() % 5];
}

static void make_user(struct pagewalk_user *u)
{
	u->pid = (uint32_t)(rnd() % 2 ? child : getpid());
	u->va = (uintptr_t)own + rnd() % (OWN / 2 * PAGE);
	u->len = 1 + rnd() % (OWN / 2 * PAGE);
	u->buf = (uintptr_t)room;
	u->flags = rnd() % 2;
}

static void make_kalloc(struct pagewalk_kalloc *k)
{
	k->op = 1 + rnd() % 3;
	if (k->op == PAGEWALK_KALLOC_ALLOC) {
		k->kind = rnd() % 5;
		k->bytes = k->kind == PAGEWALK_KALLOC_PAGES ? PAGE << rnd() % 6 : 1 + rnd() % 32768;
		return;
	}
	k->id = alloc_id ? alloc_id - rnd() % 2 : 0;
	k->pages = (uintptr_t)room;
	k->room = rnd() % ROOM;
}

/* -------- mutation -------- */

/* With writing on, members that decide where a write goes are left as they were made. */
static int is_aim(unsigned nr, size_t word)
{
	if (!writing)
		return 0;
	if (nr == 5 || nr == 6) /* size+flags, pa, len: no MMIO either */
		return word <= 2;
	if (nr == 8) /* size+flags, pid, va, len */
		return word <= 3;
	return 0;
}

static void mutate(unsigned nr, union args *a)
{
	size_t n = sizes[nr] / 8;

	for (unsigned i = 1 + rnd() % 3; i > 0; i--) {
		size_t at = rnd() % n;

		if (is_aim(nr, at))
			continue;
		if (rnd() % 2)
			a->word[at] = nasty();
		else if (rnd() % 2)
			a->word[at] ^= 1ull << rnd() % 64;
		else
			a->half[2 * at + rnd() % 2] = (uint32_t)nasty();
	}
}

/* A pointer into our own code or stack would be written to: these go to `room` or to nowhere. */
static uint64_t tame(uint64_t p)
{
	if (p >= (uintptr_t)room && p < (uintptr_t)room + sizeof(room) / 2)
		return p;
	return rnd() % 2 ? 0x1000 : 0xffffffff80000000 + (p & 0xffffff);
}

static void tame_pointers(unsigned nr, union args *a)
{
	switch (nr) {
	case 3:
		a->walk.tables = tame(a->walk.tables);
		a->walk.pages = tame(a->walk.pages);
		if (a->walk.room > ROOM && a->walk.room <= 4096)
			a->walk.room = ROOM;
		break;
	case 4:
		if (a->tables.reqs != (uintptr_t)reqs)
			a->tables.reqs = 0x1000;
		else if (a->tables.count > ROOM)
			a->tables.count = rnd() % 2 ? 0 : 2000;
		break;
	case 5:
	case 6:
		a->phys.buf = tame(a->phys.buf);
		if (a->phys.len > sizeof(room) / 2 && a->phys.len <= 1 << 20)
			a->phys.len = 4096;
		break;
	case 7:
	case 8:
		a->user.buf = tame(a->user.buf);
		if (a->user.len > sizeof(room) / 2 && a->user.len <= 16 << 20)
			a->user.len = 65536;
		break;
	case 9:
		a->kalloc.pages = tame(a->kalloc.pages);
		if (a->kalloc.room > ROOM)
			a->kalloc.room = ROOM;
		break;
	}
}

/* -------- one call -------- */

static int allowed(unsigned nr, int code)
{
	static const int always[] = { 0, EPERM, EINVAL, E2BIG, EFAULT, EINTR, ENOMEM };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (always[i] == code)
			return 1;
	for (size_t i = 0; i < 6; i++)
		if (said[nr][i] == code)
			return 1;
	return 0;
}

static void one(void)
{
	union args a = { .word = { 0 } };
	unsigned nr = rnd() % 64 ? 1 + rnd() % 9 : 0;
	unsigned long cmd = _IOC(_IOC_READ | _IOC_WRITE, PAGEWALK_IOC, nr ? nr : 10 + rnd() % 246, sizes[nr]);
	int code;

	a.half[0] = sizes[nr];
	switch (nr) {
	case 2:
		make_root(&a.root);
		break;
	case 3:
		make_walk(&a.walk);
		break;
	case 4:
		make_tables(&a.tables);
		break;
	case 5:
	case 6:
		make_phys(&a.phys);
		break;
	case 7:
	case 8:
		make_user(&a.user);
		break;
	case 9:
		make_kalloc(&a.kalloc);
		break;
	}
	if (nr && rnd() % 2)
		mutate(nr, &a);
	tame_pointers(nr, &a);
	errno = 0;
	code = ioctl(fd, cmd, &a) ? errno : 0;
	if (!allowed(nr, code) && wrong++ < 20)
		printf("%s says %s\n", names[nr], strerrorname_np(code));
	count[nr][code < 200 ? code : 199]++;
	if (code)
		return;
	if (nr == 9 && a.kalloc.op == PAGEWALK_KALLOC_ALLOC)
		alloc_id = a.kalloc.id;
	if (nr == 2 && a.root.pin)
		pin = a.root.pin;
}

/* -------- set-up -------- */

static uint64_t root(uint32_t what)
{
	struct pagewalk_root r = { .size = sizeof(r), .what = what };

	return ioctl(fd, PAGEWALK_ROOT, &r) ? 0 : r.root;
}

/* Frames of our own locked pages, by /proc/self/pagemap. */
static int find_frames(void)
{
	uint64_t word[OWN];
	int map = open("/proc/self/pagemap", O_RDONLY);

	if (map < 0 || pread(map, word, sizeof(word), (uintptr_t)own / PAGE * 8) != sizeof(word))
		return -1;
	close(map);
	for (int i = 0; i < OWN; i++) {
		frame[i] = (word[i] & ((1ull << 55) - 1)) * PAGE;
		if (!frame[i])
			return -1;
	}
	return 0;
}

static int set_up(void)
{
	own = mmap(NULL, OWN * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (own == MAP_FAILED || mlock(own, OWN * PAGE))
		return -1;
	memset(own, 1, OWN * PAGE);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	fd = open("/dev/pagewalk", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	self_root = root(PAGEWALK_ROOT_SELF);
	kernel_root = root(PAGEWALK_ROOT_KERNEL);
	return find_frames();
}

/* Without privilege no call gets as far as looking at what it was given. */
static void judge_dropped(unsigned nr)
{
	for (int e = 0; e < 200; e++)
		if (e != (nr ? EPERM : ENOTTY))
			wrong += count[nr][e];
}

static int report(unsigned long calls)
{
	for (unsigned nr = 0; nr < CALLS; nr++) {
		unsigned long sum = 0;

		if (dropped)
			judge_dropped(nr);
		for (int e = 0; e < 200; e++)
			sum += count[nr][e];
		printf("%s calls %lu ok %lu", names[nr], sum, count[nr][0]);
		for (int e = 1; e < 200; e++)
			if (count[nr][e])
				printf(" %s %lu", strerrorname_np(e), count[nr][e]);
		printf("\n");
	}
	printf("calls %lu wrong %lu\n", calls, wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (argc < 3)
		return 2;
	state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15 | 1;
	writing = argc > 3 && !strcmp(argv[3], "write");
	dropped = argc > 3 && !strcmp(argv[3], "drop");
	if (set_up() || (dropped && setresuid(1000, 1000, 1000))) {
		perror("kfuzz");
		return 3;
	}
	for (unsigned long i = 0; i < calls; i++) {
		one();
		/* Allocations pile up with the descriptor. */
		if (i % 20000 == 19999 && !dropped) {
			close(fd);
			fd = open("/dev/pagewalk", O_RDWR | O_CLOEXEC);
			alloc_id = 0;
			pin = 0;
		}
	}
	return report(calls);
}
