// SPDX-License-Identifier: LGPL-2.1-or-later
/* The system in a memory image: what the image's notes say of it helps to find it. */
#include "os/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "facts.h"
#include "os/foreign.h"
#include "source/image.h"

int pw_image_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err)
{
	const struct pw_image_notes *notes = &pw_image_of(&t->source)->notes;
	struct pw_foreign_hints *h = pw_foreign_hints_new(notes->cpu, notes->ncpus);

	if (!h)
		return pw_error_set(err, -ENOMEM, "out of memory");
	h->vmcoreinfo = notes->vmcoreinfo;
	return pw_foreign_attach(t, opts, h, err);
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
