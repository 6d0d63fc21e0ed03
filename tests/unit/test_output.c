/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of entries, runs and translations are copies of earlier ones with other numbers (lib/render/form.h). Here the same lines are written one by
 * one and compared: random ones, and such as are at the edges of something. Those of runs by a renderer that has no line to copy, the others
 * by code of its own (line_text.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "line_text.h"
#include "render/form.h"
#include "render/json.h"

#define SPANS   400 /* each up to 512 entries, in each form */
#define ENTRIES 512
#define ULL     unsigned long long

static uint64_t seed = 88172645463325252;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t n)
{
	return (any() >> 20) % n;
}

/* ---- spaces ---- */

static char long_name[2 * PW_OUT_NAME];

static struct pw_area areas[] = {
	{ 0x1000, 0xfffff, .name = "low", .path = "/low", .perms = "r--p" },
	{ 0x400000, 0x7fffff, .name = "" },
	{ 0x100000000, 0x1ffffffff, .name = "a\033[31m\n\xff\"\\b" },
	{ 0x200000000, 0x7fffffffffff,
	  .name = "gr\xc3\xb6\xc3\x9f"
		  "e",
	  .path = "/usr/\n", .perms = "rw-p" },
	{ 0xffff800000000000, 0xffffbfffffffffff, .name = long_name },
	{ 0xffffc00000000000, 0xffffffffffffffff, .name = "the rest" },
};

static void space_init(struct pw_space *space, const struct pw_arch *arch, unsigned levels, enum pw_half half)
{
	struct pw_piece *p = &space->piece[0];

	memset(long_name, 'n', sizeof(long_name) - 1);
	*space = (struct pw_space){ .npieces = 1, .areas = { areas, sizeof(areas) / sizeof(areas[0]), NULL } };
	p->va = half == PW_HALF_USER ? (struct pw_range){ 0, levels == 5 ? 0xffffffffffffff : 0x7fffffffffff }
				     : (struct pw_range){ 0xff00000000000000, UINT64_MAX };
	p->mmu = (struct pw_mmu){
		.arch = arch,
		.mode = levels ? pw_arch_mode(arch, levels) : &arch->modes[0],
		.half = half,
		.maxphyaddr = 46,
		.dialect = any() & 0xff,
		.enc_mask = below(3) ? 0 : UINT64_C(1) << 47,
		.no_nx = !below(4),
	};
	pw_x86_pat_linux(p->mmu.pat);
}

/* Words that are much alike, as in a real table, with others among them: plain leaves, or of any other kind. */
static void fill(const struct pw_piece *p, unsigned depth, uint64_t raw[ENTRIES])
{
	static const uint64_t edges[] = {
		0,          1,    UINT64_MAX, 0x8000000000000000, 0x80,       0x100,
		0x4000001f, 0x81, 0xfff,      0x000ffffffffff000, 0x200000e7, 0xc000000000000020
	};
	struct pw_leaf_format fmt;
	uint64_t flags = any(), pa = any(), kind;
	unsigned odd = 1 + below(64);

	p->mmu.arch->leaf_format(&p->mmu, p->mmu.mode->lv[depth].level, &fmt);
	pa >>= below(64);
	kind = below(2) ? fmt.leaf_value : any() & fmt.leaf_mask;
	for (size_t i = 0; i < ENTRIES; i++) {
		if (!below(odd))
			flags = any() >> below(64);
		if (!below(odd))
			pa = any() >> below(64);
		pa += fmt.pa_step;
		raw[i] = (flags & ~fmt.leaf_mask & ~fmt.pa_mask) | kind | (pa & fmt.pa_mask);
		if (!below(odd))
			raw[i] = below(2) ? any() >> below(64) : edges[below(sizeof(edges) / sizeof(edges[0]))];
	}
}

/* Where the number of digits is about to change, in an area, or anywhere. */
static uint64_t address(uint64_t step)
{
	const struct pw_area *area = &areas[below(sizeof(areas) / sizeof(areas[0]))];
	uint64_t a = any() >> below(64);

	if (below(3) == 0)
		a = UINT64_C(1) << (4 * below(16));
	else if (below(2))
		a = area->lo + any() % (area->last - area->lo);
	return (a - below(2) * step * below(ENTRIES)) & ~(step - 1);
}

static void span_init(struct pw_span *span, const struct pw_piece *p, uint64_t raw[ENTRIES])
{
	unsigned depth = p->mmu.mode->depth == 1 ? 0 : p->mmu.mode->depth - 1 - below(3), first = below(ENTRIES);
	const struct pw_mode_level *lv = &p->mmu.mode->lv[depth];

	if (p->mmu.mode->depth == 1)
		first = 0;
	*span = (struct pw_span){
		.piece = p,
		.level = lv->level,
		.depth = depth,
		.shift = lv->shift,
		.perm_above = below(2) ? PW_RWXU : below(16),
		.va = address((uint64_t)ENTRIES << lv->shift) + ((uint64_t)first << lv->shift),
		.slot_pa = PW_PA_NONE,
		.raw = raw,
		.n = 1 + below(ENTRIES - first),
	};
	if (p->mmu.mode->depth == 1)
		span->va = address(UINT64_C(1) << lv->shift); /* its spans begin and end anywhere */
	else if (below(8))
		span->slot_pa = (address(4096) & 0xffffffffffffff) + 8 * first;
	fill(p, depth, raw);
}

/* ---- comparing ---- */

static void render_init(struct pw_render *r, struct pw_out *out, const struct pw_render_ops *ops,
			const struct pw_space *space, enum pw_view view, const char *list)
{
	struct pw_error err = { 0 };

	*r = (struct pw_render){ .ops = ops, .out = out, .noheadings = true, .any = true };
	r->head = (struct pw_rec_head){ .space = space, .name = "root:1000", .va = { 0, UINT64_MAX } };
	r->colour = below(2);
	r->bytes = below(2);
	assert_int_equal(pw_out_init(out, -1), 0);
	assert_int_equal(pw_render_columns(r, view, list, &err), 0);
	r->ops->begin(r);
	out->len = 0;
}

static void render_free(struct pw_render *r)
{
	pw_render_free(r);
	pw_out_free(r->out);
}

static void must_begin_with(const char *is, const char *line, const struct line *l)
{
	size_t n = strlen(line);

	if (strncmp(is, line, n))
		fail_msg("va %llx raw %llx:\nis        %.*s\nshould be %s", (ULL)l->va, (ULL)l->raw, (int)n, is, line);
}

static void compare_span(struct pw_render *r, const struct pw_span *span)
{
	static char row[LINE_TEXT];
	struct line l;
	size_t at = 0;

	r->out->len = 0;
	r->ops->span(r, span);
	pw_out_room(r->out, 1);
	r->out->buf[r->out->len] = 0;
	for (size_t i = 0; i < span->n; i++) {
		if (!span->raw[i])
			continue;
		line_init(&l, r, span, i);
		if (r->ops == &pw_render_json)
			entry_json(row, &l);
		else
			entry_line(row, &l);
		must_begin_with(r->out->buf + at, row, &l);
		at += strlen(row);
	}
	assert_int_equal(at, r->out->len);
}

/* Some of a view's columns, at least one, in any order. */
static void some_columns(enum pw_view view, char *list)
{
	size_t n, from, step;
	const struct pw_column *col = pw_view_columns(view, &n);
	size_t left = 1 + below(n < PW_MAX_COLUMNS ? n : PW_MAX_COLUMNS);

	from = below(n);
	step = below(2) ? 1 : n - 1;
	for (*list = 0; left--; from = (from + step) % n) {
		if (*list)
			strcat(list, ",");
		strcat(list, col[from].name);
	}
}

static void any_space(struct pw_space *space)
{
	unsigned kind = below(5);

	if (kind == 0)
		space_init(space, &pw_arch_pagemap, 0, PW_HALF_USER);
	else
		space_init(space, &pw_arch_x86_64, 4 + kind % 2, kind > 2 ? PW_HALF_KERNEL : PW_HALF_USER);
}

static void compare_entries(const struct pw_render_ops *ops, enum pw_view view, bool usual)
{
	static uint64_t raw[ENTRIES];
	struct pw_space space;
	struct pw_render r;
	struct pw_span span;
	struct pw_out out;
	char list[256];

	for (unsigned i = 0; i < SPANS / 20; i++) {
		any_space(&space);
		some_columns(view, list);
		render_init(&r, &out, ops, &space, view, usual ? NULL : list);
		for (unsigned k = 0; k < 20; k++) {
			span_init(&span, &space.piece[0], raw);
			compare_span(&r, &span);
		}
		render_free(&r);
	}
}

static void test_entries_in_their_usual_columns(void **state)
{
	(void)state;
	compare_entries(&pw_render_text, PW_VIEW_ENTRIES, true);
}

static void test_entries_in_any_columns(void **state)
{
	(void)state;
	compare_entries(&pw_render_text, PW_VIEW_ENTRIES, false);
	compare_entries(&pw_render_text, PW_VIEW_TREE, false);
	compare_entries(&pw_render_text, PW_VIEW_PAGETABLES, false);
}

static void test_entries_as_json(void **state)
{
	(void)state;
	compare_entries(&pw_render_json, PW_VIEW_ENTRIES, true);
}

/* The same renderer may go on with another space, at the same place in memory. */
static void test_what_was_copied_is_forgotten_between_spaces(void **state)
{
	static uint64_t raw[ENTRIES];
	struct pw_space space;
	struct pw_render r;
	struct pw_span span;
	struct pw_out out;

	(void)state;
	any_space(&space);
	render_init(&r, &out, &pw_render_text, &space, PW_VIEW_ENTRIES, NULL);
	for (unsigned i = 0; i < 200; i++) {
		span_init(&span, &space.piece[0], raw);
		compare_span(&r, &span);
		any_space(&space);
		r.ops->begin(&r);
		span.piece = &space.piece[0];
		if (span.depth < space.piece[0].mmu.mode->depth &&
		    span.shift == space.piece[0].mmu.mode->lv[span.depth].shift)
			compare_span(&r, &span);
	}
	render_free(&r);
}

/* ---- runs ---- */

struct two {
	struct pw_render copies, fresh;
	struct pw_out copied, written;
	bool usual; /* columns */
	unsigned runs;
};

static void compare_two(struct two *t, const struct pw_run *run)
{
	char range[64];

	t->copied.len = t->written.len = 0;
	t->copies.ops->run(&t->copies, run);
	pw_forms_forget(&t->fresh);
	t->fresh.ops->run(&t->fresh, run);
	pw_out_room(&t->copied, 1);
	pw_out_room(&t->written, 1);
	t->copied.buf[t->copied.len] = t->written.buf[t->written.len] = 0;
	assert_string_equal(t->copied.buf, t->written.buf);
	if (t->usual && t->copies.ops == &pw_render_text) {
		int digits = (int)t->copies.va_digits,
		    n = snprintf(range, sizeof(range), "%0*llx-", digits, (ULL)run->va);

		if (run->last == UINT64_MAX)
			strcpy(range + n, "10000000000000000 ");
		else
			snprintf(range + n, sizeof(range) - n, "%0*llx ", digits, (ULL)run->last + 1);
		must_begin_with(t->copied.buf, range, &(struct line){ .va = run->va });
	}
}

static int compare_run(void *ctx, const struct pw_run *run)
{
	struct pw_run last = *run, more = *run;
	struct two *t = ctx;

	last.last = UINT64_MAX;
	more.pages += 1024;
	compare_two(t, run);
	compare_two(t, &last);
	compare_two(t, &more);
	compare_two(t, run);
	t->runs++;
	return 0;
}

static void compare_runs(const struct pw_render_ops *ops, enum pw_runs_mode mode)
{
	static uint64_t raw[ENTRIES];
	struct pw_space space;
	struct pw_span span;
	struct pw_runs *runs;
	struct two t = { 0 };
	char list[256];

	any_space(&space);
	some_columns(PW_VIEW_RUNS, list);
	t.usual = below(2);
	render_init(&t.copies, &t.copied, ops, &space, PW_VIEW_RUNS, t.usual ? NULL : list);
	t.fresh = t.copies;
	t.fresh.out = &t.written;
	assert_int_equal(pw_out_init(&t.written, -1), 0);
	assert_non_null(pw_forms_of(&t.fresh));
	runs = pw_runs_new(mode, &space.areas, compare_run, &t);
	assert_non_null(runs);
	for (unsigned k = 0; k < 20; k++) {
		span_init(&span, &space.piece[0], raw);
		for (size_t i = 0; i < span.n; i++)
			raw[i] ^= below(4) ? 0 : UINT64_C(1) << (below(2) ? 12 : 5 + below(2));
		assert_int_equal(pw_runs_visitor.span(runs, &span), 0);
		assert_int_equal(pw_runs_flush(runs), 0);
	}
	assert_true(t.runs > 100);
	pw_runs_free(runs);
	free(t.fresh.forms);
	pw_out_free(&t.written);
	render_free(&t.copies);
}

/* A line that is a copy of another is as one that is written anew. */
static void test_runs(void **state)
{
	static const enum pw_runs_mode modes[] = { PW_RUNS_READ, PW_RUNS_PHYS, PW_RUNS_EXACT };

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		compare_runs(&pw_render_text, modes[i % 3]);
		compare_runs(&pw_render_json, modes[i % 3]);
	}
}

/* ---- translations ---- */

static void compare_translation(struct pw_render *r, const struct pw_translation *t)
{
	static char row[LINE_TEXT];
	const struct line l = { .va = t->va };

	r->out->len = 0;
	r->ops->translation(r, &(struct pw_rec_translation){ .t = t });
	r->out->buf[r->out->len] = 0;
	brief_line(row, r, t);
	must_begin_with(r->out->buf, row, &l);
	assert_int_equal(r->out->len, strlen(row));
}

static void test_translations(void **state)
{
	struct pw_translation t = { 0 };
	struct pw_space space;
	struct pw_render r;
	struct pw_out out;
	char list[256];

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		any_space(&space);
		some_columns(PW_VIEW_BRIEF, list);
		render_init(&r, &out, &pw_render_text, &space, PW_VIEW_BRIEF, below(2) ? NULL : list);
		for (unsigned k = 0; k < 500; k++) {
			t.va = below(4) ? t.va + 8 : any() >> below(64);
			if (!below(8)) {
				t.verdict = below(2) ? PW_MAPPED : below(PW_V_NVERDICTS);
				t.perm = below(2) ? PW_PERM_UNKNOWN : below(16);
				t.size = UINT64_C(1) << below(40);
			}
			t.pa = t.verdict == PW_MAPPED && below(9) ? any() >> below(64) : PW_PA_NONE;
			compare_translation(&r, &t);
		}
		render_free(&r);
	}
}

/* ---- below ---- */

static void test_hexadecimal(void **state)
{
	char expect[32];
	struct pw_out out;

	(void)state;
	assert_int_equal(pw_out_init(&out, -1), 0);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t v = any() >> below(65) % 64;
		unsigned digits = 1 + below(16);

		out.len = 0;
		pw_out_hexn(&out, v, digits);
		pw_out_hex16(&out, v);
		pw_out_hex(&out, v);
		out.buf[out.len] = 0;
		snprintf(expect, sizeof(expect), "%0*llx", (int)digits, (ULL)v);
		assert_memory_equal(out.buf, expect, strlen(expect));
		snprintf(expect, sizeof(expect), "%016llx", (ULL)v);
		assert_memory_equal(out.buf + out.len - 16 - pw_hex_count(v), expect, 16);
		snprintf(expect, sizeof(expect), "%llx", (ULL)v);
		assert_string_equal(out.buf + out.len - pw_hex_count(v), expect);
	}
	pw_out_free(&out);
}

static void test_strings_of_json(void **state)
{
	static const char *const parts[] = { "\"",   "\\",   "\n",       "\x7f",         "\x1f",
					     " ",    "~",    "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xa7",
					     "\x80", "\xc3", "\xc2\x85", "\xed\xa0\x80", "\xff",
					     "abc",  "r--p" };
	char s[64], expect[512];
	struct pw_out out;

	(void)state;
	assert_int_equal(pw_out_init(&out, -1), 0);
	for (unsigned i = 0; i < 100000; i++) {
		*s = 0;
		for (unsigned n = below(12); n--;)
			strcat(s, parts[below(sizeof(parts) / sizeof(parts[0]))]);
		out.len = 0;
		pw_json_string(&out, s);
		out.buf[out.len] = 0;
		json_string(expect, s);
		assert_string_equal(out.buf, expect);
	}
	pw_out_free(&out);
}

/* All of one table, the i-th. */
static void alike(struct pw_span *span, uint64_t raw[ENTRIES], unsigned i)
{
	const struct pw_mode *mode = span->piece->mmu.mode;

	span->depth = mode->depth - 1;
	span->level = PW_PTE;
	span->shift = 12;
	span->va = 0x400000000000 + ((uint64_t)i << 21);
	span->slot_pa = 0x123456000 + i * 4096;
	span->n = ENTRIES;
	for (size_t k = 0; k < ENTRIES; k++)
		raw[k] = 0x12345067 + (k << 12);
}

/* Wherever in a line the buffer ends; most lines are copies. */
static void test_a_file_gets_what_memory_gets(void **state)
{
	static uint64_t raw[ENTRIES];
	struct pw_render memory, file;
	struct pw_space space;
	struct pw_span span;
	struct pw_out out, to;
	int fd = memfd_create("lines", 0);
	char *got;

	(void)state;
	assert_true(fd >= 0);
	space_init(&space, &pw_arch_x86_64, 4, PW_HALF_USER);
	render_init(&memory, &out, &pw_render_text, &space, PW_VIEW_ENTRIES, NULL);
	file = memory;
	file.forms = NULL;
	assert_int_equal(pw_out_init(&to, fd), 0);
	file.out = &to;
	for (unsigned i = 0; i < 300; i++) {
		span_init(&span, &space.piece[0], raw);
		if (i % 10)
			alike(&span, raw, i);
		memory.ops->span(&memory, &span);
		file.ops->span(&file, &span);
	}
	assert_int_equal(pw_out_flush(&to), 0);
	assert_true(out.len > 4 * PW_OUT_BUF);
	assert_int_equal(lseek(fd, 0, SEEK_END), out.len);
	got = mmap(NULL, out.len, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(got, MAP_FAILED);
	assert_memory_equal(got, out.buf, out.len);
	munmap(got, out.len);
	close(fd);
	render_free(&file);
	render_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_in_their_usual_columns),
		cmocka_unit_test(test_entries_in_any_columns),
		cmocka_unit_test(test_entries_as_json),
		cmocka_unit_test(test_what_was_copied_is_forgotten_between_spaces),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_translations),
		cmocka_unit_test(test_hexadecimal),
		cmocka_unit_test(test_strings_of_json),
		cmocka_unit_test(test_a_file_gets_what_memory_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
