/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of /proc to which a command is written and from which its answer is read: through the same descriptor, or through
 * one that has written nothing, which reads the last answer that anybody got.
 *
 * A command is one write: up to 255 bytes of printable ASCII and tabs, a newline at its end or not. Errnos of all such files:
 *
 *	EPERM   CAP_SYS_ADMIN is missing, or the kernel is locked down (confidentiality)
 *	EINVAL  nothing, more than one line, bytes that are no text, NUL among them; and what is no command
 *	E2BIG   more than 255 bytes
 *	EFAULT  the caller's buffer
 *	EFBIG   the answer is longer than 16 MiB
 *	ENOMEM  no memory, or all answers together are longer than 64 MiB
 *	EINTR   a fatal signal arrived
 *
 * Nothing has changed after EINVAL, E2BIG, EINTR. A command that was understood and failed can leave a line as its answer
 * that says why, beside its errno.
 *
 * The files are streams: reading goes on where it was, whatever a seek or an offset says (ESPIPE).
 */
#ifndef PAGEWALK_ANSWER_H
#define PAGEWALK_ANSWER_H

#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/types.h>

#define ANSWER_WORDS 6 /* of a command, at most */

struct answer;

/* Adds to the text. What cannot be kept is seen at the end; answer_full() tells long loops to give up. */
__printf(2, 3) void answer_add(struct answer *a, const char *fmt, ...);
bool answer_full(const struct answer *a);

/* How much text there is, and going back to there. */
size_t answer_length(const struct answer *a);
void answer_cut(struct answer *a, size_t length);

/* Puts the reason in place of the text, "" for none; gives back rc. */
__printf(3, 4) int answer_fail(struct answer *a, int rc, const char *fmt, ...);

/* What stands in front of each line in the kernel's log. */
void answer_log_prefix(struct answer *a, const char *prefix);

struct answer_file {
	const char *name;
	/* Does a command: its words, and those that are left are NULL. *kept belongs to the descriptor. 0 or an errno. */
	int (*run)(char *words[ANSWER_WORDS], struct answer *a, void **kept);
	void (*forget)(void *kept); /* at the descriptor's end, when *kept was set */
	bool announce;              /* commands go to the kernel's log as well, "[name] Got command: ..." */
	struct mutex lock;
	struct answer *last;
};

int answer_file_start(struct answer_file *file);
void answer_file_stop(struct answer_file *file);

#endif
