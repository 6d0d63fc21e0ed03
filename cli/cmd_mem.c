/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "mem.h"

#define MAX_INPUT ((size_t)16 << 20)

struct mem {
	struct session *s;
	struct place place;
	uint8_t *buf; /* what is written */
};

static int parse_place(struct session *s, struct place *p, const char *text)
{
	struct pw_space nowhere = { .title = "physical memory" };
	uint64_t at;

	if (!(p->phys ? parse_hex(text, &at, &s->err) : parse_address(s->target, text, &at, &s->err))) {
		p->ranges.v = malloc(sizeof(*p->ranges.v));
		if (!p->ranges.v)
			return pw_error_set(&s->err, -ENOMEM, "out of memory");
		p->ranges.v[0] = (struct pw_range){ at, at };
		p->ranges.n = 1;
		p->address = true;
		return 0;
	}
	return p->phys ? parse_range(&nowhere, text, &p->ranges, &s->err)
		       : session_range(s, &p->space, text, &p->ranges);
}

static int find_place(struct session *s, struct place *p)
{
	const char *const *arg = s->args->arg + 1;
	int rc;

	p->phys = s->args->nargs > 1 && !strncmp(arg[0], "pa:", 3);
	p->words = p->phys ? 1 : 2;
	if (s->args->nargs < 1 + p->words)
		return usage_error(&cmd_mem, "mem %s needs pa:ADDR, or a TARGET and an ADDR", s->args->arg[0]);
	rc = p->phys ? 0 : session_space(s, arg[0], &p->space);
	if (!rc && parse_place(s, p, p->phys ? arg[0] + 3 : arg[1]))
		rc = usage_error(&cmd_mem, "%s", s->err.text);
	return rc;
}

/* -------- write -------- */

/* What is to be written: a number of --width bytes, or a file. */
static int get_data(struct mem *m, size_t *len)
{
	const struct args *args = m->s->args;
	unsigned width = args->width ? args->width : 8;
	ssize_t got = 1;
	uint64_t value;
	int fd;

	if (args->nargs - 1 - m->place.words != (args->input ? 0 : 1))
		return usage_error(&cmd_mem, "mem write needs a VALUE, or --input FILE");
	if (!args->input) {
		if (parse_hex(args->arg[1 + m->place.words], &value, &m->s->err))
			return usage_error(&cmd_mem, "%s", m->s->err.text);
		if (width < 8 && value >> (8 * width))
			return usage_error(&cmd_mem, "0x%llx does not fit into %u bytes", (unsigned long long)value,
					   width);
		memcpy(m->buf, &value, 8);
		*len = width;
		return 0;
	}
	fd = strcmp(args->input, "-") ? open(args->input, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	for (*len = 0; fd >= 0 && got > 0 && *len <= MAX_INPUT; *len += got > 0 ? (size_t)got : 0)
		got = read(fd, m->buf + *len, MAX_INPUT + 1 - *len);
	if (fd < 0 || got < 0)
		complain("%s: %s", args->input, strerror(errno));
	else if (*len > MAX_INPUT || !*len)
		complain("%s: %s", args->input, *len ? "more than 16M" : "it is empty");
	if (fd > STDIN_FILENO)
		close(fd);
	return fd < 0 || got < 0 || !*len || *len > MAX_INPUT ? STATUS_FAILED : 0;
}

static int read_back(struct mem *m, size_t len)
{
	const struct pw_range *at = &m->place.ranges.v[0];
	size_t done = 0;

	return m->place.phys ? pw_mem_read_phys(m->s->target, at->lo, m->buf, len, &m->s->err)
			     : pw_mem_read(&m->place.space, at->lo, m->buf, len, &done, &m->s->err);
}

static int verify(struct mem *m, size_t len)
{
	uint8_t *want = malloc(len);
	int rc;

	if (!want) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	memcpy(want, m->buf, len);
	rc = read_back(m, len);
	if (rc)
		complain("written, but not read back: %s", m->s->err.text);
	else if (memcmp(want, m->buf, len))
		complain("written, but something else is there now");
	rc = rc ? STATUS_FAILED : memcmp(want, m->buf, len) ? STATUS_NO : STATUS_DONE;
	free(want);
	return rc;
}

static int mem_write(struct mem *m)
{
	const struct args *args = m->s->args;
	uint64_t at = m->place.ranges.v[0].lo;
	size_t len = 0;
	int rc;

	if (!m->place.address)
		return usage_error(&cmd_mem, "mem write takes an ADDR, no range");
	m->buf = malloc(MAX_INPUT + 1);
	if (!m->buf) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	rc = get_data(m, &len);
	if (rc)
		return rc;
	if (m->place.phys)
		rc = pw_mem_write_phys(m->s->target, at, m->buf, len, args->width, &m->s->err);
	else
		rc = pw_mem_write(m->s->target, &m->place.space, at, m->buf, len, args->width, &m->s->err);
	if (rc) {
		complain("%s", m->s->err.text);
		return STATUS_FAILED;
	}
	return args->verify ? verify(m, len) : STATUS_DONE;
}

static int run(struct args *args)
{
	struct session s;
	struct mem m = { .s = &s, .place.space.pin.pagemap_fd = -1 };
	bool write = args->nargs && !strcmp(args->arg[0], "write");
	int rc;

	if (!args->nargs || (!write && strcmp(args->arg[0], "read")))
		return usage_error(&cmd_mem, "mem needs 'read' or 'write'");
	if (args->raw && args->json)
		return usage_error(&cmd_mem, "--raw and --json exclude each other");
	rc = session_open(&s, args, PW_VIEW_NONE);
	if (rc)
		return rc;
	rc = session_target(&s);
	if (!rc)
		rc = find_place(&s, &m.place);
	if (!rc)
		rc = write ? mem_write(&m) : mem_read(&s, &m.place);
	s.status = rc;
	pw_space_free(&m.place.space);
	free(m.place.ranges.v);
	free(m.buf);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("width", 'w', "1|2|4|8", OPT_NUMBER, width, "bytes of a number; with pa: of each write, too"),
	OPT("count", 'c', "N", OPT_NUMBER, count, "read so many numbers (default: 64 bytes)"),
	OPT("raw", 'r', NULL, OPT_FLAG, raw, "the bytes themselves; what is not there is a hole in the file"),
	OPT("input", 'i', "FILE", OPT_TEXT, input, "write what is in FILE ('-': standard input)"),
	OPT("verify", 0, NULL, OPT_FLAG, verify, "read back what was written; exit status 1 if it differs"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPT_JSON,
	OPT_OUTPUT,
	OPT_NOHEADINGS,
	OPT_COLOR,
	OPT_HELP,
	OPT_END,
};

const struct command cmd_mem = {
	.name = "mem",
	.args = "read|write PLACE [VALUE]",
	.summary = "read or write physical memory, or memory of a process or the kernel",
	.about =
		"PLACE is pa:ADDR, or a TARGET and an ADDR; to read also a RANGE: A-B, A+SIZE, or a name in the map,\n"
		"as in 'pagewalk dump'. Reading works with any source that has memory, at the physical addresses that\n"
		"the page tables give: nothing is faulted in, and what is not there is said, never read as zeros.\n"
		"Writing needs the module, loaded with writable=1. VALUE is hexadecimal, little-endian, of --width\n"
		"bytes (default: 8).\n",
	.examples = "  sudo pagewalk mem read pa:100000 --count 256\n"
		    "  sudo pagewalk mem read 4242 7f3a5c200000 --width 8 --count 4\n"
		    "  sudo pagewalk mem read kernel linux_banner --raw --count 80\n"
		    "  sudo pagewalk mem read 4242 '[heap]' --raw -o heap.bin\n"
		    "  pagewalk mem read 4242 7f3a5c200000+2M --raw -s memory.lime | strings\n"
		    "  sudo pagewalk mem write 4242 7f3a5c200000 2a --width 4 --verify\n",
	.options = options,
	.run = run,
};
