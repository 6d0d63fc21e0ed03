/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time and the peak memory of a command, with its output thrown away:
 *
 *   peak INPUT COMMAND [ARGUMENT]...
 *
 * Prints nanoseconds from fork to its end, and KiB. What a process had before exec counts as its own, which is why this is a program: it has
 * next to nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int in = argc > 2 ? open(argv[1], O_RDONLY) : -1, out = open("/dev/null", O_WRONLY), status;
	long long at = now();
	pid_t child = in < 0 || out < 0 ? -1 : fork();

	if (child == 0) {
		dup2(in, 0);
		dup2(out, 1);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child || status) {
		fprintf(stderr, "peak: %s: failed\n", argc > 2 ? argv[2] : "nothing to run");
		return 3;
	}
	printf("%lld %ld\n", now() - at, usage.ru_maxrss);
	return 0;
}
