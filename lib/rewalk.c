/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way down to one entry, for the rare case that what was seen of it no longer holds. */
#include <errno.h>

#include "ranges.h"
#include "rewalk.h"

int pw_rewalk(const struct pw_space *space, const struct pw_piece *piece, uint64_t va, unsigned depth,
	      struct pw_link *links, struct pw_rewalk *out)
{
	const struct pw_arch *arch = piece->mmu.arch;
	const struct pw_mode *mode = piece->mmu.mode;
	const struct pw_link *up = NULL;
	uint64_t table = piece->root;

	for (unsigned d = 0;; d++) {
		uint64_t slot_pa = table + pw_index(&mode->lv[d], va) * sizeof(uint64_t), raw;
		struct pw_table_req req = {
			.pa = slot_pa, .bytes = sizeof(raw), .status = -EFAULT, .link = up, .buf = &raw
		};
		struct pw_entry entry;
		int rc;

		if (!pw_ranges_hold(space->ram, space->nram, slot_pa, sizeof(raw)))
			return -ENXIO;
		rc = space->source->ops->read_tables(space->source, &req, 1);
		if (rc < 0 || req.status < 0)
			return rc < 0 ? rc : req.status;
		raw = *(const uint64_t *)req.data;
		*out = (struct pw_rewalk){ slot_pa, raw, up };
		if (d == depth)
			return 0;

		arch->decode(&piece->mmu, mode->lv[d].level, raw, &entry);
		if (entry.kind == PW_NONE) {
			out->raw = 0;
			return 0;
		}
		if (entry.kind != PW_TABLE || entry.reserved)
			return -EAGAIN;
		links[d] = (struct pw_link){ slot_pa, raw, arch->hw_volatile(entry.level), up };
		up = &links[d];
		table = entry.pa;
	}
}
