// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pin.h"

#include <errno.h>
#include <unistd.h>

/*
 * An open pagemap keeps the mm_struct and its root table, not what they lead to: when the last user goes, exit_mmap()
 * frees the tables, and from just before that on the file reads as empty (mmget_not_zero() in pagemap_read()).
 */
bool pw_pin_gone(const struct pw_pin *pin)
{
	uint64_t word;
	ssize_t got;

	if (pin->pagemap_fd < 0)
		return pin->gone && pin->gone(pin->ctx);
	do
		got = pread(pin->pagemap_fd, &word, sizeof(word), 0);
	while (got < 0 && errno == EINTR);
	return got == 0;
}
