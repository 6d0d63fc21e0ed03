// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * kmod: through pagewalk.ko, which copies a table of a process under the table's own lock. Tables of the
 * kernel's half and those below a root that is no process's have no such lock: there the module looks at
 * the entries above before and after the copy, with interrupts off.
 */
#include "source/kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi/pagewalk.h"

#include "source/live.h"
#include "source/system.h"

#define DEVICE "/dev/pagewalk"
#define BATCH  64

struct pw_kmod {
	int fd;
	struct pw_ram ram;
	struct pagewalk_info info;
	/* The module's numbers of processes, by their roots; it forgets the oldest as we do. */
	struct {
		uint64_t root, user_root, id;
	} pin[PAGEWALK_PINS];
	size_t npins;
};

/* -------- tables -------- */

static uint64_t root_of(const struct pw_table_req *req)
{
	const struct pw_link *link = req->link;
	uint64_t pa = req->pa;

	for (; link; link = link->up)
		pa = link->pa;
	return pa & ~UINT64_C(4095);
}

static uint64_t *pin_of(struct pw_kmod *k, uint64_t root)
{
	for (size_t i = 0; i < PAGEWALK_PINS; i++)
		if (k->pin[i].id && (k->pin[i].root == root || k->pin[i].user_root == root))
			return &k->pin[i].id;
	return NULL;
}

static int ask(const struct pw_table_req *req, struct pagewalk_table_req *out)
{
	const struct pw_link *link = req->link;

	*out = (struct pagewalk_table_req){ .pa = req->pa, .buf = (uintptr_t)req->buf, .bytes = req->bytes };
	for (; link; link = link->up) {
		if (out->nlinks == 4)
			return -E2BIG;
		out->link[out->nlinks++] = (struct pagewalk_link){ link->pa, link->expect, link->ignore };
	}
	return 0;
}

/* Requests of one root. */
static int read_some(struct pw_kmod *k, struct pw_table_req *req, size_t n, uint64_t root)
{
	struct pagewalk_table_req raw[BATCH];
	uint64_t *pin = pin_of(k, root);
	struct pagewalk_read_tables r = {
		.size = sizeof(r),
		.pin = pin ? *pin : 0,
		.reqs = (uintptr_t)raw,
		.count = (uint32_t)n,
		.req_size = sizeof(raw[0]),
	};
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = ask(&req[i], &raw[i]);
	if (rc)
		return rc;
	rc = ioctl(k->fd, PAGEWALK_READ_TABLES, &r) ? -errno : 0;
	if (pin && (rc == -ESRCH || rc == -ESTALE)) {
		/* It has exited, or was forgotten: there is no lock to take any more. */
		*pin = 0;
		return read_some(k, req, n, root);
	}
	for (size_t i = 0; i < n && !rc; i++) {
		req[i].status = raw[i].status;
		req[i].data = req[i].buf;
	}
	return rc;
}

static int kmod_read_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	for (size_t done = 0, part; done < n; done += part) {
		uint64_t root = root_of(&req[done]);
		int rc;

		for (part = 1; done + part < n && part < BATCH && root_of(&req[done + part]) == root;)
			part++;
		rc = read_some(src->priv, req + done, part, root);
		if (rc)
			return rc;
	}
	return 0;
}

/* -------- memory -------- */

static int kmod_read(struct pw_source *src, uint64_t pa, void *buf, size_t len)
{
	struct pw_kmod *k = src->priv;

	while (len) {
		size_t part = len < 1 << 20 ? len : 1 << 20;
		struct pagewalk_phys p = { .size = sizeof(p), .pa = pa, .len = part, .buf = (uintptr_t)buf };

		if (ioctl(k->fd, PAGEWALK_READ_PHYS, &p))
			return -errno;
		pa += part;
		buf = (char *)buf + part;
		len -= part;
	}
	return 0;
}

static int kmod_ranges(struct pw_source *src, const struct pw_range **ranges, size_t *n)
{
	struct pw_kmod *k = src->priv;

	*ranges = k->ram.v;
	*n = k->ram.n;
	return 0;
}

/* -------- facts -------- */

int pw_kmod_facts(struct pw_source *src, struct pw_kmod_facts *out)
{
	const struct pagewalk_info *info;
	struct pagewalk_root r = { .size = sizeof(r), .what = PAGEWALK_ROOT_KERNEL };

	if (src->ops != &pw_source_kmod)
		return -EOPNOTSUPP;
	info = &((struct pw_kmod *)src->priv)->info;
	*out = (struct pw_kmod_facts){
		.depth = info->levels,
		.maxphyaddr = info->phys_bits,
		.pti = info->features & PAGEWALK_FEATURE_PTI,
		.no_nx = !(info->features & PAGEWALK_FEATURE_NX),
		.page_offset = info->page_offset,
		.vmalloc = info->vmalloc_start,
		.vmemmap = info->vmemmap_start,
		.enc_mask = info->enc_mask,
		.pat = info->pat,
		.kernel_root = UINT64_MAX,
	};
	if (!ioctl(((struct pw_kmod *)src->priv)->fd, PAGEWALK_ROOT, &r))
		out->kernel_root = r.root;
	return 0;
}

int pw_kmod_root_of_pid(struct pw_source *src, pid_t pid, bool pin, uint64_t *root)
{
	struct pagewalk_root r = {
		.size = sizeof(r),
		.flags = pin ? PAGEWALK_ROOT_PIN : 0,
		.what = PAGEWALK_ROOT_PID,
		.id = (uint32_t)pid,
	};
	struct pw_kmod *k = src->priv;
	size_t at;

	if (src->ops != &pw_source_kmod)
		return -EOPNOTSUPP;
	if (ioctl(k->fd, PAGEWALK_ROOT, &r))
		return -errno;
	*root = r.root;
	if (!pin)
		return 0;
	/* A root that was another process's before is this one's now. */
	for (uint64_t *old; (old = pin_of(k, r.root));)
		*old = 0;
	at = k->npins++ % PAGEWALK_PINS;
	k->pin[at].root = r.root;
	k->pin[at].user_root = r.user_root;
	k->pin[at].id = r.pin;
	return 0;
}

int pw_kmod_registers(struct pw_source *src, unsigned cpu, struct pw_registers *out)
{
	struct pagewalk_info info = { .size = sizeof(info), .cpu = cpu };

	if (src->ops != &pw_source_kmod)
		return -EOPNOTSUPP;
	if (ioctl(((struct pw_kmod *)src->priv)->fd, PAGEWALK_INFO, &info))
		return -errno;
	*out = (struct pw_registers){
		.known = true,
		.has_efer = true,
		.root = info.cr3 & UINT64_C(0x000ffffffffff000) & ~info.enc_mask,
		.cr0 = info.cr0,
		.cr3 = info.cr3,
		.cr4 = info.cr4,
		.efer = info.efer,
	};
	return 0;
}

int pw_kmod_fd(const struct pw_source *src)
{
	return src->ops == &pw_source_kmod ? ((struct pw_kmod *)src->priv)->fd : -EOPNOTSUPP;
}

const struct pw_ram *pw_kmod_ram(const struct pw_source *src)
{
	return &((struct pw_kmod *)src->priv)->ram;
}

/* -------- opening -------- */

static int open_device(struct pagewalk_info *info)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC), rc;

	*info = (struct pagewalk_info){ .size = sizeof(*info) };
	if (fd < 0)
		return -errno;
	/* CPU 0 need not be online. */
	while (ioctl(fd, PAGEWALK_INFO, info) && errno == ENXIO && info->cpu < 4096)
		info->cpu++;
	rc = info->abi ? 0 : -EPERM;
	if (!rc && info->arch != PAGEWALK_ARCH_X86_64)
		rc = -EOPNOTSUPP;
	if (!rc && !pw_system_capable(CAP_SYS_RAWIO))
		rc = -EPERM;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* Why the device does not serve, in a sentence without a name in front, and what would help. */
static void kmod_why(int code, char *why, size_t size, char *fix, size_t fix_size)
{
	fix[0] = 0;
	if (code == -ENOENT || code == -ENXIO || code == -ENODEV) {
		snprintf(why, size, "the module pagewalk is not loaded");
		snprintf(fix, fix_size, "modprobe pagewalk");
	} else if (pw_system_lockdown() == PW_LOCKDOWN_CONFIDENTIALITY) {
		snprintf(why, size, "lockdown=confidentiality forbids reading kernel memory");
		snprintf(fix, fix_size, "reboot with lockdown=integrity, or without lockdown=");
	} else if (code == -EACCES || code == -EPERM) {
		snprintf(why, size, "%s needs root with CAP_SYS_ADMIN and CAP_SYS_RAWIO", DEVICE);
		snprintf(fix, fix_size, "run as root: sudo pagewalk ...");
	} else {
		snprintf(why, size, "%s: %s", DEVICE, strerror(-code));
	}
}

static void kmod_probe(struct pw_probe *out)
{
	struct pagewalk_info info;
	int fd = open_device(&info);

	memset(out, 0, sizeof(*out));
	snprintf(out->gives, sizeof(out->gives), "all tables, locked");
	if (fd >= 0) {
		close(fd);
		return;
	}
	out->state = fd == -EACCES || fd == -EPERM ? PW_PROBE_DENIED : PW_PROBE_ABSENT;
	kmod_why(fd, out->why, sizeof(out->why), out->fix, sizeof(out->fix));
}

static void kmod_close(struct pw_source *src)
{
	struct pw_kmod *k = src->priv;

	close(k->fd);
	pw_ram_free(&k->ram);
	free(k);
	src->priv = NULL;
}

static int kmod_open(const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pagewalk_info info;
	char why[160], fix[160];
	struct pw_kmod *k;
	int fd, rc;

	if (arg && *arg)
		return pw_error_set(err, -EINVAL, "source kmod takes no argument: %.64s", arg);
	fd = open_device(&info);
	if (fd < 0) {
		kmod_why(fd, why, sizeof(why), fix, sizeof(fix));
		return pw_error_set(err, fd, "kmod: %s", why);
	}
	k = calloc(1, sizeof(*k));
	rc = k ? pw_ram_read(&k->ram, err) : pw_error_set(err, -ENOMEM, "out of memory");
	if (rc) {
		close(fd);
		free(k);
		return rc;
	}
	k->fd = fd;
	k->info = info;
	src->ops = &pw_source_kmod;
	src->priv = k;
	return 0;
}

const struct pw_source_ops pw_source_kmod = {
	.name = "kmod",
	.caps = PW_CAP_TABLES | PW_CAP_MEMORY,
	.consistency = PW_LOCKED,
	.probe = kmod_probe,
	.open = kmod_open,
	.close = kmod_close,
	.read_tables = kmod_read_tables,
	.read = kmod_read,
	.ranges = kmod_ranges,
};
