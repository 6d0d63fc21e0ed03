// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * kcore: kernel memory through /proc/kcore, a pread a table. Nothing holds tables still meanwhile: the
 * entries that lead to them are read again after all copies, nearest first.
 *
 * kcore gives zeros for what it cannot read (offline, hwpoisoned or faulting pages). A table of zeros
 * can be real; then /proc/kpageflags has to say that the page is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/source.h>

#include "source/chain.h"
#include "source/kcore.h"
#include "source/live.h"
#include "source/system.h"

#define KPF_HWPOISON 19
#define KPF_NOPAGE   20
#define KPF_OFFLINE  23

struct pw_kcore {
	int fd;
	int flags_fd; /* /proc/kpageflags, -1: not open */
	struct pw_kcore_map map;
	struct pw_ram ram;
};

static int kcore_read_kernel(struct pw_source *src, uint64_t kva, void *buf, size_t len)
{
	struct pw_kcore *k = src->priv;
	uint64_t off = pw_kcore_map_offset(&k->map, kva, len);
	int rc;

	if (off == UINT64_MAX)
		return -EFAULT;
	rc = pw_system_pread(k->fd, buf, len, off);
	return rc == -EPERM || !rc ? rc : -EFAULT;
}

static int kcore_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	struct pw_kcore *k = src->priv;

	if (!len)
		return 0;
	if (!pw_ram_has(&k->ram, pa, len))
		return -ENXIO;
	return kcore_read_kernel(src, k->map.page_offset + pa, buf, len);
}

/* Whether the kernel's page flags allow that a page reads as zeros because it holds zeros. */
static bool zeros_are_real(struct pw_kcore *k, uint64_t pa)
{
	uint64_t flags, bad = UINT64_C(1) << KPF_HWPOISON | UINT64_C(1) << KPF_NOPAGE | UINT64_C(1) << KPF_OFFLINE;

	if (k->flags_fd < 0)
		k->flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (k->flags_fd < 0 || pw_system_pread(k->flags_fd, &flags, sizeof(flags), pa / 4096 * sizeof(flags)))
		return false;
	return !(flags & bad);
}

static bool all_zeros(const void *buf, size_t len)
{
	const uint64_t *word = buf;
	uint64_t any = 0;

	for (size_t i = 0; i < len / sizeof(*word); i++)
		any |= word[i];
	return !any;
}

static int kcore_copy(struct pw_source *src, struct pw_table_req *req)
{
	int rc = kcore_read(src, req->pa, req->buf, req->bytes);

	if (rc)
		return rc;
	req->data = req->buf;
	if (all_zeros(req->buf, req->bytes) && !zeros_are_real(src->priv, req->pa))
		return -EFAULT;
	return 0;
}

/* As many of n requests as one chain is for: returns how many. */
static long kcore_batch(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	uint64_t words[PW_CHAIN_WORDS];
	struct pw_chain chain;
	int rc = pw_chain_build(&chain, req, n);

	if (rc)
		return rc;
	for (size_t i = 0; i < chain.n; i++) {
		req[i].status = kcore_copy(src, &req[i]);
		if (req[i].status == -EPERM)
			return -EPERM;
	}
	for (size_t i = 0; i < chain.nparts; i++) {
		const struct pw_chain_part *part = &chain.part[i];
		size_t bytes = part->n * sizeof(words[0]);

		if (kcore_read(src, part->pa, &words[part->at], bytes))
			memset(&words[part->at], 0, bytes);
	}
	for (size_t i = 0; i < chain.n; i++)
		if (!pw_chain_holds(&chain, req, i, words))
			req[i].status = -EAGAIN;
	return (long)chain.n;
}

static int kcore_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	for (size_t done = 0; done < n;) {
		long part = kcore_batch(src, req + done, n - done);

		if (part < 0)
			return (int)part;
		done += (size_t)part;
	}
	return 0;
}

static int kcore_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	struct pw_kcore *k = src->priv;

	*ranges = k->ram.v;
	*n = k->ram.n;
	return 0;
}

static void kcore_why(int code, char *why, size_t size)
{
	if (code == -ENOENT)
		snprintf(why, size, "this kernel has no /proc/kcore (CONFIG_PROC_KCORE)");
	else if (code == -EPERM && pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY)
		snprintf(why, size, "lockdown=confidentiality forbids reading kernel memory");
	else if (code == -EPERM && pw_system_capable(CAP_SYS_RAWIO))
		snprintf(why, size, "/proc/kcore may not be opened here (lockdown)");
	else if (code == -EPERM || code == -EACCES)
		snprintf(why, size, "/proc/kcore needs root with CAP_SYS_RAWIO");
	else
		snprintf(why, size, "/proc/kcore: %s", strerror(-code));
}

static int kcore_open_file(void)
{
	int fd;

	if (pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY && !access("/proc/kcore", F_OK))
		return -EPERM;
	fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void kcore_close(struct pw_source *src)
{
	struct pw_kcore *k = src->priv;

	if (k->flags_fd >= 0)
		close(k->flags_fd);
	close(k->fd);
	free(k->map.v);
	pw_ram_free(&k->ram);
	free(k);
	src->priv = NULL;
}

static int kcore_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pw_kcore *k;
	char why[160];
	int rc, fd;

	if (arg && *arg)
		return pw_error_set(err, -EINVAL, "source kcore takes no argument: %.64s", arg);
	fd = kcore_open_file();
	if (fd < 0) {
		kcore_why(fd, why, sizeof(why));
		return pw_error_set(err, fd, "kcore: %s", why);
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		close(fd);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	k->fd = fd;
	k->flags_fd = -1;
	src->priv = k;
	rc = pw_kcore_map_read(fd, &k->map, err);
	if (!rc)
		rc = pw_ram_read(&k->ram, err);
	if (rc) {
		kcore_close(src);
		return rc;
	}
	src->ops = &pw_source_kcore;
	return 0;
}

static void kcore_probe(struct pw_probe *out)
{
	struct pw_ram ram;
	struct pw_error err = { 0 };
	int fd = kcore_open_file();

	memset(out, 0, sizeof(*out));
	snprintf(out->gives, sizeof(out->gives), "all tables, ~3x slower");
	if (fd < 0) {
		out->state = fd == -ENOENT ? PW_PROBE_ABSENT : PW_PROBE_DENIED;
		kcore_why(fd, out->why, sizeof(out->why));
		if (fd == -EPERM &&
		    (pw_system_capable(CAP_SYS_RAWIO) || pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY))
			snprintf(out->fix, sizeof(out->fix), "%s", pw_system_lift_lockdown());
		else if (fd == -EACCES || fd == -EPERM)
			snprintf(out->fix, sizeof(out->fix), "%s", pw_system_get_rights());
		return;
	}
	close(fd);
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		out->state = PW_PROBE_ABSENT;
		snprintf(out->why, sizeof(out->why),
			 "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF); pagemap still works");
	} else if (pw_ram_read(&ram, &err)) {
		out->state = PW_PROBE_DENIED;
		snprintf(out->why, sizeof(out->why), "%.150s", err.text);
		snprintf(out->fix, sizeof(out->fix), "%s", pw_system_get_rights());
	} else {
		pw_ram_free(&ram);
	}
}

int pw_kcore_page_offset(struct pw_source *src, uint64_t *page_offset)
{
	if (src->ops != &pw_source_kcore)
		return -EOPNOTSUPP;
	*page_offset = ((struct pw_kcore *)src->priv)->map.page_offset;
	return 0;
}

const struct pw_ram *pw_kcore_ram(const struct pw_source *src)
{
	return &((struct pw_kcore *)src->priv)->ram;
}

const struct pw_source_ops pw_source_kcore = {
	.name = "kcore",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY | PW_CAP_KERNEL,
	.consistency = PW_VALIDATED,
	.probe = kcore_probe,
	.open = kcore_open,
	.close = kcore_close,
	.read_tables = kcore_read_tables,
	.read = kcore_read,
	.read_kernel = kcore_read_kernel,
	.ranges = kcore_ranges,
};
