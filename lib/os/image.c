// SPDX-License-Identifier: LGPL-2.1-or-later
/* The system in a memory image: what the image's notes say of it helps to find it. */
#include "os/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "facts.h"
#include "os/foreign.h"
#include "source/image.h"

#define CR4_LA57 (UINT64_C(1) << 12)

struct image_hints {
	struct pw_foreign_hints hints;
	uint64_t cr3[];
};

static struct image_hints *read_notes(const struct pw_image_notes *notes)
{
	struct image_hints *h = calloc(1, sizeof(*h) + notes->ncpus * sizeof(h->cr3[0]));

	if (!h)
		return NULL;
	h->hints.vmcoreinfo = notes->vmcoreinfo;
	h->hints.cr3 = h->cr3;
	h->hints.ncpus = notes->ncpus;
	for (size_t i = 0; i < notes->ncpus; i++) {
		h->cr3[i] = notes->cpu[i].known ? notes->cpu[i].cr3 : PW_PA_NONE;
		if (notes->cpu[i].known && !h->hints.depth)
			h->hints.depth = notes->cpu[i].cr4 & CR4_LA57 ? 5 : 4;
	}
	return h;
}

int pw_image_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err)
{
	struct image_hints *h = read_notes(&pw_image_of(&t->source)->notes);

	/* The target frees them with the rest of what it knows. */
	return h ? pw_foreign_attach(t, opts, &h->hints, err) : pw_error_set(err, -ENOMEM, "out of memory");
}

void pw_image_facts(const struct pw_target *t, struct pw_facts_list *list)
{
	const struct pw_image *im = pw_image_of(&t->source);

	if (!im)
		return;
	pw_fact_add(list, "format", im->format == &pw_image_raw ? PW_SURE_LIKELY : PW_SURE_CERTAIN,
		    im->format == &pw_image_raw ? "it is nothing else" : "its first bytes", "%s%s", im->format->name,
		    im->flattened ? ", flattened" : "");
	pw_fact_add(list, "file-bytes", PW_SURE_CERTAIN, "", "%" PRIu64, im->file.size);
	if (im->nlost)
		pw_fact_add(list, "missing", PW_SURE_CERTAIN, "its headers promise it, the file does not have it",
			    "%" PRIu64 " bytes in %zu ranges, from 0x%" PRIx64 " on", im->lost_bytes, im->nlost,
			    im->lost[0].lo);
	if (im->cut)
		pw_fact_add(list, "truncated", PW_SURE_CERTAIN, "it ends where more was to come", "yes");
	if (im->notes.frozen_evidence)
		pw_fact_add(list, "stood-still", PW_SURE_CERTAIN, im->notes.frozen_how, "yes");
}
