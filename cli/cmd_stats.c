/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "interval.h"
#include "sums.h"
#include "targets.h"

#define USUAL_TOP 5

/* The session comes first: it is what targets_each() hands on. */
struct stats {
	struct session s;
	struct pw_rec_stats_row *row; /* --all */
	size_t n, room;
	struct pw_rec_stats_row sum;
};

static bool is_live(const struct session *s)
{
	return s->target->os && !strcmp(s->target->os->name, "live");
}

static const struct pw_joins *joins_of(const struct session *s)
{
	const struct pw_joins *taken = pw_snapshot_joins(s->target);

	return taken ? taken : &s->joins;
}

/* A negative errno, or a status after a complaint. */
static int count(struct session *s, struct pw_space *space, struct pw_stats *out)
{
	const struct pw_stats_opts opts = {
		.size = sizeof(opts),
		.joins = joins_of(s),
		.pages = s->args->pages,
		.filter = s->filter,
	};
	struct pw_error err = { 0 };
	int rc;

	session_half(s, space);
	if (!space->npieces) {
		complain("%s: source %s does not show its %s half", space->title, s->target->source.ops->name,
			 s->args->kernel ? "kernel" : "user");
		return STATUS_FAILED;
	}
	rc = pw_stats(space, &opts, out, &err);
	if (!rc)
		return 0;
	if (!err.text[0])
		return pw_error_set(&s->err, rc, "%s: %s", space->title,
				    rc == -ESRCH ? "the process is gone" : strerror(-rc));
	complain("%s", err.text);
	return STATUS_FAILED;
}

static struct pw_rec_end end_of(const struct pw_space *space, const struct pw_stats *st)
{
	struct pw_rec_end end = {
		.complete = true,
		.swapped = st->swapped,
		.protnone = st->protnone,
		.records = 1,
		.hidden = st->hidden,
		.has_walk = true,
		.walk = st->walk,
	};

	memcpy(end.bytes, st->bytes, sizeof(end.bytes));
	for (unsigned level = 0; level < PW_NLEVELS; level++)
		end.leaves += st->counts.entries[level][PW_LEAF];
	sums_root_once(space, &end.walk);
	return end;
}

/* ---- in full ---- */

static int show(struct session *s, struct pw_space *space, const char *text, const struct pw_stats *st,
		struct pw_rec_end *end)
{
	char name[64];
	const struct pw_rec_head head = {
		.command = "stats",
		.space = space,
		.name = space_name(space, text, name),
		.what = space->npieces == 1 ? space->piece[0].label : "both halves",
		.filter = s->args->filter,
		.va = { 0, UINT64_MAX },
	};
	const struct pw_rec_stats rec = {
		.stats = st,
		.top = s->args->top ? s->args->top : USUAL_TOP,
		.process = space->pid && space->npieces == 1 && space->piece[0].mmu.half == PW_HALF_USER,
	};
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	s->render.ops->stats(&s->render, &rec);
	session_end(s, end);
	return 0;
}

static int one_space(struct session *s, struct pw_space *space, const char *text, enum pw_end_of of,
		     struct pw_rec_end *total)
{
	bool marked = is_live(s) && space->pid && !pw_live_mark_no_thp(space, NULL);
	struct pw_rec_end end;
	struct pw_stats st;
	int rc;

	if (s->args->kernel)
		session_regions(s, space);
	rc = count(s, space, &st);
	if (rc)
		return rc;
	st.thp.settings_known = marked;
	end = end_of(space, &st);
	end.of = of;
	rc = show(s, space, text, &st, &end);
	if (!rc)
		sums_total(total, &end);
	pw_stats_free(&st);
	return rc;
}

/* ---- a line a process ---- */

static struct pw_rec_stats_row row_of(const struct pw_stats *st)
{
	const struct pw_thp *thp = &st->thp;
	const struct pw_tlb *tlb = &st->tlb;
	struct pw_rec_stats_row row = {
		.processes = 1,
		.leaf_only = st->leaf_only,
		.filtered = st->filtered,
		.swapped = st->swapped,
		.protnone = st->protnone,
		.tables = pw_stats_tables(st),
		.table_bytes = st->table_bytes,
		.kernel_table_bytes = st->kernel_table_bytes,
		.pte_slots = st->slots[PW_PTE],
		.tlb_blocks = tlb->blocks,
		.thp_huge = thp->huge,
		.thp_touched = thp->ranges - thp->untouched,
	};

	for (unsigned i = 0; i <= PW_PUD; i++) {
		row.bytes[i] = st->bytes[i];
		row.accessed += st->accessed[i];
		row.dirty += st->dirty[i];
		row.tlb_now += tlb->now[i];
		row.tlb_merged += tlb->merged[i];
	}
	for (unsigned kind = PW_TABLE; kind <= PW_SOFT; kind++)
		row.pte_entries += st->counts.entries[PW_PTE][kind];
	return row;
}

static void add_row(struct pw_rec_stats_row *sum, const struct pw_rec_stats_row *row)
{
	for (unsigned i = 0; i <= PW_PUD; i++)
		sum->bytes[i] += row->bytes[i];
	sum->processes += row->processes;
	sum->leaf_only |= row->leaf_only;
	sum->filtered |= row->filtered;
	sum->swapped += row->swapped;
	sum->protnone += row->protnone;
	sum->accessed += row->accessed;
	sum->dirty += row->dirty;
	sum->tables += row->tables;
	sum->table_bytes += row->table_bytes;
	sum->kernel_table_bytes += row->kernel_table_bytes;
	sum->pte_entries += row->pte_entries;
	sum->pte_slots += row->pte_slots;
	sum->tlb_now += row->tlb_now;
	sum->tlb_merged += row->tlb_merged;
	sum->tlb_blocks += row->tlb_blocks;
	sum->thp_huge += row->thp_huge;
	sum->thp_touched += row->thp_touched;
}

static int keep(struct stats *stats, const struct pw_rec_stats_row *row)
{
	if (stats->n == stats->room) {
		size_t room = stats->room ? 2 * stats->room : 64;
		void *bigger = reallocarray(stats->row, room, sizeof(*row));

		if (!bigger)
			return -ENOMEM;
		stats->row = bigger;
		stats->room = room;
	}
	stats->row[stats->n++] = *row;
	add_row(&stats->sum, row);
	return 0;
}

static int one_of_all(struct session *s, struct pw_space *space, const char *text, enum pw_end_of of,
		      struct pw_rec_end *total)
{
	struct pw_rec_stats_row row;
	struct pw_rec_end end;
	struct pw_stats st;
	int rc = count(s, space, &st);

	(void)text;
	(void)of;
	if (rc)
		return rc;
	row = row_of(&st);
	row.pid = space->pid;
	memcpy(row.comm, space->comm, sizeof(row.comm));
	end = end_of(space, &st);
	pw_stats_free(&st);
	rc = keep((struct stats *)s, &row);
	if (!rc)
		sums_total(total, &end);
	return rc;
}

/* ---- order ---- */

static uint64_t mapped(const struct pw_rec_stats_row *row)
{
	return row->bytes[0] + row->bytes[1] + row->bytes[2];
}

static int largest_first(uint64_t a, uint64_t b, const void *v, const void *w)
{
	const struct pw_rec_stats_row *p = v, *q = w;

	return a != b ? (a < b) - (a > b) : (p->pid > q->pid) - (p->pid < q->pid);
}

static int by_mapped(const void *a, const void *b)
{
	return largest_first(mapped(a), mapped(b), a, b);
}

#define BY(field)                                                                        \
	static int by_##field(const void *a, const void *b)                              \
	{                                                                                \
		return largest_first(((const struct pw_rec_stats_row *)a)->field,        \
				     ((const struct pw_rec_stats_row *)b)->field, a, b); \
	}

BY(swapped)
BY(table_bytes)
BY(tlb_now)

static double share(const struct pw_rec_stats_row *row)
{
	return mapped(row) ? (double)row->table_bytes / (double)mapped(row) : 0;
}

static int by_share(const void *a, const void *b)
{
	double x = share(a), y = share(b);

	return x != y ? (x < y ? 1 : -1) : largest_first(0, 0, a, b);
}

static int by_name(const void *a, const void *b)
{
	int c = strcmp(((const struct pw_rec_stats_row *)a)->comm, ((const struct pw_rec_stats_row *)b)->comm);

	return c ? c : largest_first(0, 0, a, b);
}

static void sort(struct stats *stats)
{
	static const struct {
		const char *name;
		int (*fn)(const void *a, const void *b);
	} orders[] = {
		{ "mapped", by_mapped }, { "swap", by_swapped }, { "tables", by_table_bytes },
		{ "share", by_share },   { "tlb", by_tlb_now },  { "name", by_name },
	};
	const char *key = stats->s.args->sort;

	for (size_t i = 0; key && i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!strcmp(key, orders[i].name))
			qsort(stats->row, stats->n, sizeof(*stats->row), orders[i].fn);
}

static int put_all(struct session *s)
{
	struct stats *stats = (struct stats *)s;
	const struct pw_rec_head head = { .command = "stats", .filter = s->args->filter };
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	sort(stats);
	for (size_t i = 0; i < stats->n; i++)
		s->render.ops->stats_row(&s->render, &stats->row[i]);
	if (!s->args->noheadings)
		s->render.ops->stats_row(&s->render, &stats->sum);
	return 0;
}

/* ---- from round to round ---- */

/* One side of a comparison: a target of its own, and the space in it. */
struct look {
	struct pw_target *target;
	struct pw_space space;
};

static int look(struct session *s, const struct pw_select *sel, struct look *out)
{
	int rc = interval_remember(s, sel, &out->target);

	if (rc)
		return rc;
	rc = pw_target_space(out->target, sel, &out->space, &s->err);
	if (!rc) {
		session_half(s, &out->space);
		return 0;
	}
	pw_target_close(out->target);
	out->target = NULL;
	return rc;
}

static void forget(struct look *l)
{
	if (!l->target)
		return;
	pw_space_free(&l->space);
	pw_target_close(l->target);
	l->target = NULL;
}

/* What it is now, and, but for the first, what has changed. */
static int put_round(struct session *s, unsigned n, const struct look *before, struct look *now, struct pw_rec_end *end)
{
	const struct pw_diff_opts opts = { .size = sizeof(opts) };
	static const struct pw_diff_visitor nobody;
	struct pw_diff_sums changes = { 0 };
	struct pw_rec_round round = { .n = n };
	struct pw_stats st;
	int rc = before->target ? pw_diff(&before->space, &now->space, &opts, &nobody, NULL, &changes, &s->err) : 0;

	if (!rc)
		rc = count(s, &now->space, &st);
	if (rc)
		return rc;
	round.stats = &st;
	round.changes = before->target ? &changes : NULL;
	s->render.ops->round(&s->render, &round);
	pw_out_flush(&s->out);
	end->records++;
	end->leaves = end_of(&now->space, &st).leaves;
	pw_walk_stats_add(&end->walk, &st.walk);
	pw_stats_free(&st);
	return 0;
}

static int rounds(struct session *s, const struct pw_space *space, const struct pw_select *sel, uint64_t ms)
{
	struct pw_rec_end end = { .complete = true };
	struct look before = { 0 }, now = { 0 };
	int rc = 0;

	for (unsigned n = 0; !rc && pw_render_alive(&s->render); n++) {
		if (n)
			interval_wait(ms);
		rc = look(s, sel, &now);
		if (!rc)
			rc = put_round(s, n, &before, &now, &end);
		forget(&before);
		before = now;
		now.target = NULL;
		if (s->args->count && n == s->args->count)
			break;
	}
	forget(&before);
	if (rc < 0)
		session_cut(s, rc, space->title);
	else if (!rc)
		session_end(s, &end);
	return rc > 0 ? rc : (int)s->status;
}

static int watch(struct session *s, uint64_t ms)
{
	const char *text = s->args->arg[0];
	struct pw_select sel;
	struct pw_space space;
	char name[64];
	int rc = session_space(s, text, &space);

	if (rc)
		return rc;
	pw_select_parse(text, &sel, &s->err);
	session_half(s, &space);
	if (space.pid && sel.kind == PW_SELECT_NAME)
		sel = (struct pw_select){ .kind = PW_SELECT_PID, .pid = space.pid, .pick = sel.pick };
	if (!space.npieces) {
		complain("%s: that half of it is not there", space.title);
		rc = STATUS_FAILED;
	} else {
		const struct pw_rec_head head = {
			.command = "stats",
			.space = &space,
			.name = space_name(&space, text, name),
			.what = space.npieces == 1 ? space.piece[0].label : "both halves",
			.va = { 0, UINT64_MAX },
		};

		rc = session_begin(s, &head);
	}
	if (!rc)
		rc = rounds(s, &space, &sel, ms);
	pw_space_free(&space);
	return rc;
}

/* ---- */

static int check(const struct args *args, uint64_t *ms)
{
	bool lines = args->all || args->cgroup;
	int rc = targets_check(&cmd_stats, args);

	*ms = args->interval ? interval_parse(args->interval) : 0;
	if (rc)
		return rc;
	if (args->interval && !*ms)
		return usage_error(&cmd_stats, "--watch: '%s' is no time, as in 1s or 250ms", args->interval);
	if (args->interval && args->nargs != 1)
		return usage_error(&cmd_stats, "--watch takes one TARGET");
	if (args->interval && !strncmp(args->arg[0], "cpu:", 4))
		return usage_error(&cmd_stats, "a CPU goes from one space to another: give a PID, or root:PA");
	if (args->interval && args->pages)
		return usage_error(&cmd_stats, "--pages is not for --watch");
	if (args->count && !args->interval)
		return usage_error(&cmd_stats, "--count is for --watch");
	if (args->columns && !lines && !args->interval)
		return usage_error(&cmd_stats, "--columns is for --all, --cgroup and --watch");
	if (args->filter && args->interval)
		return usage_error(&cmd_stats, "--filter and --watch exclude each other");
	if (args->sort && !lines)
		return usage_error(&cmd_stats, "--sort is for --all and --cgroup");
	if (args->kernel && lines)
		return usage_error(&cmd_stats, "the kernel half is the same for all: give one TARGET");
	return 0;
}

static int answer(struct session *s, uint64_t ms)
{
	const struct args *args = s->args;
	bool lines = args->all || args->cgroup;

	if (args->pages && !is_live(s)) {
		complain("--pages: page flags are those of the running system, which this is not");
		return STATUS_FAILED;
	}
	if (ms)
		return watch(s, ms);
	if (!lines)
		return targets_each(s, one_space);
	if (!args->columns && !(s->target->source.ops->caps & PW_CAP_TABLES))
		pw_render_columns(&s->render, PW_VIEW_STATS, "pid,mapped,swap,name", &s->err);
	return targets_each_then(s, one_of_all, put_all);
}

static int run(struct args *args)
{
	bool lines = args->all || args->cgroup;
	struct stats stats = { 0 };
	uint64_t ms;
	int rc = check(args, &ms);

	if (!rc)
		rc = session_open(&stats.s, args, lines ? PW_VIEW_STATS : ms ? PW_VIEW_ROUNDS : PW_VIEW_NONE);
	if (rc)
		return rc;
	if (!session_target(&stats.s))
		stats.s.status = answer(&stats.s, ms);
	free(stats.row);
	return session_close(&stats.s);
}

static const struct option_def options[] = {
	OPTS_TARGETS,
	OPT_FILTER,
	OPT("sort", 0, "pid|mapped|swap|tables|share|tlb|name", OPT_TEXT, sort, "order of the lines (default: pid)"),
	OPT("watch", 'w', "TIME", OPT_TEXT, interval, "one TARGET, again and again after TIME: 1s, 250ms"),
	OPT("count", 'c', "N", OPT_NUMBER, count, "with --watch: so many times (default: until it ends)"),
	OPT("pages", 0, NULL, OPT_FLAG, pages, "what the kernel knows of each page: shared, zero, KSM (root)"),
	OPT("top", 't', "N", OPT_NUMBER, top, "so many VMAs, those with the most tables (default: 5)"),
	OPT("user", 'u', NULL, OPT_FLAG, user, "the user half (the default for a process)"),
	OPT("kernel", 'k', NULL, OPT_FLAG, kernel, "the kernel half; with --user: both"),
	OPT_SOURCE,
	OPT_PAGING,
	OPTS_IMAGE,
	OPTS_SIZED_TABLE,
};

const struct command cmd_stats = {
	.name = "stats",
	.args = "TARGET... | --all | --cgroup PATH",
	.summary = "tables, page sizes, flags, contiguity, TLB entries, huge pages, in numbers",
	.about = "Of one TARGET, or each of several, everything; with --all or --cgroup a line a process, and their "
		 "sum.\n"
		 "--watch shows what changes, the Accessed and Dirty bits among it; it never clears any. Its lines "
		 "have\n"
		 "columns of their own: an unknown name in --columns lists them.\n",
	.examples = "  sudo pagewalk stats 4242\n"
		    "  sudo pagewalk stats --all --sort tables\n"
		    "  sudo pagewalk stats name:dbtest --watch 1s --count 10\n"
		    "  sudo pagewalk stats 4242 --json | jq 'select(.rec == \"thp\")'\n",
	.options = options,
	.run = run,
	.view = PW_VIEW_STATS,
};
