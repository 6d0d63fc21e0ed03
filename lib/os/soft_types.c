/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the 32 swap types are divided (<pagewalk/soft.h>). The numbers are macros, which BTF does not have; but it has
 *
 *   swap_info_struct *[N]   the type of the array of all swap areas: N is MAX_SWAPFILES, what is left to swap areas
 *   PG_hwpoison             an enumerator of enum pageflags: only with CONFIG_MEMORY_FAILURE
 *   PGMIGRATE_SUCCESS       an enumerator of enum vm_event_item: only with CONFIG_MIGRATION
 *   PG_anon_exclusive       an enumerator of enum pageflags: came with the third migration type and with swapin-error, v5.19
 *   mm_rss_stat             a struct: gone since f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter") (in v6.2), the release in
 *                           which swapin-error ended and the marker became a fixture
 *
 * What remains of 32 then is device memory's, and before v6.2 the marker's. The remainder has to be one of the few numbers that some
 * kernel has had: where it is not, as after a change that this file does not know of, nothing is said but which types are swap areas'.
 */
#include <stdio.h>

#include "os/btf.h"

/* The number of types of device memory that remain; true when a kernel has had that many. */
static bool device_types(const struct pw_soft_signs *s, struct pw_soft_types *t, unsigned left)
{
	t->device = (uint8_t)left;
	if (!left)
		return true;
	if (!s->anon_exclusive)
		return left == 2 || left == 4;
	return s->rss_stat ? left == 4 : left == 3 || left == 4;
}

/* From v5.19 to v6.1 the marker depends on the configuration, and device memory has 4 types or none: so the remainder tells both. */
static unsigned marker_types(const struct pw_soft_signs *s, unsigned left)
{
	if (!s->anon_exclusive)
		return 0;
	return s->rss_stat ? left & 1 : 1;
}

void pw_soft_types_of(const struct pw_soft_signs *s, struct pw_soft_types *out)
{
	struct pw_soft_types t = { .hwpoison = s->hwpoison };
	unsigned taken, left;

	*out = t;
	out->hwpoison = 0;
	if (s->areas < PW_LEAST_SWAP_AREAS || s->areas > PW_SWAP_TYPES)
		return;
	out->areas = t.areas = (uint8_t)s->areas;
	snprintf(out->how, sizeof(out->how), "BTF: swap_info_struct *[%u]; the rest does not add up", s->areas);
	t.migration = !s->migration ? 0 : s->anon_exclusive ? 3 : 2;
	t.swapin_error = s->anon_exclusive && s->rss_stat;
	taken = t.areas + t.hwpoison + t.migration + t.swapin_error;
	if (taken > PW_SWAP_TYPES)
		return;
	left = PW_SWAP_TYPES - taken;
	t.marker = (uint8_t)marker_types(s, left);
	if (t.marker > left || !device_types(s, &t, left - t.marker))
		return;
	t.known = true;
	snprintf(t.how, sizeof(t.how),
		 "BTF: swap_info_struct *[%u], %sPG_hwpoison, %sPGMIGRATE_SUCCESS, %sPG_anon_exclusive, %smm_rss_stat",
		 s->areas, s->hwpoison ? "" : "no ", s->migration ? "" : "no ", s->anon_exclusive ? "" : "no ",
		 s->rss_stat ? "" : "no ");
	*out = t;
}
