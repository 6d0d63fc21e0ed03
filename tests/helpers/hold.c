/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hold CMD...: runs CMD, stops it at the very end of its life, while all that it mapped is still mapped, prints
 * "held" on stderr, and lets it go at the end of standard input. The exit status is CMD's.
 *
 * A test that compares page tables before and after a run would otherwise miss what the run itself had in the
 * kernel (its stack, its BPF maps).
 */
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **argv)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(126);
	raise(SIGSTOP);
	execvp(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int status, end;
	char byte;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = fork();
	if (pid == 0)
		return run(argv + 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) || ptrace(PTRACE_CONT, pid, 0, 0)) {
		perror("hold");
		return 126;
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			fprintf(stderr, "held\n");
			do
				end = read(0, &byte, 1);
			while (end > 0);
		}
		ptrace(PTRACE_CONT, pid, 0, sig == SIGTRAP ? 0 : sig);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
