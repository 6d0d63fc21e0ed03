/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include <pagewalk/error.h>

int pw_error_set(struct pw_error *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return code;
}

int pw_error_prefix(struct pw_error *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;
	size_t len;

	if (!err)
		return 0;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	len = strlen(text);
	strncat(text, ": ", sizeof(text) - 1 - len);
	len = strlen(text);
	strncat(text, err->text, sizeof(text) - 1 - len);
	memcpy(err->text, text, sizeof(text));
	return err->code;
}
