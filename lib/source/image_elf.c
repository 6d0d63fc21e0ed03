// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ELF64 core files of a whole system: QEMU's dump-guest-memory, /proc/vmcore, makedumpfile -E. A PT_LOAD a piece of memory, by
 * p_paddr; what p_memsz has beyond p_filesz is not in the file. With paging (QEMU) and in /proc/vmcore the same memory can be
 * there more than once, at several p_vaddr.
 *
 * Where there are 65,535 (PN_XNUM) program headers or more, sh_info of section header 0 has their number.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "source/image.h"

#define BATCH 256

/* What tells a dump of a system from one of a process. */
struct seen {
	uint64_t loads, at_zero, with_va;
};

static bool elf_is(const uint8_t *head, size_t n)
{
	return n >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

static int check_kind(const Elf64_Ehdr *eh, struct pw_error *err)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return pw_error_set(err, -EINVAL,
				    "an ELF file, but not of 64 bits: pagewalk reads those of x86-64 systems");
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB || le16toh(eh->e_machine) != EM_X86_64)
		return pw_error_set(err, -EINVAL, "an ELF file, but not of x86-64");
	if (le16toh(eh->e_type) != ET_CORE)
		return pw_error_set(err, -EINVAL, "an ELF file, but not a core dump");
	if (le16toh(eh->e_phentsize) != sizeof(Elf64_Phdr))
		return pw_error_set(err, -EINVAL, "its ELF header gives program headers of %u bytes, not %zu: damaged",
				    le16toh(eh->e_phentsize), sizeof(Elf64_Phdr));
	return 0;
}

static int count_headers(const struct pw_image *im, const Elf64_Ehdr *eh, uint64_t *n, struct pw_error *err)
{
	uint64_t off = le64toh(eh->e_phoff);
	Elf64_Shdr sh;

	*n = le16toh(eh->e_phnum);
	if (*n == PN_XNUM) {
		if (!eh->e_shoff || pw_image_file_read(&im->file, &sh, sizeof(sh), le64toh(eh->e_shoff)))
			return pw_error_set(err, -EINVAL,
					    "the section header that counts its program headers is not there: "
					    "truncated or damaged");
		*n = le32toh(sh.sh_info);
	}
	if (!*n)
		return pw_error_set(err, -EINVAL, "an ELF core file without any program header");
	if (off > im->file.size || im->file.size - off < *n * sizeof(Elf64_Phdr))
		return pw_error_set(err, -EINVAL,
				    "the file ends within its %" PRIu64 " program headers: truncated or damaged", *n);
	return 0;
}

static int take_load(struct pw_image *im, const Elf64_Phdr *ph, struct seen *seen, struct pw_error *err)
{
	uint64_t pa = le64toh(ph->p_paddr), bytes = le64toh(ph->p_filesz), at = le64toh(ph->p_offset);

	seen->loads++;
	seen->at_zero += pa == 0;
	seen->with_va += ph->p_vaddr != 0;
	/* Without a physical address (/proc/kcore's vmalloc) or without bytes. */
	if (pa == UINT64_MAX || !bytes)
		return 0;
	return pw_image_add_stored(im, pa, bytes, at, err);
}

static int take_headers(struct pw_image *im, uint64_t off, uint64_t n, struct seen *seen, struct pw_error *err)
{
	Elf64_Phdr ph[BATCH];

	for (uint64_t done = 0; done < n;) {
		size_t part = n - done < BATCH ? n - done : BATCH;
		int rc = pw_image_file_read(&im->file, ph, part * sizeof(ph[0]), off + done * sizeof(ph[0]));

		if (rc)
			return pw_error_set(err, rc, "its program headers cannot be read: %s", strerror(-rc));
		for (size_t i = 0; i < part && !rc; i++) {
			if (le32toh(ph[i].p_type) == PT_NOTE)
				rc = pw_image_read_notes(im, le64toh(ph[i].p_offset), le64toh(ph[i].p_filesz));
			else if (le32toh(ph[i].p_type) == PT_LOAD)
				rc = take_load(im, &ph[i], seen, err);
		}
		if (rc)
			return rc;
		done += part;
	}
	return 0;
}

static int elf_open(struct pw_image *im, const struct pw_image_opts *opts, struct pw_error *err)
{
	struct seen seen = { 0 };
	Elf64_Ehdr eh;
	uint64_t n;
	int rc = pw_image_file_read(&im->file, &eh, sizeof(eh), 0);

	(void)opts;
	if (rc)
		return pw_error_set(err, rc, "the file ends within its ELF header: truncated");
	rc = check_kind(&eh, err);
	if (!rc)
		rc = count_headers(im, &eh, &n, err);
	if (!rc)
		rc = take_headers(im, le64toh(eh.e_phoff), n, &seen, err);
	if (rc)
		return rc;
	if (seen.loads > 1 && seen.at_zero == seen.loads && seen.with_va == seen.loads)
		return pw_error_set(err, -EINVAL, "a core dump of a process: it has no physical memory");
	return pw_image_finish(im, true, err);
}

const struct pw_image_format pw_image_elf = {
	.name = "elf",
	.is = elf_is,
	.open = elf_open,
};
