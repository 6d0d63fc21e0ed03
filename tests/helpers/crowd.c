/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crowd N M: N processes with M VMAs or a few more each, all alike, until standard input ends. Prints "ready".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

/* Neighbours that differ in permissions are VMAs of their own. */
static int make_vmas(unsigned long n)
{
	char *at = mmap(NULL, n * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	for (unsigned long i = 0; i < n; i += 2)
		if (mprotect(at + i * PAGE, PAGE, PROT_NONE))
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[1], NULL, 0) : 0;
	pid_t *pid = n ? calloc(n, sizeof(*pid)) : NULL;
	char byte;

	if (!pid || make_vmas(strtoul(argv[2], NULL, 0))) {
		perror("crowd");
		return 1;
	}
	for (unsigned long i = 1; i < n; i++) {
		pid[i] = fork();
		if (pid[i] < 0) {
			perror("crowd: fork");
			return 1;
		}
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	/* Who looks at all processes next shall see none that is about to end. */
	for (unsigned long i = 1; i < n; i++)
		kill(pid[i], SIGKILL);
	for (unsigned long i = 1; i < n; i++)
		waitpid(pid[i], NULL, 0);
	free(pid);
	return 0;
}
