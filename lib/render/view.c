/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* view: which columns each view has, and the choice among them. */
#include <errno.h>
#include <strings.h>

#include "text.h"

#define VIEW(v, name) [v] = { pw_##name##_columns, &pw_##name##_ncolumns }

static const struct {
	const struct pw_column *col;
	const size_t *n;
} views[PW_NVIEWS] = {
	VIEW(PW_VIEW_RUNS, run),
	VIEW(PW_VIEW_ENTRIES, entry),
	VIEW(PW_VIEW_TREE, tree),
	VIEW(PW_VIEW_TRANSLATE, path),
	VIEW(PW_VIEW_BRIEF, brief),
	VIEW(PW_VIEW_PROCESSES, process),
	VIEW(PW_VIEW_VMAS, vma),
	VIEW(PW_VIEW_SOURCES, source),
	VIEW(PW_VIEW_DECODE, decode),
	VIEW(PW_VIEW_KPAGES, kpage),
	VIEW(PW_VIEW_PAGETABLES, pagetables),
	VIEW(PW_VIEW_REGIONS, region),
	VIEW(PW_VIEW_PLACES, place),
	VIEW(PW_VIEW_DIFF, diff),
	VIEW(PW_VIEW_FACTS, fact),
	VIEW(PW_VIEW_RMAP, rmap),
	VIEW(PW_VIEW_STATS, stats),
	VIEW(PW_VIEW_ROUNDS, round),
	VIEW(PW_VIEW_AUDIT, audit),
};

const struct pw_column *pw_view_columns(enum pw_view view, size_t *n)
{
	*n = views[view].n ? *views[view].n : 0;
	return views[view].col;
}

/* ---- columns ---- */

static void add_column(struct pw_columns *c, const struct pw_column *col)
{
	c->col[c->n] = col;
	c->width[c->n++] = col->width;
	c->by_area |= !strcmp(col->name, "name");
}

static const struct pw_column *find_column(enum pw_view view, const char *name, size_t len)
{
	size_t n;
	const struct pw_column *col = pw_view_columns(view, &n);

	for (size_t i = 0; i < n; i++)
		if (strlen(col[i].name) == len && !strncasecmp(col[i].name, name, len))
			return &col[i];
	return NULL;
}

static int unknown_column(enum pw_view view, const char *name, size_t len, struct pw_error *err)
{
	char known[256] = "";
	size_t n, at = 0;
	const struct pw_column *col = pw_view_columns(view, &n);

	for (size_t i = 0; i < n && at + strlen(col[i].name) + 2 < sizeof(known); i++) {
		known[at++] = ' ';
		strcpy(known + at, col[i].name);
		at += strlen(col[i].name);
	}
	return pw_error_set(err, -EINVAL, "no column '%.*s' here: there are%s", (int)len, name, known);
}

static int named_columns(struct pw_render *r, const char *list, struct pw_error *err)
{
	struct pw_columns *c = &r->columns;

	for (;;) {
		size_t len = strcspn(list, ",");
		const struct pw_column *col = find_column(r->view, list, len);

		if (!col)
			return unknown_column(r->view, list, len, err);
		for (size_t i = 0; i < c->n; i++)
			if (c->col[i] == col)
				return pw_error_set(err, -EINVAL, "column '%s' is given twice", col->name);
		if (c->n == PW_MAX_COLUMNS)
			return pw_error_set(err, -EINVAL, "at most %d columns", PW_MAX_COLUMNS);
		add_column(c, col);
		if (!list[len])
			return 0;
		list += len + 1;
	}
}

int pw_render_columns(struct pw_render *r, enum pw_view view, const char *list, struct pw_error *err)
{
	size_t n;
	const struct pw_column *col = pw_view_columns(view, &n);

	r->view = view;
	r->columns = (struct pw_columns){ 0 };
	if (list)
		return named_columns(r, list, err);
	for (size_t i = 0; i < n; i++)
		if (!col[i].extra)
			add_column(&r->columns, &col[i]);
	return 0;
}
