// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the notes of an image say of its system: the roots of its CPUs and how many levels they have. */
#include "os/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/kernel.h"
#include "source/image.h"

#define CR4_LA57 (UINT64_C(1) << 12)

static int no_processes(struct pw_error *err)
{
	return pw_error_set(err, -EOPNOTSUPP, "processes are not looked for in an image: use root:PA or cpu:N");
}

static int image_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			   struct pw_error *err)
{
	(void)t, (void)with_roots, (void)list, (void)n;
	return no_processes(err);
}

static int image_process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	(void)t, (void)pid, (void)space;
	return no_processes(err);
}

static int image_kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	(void)t, (void)space;
	return pw_error_set(err, -EOPNOTSUPP, "the kernel is not looked for in an image: use root:PA or cpu:N");
}

static int image_cpu_root(struct pw_target *t, unsigned cpu, uint64_t *root, struct pw_error *err)
{
	const struct pw_image_notes *notes = &pw_image_of(&t->source)->notes;

	if (!notes->ncpus)
		return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: this image (%s) has no registers of CPUs", cpu,
				    pw_image_of(&t->source)->format->name);
	if (cpu >= notes->ncpus)
		return pw_error_set(err, -ENXIO, "cpu:%u: the image has notes of %zu CPUs, from 0 on", cpu,
				    notes->ncpus);
	if (!notes->cpu[cpu].known)
		return pw_error_set(err, -EOPNOTSUPP, "cpu:%u: the image's notes do not have CR3", cpu);
	*root = notes->cpu[cpu].cr3 & UINT64_C(0x000ffffffffff000);
	return 0;
}

static const struct pw_os_ops image_os = {
	.name = "image",
	.processes = image_processes,
	.process_space = image_process_space,
	.kernel_space = image_kernel_space,
	.cpu_root = image_cpu_root,
};

/* The options' word comes first, in pw_target_open(). */
static unsigned find_levels(const struct pw_image_notes *notes)
{
	uint64_t la57;

	if (notes->vmcoreinfo && pw_vmcoreinfo_get(notes->vmcoreinfo, "NUMBER(pgtable_l5_enabled)", 10, &la57))
		return la57 ? 5 : 4;
	for (size_t i = 0; i < notes->ncpus; i++)
		if (notes->cpu[i].known)
			return notes->cpu[i].cr4 & CR4_LA57 ? 5 : 4;
	return 4;
}

static void name_system(const struct pw_image *im, char *out, size_t size)
{
	const char *at = im->notes.vmcoreinfo ? strstr(im->notes.vmcoreinfo, "OSRELEASE=") : NULL;

	if (at)
		snprintf(out, size, "Linux %.*s", (int)strcspn(at + 10, "\n"), at + 10);
	else
		snprintf(out, size, "image (%s)", im->format->name);
}

int pw_image_attach(struct pw_target *t, const struct pw_target_opts *opts, struct pw_error *err)
{
	const struct pw_image *im = pw_image_of(&t->source);
	unsigned levels = find_levels(&im->notes);

	(void)opts;
	(void)err;
	t->os = &image_os;
	name_system(im, t->facts.system, sizeof(t->facts.system));
	t->facts.page_offset = PW_PA_NONE;
	t->facts.kernel_root = PW_PA_NONE;
	t->facts.image_offset = PW_PA_NONE;
	t->facts.mode_depth = levels;
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half] = (struct pw_mmu){
			.arch = &pw_arch_x86_64,
			.mode = pw_arch_mode(&pw_arch_x86_64, levels),
			.half = half,
			.maxphyaddr = PW_IMAGE_PA_BITS,
		};
		pw_x86_pat_linux(t->mmu[half].pat);
	}
	return 0;
}
