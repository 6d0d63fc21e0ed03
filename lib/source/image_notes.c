// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ELF notes of a dump, in an ELF core as in a kdump-compressed file:
 *
 *   12 bytes  name size, description size, type; then both, each padded to 4
 *   "CORE"        type 1: a CPU's registers as a process would have them
 *   "QEMU"        type 0: a CPU's state; QEMU alone writes it
 *   "VMCOREINFO"  the kernel's text
 *
 * QEMU's: version (1) and size, 4 bytes each; 18 general registers; 10 segments of 24 bytes; CR0 to CR4.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/image.h"

#define LONGEST_NOTES (8u << 20)
#define LONGEST_TEXT  (64u << 10)
#define MOST_CPUS     65536

#define QEMU_CR0  (8 + 18 * 8 + 10 * 24)
#define QEMU_SIZE (QEMU_CR0 + 5 * 8)

struct note {
	const char *name;
	size_t namesz; /* with the 0 at its end */
	uint32_t type;
	const uint8_t *desc;
	size_t bytes;
};

/* How many CPUs each kind of note has told of. */
struct count {
	size_t prstatus, qemu, room;
};

static bool is_named(const struct note *note, const char *name)
{
	/* Some writers do not count the 0. */
	size_t len = strlen(name);

	return (note->namesz == len || note->namesz == len + 1) && !memcmp(note->name, name, len);
}

static uint64_t word(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	return le64toh(v);
}

/* The CPU of that number, made when it is the next one. NULL: no memory, or too many. */
static struct pw_registers *cpu_at(struct pw_image_notes *notes, struct count *count, size_t i)
{
	if (i >= MOST_CPUS)
		return NULL;
	if (i >= count->room) {
		size_t want = count->room ? count->room * 2 : 16;
		struct pw_registers *v = reallocarray(notes->cpu, want, sizeof(*v));

		if (!v)
			return NULL;
		memset(v + count->room, 0, (want - count->room) * sizeof(*v));
		notes->cpu = v;
		count->room = want;
	}
	if (i >= notes->ncpus)
		notes->ncpus = i + 1;
	return &notes->cpu[i];
}

static void take_qemu(struct pw_image_notes *notes, struct count *count, const struct note *note)
{
	struct pw_registers *cpu;

	if (note->bytes < QEMU_SIZE)
		return;
	notes->frozen_evidence = true;
	notes->frozen_how = "QEMU stops the machine while it writes a dump";
	cpu = cpu_at(notes, count, count->qemu);
	if (!cpu)
		return;
	count->qemu++;
	*cpu = (struct pw_registers){
		.known = true,
		.cr0 = word(note->desc + QEMU_CR0),
		.cr3 = word(note->desc + QEMU_CR0 + 3 * 8),
		.cr4 = word(note->desc + QEMU_CR0 + 4 * 8),
	};
}

int pw_image_set_vmcoreinfo(struct pw_image_notes *notes, const char *text, size_t len)
{
	if (notes->vmcoreinfo || !len)
		return 0;
	notes->vmcoreinfo = strndup(text, len < LONGEST_TEXT ? len : LONGEST_TEXT);
	if (!notes->vmcoreinfo)
		return -ENOMEM;
	/*
	 * The kernel adds the time when it crashes; a copy of a running system's memory has the rest of the text as
	 * well, by way of /proc/kcore.
	 */
	if (!notes->frozen_evidence &&
	    (!strncmp(notes->vmcoreinfo, "CRASHTIME=", 10) || strstr(notes->vmcoreinfo, "\nCRASHTIME="))) {
		notes->frozen_evidence = true;
		notes->frozen_how = "the kernel had crashed, by CRASHTIME in its VMCOREINFO";
	}
	return 0;
}

static int take(struct pw_image_notes *notes, struct count *count, const struct note *note)
{
	if (is_named(note, "QEMU") && note->type == 0)
		take_qemu(notes, count, note);
	else if (is_named(note, "VMCOREINFO"))
		return pw_image_set_vmcoreinfo(notes, (const char *)note->desc, note->bytes);
	else if (is_named(note, "CORE") && note->type == 1 && cpu_at(notes, count, count->prstatus))
		count->prstatus++;
	return 0;
}

static int parse(struct pw_image_notes *notes, const uint8_t *buf, size_t size)
{
	struct count count = { .room = notes->ncpus };
	int rc = 0;

	count.prstatus = count.qemu = notes->ncpus;
	for (size_t at = 0; !rc && size - at >= 12;) {
		uint32_t head[3];
		uint64_t name, desc;
		struct note note;

		memcpy(head, buf + at, sizeof(head));
		at += sizeof(head);
		name = ((uint64_t)le32toh(head[0]) + 3) & ~UINT64_C(3);
		desc = ((uint64_t)le32toh(head[1]) + 3) & ~UINT64_C(3);
		/* The last one's padding may be missing. */
		if (name > size - at || le32toh(head[1]) > size - at - name)
			break;
		note = (struct note){ (const char *)buf + at, le32toh(head[0]), le32toh(head[2]), buf + at + name,
				      le32toh(head[1]) };
		rc = take(notes, &count, &note);
		at += name + desc < size - at ? name + desc : size - at;
	}
	return rc;
}

int pw_image_read_notes(struct pw_image *im, uint64_t off, uint64_t bytes)
{
	uint64_t have = off < im->file.size ? im->file.size - off : 0;
	uint8_t *buf;
	int rc;

	if (bytes > have)
		bytes = have;
	if (bytes > LONGEST_NOTES)
		bytes = LONGEST_NOTES;
	if (!bytes)
		return 0;
	buf = malloc(bytes);
	if (!buf)
		return -ENOMEM;
	rc = pw_image_file_read(&im->file, buf, bytes, off);
	/* Notes that cannot be read are notes that are not there. */
	rc = rc ? 0 : parse(&im->notes, buf, bytes);
	free(buf);
	return rc;
}

void pw_image_free_notes(struct pw_image_notes *notes)
{
	free(notes->cpu);
	free(notes->vmcoreinfo);
	memset(notes, 0, sizeof(*notes));
}
