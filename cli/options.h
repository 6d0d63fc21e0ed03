/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options: each command has one table of options. The parser, --help, and (through --dump-options and
 * tests/cli/check-docs.py) man page and completion all go by it. Options may stand anywhere.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <pagewalk/error.h>

struct command;

struct args {
	const struct command *cmd;
	const char *source, *output, *columns, *sort, *level, *cgroup, *filter, *dialect, *input, *max_level, *block,
		*amount, *interval, *fail_on, *baseline, *write_baseline;
	const char *colour; /* "auto" "always" "never" */
	unsigned paging, maxphyaddr, width, count, depth, top;
	bool json, bytes, noheadings, all, phys, exact, entries, tree, user, kernel, brief, raw, verify, help;
	bool no_kernel, no_user, why, stats, hash, stop, huge, thp, lock, keep, pages;
	const char *ranges, *root, *page_offset, *btf;
	bool frozen;
	const char **arg; /* what is not an option, in order */
	size_t nargs;
};

enum opt_type { OPT_FLAG, OPT_TEXT, OPT_NUMBER };

struct option_def {
	const char *name;
	char letter;     /* 0: none */
	const char *arg; /* NULL: takes none; "a|b" lists the values */
	const char *help;
	enum opt_type type;
	size_t at; /* offset in struct args */
};

struct command {
	const char *name, *alias; /* alias may be NULL */
	const char *args;         /* "TARGET ADDR..." */
	const char *summary;      /* one line */
	const char *about;        /* more, may be NULL */
	const char *examples;
	const struct option_def *options; /* ends with a NULL name */
	int (*run)(struct args *args);
	int view;            /* enum pw_view whose columns --columns has; 0: none */
	bool origin;         /* of a project that Pagewalk grew from: not among the commands that --help lists */
	const char *program; /* the command is run under this name as well; may be NULL */
};

#define OPT(n, letter, arg, type, field, help)                           \
	{                                                                \
		n, letter, arg, help, type, offsetof(struct args, field) \
	}

#define OPT_SOURCE                                     \
	OPT("source", 's', "SOURCE", OPT_TEXT, source, \
	    "auto, kmod, bpf, kcore, pagemap, qemu:SOCKET, or a file (default: auto)")
#define OPT_PAGING OPT("paging", 0, "4|5", OPT_NUMBER, paging, "number of levels, instead of what was found")
#define OPTS_IMAGE                                                                                                 \
	OPT("ranges", 0, "RANGES", OPT_TEXT, ranges, "raw image: LO-HI,... that it holds, or /proc/iomem's text"), \
		OPT("frozen", 0, NULL, OPT_FLAG, frozen, "image: the system is known to have stood still"),        \
		OPT("root", 0, "PA", OPT_TEXT, root, "image: the kernel's root table, instead of what is found"),  \
		OPT("page-offset", 0, "ADDR", OPT_TEXT, page_offset, "image: where the direct map starts"),        \
		OPT("btf", 0, "FILE", OPT_TEXT, btf, "image: the kernel's types, instead of what is in it"),       \
		OPT("stop", 0, NULL, OPT_FLAG, stop, "guest: it is stopped meanwhile")
#define OPT_FILTER \
	OPT("filter", 'f', "EXPR", OPT_TEXT, filter, "only entries that match: 'w and x', 'size=2M and file~libc'")
#define OPT_CGROUP     OPT("cgroup", 0, "PATH", OPT_TEXT, cgroup, "the processes of a control group and those below it")
#define OPTS_TARGETS   OPT("all", 'a', NULL, OPT_FLAG, all, "all processes"), OPT_CGROUP
#define OPT_JSON       OPT("json", 'j', NULL, OPT_FLAG, json, "one JSON object a line")
#define OPT_OUTPUT     OPT("output", 'o', "FILE", OPT_TEXT, output, "write to FILE")
#define OPT_COLUMNS    OPT("columns", 0, "LIST", OPT_TEXT, columns, "these columns, separated by commas")
#define OPT_BYTES      OPT("bytes", 'b', NULL, OPT_FLAG, bytes, "sizes in bytes")
#define OPT_NOHEADINGS OPT("noheadings", 'n', NULL, OPT_FLAG, noheadings, "rows only: no title, headings or sums")
#define OPT_COLOR      OPT("color", 0, "auto|always|never", OPT_TEXT, colour, "colours (default: auto, on a terminal)")
#define OPT_HELP       OPT("help", 'h', NULL, OPT_FLAG, help, "show this")
#define OPT_END                                  \
	{                                        \
		NULL, 0, NULL, NULL, OPT_FLAG, 0 \
	}

/* What every table that is printed takes; the order is that of --help. */
#define OPTS_TABLE       OPT_JSON, OPT_OUTPUT, OPT_COLUMNS, OPT_NOHEADINGS, OPT_COLOR, OPT_HELP, OPT_END
#define OPTS_SIZED_TABLE OPT_JSON, OPT_OUTPUT, OPT_COLUMNS, OPT_BYTES, OPT_NOHEADINGS, OPT_COLOR, OPT_HELP, OPT_END

/* Fills args in. args->arg is malloc'ed. -EINVAL with a text. */
int options_parse(const struct command *cmd, int argc, char **argv, struct args *args, struct pw_error *err);

/* Whether the word is an option of the command whose value is the next word. */
bool options_take_next(const struct command *cmd, const char *word);

/* To standard output. */
void options_help(const struct command *cmd);

/* Machine-readable: "command NAME ALIAS ARGS SUMMARY PROGRAM origin", "option NAME LETTER ARG HELP", "column NAME HEAD DOC", by tabs. */
void options_dump(const struct command *cmd);

#endif
