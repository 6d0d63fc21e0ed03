/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * letters [NAME]: a process of that name ("test") with a malloc'ed buffer of 64 letters A, which it never writes again. It
 * prints "buffer ADDR" and "Ready", and loops in user mode. Commands on standard input:
 *
 *	show      a line "PID HEX" with the buffer as the process itself sees it, and one as its child does; "shown"
 *	fork      from now on there is a child, with the same buffer: "child PID"
 *	name HEX  calls itself by these bytes, whatever they are: "named"
 *
 * It ends with standard input.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LETTERS 64

static char *buffer, out[4096];
static pid_t child;
static int to_child[2], from_child[2];

static void show(void)
{
	printf("%d", (int)getpid());
	putchar(' ');
	for (int i = 0; i < LETTERS; i++)
		printf("%02x", (unsigned char)buffer[i]);
	putchar('\n');
	fflush(stdout);
}

/* The child shows the buffer once for each byte that it gets, and gives the byte back. */
static void be_child(void)
{
	char byte;

	while (read(to_child[0], &byte, 1) == 1) {
		show();
		if (write(from_child[1], &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_child(void)
{
	if (child || pipe(to_child) || pipe(from_child))
		exit(1);
	child = fork();
	if (child < 0)
		exit(1);
	if (!child)
		be_child();
	printf("child %d\n", (int)child);
	fflush(stdout);
}

static void show_all(void)
{
	char byte = 0;

	show();
	if (child && (write(to_child[1], &byte, 1) != 1 || read(from_child[0], &byte, 1) != 1))
		exit(1);
	puts("shown");
	fflush(stdout);
}

static void rename_by(const char *line)
{
	char name[16];

	memset(name, 0, sizeof(name));
	for (unsigned int i = 0; i + 1 < sizeof(name) && sscanf(line + 2 * i, "%2hhx", (unsigned char *)&name[i]) == 1;
	     i++)
		;
	prctl(PR_SET_NAME, name);
	puts("named");
	fflush(stdout);
}

static void obey(char *line)
{
	if (!strcmp(line, "show\n"))
		show_all();
	else if (!strcmp(line, "fork\n"))
		start_child();
	else if (!strncmp(line, "name ", 5))
		rename_by(line + 5);
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char line[128];

	/* Or they would be neighbours of the buffer. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	prctl(PR_SET_NAME, argc > 1 ? argv[1] : "test");
	buffer = malloc(LETTERS);
	if (!buffer)
		return 1;
	memset(buffer, 'A', LETTERS);
	printf("buffer %lx\nReady\n", (unsigned long)buffer);
	fflush(stdout);
	for (;;) {
		for (volatile int i = 0; i < 1000000; i++)
			;
		if (poll(&in, 1, 0) < 1)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		obey(line);
	}
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return 0;
}
