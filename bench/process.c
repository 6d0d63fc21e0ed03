/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process WAY RUNS CMD...: whole processes with their output thrown away. A line each: "WAY 1 NANOSECONDS", and in the end "rss:WAY 1 KIB", the
 * peak memory of the largest. A program of its own, because the peak of who starts a process counts as that process's own.
 */
#include <stdlib.h>
#include <string.h>

#include "measure.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	long most = 0;

	if (argc < 4)
		return 2;
	for (int runs = atoi(argv[2]); runs > 0; runs--) {
		uint64_t at = now();
		long rss = run_process((const char *const *)argv + 3);

		measured(argv[1], 1, at);
		most = rss > most ? rss : most;
	}
	printf("rss:%s 1 %ld\n", argv[1], most);
	return 0;
}
