// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/guest.h"

#include <errno.h>
#include <stdlib.h>

#include "os/foreign.h"
#include "source/qemu.h"

int pw_guest_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err)
{
	const struct pw_qemu *q = pw_qemu_of(&t->source);
	struct pw_foreign_hints *h = pw_foreign_hints_new(q->cpu, q->ncpus);

	if (!h)
		return pw_error_set(err, -ENOMEM, "out of memory");
	return pw_foreign_attach(t, opts, h, err);
}
