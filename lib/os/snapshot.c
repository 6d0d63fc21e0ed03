/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a snapshot says of its processes and its kernel. The list of processes is in memory; a space's record and its areas
 * are read when they are asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagewalk/snapshot.h>

#include "facts.h"
#include "os/pack_space.h"
#include "source/snapshot.h"

#define LEAST_PROCESS 21 /* bytes of one without its name */

struct process {
	struct pw_process is;
	const uint8_t *record;
	bool has_space;
};

struct os {
	struct pw_taken taken;
	char *texts; /* of the facts */
	struct pw_range *ram;
	struct pw_joins joins;
	uint8_t *spaces; /* the section */
	size_t len;
	const uint8_t *kernel; /* NULL: not there */
	struct process *process;
	size_t nprocesses;
	/* What spaces read through: one a space, each with its view; made when it is first opened. */
	struct opened {
		struct pw_source source;
		struct pw_snapshot_view view;
		char *text;
		struct opened *next;
	} * opened;
};

static const struct pw_snapshot_view *view_of(const struct pw_target *t)
{
	return t->source.priv;
}

static const struct process *find(const struct os *os, pid_t pid)
{
	size_t lo = 0, hi = os->nprocesses;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (os->process[mid].is.pid < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < os->nprocesses && os->process[lo].is.pid == pid ? &os->process[lo] : NULL;
}

static int snapshot_processes(struct pw_target *t, bool with_roots, struct pw_process **list, size_t *n,
			      struct pw_error *err)
{
	const struct os *os = t->os_priv;
	struct pw_process *v = malloc((os->nprocesses + 1) * sizeof(*v));

	if (!v)
		return pw_error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < os->nprocesses; i++) {
		v[i] = os->process[i].is;
		if (!with_roots)
			v[i].root = PW_PA_NONE;
	}
	*list = v;
	*n = os->nprocesses;
	return 0;
}

/* ---- spaces ---- */

static int read_areas(struct pw_target *t, uint32_t nr, enum pw_snapshot_type type, struct pw_areas *areas,
		      struct pw_error *err)
{
	struct pw_snapshot_file *f = view_of(t)->file;
	uint8_t *buf;
	size_t len;
	int rc = pw_snapshot_content(f, nr, type, &buf, &len, err);

	if (rc)
		return rc;
	rc = pw_unpack_areas(buf, len, PW_SNAPSHOT_MAX_AREAS, areas);
	free(buf);
	if (rc == -EINVAL)
		return pw_snapshot_damaged(f, "its areas are out of order", err);
	return rc ? pw_error_set(err, rc, "out of memory") : 0;
}

/* The source of a space that was opened before is the same. */
static struct opened *open_view(struct pw_target *t, uint32_t id, size_t room)
{
	struct os *os = t->os_priv;
	struct opened *o;

	for (o = os->opened; o; o = o->next)
		if (o->view.space == id)
			return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->text = malloc(room);
	if (!o->text) {
		free(o);
		return NULL;
	}
	o->view = *view_of(t);
	o->view.space = id;
	o->source = t->source;
	o->source.priv = &o->view;
	o->next = os->opened;
	os->opened = o;
	return o;
}

static int open_space(struct pw_target *t, const uint8_t *record, struct pw_space *space, struct pw_error *err)
{
	const struct os *os = t->os_priv;
	/* A record is its two texts and two labels, of which none is longer than this. */
	char text[4 * 256];
	struct pw_unpack u = { .at = record, .end = os->spaces + os->len, .text = text };
	uint32_t id, areas;
	struct opened *o;
	int rc;

	if ((size_t)(u.end - u.at) > sizeof(text) / 2)
		u.end = u.at + sizeof(text) / 2;
	pw_unpack_space(&u, t, space, &id, &areas);
	if (u.bad)
		return pw_snapshot_damaged(view_of(t)->file, "a space's record is wrong", err);
	o = open_view(t, id, sizeof(text));
	if (!o)
		return pw_error_set(err, -ENOMEM, "out of memory");
	memcpy(o->text, text, sizeof(text));
	for (size_t i = 0; i < space->npieces; i++)
		space->piece[i].label = o->text + (space->piece[i].label - text);
	rc = read_areas(t, areas, PW_SNAPSHOT_AREAS, &space->areas, err);
	space->source = &o->source;
	if (!rc && t->source.consistency == PW_SMEARED)
		space->witness = pw_snapshot_witness(view_of(t)->file, id, space);
	return rc;
}

static int snapshot_process_space(struct pw_target *t, pid_t pid, struct pw_space *space, struct pw_error *err)
{
	const struct os *os = t->os_priv;
	const struct process *p = find(os, pid);
	char text[1024];
	struct pw_unpack u = { .end = os->spaces + os->len, .text = text };
	const char *why;

	if (!p)
		return pw_error_set(err, -ESRCH, "no process %d in the snapshot: 'pagewalk ps' lists those that are",
				    (int)pid);
	if (p->is.kthread)
		return pw_error_set(err, -EINVAL, "%d (%s) is a kernel thread: it has no user memory; use 'kernel'",
				    (int)pid, p->is.comm);
	if (p->has_space)
		return open_space(t, p->record, space, err);
	u.at = p->record;
	if ((size_t)(u.end - u.at) > sizeof(text))
		u.end = u.at + sizeof(text);
	why = pw_unpack_text(&u);
	return pw_error_set(err, -ENOENT, "%d (%s) could not be looked at when the snapshot was taken%s%s", (int)pid,
			    p->is.comm, *why ? ": " : "", why);
}

static int snapshot_kernel_space(struct pw_target *t, struct pw_space *space, struct pw_error *err)
{
	const struct os *os = t->os_priv;

	if (!os->kernel)
		return pw_error_set(
			err, -ENOENT,
			"the snapshot has no tables of the kernel: it was taken with --user, or of a source without");
	return open_space(t, os->kernel, space, err);
}

static int snapshot_layout(struct pw_target *t, struct pw_areas *out, struct pw_error *err)
{
	uint32_t nr;
	int rc;

	if (pw_snapshot_only(view_of(t)->file, PW_SNAPSHOT_LAYOUT, &nr))
		return pw_error_set(err, -ENOENT, "the snapshot has no layout of the kernel's addresses");
	rc = read_areas(t, nr, PW_SNAPSHOT_LAYOUT, out, err);
	for (size_t i = 0; i < out->n && !rc; i++)
		if (!out->v[i].found || out->v[i].lo != (i ? out->v[i - 1].last + 1 : 0))
			rc = -EINVAL;
	if (!rc && out->n && out->v[out->n - 1].last == UINT64_MAX)
		return 0;
	if (rc == -EINVAL || !rc) {
		pw_areas_free(out);
		rc = pw_snapshot_damaged(view_of(t)->file, "its layout has gaps", err);
	}
	return rc;
}

static void snapshot_os_close(struct pw_target *t)
{
	struct os *os = t->os_priv;

	if (!os)
		return;
	while (os->opened) {
		struct opened *o = os->opened;

		os->opened = o->next;
		free(o->text);
		free(o);
	}
	free(os->texts);
	free(os->ram);
	free(os->joins.node);
	free(os->spaces);
	free(os->process);
	free(os);
	t->os_priv = NULL;
}

static const char *snapshot_how(struct pw_target *t, enum pw_fact_id id, enum pw_sure *sure)
{
	(void)t;
	(void)id;
	*sure = PW_SURE_CERTAIN;
	return "written down when the snapshot was taken";
}

static void snapshot_facts(struct pw_target *t, struct pw_facts_list *list)
{
	char text[32];
	time_t at = (time_t)t->taken->time;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		text[0] = 0;
	pw_fact_add(list, "snapshot-of", PW_SURE_CERTAIN, "written down in it", "%s", t->taken->source);
	pw_fact_add(list, "taken", PW_SURE_CERTAIN, "written down in it", "%s, by pagewalk %s", text,
		    t->taken->version);
}

static const struct pw_os_ops snapshot_os = {
	.name = "snapshot",
	.processes = snapshot_processes,
	.process_space = snapshot_process_space,
	.kernel_space = snapshot_kernel_space,
	.layout = snapshot_layout,
	.how = snapshot_how,
	.facts = snapshot_facts,
	.close = snapshot_os_close,
};

/* ---- opening ---- */

static int read_facts(struct pw_target *t, struct pw_error *err)
{
	struct pw_snapshot_view *v = t->source.priv;
	struct os *os = t->os_priv;
	struct pw_unpack u;
	uint32_t nr = UINT32_MAX;
	bool leaf_only = false;
	uint8_t *buf;
	size_t len;
	int rc;

	pw_snapshot_only(v->file, PW_SNAPSHOT_FACTS, &nr);
	rc = pw_snapshot_content(v->file, nr, PW_SNAPSHOT_FACTS, &buf, &len, err);
	if (rc)
		return rc;
	os->texts = malloc(len + 1);
	u = (struct pw_unpack){ .at = buf, .end = buf + len, .text = os->texts };
	u.bad = !os->texts;
	pw_unpack_facts(&u, t, &os->taken, &leaf_only);
	pw_unpack_ranges(&u, &os->ram, &v->nram);
	pw_unpack_joins(&u, &os->joins);
	/* Files from before this was looked at end here. */
	if (u.at != u.end)
		pw_unpack_soft(&u, &t->mmu[PW_HALF_USER].soft);
	t->mmu[PW_HALF_KERNEL].soft = t->mmu[PW_HALF_USER].soft;
	v->ram = os->ram;
	rc = u.bad || u.at != u.end ? pw_snapshot_damaged(v->file, "its facts are out of order", err) : 0;
	free(buf);
	if (leaf_only)
		t->source.ops = &pw_source_snapshot_leaves;
	t->taken = &os->taken;
	return rc;
}

static void unpack_process(struct pw_unpack *u, struct process *p)
{
	uint8_t flags;

	p->is.pid = (pid_t)pw_unpack_u32(u);
	flags = pw_unpack_u8(u);
	p->is.kthread = flags & 1;
	p->has_space = flags & 2;
	p->is.root = pw_unpack_u64(u);
	pw_unpack_into(u, p->is.comm, sizeof(p->is.comm));
}

/* Skips a record; where it begins is kept. */
static void skip_space(struct pw_unpack *u, const struct pw_target *t)
{
	struct pw_space space = { 0 };
	uint32_t id, areas;

	pw_unpack_space(u, t, &space, &id, &areas);
}

static int read_spaces(struct pw_target *t, struct pw_error *err)
{
	struct pw_snapshot_file *f = view_of(t)->file;
	struct os *os = t->os_priv;
	struct pw_unpack u;
	uint32_t nr = UINT32_MAX, n;
	uint32_t *at = NULL;
	char *text;
	int rc;

	pw_snapshot_only(f, PW_SNAPSHOT_SPACES, &nr);
	rc = pw_snapshot_content(f, nr, PW_SNAPSHOT_SPACES, &os->spaces, &os->len, err);
	if (rc)
		return rc;
	text = malloc(os->len + 1);
	u = (struct pw_unpack){ .at = os->spaces, .end = os->spaces + os->len, .text = text };
	u.bad = !text;
	if (pw_unpack_u8(&u)) {
		os->kernel = u.at;
		skip_space(&u, t);
	}
	n = pw_unpack_count(&u, PW_SNAPSHOT_MAX_SPACES, LEAST_PROCESS);
	os->process = calloc(n + 1, sizeof(*os->process));
	at = calloc(n + 1, sizeof(*at));
	u.bad |= !os->process || !at;
	for (; os->nprocesses < n && !u.bad; os->nprocesses++) {
		struct process *p = &os->process[os->nprocesses];

		unpack_process(&u, p);
		at[os->nprocesses] = pw_unpack_u32(&u);
		u.bad |= p->is.pid <= 0 || (os->nprocesses && p->is.pid <= p[-1].is.pid);
	}
	for (size_t i = 0; i < os->nprocesses && !u.bad; i++) {
		u.bad |= at[i] > (size_t)(u.end - u.at);
		os->process[i].record = u.at + (u.bad ? 0 : at[i]);
	}
	free(at);
	free(text);
	return u.bad ? pw_snapshot_damaged(f, "its list of processes is out of order", err) : 0;
}

int pw_snapshot_attach(struct pw_target *t, const char *path, struct pw_error *err)
{
	struct pw_snapshot_view *v = calloc(1, sizeof(*v));
	struct os *os = calloc(1, sizeof(*os));
	int rc = v && os ? pw_snapshot_file_open(path, &v->file, err) : pw_error_set(err, -ENOMEM, "out of memory");

	if (rc) {
		free(v);
		free(os);
		return rc;
	}
	t->source = (struct pw_source){ .ops = &pw_source_snapshot, .priv = v };
	t->os = &snapshot_os;
	t->os_priv = os;
	rc = read_facts(t, err);
	return rc ? rc : read_spaces(t, err);
}

const struct pw_joins *pw_snapshot_joins(const struct pw_target *t)
{
	return t && t->os == &snapshot_os ? &((const struct os *)t->os_priv)->joins : NULL;
}
