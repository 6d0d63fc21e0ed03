/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cow FILE: a process and its child, both with the same mappings, until standard input ends:
 *
 *	private   two pages of FILE, private and writable, of which the child has the parent's copies
 *	edge      two pages, of which the second may not be written
 *	ro        two pages of FILE, private and read-only
 *
 * Prints "parent PID", "child PID", "NAME ADDR" each, and "ready".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

static char *map(int fd, int prot)
{
	char *at = mmap(NULL, 2 * PAGE, prot, MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (at == MAP_FAILED) {
		perror("cow: mmap");
		_exit(1);
	}
	return at;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	char page[2 * PAGE], *private, *edge, *ro, byte;
	pid_t child;

	memset(page, 'f', sizeof(page));
	if (fd < 0 || write(fd, page, sizeof(page)) != (ssize_t)sizeof(page))
		return 2;
	private = map(fd, PROT_READ | PROT_WRITE);
	edge = map(-1, PROT_READ | PROT_WRITE);
	ro = map(fd, PROT_READ);
	private[0] = 'p';
	memset(edge, 'e', 2 * PAGE);
	if (mprotect(edge + PAGE, PAGE, PROT_READ))
		return 1;
	child = fork();
	if (child < 0)
		return 1;
	if (!child)
		for (;;)
			pause();
	printf("parent %d\nchild %d\nprivate %lx\nedge %lx\nro %lx\nready\n", (int)getpid(), (int)child,
	       (unsigned long)private, (unsigned long)edge, (unsigned long)ro);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
