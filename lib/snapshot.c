/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking a snapshot: each space is walked once through a source that passes every read on to the real one and puts what came
 * back into the file. So what is stored was read, checked and retried as for any other command, and there is no second walker.
 *
 * Repeated tables are folded: nothing that an unfolded walk reads is missing, as it would only read the same tables again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagewalk/snapshot.h>

#include "os/pack_space.h"
#include "ranges.h"
#include "source/snapshot_write.h"
#include "space.h"

#define LEAF_WORDS 512

struct process {
	struct pw_process is;
	size_t record; /* where what is known of its space begins in records */
	bool has_space;
};

struct pw_snapshot {
	struct pw_target *target;
	struct pw_snapshot_opts opts;
	struct pw_snapshot_writer *writer;
	struct pw_snapshot_sums sums;
	bool whole_list, kernel_half;
	struct process *process;
	size_t nprocesses, rprocesses;
	struct pw_pack records; /* a space's record, or why there is none, each with its length before it */
	struct pw_pack kernel;
	uint32_t nspaces;
};

/* ---- the source in between ---- */

/* One walk. */
struct recorder {
	struct pw_source source; /* what the walker reads through */
	struct pw_source *inner;
	struct pw_snapshot_writer *writer;
	uint32_t space;
	bool alone; /* what it reads is no other space's: leaves */
	uint64_t ignore;
	const struct pw_range *ram;
	size_t nram;
	int rc; /* of writing */

	/* The leaves of the chunk that is being gathered. */
	uint64_t chunk;
	bool gathered;
	uint64_t word[LEAF_WORDS];

	/* Where the walk is. */
	struct pw_walk_stats stats;
	uint64_t retries; /* at the last event */
	const struct pw_piece *piece;
	uint64_t table[PW_NLEVELS]; /* by depth */
};

static int record_tables(struct pw_source *src, struct pw_table_req *req, size_t n)
{
	struct recorder *r = src->priv;
	int rc = r->inner->ops->read_tables(r->inner, req, n);

	for (size_t i = 0; i < n && rc >= 0 && !r->rc; i++)
		if (req[i].status == 0 && req[i].bytes > sizeof(uint64_t))
			r->rc = pw_snapshot_put_table(r->writer, r->space, r->alone, req[i].pa, req[i].data,
						      req[i].bytes, r->ignore);
	return r->rc ? r->rc : rc;
}

static int flush_leaves(struct recorder *r)
{
	if (r->gathered && !r->rc)
		r->rc = pw_snapshot_put_table(r->writer, r->space, true, r->chunk * sizeof(r->word), r->word,
					      sizeof(r->word), 0);
	r->gathered = false;
	memset(r->word, 0, sizeof(r->word));
	return r->rc;
}

static long record_leaves(struct pw_source *src, const struct pw_pin *pin, uint64_t va, uint64_t last, uint64_t *words,
			  size_t max, uint64_t *at)
{
	struct recorder *r = src->priv;
	long n = r->inner->ops->read_leaves(r->inner, pin, va, last, words, max, at);

	for (long i = 0; i < n; i++) {
		uint64_t page = (*at >> 12) + i;

		if (!words[i])
			continue;
		if (page / LEAF_WORDS != r->chunk && flush_leaves(r))
			return r->rc;
		r->chunk = page / LEAF_WORDS;
		r->word[page % LEAF_WORDS] = words[i];
		r->gathered = true;
	}
	return n;
}

static const struct pw_source_ops recorder_tables = { .name = "recorder",
						      .caps = PW_CAP_TABLES,
						      .read_tables = record_tables };

static const struct pw_source_ops recorder_leaves = { .name = "recorder",
						      .caps = PW_CAP_LEAVES,
						      .read_leaves = record_leaves };

/* ---- what the walk makes of it ---- */

/* Where the entry for va is in the tables as they were first read. */
static uint64_t slot_of(struct recorder *r, const struct pw_piece *piece, unsigned depth, uint64_t va)
{
	if (r->piece != piece) {
		r->piece = piece;
		r->table[0] = piece->root;
	}
	return r->table[depth] + pw_index(&piece->mmu.mode->lv[depth], va) * sizeof(uint64_t);
}

/* An event that comes after retries is of an entry that was looked up again. */
static int note(struct recorder *r, uint64_t slot, uint32_t flags, uint64_t raw)
{
	if (r->stats.retries != r->retries)
		flags |= PW_SNAPSHOT_SLOT_RAW;
	r->retries = r->stats.retries;
	if (flags && !r->rc)
		r->rc = pw_snapshot_put_slot(r->writer, r->space, slot, flags, raw);
	return r->rc;
}

static int on_step(void *ctx, const struct pw_step *step)
{
	struct recorder *r = ctx;
	uint64_t slot = slot_of(r, step->piece, step->depth, step->va);
	struct pw_entry e;

	step->piece->mmu.arch->decode(&step->piece->mmu, step->level, step->raw, &e);
	r->table[step->depth + 1] = e.pa;
	return note(r, slot, 0, step->raw);
}

static int on_span(void *ctx, const struct pw_span *span)
{
	struct recorder *r = ctx;

	if (span->slot_pa == PW_PA_NONE)
		return 0;
	return note(r, slot_of(r, span->piece, span->depth, span->va), 0, span->raw[0]);
}

/* What the walk refuses by itself, without asking the source, it will refuse again. */
static bool is_refused(const struct recorder *r, const struct pw_hole *hole)
{
	struct pw_entry e = { .pa = hole->piece->root };

	if (hole->slot_pa != PW_PA_NONE)
		hole->piece->mmu.arch->decode(&hole->piece->mmu, hole->level, hole->raw, &e);
	return hole->reason == PW_HOLE_NOT_RAM && !pw_ranges_hold(r->ram, r->nram, e.pa, sizeof(uint64_t));
}

static int on_hole(void *ctx, const struct pw_hole *hole)
{
	static const uint32_t flags[] = {
		[PW_HOLE_UNSTABLE] = PW_SNAPSHOT_SLOT_UNSTABLE,
		[PW_HOLE_UNREADABLE] = PW_SNAPSHOT_SLOT_UNREADABLE,
		[PW_HOLE_NOT_RAM] = PW_SNAPSHOT_SLOT_NOT_RAM,
		[PW_HOLE_BUDGET] = 0,
		[PW_HOLE_INCONSISTENT] = 0,
	};
	struct recorder *r = ctx;
	uint32_t what = is_refused(r, hole) ? 0 : flags[hole->reason];

	if (hole->doubt)
		what |= PW_SNAPSHOT_SLOT_DOUBT(hole->doubt);

	if (hole->slot_pa == PW_PA_NONE)
		return note(r, hole->piece->root | 1, what, 0);
	return note(r, slot_of(r, hole->piece, hole->depth, hole->va), what, hole->raw);
}

static const struct pw_visitor visitor = { .step = on_step, .span = on_span, .hole = on_hole };

static uint64_t volatile_bits(const struct pw_space *space)
{
	uint64_t bits = 0;

	for (unsigned level = 0; level < PW_NLEVELS; level++)
		bits |= space->piece[0].mmu.arch->hw_volatile(level);
	return bits;
}

/* What of a smeared image was looked at beside the tables. */
static int note_checked(struct recorder *r, const struct pw_space *space)
{
	uint32_t checked = pw_space_checked(space) << PW_SNAPSHOT_SLOT_CHECKED_SHIFT;

	for (size_t i = 0; i < space->npieces && checked && !r->rc; i++)
		if (space->piece[i].mmu.half == PW_HALF_USER)
			r->rc = pw_snapshot_put_slot(r->writer, r->space, space->piece[i].root | 1, checked, 0);
	return r->rc;
}

/* Walks the space, whose tables then are in the file. */
static int record(struct pw_snapshot *s, const struct pw_space *space, uint32_t id, struct pw_error *err)
{
	const struct pw_walk_opts opts = {
		.size = sizeof(opts), .va = { 0, UINT64_MAX }, .fold_aliases = true, .budget = s->opts.budget
	};
	bool tables = space->source->ops->caps & PW_CAP_TABLES;
	struct recorder r = {
		.source = { .ops = tables ? &recorder_tables : &recorder_leaves },
		.inner = space->source,
		.writer = s->writer,
		.space = id,
		.ignore = tables ? volatile_bits(space) : 0,
		.ram = space->ram,
		.nram = space->nram,
	};
	struct pw_space copy = *space;
	int rc;

	r.source.priv = &r;
	copy.source = &r.source;
	rc = note_checked(&r, space);
	if (!rc)
		rc = pw_walk(&copy, &opts, &visitor, &r, &r.stats);
	if (!tables)
		flush_leaves(&r);
	if (!rc)
		rc = r.rc;
	pw_walk_stats_add(&s->sums.walk, &r.stats);
	if (rc == -ESRCH)
		return pw_error_set(err, rc, "%s: the process is gone", space->title);
	return rc ? pw_error_set(err, rc, "%s: %s", space->title, strerror(-rc)) : 0;
}

/* With PTI, PID:user and PID:kernel are walks of their own: one root for both halves. */
static int record_picks(struct pw_snapshot *s, const struct pw_space *space, uint32_t id, struct pw_error *err)
{
	struct pw_space one = *space;
	int rc = 0;

	if (!s->target->facts.pti || space->npieces != 2 || space->piece[0].root == space->piece[1].root)
		return 0;
	for (unsigned i = 0; i < 2 && !rc; i++) {
		one.npieces = 1;
		one.piece[0] = space->piece[i];
		one.piece[0].root = space->piece[!i].root;
		rc = record(s, &one, id, err);
	}
	return rc;
}

/* ---- spaces ---- */

static int put_areas(struct pw_snapshot *s, enum pw_snapshot_type type, const struct pw_areas *areas, uint32_t *nr,
		     struct pw_error *err)
{
	struct pw_pack p = { 0 };
	int rc = 0;

	pw_pack_areas(&p, areas);
	if (areas->n > PW_SNAPSHOT_MAX_AREAS || p.len > pw_snapshot_most(type))
		rc = pw_error_set(err, -EFBIG, "more areas (%zu) than a snapshot holds of one space", areas->n);
	else if ((rc = pw_snapshot_put(s->writer, type, &p, nr)))
		pw_error_set(err, rc, "the snapshot cannot be written: %s", strerror(-rc));
	pw_pack_free(&p);
	return rc;
}

static void keep_half(const struct pw_snapshot *s, struct pw_space *space)
{
	size_t n = 0;

	if (s->opts.half == PW_SNAPSHOT_BOTH)
		return;
	for (size_t i = 0; i < space->npieces; i++)
		if ((space->piece[i].mmu.half == PW_HALF_USER) == (s->opts.half == PW_SNAPSHOT_USER))
			space->piece[n++] = space->piece[i];
	space->npieces = n;
}

static bool has_kernel_half(const struct pw_space *space)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_KERNEL)
			return true;
	return false;
}

static int add_space(struct pw_snapshot *s, const struct pw_space *space, struct pw_pack *to, struct pw_error *err)
{
	uint32_t id = s->nspaces + 1, areas = 0;
	int rc = 0;

	if (!space->npieces)
		return pw_error_set(err, -EOPNOTSUPP, "%s: source %s does not show that half of it", space->title,
				    space->source->ops->name);
	rc = record(s, space, id, err);
	s->nspaces++;
	if (!rc)
		rc = record_picks(s, space, id, err);
	if (!rc)
		rc = put_areas(s, PW_SNAPSHOT_AREAS, &space->areas, &areas, err);
	if (rc)
		return rc;
	s->kernel_half |= has_kernel_half(space);
	pw_pack_space(to, space, id, areas);
	return 0;
}

static int add_layout(struct pw_snapshot *s, struct pw_error *err)
{
	struct pw_areas layout = { 0 };
	int rc;

	if (pw_target_layout(s->target, &layout, NULL))
		return 0;
	rc = put_areas(s, PW_SNAPSHOT_LAYOUT, &layout, NULL, err);
	pw_areas_free(&layout);
	return rc;
}

static int add_kernel(struct pw_snapshot *s, struct pw_error *err)
{
	const struct pw_select kernel = { .kind = PW_SELECT_KERNEL };
	struct pw_space space;
	int rc;

	if (s->sums.kernel)
		return 0;
	rc = pw_target_space(s->target, &kernel, &space, err);
	if (rc)
		return rc;
	rc = add_space(s, &space, &s->kernel, err);
	pw_space_free(&space);
	if (rc)
		return rc;
	s->sums.kernel = true;
	return add_layout(s, err);
}

static struct process *add_process(struct pw_snapshot *s, const struct pw_process *p)
{
	if (s->nprocesses == s->rprocesses) {
		size_t want = s->rprocesses ? 2 * s->rprocesses : 64;
		struct process *more = reallocarray(s->process, want, sizeof(*more));

		if (!more)
			return NULL;
		s->process = more;
		s->rprocesses = want;
	}
	s->process[s->nprocesses] = (struct process){ .is = *p };
	return &s->process[s->nprocesses++];
}

static struct process *find_process(struct pw_snapshot *s, pid_t pid)
{
	for (size_t i = 0; i < s->nprocesses; i++)
		if (s->process[i].is.pid == pid)
			return &s->process[i];
	return NULL;
}

static uint64_t kernel_root_of(const struct pw_space *space)
{
	for (size_t i = 0; i < space->npieces; i++)
		if (space->piece[i].mmu.half == PW_HALF_KERNEL)
			return space->piece[i].root;
	return space->npieces ? space->piece[0].root : PW_PA_NONE;
}

static int add_process_space(struct pw_snapshot *s, struct pw_space *space, struct pw_error *err)
{
	struct process *p = find_process(s, space->pid);
	struct pw_process is = { .pid = space->pid, .root = kernel_root_of(space) };
	int rc;

	if (p && p->has_space)
		return 0;
	snprintf(is.comm, sizeof(is.comm), "%s", space->comm);
	keep_half(s, space);
	if (!p)
		p = add_process(s, &is);
	if (!p)
		return pw_error_set(err, -ENOMEM, "out of memory");
	p->record = s->records.len;
	rc = add_space(s, space, &s->records, err);
	if (rc) {
		s->records.len = p->record;
		if (!s->whole_list)
			s->nprocesses--;
		return rc;
	}
	p->has_space = true;
	s->sums.processes++;
	return 0;
}

/* A root that is no process's has no name in the snapshot: it is found by its address. */
static int add_root(struct pw_snapshot *s, struct pw_space *space, struct pw_error *err)
{
	struct pw_pack none = { 0 };
	int rc;

	keep_half(s, space);
	rc = add_space(s, space, &none, err);
	pw_pack_free(&none);
	s->sums.roots += !rc;
	return rc;
}

int pw_snapshot_add(struct pw_snapshot *s, const struct pw_select *sel, struct pw_error *err)
{
	struct pw_space space;
	int rc;

	if (sel->kind == PW_SELECT_KERNEL)
		return add_kernel(s, err);
	rc = pw_target_space(s->target, sel, &space, err);
	if (rc)
		return rc;
	rc = space.pid ? add_process_space(s, &space, err) : add_root(s, &space, err);
	pw_space_free(&space);
	return rc;
}

/* Out of memory or disk: the next process would fail as well. */
static bool is_fatal(int rc)
{
	return rc == -ENOMEM || rc == -ENOSPC || rc == -EIO || rc == -EFBIG || rc == -EDQUOT;
}

static int one_of_all(struct pw_snapshot *s, size_t i, struct pw_error *err)
{
	struct pw_select sel = { .kind = PW_SELECT_PID, .pid = s->process[i].is.pid };
	struct pw_error why = { 0 };
	int rc = pw_snapshot_add(s, &sel, &why);

	if (!rc)
		return 0;
	if (is_fatal(rc)) {
		if (err)
			*err = why;
		return rc;
	}
	s->process[i].record = s->records.len;
	pw_pack_str(&s->records, why.text);
	s->sums.lost++;
	if (err)
		*err = why;
	return 0;
}

int pw_snapshot_add_all(struct pw_snapshot *s, struct pw_error *err)
{
	struct pw_process *list;
	size_t n;
	int rc = pw_target_processes(s->target, true, &list, &n, err);

	if (rc < 0)
		return rc;
	s->sums.lost += rc > 0;
	rc = 0;
	s->whole_list = true;
	for (size_t i = 0; i < n && !rc; i++)
		if (!find_process(s, list[i].pid) && !add_process(s, &list[i]))
			rc = pw_error_set(err, -ENOMEM, "out of memory");
	free(list);
	/* A source without a kernel still has processes. */
	if (!rc && s->opts.half != PW_SNAPSHOT_USER) {
		rc = add_kernel(s, err);
		if (!is_fatal(rc))
			rc = 0;
	}
	if (!rc && err && !s->sums.lost)
		err->text[0] = 0;
	for (size_t i = 0; i < s->nprocesses && !rc; i++)
		if (!s->process[i].is.kthread)
			rc = one_of_all(s, i, err);
	return rc;
}

/* ---- beginning and end ---- */

int pw_snapshot_begin(struct pw_target *t, const struct pw_snapshot_opts *opts, struct pw_snapshot **out,
		      struct pw_error *err)
{
	struct pw_snapshot *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return pw_error_set(err, -ENOMEM, "out of memory");
	s->target = t;
	s->opts = *opts;
	rc = pw_snapshot_writer_open(opts->path, &s->writer, err);
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void pw_snapshot_abort(struct pw_snapshot *s)
{
	if (!s)
		return;
	pw_snapshot_writer_abort(s->writer);
	pw_pack_free(&s->records);
	pw_pack_free(&s->kernel);
	free(s->process);
	free(s);
}

static int by_pid(const void *a, const void *b)
{
	const struct process *p = a, *q = b;

	return (p->is.pid > q->is.pid) - (p->is.pid < q->is.pid);
}

static int put_spaces(struct pw_snapshot *s)
{
	struct pw_pack p = { 0 };
	int rc;

	if (s->nprocesses)
		qsort(s->process, s->nprocesses, sizeof(*s->process), by_pid);
	pw_pack_u8(&p, s->sums.kernel);
	pw_pack_mem(&p, s->kernel.buf, s->kernel.len);
	pw_pack_u32(&p, (uint32_t)s->nprocesses);
	for (size_t i = 0; i < s->nprocesses; i++) {
		const struct process *q = &s->process[i];

		pw_pack_u32(&p, (uint32_t)q->is.pid);
		pw_pack_u8(&p, (uint8_t)(q->is.kthread | q->has_space << 1));
		pw_pack_u64(&p, q->is.root);
		pw_pack_str(&p, q->is.comm);
		pw_pack_u32(&p, (uint32_t)q->record);
	}
	pw_pack_mem(&p, s->records.buf, s->records.len);
	p.failed |= s->records.failed || s->kernel.failed;
	rc = s->nprocesses > PW_SNAPSHOT_MAX_SPACES || p.len > pw_snapshot_most(PW_SNAPSHOT_SPACES)
		     ? -EFBIG
		     : pw_snapshot_put(s->writer, PW_SNAPSHOT_SPACES, &p, NULL);
	pw_pack_free(&p);
	return rc;
}

/* Where nothing moves, the time can be given: files that are built are then the same each time. */
static uint64_t now(const struct pw_target *t)
{
	const char *epoch = t->source.consistency == PW_FROZEN ? getenv("SOURCE_DATE_EPOCH") : NULL;

	return epoch ? strtoull(epoch, NULL, 10) : (uint64_t)time(NULL);
}

static int put_facts(struct pw_snapshot *s)
{
	const struct pw_target *t = s->target;
	struct pw_taken taken = { .version = PW_VERSION, .time = now(t) };
	const struct pw_range *ram = NULL;
	struct pw_pack p = { 0 };
	size_t nram = 0;
	int rc = t->source.ops->ranges ? t->source.ops->ranges(&s->target->source, &ram, &nram) : 0;

	if (rc)
		return rc;
	snprintf(taken.source, sizeof(taken.source), "%s", t->source.ops->name);
	pw_pack_facts(&p, t, t->taken ? t->taken : &taken);
	pw_pack_ranges(&p, ram, nram);
	pw_pack_joins(&p, s->opts.joins);
	pw_pack_soft(&p, &t->mmu[PW_HALF_USER].soft);
	rc = p.len > pw_snapshot_most(PW_SNAPSHOT_FACTS) ? -EFBIG
							 : pw_snapshot_put(s->writer, PW_SNAPSHOT_FACTS, &p, NULL);
	pw_pack_free(&p);
	return rc;
}

int pw_snapshot_finish(struct pw_snapshot *s, struct pw_snapshot_sums *sums, int *fd, struct pw_error *err)
{
	struct pw_snapshot_sizes sizes;
	int rc = s->kernel_half ? add_kernel(s, NULL) : 0;

	if (!is_fatal(rc))
		rc = 0;
	/* Without tables the layout is all that is known of the kernel. */
	if (!rc && !(s->target->source.ops->caps & PW_CAP_TABLES))
		rc = add_layout(s, NULL);
	if (!rc)
		rc = put_spaces(s);
	if (!rc)
		rc = put_facts(s);
	if (rc) {
		pw_error_set(err, rc, "the snapshot cannot be written: %s", strerror(-rc));
		pw_snapshot_abort(s);
		return rc;
	}
	rc = pw_snapshot_writer_finish(s->writer, &sizes, fd, err);
	s->writer = NULL;
	if (!rc) {
		s->sums.tables = sizes.tables;
		s->sums.table_bytes = sizes.table_bytes;
		s->sums.bytes = sizes.bytes;
		*sums = s->sums;
	}
	pw_snapshot_abort(s);
	return rc;
}
