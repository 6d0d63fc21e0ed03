/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/* A hexadecimal number at *s, which is moved behind it. */
static bool take_hex(const char **s, uint64_t *out)
{
	const char *p = *s;
	char *end;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	if (!isxdigit((unsigned char)*p) || (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')))
		return false;
	errno = 0;
	*out = strtoull(p, &end, 16);
	if (errno)
		return false;
	*s = end;
	return true;
}

int parse_hex(const char *text, uint64_t *out, struct pw_error *err)
{
	const char *p = text;
	uint64_t value;

	if (!take_hex(&p, &value) || *p)
		return pw_error_set(err, -EINVAL, "'%s' is no hexadecimal number of 64 bits", text);
	*out = value;
	return 0;
}

static int parse_symbol(struct pw_target *t, const char *text, uint64_t *out, struct pw_error *err)
{
	size_t len = strcspn(text, "+");
	uint64_t va, off = 0;
	char name[256];
	const char *p = text + len + 1;

	if (!len || len >= sizeof(name) || (text[len] && (!take_hex(&p, &off) || *p)))
		return pw_error_set(err, -EINVAL, "'%s' is no address: it is hexadecimal, as in 7f3a5c2d41b8", text);
	memcpy(name, text, len);
	name[len] = 0;
	if (!t || !t->os || !t->os->symbol)
		return pw_error_set(err, -EINVAL, "'%s' is no address: it is hexadecimal, as in 7f3a5c2d41b8", text);
	if (t->os->symbol(t, name, &va))
		return pw_error_set(err, -EINVAL, "'%s' is no address, and no symbol that can be read here", text);
	*out = va + off;
	return 0;
}

int parse_address(struct pw_target *target, const char *text, uint64_t *out, struct pw_error *err)
{
	const char *p = text;
	uint64_t value;

	if (take_hex(&p, &value) && !*p) {
		*out = value;
		return 0;
	}
	return parse_symbol(target, text, out, err);
}

/* "2M", "64K", "4096", "1000h" is not: decimal with a unit, or 0x... */
static bool take_size(const char *p, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	uint64_t n;
	char *end;

	if (!isdigit((unsigned char)*p))
		return false;
	errno = 0;
	n = strtoull(p, &end, p[0] == '0' && (p[1] | 0x20) == 'x' ? 16 : 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (errno || *end || !n || n > UINT64_MAX >> shift)
		return false;
	*out = n << shift;
	return true;
}

/* The digits after a point, as a part of `one`; at most nine of them. */
static const char *take_fraction(const char *p, uint64_t one, uint64_t *out)
{
	uint64_t value = 0, scale = 1;

	for (; isdigit((unsigned char)*p); p++) {
		if (scale >= 1000000000)
			continue;
		value = value * 10 + (*p - '0');
		scale *= 10;
	}
	*out = (uint64_t)((unsigned __int128)value * one / scale);
	return p;
}

int parse_amount(const char *text, uint64_t *out, struct pw_error *err)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789."), len = strlen(text);
	const char *unit = digits + 1 == len ? strchr(units, toupper((unsigned char)text[digits])) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t n, fraction = 0;
	char *end;

	errno = 0;
	n = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (!isdigit((unsigned char)*text) || errno || n > UINT64_MAX >> shift >> 1)
		return pw_error_set(err, -EINVAL, "'%s' is no size, as in 64M or 1.5G", text);
	if (*end == '.' && isdigit((unsigned char)end[1]))
		end = (char *)take_fraction(end + 1, UINT64_C(1) << shift, &fraction);
	n = (n << shift) + fraction;
	if (end + (unit != NULL) != text + len || !n)
		return pw_error_set(err, -EINVAL, "'%s' is no size, as in 64M or 1.5G", text);
	*out = n;
	return 0;
}

static bool same_name(const char *asked, const char *name)
{
	size_t len = strlen(name);

	if (!strcasecmp(asked, name))
		return true;
	/* [heap] without the brackets */
	if (len > 2 && name[0] == '[' && name[len - 1] == ']')
		return strlen(asked) == len - 2 && !strncasecmp(asked, name + 1, len - 2);
	/* direct-map for "direct map" */
	for (; *asked && *name; asked++, name++)
		if (tolower((unsigned char)*asked) != tolower((unsigned char)*name) &&
		    !(strchr(" -_", *asked) && strchr(" -_", *name)))
			return false;
	return !*asked && !*name;
}

static int by_name(const struct pw_space *space, const char *text, struct ranges *out, struct pw_error *err)
{
	size_t n = 0;

	out->v = calloc(space->areas.n + 1, sizeof(*out->v));
	if (!out->v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < space->areas.n; i++) {
		const struct pw_area *a = &space->areas.v[i];

		if (!same_name(text, a->name) && !(a->path && !strcmp(text, a->path)))
			continue;
		if (n && out->v[n - 1].last + 1 == a->lo)
			out->v[n - 1].last = a->last;
		else
			out->v[n++] = (struct pw_range){ a->lo, a->last };
	}
	out->n = n;
	out->by_name = true;
	if (n)
		return 0;
	free(out->v);
	out->v = NULL;
	return pw_error_set(err, -ENOENT, "'%s' is no range (A-B, A+SIZE) and no name in the map of %s", text,
			    space->title);
}

static int one_range(uint64_t lo, uint64_t last, struct ranges *out, struct pw_error *err)
{
	out->v = malloc(sizeof(*out->v));
	if (!out->v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	out->v[0] = (struct pw_range){ lo, last };
	out->n = 1;
	out->by_name = false;
	return 0;
}

int parse_range(const struct pw_space *space, const char *text, struct ranges *out, struct pw_error *err)
{
	const char *p = text;
	uint64_t a, b;

	if (!take_hex(&p, &a))
		return by_name(space, text, out, err);
	if (!*p)
		return one_range(a, a, out, err);
	if (*p == '+') {
		if (!take_size(p + 1, &b))
			return pw_error_set(err, -EINVAL, "'%s': '%s' is no size, as in 2M or 0x200000", text, p + 1);
		if (b - 1 > UINT64_MAX - a)
			return pw_error_set(err, -EINVAL, "'%s' goes beyond 64 bits", text);
		return one_range(a, a + b - 1, out, err);
	}
	if (*p++ == '-' && take_hex(&p, &b) && !*p) {
		if (b <= a)
			return pw_error_set(err, -EINVAL, "'%s' is empty: its end is excluded", text);
		return one_range(a, b - 1, out, err);
	}
	return by_name(space, text, out, err);
}
