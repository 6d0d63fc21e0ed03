/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "parse.h"
#include "session.h"

/* The architectural maximum: without the CPU's own number no address bit is called reserved. */
#define MAXPHYADDR 52

static const struct {
	const char *name;
	uint32_t bits;
} dialects[] = {
	{ "none", 0 },
	{ "recent", PW_DIALECT_SOFT_DIRTY | PW_DIALECT_UFFD_WP | PW_DIALECT_SAVED_DIRTY | PW_DIALECT_NOPTISHADOW |
			    PW_DIALECT_KERNEL_4K },
	{ "soft-dirty", PW_DIALECT_SOFT_DIRTY },
	{ "uffd-wp", PW_DIALECT_UFFD_WP },
	{ "devmap57", PW_DIALECT_DEVMAP_57 },
	{ "devmap58", PW_DIALECT_DEVMAP_58 },
	{ "saved-dirty", PW_DIALECT_SAVED_DIRTY },
	{ "noptishadow", PW_DIALECT_NOPTISHADOW },
	{ "kernel-4k", PW_DIALECT_KERNEL_4K },
};

static int parse_dialect(const char *list, uint32_t *out)
{
	uint32_t bits = 0;

	for (;;) {
		size_t len = strcspn(list, ","), i = 0;

		while (i < sizeof(dialects) / sizeof(dialects[0]) &&
		       (strlen(dialects[i].name) != len || strncmp(dialects[i].name, list, len)))
			i++;
		if (i == sizeof(dialects) / sizeof(dialects[0]))
			return usage_error(&cmd_decode, "--dialect: '%.*s' is not known", (int)len, list);
		bits |= dialects[i].bits;
		if (!list[len])
			break;
		list += len + 1;
	}
	*out = bits ? bits | PW_DIALECT_KNOWN : 0;
	return 0;
}

static void make_mmu(const struct args *args, struct pw_mmu *mmu)
{
	*mmu = (struct pw_mmu){
		.arch = &pw_arch_x86_64,
		.mode = pw_arch_mode(&pw_arch_x86_64, args->paging ? args->paging : 4),
		.half = args->kernel ? PW_HALF_KERNEL : PW_HALF_USER,
		.maxphyaddr = args->maxphyaddr ? args->maxphyaddr : MAXPHYADDR,
	};
	pw_x86_pat_linux(mmu->pat);
}

/*
 * Which level a value is most likely of. The values do not tell: bits that are reserved at a level rule it
 * out; else it is read as a pte, the kind that there is most of.
 */
static enum pw_level guess(const struct pw_mmu *mmu, uint64_t raw)
{
	struct pw_entry e;

	for (unsigned i = mmu->mode->depth; i-- > 0;) {
		mmu->arch->decode(mmu, mmu->mode->lv[i].level, raw, &e);
		if (!e.reserved)
			return e.level;
	}
	return PW_PTE;
}

static void put(struct session *s, const struct pw_mmu *mmu, enum pw_level level, uint64_t raw, bool explain)
{
	struct pw_rec_decoded d = { .mmu = mmu, .explain = explain, .guessed = !s->args->level };

	mmu->arch->decode(mmu, level, raw, &d.entry);
	s->render.ops->decoded(&s->render, &d);
}

static int decode(struct session *s, const struct pw_mmu *mmu, int level, uint64_t raw)
{
	char what[160];
	const struct pw_rec_head head = { .command = "decode", .mmu = mmu, .what = what };
	const struct pw_rec_end end = { .complete = true };
	int rc;

	snprintf(what, sizeof(what), "0x%016llx  %s %s  %s half  MAXPHYADDR %u  software bits: %.40s",
		 (unsigned long long)raw, mmu->arch->name, mmu->mode->name, s->args->kernel ? "kernel" : "user",
		 mmu->maxphyaddr, s->args->dialect ? s->args->dialect : "recent Linux");
	rc = session_begin(s, &head);
	if (rc)
		return rc;
	for (unsigned i = 0; i < mmu->mode->depth; i++)
		if (level < 0 || level == (int)mmu->mode->lv[i].level)
			put(s, mmu, mmu->mode->lv[i].level, raw, false);
	if (!s->args->columns && !s->args->noheadings)
		put(s, mmu, level < 0 ? guess(mmu, raw) : (enum pw_level)level, raw, true);
	session_end(s, &end);
	return s->status;
}

static int check_level(const struct pw_mmu *mmu, const char *name, int *level)
{
	*level = pw_level_parse(name, mmu->mode->depth);
	for (unsigned i = 0; i < mmu->mode->depth; i++)
		if (*level == (int)mmu->mode->lv[i].level)
			return 0;
	return usage_error(&cmd_decode, "--level: '%s' is no level of %s paging", name, mmu->mode->name);
}

static int run(struct args *args)
{
	struct pw_error err = { 0 };
	struct pw_mmu mmu;
	struct session s;
	uint64_t raw;
	int level = -1, rc;

	if (args->nargs != 1)
		return usage_error(&cmd_decode, "decode needs one VALUE");
	if (args->arg[0][0] == '-')
		return usage_error(&cmd_decode, "'%s' is no hexadecimal number of 64 bits", args->arg[0]);
	if (parse_hex(args->arg[0], &raw, &err))
		return usage_error(&cmd_decode, "%s", err.text);
	if (args->maxphyaddr && (args->maxphyaddr < 32 || args->maxphyaddr > 52))
		return usage_error(&cmd_decode, "--maxphyaddr is from 32 to 52");
	make_mmu(args, &mmu);
	if (parse_dialect(args->dialect ? args->dialect : "recent", &mmu.dialect))
		return STATUS_USAGE;
	if (args->level && check_level(&mmu, args->level, &level))
		return STATUS_USAGE;
	rc = session_open(&s, args, PW_VIEW_DECODE);
	if (rc)
		return rc;
	s.status = decode(&s, &mmu, level, raw);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("level", 'l', "LEVEL", OPT_TEXT, level, "pgd p4d pud pmd pte (pml5 pml4 pdpt pd pt); else each of them"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "an entry of the kernel half: no swap, no protection keys"),
	OPT("maxphyaddr", 0, "BITS", OPT_NUMBER, maxphyaddr,
	    "of the CPU: higher address bits are reserved (default: 52)"),
	OPT("dialect", 0, "LIST", OPT_TEXT, dialect, "software bits' names: recent (default), none, soft-dirty, ..."),
	OPT_PAGING,
	OPTS_SIZED_TABLE,
};

const struct command cmd_decode = {
	.name = "decode",
	.args = "VALUE",
	.summary = "explain a raw x86-64 entry, offline",
	.about = "VALUE is hexadecimal. What software bits mean depends on the kernel: --dialect has those of recent\n"
		 "Linux, none (they are named swN), or a list of soft-dirty uffd-wp devmap57 devmap58\n"
		 "saved-dirty noptishadow kernel-4k.\n",
	.examples = "  pagewalk decode 0x80000001a2f3c867\n"
		    "  pagewalk decode 80000001a2f3c8e7 --level pmd\n"
		    "  pagewalk decode 104a3d067 --level pml4 --paging 5 --maxphyaddr 46 --json\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_DECODE,
};
