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

/* {"rec":"REC" */
void pw_json_open(struct pw_json *j, const char *rec);
/* }\n */
void pw_json_close(struct pw_json *j);

/* A key whose value the caller writes. */
void pw_json_key(struct pw_json *j, const char *key);

/* Nested. key NULL: an item of a list. */
void pw_json_begin(struct pw_json *j, const char *key, char bracket);
void pw_json_end(struct pw_json *j, char bracket);

void pw_json_str(struct pw_json *j, const char *key, const char *value); /* NULL gives null */
void pw_json_hex(struct pw_json *j, const char *key, uint64_t value);
/* PW_PA_NONE gives null. */
void pw_json_pa(struct pw_json *j, const char *key, uint64_t value);
/* The address after last. */
void pw_json_end_of(struct pw_json *j, const char *key, uint64_t last);
void pw_json_num(struct pw_json *j, const char *key, uint64_t value);
void pw_json_bool(struct pw_json *j, const char *key, bool value);
void pw_json_null(struct pw_json *j, const char *key);

#endif
