// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/kmem.h"

#include <errno.h>
#include <string.h>

#include "space.h"

void pw_kmem_init(struct pw_kmem *m, struct pw_source *src, const struct pw_mmu *mmu, uint64_t root,
		  const struct pw_range *ram, size_t nram)
{
	*m = (struct pw_kmem){
		.space = {
			.source = src,
			.pin.pagemap_fd = -1,
			.npieces = 1,
			.piece[0] = {
				.va = pw_half_range(mmu->mode, PW_HALF_KERNEL),
				.root = root,
				.mmu = *mmu,
				.label = "kernel half",
			},
			.ram = ram,
			.nram = nram,
		},
	};
}

uint64_t pw_kmem_pa(struct pw_kmem *m, uint64_t va, uint64_t *left)
{
	size_t slot = (va >> 21) % PW_KMEM_SLOTS;
	struct pw_translation t;

	if (va - m->seen[slot].va >= m->seen[slot].size) {
		if (pw_translate(&m->space, &va, 1, &t) || t.verdict != PW_MAPPED || t.pa == PW_PA_NONE)
			return PW_PA_NONE;
		m->seen[slot].va = va & ~(t.size - 1);
		m->seen[slot].pa = t.pa & ~(t.size - 1);
		m->seen[slot].size = t.size;
	}
	*left = m->seen[slot].size - (va - m->seen[slot].va);
	return m->seen[slot].pa + (va - m->seen[slot].va);
}

int pw_kmem_read(struct pw_kmem *m, uint64_t va, void *buf, size_t len)
{
	struct pw_source *src = m->space.source;
	char *to = buf;

	if (va + len < va)
		return -EFAULT;
	while (len) {
		uint64_t left, pa = pw_kmem_pa(m, va, &left);
		size_t n;
		int rc;

		if (pa == PW_PA_NONE)
			return -EFAULT;
		n = len < left ? len : (size_t)left;
		rc = src->ops->read(src, pa, to, n);
		if (rc)
			return rc;
		to += n;
		va += n;
		len -= n;
	}
	return 0;
}

bool pw_kmem_string(struct pw_kmem *m, uint64_t va, char *buf, size_t size)
{
	size_t have = 0;

	/* By pieces that end with a page: what follows the string may not be mapped. */
	while (have < size - 1) {
		size_t n = 64 - (va + have) % 64;

		if (n > size - 1 - have)
			n = size - 1 - have;
		if (pw_kmem_read(m, va + have, buf + have, n))
			break;
		if (memchr(buf + have, 0, n))
			return true;
		have += n;
	}
	buf[have] = 0;
	return have > 0;
}
