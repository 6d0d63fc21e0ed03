// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20)

/* A line that is written over, once a second. */
static void tell(uint64_t done, time_t *told)
{
	time_t now = time(NULL);

	if (now == *told || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\rhashing: %llu MiB", (unsigned long long)(done >> 20));
	*told = now;
}

static int hash_fd(int fd, char *buf, struct sha256_ctx *sha)
{
	time_t started = time(NULL), told = started;
	uint64_t done = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, buf, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sha256_update(sha, (size_t)n, (const uint8_t *)buf);
		done += (uint64_t)n;
		tell(done, &told);
	}
	if (told != started)
		fputs("\r\033[K", stderr);
	return n < 0 ? -errno : 0;
}

int sha256_of_file(const char *path, char text[SHA256_TEXT], struct pw_error *err)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf = fd < 0 ? NULL : malloc(CHUNK);
	struct sha256_ctx sha;
	int rc = fd < 0 ? -errno : buf ? 0 : -ENOMEM;

	sha256_init(&sha);
	if (!rc)
		rc = hash_fd(fd, buf, &sha);
	free(buf);
	if (fd >= 0)
		close(fd);
	if (rc)
		return pw_error_set(err, rc, "%s: %s", path, strerror(-rc));
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return 0;
}
