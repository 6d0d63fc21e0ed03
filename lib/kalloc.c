// SPDX-License-Identifier: LGPL-2.1-or-later
/* kalloc: the module's allocation experiments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <pagewalk/mem.h>

#include "source/kmod.h"
#include "uapi/pagewalk.h"

#define PART 256

static const char *const kinds[] = {
	[PAGEWALK_KALLOC_KMALLOC] = "kmalloc",
	[PAGEWALK_KALLOC_VMALLOC] = "vmalloc",
	[PAGEWALK_KALLOC_VMALLOC_HUGE] = "vmalloc-huge",
	[PAGEWALK_KALLOC_PAGES] = "pages",
	[PAGEWALK_KALLOC_PERCPU] = "percpu",
	NULL,
};

const char *const *pw_kalloc_kinds(void)
{
	return kinds;
}

static int kind_of(const char *name)
{
	for (int i = 0; kinds[i]; i++)
		if (!strcmp(kinds[i], name))
			return i;
	return -1;
}

static int allocate(int fd, const char *kind, uint64_t bytes, struct pagewalk_kalloc *k, struct pw_error *err)
{
	int number = kind_of(kind);

	if (number < 0)
		return pw_error_set(err, -EINVAL, "'%s' is no kind of allocation", kind);
	*k = (struct pagewalk_kalloc){
		.size = sizeof(*k), .op = PAGEWALK_KALLOC_ALLOC, .kind = (uint32_t)number, .bytes = bytes
	};
	if (!ioctl(fd, PAGEWALK_KALLOC, k))
		return 0;
	if (errno == EINVAL)
		return pw_error_set(err, -EINVAL, "%s does not take %llu bytes", kind, (unsigned long long)bytes);
	if (errno == EOPNOTSUPP)
		return pw_error_set(err, -EOPNOTSUPP, "this kernel has no %s", kind);
	return pw_error_set(err, -errno, "%s of %llu bytes: %s", kind, (unsigned long long)bytes, strerror(errno));
}

static int describe(int fd, uint32_t id, struct pw_kpage *out, uint32_t total)
{
	struct pagewalk_kpage part[PART];

	for (uint32_t at = 0; at < total;) {
		struct pagewalk_kalloc k = { .size = sizeof(k),
					     .op = PAGEWALK_KALLOC_DESCRIBE,
					     .id = id,
					     .first = at,
					     .pages = (uintptr_t)part,
					     .room = PART };

		if (ioctl(fd, PAGEWALK_KALLOC, &k))
			return -errno;
		for (uint32_t i = 0; i < k.count && at < total; i++, at++)
			out[at] = (struct pw_kpage){
				part[i].va, part[i].pa, part[i].api_pa, part[i].entry, (enum pw_level)part[i].level,
				part[i].cpu
			};
		if (!k.count)
			return -EIO;
	}
	return 0;
}

int pw_kalloc(struct pw_target *t, const char *kind, uint64_t bytes, struct pw_kpage **pages, size_t *n,
	      struct pw_error *err)
{
	struct pagewalk_kalloc k;
	struct pw_kpage *v;
	int fd = pw_kmod_fd(&t->source), rc;

	if (fd < 0)
		return pw_error_set(err, -EOPNOTSUPP,
				    "the kernel allocates for the module only (-s kmod): load pagewalk.ko");
	rc = allocate(fd, kind, bytes, &k, err);
	if (rc)
		return rc;
	v = calloc(k.total, sizeof(*v));
	rc = v ? describe(fd, k.id, v, k.total) : -ENOMEM;
	*n = k.total;
	k = (struct pagewalk_kalloc){ .size = sizeof(k), .op = PAGEWALK_KALLOC_FREE, .id = k.id };
	ioctl(fd, PAGEWALK_KALLOC, &k);
	if (rc) {
		free(v);
		return pw_error_set(err, rc, "where the pages are is not known: %s", strerror(-rc));
	}
	*pages = v;
	return 0;
}
