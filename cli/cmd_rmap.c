/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "parse.h"
#include "reaches.h"
#include "session.h"
#include "space.h"
#include "sums.h"
#include "targets.h"

#define KPAGES 512 /* of which the kernel is asked at once */

struct rmap {
	struct session *s;
	struct pw_rmap *r;
	struct pw_space kernel; /* for the names of its regions */
	struct reaches found;   /* text: what is shown in the order of frames */
	char target[64];        /* the space that is looked at */
	struct pw_rec_rmap sums;
	struct pw_rec_end end;
	uint64_t lost;       /* processes that could not be looked at, */
	struct pw_error why; /* and why the last of them not */
	struct same {
		char target[64], title[64], as[64];
	} * same;
	size_t nsame, rsame;
	struct again {
		char title[64];
		uint64_t va, last, alias_va;
	} again[16]; /* text: more are not of interest */
	size_t nagain;

	char what[64];
	struct pw_rmap_widths widths;
	struct pw_kpages kpages;
	uint64_t kfirst, count[KPAGES], flags[KPAGES];
	size_t nkpages;
};

static bool is_json(const struct rmap *m)
{
	return m->s->args->json;
}

static int enough(const struct rmap *m)
{
	return pw_render_alive(&m->s->render) ? 0 : 1;
}

/* ---- which frames ---- */

static bool is_frame(const char *word)
{
	return !strncmp(word, "pa:", 3) || !strncmp(word, "pfn:", 4);
}

/* "pa:A", "pa:A-B", "pa:A+SIZE"; the same in frame numbers, where SIZE is a number of frames. */
static int add_frame(struct rmap *m, const char *word)
{
	const struct pw_space nothing = { .title = "it" };
	struct pw_error *err = &m->s->err;
	bool by_number = word[1] == 'f';
	struct pw_range pa;
	struct ranges ranges;
	int rc = is_frame(word) ? parse_range(&nothing, word + (by_number ? 4 : 3), &ranges, err) : -ENOENT;

	if (rc == -ENOENT)
		return pw_error_set(err, -EINVAL, "'%.100s' is no frame: it is pa:ADDR or pfn:N, or a range of these",
				    word);
	if (rc)
		return pw_error_prefix(err, "'%.100s'", word);
	pa = ranges.v[0];
	free(ranges.v);
	if (by_number && pa.last >> 52)
		return pw_error_set(err, -EINVAL, "'%.100s' is beyond 64 bits of address", word);
	if (by_number)
		pa = (struct pw_range){ pa.lo << 12, (pa.last << 12) + 4095 };
	return pw_rmap_add(m->r, pa, err);
}

static int add_stdin(struct rmap *m)
{
	char word[128];
	int rc = 0;

	while (!rc && scanf("%127s", word) == 1)
		rc = add_frame(m, word);
	if (!rc && ferror(stdin))
		rc = pw_error_set(&m->s->err, -EIO, "%s", strerror(errno));
	if (rc)
		pw_error_prefix(&m->s->err, "standard input");
	return rc;
}

static int add_words(struct rmap *m)
{
	const struct args *args = m->s->args;
	int rc = 0;

	for (size_t i = 0; i < args->nargs && !rc; i++)
		rc = strcmp(args->arg[i], "-") ? add_frame(m, args->arg[i]) : add_stdin(m);
	return rc;
}

static int add_range(struct rmap *m, struct pw_space *space, const char *text)
{
	struct ranges ranges = { 0 };
	int rc = session_range(m->s, space, text, &ranges), some = -ENOENT;

	for (size_t i = 0; i < ranges.n && !rc; i++) {
		rc = pw_rmap_add_mapped(m->r, space, ranges.v[i], &m->s->err);
		if (!rc)
			some = 0;
		/* Of the areas of a name, some can be empty. */
		if (rc == -ENOENT && i + 1 < ranges.n)
			rc = 0;
		else if (rc == -ENOENT)
			rc = some;
	}
	free(ranges.v);
	return rc;
}

/* TARGET ADDR...: the frames that are there. A status. */
static int add_target(struct rmap *m)
{
	struct session *s = m->s;
	struct pw_space space;
	int rc = session_space(s, s->args->arg[0], &space);

	if (rc)
		return rc;
	for (size_t i = 1; i < s->args->nargs && !rc; i++)
		rc = add_range(m, &space, s->args->arg[i]);
	pw_space_free(&space);
	if (!rc)
		return 0;
	complain("%s", s->err.text);
	return rc == -ENOENT ? STATUS_NO : rc == -EINVAL || rc == -E2BIG ? STATUS_USAGE : STATUS_FAILED;
}

/* A status. */
static int add_all(struct rmap *m)
{
	const char *first = m->s->args->arg[0];

	if (!is_frame(first) && strcmp(first, "-"))
		return add_target(m);
	if (!add_words(m))
		return 0;
	complain("%s", m->s->err.text);
	return m->s->err.code == -EIO || m->s->err.code == -ENOMEM ? STATUS_FAILED : STATUS_USAGE;
}

/* ---- what is found ---- */

static int tell(struct rmap *m, struct pw_rec_reach *rec, const struct pw_space *space, const struct pw_area *area)
{
	rec->target = m->target;
	rec->title = space->title;
	rec->name = area ? area->name : NULL;
	if (is_json(m))
		m->s->render.ops->reach(&m->s->render, rec);
	else
		reaches_add(&m->found, rec, area);
	m->end.records += rec->frames;
	return m->found.failed ? -ENOMEM : enough(m);
}

static int on_mapping(void *ctx, const struct pw_mapping *f)
{
	struct rmap *m = ctx;
	const struct pw_area *area = f->area;
	struct pw_rec_reach rec = {
		.pa = f->pa,
		.frames = f->frames,
		.va = f->va,
		.level = f->level,
		.size = f->size,
		.pages = 1,
		.kind = f->kind,
		.perm = f->perm,
		.slot_pa = f->slot_pa,
	};

	/* What a process has for itself in the kernel's half. */
	if (!area && f->piece->mmu.half == PW_HALF_KERNEL)
		area = pw_areas_find(&m->kernel.areas, f->va);
	return tell(m, &rec, f->space, area);
}

static int on_table(void *ctx, const struct pw_table_page *t)
{
	struct rmap *m = ctx;
	struct pw_rec_reach rec = {
		.is_table = true,
		.pa = t->pa,
		.frames = 1,
		.va = t->va,
		.last = t->last,
		.level = t->level,
		.is_root = t->slot_pa == PW_PA_NONE,
		.user_root = t->user_root,
		.slot_pa = t->slot_pa,
	};

	return tell(m, &rec, t->space, NULL);
}

static int on_again(void *ctx, const struct pw_rmap_again *a)
{
	struct rmap *m = ctx;
	const struct pw_rec_again rec = { m->target, a->space->title, a->va, a->last, a->alias_va };
	struct again *mine;

	if (is_json(m)) {
		m->s->render.ops->again(&m->s->render, &rec);
		return enough(m);
	}
	if (m->nagain == sizeof(m->again) / sizeof(m->again[0]))
		return 0;
	mine = &m->again[m->nagain++];
	*mine = (struct again){ .va = a->va, .last = a->last, .alias_va = a->alias_va };
	memcpy(mine->title, a->space->title, sizeof(mine->title));
	return 0;
}

static int on_same(void *ctx, const struct pw_space *space, pid_t first)
{
	struct rmap *m = ctx;
	struct same *v, s = { 0 };

	snprintf(s.as, sizeof(s.as), "%d", (int)first);
	memcpy(s.target, m->target, sizeof(s.target));
	memcpy(s.title, space->title, sizeof(s.title));
	if (is_json(m)) {
		m->s->render.ops->same(&m->s->render, &(struct pw_rec_same){ s.target, s.title, s.as });
		return enough(m);
	}
	if (m->nsame == m->rsame) {
		v = reallocarray(m->same, m->rsame + 64, sizeof(*v));
		if (!v)
			return -ENOMEM;
		m->same = v;
		m->rsame += 64;
	}
	m->same[m->nsame++] = s;
	return 0;
}

static const struct pw_rmap_visitor visitor = {
	.mapping = on_mapping,
	.table = on_table,
	.again = on_again,
	.same = on_same,
};

/* ---- spaces ---- */

static int look_at(struct rmap *m, const struct pw_space *space, const char *text)
{
	space_name(space, text, m->target);
	if (!is_json(m))
		reaches_space(&m->found, m->target, space->title, !space->pid);
	m->sums.spaces++;
	return pw_rmap_space(m->r, space, &visitor, m, &m->end.walk);
}

/* With page-table isolation, user mode runs on other tables for the little of the kernel that it sees. */
static int user_root_of_kernel(struct rmap *m)
{
	struct pw_space space = m->kernel;

	if (!m->s->target->facts.pti || !space.npieces)
		return 0;
	snprintf(space.title, sizeof(space.title), "kernel (user root)");
	space.piece[0].root |= PW_PTI_USER_ROOT;
	return look_at(m, &space, "kernel:user");
}

/* -EOPNOTSUPP: the source has no kernel. */
static int look_at_kernel(struct rmap *m)
{
	const struct pw_select kernel = { .kind = PW_SELECT_KERNEL };
	struct session *s = m->s;
	int rc;

	if (!(s->target->source.ops->caps & PW_CAP_TABLES))
		return -EOPNOTSUPP;
	rc = pw_target_space(s->target, &kernel, &m->kernel, &s->err);
	if (rc)
		return rc;
	rc = look_at(m, &m->kernel, "kernel");
	return rc ? rc : user_root_of_kernel(m);
}

static int open_process(struct rmap *m, const struct pw_process *p, struct pw_space *space)
{
	const struct pw_select sel = {
		.kind = p->pid ? PW_SELECT_PID : PW_SELECT_ROOT,
		.pid = p->pid,
		.root = p->root,
	};

	return pw_target_space(m->s->target, &sel, space, &m->s->err);
}

/* Who has no memory any more maps nothing. */
static int look_at_process(struct rmap *m, const struct pw_process *p)
{
	struct pw_space space;
	char root[32];
	int rc = open_process(m, p, &space);

	if (rc == -ESRCH || rc == -ENOMEM)
		return rc == -ESRCH ? 0 : rc;
	if (rc) {
		m->lost++;
		m->why = m->s->err;
		return 0;
	}
	session_lacks(m->s, &space);
	snprintf(root, sizeof(root), "root:0x%" PRIx64, p->root);
	if (m->s->args->user && !m->s->args->kernel)
		keep_half(&space, PW_HALF_USER);
	rc = look_at(m, &space, p->pid ? "" : root);
	if (rc == -ESRCH) {
		m->sums.ended++;
		rc = 0;
	}
	pw_space_free(&space);
	return rc;
}

/* With a list that has roots, images show those that no task has, too; a live kernel would only be asked twice. */
static int look_at_processes(struct rmap *m)
{
	struct progress progress = { .what = "processes" };
	bool live = !strcmp(m->s->target->os->name, "live");
	struct pw_process *list;
	size_t n;
	int rc = pw_target_processes(m->s->target, !live, &list, &n, &m->s->err);

	if (rc < 0)
		return rc;
	if (rc) {
		complain("%s", m->s->err.text);
		m->s->lacking = true;
	}
	for (size_t i = rc = 0; i < n && !rc; i++) {
		progress_show(&progress, i, n);
		if (!list[i].kthread && (list[i].pid || list[i].root != PW_PA_NONE))
			rc = look_at_process(m, &list[i]);
	}
	progress_end(&progress);
	free(list);
	return rc;
}

static int look(struct rmap *m)
{
	const struct args *args = m->s->args;
	bool both = args->user == args->kernel;
	int rc = 0;

	if (both || args->kernel) {
		rc = look_at_kernel(m);
		/* Where there is none, its half is looked at in the first process. */
		if (rc < 0 && rc != -ENOMEM && both)
			rc = 0;
		m->s->err.text[0] = rc ? m->s->err.text[0] : 0;
	}
	if (!rc && (both || args->user))
		rc = look_at_processes(m);
	return rc;
}

/* ---- frame by frame ---- */

/* From frame i on, how many follow one another. */
static size_t stretch(struct rmap *m, size_t i, uint64_t pa)
{
	size_t n = pw_rmap_nframes(m->r) - i, k = 1;
	struct pw_frame f;

	for (; k < n && k < KPAGES; k++) {
		pw_rmap_frame(m->r, i + k, &f);
		if (f.pa != pa + k * 4096)
			break;
	}
	return k;
}

static void ask_kernel(struct rmap *m, size_t i, struct pw_rec_frame *f)
{
	uint64_t pfn = f->first.pa / 4096;

	if (m->kpages.count_fd < 0)
		return;
	if (pfn < m->kfirst || pfn - m->kfirst >= m->nkpages) {
		m->kfirst = pfn;
		m->nkpages = pw_kpages_read(&m->kpages, pfn, stretch(m, i, f->first.pa), m->count, m->flags);
	}
	if (!m->nkpages)
		return;
	f->has_count = true;
	f->count = m->count[pfn - m->kfirst];
	f->flags = m->flags[pfn - m->kfirst];
	f->why = pw_rmap_why(&f->first, f->count, f->flags);
}

static void frame(void *ctx, size_t i, struct pw_rec_frame *out)
{
	struct rmap *m = ctx;

	*out = (struct pw_rec_frame){ .frames = 1 };
	pw_rmap_frame(m->r, i, &out->first);
	ask_kernel(m, i, out);
}

static void sum_up(struct rmap *m)
{
	m->sums.frames = pw_rmap_nframes(m->r);
	for (size_t i = 0; i < m->sums.frames; i++) {
		struct pw_frame f;

		pw_rmap_frame(m->r, i, &f);
		m->sums.user += f.user;
		m->sums.kernel += f.kernel;
		m->sums.tables += f.tables;
		m->sums.reached += f.user || f.kernel || f.tables;
	}
	m->sums.left_out = m->found.left_out;
}

static void tell_frames(struct rmap *m)
{
	struct pw_render *render = &m->s->render;

	if (!is_json(m)) {
		reaches_each(&m->found, m->r, frame, m, render);
		for (size_t i = 0; i < m->nsame; i++)
			if (reaches_has(&m->found, m->same[i].as))
				render->ops->same(render, &(struct pw_rec_same){ m->same[i].target, m->same[i].title,
										 m->same[i].as });
		for (size_t i = 0; i < m->nagain; i++)
			render->ops->again(render, &(struct pw_rec_again){ NULL, m->again[i].title, m->again[i].va,
									   m->again[i].last, m->again[i].alias_va });
		return;
	}
	for (size_t i = 0; i < m->sums.frames && pw_render_alive(render); i++) {
		struct pw_rec_frame f;

		frame(m, i, &f);
		render->ops->frame(render, &f);
	}
}

/* ---- */

static int begin(struct rmap *m)
{
	size_t n = pw_rmap_nframes(m->r);
	const struct pw_rec_head head = { .command = "rmap", .what = m->what, .widths = &m->widths };

	snprintf(m->what, sizeof(m->what), "%zu frame%s", n, n == 1 ? "" : "s");
	reaches_sort(&m->found);
	m->widths = reaches_widths(&m->found, m->r);
	return session_begin(m->s, &head);
}

static void finish(struct rmap *m)
{
	struct session *s = m->s;

	sum_up(m);
	if (!strcmp(s->target->os->name, "live"))
		pw_kpages_open(&m->kpages, NULL);
	if (!is_json(m) && begin(m))
		return;
	tell_frames(m);
	pw_kpages_close(&m->kpages);
	m->end.has_walk = true;
	m->end.hidden = pw_rmap_hidden(m->r);
	m->end.complete = !m->lost && !m->end.hidden;
	m->end.rmap = &m->sums;
	session_end(s, &m->end);
	if (m->lost)
		complain("%" PRIu64 " process%s could not be looked at; the last: %s", m->lost,
			 m->lost == 1 ? "" : "es", m->why.text);
	if (!s->status && !m->sums.reached)
		s->status = STATUS_NO;
}

static void rmap(struct rmap *m)
{
	struct session *s = m->s;
	int rc;

	s->status = add_all(m);
	if (s->status)
		return;
	if (is_json(m) && begin(m))
		return;
	rc = look(m);
	if (rc > 0)
		return;
	if (rc && is_json(m)) {
		session_cut(s, rc, s->err.text[0] ? s->err.text : "rmap");
	} else if (rc) {
		complain("%s", s->err.text[0] ? s->err.text : strerror(-rc));
		s->status = STATUS_FAILED;
	} else {
		finish(m);
	}
}

static int check(const struct args *args)
{
	if (!args->nargs)
		return usage_error(&cmd_rmap, "rmap needs FRAMEs, as in pa:1a2f3c000, or a TARGET and an ADDR");
	if (!is_frame(args->arg[0]) && strcmp(args->arg[0], "-") && args->nargs < 2)
		return usage_error(&cmd_rmap, "'%s' is no frame (pa:ADDR, pfn:N); if it is a TARGET, it needs an ADDR",
				   args->arg[0]);
	return 0;
}

static int run(struct args *args)
{
	struct session s;
	struct rmap m = { .s = &s, .kernel.pin.pagemap_fd = -1, .kpages = { -1, -1 } };
	int rc = check(args);

	if (!rc)
		rc = session_open(&s, args, PW_VIEW_RMAP);
	if (rc)
		return rc;
	m.r = pw_rmap_new();
	if (!m.r) {
		complain("out of memory");
		s.status = STATUS_FAILED;
	} else if (!session_target(&s)) {
		rmap(&m);
	}
	pw_rmap_free(m.r);
	reaches_free(&m.found);
	free(m.same);
	pw_space_free(&m.kernel);
	return session_close(&s);
}

static const struct option_def options[] = {
	OPT("user", 'u', NULL, OPT_FLAG, user, "processes only"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel only"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_rmap = {
	.name = "rmap",
	.args = "FRAME... | TARGET ADDR...",
	.summary = "who reaches a frame: every process, address and kernel mapping",
	.about = "FRAME: pa:ADDR or pfn:N (hexadecimal), a range (pa:A-B, pa:A+2M, pfn:A+N), or -: such words from\n"
		 "standard input. TARGET ADDR: the frames that are mapped there; ADDR can be a range or a name, as\n"
		 "for dump. All spaces are gone through once, for one frame or a million. A frame that is a page of\n"
		 "a page table is told as that. Exit status 1 when nothing reaches any of the frames.\n",
	.examples = "  sudo pagewalk rmap pa:1a2f3c000\n"
		    "  sudo pagewalk rmap 4242 7f3a5c2d4000\n"
		    "  sudo pagewalk rmap name:dbtest '[heap]'\n"
		    "  sudo pagewalk rmap pfn:100000+512 --json | jq 'select(.rec == \"mapping\")'\n"
		    "  pagewalk rmap pa:2800000 -s memory.lime\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_RMAP,
};
