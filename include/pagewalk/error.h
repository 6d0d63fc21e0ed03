/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: functions return 0 (or a count) or a negative errno. The sentence for a person is left in a
 * caller-owned struct pw_error: what was wrong and what to do, without a trailing newline. Where
 * text[0] is 0 nothing was said.
 */
#ifndef PAGEWALK_ERROR_H
#define PAGEWALK_ERROR_H

#include <stdarg.h>

#define PW_API               __attribute__((visibility("default")))
#define PW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

struct pw_error {
	int code; /* the negative errno that was returned with it */
	char text[512];
};

/* Fills err (which may be NULL) and returns code, so that `return pw_error_set(...)` reads well. */
PW_API int pw_error_set(struct pw_error *err, int code, const char *fmt, ...) PW_PRINTF(3, 4);

/* Puts "prefix: " before a text that is already there; returns err->code. */
PW_API int pw_error_prefix(struct pw_error *err, const char *fmt, ...) PW_PRINTF(2, 3);

#endif
