/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static const struct command *const commands[] = {
	&cmd_doctor,
	&cmd_info,
	&cmd_ps,
	&cmd_translate,
	&cmd_dump,
	&cmd_vmas,
	&cmd_rmap,
	&cmd_stats,
	&cmd_audit,
	&cmd_snapshot,
	&cmd_diff,
	&cmd_decode,
	&cmd_mem,
	&cmd_kalloc,
	&cmd_alloc,
	&cmd_layout,
	/* Of the origins. */
	&cmd_pagetables,
	&cmd_cpu,
	&cmd_va2pa,
	&cmd_pagemap_dump,
	&cmd_dev_mem,
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *f)
{
	fputs("Usage: pagewalk COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "Shows how Linux address spaces are mapped: level by level, entry by entry.\n\n"
	      "Commands:\n",
	      f);
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!commands[i]->origin)
			fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nTARGET: PID, self, name:COMM, kernel, cpu:N, root:PA; with PTI also PID:user, PID:kernel.\n"
	      "'pagewalk COMMAND --help' has options and examples.\n",
	      f);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!strcmp(commands[i]->name, name) || (commands[i]->alias && !strcmp(commands[i]->alias, name)))
			return commands[i];
	return NULL;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct args args = { 0 };
	struct pw_error err = { 0 };
	int status;

	if (options_parse(cmd, argc, argv, &args, &err)) {
		status = usage_error(cmd, "%s", err.text);
	} else if (args.help) {
		options_help(cmd);
		status = STATUS_DONE;
	} else if (pw_simd_check(&err)) {
		complain("%s", err.text);
		status = STATUS_USAGE;
	} else {
		status = cmd->run(&args);
	}
	free(args.arg);
	return status;
}

/* Whether the next word is an option's value, by what any command says of that option. */
static bool takes_next(const char *word)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (options_take_next(commands[i], word))
			return true;
	return false;
}

/* The first word that is no option names the command; options may stand before it. */
static int command_at(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return i;
		i += takes_next(argv[i]);
	}
	return argc;
}

static int help_on(const char *name)
{
	const struct command *cmd = name ? find(name) : NULL;

	if (name && !cmd) {
		complain("what is '%s'? 'pagewalk --help' lists the commands", name);
		return STATUS_USAGE;
	}
	if (cmd)
		options_help(cmd);
	else
		help(stdout);
	return STATUS_DONE;
}

/* What stands where a command would. */
static int other(int argc, char **argv)
{
	const char *word = argv[1];

	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
		return help_on(argc > 2 ? argv[2] : NULL);
	if (!strcmp(word, "--version")) {
		puts("pagewalk " PW_VERSION);
		return STATUS_DONE;
	}
	if (!strcmp(word, "--dump-options")) {
		for (size_t i = 0; i < NCOMMANDS; i++)
			options_dump(commands[i]);
		return STATUS_DONE;
	}
	return -1;
}

/* The command that is meant by the name under which the program was started. */
static const struct command *find_program(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < NCOMMANDS; i++)
		if (commands[i]->program && !strcmp(commands[i]->program, name))
			return commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *cmd = argc ? find_program(argv[0]) : NULL;
	int at, status;

	/* A closed pipe then is a failed write, which ends the command quietly. */
	signal(SIGPIPE, SIG_IGN);
	if (cmd)
		return run(cmd, argc - 1, argv + 1);
	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	status = other(argc, argv);
	if (status >= 0)
		return status;
	at = command_at(argc, argv);
	if (at == argc) {
		complain("no command; 'pagewalk --help' lists them");
		return STATUS_USAGE;
	}
	cmd = find(argv[at]);
	if (!cmd) {
		complain("what is '%s'? 'pagewalk --help' lists the commands", argv[at]);
		return STATUS_USAGE;
	}
	/* The command's place goes to the words before it. */
	memmove(argv + 2, argv + 1, (at - 1) * sizeof(*argv));
	return run(cmd, argc - 2, argv + 2);
}
