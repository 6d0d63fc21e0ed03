/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session: what every command does at its start and end: the output, the renderer, the target, and the
 * exit status.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <pagewalk/pagewalk.h>

#include "options.h"
#include "parse.h"
#include "render/render.h"

enum status {
	STATUS_DONE = 0,
	STATUS_NO = 1,
	STATUS_USAGE = 2,
	STATUS_FAILED = 3,
	STATUS_PARTIAL = 4,
};

struct session {
	const struct args *args;
	struct pw_out out;
	struct pw_render render;
	struct pw_target *target;
	struct pw_joins joins;
	struct pw_filter *filter; /* of --filter; NULL: none */
	struct pw_space regions;  /* of the kernel, for a process's kernel half */
	struct pw_error err;
	bool lacking; /* not all of what was asked for could be found: the answer is partial */
	enum status status;
};

/* "pagewalk: ..." to standard error. */
void complain(const char *fmt, ...) PW_PRINTF(1, 2);

/* Complains about a usage error and returns STATUS_USAGE. */
int usage_error(const struct command *cmd, const char *fmt, ...) PW_PRINTF(2, 3);

/*
 * Output and renderer, for that view. 0, or a status that is to be returned. The output file is made by
 * the first session_begin(), so that a failure before leaves it alone.
 */
int session_open(struct session *s, const struct args *args, enum pw_view view);

/* The target of -s. 0 or a status, after a complaint. */
int session_target(struct session *s);

/* Complains about what of a space could not be found; the answer is partial then. */
void session_lacks(struct session *s, const struct pw_space *space);

/* A TARGET's space. 0 or a status, after a complaint. */
int session_space(struct session *s, const char *text, struct pw_space *space);

/* Names the kernel's regions in a process's space, as far as they are known; kernel: that of t, opened when it is not yet. */
void regions_join(struct pw_target *t, struct pw_space *kernel, struct pw_space *space);

/* The same for the only space of a session. */
void session_regions(struct session *s, struct pw_space *space);

/* As parse_range(); names of the kernel's regions count, too. The text of an error is in s->err. */
int session_range(struct session *s, struct pw_space *space, const char *text, struct ranges *out);

/* Starts output: the head of what follows. 0 or a status. */
int session_begin(struct session *s, const struct pw_rec_head *head);

/* Ends it with the sums, from which the status follows. */
void session_end(struct session *s, const struct pw_rec_end *end);

/* Why a walk or a translation failed, by what it returned. */
const char *walk_error(int rc);

/* Ends an answer that broke off with an error: marks it as not whole and says why. */
void session_cut(struct session *s, int rc, const char *what);

/* What follows goes to standard output, also where -o has sent the rest to a file, which is closed. */
void session_to_stdout(struct session *s);

/* Frees all; returns the exit status. A closed pipe is no error. */
int session_close(struct session *s);

/* All of a command that takes no arguments and lists something of the target: opens, calls list for the status, closes. */
int session_list(struct args *args, const struct command *cmd, int (*list)(struct session *s));

/* "4242", "kernel", "root:0x1000": the name of a space in records. */
const char *space_name(const struct pw_space *space, const char *text, char buf[64]);

/* Keeps only the pieces of that half. */
void keep_half(struct pw_space *space, enum pw_half half);

/* Keeps the user half of a process, unless --kernel asks for the other or for both with --user. */
void session_half(const struct session *s, struct pw_space *space);

/* NUMA nodes and swap areas of the running system; what cannot be read stays empty. */
void joins_load(struct pw_joins *joins);
void joins_free(struct pw_joins *joins);

#endif
