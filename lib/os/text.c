/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a text file (lib/source/text.h) says of its processes and its kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maps.h"
#include "os/layout.h"
#include "source/text.h"
#include "space.h"

static int text_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			  struct pw_error *err)
{
	const struct pw_text *text = t->source.priv;
	size_t bytes = text->nprocesses * sizeof(**list);
	struct pw_process *copy = malloc(bytes ? bytes : 1);

	(void)with_roots;
	if (!copy)
		return pw_error_set(err, -ENOMEM, "out of memory");
	memcpy(copy, text->process, bytes);
	*list = copy;
	*n = text->nprocesses;
	return 0;
}

static const struct pw_process *find(const struct pw_text *text, pid_t pid)
{
	for (size_t i = 0; i < text->nprocesses; i++)
		if (text->process[i].pid == pid)
			return &text->process[i];
	return NULL;
}

static char *maps_of(const struct pw_text *text, pid_t pid, size_t *len)
{
	char *maps = NULL;
	FILE *f = open_memstream(&maps, len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < text->nvmas; i++)
		if (text->vma[i].pid == pid)
			fprintf(f, "%s\n", text->vma[i].line);
	return fclose(f) ? NULL : maps;
}

static int text_process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	const struct pw_text *text = t->source.priv;
	const struct pw_process *p = find(text, pid);
	size_t len = 0;
	char *maps;
	int rc;

	if (!p)
		return pw_error_set(err, -ESRCH, "no process %d", (int)pid);
	if (p->kthread)
		return pw_error_set(err, -EINVAL, "%d (%s) is a kernel thread: it has no user memory; use 'kernel'",
				    (int)pid, p->comm);
	maps = maps_of(text, pid, &len);
	if (!maps)
		return pw_error_set(err, -ENOMEM, "out of memory");
	rc = pw_maps_parse(maps, len, false, &space->areas, err);
	free(maps);
	if (rc)
		return rc;
	pw_space_of_process(t, pid, p->comm, p->root, space);
	return 0;
}

static int add_regions(const struct pw_text *text, struct pw_areas *areas)
{
	size_t bytes = 1, at = 0;

	for (size_t i = 0; i < text->nregions; i++)
		bytes += strlen(text->region[i].name) + 1;
	areas->v = calloc(text->nregions + 1, sizeof(*areas->v));
	areas->strings = malloc(bytes);
	if (!areas->v || !areas->strings) {
		pw_areas_free(areas);
		return -ENOMEM;
	}
	for (; areas->n < text->nregions; areas->n++) {
		const struct pw_text_region *r = &text->region[areas->n];

		areas->v[areas->n] = (struct pw_area){ r->va.lo, r->va.last, strcpy(areas->strings + at, r->name) };
		at += strlen(r->name) + 1;
	}
	return 0;
}

static int text_kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	const struct pw_text *text = t->source.priv;

	if (text->kernel_root == PW_PA_NONE)
		return pw_error_set(err, -ENOENT, "the file has no kernel line");
	if (add_regions(text, &space->areas))
		return pw_error_set(err, -ENOMEM, "out of memory");
	pw_space_of_kernel(t, space);
	return 0;
}

/* Its regions go by their names. */
static enum pw_region region_of(const char *name)
{
	if (!strcmp(name, "direct map"))
		return PW_REGION_LOGICAL;
	return strcmp(name, "vmemmap") ? PW_REGION_VIRTUAL : PW_REGION_VMEMMAP;
}

static int text_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err)
{
	const struct pw_text *text = t->source.priv;
	struct pw_areas named = { 0 };
	struct pw_layout l;

	if (add_regions(text, &named) || pw_layout_init(&l, named.n + 3)) {
		pw_areas_free(&named);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	pw_layout_lower(&l, t->mmu[PW_HALF_KERNEL].mode->va_bits);
	for (size_t i = 0; i < named.n; i++)
		pw_layout_add(&l, region_of(named.v[i].name), named.v[i].name, named.v[i].lo, named.v[i].last,
			      "the file says so");
	free(named.v);
	if (pw_layout_finish(&l, out)) {
		free(named.strings);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	out->strings = named.strings;
	return 0;
}

static const char *text_how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure)
{
	(void)t;
	(void)id;
	*sure = PW_SURE_GIVEN;
	return "the file says so";
}

static const struct pw_os_ops text_os = {
	.name = "text",
	.processes = text_processes,
	.process_space = text_process_space,
	.kernel_space = text_kernel_space,
	.layout = text_layout,
	.how = text_how,
};

int pw_text_attach(struct pw_target *t, struct pw_error *err)
{
	const struct pw_text *text = t->source.priv;

	(void)err;
	t->os = &text_os;
	snprintf(t->facts.system, sizeof(t->facts.system), "%s", text->system[0] ? text->system : "text file");
	t->facts.pti = text->pti;
	t->facts.page_offset = text->page_offset;
	t->facts.kernel_root = text->kernel_root;
	t->facts.mode_depth = text->levels;
	t->facts.image_offset = PW_PA_NONE;
	for (int half = PW_HALF_USER; half <= PW_HALF_KERNEL; half++) {
		t->mmu[half] = (struct pw_mmu){
			.arch = &pw_arch_x86_64,
			.mode = pw_arch_mode(&pw_arch_x86_64, text->levels),
			.half = half,
			.maxphyaddr = text->maxphyaddr,
			.dialect = text->dialect,
			.enc_mask = text->enc_mask,
			.dialect_evidence = "the file says so",
			.soft = text->soft,
		};
		pw_x86_pat_linux(t->mmu[half].pat);
	}
	return 0;
}
