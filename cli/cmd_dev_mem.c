/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "devmem.h"
#include "session.h"

#define PAGE      4096
#define MOST      ((uint64_t)16 << 20)
#define PHYS_BITS 52 /* that an x86-64 or arm64 CPU can have */

struct job {
	struct session *s;
	bool write;
	uint64_t pa, count, value;
	unsigned width;
	uint8_t *buf;
	size_t len, done;
	const char *by; /* the source that did it, if that is no target */
};

/* -------- what is asked for -------- */

/* As in C: decimal, 0x and hexadecimal, 0 and octal. */
static int parse_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || errno || *end)
		return usage_error(&cmd_dev_mem, "'%s' is no number: decimal, 0x... or, with a leading 0, octal", text);
	return 0;
}

static int parse(struct job *j, const struct args *args)
{
	const char *const *arg = args->arg;
	uint64_t last;

	j->width = args->width ? args->width : 4;
	j->write = args->nargs > 1 && !strcmp(arg[1], "w");
	if (args->nargs != 3 || (!j->write && strcmp(arg[1], "r")))
		return usage_error(&cmd_dev_mem, "dev_mem needs ADDR r COUNT, or ADDR w VALUE");
	if (parse_number(arg[0], &j->pa) || parse_number(arg[2], j->write ? &j->value : &j->count))
		return STATUS_USAGE;
	if (j->write && j->width < 8 && j->value >> (8 * j->width))
		return usage_error(&cmd_dev_mem, "%s does not fit into %u bytes", arg[2], j->width);
	if (j->write && j->pa % j->width)
		return usage_error(&cmd_dev_mem, "what is written has to be at a multiple of its %u bytes", j->width);
	if (!j->write && (!j->count || j->count > MOST / j->width))
		return usage_error(&cmd_dev_mem, "%s words: from one to 16M of bytes are read at a time", arg[2]);
	j->len = j->write ? j->width : (size_t)(j->count * j->width);
	last = j->pa + j->len - 1;
	if (last < j->pa || last >> PHYS_BITS)
		return usage_error(&cmd_dev_mem, "%s: physical addresses have no more than %d bits", arg[0], PHYS_BITS);
	return 0;
}

/* -------- by the one, by the other -------- */

static int by_devmem(struct job *j)
{
	struct pw_error *err = &j->s->err;
	int rc;

	if (j->write) {
		rc = devmem_write(j->pa, j->buf, j->len, err);
		j->done = rc ? 0 : j->len;
	} else {
		rc = devmem_read(j->pa, j->buf, j->len, &j->done, err);
	}
	j->by = j->done ? DEVMEM : NULL;
	return rc;
}

static int read_target(struct job *j, uint8_t *buf, size_t *done)
{
	int rc = 0;

	for (*done = 0; *done < j->len && !rc;) {
		uint64_t at = j->pa + *done;
		size_t part = PAGE - at % PAGE < j->len - *done ? PAGE - at % PAGE : j->len - *done;

		rc = pw_mem_read_phys(j->s->target, at, buf + *done, part, &j->s->err);
		*done += rc ? 0 : part;
	}
	return rc;
}

/* What is better than what is there already takes its place. */
static int by_target(struct job *j)
{
	uint8_t *buf = malloc(j->len);
	size_t done = 0;
	int rc;

	if (!buf)
		return pw_error_set(&j->s->err, -ENOMEM, "out of memory");
	if (j->write) {
		rc = pw_mem_write_phys(j->s->target, j->pa, j->buf, j->len, j->width, &j->s->err);
		done = rc ? 0 : j->len;
	} else {
		rc = read_target(j, buf, &done);
	}
	if (done > j->done && !j->write) {
		free(j->buf);
		j->buf = buf;
		buf = NULL;
	}
	if (done > j->done) {
		j->done = done;
		j->by = NULL;
	}
	free(buf);
	return rc;
}

/* Nonzero: said why not. What was read before that is in done. */
static int fetch(struct job *j)
{
	const char *source = j->s->args->source;
	struct pw_error shut = { 0 };
	int rc = -1;

	if (!source || !strcmp(source, DEVMEM)) {
		rc = by_devmem(j);
		shut = j->s->err;
	}
	if (rc && (!source || strcmp(source, DEVMEM))) {
		rc = session_target(j->s);
		if (!rc) {
			rc = by_target(j);
			if (rc)
				complain("%s", j->s->err.text);
		}
	}
	if (rc && shut.text[0])
		complain("%s", shut.text);
	return rc;
}

/* -------- what is shown -------- */

static void show(struct job *j)
{
	for (size_t at = 0; at + j->width <= j->done && pw_render_alive(&j->s->render); at += j->width) {
		struct pw_rec_word rec = { .pa = j->pa + at, .width = j->width };

		for (unsigned i = j->width; i-- > 0;)
			rec.value = rec.value << 8 | j->buf[at + i];
		j->s->render.ops->word(&j->s->render, &rec);
	}
}

static int work(struct job *j)
{
	struct pw_rec_head head = {
		.command = "dev_mem",
		.what = j->write ? "physical memory, written" : "physical memory",
		.va = { j->pa, j->pa + j->len - 1 },
	};
	struct pw_rec_end end = { .complete = true };
	int rc;

	memcpy(j->buf, &j->value, j->write ? j->width : 0);
	rc = fetch(j);
	if (j->done < j->width)
		return rc ? STATUS_FAILED : STATUS_PARTIAL;
	head.by = j->by;
	rc = session_begin(j->s, &head);
	if (rc)
		return rc;
	show(j);
	end.records = j->done / j->width;
	end.complete = j->done == j->len;
	session_end(j->s, &end);
	return j->s->status;
}

static int run(struct args *args)
{
	struct session s;
	struct job j = { .s = &s };
	int rc = parse(&j, args);

	if (!rc)
		rc = session_open(&s, args, PW_VIEW_NONE);
	if (rc)
		return rc;
	j.buf = calloc(1, j.len + sizeof(j.value));
	if (j.buf) {
		s.status = work(&j);
	} else {
		complain("out of memory");
		s.status = STATUS_FAILED;
	}
	free(j.buf);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("width", 'w', "1|2|4|8", OPT_NUMBER, width, "bytes of a word (default: 4)"),
	OPT("source", 's', "SOURCE", OPT_TEXT, source,
	    "/dev/mem, auto, kmod, bpf, kcore (default: /dev/mem, where it is shut auto)"),
	OPT_JSON,
	OPT_OUTPUT,
	OPT_NOHEADINGS,
	OPT_COLOR,
	OPT_HELP,
	OPT_END,
};

const struct command cmd_dev_mem = {
	.name = "dev_mem",
	.args = "ADDR r|w COUNT|VALUE",
	.summary = "read or write words of physical memory",
	.about =
		"ADDR r COUNT reads so many words from a physical address, ADDR w VALUE writes one. Numbers are "
		"decimal,\n"
		"0x... hexadecimal, or 0... octal. Linux shows no RAM above 1 MiB in /dev/mem, unless su_devmem.ko is\n"
		"loaded; Pagewalk's own sources do. To write RAM needs su_devmem or pagewalk.ko with writable=1.\n",
	.examples = "  sudo dev_mem 0x0 r 4\n"
		    "  sudo dev_mem 0x100000 r 16 --width 8\n"
		    "  sudo dev_mem 0x3f800000 w 0xdeadbeef\n"
		    "  sudo pagewalk dev_mem 1048576 r 1 -s kmod --json\n",
	.options = options,
	.run = run,
	.origin = true,
	.program = "dev_mem",
};
