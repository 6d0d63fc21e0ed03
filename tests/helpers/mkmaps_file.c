// SPDX-License-Identifier: LGPL-2.1-or-later
/* The factories of mkmaps for files, memfds, the vDSO and device memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mkmaps.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define RW (PROT_READ | PROT_WRITE)

int mk_file_shared(struct mk_state *st)
{
	const size_t len = 16 * MK_PAGE;
	int fd = mk_ram_file(len);
	char *p;

	if (fd < 0)
		return mk_absent_errno(st, "file in memory");
	p = mk_map(len, MK_PAGE, RW, MAP_SHARED, fd, 0);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	strcpy(st->vmflags, "sh");
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, "shared=1");
	return 0;
}

/* Pages of this program's own file: the first half only read, the second written (copied). */
int mk_file_private(struct mk_state *st)
{
	const size_t half = 8 * MK_PAGE;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *p;

	if (fd < 0)
		return mk_absent_errno(st, "/proc/self/exe");
	if (lseek(fd, 0, SEEK_END) < (off_t)(2 * half)) {
		close(fd);
		return mk_absent(st, "this program's file is under 64K");
	}
	p = mk_map(2 * half, MK_PAGE, RW, MAP_PRIVATE, fd, 0);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_read(p, half);
	mk_write(p + half, half);
	mk_leaf(st, p, half, MK_PAGE, "r--", "", "shared=1");
	mk_leaf(st, p + half, half, MK_PAGE, "rw-", MK_WRITTEN, "shared=0");
	return 0;
}

int mk_memfd_sealed(struct mk_state *st)
{
	const size_t len = 8 * MK_PAGE;
	int fd = memfd_create("mkmaps-sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *p;

	if (fd < 0)
		return mk_absent_errno(st, "memfd_create");
	for (size_t i = 0; i < 8; i++) {
		char buf[MK_PAGE];

		memset(buf, 0xc3, sizeof(buf));
		if (write(fd, buf, sizeof(buf)) != sizeof(buf)) {
			close(fd);
			return mk_absent_errno(st, "write");
		}
	}
	/* F_SEAL_WRITE refuses even a read-only shared mapping before Linux 6.7. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)) {
		close(fd);
		return mk_absent_errno(st, "F_SEAL_FUTURE_WRITE");
	}
	p = mk_map(len, MK_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_read(p, len);
	mk_leaf(st, p, len, MK_PAGE, "r--", "", "shared=1");
	return 0;
}

int mk_memfd_secret(struct mk_state *st)
{
	const size_t len = 4 * MK_PAGE;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	char *p;

	if (fd < 0)
		return mk_absent_errno(st, "memfd_secret");
	if (ftruncate(fd, (off_t)len)) {
		close(fd);
		return mk_absent_errno(st, "ftruncate");
	}
	p = mk_map(len, MK_PAGE, RW, MAP_SHARED, fd, 0);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap");
	mk_write(p, len);
	mk_leaf(st, p, len, MK_PAGE, "rw-", MK_WRITTEN, "shared=1 secret=1");
	return 0;
}

/* The same four pages at two addresses, once writable and once not. */
int mk_alias(struct mk_state *st)
{
	const size_t len = 4 * MK_PAGE;
	int fd = mk_ram_file(len);
	char *a, *b, note[64];

	if (fd < 0)
		return mk_absent_errno(st, "file in memory");
	a = mk_map(len, MK_PAGE, RW, MAP_SHARED, fd, 0);
	b = mk_map(len, MK_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (!a || !b)
		return mk_absent_errno(st, "mmap");
	mk_write(a, len);
	mk_read(b, len);
	snprintf(note, sizeof(note), "shared=1 same-as=%p", (void *)b);
	mk_leaf(st, a, len, MK_PAGE, "rw-", MK_WRITTEN, note);
	snprintf(note, sizeof(note), "shared=1 same-as=%p", (void *)a);
	mk_leaf(st, b, len, MK_PAGE, "r--", "", note);
	return 0;
}

/* Note for smaps' "pf" (VM_PFNMAP), whose pages pagemap reports as holes. */
static const char *pfnmap_note(struct mk_state *st, uintptr_t va)
{
	char flags[128];

	st->pfnmap = mk_smaps(va, "VmFlags:", flags, sizeof(flags)) && strstr(flags, " pf");
	return st->pfnmap ? "pfnmap=1" : NULL;
}

int mk_vvar(struct mk_state *st)
{
	uintptr_t lo, hi;
	const char *note;

	if (!mk_find_vma("[vvar]", &lo, &hi))
		return mk_absent(st, "no [vvar] in /proc/self/maps");
	/* The pages behind the first exist on some clocks only. */
	mk_read((void *)lo, MK_PAGE);
	note = pfnmap_note(st, lo);
	mk_leaf(st, (void *)lo, MK_PAGE, MK_PAGE, "r--", note ? "accessed,special" : "accessed", note);
	return 0;
}

int mk_vdso(struct mk_state *st)
{
	uintptr_t lo, hi;

	if (!mk_find_vma("[vdso]", &lo, &hi))
		return mk_absent(st, "no [vdso] in /proc/self/maps");
	mk_read((void *)lo, hi - lo);
	mk_leaf(st, (void *)lo, hi - lo, MK_PAGE, "r-x", "accessed", NULL);
	return 0;
}

/* VGA memory: there is no harm in reading, writing and executing it. */
int mk_devmem(struct mk_state *st)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	char *p;

	if (fd < 0)
		return mk_absent_errno(st, "/dev/mem");
	p = mk_map(4 * MK_PAGE, MK_PAGE, RW, MAP_SHARED, fd, 0xa0000);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap of /dev/mem at 0xa0000");
	mk_read(p, 4 * MK_PAGE);
	mk_leaf(st, p, 4 * MK_PAGE, MK_PAGE, "rw-", "accessed,special", pfnmap_note(st, (uintptr_t)p));
	snprintf(st->r[0].note + strlen(st->r[0].note), 16, " pa=0xa0000");
	return 0;
}

static unsigned long sysfs_hex(const char *dev, const char *attr)
{
	char path[512];
	unsigned long v = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev, attr);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lx", &v) != 1)
		v = 0;
	if (f)
		fclose(f);
	return v;
}

/* The frame buffer of the first display: memory again, but above RAM and uncached. */
int mk_pci_bar(struct mk_state *st)
{
	DIR *d = opendir("/sys/bus/pci/devices");
	char path[512] = "", note[64];
	unsigned long pa = 0;
	struct dirent *e;
	char *p;
	int fd;

	while (d && (e = readdir(d))) {
		unsigned long class = sysfs_hex(e->d_name, "class") >> 8;

		/* VGA, or a display without it */
		if (class != 0x300 && class != 0x380)
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", e->d_name);
		pa = sysfs_hex(e->d_name, "resource");
		break;
	}
	if (d)
		closedir(d);
	if (!*path)
		return mk_absent(st, "no display on the PCI bus");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return mk_absent_errno(st, "resource0 of the display");
	p = mk_map(4 * MK_PAGE, MK_PAGE, RW, MAP_SHARED, fd, 0);
	close(fd);
	if (!p)
		return mk_absent_errno(st, "mmap of resource0");
	mk_read(p, 4 * MK_PAGE);
	snprintf(note, sizeof(note), "%s pa=0x%lx", pfnmap_note(st, (uintptr_t)p) ?: "", pa);
	mk_leaf(st, p, 4 * MK_PAGE, MK_PAGE, "rw-", "accessed,pcd,!pwt,special", note);
	return 0;
}
