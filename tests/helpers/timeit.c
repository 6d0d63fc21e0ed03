// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timeit WAY RUNS STATUSES COMMAND [ARGUMENT]...: whole processes with their output thrown away, from fork() to their end. STATUSES: digits
 * of those with which they may end.
 *
 * A line each: "WAY 1 NANOSECONDS", and in the end "rss:WAY 1 KIB", the peak memory of the largest. What a process had before exec counts as its own:
 * that is why this is a program, and one that has next to nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	int out = open("/dev/null", O_WRONLY);
	long most = 0;

	if (argc < 5 || out < 0)
		return 2;
	for (int runs = atoi(argv[2]); runs > 0; runs--) {
		struct rusage usage;
		long long at = now();
		pid_t child = fork();
		int status;

		if (child == 0) {
			dup2(out, 1);
			execv(argv[4], argv + 4);
			_exit(127);
		}
		if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
		    WEXITSTATUS(status) > 9 || !strchr(argv[3], '0' + WEXITSTATUS(status))) {
			fprintf(stderr, "timeit: %s: failed\n", argv[4]);
			return 3;
		}
		printf("%s 1 %lld\n", argv[1], now() - at);
		most = usage.ru_maxrss > most ? usage.ru_maxrss : most;
	}
	printf("rss:%s 1 %ld\n", argv[1], most);
	return 0;
}
