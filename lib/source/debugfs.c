// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The interface gives tables by address, not by place: the kernel's walk from the process's root to an address, each
 * table copied under its lock. So a request's address is put together from the indices of its chain, and that what came is the
 * table that was meant follows from the table above, read in the same way afterwards: the entry for that address must still
 * be what the chain says. An entry that was another one in between and then the same again would go unseen.
 */
#include "source/debugfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY "/sys/kernel/debug/pagetables/"
#define TABLE     4096
#define ENTRY     UINT64_C(8)

struct pw_debugfs {
	pid_t pid;
	const struct pw_mode *mode;
	uint64_t root;               /* of the kernel half: PTI's user root is another */
	int fd[PW_NLEVELS];          /* by depth */
	uint64_t now[TABLE / ENTRY]; /* the table above, looked at again */
};

/* The table at a depth on the way to va. */
static int read_table(struct pw_debugfs *d, unsigned depth, bool user_root, uint64_t va, void *buf)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "pid=%d vaddr=0x%llx root=%s", (int)d->pid, (unsigned long long)va,
			 user_root ? "user" : "kernel");
	ssize_t got = write(d->fd[depth], line, n);

	if (got == n)
		got = pread(d->fd[depth], buf, TABLE, 0);
	if (got < 0)
		return -errno;
	return got == TABLE ? 0 : -EIO;
}

/* Nothing there, or something else by now, is a chain that has changed. */
static int status_of(int rc)
{
	switch (rc) {
	case -ENODATA:
	case -ENOTDIR:
	case -EAGAIN:
		return -EAGAIN;
	case -EIO:
		return -EFAULT;
	}
	return rc;
}

/* The address that the links lead to, and where they begin. */
static unsigned follow(const struct pw_debugfs *d, const struct pw_table_req *req, uint64_t *va, uint64_t *root)
{
	const struct pw_link *link;
	unsigned depth = 0, at;
	unsigned drop = 64u - d->mode->va_bits;

	for (link = req->link; link; link = link->up)
		depth++;
	*root = req->pa & ~(uint64_t)(TABLE - 1);
	*va = 0;
	at = depth;
	for (link = req->link; link && at <= d->mode->depth; link = link->up) {
		*va |= (link->pa % TABLE / ENTRY) << d->mode->lv[--at].shift;
		*root = link->pa & ~(uint64_t)(TABLE - 1);
	}
	*va = (uint64_t)((int64_t)(*va << drop) >> drop);
	return depth;
}

static int read_one(struct pw_debugfs *d, struct pw_table_req *req)
{
	uint64_t va, root, table[TABLE / ENTRY];
	unsigned depth = follow(d, req, &va, &root);
	const struct pw_link *link = req->link;
	int rc;

	if (depth >= d->mode->depth || req->pa % TABLE + req->bytes > TABLE)
		return -EINVAL;
	rc = status_of(read_table(d, depth, root != d->root, va, table));
	if (!rc && link) {
		rc = status_of(read_table(d, depth - 1, root != d->root, va, d->now));
		if (!rc && ((d->now[link->pa % TABLE / ENTRY] ^ link->expect) & ~link->ignore))
			rc = -EAGAIN;
	}
	if (rc && rc != -EAGAIN && rc != -EFAULT)
		return rc;
	req->status = rc;
	memcpy(req->buf, (char *)table + req->pa % TABLE, req->bytes);
	req->data = req->buf;
	return 0;
}

static int debugfs_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = read_one(src->priv, &req[i]);
	return rc;
}

static void debugfs_close(struct pw_source *src)
{
	struct pw_debugfs *d = src->priv;

	for (unsigned i = 0; i < PW_NLEVELS; i++)
		if (d->fd[i] >= 0)
			close(d->fd[i]);
	free(d);
	src->priv = NULL;
}

static int open_files(struct pw_debugfs *d, struct pw_error *err)
{
	char path[64];

	for (unsigned i = 0; i < d->mode->depth; i++) {
		snprintf(path, sizeof(path), DIRECTORY "%s", pw_level_name(d->mode->lv[i].level));
		d->fd[i] = open(path, O_RDWR | O_CLOEXEC);
		if (d->fd[i] >= 0)
			continue;
		if (errno == ENOENT)
			return pw_error_set(err, -ENOENT,
					    "%s is not there: modprobe pagewalk_origins, and mount debugfs", path);
		return pw_error_set(err, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

int pw_debugfs_open(const struct pw_space *space, struct pw_source *out, struct pw_error *err)
{
	const struct pw_piece *last = &space->piece[space->npieces - 1];
	struct pw_source src = { .ops = &pw_source_debugfs, .consistency = PW_VALIDATED };
	struct pw_debugfs *d;
	int rc;

	if (!space->pid)
		return pw_error_set(err, -EOPNOTSUPP, "debugfs: these files have the tables of processes only");
	d = calloc(1, sizeof(*d));
	if (!d)
		return pw_error_set(err, -ENOMEM, "out of memory");
	memset(d->fd, 0xff, sizeof(d->fd));
	d->pid = space->pid;
	d->mode = last->mmu.mode;
	d->root = last->root;
	src.priv = d;
	rc = open_files(d, err);
	if (rc)
		debugfs_close(&src);
	else
		*out = src;
	return rc;
}

const struct pw_source_ops pw_source_debugfs = {
	.name = "debugfs",
	.caps = PW_CAP_TABLES,
	.consistency = PW_VALIDATED,
	.close = debugfs_close,
	.read_tables = debugfs_read_tables,
};
