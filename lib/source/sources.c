// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pagewalk/source.h>

#include "source/live.h"

static const struct pw_source_ops *const sources[] = {
	&pw_source_kmod, &pw_source_bpf, &pw_source_kcore, &pw_source_pagemap, NULL,
};

int pw_source_open(const struct pw_source_ops *ops, const char *arg, struct pw_source *src, struct pw_error *err)
{
	struct pw_source s = { .consistency = ops->consistency };
	int rc = ops->open(arg, &s, err);

	if (!rc)
		*src = s;
	return rc;
}

const struct pw_source_ops *const *pw_sources_live(void)
{
	return sources;
}
