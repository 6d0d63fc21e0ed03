/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "render/render.h"

static bool one_of(const char *list, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = list; *p; p += p[strcspn(p, "|")] ? strcspn(p, "|") + 1 : strcspn(p, "|"))
		if (strcspn(p, "|") == len && !strncmp(p, value, len))
			return true;
	return false;
}

static int set_number(const struct option_def *o, const char *value, unsigned *out, struct pw_error *err)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*value))
		return pw_error_set(err, -EINVAL, "--%s: '%s' is no number", o->name, value);
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || n > 1000000)
		return pw_error_set(err, -EINVAL, "--%s: '%s' is no number", o->name, value);
	*out = n;
	return 0;
}

static int set_option(const struct option_def *o, const char *value, struct args *args, struct pw_error *err)
{
	void *field = (char *)args + o->at;

	if (o->arg && strchr(o->arg, '|') && !one_of(o->arg, value))
		return pw_error_set(err, -EINVAL, "--%s: '%s' is not one of %s", o->name, value, o->arg);
	switch (o->type) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_NUMBER:
		return set_number(o, value, field, err);
	}
	return -EINVAL;
}

/* By full name or by a beginning that only one option has. */
static const struct option_def *find_long(const struct command *cmd, const char *name, size_t len)
{
	const struct option_def *found = NULL;

	for (const struct option_def *o = cmd->options; o->name; o++) {
		if (strncmp(o->name, name, len))
			continue;
		if (!o->name[len])
			return o;
		if (found)
			return NULL;
		found = o;
	}
	return found;
}

static const struct option_def *find_short(const struct command *cmd, char letter)
{
	for (const struct option_def *o = cmd->options; o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* argv[*i] is "--name", "--name=value" or is followed by its value. */
static int parse_long(const struct command *cmd, int argc, char **argv, int *i, struct args *args, struct pw_error *err)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct option_def *o = len ? find_long(cmd, name, len) : NULL;
	const char *value = NULL;

	if (!o)
		return pw_error_set(err, -EINVAL, "%s has no option '--%.*s'", cmd->name, (int)len, name);
	if (!o->arg && name[len])
		return pw_error_set(err, -EINVAL, "--%s takes no value", o->name);
	if (o->arg && name[len])
		value = name + len + 1;
	else if (o->arg && *i + 1 < argc)
		value = argv[++*i];
	else if (o->arg)
		return pw_error_set(err, -EINVAL, "--%s needs a value: %s", o->name, o->arg);
	return set_option(o, value, args, err);
}

/* argv[*i] is "-abc", the last of which may take the rest or the next word as its value. */
static int parse_short(const struct command *cmd, int argc, char **argv, int *i, struct args *args,
		       struct pw_error *err)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct option_def *o = find_short(cmd, *p);
		const char *value = NULL;
		int rc;

		if (!o)
			return pw_error_set(err, -EINVAL, "%s has no option '-%c'", cmd->name, *p);
		if (o->arg && p[1])
			value = p + 1;
		else if (o->arg && *i + 1 < argc)
			value = argv[++*i];
		else if (o->arg)
			return pw_error_set(err, -EINVAL, "-%c needs a value: %s", *p, o->arg);
		rc = set_option(o, value, args, err);
		if (rc || o->arg)
			return rc;
	}
	return 0;
}

bool options_take_next(const struct command *cmd, const char *word)
{
	const struct option_def *o;

	if (word[0] != '-' || !word[1])
		return false;
	if (word[1] != '-')
		o = word[2] ? NULL : find_short(cmd, word[1]);
	else
		o = strchr(word, '=') || !word[2] ? NULL : find_long(cmd, word + 2, strlen(word + 2));
	return o && o->arg;
}

int options_parse(const struct command *cmd, int argc, char **argv, struct args *args, struct pw_error *err)
{
	bool only_args = false;
	int rc = 0;

	args->cmd = cmd;
	args->arg = calloc(argc + 1, sizeof(*args->arg));
	if (!args->arg)
		return pw_error_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < argc && !rc; i++) {
		const char *a = argv[i];

		/* "-" is standard input, "-1" a number. */
		if (only_args || a[0] != '-' || !a[1] || isdigit((unsigned char)a[1]))
			args->arg[args->nargs++] = a;
		else if (!strcmp(a, "--"))
			only_args = true;
		else if (a[1] == '-')
			rc = parse_long(cmd, argc, argv, &i, args, err);
		else
			rc = parse_short(cmd, argc, argv, &i, args, err);
	}
	return rc;
}

/* ---- help ---- */

static void help_option(const struct option_def *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s --%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
		 o->letter ? "," : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	printf("  %-31s %s\n", left, o->help);
}

static void help_columns(int view)
{
	size_t n;
	const struct pw_column *col = pw_view_columns(view, &n);

	for (size_t i = 0; i < n; i++)
		printf("  %-10s %c %s\n", col[i].name, col[i].extra ? ' ' : '*', col[i].doc);
}

void options_help(const struct command *cmd)
{
	printf("Usage: pagewalk %s [OPTION]...%s%s\n", cmd->name, *cmd->args ? " " : "", cmd->args);
	if (cmd->alias)
		printf("       pagewalk %s ...\n", cmd->alias);
	printf("\n%s\n", cmd->summary);
	if (cmd->about)
		printf("\n%s", cmd->about);
	puts("\nOptions:");
	for (const struct option_def *o = cmd->options; o->name; o++)
		help_option(o);
	if (cmd->view) {
		puts("\nColumns (*: shown by default):");
		help_columns(cmd->view);
	}
	printf("\nEXAMPLES\n%s\nExit status: 0 done; 1 the answer is no; 2 usage; 3 could not look; 4 partial.\n",
	       cmd->examples);
}

static void dump_columns(int view)
{
	size_t n;
	const struct pw_column *col = pw_view_columns(view, &n);

	for (size_t i = 0; i < n; i++)
		printf("column\t%s\t%s\t%s\n", col[i].name, col[i].head, col[i].doc);
}

void options_dump(const struct command *cmd)
{
	printf("command\t%s\t%s\t%s\t%s\t%s\t%s\n", cmd->name, cmd->alias ? cmd->alias : "", cmd->args, cmd->summary,
	       cmd->program ? cmd->program : "", cmd->origin ? "origin" : "");
	for (const struct option_def *o = cmd->options; o->name; o++)
		printf("option\t%s\t%.1s\t%s\t%s\n", o->name, o->letter ? &o->letter : "", o->arg ? o->arg : "",
		       o->help);
	if (cmd->view)
		dump_columns(cmd->view);
}
