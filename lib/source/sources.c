// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pagewalk/source.h>

#include "source/live.h"

static const struct pw_source_ops *const sources[] = {
	&pw_source_kmod, &pw_source_bpf, &pw_source_kcore, &pw_source_pagemap, NULL,
};

const struct pw_source_ops *const *pw_sources_live(void)
{
	return sources;
}
