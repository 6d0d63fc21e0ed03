// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMCOREINFO: what the kernel leaves for dump tools: text lines in an ELF note. /sys/kernel/vmcoreinfo has
 * "PHYSICAL-ADDRESS SIZE" of that note, both hexadecimal:
 *
 *   12 bytes  name size, description size, type
 *   "VMCOREINFO", padded to 4
 *   OSRELEASE=6.12.48 ... NUMBER(phys_base)=... SYMBOL(swapper_pg_dir)=... KERNELOFFSET=...
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/kernel.h"
#include "source/system.h"

#define MAX_NOTE (64 * 1024)

bool pw_vmcoreinfo_get(const char *text, const char *key, int base, uint64_t *out)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		char *end;
		uint64_t value;

		if (strncmp(line, key, len) || line[len] != '=')
			continue;
		value = strtoull(line + len + 1, &end, base);
		if (end == line + len + 1)
			return false;
		*out = value;
		return true;
	}
	return false;
}

/* The text inside the note, moved to the front of it. */
static int open_note(char *note, size_t size)
{
	uint32_t head[3];
	size_t name, at;

	if (size < sizeof(head) + 16)
		return -EINVAL;
	memcpy(head, note, sizeof(head));
	if (head[0] != sizeof("VMCOREINFO") || memcmp(note + sizeof(head), "VMCOREINFO", sizeof("VMCOREINFO")))
		return -EINVAL;
	name = (head[0] + 3u) & ~3u;
	at = sizeof(head) + name;
	size = size - at < head[1] ? size - at : head[1];
	memmove(note, note + at, size);
	note[size] = 0;
	return 0;
}

void pw_vmcoreinfo_values(struct pw_vmcoreinfo *v)
{
	pw_vmcoreinfo_get(v->text, "NUMBER(phys_base)", 10, &v->phys_base);
	pw_vmcoreinfo_get(v->text, "NUMBER(KERNEL_IMAGE_SIZE)", 10, &v->image_size);
	pw_vmcoreinfo_get(v->text, "NUMBER(sme_mask)", 10, &v->sme_mask);
	pw_vmcoreinfo_get(v->text, "SYMBOL(mem_section)", 16, &v->mem_section);
	if (!pw_vmcoreinfo_get(v->text, "SYMBOL(swapper_pg_dir)", 16, &v->swapper_va))
		pw_vmcoreinfo_get(v->text, "SYMBOL(init_top_pgt)", 16, &v->swapper_va);
}

int pw_vmcoreinfo_read(struct pw_source *src, struct pw_vmcoreinfo *out)
{
	struct pw_vmcoreinfo v = { 0 };
	uint64_t pa, size;
	char *where;
	int rc = pw_system_read("/sys/kernel/vmcoreinfo", 4096, &where, NULL);
	bool told = !rc && sscanf(where, "%" SCNx64 " %" SCNx64, &pa, &size) == 2 && size && size <= MAX_NOTE;

	*out = v;
	if (!rc)
		free(where);
	if (!told)
		return rc ? rc : -EINVAL;
	v.text = calloc(1, size + 1);
	if (!v.text)
		return -ENOMEM;
	rc = src->ops->read(src, pa, v.text, size);
	if (!rc)
		rc = open_note(v.text, size);
	if (rc) {
		free(v.text);
		return rc;
	}
	pw_vmcoreinfo_values(&v);
	*out = v;
	return 0;
}
