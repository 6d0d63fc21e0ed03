/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "sha256.h"

/* The path behind -s when it is an image, or NULL. */
static const char *image_path(const struct session *s)
{
	const char *path = s->args->source;

	if (strcmp(s->target->source.ops->name, "image"))
		return NULL;
	return strncmp(path, "raw:", 4) ? path : path + 4;
}

static int put_hash(struct session *s)
{
	struct pw_fact fact = { .name = "sha256", .sure = PW_SURE_CERTAIN, .how = "all bytes of the file" };
	char text[SHA256_TEXT];
	int rc = sha256_of_file(image_path(s), text, &s->err);

	if (rc)
		return rc;
	snprintf(fact.value, sizeof(fact.value), "%s", text);
	s->render.ops->fact(&s->render, &fact);
	return 0;
}

static int list(struct session *s)
{
	const struct pw_rec_head head = { .command = "info" };
	struct pw_rec_end end = { .complete = true };
	struct pw_facts_list facts;
	int rc;

	if (s->args->hash && !image_path(s)) {
		complain("--hash is of an image's file: -s FILE");
		return STATUS_USAGE;
	}
	rc = pw_target_facts(s->target, &facts, &s->err);
	if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		return STATUS_FAILED;
	}
	rc = session_begin(s, &head);
	for (; end.records < facts.n && !rc; end.records++)
		s->render.ops->fact(&s->render, &facts.v[end.records]);
	if (!rc && s->args->hash && put_hash(s)) {
		complain("%s", s->err.text);
		s->status = STATUS_PARTIAL;
		end.complete = false;
	}
	if (!rc)
		session_end(s, &end);
	free(facts.v);
	return s->status;
}

static int run(struct args *args)
{
	return session_list(args, &cmd_info, list);
}

static const struct option_def options[] = {
	OPT("hash", 0, NULL, OPT_FLAG, hash, "also the SHA-256 of an image's file"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_TABLE,
};

const struct command cmd_info = {
	.name = "info",
	.args = "",
	.summary = "what a target is: kernel, mode, KASLR, how each fact was found and how sure",
	.examples = "  sudo pagewalk info\n"
		    "  pagewalk info -s memory.lime\n"
		    "  pagewalk info -s memory.lime --json | jq -r 'select(.fact == \"kernel-root\") | .value'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_FACTS,
};
