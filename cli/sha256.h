/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_SHA256_H
#define CLI_SHA256_H

#include <pagewalk/error.h>

#define SHA256_TEXT 65

/* Of a whole file, as sha256sum prints it. Says on standard error how far it is, if that is a terminal and it takes its time. */
int sha256_of_file(const char *path, char text[SHA256_TEXT], struct pw_error *err);

#endif
