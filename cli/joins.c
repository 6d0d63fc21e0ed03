/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running system says of nodes and swap areas, to put beside what the tables say. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define MEMORY_BLOCKS "/sys/devices/system/memory"

static bool read_number(const char *path, int base, uint64_t *out)
{
	FILE *f = fopen(path, "re");
	char text[32] = "", *end;

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	*out = strtoull(text, &end, base);
	return end != text;
}

static void add_block(struct pw_joins *j, uint64_t block, uint64_t bytes, unsigned node)
{
	void *bigger;

	if (j->nnodes && j->node[j->nnodes - 1].node == node && j->node[j->nnodes - 1].last + 1 == block * bytes) {
		j->node[j->nnodes - 1].last += bytes;
		return;
	}
	bigger = reallocarray(j->node, j->nnodes + 1, sizeof(*j->node));
	if (!bigger)
		return;
	j->node = bigger;
	j->node[j->nnodes].lo = block * bytes;
	j->node[j->nnodes].last = (block + 1) * bytes - 1;
	j->node[j->nnodes++].node = node;
}

/* /sys/devices/system/node/nodeN/memoryM: block M belongs to node N. */
static void load_node(struct pw_joins *j, unsigned node, uint64_t bytes)
{
	struct dirent **list;
	char path[64];
	int n;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u", node);
	n = scandir(path, &list, NULL, versionsort);
	for (int i = 0; i < n; i++) {
		unsigned block;

		if (sscanf(list[i]->d_name, "memory%u", &block) == 1)
			add_block(j, block, bytes, node);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void load_nodes(struct pw_joins *j)
{
	DIR *dir = opendir("/sys/devices/system/node");
	struct dirent *d;
	uint64_t bytes;

	if (!dir)
		return;
	if (!read_number(MEMORY_BLOCKS "/block_size_bytes", 16, &bytes))
		bytes = 0;
	while (bytes && (d = readdir(dir))) {
		unsigned node;

		if (sscanf(d->d_name, "node%u", &node) == 1)
			load_node(j, node, bytes);
	}
	closedir(dir);
}

/*
 * /proc/swaps lists the areas in the order of their types, but without numbers: where one was removed, those
 * after it move up. So only an only area, which is type 0 unless others came and went, gets its name.
 */
static void load_swap(struct pw_joins *j)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[512], name[256] = "", other[256];
	int areas = 0;

	if (!f)
		return;
	if (!fgets(line, sizeof(line), f)) /* the headings */
		line[0] = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", areas++ ? other : name) != 1)
			areas--;
	fclose(f);
	if (areas == 1)
		snprintf(j->swap[0], sizeof(j->swap[0]), "swap0 (%.20s)",
			 strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
}

void joins_load(struct pw_joins *joins)
{
	load_nodes(joins);
	load_swap(joins);
}

void joins_free(struct pw_joins *joins)
{
	free(joins->node);
	joins->node = NULL;
	joins->nnodes = 0;
}
