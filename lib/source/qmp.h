/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of QEMU's machine protocol: one command at a time over a Unix socket. */
#ifndef PAGEWALK_SOURCE_QMP_H
#define PAGEWALK_SOURCE_QMP_H

#include <stdbool.h>
#include <sys/types.h>

#include <json-c/json.h>

#include <pagewalk/error.h>

struct pw_qmp {
	int fd;
	char *buf; /* what has come and was not taken yet */
	size_t have, room;
};

/* Connects and shakes hands. */
int pw_qmp_open(struct pw_qmp *q, const char *path, struct pw_error *err);
void pw_qmp_close(struct pw_qmp *q);

/*
 * Runs a command; arguments (may be NULL) are taken over. *out, which may be NULL, gets what it returned: json_object_put() it.
 * -ECONNRESET: QEMU has gone; -ETIMEDOUT; -EREMOTEIO: it refused, with its reason.
 */
int pw_qmp_run(struct pw_qmp *q, const char *command, struct json_object *arguments, struct json_object **out,
	       struct pw_error *err);

/* A command of the human monitor; its text is malloc'ed. */
int pw_qmp_human(struct pw_qmp *q, const char *line, char **text, struct pw_error *err);

/* Whether QEMU is still there. */
bool pw_qmp_alive(const struct pw_qmp *q);

/* The process at the other end, 0 when not known. */
pid_t pw_qmp_peer(const struct pw_qmp *q);

#endif
