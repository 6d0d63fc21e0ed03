// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A baseline, a line a finding:
 *
 *   RULE SPACE PERM NAME      kernel-exec kernel r-x- direct map
 *
 * NAME is the rest of the line. In SPACE and NAME control bytes, the backslash and what is not ASCII are \xNN, in SPACE blanks
 * as well; a field that is "*" stands for anything. Lines that are empty or begin with '#' are comments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

#define FIELDS 4

/* -------- writing -------- */

static char *put_escaped(char *to, const char *s, bool blanks)
{
	bool star = !strcmp(s, "*");

	if (!*s)
		to = stpcpy(to, "-");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c >= 0x7f || c == '\\' || star || (blanks && c == ' '))
			to += sprintf(to, "\\x%02x", c);
		else
			*to++ = *s;
	}
	return to;
}

char *pw_finding_key(const struct pw_finding *f)
{
	size_t most = strlen(f->rule->id) + 4 * (strlen(f->space) + strlen(f->path)) + 16;
	char *key = malloc(most), *to = key, perm[5];

	if (!key)
		return NULL;
	to = stpcpy(stpcpy(to, f->rule->id), " ");
	to = put_escaped(to, f->space, true);
	to += sprintf(to, " %s ", pw_perm_text(f->perm, perm));
	*put_escaped(to, f->path, false) = 0;
	return key;
}

/* -------- reading -------- */

/* Splits at single blanks; the last field has the rest. False: too few. */
static bool split(char *line, char *field[FIELDS])
{
	for (unsigned i = 0; i < FIELDS; i++) {
		field[i] = line;
		if (!*line)
			return false;
		if (i + 1 == FIELDS)
			break;
		line += strcspn(line, " ");
		if (!*line)
			return false;
		*line++ = 0;
	}
	return true;
}

static bool matches(char *field[FIELDS], const char *key)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		size_t len = i + 1 < FIELDS ? strcspn(key, " ") : strlen(key);

		if (strcmp(field[i], "*") && (strlen(field[i]) != len || memcmp(field[i], key, len)))
			return false;
		key += len + (i + 1 < FIELDS);
	}
	return true;
}

static bool is_rule(const char *id)
{
	for (size_t i = 0; i < PW_NRULES; i++)
		if (!strcmp(pw_audit_rule_table[i].id, id))
			return true;
	return !strcmp(id, "*");
}

static int mark(struct pw_audit *a, char *field[FIELDS])
{
	for (size_t i = 0; i < a->all.n; i++) {
		char *key;

		if (strcmp(field[0], "*") && strcmp(field[0], a->all.v[i].rule->id))
			continue;
		key = pw_finding_key(&a->all.v[i]);
		if (!key)
			return -ENOMEM;
		a->all.v[i].known |= matches(field, key);
		free(key);
	}
	return 0;
}

static int read_line(struct pw_audit *a, char *line, const char *file, unsigned number, struct pw_error *err)
{
	char *field[FIELDS];

	line[strcspn(line, "\r\n")] = 0;
	if (!*line || *line == '#')
		return 0;
	if (!split(line, field))
		return pw_error_set(err, -EINVAL, "%s:%u: a line of a baseline is 'RULE SPACE PERM NAME'", file,
				    number);
	if (!is_rule(field[0]))
		return pw_error_set(err, -EINVAL, "%s:%u: there is no rule '%s'", file, number, field[0]);
	return mark(a, field) ? pw_error_set(err, -ENOMEM, "out of memory") : 0;
}

/* The longest key: every byte of a name escaped. */
#define MOST_LINE (4 * 8192)

int pw_audit_baseline(struct pw_audit *a, const char *file, struct pw_error *err)
{
	FILE *f = fopen(file, "re");
	char *line = f ? malloc(MOST_LINE) : NULL;
	unsigned number = 0;
	int rc = 0;

	if (!f)
		return pw_error_set(err, -errno, "%s: %s", file, strerror(errno));
	if (!line)
		rc = pw_error_set(err, -ENOMEM, "out of memory");
	while (!rc && fgets(line, MOST_LINE, f)) {
		number++;
		if (!strchr(line, '\n') && !feof(f))
			rc = pw_error_set(err, -EINVAL, "%s:%u: the line is too long for a baseline", file, number);
		else
			rc = read_line(a, line, file, number, err);
	}
	if (!rc && ferror(f))
		rc = pw_error_set(err, -EIO, "%s: cannot be read", file);
	free(line);
	fclose(f);
	return rc;
}
