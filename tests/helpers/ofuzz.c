/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ofuzz COUNT SEED FILE... [-- WORD...]: COUNT rounds of bad and good input for files that take a line and give an
 * answer, as the origins' do. A round takes one of the files, opened anew or as an earlier round left it, and writes to
 * it once: words of the dictionary in any number and order, the same with bytes changed, cut off or NUL in the middle,
 * numbers of every size and sign, noise, nothing, far too much, from memory that is not there, at an odd offset, in two
 * parts. Then it reads up to three times, from and to anywhere, and leaves the file open or closes it.
 *
 * WORDs take the place of the built-in dictionary: what can be asked for by chance is then in the caller's hands.
 * @pid and @va in a word become this process's pid and an address of its own, @n a random number.
 *
 * Prints "FILE open|write|read|seek calls N ok N ERRNO N ..." and "wrong N": answers longer than asked, and bytes that
 * arrive behind what was asked for. Exit status 0; 1 something was wrong; 2 usage; 3 a file was never opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES  32
#define KEPT   4 /* descriptors a file that stay open from round to round */
#define MOST   (256 << 10)
#define CANARY 0xa5
#define ERRNOS 200

enum op { OPEN, WRITE, READ, SEEK, OPS };
static const char *const op_names[OPS] = { "open", "write", "read", "seek" };

struct file {
	const char *path;
	int fd[KEPT];
	unsigned long calls[OPS], failed[OPS][ERRNOS];
};

static const char *const built_in[] = {
	"pid=@pid", "pid=0",        "pid=1",    "pid=2",    "pid=@n",     "pid",        "vaddr=@va",    "vaddr=0x@n",
	"vaddr",    "@pid",         "@va",      "0",        "1",          "511",        "512",          "-1",
	"@n",       "0x",           "pgdindex", "p4dindex", "pudindex=0", "pmdindex=1", "pgdindex=256", "comm init",
	"listvma",  "findpage @va", "findpage", "vmalloc",  "kmalloc",    "4096",       "1M",           "1048577",
	"=",        "==",           "\n",       "\t",
};

static struct file files[FILES];
static const char *const *words = built_in;
static unsigned int nfiles, nwords = sizeof(built_in) / sizeof(*built_in);
static uint64_t state;
static unsigned long wrong;
static char *in, *out, *own; /* MOST bytes each, the page behind them not there; a page of our own */

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(unsigned int n)
{
	return (rnd() >> 32) % n;
}

/* A number of any size, often one that is next to a border. */
static uint64_t number(void)
{
	static const uint64_t border[] = { 0,           1,           511,        512,        4096,       UINT16_MAX,
					   INT32_MAX,   UINT32_MAX,  INT64_MAX,  UINT64_MAX, 1ULL << 47, 1ULL << 56,
					   ~0ULL << 47, ~0ULL << 56, 1ULL << 30, 1ULL << 52, 1ULL << 63 };

	if (below(2))
		return border[below(sizeof(border) / sizeof(*border))] + below(3) - 1;
	return rnd() >> below(64);
}

static size_t put_number(char *to, size_t room)
{
	static const char *const forms[] = { "%llu", "%llx", "0x%llx", "-%llu", "%lld", "0%llo", "+%llu", "0X%llX" };

	return snprintf(to, room, forms[below(sizeof(forms) / sizeof(*forms))], (unsigned long long)number());
}

/* A word of the dictionary, with what is to be put in for @. At least 64 bytes of room. */
static size_t put_word(char *to, size_t room)
{
	const char *w = words[below(nwords)];
	size_t n = 0;

	while (*w && n + 48 < room) {
		if (!strncmp(w, "@pid", 4)) {
			n += sprintf(to + n, "%d", (int)getpid());
			w += 4;
		} else if (!strncmp(w, "@va", 3)) {
			n += sprintf(to + n, "0x%lx", (unsigned long)own);
			w += 3;
		} else if (!strncmp(w, "@n", 2)) {
			n += put_number(to + n, room - n);
			w += 2;
		} else {
			to[n++] = *w++;
		}
	}
	return n;
}

static size_t put_line(char *to, unsigned int most_words)
{
	static const char between[] = "     \n\t,=;\0";
	unsigned int i, n = 1 + below(most_words);
	size_t len = 0;

	for (i = 0; i < n && len < MOST - 4096; i++) {
		if (i)
			to[len++] = between[below(sizeof(between) - 1)];
		len += below(8) ? put_word(to + len, 4096) : put_number(to + len, 4096);
	}
	if (below(2))
		to[len++] = '\n';
	return len;
}

static void mutate(char *to, size_t len)
{
	unsigned int n = 1 + below(4);

	while (len && n--)
		to[below(len)] = below(3) ? (char)rnd() : "\0\n \xff-=x"[below(7)];
}

/* Fills `in` from its beginning; the length. */
static size_t make_input(void)
{
	size_t len;

	switch (below(16)) {
	case 0:
		return 0;
	case 1:
		len = 1 + below(64);
		for (size_t i = 0; i < len; i++)
			in[i] = (char)rnd();
		return len;
	case 2:
		len = 1 + below(below(8) ? 9000 : MOST);
		memset(in, "A0 \n\0\xff"[below(6)], len);
		return len;
	case 3:
		return put_line(in, 1 + below(2000));
	case 4:
		return put_number(in, 64);
	case 5:
	case 6:
	case 7:
		len = put_line(in, 5);
		mutate(in, len);
		return len;
	case 8:
		return below(put_line(in, 5) + 1); /* cut off */
	default:
		return put_line(in, 5);
	}
}

static void note(struct file *f, enum op op, ssize_t got, size_t asked)
{
	f->calls[op]++;
	if (got < 0)
		f->failed[op][errno < ERRNOS ? errno : ERRNOS - 1]++;
	else if ((op == READ || op == WRITE) && (size_t)got > asked)
		wrong++;
}

static off_t offset(void)
{
	return below(4) ? below(5000) : (off_t)(number() >> 1);
}

static void write_once(struct file *f, int fd)
{
	size_t len = make_input();
	char *from = in;
	struct iovec part[2];

	switch (below(12)) {
	case 0: /* ends where memory ends */
		from = memmove(in + MOST - len, in, len);
		break;
	case 1: /* goes on where there is none */
		from = in + MOST - len / 2;
		break;
	case 2:
		from = NULL;
		break;
	case 3:
		note(f, WRITE, pwrite(fd, from, len, offset()), len);
		return;
	case 4:
		part[0] = (struct iovec){ from, len / 2 };
		part[1] = (struct iovec){ from + len / 2, len - len / 2 };
		note(f, WRITE, writev(fd, part, 2), len);
		return;
	case 5: /* two writes of one line */
		note(f, WRITE, write(fd, from, len / 2), len / 2);
		from += len / 2;
		len -= len / 2;
		break;
	}
	note(f, WRITE, write(fd, from, len), len);
}

static void read_once(struct file *f, int fd)
{
	size_t len = below(8) ? below(5000) : below(MOST + 1), behind = MOST - len < 64 ? MOST - len : 64;
	char *to = out;
	ssize_t got;

	if (!below(16))
		to = below(2) ? NULL : out + MOST - len / 2;
	if (to == out)
		memset(out + len, CANARY, behind);
	got = below(3) ? read(fd, to, len) : pread(fd, to, len, offset());
	note(f, READ, got, len);
	for (size_t i = 0; to == out && i < behind; i++)
		if ((unsigned char)out[len + i] != CANARY) {
			wrong++;
			break;
		}
}

static void one_round(void)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDWR, O_WRONLY, O_RDONLY };
	struct file *f = &files[below(nfiles)];
	int *fd = &f->fd[below(KEPT)];
	unsigned int n;

	if (*fd < 0) {
		*fd = open(f->path, modes[below(5)] | O_CLOEXEC);
		note(f, OPEN, *fd, 0);
		if (*fd < 0)
			return;
	}
	for (n = below(2); n; n--)
		read_once(f, *fd);
	write_once(f, *fd);
	for (n = below(3); n; n--) {
		if (!below(4))
			note(f, SEEK, lseek(*fd, offset(), (int)below(3)), 0);
		read_once(f, *fd);
	}
	if (below(2)) {
		close(*fd);
		*fd = -1;
	}
}

static int report(void)
{
	int status = wrong ? 1 : 0;

	for (struct file *f = files; f < files + nfiles; f++)
		for (unsigned int op = 0; op < OPS; op++) {
			unsigned long ok = f->calls[op];

			for (unsigned int e = 0; e < ERRNOS; e++)
				ok -= f->failed[op][e];
			printf("%s %s calls %lu ok %lu", f->path, op_names[op], f->calls[op], ok);
			for (unsigned int e = 0; e < ERRNOS; e++)
				if (f->failed[op][e])
					printf(" %s %lu", strerrorname_np((int)e) ? strerrorname_np((int)e) : "?",
					       f->failed[op][e]);
			putchar('\n');
			if (op == OPEN && !ok)
				status = 3;
		}
	printf("wrong %lu\n", wrong);
	return status;
}

/* MOST bytes, and nothing behind them. */
static char *buffer(void)
{
	char *p = mmap(NULL, MOST + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p + MOST, 4096)) {
		perror("ofuzz: mmap");
		exit(3);
	}
	/* The next mapping must not end up there. */
	mmap(p + MOST, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return p;
}

int main(int argc, char **argv)
{
	unsigned long count;
	int i;

	for (i = 3; i < argc && strcmp(argv[i], "--") && nfiles < FILES; i++) {
		files[nfiles].path = argv[i];
		memset(files[nfiles++].fd, 0xff, sizeof(files[0].fd));
	}
	if (!nfiles) {
		fputs("Usage: ofuzz COUNT SEED FILE... [-- WORD...]\n", stderr);
		return 2;
	}
	if (i + 1 < argc) {
		words = (const char *const *)argv + i + 1;
		nwords = argc - i - 1;
	}
	signal(SIGPIPE, SIG_IGN);
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	in = buffer();
	out = buffer();
	own = buffer();
	memset(own, 'A', 4096);
	for (count = strtoul(argv[1], NULL, 0); count; count--)
		one_round();
	return report();
}
