// SPDX-License-Identifier: LGPL-2.1-or-later
/* The factories of mkmaps for permissions: execute, protection keys, userfaultfd, shadow stacks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mkmaps.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack 453
#endif

#define RW (PROT_READ | PROT_WRITE)

/* Eight pages of return instructions with @prot. */
static char *code_pages(struct mk_state *st, int prot)
{
	const size_t len = 8 * MK_PAGE;
	char *p = mk_anon(8);

	if (!p) {
		mk_absent_errno(st, "mmap");
		return NULL;
	}
	mk_fill(p, len, 0xc3);
	if (mprotect(p, len, prot)) {
		mk_absent_errno(st, "mprotect");
		return NULL;
	}
	return p;
}

int mk_exec(struct mk_state *st)
{
	char *p = code_pages(st, PROT_READ | PROT_EXEC);

	if (!p)
		return -1;
	mk_leaf(st, p, 8 * MK_PAGE, MK_PAGE, "r-x", MK_WAS_WRITTEN, NULL);
	return 0;
}

int mk_rwx(struct mk_state *st)
{
	char *p = code_pages(st, PROT_READ | PROT_WRITE | PROT_EXEC);

	if (!p)
		return -1;
	/* Before Linux 5.19 mprotect() took the write permission away until the next fault. */
	mk_write(p, 8 * MK_PAGE);
	mk_leaf(st, p, 8 * MK_PAGE, MK_PAGE, "rwx", MK_WRITTEN, NULL);
	return 0;
}

/*
 * PROT_EXEC alone: the page tables cannot say "no read", so the kernel takes a protection key
 * where the CPU has them; without keys the pages are readable.
 */
int mk_exec_only(struct mk_state *st)
{
	char *p = code_pages(st, PROT_EXEC), buf[32], note[64] = "", attrs[96] = MK_WAS_WRITTEN;
	int key = 0;

	if (!p)
		return -1;
	if (mk_smaps((uintptr_t)p, "ProtectionKey:", buf, sizeof(buf)))
		sscanf(buf, "%d", &key);
	if (key) {
		snprintf(attrs, sizeof(attrs), "key=%d," MK_WAS_WRITTEN, key);
		snprintf(note, sizeof(note), "key=%d", key);
	}
	mk_leaf(st, p, 8 * MK_PAGE, MK_PAGE, "r-x", attrs, note);
	return 0;
}

int mk_pkey(struct mk_state *st)
{
	static const unsigned int rights[] = { 0, PKEY_DISABLE_WRITE, PKEY_DISABLE_ACCESS };
	static const char *const names[] = { "all", "no-write", "no-access" };

	for (size_t i = 0; i < 3; i++) {
		const size_t len = 4 * MK_PAGE;
		int key = pkey_alloc(0, 0);
		char *p, attrs[96], note[64];

		if (key < 0)
			return mk_absent(st, "the CPU or the kernel has no protection keys");
		p = mk_anon(4);
		if (!p)
			return mk_absent_errno(st, "mmap");
		if (pkey_mprotect(p, len, RW, key))
			return mk_absent_errno(st, "pkey_mprotect");
		mk_write(p, len);
		pkey_set(key, rights[i]);
		snprintf(attrs, sizeof(attrs), "key=%d," MK_WRITTEN, key);
		snprintf(note, sizeof(note), "key=%d rights=%s", key, names[i]);
		mk_leaf(st, p, len, MK_PAGE, "rw-", attrs, note);
	}
	return 0;
}

static int uffd_open(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	return fd >= 0 ? fd : (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

int mk_uffd_wp_on(struct mk_state *st, void *p, size_t len, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = uffd_open();

	if (fd < 0)
		return mk_absent_errno(st, "userfaultfd");
	/* The first UFFDIO_API on a descriptor is its last: ask on one, open another. */
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return mk_absent_errno(st, "UFFDIO_API");
	}
	close(fd);
	features |= UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_SIGBUS;
	if (~api.features & features)
		return mk_absent(st, "userfaultfd lacks features 0x%llx",
				 (unsigned long long)(~api.features & features));

	fd = uffd_open();
	if (fd < 0)
		return mk_absent_errno(st, "userfaultfd");
	api = (struct uffdio_api){ .api = UFFD_API, .features = features };
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		mk_absent_errno(st, "userfaultfd registration");
		close(fd);
		return -1;
	}
	return fd;
}

int mk_uffd_protect(struct mk_state *st, int fd, void *p, size_t len)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		return mk_absent_errno(st, "UFFDIO_WRITEPROTECT");
	return 0;
}

/* The first half is write-protected, the second only registered. */
int mk_uffd_wp(struct mk_state *st)
{
	const size_t half = 8 * MK_PAGE;
	char *p = mk_anon(16);
	int fd;

	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, 2 * half);
	fd = mk_uffd_wp_on(st, p, 2 * half, 0);
	if (fd < 0 || mk_uffd_protect(st, fd, p, half))
		return -1;
	strcpy(st->vmflags, "uw");
	mk_leaf(st, p, half, MK_PAGE, "r--", "uffd-wp," MK_WAS_WRITTEN, NULL);
	mk_leaf(st, p + half, half, MK_PAGE, "rw-", "!uffd-wp," MK_WRITTEN, NULL);
	return 0;
}

/* Write-protected where nothing is mapped yet: the entry keeps a marker. */
int mk_uffd_marker(struct mk_state *st)
{
	const size_t half = 4 * MK_PAGE;
	int file = mk_ram_file(2 * half), fd;
	char *p;

	if (file < 0)
		return mk_absent_errno(st, "file in memory");
	p = mk_map(2 * half, MK_PAGE, RW, MAP_SHARED, file, 0);
	close(file);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, half);
	fd = mk_uffd_wp_on(st, p, 2 * half, UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	if (fd < 0 || mk_uffd_protect(st, fd, p, 2 * half))
		return -1;
	strcpy(st->vmflags, "uw");
	mk_leaf(st, p, half, MK_PAGE, "r--", "uffd-wp," MK_WAS_WRITTEN, "shared=1");
	mk_range(st, p + half, half, MK_PAGE, MK_SOFT, "!present", "marker=uffd-wp");
	return 0;
}

int mk_shadow_stack(struct mk_state *st)
{
	const size_t len = 4 * MK_PAGE;
	void *p = (void *)syscall(SYS_map_shadow_stack, 0, len, 0);

	if (p == MAP_FAILED)
		return mk_absent_errno(st, "map_shadow_stack");
	mk_read(p, len);
	strcpy(st->vmflags, "ss");
	mk_leaf(st, p, len, MK_PAGE, "r--", "", NULL);
	return 0;
}
