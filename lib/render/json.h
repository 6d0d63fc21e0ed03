/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json: a streaming writer. One object a line; keys in the order in which they are put. Addresses and raw
 * values are strings "0x...", because JSON's numbers lose bits above 2^53 in most readers.
 */
#ifndef PW_RENDER_JSON_H
#define PW_RENDER_JSON_H

#include "out.h"

struct pw_json {
	struct pw_out *out;
	bool comma; /* the next item is not the first one of its object or list */
};

/* A string with its quotes. */
void pw_json_string(struct pw_out *o, const char *s);

/* A key whose value the caller writes; NULL: an item of a list. Inline, as keys are constants: their length is then one, too. */
static inline void pw_json_key(struct pw_json *j, const char *key)
{
	if (j->comma)
		pw_out_char(j->out, ',');
	j->comma = true;
	if (!key)
		return;
	pw_out_char(j->out, '"');
	pw_out_str(j->out, key);
	pw_out_mem(j->out, "\":", 2);
}

static inline void pw_json_null(struct pw_json *j, const char *key)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "null", 4);
}

/* NULL gives null. */
static inline void pw_json_str(struct pw_json *j, const char *key, const char *value)
{
	pw_json_key(j, key);
	if (value)
		pw_json_string(j->out, value);
	else
		pw_out_mem(j->out, "null", 4);
}

static inline void pw_json_hex(struct pw_json *j, const char *key, uint64_t value)
{
	pw_json_key(j, key);
	pw_out_mem(j->out, "\"0x", 3);
	pw_out_hex(j->out, value);
	pw_out_char(j->out, '"');
}

/* PW_PA_NONE gives null. */
void pw_json_pa(struct pw_json *j, const char *key, uint64_t value);

/* The address after last. */
void pw_json_end_of(struct pw_json *j, const char *key, uint64_t last);

static inline void pw_json_num(struct pw_json *j, const char *key, uint64_t value)
{
	pw_json_key(j, key);
	pw_out_dec(j->out, value);
}

static inline void pw_json_bool(struct pw_json *j, const char *key, bool value)
{
	pw_json_key(j, key);
	pw_out_str(j->out, value ? "true" : "false");
}

/* {"rec":"REC" */
static inline void pw_json_open(struct pw_json *j, const char *rec)
{
	pw_out_room(j->out, PW_OUT_ROW);
	pw_out_char(j->out, '{');
	j->comma = false;
	pw_json_str(j, "rec", rec);
}

/* }\n */
static inline void pw_json_close(struct pw_json *j)
{
	pw_out_mem(j->out, "}\n", 2);
}

/* Nested. key NULL: an item of a list. */
static inline void pw_json_begin(struct pw_json *j, const char *key, char bracket)
{
	pw_json_key(j, key);
	pw_out_char(j->out, bracket);
	j->comma = false;
}

static inline void pw_json_end(struct pw_json *j, char bracket)
{
	pw_out_char(j->out, bracket);
	j->comma = true;
}

#endif
