/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hold FILE CMD...: runs CMD, stops it where it is about to close FILE, prints "held" on stderr, and lets it go at the end of
 * standard input. The exit status is CMD's; 125 when it never closed FILE.
 *
 * A test that compares page tables before and after a dump would otherwise miss what the dumping process itself had in the
 * kernel (its stack, its BPF maps): it gives that back between its last write and its end.
 */
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)

static int run(char **argv)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(126);
	raise(SIGSTOP);
	execvp(argv[0], argv);
	_exit(127);
}

/* Whether the stopped process is about to close that file. */
static bool closes(pid_t pid, const char *file)
{
	struct __ptrace_syscall_info info;
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY ||
	    info.entry.nr != SYS_close)
		return false;
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)info.entry.args[0]);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = 0;
	return !strcmp(path, file);
}

static void hold(void)
{
	char byte;

	fputs("held\n", stderr);
	while (read(0, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	bool held = false;
	int status;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = fork();
	if (pid == 0)
		return run(argv + 2);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) ||
	    ptrace(PTRACE_SYSCALL, pid, 0, 0)) {
		perror("hold");
		return 126;
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		if (sig == SYSCALL_STOP && !held && closes(pid, argv[1])) {
			held = true;
			hold();
		}
		ptrace(PTRACE_SYSCALL, pid, 0, sig == SYSCALL_STOP || sig == SIGTRAP ? 0 : sig);
	}
	if (!WIFEXITED(status))
		return 128 + WTERMSIG(status);
	return held || WEXITSTATUS(status) ? WEXITSTATUS(status) : 125;
}
