// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * QMP: a line of JSON each way. QEMU greets; after qmp_capabilities it takes commands; events come in between and are
 * passed over.
 */
#include "source/qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_LINE   (16u << 20)
#define GREETING_S 5
#define COMMAND_S  60
#define MAX_EVENTS 100000

static int failed(int e, struct pw_error *err)
{
	if (e == EAGAIN || e == EWOULDBLOCK)
		return pw_error_set(err, -ETIMEDOUT, "QEMU does not answer");
	return pw_error_set(err, -ECONNRESET, "QEMU has gone");
}

static void set_timeout(int fd, int seconds)
{
	const struct timeval tv = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static int send_all(struct pw_qmp *q, const char *text, size_t len, struct pw_error *err)
{
	while (len) {
		ssize_t n = send(q->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(errno, err);
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_some(struct pw_qmp *q, struct pw_error *err)
{
	ssize_t n;

	if (q->room - q->have < 4096) {
		size_t room = q->room ? q->room * 2 : 65536;
		char *buf = room > MAX_LINE ? NULL : realloc(q->buf, room);

		if (!buf)
			return pw_error_set(err, -EMSGSIZE, "QEMU's answer is too long");
		q->buf = buf;
		q->room = room;
	}
	do
		n = recv(q->fd, q->buf + q->have, q->room - q->have, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return failed(n ? errno : 0, err);
	q->have += (size_t)n;
	return 0;
}

/* The next object, or NULL with an error. */
static struct json_object *next_object(struct pw_qmp *q, struct pw_error *err)
{
	struct json_object *o;
	char *newline;

	while (!q->have || !(newline = memchr(q->buf, '\n', q->have)))
		if (receive_some(q, err))
			return NULL;
	*newline = 0;
	o = json_tokener_parse(q->buf);
	q->have -= (size_t)(newline + 1 - q->buf);
	memmove(q->buf, newline + 1, q->have);
	if (!o || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		pw_error_set(err, -EPROTO, "it does not speak QMP");
		return NULL;
	}
	return o;
}

static int take_answer(struct json_object *answer, struct json_object **out, struct pw_error *err)
{
	struct json_object *value, *text;

	if (json_object_object_get_ex(answer, "return", &value)) {
		if (out)
			*out = json_object_get(value);
		return 0;
	}
	if (json_object_object_get_ex(answer, "error", &value) && json_object_object_get_ex(value, "desc", &text))
		return pw_error_set(err, -EREMOTEIO, "QEMU says: %.200s", json_object_get_string(text));
	return -EAGAIN;
}

int pw_qmp_run(struct pw_qmp *q, const char *command, struct json_object *arguments, struct json_object **out,
	       struct pw_error *err)
{
	struct json_object *o = json_object_new_object();
	const char *text;
	int rc;

	json_object_object_add(o, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(o, "arguments", arguments);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	rc = send_all(q, text, strlen(text), err);
	if (!rc)
		rc = send_all(q, "\n", 1, err);
	json_object_put(o);
	for (int events = 0; !rc && events < MAX_EVENTS; events++) {
		o = next_object(q, err);
		if (!o)
			return err ? err->code : -ECONNRESET;
		rc = take_answer(o, out, err);
		json_object_put(o);
		if (rc != -EAGAIN)
			return rc;
		rc = 0;
	}
	return rc ? rc : pw_error_set(err, -EPROTO, "it does not speak QMP");
}

int pw_qmp_human(struct pw_qmp *q, const char *line, char **text, struct pw_error *err)
{
	struct json_object *arguments = json_object_new_object(), *out;
	int rc;

	json_object_object_add(arguments, "command-line", json_object_new_string(line));
	rc = pw_qmp_run(q, "human-monitor-command", arguments, &out, err);
	if (rc)
		return rc;
	*text = json_object_is_type(out, json_type_string) ? strdup(json_object_get_string(out)) : NULL;
	json_object_put(out);
	return *text ? 0 : pw_error_set(err, -EPROTO, "QEMU did not answer '%s'", line);
}

static int greet(struct pw_qmp *q, struct pw_error *err)
{
	struct json_object *hello, *value;
	bool qmp;

	set_timeout(q->fd, GREETING_S);
	hello = next_object(q, err);
	if (!hello && err && err->code == -ETIMEDOUT)
		return pw_error_set(err, -EBUSY,
				    "no greeting: something else uses this monitor; QEMU serves one at a time");
	if (!hello)
		return err ? err->code : -EPROTO;
	qmp = json_object_object_get_ex(hello, "QMP", &value);
	json_object_put(hello);
	if (!qmp)
		return pw_error_set(err, -EPROTO, "it does not speak QMP");
	set_timeout(q->fd, COMMAND_S);
	return pw_qmp_run(q, "qmp_capabilities", NULL, NULL, err);
}

int pw_qmp_open(struct pw_qmp *q, const char *path, struct pw_error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct pw_error why = { 0 };
	int rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return pw_error_set(err, -ENAMETOOLONG, "%s: too long for a socket's path", path);
	strcpy(to.sun_path, path);
	*q = (struct pw_qmp){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (q->fd < 0 || connect(q->fd, (const struct sockaddr *)&to, sizeof(to))) {
		rc = pw_error_set(err, -errno, "%s: %s: give QEMU -qmp unix:PATH,server=on,wait=off", path,
				  strerror(errno));
	} else {
		rc = greet(q, &why);
		if (rc)
			pw_error_set(err, rc, "%s: %s", path, why.text);
	}
	if (rc)
		pw_qmp_close(q);
	return rc;
}

void pw_qmp_close(struct pw_qmp *q)
{
	if (q->fd >= 0)
		close(q->fd);
	free(q->buf);
	*q = (struct pw_qmp){ .fd = -1 };
}

bool pw_qmp_alive(const struct pw_qmp *q)
{
	char byte;
	ssize_t n = recv(q->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

pid_t pw_qmp_peer(const struct pw_qmp *q)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(q->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}
