/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static const struct command *const commands[] = {
	&cmd_doctor, &cmd_ps, &cmd_translate, &cmd_dump, &cmd_vmas, &cmd_decode,
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *f)
{
	fputs("Usage: pagewalk COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "Shows how Linux address spaces are mapped: level by level, entry by entry.\n\n"
	      "Commands:\n",
	      f);
	for (size_t i = 0; i < NCOMMANDS; i++)
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
	} else {
		status = cmd->run(&args);
	}
	free(args.arg);
	return status;
}

/* Options may stand before the command too: the index of the first word that is neither one nor its value. */
static int command_at(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool skip = false;

		if (argv[i][0] != '-')
			return i;
		for (size_t c = 0; c < NCOMMANDS && !skip; c++)
			skip = options_take_next(commands[c], argv[i]);
		i += skip;
	}
	return argc;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	int at;

	/* A closed pipe then is a failed write, which ends the command quietly. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		if (argc > 2 && find(argv[2]))
			options_help(find(argv[2]));
		else
			help(stdout);
		return STATUS_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("pagewalk " PW_VERSION);
		return STATUS_DONE;
	}
	if (!strcmp(argv[1], "--dump-options")) {
		for (size_t i = 0; i < NCOMMANDS; i++)
			options_dump(commands[i]);
		return STATUS_DONE;
	}
	at = command_at(argc, argv);
	if (at == argc || !find(argv[at])) {
		complain("what is '%s'? 'pagewalk --help' lists the commands", argv[at < argc ? at : 1]);
		return STATUS_USAGE;
	}
	cmd = find(argv[at]);
	memmove(argv + 2, argv + 1, (at - 1) * sizeof(*argv));
	return run(cmd, argc - 2, argv + 2);
}
