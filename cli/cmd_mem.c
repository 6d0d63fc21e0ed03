/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "parse.h"
#include "session.h"

#define CHUNK     ((size_t)64 << 10)
#define MAX_INPUT ((size_t)16 << 20)
#define USUAL     64 /* bytes that are read when nobody says how many */

/* Where: physical memory, or an address of a space. */
struct place {
	struct pw_space space; /* without pieces: physical */
	uint64_t at;
	bool phys;
	size_t words; /* of the command line that name it */
};

struct mem {
	struct session *s;
	struct place place;
	uint8_t *buf;
};

static int find_place(struct session *s, struct place *p)
{
	const char *const *arg = s->args->arg + 1;
	int rc;

	p->space.pin.pagemap_fd = -1;
	p->phys = s->args->nargs > 1 && !strncmp(arg[0], "pa:", 3);
	p->words = p->phys ? 1 : 2;
	if (s->args->nargs < 1 + p->words)
		return usage_error(&cmd_mem, "mem %s needs pa:ADDR, or a TARGET and an ADDR", s->args->arg[0]);
	rc = p->phys ? parse_hex(arg[0] + 3, &p->at, &s->err) : parse_address(s->target, arg[1], &p->at, &s->err);
	if (rc)
		return usage_error(&cmd_mem, "%s", s->err.text);
	return p->phys ? 0 : session_space(s, arg[0], &p->space);
}

static int fetch(struct mem *m, uint64_t at, size_t len, size_t *done)
{
	int rc;

	if (!m->place.phys)
		return pw_mem_read(&m->place.space, at, m->buf, len, done, &m->s->err);
	rc = pw_mem_read_phys(m->s->target, at, m->buf, len, &m->s->err);
	*done = rc ? 0 : len;
	return rc;
}

/* -------- read -------- */

static void put(struct mem *m, uint64_t at, size_t len)
{
	struct session *s = m->s;

	if (s->args->raw) {
		pw_out_room(&s->out, PW_OUT_ROW);
		for (size_t i = 0; i < len; i += PW_OUT_ROW / 2) {
			size_t part = len - i < PW_OUT_ROW / 2 ? len - i : PW_OUT_ROW / 2;

			pw_out_room(&s->out, PW_OUT_ROW);
			pw_out_mem(&s->out, (const char *)m->buf + i, part);
		}
		return;
	}
	for (size_t i = 0; i < len; i += PW_MEMORY_ROW) {
		struct pw_rec_memory rec = {
			.at = at + i,
			.phys = m->place.phys,
			.bytes = m->buf + i,
			.n = len - i < PW_MEMORY_ROW ? len - i : PW_MEMORY_ROW,
			.width = s->args->width,
		};

		s->render.ops->memory(&s->render, &rec);
	}
}

static int read_all(struct mem *m, uint64_t len)
{
	struct session *s = m->s;
	int rc = 0;

	for (uint64_t done = 0; done < len && !rc && pw_render_alive(&s->render);) {
		size_t part = len - done < CHUNK ? (size_t)(len - done) : CHUNK, got;

		rc = fetch(m, m->place.at + done, part, &got);
		put(m, m->place.at + done, got);
		done += got;
		if (!rc)
			continue;
		pw_out_flush(&s->out);
		complain("%s", s->err.text);
		s->status = done ? STATUS_PARTIAL : STATUS_FAILED;
	}
	return rc;
}

static int mem_read(struct mem *m)
{
	const struct args *args = m->s->args;
	unsigned width = args->width ? args->width : 1;
	uint64_t len = args->count ? (uint64_t)args->count * width : USUAL;
	const struct pw_rec_head head = {
		.command = "mem",
		.space = m->place.phys ? NULL : &m->place.space,
		.what = m->place.phys ? "physical memory" : NULL,
		.va = { m->place.at, m->place.at + len - 1 },
	};
	struct pw_rec_end end = { .complete = true };
	int rc;

	if (args->nargs > 1 + m->place.words)
		return usage_error(&cmd_mem, "mem read: what is '%s'?", args->arg[1 + m->place.words]);
	if (m->place.at + len - 1 < m->place.at)
		return usage_error(&cmd_mem, "mem read: there are not so many addresses");
	if (args->raw)
		m->s->render.noheadings = true;
	rc = session_begin(m->s, &head);
	if (rc)
		return rc;
	if (!read_all(m, len) && !args->raw)
		session_end(m->s, &end);
	return m->s->status;
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

static int verify(struct mem *m, size_t len)
{
	uint8_t *want = malloc(len);
	size_t done = 0;
	int rc;

	if (!want) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	memcpy(want, m->buf, len);
	rc = fetch(m, m->place.at, len, &done);
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
	size_t len = 0;
	int rc = get_data(m, &len);

	if (rc)
		return rc;
	if (m->place.phys)
		rc = pw_mem_write_phys(m->s->target, m->place.at, m->buf, len, args->width, &m->s->err);
	else
		rc = pw_mem_write(m->s->target, &m->place.space, m->place.at, m->buf, len, args->width, &m->s->err);
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
	m.buf = malloc(MAX_INPUT + 1);
	rc = session_target(&s);
	if (!rc && m.buf)
		rc = find_place(&s, &m.place);
	if (!rc && m.buf)
		rc = write ? mem_write(&m) : mem_read(&m);
	s.status = rc;
	pw_space_free(&m.place.space);
	free(m.buf);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("width", 'w', "1|2|4|8", OPT_NUMBER, width, "bytes of a number; with pa: of each write, too"),
	OPT("count", 'c', "N", OPT_NUMBER, count, "read so many numbers (default: 64 bytes)"),
	OPT("raw", 'r', NULL, OPT_FLAG, raw, "the bytes themselves"),
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
	.about = "PLACE is pa:ADDR, or a TARGET and an ADDR. Reading works with any source that has memory, at the\n"
		 "physical addresses that the page tables give: nothing is faulted in. Writing needs the module,\n"
		 "loaded with writable=1. VALUE is hexadecimal, little-endian, of --width bytes (default: 8).\n",
	.examples = "  sudo pagewalk mem read pa:100000 --count 256\n"
		    "  sudo pagewalk mem read 4242 7f3a5c200000 --width 8 --count 4\n"
		    "  sudo pagewalk mem read kernel linux_banner --raw --count 80\n"
		    "  sudo pagewalk mem write 4242 7f3a5c200000 2a --width 4 --verify\n",
	.options = options,
	.run = run,
};
