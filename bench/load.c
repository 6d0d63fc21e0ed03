/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * load [bpf] [btf]: what every program that looks into a live kernel by BPF pays before it has looked at anything: loading the same object by libbpf,
 * and reading the kernel's types by libbpf.
 */
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "tables.h"
#include "tables.skel.h"

static int load(const char *what)
{
	if (!strcmp(what, "bpf"))
		return !tables__open_and_load();
	if (!strcmp(what, "btf"))
		return libbpf_get_error(btf__load_vmlinux_btf()) ? 1 : 0;
	return 1;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (load(argv[i])) {
			fprintf(stderr, "bench: load: %s failed\n", argv[i]);
			return 3;
		}
	return 0;
}
