// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The guest's PID 1: mounts the usual file systems, loads the modules that the channel needs, then
 * runs commands for the host over one virtio-serial port, many at a time.
 *
 * Every message, both ways, is { u32 bytes; u32 id; u32 type; } little-endian, then `bytes` bytes:
 *
 *   to the guest    EXEC    struct exec; then cwd, argv[], envp[], each NUL-terminated
 *                   STDIN   data for the command; empty: end of file
 *                   SIGNAL  u32 number, sent to the command's process group
 *   to the host     HELLO   kernel release (id 0), once the port is open
 *                   STARTED u32 pid, or no payload when it could not be started
 *                   STDOUT, STDERR   data
 *                   EXIT    u32 wait status; what was in the pipes by then has been sent before it
 *
 * The id is the host's name for a command. A child that outlives its command loses the pipes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT_NAME    "pagewalk.agent"
#define MAX_COMMANDS 64
#define CHUNK        (256 * 1024)
#define MAX_MESSAGE  (4 * 1024 * 1024)

enum { EXEC = 1, STDIN, SIGNAL, HELLO = 16, STARTED, STDOUT, STDERR, EXIT };

struct header {
	uint32_t bytes, id, type;
};

struct command {
	pid_t pid; /* 0: free slot */
	uint32_t id;
	int in, out, err; /* our ends of its pipes, -1 when closed */
	char *queue;      /* stdin not yet taken by the command */
	size_t queued;
	int eof; /* close `in` once the queue is empty */
};

/* Who to be and how many strings follow. `caps` is what an ordinary user keeps, in every set. */
struct exec {
	uint32_t uid, gid, caps[2], argc, envc;
};

static struct command commands[MAX_COMMANDS];
static int port = -1;
static char chunk[CHUNK];

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("agent: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 100);
		else if (done < 0 && errno != EINTR)
			die("write to port: %s", strerror(errno));
		else if (done > 0)
			p += done, n -= done;
	}
}

static void send_message(uint32_t id, uint32_t type, const void *data, uint32_t bytes)
{
	struct header h = { bytes, id, type };

	write_all(port, &h, sizeof(h));
	write_all(port, data, bytes);
}

/* Set-up */

static void mount_all(void)
{
	static const struct {
		const char *type, *dir, *data;
	} mounts[] = {
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "devtmpfs", "/dev", NULL },
		{ "tmpfs", "/tmp", "mode=1777" },
		{ "tmpfs", "/dev/shm", "mode=1777" },
		{ "tmpfs", "/run", "mode=755" },
		{ "devpts", "/dev/pts", NULL },
		{ "securityfs", "/sys/kernel/security", NULL },
		{ "debugfs", "/sys/kernel/debug", NULL },
		{ "tracefs", "/sys/kernel/tracing", NULL },
		{ "bpf", "/sys/fs/bpf", NULL },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].dir, 0755);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, mounts[i].data))
			fprintf(stderr, "agent: mount %s: %s\n", mounts[i].dir, strerror(errno));
	}
}

static void load_modules(void)
{
	FILE *list = fopen("/lib/agent-modules", "re");
	char path[512];

	while (list && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			die("%s: %s", path, strerror(errno));
		close(fd);
	}
	if (list)
		fclose(list);
}

/* The device node of our port, or -1 while it is not there yet. */
static int open_port(void)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		char path[512], name[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
		name[strcspn(name, "\n")] = 0;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		if (!strcmp(name, PORT_NAME))
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (d)
		closedir(d);
	return fd;
}

/* Commands */

static struct command *find_command(uint32_t id)
{
	for (int i = 0; i < MAX_COMMANDS; i++)
		if (commands[i].pid && commands[i].id == id)
			return &commands[i];
	return NULL;
}

static struct command *free_command(void)
{
	for (int i = 0; i < MAX_COMMANDS; i++)
		if (!commands[i].pid)
			return &commands[i];
	return NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int keep_capabilities(const uint32_t caps[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ caps[0], caps[0], caps[0] },
		{ caps[1], caps[1], caps[1] },
	};

	if (syscall(SYS_capset, &head, data))
		return -1;
	for (int i = 0; i < 64; i++)
		if (caps[i / 32] >> (i % 32) & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0))
			return -1;
	return 0;
}

static void become(const struct exec *e)
{
	if (!e->uid && !e->gid)
		return;
	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) || setresgid(e->gid, e->gid, e->gid) ||
	    setresuid(e->uid, e->uid, e->uid) || (e->uid && keep_capabilities(e->caps))) {
		fprintf(stderr, "cannot become %u:%u: %s\n", e->uid, e->gid, strerror(errno));
		_exit(126);
	}
}

static void run_child(const struct exec *e, const char *cwd, char **argv, char **envp, int fds[3])
{
	sigset_t none;

	setsid();
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i); /* the pipes themselves are close-on-exec */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	become(e);
	environ = envp;
	if (chdir(cwd)) {
		fprintf(stderr, "%s: %s\n", cwd, strerror(errno));
		_exit(126);
	}
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Splits `count` strings out of [*p, end); returns a NULL-terminated array, or NULL. */
static char **take_strings(char **p, char *end, uint32_t count)
{
	char **list = count > 65536 ? NULL : calloc(count + 1, sizeof(*list));

	for (uint32_t i = 0; list && i < count; i++) {
		char *nul = memchr(*p, 0, end - *p);

		if (!nul) {
			free(list);
			return NULL;
		}
		list[i] = *p;
		*p = nul + 1;
	}
	return list;
}

static void start_command(uint32_t id, char *data, uint32_t bytes)
{
	struct command *c = free_command();
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	char *end = data + bytes, *p = data + sizeof(struct exec);
	char **cwd = NULL, **argv = NULL, **envp = NULL;
	const struct exec *e = (struct exec *)data;
	uint32_t pid;

	if (c && bytes >= sizeof(*e) && (cwd = take_strings(&p, end, 1)) && (argv = take_strings(&p, end, e->argc)) &&
	    (envp = take_strings(&p, end, e->envc)) && e->argc && !pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC) &&
	    !pipe2(err, O_CLOEXEC)) {
		fcntl(out[1], F_SETPIPE_SZ, CHUNK);
		c->pid = fork();
		if (!c->pid)
			run_child(e, cwd[0], argv, envp, (int[]){ in[0], out[1], err[1] });
		pid = c->pid < 0 ? 0 : c->pid;
	} else {
		pid = 0;
	}
	close_fd(&in[0]);
	close_fd(&out[1]);
	close_fd(&err[1]);
	if (pid) {
		*c = (struct command){ .pid = pid, .id = id, .in = in[1], .out = out[0], .err = err[0] };
		fcntl(c->in, F_SETFL, O_NONBLOCK);
		fcntl(c->out, F_SETFL, O_NONBLOCK);
		fcntl(c->err, F_SETFL, O_NONBLOCK);
	} else {
		if (c)
			c->pid = 0;
		close_fd(&in[1]);
		close_fd(&out[0]);
		close_fd(&err[0]);
	}
	free(cwd);
	free(argv);
	free(envp);
	send_message(id, STARTED, &pid, pid ? 4 : 0);
}

/* Moves one chunk; false when nothing is left to read now. */
static int forward(struct command *c, int *fd, uint32_t type)
{
	ssize_t n = *fd < 0 ? -1 : read(*fd, chunk, sizeof(chunk));

	if (n > 0)
		send_message(c->id, type, chunk, n);
	else if (n == 0)
		close_fd(fd);
	return n > 0;
}

static void feed(struct command *c)
{
	ssize_t n = c->queued ? write(c->in, c->queue, c->queued) : 0;

	if (n < 0 && errno != EAGAIN) { /* it no longer reads */
		c->queued = 0;
		c->eof = 1;
	} else if (n > 0) {
		memmove(c->queue, c->queue + n, c->queued - n);
		c->queued -= n;
	}
	if (c->eof && !c->queued)
		close_fd(&c->in);
}

static void add_input(struct command *c, const char *data, uint32_t bytes)
{
	if (c->in < 0)
		return;
	if (!bytes) {
		c->eof = 1;
	} else {
		char *more = realloc(c->queue, c->queued + bytes);

		if (!more)
			die("out of memory for input");
		memcpy(more + c->queued, data, bytes);
		c->queue = more;
		c->queued += bytes;
	}
	feed(c);
}

static void end_command(struct command *c, uint32_t status)
{
	/* A pipe holds no more than a few chunks; another writer may never stop. */
	for (int i = 0; i < 8 && forward(c, &c->out, STDOUT); i++)
		;
	for (int i = 0; i < 8 && forward(c, &c->err, STDERR); i++)
		;
	send_message(c->id, EXIT, &status, 4);
	close_fd(&c->in);
	close_fd(&c->out);
	close_fd(&c->err);
	free(c->queue);
	*c = (struct command){ 0 };
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_COMMANDS; i++)
			if (commands[i].pid == pid)
				end_command(&commands[i], status);
}

/* Messages */

static void handle(const struct header *h, char *data)
{
	struct command *c = find_command(h->id);

	if (h->type == EXEC)
		start_command(h->id, data, h->bytes);
	else if (h->type == STDIN && c)
		add_input(c, data, h->bytes);
	else if (h->type == SIGNAL && c && h->bytes == 4 && kill(-c->pid, *(uint32_t *)data))
		kill(c->pid, *(uint32_t *)data); /* it has not come to setsid() yet */
}

/* Reads what the port has and handles every whole message. */
static void receive(void)
{
	static char buf[MAX_MESSAGE];
	static size_t have;
	struct header h;
	size_t at = 0;
	ssize_t n = read(port, buf + have, sizeof(buf) - have);

	if (n <= 0) {
		if (n == 0)
			usleep(1000); /* the host's end is shut */
		return;
	}
	have += n;
	while (have - at >= sizeof(h)) {
		memcpy(&h, buf + at, sizeof(h));
		if (h.bytes > sizeof(buf) - sizeof(h) - 16)
			die("message of %u bytes", h.bytes);
		if (have - at < sizeof(h) + h.bytes)
			break;
		/* aligned copy of the start, since the payload begins with words */
		static char payload[MAX_MESSAGE] __attribute__((aligned(8)));

		memcpy(payload, buf + at + sizeof(h), h.bytes);
		handle(&h, payload);
		at += sizeof(h) + h.bytes;
	}
	memmove(buf, buf + at, have - at);
	have -= at;
}

static size_t total_queued(void)
{
	size_t n = 0;

	for (int i = 0; i < MAX_COMMANDS; i++)
		n += commands[i].queued;
	return n;
}

static void loop(int signals)
{
	for (;;) {
		struct pollfd p[2 + 3 * MAX_COMMANDS];
		struct signalfd_siginfo info;

		/* With much input waiting for slow commands, take no more. */
		p[0] = (struct pollfd){ port, total_queued() < MAX_MESSAGE ? POLLIN : 0, 0 };
		p[1] = (struct pollfd){ signals, POLLIN, 0 };
		for (int i = 0; i < MAX_COMMANDS; i++) {
			struct command *c = &commands[i];
			int live = c->pid != 0;

			p[2 + 3 * i] = (struct pollfd){ live && c->queued ? c->in : -1, POLLOUT, 0 };
			p[3 + 3 * i] = (struct pollfd){ live ? c->out : -1, POLLIN, 0 };
			p[4 + 3 * i] = (struct pollfd){ live ? c->err : -1, POLLIN, 0 };
		}
		if (poll(p, 2 + 3 * MAX_COMMANDS, -1) < 0)
			continue;
		for (int i = 0; i < MAX_COMMANDS; i++) {
			struct command *c = &commands[i];

			if (p[2 + 3 * i].revents)
				feed(c);
			if (p[3 + 3 * i].revents)
				forward(c, &c->out, STDOUT);
			if (p[4 + 3 * i].revents)
				forward(c, &c->err, STDERR);
		}
		if (p[1].revents && read(signals, &info, sizeof(info)) > 0)
			reap();
		if (p[0].revents & POLLIN)
			receive();
		else if (p[0].revents)
			usleep(1000);
	}
}

int main(void)
{
	struct utsname u;
	sigset_t mask;
	int signals;

	setlinebuf(stderr);
	umask(022);
	mount_all();
	load_modules();
	sethostname("guest", 5);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	for (int i = 0; i < 5000 && port < 0; i++) {
		port = open_port();
		if (port < 0)
			usleep(2000);
	}
	if (port < 0 || signals < 0 || uname(&u))
		die("no port %s", PORT_NAME);
	send_message(0, HELLO, u.release, strlen(u.release));
	loop(signals);
}
