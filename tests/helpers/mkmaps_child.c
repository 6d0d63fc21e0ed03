// SPDX-License-Identifier: LGPL-2.1-or-later
/* The factories of mkmaps for memory that a child process has too. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mkmaps.h"

static pid_t children[4];
static size_t n_children;

/*
 * A child that reads (or writes) the pages and then waits for its parent's end. It has touched
 * them when this returns.
 */
static pid_t fork_toucher(char *p, size_t len, bool write)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write)
			mk_write(p, len);
		else
			mk_read(p, len);
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0) {
		/* End of file: the child has closed its end, and stdin and stdout before. */
		while (read(ready[0], &c, 1) > 0)
			;
		if (n_children < sizeof(children) / sizeof(children[0]))
			children[n_children++] = pid;
	}
	close(ready[0]);
	return pid;
}

void mk_child_stop(void)
{
	while (n_children) {
		kill(children[--n_children], SIGKILL);
		waitpid(children[n_children], NULL, 0);
	}
}

int mk_shared_child(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	char *p = mk_map(len, MK_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char note[64];
	pid_t pid;

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	pid = fork_toucher(p, len, true);
	if (pid < 0)
		return mk_absent_errno(st, "fork");
	snprintf(note, sizeof(note), "shared=1 child=%d", pid);
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, note);
	return 0;
}

/* Private pages that fork() has made common: write-protected until someone writes. */
int mk_cow_child(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	char *p = mk_anon(8);
	char note[64];
	pid_t pid;

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	pid = fork_toucher(p, len, false);
	if (pid < 0)
		return mk_absent_errno(st, "fork");
	snprintf(note, sizeof(note), "child=%d", pid);
	mk_leaf(st, p, len, MK_PAGE, "r--", MK_WAS_WRITTEN, note);
	return 0;
}
