// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * By recursive descent:
 *
 *     or     and { "or" and }
 *     and    not { "and" not }
 *     not    "not" not | "(" or ")" | WORD | FIELD COMPARISON VALUE
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define LONGEST 4096 /* bytes of an expression: a node takes at least one */
#define DEEPEST 100  /* parentheses and nots */

struct parser {
	struct pw_filter *f;
	const char *at; /* what comes next */
	char *words;    /* where the next one is kept */
	unsigned depth;
	struct pw_error *err;
};

enum value { V_SIZE, V_DECIMAL, V_HEX, V_RANGE, V_TEXT };

static const struct {
	const char *name;
	enum pw_filter_field field;
	enum value value;
} fields[] = {
	{ "size", PW_F_SIZE, V_SIZE },
	{ "key", PW_F_KEY, V_DECIMAL },
	{ "swap-type", PW_F_SWAP_TYPE, V_DECIMAL },
	{ "swap-offset", PW_F_SWAP_OFFSET, V_HEX },
	{ "va", PW_F_VA, V_RANGE },
	{ "pa", PW_F_PA, V_RANGE },
	{ "name", PW_F_NAME, V_TEXT },
	{ "file", PW_F_FILE, V_TEXT },
	{ "vma", PW_F_VMA, V_TEXT },
	{ "memtype", PW_F_MEMTYPE, V_TEXT },
};
#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct {
	const char *name;
	enum pw_filter_field field;
	uint64_t value;
} words[] = {
	{ "r", PW_F_PERM, PW_R },         { "w", PW_F_PERM, PW_W },       { "x", PW_F_PERM, PW_X },
	{ "u", PW_F_PERM, PW_U },         { "leaf", PW_F_KIND, PW_LEAF }, { "protnone", PW_F_KIND, PW_PROTNONE },
	{ "soft", PW_F_KIND, PW_SOFT },   { "swap", PW_F_SWAP, 0 },       { "huge", PW_F_HUGE, 0 },
	{ "reserved", PW_F_RESERVED, 0 },
};

static int wrong(const struct parser *p, const char *at, const char *what)
{
	size_t n = strcspn(at, " \t\n)");

	if (!*at)
		return pw_error_set(p->err, -EINVAL, "filter '%s': at its end: %s", p->f->text, what);
	return pw_error_set(p->err, -EINVAL, "filter '%s': at '%.*s' (character %zu): %s", p->f->text, (int)(n ? n : 1),
			    at, (size_t)(at - p->f->text) + 1, what);
}

static void skip_space(struct parser *p)
{
	p->at += strspn(p->at, " \t\n");
}

static size_t word_len(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || (at[n] && strchr("-_.", at[n])))
		n++;
	return n;
}

/* Takes the word if it is the next one. */
static bool take_word(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = word_len(p->at);
	if (n != strlen(word) || strncmp(p->at, word, n))
		return false;
	p->at += n;
	return true;
}

static const char *keep(struct parser *p, const char *from, size_t n)
{
	char *kept = p->words;

	memcpy(kept, from, n);
	kept[n] = 0;
	p->words += n + 1;
	return kept;
}

static uint16_t add(struct parser *p, struct pw_filter_node node)
{
	p->f->node[p->f->n] = node;
	return p->f->n++;
}

/* -------- values -------- */

static bool take_number(const char **s, const char *end, int base, uint64_t *out)
{
	char *behind;

	if (!isxdigit((unsigned char)**s))
		return false;
	errno = 0;
	*out = strtoull(*s, &behind, base);
	if (errno || behind == *s || behind > end)
		return false;
	*s = behind;
	return true;
}

static bool size_value(const char *s, const char *end, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (!take_number(&s, end, 10, out))
		return false;
	unit = s < end ? strchr(units, toupper((unsigned char)*s)) : NULL;
	if (unit && *unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		if (*out > UINT64_MAX >> shift)
			return false;
		*out <<= shift;
		s++;
	}
	return s == end;
}

/* "A"; to be the same or not also "A-B" with B excluded. */
static bool range_value(const char *s, const char *end, struct pw_filter_node *node)
{
	if (!take_number(&s, end, 16, &node->value))
		return false;
	node->last = node->value;
	if (s == end)
		return true;
	if (node->cmp > PW_F_NE || *s++ != '-' || !take_number(&s, end, 16, &node->last) || s != end ||
	    node->last <= node->value)
		return false;
	node->last--;
	return true;
}

static bool read_value(struct pw_filter_node *node, enum value value, const char *s, size_t n)
{
	switch (value) {
	case V_SIZE:
		return size_value(s, s + n, &node->value);
	case V_DECIMAL:
		return take_number(&s, s + n, 10, &node->value) && !*s;
	case V_HEX:
		return take_number(&s, s + n, 16, &node->value) && !*s;
	case V_RANGE:
		return range_value(s, s + n, node);
	case V_TEXT:
		return true;
	}
	return false;
}

/* -------- tests -------- */

static bool take_comparison(struct parser *p, enum pw_filter_cmp *out)
{
	static const struct {
		const char *text;
		enum pw_filter_cmp cmp;
	} all[] = {
		{ "!=", PW_F_NE }, { "!~", PW_F_HAS_NOT }, { "<=", PW_F_LE }, { ">=", PW_F_GE },
		{ "=", PW_F_EQ },  { "~", PW_F_HAS },      { "<", PW_F_LT },  { ">", PW_F_GT },
	};

	skip_space(p);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strncmp(p->at, all[i].text, strlen(all[i].text))) {
			p->at += strlen(all[i].text);
			*out = all[i].cmp;
			return true;
		}
	return false;
}

/* A value ends with a space or a parenthesis, if it is not in quotes. NULL: it has no end, or is empty. */
static const char *take_value(struct parser *p, size_t *n)
{
	const char *from;

	skip_space(p);
	if (*p->at == '"' || *p->at == '\'') {
		const char *end = strchr(p->at + 1, *p->at);

		if (!end)
			return NULL;
		from = p->at + 1;
		*n = (size_t)(end - from);
		p->at = end + 1;
	} else {
		from = p->at;
		*n = strcspn(from, " \t\n()");
		p->at += *n;
		if (!*n)
			return NULL;
	}
	return keep(p, from, *n);
}

static int field_test(struct parser *p, size_t field, uint16_t *out)
{
	struct pw_filter_node node = { .op = PW_F_TEST, .field = fields[field].field };
	const char *at;
	size_t n;

	if (!take_comparison(p, &node.cmp))
		return wrong(p, p->at, "a comparison is missing: = != < <= > >= ~ !~");
	if (fields[field].value == V_TEXT ? node.cmp >= PW_F_LT && node.cmp <= PW_F_GE : node.cmp >= PW_F_HAS)
		return wrong(p, p->at,
			     fields[field].value == V_TEXT ? "texts are compared by = != ~ !~"
							   : "numbers are compared by = != < <= > >=");
	skip_space(p);
	at = p->at;
	node.text = take_value(p, &n);
	if (!node.text)
		return wrong(p, at, "a value is missing, or its quote has no end");
	if (!read_value(&node, fields[field].value, node.text, n))
		return wrong(p, at,
			     fields[field].value == V_SIZE    ? "it is no size, as in 4K or 2M"
			     : fields[field].value == V_RANGE ? "it is no address, or range A-B for = and !="
							      : "it is no number");
	p->f->by_address |= node.field == PW_F_VA || node.field == PW_F_PA;
	*out = add(p, node);
	return 0;
}

static bool is_attr(const struct pw_arch *arch, const char *name)
{
	for (size_t i = 0; i < arch->nattrs; i++)
		if (!strcmp(arch->attrs[i].name, name))
			return true;
	return false;
}

static int test(struct parser *p, uint16_t *out)
{
	struct pw_filter_node node = { .op = PW_F_TEST };
	const char *at = p->at, *name;
	size_t n = word_len(at);
	int level;

	if (!n)
		return wrong(p, at, "a flag, a field or ( is missing");
	name = keep(p, at, n);
	p->at += n;
	for (size_t i = 0; i < NFIELDS; i++)
		if (!strcmp(name, fields[i].name))
			return field_test(p, i, out);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(name, words[i].name))
			continue;
		node.field = words[i].field;
		node.value = words[i].value;
		*out = add(p, node);
		return 0;
	}
	level = pw_level_parse(name, 5);
	if (level >= 0 && !strcmp(pw_level_name((enum pw_level)level), name)) {
		node.field = PW_F_LEVEL;
		node.value = (uint64_t)level;
	} else if (is_attr(&pw_arch_x86_64, name) || is_attr(&pw_arch_pagemap, name)) {
		node.field = PW_F_ATTR;
		node.text = name;
	} else {
		return wrong(p, at, "there is no flag or field of that name");
	}
	*out = add(p, node);
	return 0;
}

/* -------- what joins them -------- */

static int parse_or(struct parser *p, uint16_t *out);

static int parse_not(struct parser *p, uint16_t *out)
{
	struct pw_filter_node node = { .op = PW_F_NOT };
	int rc;

	if (p->depth == DEEPEST)
		return wrong(p, p->at, "it is too deep");
	p->depth++;
	skip_space(p);
	if (take_word(p, "not")) {
		rc = parse_not(p, &node.a);
		if (!rc)
			*out = add(p, node);
	} else if (*p->at == '(') {
		p->at++;
		rc = parse_or(p, out);
		skip_space(p);
		if (!rc && *p->at != ')')
			rc = wrong(p, p->at, "'and', 'or' or ) is missing");
		else if (!rc)
			p->at++;
	} else {
		rc = test(p, out);
	}
	p->depth--;
	return rc;
}

static int parse_and(struct parser *p, uint16_t *out)
{
	int rc = parse_not(p, out);

	while (!rc && take_word(p, "and")) {
		struct pw_filter_node node = { .op = PW_F_AND, .a = *out };

		rc = parse_not(p, &node.b);
		if (!rc)
			*out = add(p, node);
	}
	return rc;
}

static int parse_or(struct parser *p, uint16_t *out)
{
	int rc = parse_and(p, out);

	while (!rc && take_word(p, "or")) {
		struct pw_filter_node node = { .op = PW_F_OR, .a = *out };

		rc = parse_and(p, &node.b);
		if (!rc)
			*out = add(p, node);
	}
	return rc;
}

void pw_filter_free(struct pw_filter *f)
{
	if (!f)
		return;
	free(f->text);
	free(f->words);
	free(f->node);
	free(f);
}

const char *pw_filter_text(const struct pw_filter *f)
{
	return f->text;
}

int pw_filter_parse(const char *text, struct pw_filter **out, struct pw_error *err)
{
	size_t len = strlen(text);
	struct pw_filter *f;
	struct parser p = { .err = err };
	int rc;

	if (len > LONGEST)
		return pw_error_set(err, -EINVAL, "the filter is longer than %d characters", LONGEST);
	f = calloc(1, sizeof(*f));
	if (f) {
		f->text = strdup(text);
		f->words = malloc(2 * len + 2); /* each byte is in one word at most, which ends with a 0 */
		f->node = calloc(len + 1, sizeof(*f->node));
	}
	if (!f || !f->text || !f->words || !f->node) {
		pw_filter_free(f);
		return pw_error_set(err, -ENOMEM, "out of memory");
	}
	p.f = f;
	p.at = f->text;
	p.words = f->words;
	rc = parse_or(&p, &f->root);
	skip_space(&p);
	if (!rc && *p.at)
		rc = wrong(&p, p.at, "'and' or 'or' is missing before it");
	if (rc)
		pw_filter_free(f);
	else
		*out = f;
	return rc;
}
