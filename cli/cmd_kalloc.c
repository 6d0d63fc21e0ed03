/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

#define PAGE 4096

/* "4096", "16K", "4M": decimal. */
static int parse_size(const char *text, uint64_t *out)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;

	if (end == text || *text == '-' || end[shift ? 1 : 0] || !n || n > UINT64_MAX >> shift >> 1)
		return -1;
	*out = n << shift;
	return 0;
}

/* Whether page b goes on where page a ends, in virtual and in physical memory alike. */
static bool continues(const struct pw_kpage *a, const struct pw_kpage *b)
{
	uint64_t step = PAGE - a->va % PAGE;

	return a->cpu == b->cpu && b->va == a->va + step && a->pa != PW_PA_NONE && b->pa == a->pa + step;
}

static int show(struct session *s, const char *kind, uint64_t bytes)
{
	const struct pw_rec_head head = { .command = "kalloc" };
	struct pw_rec_kalloc sum = { .kind = kind, .bytes = bytes };
	struct pw_rec_end end = { .complete = true, .kalloc = &sum };
	struct pw_kpage *page;
	int rc = pw_kalloc(s->target, kind, bytes, &page, &sum.pages, &s->err);

	if (rc) {
		complain("%s", s->err.text);
		return STATUS_FAILED;
	}
	rc = session_begin(s, &head);
	for (size_t i = 0; i < sum.pages && !rc; i++) {
		s->render.ops->kpage(&s->render, &page[i]);
		sum.extents += !i || !continues(&page[i - 1], &page[i]);
		sum.differing += page[i].api_pa != PW_PA_NONE && page[i].api_pa != page[i].pa;
	}
	end.records = sum.pages;
	if (!rc)
		session_end(s, &end);
	free(page);
	return s->status;
}

static bool is_kind(const char *name)
{
	for (const char *const *kind = pw_kalloc_kinds(); *kind; kind++)
		if (!strcmp(*kind, name))
			return true;
	return false;
}

static int run(struct args *args)
{
	struct session s;
	uint64_t bytes;
	int rc;

	if (args->nargs != 2)
		return usage_error(&cmd_kalloc, "kalloc needs a KIND and a SIZE");
	if (!is_kind(args->arg[0]))
		return usage_error(&cmd_kalloc, "'%s' is no kind: kmalloc, vmalloc, vmalloc-huge, pages, percpu",
				   args->arg[0]);
	if (parse_size(args->arg[1], &bytes))
		return usage_error(&cmd_kalloc, "'%s' is no size: bytes, or with K or M", args->arg[1]);
	rc = session_open(&s, args, PW_VIEW_KPAGES);
	if (rc)
		return rc;
	if (!session_target(&s))
		s.status = show(&s, args->arg[0], bytes);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT_SOURCE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_kalloc = {
	.name = "kalloc",
	.args = "KIND SIZE",
	.summary = "where the kernel's allocators place memory",
	.about = "KIND is kmalloc, vmalloc, vmalloc-huge, pages (alloc_pages) or percpu. The kernel allocates SIZE\n"
		 "bytes (K and M may follow the number), each page is looked up in its page tables, and the memory\n"
		 "is given back. Needs the module.\n",
	.examples = "  sudo pagewalk kalloc kmalloc 64K\n"
		    "  sudo pagewalk kalloc vmalloc-huge 4M\n"
		    "  sudo pagewalk kalloc percpu 256 --columns cpu,va,pa\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_KPAGES,
};
