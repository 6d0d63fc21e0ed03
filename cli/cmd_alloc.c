/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "commands.h"
#include "parse.h"
#include "render/bits.h"
#include "session.h"

/* Internal: the reader of our output is gone. */
#define ENOUGH 1

struct look {
	struct session *s;
	const struct alloc *alloc;
	size_t block;     /* where the next page is that was not shown */
	uint64_t at;      /* in that block */
	uint64_t pa, run; /* the page before: its address, and how many are contiguous up to it */
	uint64_t counted; /* the huge page that was counted last; 1: none */
	bool hidden;
	struct pw_rec_alloc sum;
	struct pw_rec_end end;
};

static uint64_t next_page(const struct look *l)
{
	return l->alloc->block[l->block].va + l->at;
}

static bool all_shown(const struct look *l)
{
	return l->block == l->alloc->n;
}

static void count_stretch(struct look *l, uint64_t pa)
{
	bool goes_on = l->run && pa == l->pa + ALLOC_PAGE;

	l->sum.extents += !goes_on;
	l->run = goes_on ? l->run + 1 : 1;
	l->pa = pa;
	if (l->run > l->sum.longest)
		l->sum.longest = l->run;
}

static void put(struct look *l, const struct pw_rec_page *page)
{
	l->s->render.ops->page(&l->s->render, page);
	l->sum.pages++;
	if (page->pa != PW_PA_NONE)
		count_stretch(l, page->pa);
	else
		l->run = 0;
	l->hidden |= page->kind == PW_LEAF && page->pa == PW_PA_NONE;
	/* A page that NUMA balancing has taken from the CPU for a while is in memory. */
	l->sum.absent += page->kind != PW_LEAF && page->pa == PW_PA_NONE;
	l->end.leaves += page->kind == PW_LEAF;
	l->at += ALLOC_PAGE;
	if (l->at == l->alloc->block[l->block].bytes) {
		l->block++;
		l->at = 0;
	}
}

/* Pages of the allocation below va of which nothing was said. */
static void put_absent(struct look *l, uint64_t va)
{
	while (!all_shown(l) && next_page(l) < va)
		put(l, &(struct pw_rec_page){ .va = next_page(l), .pa = PW_PA_NONE, .kind = PW_NONE });
}

static void put_entry(struct look *l, const struct pw_entry *e, uint64_t va)
{
	struct pw_rec_page page = {
		.size = l->sum.sizes_known && (e->kind == PW_LEAF || e->kind == PW_PROTNONE) ? e->size : 0,
		.kind = e->kind,
		.swapped = pw_is_swap(e),
	};
	uint64_t end = va + e->size;

	put_absent(l, va);
	while (!all_shown(l) && next_page(l) < end) {
		page.va = next_page(l);
		page.pa = e->pa == PW_PA_NONE ? e->pa : e->pa + (page.va - va);
		if (page.size && l->counted != va && e->level <= PW_PUD)
			l->sum.mapped[e->level] += e->size;
		l->counted = va;
		put(l, &page);
	}
}

static int on_span(void *ctx, const struct pw_span *span)
{
	const struct pw_mmu *mmu = &span->piece->mmu;
	struct look *l = ctx;

	for (size_t i = 0; i < span->n && !all_shown(l); i++) {
		uint64_t va = span->va + (i << span->shift);
		struct pw_entry e;

		if (!span->raw[i] || va + (UINT64_C(1) << span->shift) <= next_page(l))
			continue;
		mmu->arch->decode(mmu, span->level, span->raw[i], &e);
		if (e.kind != PW_NONE)
			put_entry(l, &e, va);
	}
	return pw_render_alive(&l->s->render) ? 0 : ENOUGH;
}

static const struct pw_visitor visitor = { .span = on_span };

/*
 * A source without tables reads area by area: blocks side by side are one, however many VMAs they are, so that
 * many pages come with each read.
 */
static int set_areas(const struct alloc *a, struct pw_space *space)
{
	struct pw_area *v = calloc(a->n, sizeof(*v));
	size_t n = 0;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		uint64_t last = a->block[i].va + a->block[i].bytes - 1;

		if (n && v[n - 1].last + 1 == a->block[i].va)
			v[n - 1].last = last;
		else
			v[n++] = (struct pw_area){ .lo = a->block[i].va, .last = last, .name = "blocks" };
	}
	pw_areas_free(&space->areas);
	space->areas.v = v;
	space->areas.n = n;
	return 0;
}

/* One walk over all there is between the first and the last block. */
static int look(struct look *l, const struct pw_space *space)
{
	const struct alloc_block *last = &l->alloc->block[l->alloc->n - 1];
	const struct pw_walk_opts opts = {
		.size = sizeof(opts),
		.va = { l->alloc->block[0].va, last->va + last->bytes - 1 },
	};
	int rc = pw_walk(space, &opts, &visitor, l, &l->end.walk);

	if (!rc)
		put_absent(l, UINT64_MAX);
	return rc;
}

/* ---- staying alive ---- */

static void on_signal(int sig)
{
	(void)sig;
}

/* The end of what cannot be waited for (/dev/null; a terminal that is another job's) does not count. */
static bool stdin_counts(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st))
		return false;
	if (isatty(STDIN_FILENO))
		return tcgetpgrp(STDIN_FILENO) == getpgrp();
	return S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

static void block_signals(sigset_t *before)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		sigaddset(&set, ends[i]);
		sigaction(ends[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, before);
}

/* before: what signals may come now. */
static void wait_for_end(const sigset_t *before)
{
	struct pollfd in = { .fd = stdin_counts() ? STDIN_FILENO : -1, .events = POLLIN };
	char drop[256];

	while (ppoll(&in, 1, NULL, before) >= 0)
		if (read(STDIN_FILENO, drop, sizeof(drop)) <= 0)
			return;
}

/* ---- */

static int show(struct session *s, const struct alloc *a, struct pw_space *space)
{
	struct look l = {
		.s = s,
		.alloc = a,
		.counted = 1,
		.sum = {
			.one_block = strcmp(s->args->block ? s->args->block : "1G", "4K") != 0,
			.bytes = a->bytes,
			.blocks = a->n,
			.sizes_known = s->target->source.ops->caps & PW_CAP_TABLES,
			.pid = s->args->keep ? getpid() : 0,
		},
		.end = { .complete = true, .alloc = &l.sum },
	};
	const struct pw_rec_head head = { .command = "alloc", .space = space, .name = "self", .va = { 0, UINT64_MAX } };
	sigset_t before;
	int rc = session_begin(s, &head);

	if (rc)
		return rc;
	rc = look(&l, space);
	if (rc < 0)
		session_cut(s, rc, space->title);
	if (rc)
		return s->status;
	if (l.hidden)
		l.sum.extents = l.sum.longest = 0;
	l.end.hidden = l.hidden;
	l.end.records = l.sum.pages;
	if (!s->args->json)
		session_to_stdout(s);
	if (s->args->keep)
		block_signals(&before);
	session_end(s, &l.end);
	if (!s->args->keep)
		return s->status;
	session_to_stdout(s);
	wait_for_end(&before);
	return s->status;
}

static int open_and_show(struct session *s, const struct alloc *a)
{
	struct pw_space space;
	int rc = session_target(s);

	if (rc)
		return rc;
	if (!s->target->os->name || strcmp(s->target->os->name, "live"))
		return usage_error(&cmd_alloc, "a file cannot show memory that is allocated now");
	rc = session_space(s, "self", &space);
	if (rc)
		return rc;
	if (set_areas(a, &space)) {
		complain("out of memory");
		rc = STATUS_FAILED;
	} else {
		rc = show(s, a, &space);
	}
	pw_space_free(&space);
	return rc;
}

static int check(const struct args *args, struct alloc_wish *wish)
{
	struct pw_error err = { 0 };

	if (args->nargs)
		return usage_error(&cmd_alloc, "alloc takes no arguments: '%s'", args->arg[0]);
	if (!args->amount)
		return usage_error(&cmd_alloc, "alloc needs a size: -m 64M");
	if (parse_amount(args->amount, &wish->bytes, &err))
		return usage_error(&cmd_alloc, "-m: %s", err.text);
	*wish = (struct alloc_wish){
		.bytes = wish->bytes,
		.one_block = !args->block || !strcmp(args->block, "1G"),
		.huge = args->huge,
		.thp = args->thp,
		.lock = args->lock,
	};
	if (wish->huge && wish->thp)
		return usage_error(&cmd_alloc, "only one of --huge and --thp");
	if ((wish->huge || wish->thp) && !wish->one_block)
		return usage_error(&cmd_alloc, "blocks of 4K are no huge pages: --huge and --thp go with -b 1G");
	return 0;
}

static int run(struct args *args)
{
	struct alloc_wish wish;
	struct alloc a = { 0 };
	struct session s;
	int rc = check(args, &wish);

	if (!rc)
		rc = session_open(&s, args, PW_VIEW_ALLOC);
	if (rc)
		return rc;
	if (alloc_make(&wish, &a, &s.err)) {
		complain("%s", s.err.text);
		s.status = STATUS_FAILED;
	} else {
		if (wish.thp && alloc_thp_is_off())
			complain("transparent huge pages are off here: as root, 'echo madvise "
				 ">/sys/kernel/mm/transparent_hugepage/enabled'");
		s.status = open_and_show(&s, &a);
	}
	rc = session_close(&s);
	alloc_free(&a);
	return rc;
}

static const struct option_def options[] = {
	OPT("block", 'b', "4K|1G", OPT_TEXT, block, "many blocks of 4K, or one of any size (default: 1G)"),
	OPT("memory", 'm', "SIZE", OPT_TEXT, amount, "how much altogether: 64M, 1.5G"),
	OPT("huge", 0, NULL, OPT_FLAG, huge, "of reserved huge pages (hugetlb, 2M)"),
	OPT("thp", 0, NULL, OPT_FLAG, thp, "of transparent huge pages, as far as the kernel has them"),
	OPT("lock", 0, NULL, OPT_FLAG, lock, "lock it into memory"),
	OPT("keep", 'k', NULL, OPT_FLAG, keep, "print the PID and keep it, until a signal or the end of input"),
	OPT_SOURCE,
	OPT_JSON,
	OPT("output", 'o', "FILE", OPT_TEXT, output, "write the pages to FILE, the sums to standard output"),
	OPT("noheadings", 'n', NULL, OPT_FLAG, noheadings, "the pages alone, no sums"),
	OPT_HELP,
	OPT_END,
};

const struct command cmd_alloc = {
	.name = "alloc",
	.args = "",
	.summary = "where memory of a process comes to lie: allocates, touches and shows it",
	.about = "A line VA=0x... -> PA=0x... for each page of 4K, then what they are together: physically contiguous\n"
		 "stretches, pages by size. -b is the way of allocating, -m how much; sizes are decimal with K, M, G, "
		 "T.\n"
		 "Frames are 'hidden' without CAP_SYS_ADMIN. Also installed as memalloc.\n",
	.examples = "  sudo memalloc -b 4K -m 64M -o out_4k.txt\n"
		    "  sudo pagewalk alloc -b 1G -m 64M --thp\n"
		    "  sudo pagewalk alloc -b 1G -m 1.5M --lock --keep\n",
	.options = options,
	.run = run,
	.program = "memalloc",
};
